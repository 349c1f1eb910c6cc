"""Questions to networks of many regions: cheap, and the same as the plain way."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from regression_networks import network

import ltc_causal as lc
from ltc_causal.causal import local as module
from ltc_causal.causal.effects import settled
from ltc_causal.causal.local import Settings, decays, informed, local, route
from ltc_causal.core.blocks import Blocks, _quick_root
from ltc_causal.models.regression_dcm import RegressionDCM


@given(st.integers(0, 2**32 - 1), st.floats(-0.2, 0.2))
@settings(max_examples=60, deadline=None)
def test_squaring_tells_what_eigenvalues_tell(seed, margin):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((60, 60)) * rng.uniform(0.01, 1)
    A += np.triu(rng.standard_normal((60, 60)), 1) * rng.choice([0, 5])  # far from normal
    A -= (np.linalg.eigvals(A).real.max() + margin) * np.eye(60)
    assert decays(A[None])[0] == (np.linalg.eigvals(A).real.max() < 0)


SMALL = network(8, 400, 1.0, 2, 5.0, 0.3, seed=6)
FIT = lc.fit(RegressionDCM(SMALL.recording.regions, SMALL.recording.inputs.names, variant="tapas15"), SMALL.recording)


def test_the_variance_along_draws_is_that_of_the_slopes():
    at = local(FIT, Settings(draws=4000))
    way = route(at, "R0", "R3")
    g = module.slopes(at, way, settled)
    exact = float(g @ (at.posterior.cov @ g))
    along = module._variance_along(at, way, settled, at.drawn)
    assert along == pytest.approx(exact, rel=5 * np.sqrt(2 / module.DIRECTIONS))
    before = float(g @ (at.prior @ g))
    assert module._variance_along(at, way, settled, module._drawn_from_prior(at)) == pytest.approx(before, rel=5 * np.sqrt(2 / 256))


@pytest.mark.parametrize("target", ["R3", "R5", "R7"])
def test_both_ways_say_the_same_of_what_the_data_told(monkeypatch, target):
    at = local(FIT, Settings(draws=300))
    way = route(at, "R0", target)
    plain = informed(at, way, settled)
    monkeypatch.setattr(module, "MANY", 1)
    assert informed(at, way, settled) == plain


def test_a_quick_root_is_a_root():
    rng = np.random.default_rng(0)
    B = rng.standard_normal((6, 6))
    for cov in (B @ B.T, np.diag(rng.random(6)), np.diag([1.0, 0, 2, 0, 0, 1]), np.outer(B[0], B[0])):
        R = _quick_root(cov)
        assert np.abs(R @ R.T - cov).max() < 1e-12
    blocks = Blocks([np.array([0, 2]), np.array([1])], lambda k: (np.array([[2.0, 1], [1, 1]]), np.array([[3.0]]))[k])
    draws = blocks.draw(200000, np.random.default_rng(1))
    assert np.cov(draws.T) == pytest.approx(np.array([[2, 0, 1], [0, 3, 0], [1, 0, 1]]), abs=0.05)


@pytest.mark.slow
def test_a_graph_and_an_effect_of_200_regions_take_seconds():
    truth = network(200, 1200, 0.5, 30, 3.0, 3 / 200, seed=0)
    fit = lc.fit(RegressionDCM(truth.recording.regions, truth.recording.inputs.names, variant="tapas15"), truth.recording)
    began = time.process_time()
    graph = lc.causal_graph(fit, probability=0.95)
    of_graph, began = time.process_time() - began, time.process_time()
    effect = lc.total_effect(fit, "R3", "R5", draws=200)
    of_effect = time.process_time() - began
    print(f"graph {of_graph:.1f} s, effect {of_effect:.1f} s")
    assert graph.number_of_edges() > 0 and effect.status is not None
    assert of_graph < 10 and of_effect < 20
