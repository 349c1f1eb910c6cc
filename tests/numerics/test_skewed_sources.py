"""The likelihood of a network of skewed sources: a density that integrates to one, and derivatives against finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import approx_fprime

from ltc_causal.numerics import skewed_sources as sources


def problem(n, seed, n_time=40):
    rng = np.random.default_rng(seed)
    theta = rng.normal(0, 0.3, sources.count(n)) / max(n - 1, 1)
    return theta, rng.gamma(2.0, size=(n_time, n))


@pytest.mark.parametrize(("log_s", "m", "a"), [(0.0, 0.0, 0.0), (0.4, -1.0, 0.8), (-1.0, 0.3, -1.5)])
def test_the_density_of_a_source_integrates_to_one(log_s, m, a):
    def density(z):
        return np.exp(sources.value_and_gradient(np.array([log_s, m, a]), np.array([[z]]))[0])

    assert quad(density, -np.inf, np.inf)[0] == pytest.approx(1.0, abs=1e-8)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 4), st.integers(0, 10_000))
def test_derivatives_are_those_of_the_value(n, seed):
    theta, z = problem(n, seed)
    value, gradient = sources.value_and_gradient(theta, z)
    assert np.isfinite(value)
    np.testing.assert_allclose(gradient, approx_fprime(theta, lambda t: sources.value_and_gradient(t, z)[0], 1e-7), atol=2e-3, rtol=1e-4)
    steps = 1e-5 * np.eye(len(theta))
    by_differences = [(sources.value_and_gradient(theta + h, z)[1] - sources.value_and_gradient(theta - h, z)[1]) / 2e-5 for h in steps]
    np.testing.assert_allclose(sources.hessian(theta, z), by_differences, atol=1e-3, rtol=1e-6)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_relabelling_units_relabels_the_gradient(seed):
    n = 4
    theta, z = problem(n, seed)
    order = np.random.default_rng(seed).permutation(n)
    B, *own = sources.split(theta, n)
    moved = np.concatenate([B[np.ix_(order, order)][~np.eye(n, dtype=bool)], *(part[order] for part in own)])
    value, gradient = sources.value_and_gradient(theta, z)
    value_moved, gradient_moved = sources.value_and_gradient(moved, z[:, order])
    assert value_moved == pytest.approx(value)
    np.testing.assert_allclose(sources.split(gradient_moved, n)[0], sources.split(gradient, n)[0][np.ix_(order, order)], atol=1e-9)


def test_a_network_without_equilibrium_has_no_likelihood():
    theta = np.zeros(sources.count(2))
    theta[:2] = 2.0, 1.0
    assert sources.value_and_gradient(theta, np.ones((5, 2)))[0] == -np.inf
