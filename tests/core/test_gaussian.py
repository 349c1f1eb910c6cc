"""The Gaussian: against its definition by sampling, linear algebra and scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from strategies import gaussians

import ltc_causal as lc


@given(gaussian=gaussians(), probability=st.floats(0.05, 0.99))
def test_intervals_and_probabilities_are_the_normal_ones(gaussian, probability):
    lower, upper = gaussian.interval(probability)
    for name, mean, sd, low, high in zip(gaussian.names, gaussian.mean, gaussian.sd, lower, upper, strict=True):
        if sd == 0:
            assert low == mean == high and gaussian.probability(name, above=mean - 1) == 1 and gaussian.probability(name, above=mean) == 0
        else:
            assert (low, high) == pytest.approx(norm.interval(probability, mean, sd))
            assert gaussian.probability(name, above=0.3) == pytest.approx(norm.sf(0.3, mean, sd))


@given(gaussian=gaussians())
def test_samples_have_the_moments(gaussian):
    n = 4000
    sample = gaussian.sample(n, seed=3)
    sd = np.maximum(gaussian.sd, 1e-9)  # the mean of many equal numbers is rounded
    assert (np.abs(sample.mean(axis=0) - gaussian.mean) < 5 * sd / np.sqrt(n)).all()
    error = np.cov(sample.T).reshape(gaussian.cov.shape) - gaussian.cov
    assert (np.abs(error) < 6 * np.outer(sd, sd) * np.sqrt(2 / n) + 1e-12).all()
    assert np.array_equal(sample[:, ~gaussian.free], np.broadcast_to(gaussian.mean[~gaussian.free], (n, (~gaussian.free).sum())))


def test_samples_follow_the_seed():
    gaussian = lc.Gaussian(("a", "b"), np.zeros(2), np.array([[1, 0.5], [0.5, 2]]))
    assert np.array_equal(gaussian.sample(5, seed=1), gaussian.sample(5, seed=1))
    assert not np.array_equal(gaussian.sample(5, seed=1), gaussian.sample(5, seed=2))
    assert np.array_equal(gaussian.sample(5, seed=np.random.default_rng(1)), gaussian.sample(5, seed=1))


@given(gaussian=gaussians())
def test_marginal_in_another_order_picks_the_same_entries(gaussian):
    names = gaussian.names[::-1][:3]
    marginal = gaussian.marginal(names)
    for name in names:
        assert marginal.mean[marginal.index(name)] == gaussian.mean[gaussian.index(name)]
        for other in names:
            entry = marginal.cov[marginal.index(name), marginal.index(other)]
            assert entry == gaussian.cov[gaussian.index(name), gaussian.index(other)]


@given(gaussian=gaussians())
def test_correlation_is_that_of_the_free_ones(gaussian):
    correlation = gaussian.correlation
    assert len(correlation) == gaussian.free.sum()
    assert np.allclose(np.diag(correlation), 1) and np.abs(correlation).max(initial=0) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("names", "mean", "cov", "sentence"),
    [
        (("a", "b"), np.zeros(3), np.eye(2), "needs a mean of shape .2,. and a cov of shape .2, 2."),
        (("a", "b"), np.zeros(2), np.eye(3), "needs a mean"),
        (("a", "a"), np.zeros(2), np.eye(2), "'a' occurs 2 times"),
        (("a", "b"), [0, np.nan], np.eye(2), "Gaussian.mean must be finite"),
        (("a", "b"), np.zeros(2), np.diag([1.0, -1.0]), "variance of parameter 'b' is negative"),
        (("a", "b"), np.zeros(2), [[1, 0.5], [0.4, 1]], "not symmetric"),
    ],
)
def test_bad_input_is_said_in_a_sentence(names, mean, cov, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        lc.Gaussian(names, mean, cov)


def test_unknown_parameter_and_bad_probability():
    gaussian = lc.Gaussian(("decay", "epsilon"), np.zeros(2), np.eye(2))
    with pytest.raises(lc.InputError, match="did you mean 'decay'"):
        gaussian.probability("decoy")
    with pytest.raises(lc.InputError, match="between 0 and 1"):
        gaussian.interval(90)


def test_a_distribution_too_large_for_its_whole_covariance_knows_what_is_free():
    from ltc_causal.core.blocks import LARGEST, Blocks

    n = LARGEST + 2
    cov = Blocks([np.arange(2), np.arange(2, n)], lambda number: np.diag([1.0, 0.0]) if number == 0 else np.eye(n - 2))
    free = lc.Gaussian(tuple(f"p{i}" for i in range(n)), np.zeros(n), cov).free
    assert free.sum() == n - 1 and not free[1]
