"""Priors whose parameters are correlated, or that span fewer directions than they have parameters."""

from dataclasses import dataclass

import numpy as np
import pytest
import spm_reference
import toys
from numpy.testing import assert_allclose

import ltc_causal as lc

NAMES = ("p", "q", "r", "s")
MEAN = np.array([0.3, -0.2, 0.1, 0.4])


def problem(root, seed=0):
    prior = lc.Gaussian(NAMES, MEAN, root @ root.T)
    model = toys.Linear(prior)
    return model, toys.recording(model, prior.sample(1, seed)[0], seed)


FIXED_POINT = lc.VariationalLaplace(path="fixed_point")  # SPM's path ends when little is promised, not at the last digit


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_posterior_and_evidence_are_exact_whatever_the_rank(rank):
    model, recording = problem(np.random.default_rng(rank).standard_normal((4, rank)))
    fit = lc.fit(model, recording, FIXED_POINT)
    mean, cov, evidence = toys.closed_form(model.prior, [recording])
    assert fit.status is lc.Status.CONVERGED
    assert_allclose(fit.posterior.mean, mean, atol=1e-7)
    assert_allclose(fit.posterior.cov, cov, atol=1e-8)
    assert fit.free_energy == pytest.approx(evidence, abs=1e-4)


@dataclass(frozen=True, eq=False)
class Rotated:
    """A DCM whose parameters are theta = mean + basis z: other coordinates for the same model."""

    model: lc.DCM
    basis: np.ndarray

    @property
    def prior(self):
        own = self.model.prior
        return lc.Gaussian(own.names, self.basis.T @ own.mean, self.basis.T @ own.cov @ self.basis)

    @property
    def starts(self):
        return (self.prior.mean,)

    def __getattr__(self, name):
        return getattr(self.model, name)

    def linearise(self, z, features):
        prediction, jacobian, stable = self.model.linearise(self.basis @ z, features)
        return prediction, jacobian @ self.basis, stable


def test_the_ascent_does_not_depend_on_the_coordinates():
    """A correlated prior is another one seen from a turned axis: SPM's path gives the same numbers step by step."""
    model, recording, _ = spm_reference.case("uncentred4_selfmod_1")
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal(2 * [len(model.prior.names)]))[0]
    assert model.prior.free.all()
    plain, turned = lc.fit(model, recording), lc.fit(Rotated(model, basis), recording)
    assert_allclose(basis @ turned.posterior.mean, plain.posterior.mean, atol=1e-8)
    assert_allclose(basis @ turned.posterior.cov @ basis.T, plain.posterior.cov, atol=1e-9)
    assert_allclose(turned.history.free_energy, plain.history.free_energy, rtol=1e-9)


def test_the_posterior_stays_in_the_directions_of_the_prior():
    root = np.array([[1.0, 0], [1, 0], [0, 1], [0, -1]])
    model, recording = problem(root)
    moved = lc.fit(model, recording).posterior.mean - MEAN
    assert_allclose(moved[0], moved[1], atol=1e-12)
    assert_allclose(moved[2], -moved[3], atol=1e-12)


def test_a_fixed_parameter_beside_correlated_ones():
    root = np.array([[1.0, 0], [0.5, 0.8], [0, 0], [0.2, 0.1]])
    model, recording = problem(root)
    fit = lc.fit(model, recording, FIXED_POINT)
    mean, cov, _ = toys.closed_form(model.prior, [recording])
    assert fit.posterior.mean[2] == MEAN[2] and fit.posterior.sd[2] == 0
    assert_allclose(fit.posterior.mean, mean, atol=1e-6)
    assert_allclose(fit.posterior.cov, cov, atol=1e-8)
