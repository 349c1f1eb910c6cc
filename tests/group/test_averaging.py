"""Averages: against the posterior of all data at once, against SPM, and against draws of a mixture."""

from types import SimpleNamespace

import group_subjects
import numpy as np
import pytest
from group_subjects import LinearGroup, centred, gaussian_regression
from hypothesis import given
from hypothesis import strategies as st

import ltc_causal as lc
from ltc_causal.group.averaging import average_models, average_parameters


@given(seed=st.integers(0, 10**6), n=st.integers(2, 6))
def test_the_average_is_the_posterior_of_all_data_at_once(seed, n):
    rng = np.random.default_rng(seed)
    linear = LinearGroup(centred(np.arange(n)), np.zeros((2, 3)), np.zeros(3), rng.uniform(0.3, 3, 3), seed, prior_mean=0.4)
    found = average_parameters(linear.fits())
    prior = linear.prior
    mean, cov, _ = gaussian_regression(np.concatenate(linear.Z), linear.y.ravel(), prior.mean, prior.cov)
    assert np.allclose(found.mean, mean, atol=1e-9) and np.allclose(found.cov, cov, atol=1e-10)


def test_spm_agrees():
    d, fits, _ = group_subjects.spm()
    found = average_parameters(fits, marginal=True)
    free = fits[0].prior.free
    assert np.abs(found.mean[free] - d["average_mean"][free]).max() <= 1e-8
    assert np.abs(found.cov - d["average_cov"]).max() <= 1e-8
    assert np.array_equal(found.free, free)


def over(names, mean, sd, energy):
    return SimpleNamespace(posterior=lc.Gaussian(names, np.array(mean), np.diag(np.square(sd))), free_energy=energy)


def test_the_average_over_models_is_that_of_draws():
    """A model without a connection has it at 0."""
    first = over(("A[a->b]", "A[b->a]"), [0.5, -0.2], [0.1, 0.2], 0.0)
    second = over(("A[b->a]",), [0.3], [0.1], np.log(3.0))
    found = average_models([first, second])
    rng = np.random.default_rng(0)
    member = rng.random(200000) < 0.75
    drawn = np.where(
        member[:, None], np.column_stack([np.zeros(200000), 0.3 + 0.1 * rng.standard_normal(200000)]), first.posterior.sample(200000, 1)
    )
    assert np.allclose(found.mean, drawn.mean(axis=0), atol=3e-3) and np.allclose(found.cov, np.cov(drawn.T), atol=3e-3)
    given = average_models([first, second], np.array([1.0, 0.0]))
    assert np.allclose(given.mean, first.posterior.mean) and np.allclose(given.cov, first.posterior.cov)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: average_models([]), "at least one fit"),
        (lambda: average_models([over(("A[a->b]",), [0.0], [1.0], 0.0)], np.array([0.4])), "that add up to 1"),
        (lambda: average_models([over(("decay",), [0.0], [1.0], 0.0), over(("A[a->b]",), [0.0], [1.0], 0.0)]), "'decay' is none"),
        (lambda: average_parameters([over(("p",), [0.0], [1.0], 0.0)] * 2), "give fits"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call()


def test_other_priors_are_refused():
    linear = LinearGroup(centred(np.arange(2)), np.zeros((2, 2)), np.zeros(2), np.ones(2))
    other = lc.Gaussian(linear.prior.names, np.ones(2), np.eye(2))
    with pytest.raises(lc.InputError, match="the same prior in every subject"):
        average_parameters([linear.fits()[0], linear.fits(other)[1]])
