"""Several sessions of one subject: the posterior of all data, whatever way these are cut, and each session's own confounds and noise."""

from dataclasses import replace

import made
import numpy as np
import pytest
import spm_reference
import toys
from numpy.testing import assert_allclose

import ltc_causal as lc
from ltc_causal.core.model import NoisePrior
from ltc_causal.plotting.signals import plot_fit

PRIOR = lc.Gaussian(("p", "fixed", "q"), [0.3, 1.0, -0.2], np.diag([1.0, 0.0, 0.5]))
MODEL = toys.Linear(PRIOR)
THETA = np.array([0.9, 1.0, -0.7])
UNEQUAL = [toys.recording(MODEL, THETA, 1), toys.recording(MODEL, THETA, 2, n_time=25, n_confound=4)]
PATHS = pytest.mark.parametrize("path", ["spm", "fixed_point"])


@PATHS
def test_unequal_sessions_of_a_linear_model_give_the_exact_posterior_and_evidence(path):
    fit = lc.fit(MODEL, UNEQUAL, lc.VariationalLaplace(path=path))
    mean, cov, evidence = toys.closed_form(PRIOR, UNEQUAL)
    assert_allclose(fit.posterior.mean, mean, atol=1e-6)
    assert_allclose(fit.posterior.cov, cov, atol=1e-8)
    assert fit.free_energy == pytest.approx(evidence, abs=1e-4)


def test_the_order_of_the_sessions_does_not_matter():
    one, other = lc.fit(MODEL, UNEQUAL), lc.fit(MODEL, UNEQUAL[::-1])
    assert_allclose(one.posterior.mean, other.posterior.mean, atol=1e-12)
    assert_allclose(one.free_energy, other.free_energy, rtol=1e-12)
    assert_allclose(one.sessions[0].confounds, other.sessions[1].confounds, atol=1e-10)


def test_a_run_cut_in_two_is_the_run_when_the_cut_has_its_confounds():
    whole = toys.recording(MODEL, THETA, 3, n_time=60)
    first = np.arange(60) < 25
    parts = [
        lc.Recording(
            lc.TimeSeries(whole.series.values[rows], 1.0, toys.REGIONS),
            lc.Inputs(whole.inputs.values[rows], 1.0, whole.inputs.names),
            whole.confounds[rows],
        )
        for rows in (first, ~first)
    ]
    split = np.concatenate([whole.confounds * first[:, None], whole.confounds * ~first[:, None]], axis=1)
    one, two = lc.fit(MODEL, replace(whole, confounds=split)), lc.fit(MODEL, parts)
    assert_allclose(two.posterior.mean, one.posterior.mean, atol=1e-9)
    assert_allclose(two.posterior.cov, one.posterior.cov, atol=1e-12)
    assert_allclose(two.free_energy, one.free_energy, rtol=1e-10)
    assert_allclose(np.concatenate([part.prediction for part in two.sessions]), one.prediction, atol=1e-9)
    assert_allclose(two.variance_explained, one.variance_explained, atol=0.05)  # variances about each session's own mean


def test_a_confound_of_zeros_changes_nothing():
    one = UNEQUAL[0]
    plain, padded = (
        lc.fit(MODEL, part, lc.VariationalLaplace(path="fixed_point")) for part in (one, toys.with_confounds(one, np.zeros(40)))
    )
    assert_allclose(padded.free_energy, plain.free_energy, rtol=1e-12)
    assert_allclose(padded.posterior.mean, plain.posterior.mean, atol=1e-12)


def test_two_copies_of_a_recording_are_twice_the_information():
    """At one noise level: the prior's share is counted once, the data's twice."""
    one = UNEQUAL[0]
    once, twice = lc.fit(MODEL, one), lc.fit(MODEL, [one, one])
    prior = 1 / np.array([1.0, 0.5])
    of_data = [np.linalg.inv(fit.posterior.cov[np.ix_([0, 2], [0, 2])]) - np.diag(prior) for fit in (once, twice)]
    assert_allclose(of_data[1], 2 * of_data[0], rtol=1e-8)
    assert_allclose(twice.sessions[0].prediction, twice.sessions[1].prediction, atol=1e-12)


def test_two_copies_of_a_bilinear_case_are_twice_its_information():
    model, recording, _ = spm_reference.case("uncentred4_selfmod_1")
    model = replace(model, noise=NoisePrior(4.0, 1e-12))
    fit = lc.fit(model, [recording, recording], lc.VariationalLaplace(path="fixed_point"))
    # One recording of half the noise variance says the same.
    quieter = lc.fit(replace(model, noise=NoisePrior(4.0 + np.log(2), 1e-12)), recording, lc.VariationalLaplace(path="fixed_point"))
    assert fit.status is lc.Status.CONVERGED
    assert quieter.distance(fit) < 1e-4
    assert_allclose(fit.posterior.sd[model.prior.free], quieter.posterior.sd[model.prior.free], rtol=1e-5)


def test_each_session_has_its_own_noise():
    model = replace(MODEL, noise=NoisePrior(np.log(4.0), 4.0))
    quiet = toys.recording(model, THETA, 5, n_time=200)
    noisy = toys.recording(model, THETA, 6, n_time=200)
    rough = noisy.series.values + 2 * np.random.default_rng(7).standard_normal((200, 2))
    fit = lc.fit(model, [quiet, replace(noisy, series=replace(noisy.series, values=rough))])
    for session in fit.sessions:
        assert_allclose(np.exp(-session.noise.mean / 2), session.residuals.std(axis=0), rtol=0.1)
    assert np.all(fit.sessions[0].noise.mean > fit.sessions[1].noise.mean + 2)


def test_sessions_share_one_scale_the_smallest():
    model = toys.Linear(PRIOR, range=1.0)
    fit = lc.fit(model, UNEQUAL)
    smallest = 1.0 / max(np.ptp(one.series.values) for one in UNEQUAL)
    assert [session.scale for session in fit.sessions] == [pytest.approx(smallest)] * 2
    scaled = [replace(one, series=replace(one.series, values=one.series.values * smallest)) for one in UNEQUAL]
    assert_allclose(fit.posterior.mean, lc.fit(MODEL, scaled).posterior.mean, atol=1e-9)


def two_runs():
    """The same couplings in two runs of unlike length, delays and echo time, the second half as large in its units."""
    truth = {"A[V1->V5]": 0.4, "A[V5->V1]": -0.2, "B[attention: V1->V5]": 0.5, "C[photic->V1]": 2.0}
    model = made.model()
    first = lc.simulate(model, truth, made.inputs(120), dt=2.0, snr=10.0, seed=1)
    second = lc.simulate(model, truth, made.inputs(90), dt=2.0, snr=10.0, seed=2, echo_time=0.03, delays=[0.3, 1.2])
    return model, truth, [first, second]


def test_two_runs_say_more_than_one():
    model, truth, runs = two_runs()
    both, alone = lc.fit(model, runs), [lc.fit(model, run) for run in runs]
    free = model.prior.free
    assert both.status is lc.Status.CONVERGED
    assert all(np.all(both.posterior.sd[free] < one.posterior.sd[free]) for one in alone)
    for name, value in truth.items():
        lower, upper = (end[both.posterior.index(name)] for end in both.posterior.interval(0.999))
        assert lower < value < upper
    assert [session.prediction.shape for session in both.sessions] == [(120, 2), (90, 2)]
    assert np.all(both.variance_explained > 0.9)


def test_what_belongs_to_one_session_is_asked_of_one():
    model, _, runs = two_runs()
    fit = lc.fit(model, runs)
    for name in ("recording", "prediction", "confounds", "residuals", "noise"):
        with pytest.raises(lc.InputError, match=rf"2 sessions, each with its own {name}: use fit\.sessions\[k\]\.{name}"):
            getattr(fit, name)
    with pytest.raises(lc.InputError, match=r"2 session\(s\), counted from 0, but session 2"):
        lc.predict(fit, session=2)
    sure = replace(fit, posterior=replace(fit.posterior, cov=np.zeros_like(fit.posterior.cov)))
    for number, session in enumerate(fit.sessions):
        error = lc.predict(sure, draws=2, session=number).mean - session.prediction
        assert np.abs(error).max() < 1e-3 * np.ptp(session.prediction)
    assert "2 sessions" in fit.summary()
    lines = plot_fit(fit, session=1).axes[0].lines
    assert_allclose(lines[1].get_ydata(), fit.sessions[1].prediction[:, 0])


def test_sessions_survive_the_archive(tmp_path):
    model, _, runs = two_runs()
    fit = lc.fit(model, runs)
    lc.save(fit, tmp_path / "two.fit")
    read = lc.load(tmp_path / "two.fit")
    for one, other in zip(fit.sessions, read.sessions, strict=True):
        assert_allclose(other.residuals, one.residuals, rtol=0)
        assert other.recording.echo_time == one.recording.echo_time and other.noise.mean.tolist() == one.noise.mean.tolist()


@pytest.mark.parametrize(("given", "sentence"), [([], "empty list"), ([UNEQUAL[0], 3], "got int"), ("a.csv", "got str")])
def test_what_is_no_list_of_recordings_is_refused(given, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        lc.fit(MODEL, given)
