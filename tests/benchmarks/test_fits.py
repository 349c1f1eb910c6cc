"""Warm fits on one thread (`make bench` times them; in the suite the short ones run once)."""

import numpy as np
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


@pytest.mark.parametrize("name", [*spm_reference.TWO_STATE, *spm_reference.NONLINEAR])
def test_other_kinds_fit(benchmark, name):
    """Two-state by its expansion, as SPM; nonlinear by its true flow, which SPM does not have."""
    model, recording, spm = spm_reference.case(name)
    model = model if model.neuronal == "two_state" else model.with_flow("true")
    lc.fit(model, recording)
    assert benchmark(lc.fit, model, recording).status.converged
    benchmark.extra_info["seconds_of_spm"] = float(spm["seconds"])


@pytest.mark.parametrize("neuronal", ["bilinear", "liquid"])
@pytest.mark.parametrize("name", ["bilinear3_1", "attention_forward"])
def test_true_flow_fit(benchmark, name, neuronal):
    model, recording, _ = spm_reference.case(name)
    model = model.with_neuronal(neuronal)
    lc.fit(model, recording)
    assert benchmark(lc.fit, model, recording).status.ok


def _network(n: int, seed: int, n_scan: int = 256, tr: float = 2.0) -> tuple[lc.DCM, lc.Recording]:
    """A sparse network of n regions, and the fully connected model that is fitted to it."""
    rng = np.random.default_rng(seed)
    regions, inputs = [f"R{i}" for i in range(n)], ["drive", "context"]
    last = int(n_scan * tr) - 40
    events = {"drive": [(float(t), 8.0) for t in range(4, last, 20)], "context": [(float(t), 40.0) for t in range(20, last, 80)]}
    u = lc.Inputs.from_events(events, n_scan * tr, tr / 16)
    driving = [("drive", regions[i]) for i in range(0, n, 4)]
    model = lc.DCM(regions, inputs, np.ones((n, n), bool), {"context": [(regions[0], regions[1])]}, driving)
    truth = {f"A[{regions[i]}->{regions[(i + 1) % n]}]": rng.uniform(0.2, 0.4) for i in range(n)}
    truth |= {name: 0.0 for name in model.edge_names if name[0] == "A" and "->" in name and name not in truth and not _own(name)}
    truth |= {f"B[context: {regions[0]}->{regions[1]}]": 0.3} | {f"C[drive->{region}]": 1.0 for _, region in driving}
    return model, lc.simulate(model.with_flow("true"), truth, u, dt=tr, snr=3.0, seed=seed)


def _own(name: str) -> bool:
    source, _, target = name[2:-1].partition("->")
    return source == target


@pytest.mark.parametrize("n", [8, pytest.param(16, marks=pytest.mark.slow), pytest.param(32, marks=pytest.mark.slow)])
def test_fully_connected_fit(benchmark, n):
    model, recording = _network(n, seed=0)
    benchmark.extra_info["parameters"] = int(model.prior.free.sum())
    fit = benchmark.pedantic(lc.fit, (model, recording), rounds=3 if n < 32 else 1, warmup_rounds=1 if n < 32 else 0)
    assert fit.status.converged


@pytest.mark.slow
def test_two_hundred_subjects_of_two_regions(benchmark):
    subjects = [_network(2, seed, n_scan=160) for seed in range(200)]
    lc.fit(*subjects[0])
    fits = benchmark.pedantic(lambda: [lc.fit(model, recording) for model, recording in subjects], rounds=1)
    assert sum(fit.status.converged for fit in fits) >= 198
