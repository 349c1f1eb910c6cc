"""The exponential step against the eigendecomposition of the whole information matrix, and in its limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.linalg import expm

from ltc_causal.inference import steps
from ltc_causal.inference.steps import Bend, exponential_step


def bend(seed, P, channels, k, spread):
    """An information matrix as it comes about: sums of squares of random J and X, on scales `spread` powers of e apart; and that matrix."""
    rng = np.random.default_rng(seed)
    size = P + channels * k
    head, arm, tail = np.diag(np.exp(rng.normal(0, spread, P))), np.empty((channels, P, k)), np.empty((channels, k))
    for c in range(channels):
        J = rng.standard_normal((2 * size, P)) * np.exp(rng.normal(0, spread, P))
        X = np.linalg.qr(rng.standard_normal((2 * size, k)))[0] * np.exp(rng.normal(0, spread, k))
        head, arm[c], tail[c] = head + J.T @ J, J.T @ X, (X**2).sum(axis=0) + 1e-8
    information = np.diag(np.concatenate([np.zeros(P), tail.ravel()]))
    information[:P, :P] = head
    information[:P, P:] = arm.transpose(1, 0, 2).reshape(P, -1)
    information[P:, :P] = information[:P, P:].T
    log_scale = np.linalg.slogdet(information)[1] / size
    return Bend(head, arm, tail, rng.standard_normal(P), rng.standard_normal((channels, k)), log_scale), information


sizes = {"P": st.integers(1, 12), "channels": st.integers(1, 4), "k": st.integers(1, 6)}


@given(seed=st.integers(0, 10**6), time=st.floats(-8, 12), spread=st.floats(0, 2), **sizes)
def test_step_is_that_of_the_whole_matrix(seed, time, spread, P, channels, k):
    b, information = bend(seed, P, channels, k, spread)
    gradient = np.concatenate([b.slope_p, b.slope_beta.ravel()])
    values, vectors = np.linalg.eigh(information)
    t = np.exp(time - b.log_scale)
    expected = vectors @ (-np.expm1(-t * values) / values * (vectors.T @ gradient))
    step_p, step_beta, gain = exponential_step(b, time)
    assert_allclose(np.concatenate([step_p, step_beta.ravel()]), expected, atol=1e-10 * np.abs(expected).max())
    assert_allclose(gain, gradient @ expected, rtol=1e-9)


@pytest.mark.parametrize("time", [-4.0, 0.0, 4.0])
def test_both_ways_to_a_step_agree(time, monkeypatch):
    b, _ = bend(1, 20, 3, 4, 1.0)
    by_poles = exponential_step(b, time)
    monkeypatch.setattr(steps, "LARGE", 1)
    for one, other in zip(by_poles, exponential_step(b, time), strict=True):
        assert_allclose(one, other, rtol=1e-8, atol=1e-11 * np.abs(other).max())


def test_a_short_step_follows_the_gradient_and_a_long_one_is_newtons():
    b, information = bend(2, 6, 2, 2, 0.5)
    gradient = np.concatenate([b.slope_p, b.slope_beta.ravel()])
    short, long = exponential_step(b, -20.0), exponential_step(b, 30.0)
    assert_allclose(short[0], np.exp(-20 - b.log_scale) * b.slope_p, rtol=1e-6)
    assert_allclose(np.concatenate([long[0], long[1].ravel()]), np.linalg.solve(information, gradient), rtol=1e-7, atol=1e-12)


def test_the_poles_give_the_exponential_of_a_matrix():
    """(exp(tH) - 1) H^-1 g by scipy, for a matrix small enough."""
    b, information = bend(3, 3, 1, 1, 0.3)
    gradient, t = np.concatenate([b.slope_p, b.slope_beta.ravel()]), np.exp(1.0 - b.log_scale)
    expected = np.linalg.solve(information, gradient - expm(-t * information) @ gradient)
    step_p, step_beta, _ = exponential_step(b, 1.0)
    assert_allclose(np.concatenate([step_p, step_beta.ravel()]), expected, rtol=1e-10)
