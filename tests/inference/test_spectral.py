"""Fits of cross-spectra: against SPM, against the posterior's own definition, and what is asked of them afterwards."""

import time
from dataclasses import replace

import numpy as np
import pytest
import spectral_networks as nets
import spm_reference

import ltc_causal as lc
from ltc_causal.errors import InputError
from ltc_causal.models.spectral_dcm import SpectralDCM
from ltc_causal.models.spectral_prediction import blood_response
from ltc_causal.numerics.spectral_errors import whittle

TRUTH = {("R0", "R1"): 0.35, ("R1", "R2"): 0.3, ("R2", "R0"): -0.3}


@pytest.fixture(scope="module")
def recording():
    return nets.model(3).simulate(TRUTH, 600, 2.0, seed=0)


@pytest.fixture(scope="module")
def fit(recording):
    return lc.fit(nets.model(3), recording)


# --- SPM ----------------------------------------------------------------------------------------------------------------------------


def test_fit_agrees_with_spm_within_a_tenth_of_a_posterior_sd():
    model, recording, spm = spm_reference.spectral_case()
    fit = lc.fit(model, recording)
    sd = np.sqrt(np.diag(spm["posterior_cov"]))
    assert fit.status is lc.Status.CONVERGED
    assert np.abs((fit.posterior.mean - spm["posterior_mean"]) / sd).max() <= 0.02
    assert abs(fit.free_energy - spm["free_energy"]) <= 0.002
    assert np.abs(fit.posterior.sd / sd - 1).max() <= 0.01


def test_spms_differences_imitated_agree_to_rounding():
    model, recording, spm = spm_reference.spectral_case()
    fit = lc.fit(model, recording, lc.VariationalLaplace(differences="spm"))
    sd = np.sqrt(np.diag(spm["posterior_cov"]))
    assert np.abs((fit.posterior.mean - spm["posterior_mean"]) / sd).max() <= 1e-7
    assert abs(fit.free_energy - spm["free_energy"]) <= 1e-6
    assert np.abs(fit.posterior.cov - spm["posterior_cov"]).max() <= 1e-7 * np.abs(spm["posterior_cov"]).max()


def test_corrected_variant_is_nearer_to_what_made_spms_example():
    model, recording, spm = spm_reference.spectral_case()
    corrected = lc.fit(SpectralDCM(model.regions), recording)
    error, spms = (np.abs(A - spm["A_true"]).max() for A in (corrected.coupling.A, model.coupling(spm["posterior_mean"]).A))
    assert error < 0.12 < 0.2 < spms


# --- what a posterior is ------------------------------------------------------------------------------------------------------------


def test_the_end_is_the_top_of_whittles_likelihood_and_the_prior(recording):
    """By differences of the log joint, whose curvature must be the posterior's precision to a fifth."""
    model = nets.model(3)
    fit = lc.fit(model, recording, lc.VariationalLaplace(path="fixed_point"))
    (features,) = model.spectral_features([recording])

    def log_joint(theta):
        e = theta - model.prior.mean
        return whittle(model.predict(theta, features)[0], features.measured, features.averages) - 0.5 * e @ (e / np.diag(model.prior.cov))

    top, step = fit.posterior.mean, 1e-3 * fit.posterior.sd
    units = np.diag(step)
    gradient = np.array([(log_joint(top + u) - log_joint(top - u)) / 2e-3 for u in units])
    correlation = fit.posterior.cov / np.outer(fit.posterior.sd, fit.posterior.sd)
    assert np.sqrt(gradient @ correlation @ gradient) < 0.1  # posterior sds from the top
    expected = -0.5 * (fit.posterior.mean - model.prior.mean) @ ((fit.posterior.mean - model.prior.mean) / np.diag(model.prior.cov))
    expected += 0.5 * (np.linalg.slogdet(fit.posterior.cov)[1] - np.log(np.diag(model.prior.cov)).sum())
    expected += whittle(model.predict(top, features)[0], features.measured, features.averages)
    assert fit.free_energy == pytest.approx(expected, abs=0.02)


def test_connections_are_found_and_the_others_are_not(fit):
    assert fit.status is lc.Status.CONVERGED and fit.diagnose()["gradient norm"].value < 0.2
    A, sd = fit.coupling.A, fit.coupling_posterior
    for (source, target), value in TRUTH.items():
        assert abs(fit.coupling.edge(source, target) - value) < 3 * sd.sd[sd.index(f"A[{source}->{target}]")]
    absent = [A[i, j] for i in range(3) for j in range(3) if i != j and (f"R{j}", f"R{i}") not in TRUTH]
    assert np.abs(absent).max() < 0.15


def test_free_energy_prefers_the_network_that_made_the_data(recording, fit):
    regions = fit.model.regions
    right = lc.fit(SpectralDCM(regions, list(TRUTH)), recording)
    wrong = lc.fit(SpectralDCM(regions, [(target, source) for source, target in TRUTH]), recording)
    assert right.free_energy > wrong.free_energy + 5
    assert right.free_energy > fit.free_energy


def test_relabelled_recording_gives_the_relabelled_posterior(recording, fit):
    order = ("R2", "R0", "R1")
    other = lc.fit(SpectralDCM(order), recording)
    assert other.free_energy == pytest.approx(fit.free_energy, abs=0.05)
    there = other.posterior.marginal(fit.posterior.names)
    assert np.abs((there.mean - fit.posterior.mean) / fit.posterior.sd).max() < 0.1


def test_liquid_prior_changes_nothing_at_rest(recording, fit):
    liquid = lc.fit(nets.model(3, neuronal="liquid"), recording)
    same = liquid.posterior.marginal(fit.posterior.names)
    np.testing.assert_allclose(same.mean, fit.posterior.mean, atol=1e-10)
    np.testing.assert_allclose(same.cov, fit.posterior.cov, atol=1e-12)
    assert liquid.free_energy == pytest.approx(fit.free_energy, abs=1e-8)
    at, prior = liquid.posterior.index("log_kappa"), liquid.prior
    assert liquid.posterior.mean[at] == prior.mean[at] and liquid.posterior.cov[at, at] == prior.cov[at, at]


@pytest.mark.parametrize("variant", ["corrected", "spm"])
def test_two_sessions_say_more_than_one(recording, variant):
    model = nets.model(3, variant=variant)
    one, two = lc.fit(model, recording), lc.fit(model, [recording, nets.model(3).simulate(TRUTH, 500, 2.0, seed=1)])
    assert len(two.sessions) == 2 and two.status.ok
    edges = slice(0, 9)
    assert np.median(two.posterior.sd[edges] / one.posterior.sd[edges]) < 0.85


def test_every_start_is_told(recording):
    fit = lc.fit(nets.model(3), recording, lc.VariationalLaplace(starts=3), start={("R0", "R1"): 0.2})
    assert len(fit.starts) == 3 and fit.starts[0].start == "given"
    assert fit.free_energy == max(one.free_energy for one in fit.starts)
    assert fit.history.free_energy[-1] == pytest.approx(fit.free_energy, abs=0.5)


def test_too_few_iterations_are_told(recording):
    assert lc.fit(nets.model(3), recording, lc.VariationalLaplace(max_iterations=2)).status is lc.Status.MAXIMUM_ITERATIONS


def test_spms_differences_are_for_spms_variant(recording):
    with pytest.raises(InputError, match="use it with SpectralDCM.variant='spm'."):
        lc.fit(nets.model(3), recording, lc.VariationalLaplace(differences="spm"))


def test_a_task_is_refused(recording):
    task = replace(recording, inputs=lc.Inputs((np.arange(600)[:, None] % 8 < 4).astype(float), 2.0, ("photic",)))
    with pytest.raises(InputError, match="for rest"):
        lc.fit(nets.model(3), task)


# --- afterwards ---------------------------------------------------------------------------------------------------------------------


def test_graph_and_effects_are_those_of_any_fit(fit):
    graph = lc.causal_graph(fit, probability=0.95)
    assert set(TRUTH) <= set(graph.edges)
    assert graph.edges["R0", "R1"]["weight"] == pytest.approx(fit.coupling.edge("R0", "R1"))
    assert "Coupling in Hz" in fit.summary()


def test_a_clamped_region_holds_the_others_where_the_linear_network_says(fit):
    certain = replace(fit, posterior=lc.Gaussian(fit.posterior.names, fit.posterior.mean, 0 * fit.posterior.cov))
    J, do = fit.coupling.A, [lc.Clamp("R0", 0.01)]
    still = -np.linalg.solve(J[1:, 1:], J[1:, 0])
    held = lc.predict(certain, do=do, draws=2, quantity="neuronal")
    np.testing.assert_allclose(held.mean[-1] / 0.01, [1.0, *still], atol=1e-6)
    at = fit.model._resting(fit.posterior.mean)
    h, _ = blood_response(np.array([1e-9]), at, 0.04)
    # Steady states; BOLD in the recording's units, by the slope of the haemodynamics, up to the curvature of the signal equation.
    bold = lc.predict(certain, do=do, draws=2).mean[-1] * fit.session(0).scale
    np.testing.assert_allclose(bold, h[0].real * held.mean[-1], rtol=0.02)
    assert np.isfinite(lc.predict(fit, do=do, draws=20).lower).all()


def test_a_fit_takes_a_two_hundredth_of_spms_time():
    """Processor time of one thread, so that what else the machine does is not counted."""
    model, recording, spm = spm_reference.spectral_case()
    lc.fit(model, recording)
    taken = []
    for _ in range(5):
        began = time.process_time()
        lc.fit(model, recording)
        taken.append(time.process_time() - began)
    assert min(taken) <= spm["seconds"] / 200
