"""What a fit predicts of the models near it: against model reduction one model at a time, and against all models counted."""

from dataclasses import replace
from itertools import combinations, product

import made
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ltc_causal as lc
from ltc_causal.group.neighbourhood import Neighbourhood, flipped, seen_from
from ltc_causal.inference.design import coordinates, design, start

CANDIDATES = 6


def near(seed, drives=(), other_drives=True):
    """Two parameters that always stay, and six that may go; their posterior, and the prior that it comes from."""
    rng = np.random.default_rng(seed)
    n = CANDIDATES + 2
    prior = lc.Gaussian(tuple(f"p{i}" for i in range(n)), 0.3 * rng.normal(size=n), np.diag(rng.uniform(0.3, 2, n) ** 2))
    X = rng.normal(size=(n + 4, n)) * rng.choice([0.3, 1.5], n)
    cov = np.linalg.inv(np.linalg.inv(prior.cov) + X.T @ X)
    posterior = lc.Gaussian(prior.names, rng.normal(size=n), cov)
    candidates = np.arange(1, CANDIDATES + 1)
    driving = np.isin(np.arange(CANDIDATES), drives)
    view = Neighbourhood(posterior.mean, posterior.cov, candidates, prior.mean[candidates], prior.sd[candidates], driving, other_drives)
    return view, posterior, prior


def without(posterior, prior, removed):
    return lc.reduce_model((posterior, prior), {f"p{i + 1}": (0, 0) for i in np.flatnonzero(removed)})


subsets = st.lists(st.booleans(), min_size=CANDIDATES, max_size=CANDIDATES).map(np.array)


@given(seed=st.integers(0, 10**6), removed=subsets)
def test_gains_are_those_of_model_reduction(seed, removed):
    view, posterior, prior = near(seed)
    here = without(posterior, prior, removed)
    expected = [without(posterior, prior, flipped(removed, i)).log_evidence_change - here.log_evidence_change for i in range(CANDIDATES)]
    assert np.allclose(view.gains(removed), expected, rtol=1e-7, atol=1e-7)
    priced = replace(view, price=0.3).gains(removed)
    assert np.allclose(priced, expected + np.where(removed, -0.3, 0.3), rtol=1e-7, atol=1e-7)
    assert np.allclose(view.mean_without(removed), here.posterior.mean, atol=1e-8)


@given(seed=st.integers(0, 10**6), removed=subsets)
def test_climbing_ends_where_no_one_or_two_changes_help(seed, removed):
    view, posterior, prior = near(seed)
    way = [removed, *view.climb(removed)]
    energies = [without(posterior, prior, one).log_evidence_change for one in way]
    assert (np.diff(energies) > 0).all()
    changes = [(i,) for i in range(CANDIDATES)] + list(combinations(range(CANDIDATES), 2))
    others = [without(posterior, prior, flipped(way[-1], *change)).log_evidence_change for change in changes]
    assert max(others) <= energies[-1] + 1e-5


@given(seed=st.integers(0, 10**6), removed=subsets, price=st.floats(0, 1))
def test_values_are_those_of_model_reduction(seed, removed, price):
    view, posterior, prior = near(seed)
    expected = without(posterior, prior, removed).log_evidence_change + price * removed.sum()
    assert replace(view, price=price).value(removed) == pytest.approx(expected, rel=1e-7, abs=1e-7)


def test_other_maxima_are_maxima_and_the_best_of_all_is_nearly_always_among_them():
    """Of 64 models, for 40 random posteriors; climbing from the full model alone misses some."""
    climbed = found = 0
    nothing = np.zeros(CANDIDATES, dtype=bool)
    for seed in range(40):
        view, _, _ = near(seed)
        best = max(view.value(np.array(one)) for one in product([False, True], repeat=CANDIDATES))
        top = [nothing, *view.climb(nothing)][-1]
        others = view.elsewhere(top)
        for gain, other in others:
            assert gain == pytest.approx(view.value(other) - view.value(top), abs=1e-9) and view.gains(other).max() < 1e-5
        climbed += best <= view.value(top) + 1e-5
        found += best <= view.value(top) + max(0, others[0][0]) + 1e-5
    assert found >= max(39, climbed)


@given(seed=st.integers(0, 10**6), start=subsets)
def test_the_last_driving_input_stays(seed, start):
    view, _, _ = near(seed, drives=(2, 4), other_drives=False)
    start[2] = False
    for removed in view.climb(start):
        assert not (removed[2] and removed[4])


@pytest.mark.parametrize("neuronal", ["bilinear", "liquid"])
def test_at_its_own_fit_the_full_model_sees_its_own_posterior(neuronal):
    model, recording = made.model(neuronal), made.simulated()
    fit = lc.fit(model, recording, lc.VariationalLaplace(path="fixed_point"))
    d = design(model, [model.features(recording)], "exact")
    point = start(d, fit.posterior.mean)._replace(h=fit.noise.mean)
    assert np.allclose(coordinates(d, fit.posterior.mean), point.p)
    seen = seen_from(d, fit.posterior.mean, point)
    assert seen is not None
    assert (np.abs(seen[0] - fit.posterior.mean) <= 1e-4 * fit.posterior.sd).all()
    assert np.allclose(np.sqrt(np.diag(seen[1])), fit.posterior.sd, rtol=1e-4)
