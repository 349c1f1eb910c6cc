"""The corrected variant at rest and with indicators: what it finds, and what must not matter to it."""

from dataclasses import replace

import numpy as np
import pytest
from regression_networks import fitted, fluctuating_network, network, resting_network
from scipy.special import ndtr

import ltc_causal as lc
from ltc_causal.inference.regression import Regression
from ltc_causal.models.linear_system import response, transfer
from ltc_causal.models.regression_dcm import RegressionDCM

QUICK = Regression(replicates=0)
TRUTH = resting_network(6, 400, 1.0, 5.0, 0.35, seed=11)


def fit_of(truth, recording=None, **options):
    recording = recording or truth.recording
    names = recording.regions, recording.inputs.names
    driving = truth.C != 0 if truth.C.shape[1] else None
    return lc.fit(RegressionDCM(*names, **({"intrinsic": truth.intrinsic, "driving": driving} | options)), recording, QUICK)


def changed(truth, values, confounds=None, delays=0.0):
    series = truth.recording.series
    return lc.Recording(lc.TimeSeries(values, series.dt, series.regions), truth.recording.inputs, confounds, delays=delays)


def test_the_response_in_frequency_is_that_in_time():
    dt, n = 0.01, 20000
    h = np.fft.rfft(response(n, dt, 0.04))
    omega = 2 * np.pi * np.fft.rfftfreq(n, dt)
    low = omega < 2
    # An activity of 1 during a bin has the spectrum of that bin.
    held = np.where(omega > 0, (1 - np.exp(-1j * omega * dt)) / np.where(omega > 0, 1j * omega, 1.0), dt) / dt
    assert np.abs(h - held * transfer(omega, 0.04))[low].max() < 1e-3 * np.abs(h).max()


def test_it_is_far_nearer_the_truth_than_tapas():
    A = fit_of(TRUTH).coupling.A
    off = TRUTH.intrinsic & ~np.eye(6, dtype=bool)
    assert np.abs(A - TRUTH.A)[off].mean() < 0.5 * np.abs(fitted(TRUTH, "tapas15")[0] - TRUTH.A)[off].mean()


def test_more_data_bring_it_nearer():
    """Sixteen times as long is at most half the error (a quarter where nothing is left of a bias)."""
    errors, off = [], ~np.eye(6, dtype=bool)
    for n_scan in (300, 4800):
        made = [resting_network(6, n_scan, 1.0, 5.0, 0.35, seed=seed) for seed in range(20, 30, 2)]
        errors.append(np.mean([((fit_of(truth).coupling.A - truth.A)[truth.intrinsic & off] ** 2).mean() for truth in made]) ** 0.5)
    assert errors[1] < 0.5 * errors[0]


def test_times_at_which_regions_are_read_do_not_matter():
    """Direction at rest is in the phases: a region that is read later looks like a target unless it is known."""
    quiet = resting_network(6, 800, 1.0, 50.0, 0.35, seed=12)
    usual = fit_of(quiet)
    delays = np.array([0.0, 0.9, 0.1, 0.8, 0.5, 0.3])
    spectrum = np.fft.rfft(quiet.recording.series.values, axis=0)
    omega = 2 * np.pi * np.fft.rfftfreq(800, 1.0)
    late = np.fft.irfft(spectrum * np.exp(1j * omega[:, None] * delays), 800, axis=0)
    told, untold = (fit_of(quiet, changed(quiet, late, delays=given)) for given in (delays, 0.0))
    assert np.abs(told.coupling.A - usual.coupling.A).max() < 0.05
    assert np.abs(untold.coupling.A - usual.coupling.A).max() > 0.1


def test_units_and_named_drifts_do_not_matter():
    values = TRUTH.recording.series.values
    time = np.linspace(-1, 1, len(values))
    X = np.stack([np.ones_like(time), time, time**2], axis=1)
    usual = fit_of(TRUTH, changed(TRUTH, values, X))
    other = fit_of(TRUTH, changed(TRUTH, 100 * (values + X @ np.arange(18.0).reshape(3, 6)), X))
    assert np.abs(other.coupling.A - usual.coupling.A).max() < 5e-3


def test_noise_is_told_apart_from_fluctuations():
    """The noise was made at a fifth of each signal's sd."""
    fit = fit_of(TRUTH)
    sd = np.exp(-fit.noise.mean / 2)
    total = fit.recording.series.values.std(axis=0)
    assert sd == pytest.approx(total / np.sqrt(26), rel=0.35)


@pytest.mark.parametrize("made", [resting_network(20, 600, 0.5, 3.0, 0.15, 30), fluctuating_network(6, 400, 1.0, 2, 5.0, 0.35, seed=31)])
def test_indicators_find_which_connections_there_are(made):
    fit = fit_of(made, intrinsic=None, sparse=True)
    n = len(made.A)
    assert fit.inclusion is not None
    z = fit.inclusion[: n * n].reshape(n, n).T
    off = ~np.eye(n, dtype=bool)
    assert lc.area_under_curve(z[off], made.intrinsic[off]) > 0.88
    assert (np.diag(z) == 1).all()
    likely = (z > 0.9) & off
    assert made.intrinsic[likely].mean() > 0.8


def test_graph_and_second_fit_of_what_is_likely():
    fit = fit_of(TRUTH, intrinsic=None, sparse=True)
    assert fit.inclusion is not None
    graph = lc.causal_graph(fit, probability=0.6)
    position = {name: k for k, name in enumerate(fit.posterior.names)}
    for source, target, edge in graph.edges(data=True):
        at = position[f"A[{source}->{target}]"]
        sign = lc.causal_graph(fit).edges[source, target]["sign"] * fit.posterior.mean[at] / fit.posterior.sd[at]
        assert edge["probability"] == pytest.approx(fit.inclusion[at] * ndtr(sign))
    model = fit.model.with_likely(fit.inclusion, 0.6)
    assert {(s, t) for s, t in graph.edges} <= {(f"R{j}", f"R{i}") for i, j in np.argwhere(model.intrinsic)}
    expected = fit.inclusion[:36].reshape(6, 6).T >= 0.6
    assert np.array_equal(model.intrinsic, expected) and not model.sparse
    again = lc.fit(model, TRUTH.recording, QUICK)
    assert lc.total_effect(again, "R0", "R1", draws=20).status is not None
    with pytest.raises(lc.InputError, match="inclusion of a sparse fit"):
        model.with_likely(again.inclusion)


def test_structure_that_is_known_helps_the_free_energy():
    """Connections that there are against as many that there are not."""
    wrong = np.eye(6, dtype=bool) | np.roll(TRUTH.intrinsic, 1, axis=0)
    assert fit_of(TRUTH).free_energy > fit_of(TRUTH, intrinsic=wrong).free_energy + 5


def test_inputs_alone_cannot_tell_the_structure_and_it_says_so():
    task = network(6, 400, 1.0, 2, 5.0, 0.35, seed=3)
    with pytest.warns(UserWarning, match="few inputs alone cannot tell"):
        fit_of(task, intrinsic=None, sparse=True)


def test_a_run_at_rest_is_a_fit_like_any_other(tmp_path):
    fit = fit_of(TRUTH)
    graph = lc.causal_graph(fit, probability=0.9)
    assert {(int(s[1:]), int(t[1:])) for s, t in graph.edges} <= {(j, i) for i, j in np.argwhere(TRUTH.intrinsic)}
    lc.save(fit, tmp_path / "rest.fit")
    again = lc.load(tmp_path / "rest.fit")
    assert np.array_equal(again.posterior.mean, fit.posterior.mean)
    assert np.array_equal(again.posterior.sd, fit.posterior.sd)
    assert "fitted as a whole" in fit.summary()


def test_another_seed_only_moves_the_widening():
    model = RegressionDCM(TRUTH.recording.regions, (), TRUTH.intrinsic)
    one, two = (lc.fit(model, TRUTH.recording, replace(QUICK, replicates=6, seed=seed)) for seed in (0, 1))
    assert np.array_equal(one.posterior.mean, two.posterior.mean)
    ratio = two.posterior.sd / one.posterior.sd
    assert ratio == pytest.approx(np.full(len(ratio), ratio[0])) and 0.7 < ratio[0] < 1.4
