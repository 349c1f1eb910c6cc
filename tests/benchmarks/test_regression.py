"""Regression DCM of whole brains on one thread (`make bench` times them; the small ones run once in the suite)."""

import numpy as np
import pytest
from regression_networks import network

import ltc_causal as lc
from ltc_causal.models.regression_dcm import RegressionDCM

LIMITS = [(100, False, 0.12), (200, False, 0.6), (400, False, 5.0), (100, True, 0.4), (200, True, 3.0)]  # regions, sparse, seconds


@pytest.mark.parametrize(("n", "sparse", "limit"), [pytest.param(*one, marks=[pytest.mark.slow] if one[0] > 100 else []) for one in LIMITS])
def test_fully_connected(benchmark, n, sparse, limit):
    recording = network(n, 1000 if n == 100 else 1200, 0.5, 4, 3.0, 3 / n, seed=0).recording
    options = {"sparse": True, "sparsity": 0.15} if sparse else {}
    model = RegressionDCM(recording.regions, recording.inputs.names, variant="tapas15", **options)
    lc.fit(model, recording)
    benchmark.extra_info["limit_in_seconds"] = limit
    fit = benchmark(lc.fit, model, recording)
    assert np.isfinite(fit.free_energy)
