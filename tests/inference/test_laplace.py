"""Variational Laplace on models whose posterior and evidence are known in closed form, and on ones that cannot be integrated."""

import numpy as np
import pytest
import toys

import ltc_causal as lc
from ltc_causal.core.model import NoisePrior

PRIOR = lc.Gaussian(("p", "fixed", "q"), np.array([0.3, 1.0, -0.2]), np.diag([1.0, 0.0, 0.5]))


def _linear_problem(seed, noise_variance=1e-12):
    model = toys.Linear(PRIOR, NoisePrior(np.log(toys.PRECISION), noise_variance))
    theta = PRIOR.sample(1, seed)[0]
    return model, toys.recording(model, theta, seed), theta


@pytest.mark.parametrize("path", ["spm", "fixed_point"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_linear_model_with_known_noise_gives_exact_posterior_and_evidence(seed, path):
    model, recording, _ = _linear_problem(seed)
    fit = lc.fit(model, recording, lc.VariationalLaplace(path=path))
    mean, cov, evidence = toys.closed_form(PRIOR, [recording])
    np.testing.assert_allclose(fit.posterior.mean, mean, atol=1e-6)
    np.testing.assert_allclose(fit.posterior.cov, cov, atol=1e-8)
    assert fit.free_energy == pytest.approx(evidence, abs=1e-4)
    assert fit.status is lc.Status.CONVERGED and fit.gradient_norm < 0.05


def test_fixed_parameters_stay_at_their_prior_mean():
    model, recording, _ = _linear_problem(3)
    fit = lc.fit(model, recording)
    assert fit.posterior.mean[1] == 1.0
    assert fit.posterior.sd[1] == 0.0


def test_noise_level_is_found():
    model, recording, _ = _linear_problem(4, noise_variance=4.0)
    fit = lc.fit(model, recording)
    residual = recording.series.values - fit.prediction - fit.confounds
    np.testing.assert_allclose(np.exp(-fit.noise.mean / 2), residual.std(axis=0), rtol=0.1)


def test_covers_the_truth_as_often_as_it_says():
    """90 % intervals of a linear model with known noise hold 90 % of truths drawn from the prior (100 draws, 2 parameters)."""
    inside = []
    for seed in range(100):
        model, recording, theta = _linear_problem(seed)
        lower, upper = lc.fit(model, recording).posterior.interval(0.9)
        inside += [lower[i] <= theta[i] <= upper[i] for i in (0, 2)]
    assert 0.84 <= np.mean(inside) <= 0.96  # 200 trials: sd 0.021


class NeverStable(toys.Linear):
    def linearise(self, theta, features):
        return *super().linearise(theta, features)[:2], False


def test_a_model_that_is_unstable_at_its_start_says_so():
    model, recording, _ = _linear_problem(0)
    fit = lc.fit(NeverStable(model.prior, model.noise), recording)
    assert fit.status is lc.Status.DIVERGED and not fit.status.ok
    assert fit.free_energy == -np.inf


class CliffModel(toys.Linear):
    """Stable only near the prior mean: steps that overshoot must be shortened, not taken."""

    def linearise(self, theta, features):
        y, J, _ = super().linearise(theta, features)
        return y, J, bool(np.abs(theta - self.prior.mean).max() < 0.2)


@pytest.mark.parametrize("path", ["spm", "fixed_point"])
def test_steps_into_instability_are_shortened(path):
    """And never filled with zeros: each prediction that counts is one that the model stands by."""
    model, recording, _ = _linear_problem(1)
    cliff = CliffModel(model.prior, model.noise)
    fit = lc.fit(cliff, recording, lc.VariationalLaplace(path=path))
    assert np.isfinite(fit.free_energy)
    assert np.abs(fit.posterior.mean - model.prior.mean).max() < 0.2
    assert not fit.status.ok


def test_too_few_iterations_is_said():
    model, recording, _ = _linear_problem(0)
    assert lc.fit(model, recording, lc.VariationalLaplace(max_iterations=1)).status is lc.Status.MAXIMUM_ITERATIONS


def test_the_same_call_gives_the_same_numbers():
    model, recording, _ = _linear_problem(0)
    first, second = lc.fit(model, recording), lc.fit(model, recording)
    assert first.free_energy == second.free_energy
    np.testing.assert_array_equal(first.posterior.mean, second.posterior.mean)


@pytest.mark.parametrize("given", [{"path": "newton"}, {"differences": "numeric"}, {"max_iterations": 0}, {"starts": 0}])
def test_a_wrong_setting_is_refused(given):
    with pytest.raises(lc.InputError, match=next(iter(given))):
        lc.VariationalLaplace(**given)


def test_fit_of_something_else_than_a_recording_is_refused():
    model, recording, _ = _linear_problem(0)
    with pytest.raises(lc.InputError, match="needs a Recording"):
        lc.fit(model, recording.series)
