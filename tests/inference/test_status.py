"""What a fit says of itself: whether it was informed, what it took, how far its approximation was off."""

from dataclasses import replace

import made
import numpy as np
import pytest
import spm_reference
import toys

import ltc_causal as lc

PRIOR = lc.Gaussian(("p", "q"), [0.3, -0.2], np.diag([1.0, 0.5]))


def divergence(fit):
    """Kullback-Leibler divergence of the posterior from the prior, in nats."""
    a, b = fit.posterior, fit.prior
    d = a.mean - b.mean
    log_det = np.linalg.slogdet(b.cov)[1] - np.linalg.slogdet(a.cov)[1]
    return 0.5 * (np.trace(np.linalg.solve(b.cov, a.cov)) + d @ np.linalg.solve(b.cov, d) - len(d) + log_det)


@pytest.mark.parametrize("size", [0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
def test_informed_means_one_nat_from_prior_to_posterior(size):
    """The regressors' size against the noise decides how much is learnt."""
    model = toys.Linear(PRIOR)
    recording = toys.recording(model, np.zeros(2), 0)
    weak = replace(recording, inputs=replace(recording.inputs, values=size * recording.inputs.values))
    fit = lc.fit(model, weak)
    assert fit.status is (lc.Status.CONVERGED if divergence(fit) >= 1 else lc.Status.NOT_INFORMED)
    assert fit.status.converged and fit.status.ok == (divergence(fit) >= 1)


def test_both_sides_of_one_nat_were_seen():
    model = toys.Linear(PRIOR)
    recording = toys.recording(model, np.zeros(2), 0)
    seen = [
        divergence(lc.fit(model, replace(recording, inputs=replace(recording.inputs, values=size * recording.inputs.values))))
        for size in (0.02, 1.0)
    ]
    assert seen[0] < 0.5 and seen[1] > 2


def test_a_run_without_its_driving_input_says_nothing():
    recording = made.simulated()
    off = replace(recording, inputs=replace(recording.inputs, values=0 * recording.inputs.values))
    fit = lc.fit(made.model(), off)
    assert fit.status is lc.Status.NOT_INFORMED and "inputs act during the run" in fit.summary()
    np.testing.assert_allclose(fit.posterior.mean, fit.prior.mean, atol=1e-12)
    np.testing.assert_allclose(fit.posterior.cov, fit.prior.cov, atol=1e-12)


def test_summary_leaves_out_what_is_not_known():
    fit = made.fit(status=lc.Status.UNKNOWN)
    empty = lc.core.result.History.of([])
    words = replace(fit, history=empty, seconds=np.nan).summary()
    assert "Free energy -123.46 nats.\n" in words
    assert "Free energy -123.46 nats after 6 iterations in 1.50 s.\n" in fit.summary()


@pytest.fixture(scope="module")
def true_flow():
    model, recording, _ = spm_reference.case("bilinear3_1")
    return lc.fit(model.with_flow("true"), recording, lc.VariationalLaplace(path="fixed_point"))


def test_a_true_flow_fit_reports_how_far_the_bilinear_one_would_be(true_flow):
    bilinear = true_flow.model.with_flow("bilinear")
    features = bilinear.features(true_flow.recording)
    change = bilinear.predict(true_flow.posterior.mean, features)[0] / features.scale - true_flow.prediction
    found = true_flow.approximation
    assert found.converged
    assert found.bold == pytest.approx(np.sqrt((change**2).mean() / (true_flow.prediction**2).mean()))
    alone = lc.fit(bilinear, true_flow.recording, lc.VariationalLaplace(path="fixed_point"))  # from the prior mean
    assert found.posterior == pytest.approx(true_flow.distance(alone), abs=1e-5)
    shift = np.abs(alone.posterior.mean - true_flow.posterior.mean) / true_flow.posterior.sd
    assert found.worst == true_flow.posterior.names[int(np.argmax(shift))]
    assert f"shift the posterior by up to {found.posterior:.2f} sd, of {found.worst}" in true_flow.summary()


def test_the_way_by_the_approximation_ends_where_the_direct_one_does(true_flow):
    direct = lc.fit(true_flow.model, true_flow.recording, start=dict(zip(true_flow.prior.names, true_flow.prior.mean, strict=True)))
    fit = lc.fit(true_flow.model, true_flow.recording)
    assert len(fit.history) < len(direct.history) / 2
    assert fit.distance(direct) < 0.02 and abs(fit.free_energy - direct.free_energy) < 1e-2


def test_the_report_of_the_approximation_is_kept(true_flow, tmp_path):
    lc.save(true_flow, tmp_path / "a.fit")
    read = lc.load(tmp_path / "a.fit")
    assert vars(read.approximation) == vars(true_flow.approximation)
    assert read.starts == true_flow.starts


def test_a_bilinear_fit_has_no_approximation():
    model, recording, _ = spm_reference.case("bilinear3_1")
    assert lc.fit(model, recording).approximation is None
