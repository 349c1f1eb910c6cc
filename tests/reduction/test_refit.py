"""The refit of a course: sensitivities against differences, recovery of a known system, and what it gains over the projection."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from strategies import TRUTH, blocks, made_fit, three_regions

import ltc_causal as lc
from ltc_causal.reduction.expansion import Expansion, Terms
from ltc_causal.reduction.project import Projection
from ltc_causal.reduction.refit import Refit, reduced_course
from ltc_causal.reduction.source import read_source

INPUTS = blocks(40.0, 0.25)
RECORDING = lc.simulate(three_regions(), TRUTH, INPUTS, dt=2.0, snr=5)
LIQUID = made_fit(three_regions(neuronal="liquid"), {**TRUTH, "log_kappa": 0.5}, recording=RECORDING)
COUPLING = lc.Coupling(
    [[-1.0, 0.3], [0.5, -0.8]], [[[0, 0], [0.4, 0]], [[0.1, 0], [0, 0]]], [[0.6, 0], [0, 0.2]], ("a", "b"), ("photic", "motion"),
    [[[0, 0], [0, 0]], [[0, 0.2], [0, 0]]],
)  # fmt: skip
GATED = Expansion(COUPLING, np.array([0.05, -0.02]), np.zeros(2), np.zeros(2))
NAMES = ("A[a->a]", "A[b->b]", "A[a->b]", "A[b->a]", "B[photic: a->b]", "C[photic->a]", "C[motion->b]", "D[b: b->a]")


def test_course_and_sensitivities_are_those_of_the_flow():
    source = read_source(GATED, INPUTS)
    terms = Terms.named(GATED.regions, GATED.inputs, NAMES)
    beta = terms.coefficients(COUPLING, GATED.constant)
    beta[0, 0] += 0.1
    whole = reduced_course(source, terms, beta, True)
    coupling, constant = terms.coupling(beta)
    system, x = Expansion(coupling, constant, np.zeros(2), np.zeros(2)), np.zeros(2)
    for bin, u in enumerate(INPUTS.values):
        assert np.allclose(whole[bin, :, 0], x, atol=5e-5)
        x = solve_ivp(lambda t, x, u=u: system.flow(x[:, None], u)[:, 0], (0, INPUTS.dt), x, rtol=1e-9, atol=1e-11).y[:, -1]
    for place, index in enumerate(np.argwhere(terms.mask)):
        shift = np.zeros_like(beta)
        shift[tuple(index)] = 1e-5
        up, down = (reduced_course(source, terms, beta + sign * shift, False)[:, :, 0] for sign in (1, -1))
        assert np.allclose(whole[:, :, 1 + place], (up - down) / 2e-5, atol=1e-7)


def test_a_bilinear_system_is_found_from_a_wrong_start():
    coupling = lc.Coupling(COUPLING.A, COUPLING.B, COUPLING.C, COUPLING.regions, COUPLING.inputs)
    system = Expansion(coupling, np.zeros(2), np.zeros(2), np.zeros(2))
    rng = np.random.default_rng(0)
    inputs = lc.Inputs(np.repeat(rng.uniform(-1, 1, (40, 2)), 5, axis=0), 0.2, coupling.inputs)
    source, terms = read_source(system, inputs), Terms.full(coupling.regions, coupling.inputs)
    exact = terms.coefficients(coupling, np.zeros(2))
    found, _ = Refit()._fitted(source, terms, exact + 0.1 * rng.normal(size=exact.shape) * terms.mask, source.states(system)[:, :, 0])
    assert np.allclose(found, exact, atol=1e-5)


def test_refit_follows_the_course_best():
    start = Projection(draws=20)
    projected = lc.reduce_to_dcm(LIQUID, start, do=[]).certificate
    refitted = lc.reduce_to_dcm(LIQUID, Refit(start), do=[]).certificate
    assert refitted.trajectory < 0.9 * projected.trajectory
    assert "refit of the course" in refitted.method


def test_posterior_of_a_bilinear_model_is_its_own():
    fit = made_fit(three_regions(), TRUTH, sd=0.01, recording=RECORDING)
    reduction = lc.reduce_to_dcm(fit, Refit(Projection(draws=300)), do=[])
    own = fit.coupling_posterior.marginal(reduction.posterior.names)
    assert np.allclose(reduction.posterior.mean, own.mean, atol=1e-6)
    assert np.allclose(reduction.posterior.sd, own.sd, rtol=0.2)


def test_a_start_that_explodes_is_said():
    source = read_source(GATED, INPUTS)
    terms = Terms.named(GATED.regions, GATED.inputs, NAMES)
    beta = terms.coefficients(COUPLING, GATED.constant) + 3.0 * terms.mask
    with pytest.raises(lc.InputError, match="explodes where the refit would begin"):
        Refit()._fitted(source, terms, beta, source.states(GATED)[:, :, 0])
