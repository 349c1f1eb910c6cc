"""Bayesian model reduction: against linear models, whose evidence is known, and against SPM."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spm_reference import FOLDER

import ltc_causal as lc
from ltc_causal.group.model_reduction import _stated

SPM_REGULARISATION = np.exp(-16)  # SPM adds this to every variance before it inverts


def names(n):
    return tuple(f"p{i}" for i in range(n))


def fixed(prior, held, value=0.0):
    return _stated(prior, dict.fromkeys(held, (value, 0.0)))


def linear(seed, n=5, n_time=30):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_time, n)) * rng.uniform(0.1, 3, n)
    return X, X @ rng.normal(size=n) + rng.normal(size=n_time)


def random_prior(rng, n=5, scale=1.0):
    root = scale * rng.normal(size=(n, n + 4)) / np.sqrt(n)  # so wide that it is nowhere singular
    return lc.Gaussian(names(n), rng.normal(size=n), root @ root.T)


def exact(X, y, prior):
    """Posterior mean and covariance, and log evidence, of y = X theta + noise of variance 1."""
    V = X @ prior.cov @ X.T + np.eye(len(y))
    residual = y - X @ prior.mean
    gain = prior.cov @ X.T @ np.linalg.inv(V)
    evidence = -0.5 * (len(y) * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + residual @ np.linalg.solve(V, residual))
    return prior.mean + gain @ residual, prior.cov - gain @ X @ prior.cov, evidence


def reduced_agrees(X, y, prior, reduced):
    mean, cov, evidence = exact(X, y, prior)
    found = lc.reduce_model((lc.Gaussian(prior.names, mean, cov), prior), reduced)
    expected_mean, expected_cov, expected_evidence = exact(X, y, reduced)
    assert found.log_evidence_change == pytest.approx(expected_evidence - evidence, abs=1e-7, rel=1e-7)
    assert np.allclose(found.posterior.mean, expected_mean, atol=1e-8)
    assert np.allclose(found.posterior.cov, expected_cov, atol=1e-8)
    assert np.array_equal(found.posterior.free, reduced.free)


@given(seed=st.integers(0, 10**6), held=st.sets(st.integers(0, 4)), value=st.floats(-2, 2))
def test_holding_parameters_is_exact_in_linear_models(seed, held, value):
    """Any of the parameters, all or none of them, under correlated priors."""
    prior = random_prior(np.random.default_rng(seed))
    reduced_agrees(*linear(seed), prior, fixed(prior, [f"p{i}" for i in held], value))


@given(seed=st.integers(0, 10**6), share=st.floats(0.01, 1.0), rank=st.integers(1, 5))
def test_any_narrower_prior_is_exact_in_linear_models(seed, share, rank):
    """Of full rank or not, elsewhere than the full prior."""
    rng = np.random.default_rng(seed)
    prior = random_prior(rng, scale=3.0)
    inside = np.linalg.cholesky(prior.cov) @ np.linalg.qr(rng.normal(size=(5, 5)))[0][:, :rank] * np.sqrt(share)
    reduced_agrees(*linear(seed), prior, lc.Gaussian(prior.names, prior.mean + 0.3 * rng.normal(size=5), inside @ inside.T))


@given(seed=st.integers(0, 10**6), rank=st.integers(2, 4))
def test_a_full_prior_may_be_singular(seed, rank):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(5, rank))
    prior = lc.Gaussian(names(5), rng.normal(size=5), root @ root.T)
    inside = root @ rng.normal(size=(rank, rank - 1)) * 0.2
    reduced_agrees(*linear(seed), prior, lc.Gaussian(prior.names, prior.mean + root @ rng.normal(size=rank), inside @ inside.T))


@given(seed=st.integers(0, 10**6), first=st.integers(0, 4), second=st.integers(0, 4))
def test_reduction_in_two_steps_is_reduction_in_one(seed, first, second):
    X, y = linear(seed)
    prior = lc.Gaussian(names(5), np.zeros(5), np.eye(5))
    posterior = lc.Gaussian(prior.names, *exact(X, y, prior)[:2])
    once_prior = fixed(prior, [f"p{first}"])
    once = lc.reduce_model((posterior, prior), {f"p{first}": (0, 0)})
    both_prior = fixed(once_prior, [f"p{second}"])
    twice = lc.reduce_model((once.posterior, once_prior), both_prior)
    direct = lc.reduce_model((posterior, prior), both_prior)
    assert once.log_evidence_change + twice.log_evidence_change == pytest.approx(direct.log_evidence_change, abs=1e-8)
    assert np.allclose(twice.posterior.mean, direct.posterior.mean, atol=1e-9)


def test_the_same_prior_changes_nothing_and_scales_do_not_matter():
    """Parameters in units a million times apart."""
    X, y = linear(3)
    scale = np.array([1e-6, 1.0, 1e3, 1e6, 1e-3])
    prior = lc.Gaussian(names(5), np.ones(5) * scale, np.diag(scale**2))
    posterior = lc.Gaussian(prior.names, *exact(X / scale, y, prior)[:2])
    same = lc.reduce_model((posterior, prior), prior)
    assert same.log_evidence_change == pytest.approx(0, abs=1e-10)
    assert np.allclose(same.posterior.mean, posterior.mean, rtol=1e-10)
    assert np.allclose(same.posterior.sd, posterior.sd, rtol=1e-10)
    held = lc.reduce_model((posterior, prior), fixed(prior, ["p3"]))
    change = exact(X / scale, y, fixed(prior, ["p3"]))[2] - exact(X / scale, y, prior)[2]
    assert held.log_evidence_change == pytest.approx(change, abs=1e-7)


def spm(regularisation):
    """Largest differences from SPM's changes of evidence and reduced means, over 12 subjects and three reduced priors each."""
    with np.load(FOLDER / "group" / "model_reduction.npz") as file:
        d = {key: file[key] for key in file.files}
    free = d["prior_variance"] > 0
    more = regularisation * np.eye(free.sum())
    its_names = names(free.sum())

    def gaussian(mean, cov):
        return lc.Gaussian(its_names, mean[free], cov[np.ix_(free, free)] + more)

    prior = gaussian(d["prior_mean"], np.diag(d["prior_variance"]))
    changes, means = [], []
    for subject in range(12):
        posterior = gaussian(d["posterior_mean"][subject], d["posterior_cov"][subject])
        for number, variance in enumerate(d["reduced_prior_variance"]):
            found = lc.reduce_model((posterior, prior), gaussian(d["prior_mean"], np.diag(variance)))
            changes.append(found.log_evidence_change - d["log_evidence_change"][subject, number])
            means.append(np.abs(found.posterior.mean - d["reduced_mean"][subject, number][free]).max())
    return np.abs(changes).max(), np.max(means)


def test_spm_agrees_once_its_regularisation_is_added():
    change, mean = spm(SPM_REGULARISATION)
    assert change <= 1e-6 and mean <= 1e-6


def test_the_regularisation_is_all_that_spm_differs_by():
    """A hundredth of a nat, where a connection of 15 nats goes."""
    change, mean = spm(0.0)
    assert change <= 0.01 and mean <= 1e-4


PRIOR = lc.Gaussian(names(2), np.zeros(2), np.diag([1.0, 0.0]))
POSTERIOR = lc.Gaussian(names(2), np.array([0.5, 0.0]), np.diag([0.5, 0.0]))


@pytest.mark.parametrize(
    ("posterior", "reduced", "sentence"),
    [
        (POSTERIOR, lc.Gaussian(("p0", "q"), np.zeros(2), np.eye(2)), "same parameters in the same order"),
        (POSTERIOR, lc.Gaussian(names(2), np.zeros(2), np.eye(2)), "gives 'p1' a variance that the full prior excludes"),
        (POSTERIOR, lc.Gaussian(names(2), np.array([0.0, 1.0]), np.diag([1.0, 0.0])), "gives 'p1' a mean that the full prior excludes"),
        (
            lc.Gaussian(names(2), np.zeros(2), np.diag([2.0, 0.0])),
            lc.Gaussian(names(2), np.zeros(2), np.diag([4.0, 0.0])),
            "too much wider",
        ),
        (lc.Gaussian(names(2), np.zeros(2), np.zeros((2, 2))), PRIOR, "singular there"),
    ],
)
def test_bad_input_is_said_in_a_sentence(posterior, reduced, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        lc.reduce_model((posterior, PRIOR), reduced)


def test_an_unknown_parameter_cannot_be_fixed():
    with pytest.raises(lc.InputError, match="Unknown parameter 'p3'"):
        lc.reduce_model((POSTERIOR, PRIOR), {"p3": (0, 0)})
