"""Variational Laplace on models whose posterior and evidence are known in closed form, and on ones that cannot be integrated."""

from dataclasses import dataclass, field

import numpy as np
import pytest

import ltc_causal as lc
from ltc_causal.core.model import Features, NoisePrior
from ltc_causal.inference import laplace


@dataclass(frozen=True, eq=False)
class LinearModel:
    """y[:, r] = X[:, r] theta: for a known noise level the posterior is Gaussian and the free energy is the log evidence."""

    X: np.ndarray  # (time, region, parameter)
    prior: lc.Gaussian
    noise: NoisePrior
    regions: tuple[str, ...] = field(default=("a", "b"))

    @property
    def starts(self):
        return (self.prior.mean,)

    def features(self, recording):
        return Features(recording.series.values, recording.confounds, 1.0, None)

    def predict(self, theta, features, differences="exact"):
        return self.X @ theta, True

    def linearise(self, theta, features):
        return self.X @ theta, self.X[..., self.prior.free], True


def _linear_problem(seed, noise_variance=1e-12):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, 2, 3))
    confounds = np.column_stack([np.ones(40), rng.standard_normal(40)])
    cov = np.diag([1.0, 0.0, 0.5])
    model = LinearModel(X, lc.Gaussian(("p", "fixed", "q"), np.array([0.3, 1.0, -0.2]), cov), NoisePrior(np.log(4.0), noise_variance))
    theta = model.prior.sample(1, seed)[0]
    y = X @ theta + confounds @ rng.standard_normal((2, 2)) + 0.5 * rng.standard_normal((40, 2))
    recording = lc.Recording(lc.TimeSeries(y, 1.0, ("a", "b")), lc.Inputs(np.zeros((40, 1)), 1.0, ("u",)), confounds)
    return model, recording, theta


def _inverse_with_confounds(S, W):
    """Inverse and log-determinant of S + W W' / CONFOUND_PRECISION, by Woodbury: formed as it stands it is singular to rounding."""
    weighted = np.linalg.solve(S, W)
    inner = laplace.CONFOUND_PRECISION * np.eye(W.shape[1]) + W.T @ weighted
    log_det = np.linalg.slogdet(S)[1] + np.linalg.slogdet(inner)[1] - W.shape[1] * np.log(laplace.CONFOUND_PRECISION)
    return np.linalg.inv(S) - weighted @ np.linalg.solve(inner, weighted.T), log_det


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_linear_model_with_known_noise_gives_exact_posterior_and_evidence(seed):
    model, recording, _ = _linear_problem(seed)
    fit = lc.fit(model, recording)
    y = recording.series.values.T.ravel()
    X = np.concatenate([model.X[:, 0], model.X[:, 1]])
    confounds = np.kron(np.eye(2), recording.confounds)
    inverse, log_det = _inverse_with_confounds(X @ model.prior.cov @ X.T + np.eye(80) / 4.0, confounds)
    residual = y - X @ model.prior.mean
    evidence = -0.5 * (80 * np.log(2 * np.pi) + log_det + residual @ inverse @ residual)
    gain = model.prior.cov @ X.T @ inverse
    np.testing.assert_allclose(fit.posterior.mean, model.prior.mean + gain @ (y - X @ model.prior.mean), atol=1e-6)
    np.testing.assert_allclose(fit.posterior.cov, model.prior.cov - gain @ X @ model.prior.cov, atol=1e-8)
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


class NeverStable(LinearModel):
    def linearise(self, theta, features):
        return *super().linearise(theta, features)[:2], False


def test_a_model_that_is_unstable_at_its_start_says_so():
    model, recording, _ = _linear_problem(0)
    fit = lc.fit(NeverStable(model.X, model.prior, model.noise), recording)
    assert fit.status is lc.Status.DIVERGED and not fit.status.ok
    assert fit.free_energy == -np.inf


class CliffModel(LinearModel):
    """Stable only near the prior mean: steps that overshoot must be shortened, not taken."""

    def linearise(self, theta, features):
        y, J, _ = super().linearise(theta, features)
        return y, J, bool(np.abs(theta - self.prior.mean).max() < 0.2)


def test_steps_into_instability_are_shortened():
    model, recording, _ = _linear_problem(1)
    cliff = CliffModel(model.X, model.prior, model.noise)
    fit = lc.fit(cliff, recording)
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


@pytest.mark.parametrize("given", [{"path": "newton"}, {"differences": "numeric"}, {"max_iterations": 0}])
def test_a_wrong_setting_is_refused(given):
    with pytest.raises(lc.InputError, match=next(iter(given))):
        lc.VariationalLaplace(**given)


def test_fit_of_something_else_than_a_recording_is_refused():
    model, recording, _ = _linear_problem(0)
    with pytest.raises(lc.InputError, match="needs a Recording"):
        lc.fit(model, recording.series)
