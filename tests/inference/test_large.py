"""Fits of many parameters, whose sums and matrices are kept and solved in another way than those of few."""

from dataclasses import replace

import numpy as np
import pytest
import spm_reference
import toys
from numpy.testing import assert_allclose

import ltc_causal as lc
from ltc_causal.inference import design, noise, steps
from ltc_causal.numerics import squares

PATHS = pytest.mark.parametrize("path", ["spm", "fixed_point"])


@PATHS
def test_many_parameters_of_a_linear_model_give_the_exact_posterior_and_evidence(path):
    rng, P = np.random.default_rng(0), 80
    assert P > design.LARGE
    root = rng.standard_normal((P, P)) / np.sqrt(P)
    prior = lc.Gaussian(tuple(f"p{i}" for i in range(P)), rng.standard_normal(P), root @ root.T + 0.1 * np.eye(P))
    model, theta = toys.Linear(prior), prior.mean + root @ rng.standard_normal(P)
    recordings = [toys.recording(model, theta, 1, n_time=70), toys.recording(model, theta, 2, n_time=55, n_confound=4)]
    fit = lc.fit(model, recordings, lc.VariationalLaplace(path=path))
    mean, cov, evidence = toys.closed_form(prior, recordings)
    # SPM's path ends at a tenth of a nat.
    sd = np.sqrt(np.diag(cov))
    assert_allclose(fit.posterior.mean / sd, mean / sd, atol=1e-6 if path == "fixed_point" else 0.1)
    assert_allclose(fit.posterior.cov / np.outer(sd, sd), cov / np.outer(sd, sd), atol=1e-8)
    assert fit.free_energy == pytest.approx(evidence, abs=1e-4 if path == "fixed_point" else 0.1)


@PATHS
def test_a_network_of_few_parameters_is_fitted_the_same_by_what_is_meant_for_many(path, monkeypatch):
    model, recording, _ = spm_reference.case("bilinear3_1")
    method, searched = lc.VariationalLaplace(path=path), []
    few = lc.fit(model, recording, method)
    for module in (design, noise, steps):
        monkeypatch.setattr(module, "LARGE", 1)
    monkeypatch.setattr(squares, "FEW", 1)
    few_rows = squares.few_rows
    monkeypatch.setattr(squares, "few_rows", lambda J: searched.append(len(J)) or few_rows(J))
    many = lc.fit(model, recording, method)
    assert searched and len(many.history) == len(few.history)
    sd = np.where(few.posterior.sd > 0, few.posterior.sd, 1)
    assert_allclose(many.posterior.mean / sd, few.posterior.mean / sd, atol=1e-9)
    assert_allclose(many.posterior.cov / np.outer(sd, sd), few.posterior.cov / np.outer(sd, sd), atol=1e-9)
    assert_allclose(many.free_energy, few.free_energy, rtol=1e-11)
    assert_allclose(many.history.gradient_norm, few.history.gradient_norm, rtol=1e-5, atol=1e-7)


def test_derivatives_that_are_not_finite_end_a_point():
    model = toys.Linear(lc.Gaussian(tuple(f"p{i}" for i in range(80)), np.zeros(80), np.eye(80)))
    features = model.features(toys.recording(model, np.zeros(80), 3))
    plan = features.plan.copy()
    d = design.design(model, [replace(features, plan=plan)], "exact")
    assert design.evaluate(d, np.zeros(80), np.zeros((2, 2))) is not None
    plan[5, 1, 7] = 1e200  # whose square overflows
    assert design.evaluate(d, np.zeros(80), np.zeros((2, 2))) is None
