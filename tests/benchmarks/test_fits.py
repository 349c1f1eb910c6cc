"""Warm fits on one thread (`make bench` times them; in the suite they run once)."""

import pytest
import spm_reference

import ltc_causal as lc


@pytest.mark.parametrize("name", spm_reference.BILINEAR)
def test_bilinear_fit(benchmark, name):
    model, recording, spm = spm_reference.case(name)
    lc.fit(model, recording)
    fit = benchmark(lc.fit, model, recording)
    assert fit.status.ok
    benchmark.extra_info["seconds_of_spm"] = float(spm["seconds"])


@pytest.mark.parametrize("neuronal", ["bilinear", "liquid"])
def test_true_flow_fit(benchmark, neuronal):
    model, recording, _ = spm_reference.case("attention_forward")
    model = model.with_neuronal(neuronal)
    lc.fit(model, recording)
    assert benchmark(lc.fit, model, recording).status.ok
