"""Predictions under intervention, against systems integrated independently and against what an intervention means."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from strategies import TRUTH, made_fit, three_regions

import ltc_causal as lc
from ltc_causal.models.simulate import simulate_states
from ltc_causal.numerics.schedule import sample_bins

FIT = made_fit()
LIQUID = made_fit(three_regions(neuronal="liquid"), {**TRUTH, "log_kappa": 0.5}, recording=FIT.recording)
SURE = made_fit(sd=0.0, recording=FIT.recording)  # no uncertainty: every draw is the posterior mean


def neuronal(fit, do=(), **settings):
    return lc.predict(fit, do, quantity="neuronal", draws=2, **settings)


def reads_of(recording):
    n_scan = len(recording.series.values)
    return sample_bins(len(recording.inputs.values), n_scan, recording.delays, recording.inputs.dt)


def integrated(flow, n_state, recording, extra_edges=()):
    """States at every bin border by an adaptive method, restarted at bin borders and at the extra ones (in seconds)."""
    dt, n_bin = recording.inputs.dt, len(recording.inputs.values)
    y, states = np.zeros(n_state), [np.zeros(n_state)]
    for number in range(n_bin):
        edges = [number * dt, *[e for e in extra_edges if number * dt < e < (number + 1) * dt], (number + 1) * dt]
        for start, stop in zip(edges[:-1], edges[1:], strict=True):
            u = recording.inputs.values[number]
            y = solve_ivp(lambda t, y, u=u, m=(start + stop) / 2: flow(m, y, u), (start, stop), y, rtol=1e-9, atol=1e-11).y[:, -1]
        states.append(y)
    return np.array(states)


# --- the usual course ---------------------------------------------------------------------------------------------------------------


def test_no_intervention_is_the_usual_course_to_the_last_bit():
    usual, empty = lc.predict(FIT, draws=5), lc.predict(FIT, do=[], draws=5)
    assert np.array_equal(usual.draws, empty.draws) and np.array_equal(usual.mean, empty.mean)
    assert usual.do == empty.do == () and usual.unstable == 0


@pytest.mark.parametrize("flow", ["true", "bilinear"])
def test_usual_course_at_the_mean_is_the_models_own_prediction(flow):
    fit = made_fit(three_regions(flow=flow), sd=0.0, recording=FIT.recording)
    features = fit.model.features(fit.recording)
    predicted, _ = fit.model.predict(fit.posterior.mean, features)
    assert np.abs(lc.predict(fit, draws=2).mean - predicted / features.scale).max() < 1e-4 * np.ptp(predicted)


def test_prediction_is_in_the_recordings_units():
    series = FIT.recording.series
    recording = replace(FIT.recording, series=replace(series, values=1000 * series.values))
    scale = FIT.model.features(recording).scale
    bigger = replace(FIT, sessions=(replace(FIT.sessions[0], recording=recording, scale=scale),))
    ratio = FIT.sessions[0].scale / scale
    assert ratio > 100
    assert np.allclose(lc.predict(bigger, draws=3).mean, ratio * lc.predict(FIT, draws=3).mean, rtol=1e-12)


def test_band_is_of_the_draws():
    prediction = lc.predict(FIT, draws=40, probability=0.8)
    assert prediction.draws.shape == (40, *FIT.recording.series.values.shape)
    assert np.allclose(prediction.mean, prediction.draws.mean(axis=0))
    inside = (prediction.draws >= prediction.lower) & (prediction.draws <= prediction.upper)
    moving = np.ptp(prediction.draws, axis=0) > 0  # at rest all draws agree
    assert moving.mean() > 0.9
    assert (np.abs(inside.mean(axis=0)[moving] - 0.8) <= 1 / 40).all()
    wider = lc.predict(FIT, draws=40, probability=0.95)
    assert (wider.upper >= prediction.upper).all() and (wider.lower <= prediction.lower).all()


def test_same_seed_same_draws_with_and_without_intervention():
    late = [lc.Cut("V1", "V5", start=60.0)]
    usual, cut = neuronal(FIT, seed=4), neuronal(FIT, late, seed=4)
    before = FIT.recording.series.times + FIT.recording.delays.max() < 60
    assert np.abs(usual.draws[:, before] - cut.draws[:, before]).max() < 1e-12
    assert not np.allclose(usual.draws, neuronal(FIT, seed=5).draws)


def test_regions_of_a_larger_recording_are_found_by_name():
    """A model of two of three regions, in another order, reads each region at its own delay."""
    model = lc.DCM(regions=["V5", "V1"], inputs=["photic"], intrinsic=[("V1", "V5")], driving=[("photic", "V1")], flow="true")
    fit = made_fit(model, {"A[V1->V5]": 0.4, "C[photic->V1]": 6.0}, sd=0.0, recording=FIT.recording)
    features = model.features(FIT.recording)
    predicted, _ = model.predict(fit.posterior.mean, features)
    prediction = lc.predict(fit, draws=2)
    assert prediction.regions == ("V5", "V1")
    assert np.abs(prediction.mean - predicted / features.scale).max() < 1e-4 * np.ptp(predicted)


def test_draws_that_explode_are_counted_and_set_aside():
    wild = made_fit(truth={**TRUTH, "A[V1->V5]": 0.55, "A[V5->V1]": 0.55}, sd=0.25, recording=FIT.recording)
    prediction = lc.predict(wild, draws=30)
    gone = np.isnan(prediction.draws).all(axis=(1, 2))
    assert 0 < prediction.unstable == gone.sum() < 30
    assert np.isfinite(prediction.draws[~gone]).all() and np.isfinite(prediction.mean).all()


def test_where_no_draw_stays_there_is_no_number():
    wild = made_fit(truth={**TRUTH, "A[V1->V5]": 3.0, "A[V5->V1]": 3.0}, recording=FIT.recording)
    prediction = lc.predict(wild, draws=3)
    assert prediction.unstable == 3 and np.isnan(prediction.mean).all() and np.isnan(prediction.lower).all()


# --- clamp --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fit", [SURE, made_fit(three_regions(neuronal="liquid"), {**TRUTH, "log_kappa": 0.5}, sd=0.0, recording=FIT.recording)]
)
def test_clamp_is_the_system_without_that_equation(fit):
    """V5 held at a value within a window whose borders lie inside bins: the two other equations are solved on their own."""
    value, start, stop = 0.3, 20.06, 70.31
    system = fit.model.system(fit.posterior.mean[None])

    def flow(t, y, u):
        held = start <= t < stop
        x = np.array([y[0], value if held else y[1], y[2]])
        rate = system.flow(x[:, None], u)[:, 0]
        return np.array([rate[0], 0.0 if held else rate[1], rate[2]])

    states = clamped_states(flow, fit.recording, value, start, stop)
    exact = states[reads_of(fit.recording), np.arange(3)]
    prediction = neuronal(fit, [lc.Clamp("V5", value, start, stop)])
    assert np.abs(prediction.mean - exact).max() < 5e-5
    read_at = FIT.recording.inputs.dt * reads_of(fit.recording)[:, 1]
    inside = (read_at >= start) & (read_at < stop)
    assert (prediction.draws[:, inside, 1] == value).all()  # exactly, not nearly


def clamped_states(flow, recording, value, start, stop):
    """As `integrated`, with V5 put at the value as the window opens."""
    dt = recording.inputs.dt
    y, states = np.zeros(3), [np.zeros(3)]
    for number, u in enumerate(recording.inputs.values):
        edges = [number * dt, *[e for e in (start, stop) if number * dt < e < (number + 1) * dt], (number + 1) * dt]
        for first, last in zip(edges[:-1], edges[1:], strict=True):
            if start <= (first + last) / 2 < stop:
                y = np.array([y[0], value, y[2]])
            y = solve_ivp(lambda t, y, u=u, m=(first + last) / 2: flow(m, y, u), (first, last), y, rtol=1e-9, atol=1e-11).y[:, -1]
        states.append(y)
    return np.array(states)


def test_clamp_is_the_limit_of_a_stiff_controller():
    """Mooij, Janzing and Schoelkopf 2013: x_j' = f_j + k (value - x_j), k to infinity."""
    value, k = 0.2, 1e6
    system = SURE.model.system(SURE.posterior.mean[None])
    n_bin, dt = 400, SURE.recording.inputs.dt
    y, states = np.array([0.0, value, 0.0]), []
    for u in SURE.recording.inputs.values[:n_bin]:
        states.append(y)

        def flow(t, y, u=u):
            rate = system.flow(y[:, None], u)[:, 0]
            return rate + np.array([0, k * (value - y[1]), 0])

        y = solve_ivp(flow, (0, dt), y, method="Radau", rtol=1e-8, atol=1e-11).y[:, -1]
    reads = reads_of(SURE.recording)
    scans = (reads < n_bin).all(axis=1)
    exact = np.array(states)[reads[scans], np.arange(3)]
    assert np.abs(neuronal(SURE, [lc.Clamp("V5", value)]).mean[scans] - exact).max() < 2e-5


def test_clamp_with_a_course_follows_it_bin_by_bin():
    n_bin = len(FIT.recording.inputs.values)
    course = 0.1 * np.sin(np.arange(n_bin) / 40)
    prediction = neuronal(FIT, [lc.Clamp("V1", course)])
    read = reads_of(FIT.recording)[:, 0]
    assert (prediction.draws[:, :, 0] == course[read]).all()


def test_clamp_cuts_what_comes_in_and_not_what_goes_out():
    """do(V5) makes V1's input matter nothing downstream of V5; SPC still follows V5."""
    held = neuronal(SURE, [lc.Clamp("V5", 0.2)])
    without_drive = neuronal(SURE, [lc.Clamp("V5", 0.2), lc.SetInput("photic", 0.0)])
    assert np.abs(held.mean[:, 1:] - without_drive.mean[:, 1:]).max() < 1e-6
    assert not np.allclose(held.mean[:, 0], without_drive.mean[:, 0])
    c = SURE.coupling
    settled = c.edge("V5", "SPC") * 0.2 / -c.edge("SPC", "SPC")
    assert held.mean[-1, 2] == pytest.approx(settled, rel=1e-6)


# --- cut ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fit", [FIT, LIQUID])
def test_cut_is_the_model_without_that_connection(fit):
    """Zeroing A and B of a connection is the cut: in both flows that connection then carries nothing."""
    theta = fit.posterior.sample(2, 0)
    dead = theta.copy()
    for name in ("A[V1->V5]", "B[motion: V1->V5]"):
        dead[:, fit.posterior.index(name)] = 0.0
    inputs = fit.model.prepared_inputs(fit.recording.inputs)
    without, _, _ = simulate_states(fit.model.system(dead), inputs, len(fit.recording.series.values), fit.recording.delays)
    cut = neuronal(fit, [lc.Cut("V1", "V5")])
    assert np.abs(np.moveaxis(without, -1, 0) - cut.draws).max() < 1e-12


def test_cut_in_a_window_against_an_independent_integration():
    start, stop = 33.02, 61.9
    system = SURE.model.system(SURE.posterior.mean[None])
    A = SURE.model.coupling(SURE.posterior.mean)

    def flow(t, x, u):
        M = A.at(dict(zip(A.inputs, u, strict=True))).copy()
        if start <= t < stop:
            M[1, 0] = 0.0
        return M @ x + A.C @ u

    exact = integrated(flow, 3, SURE.recording, (start, stop))[reads_of(SURE.recording), np.arange(3)]
    assert np.allclose(system.flow(np.ones((3, 1)), np.ones(2))[:, 0], flow(0.0, np.ones(3), np.ones(2)))
    assert np.abs(neuronal(SURE, [lc.Cut("V1", "V5", start, stop)]).mean - exact).max() < 5e-5


def test_two_cuts_into_one_region_leave_it_alone():
    """All arrows into V5 cut: it stays at rest, since no input drives it."""
    assert (neuronal(FIT, [lc.Cut("V1", "V5")]).draws[:, :, 1:] == 0).all()
    both = lc.DCM(
        ["V1", "V5", "SPC"], ["photic"], intrinsic=[("V1", "SPC"), ("V5", "SPC")], driving=[("photic", "V1"), ("photic", "V5")], flow="true"
    )
    fit = made_fit(both, {"A[V1->SPC]": 0.3, "A[V5->SPC]": 0.4, "C[photic->V1]": 4.0, "C[photic->V5]": 4.0})
    assert (neuronal(fit, [lc.Cut("V1", "SPC"), lc.Cut("V5", "SPC")]).draws[:, :, 2] == 0).all()
    assert (neuronal(fit, [lc.Cut("V1", "SPC")]).mean[:, 2]).max() > 0.01


# --- inputs -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("centre", [False, True])
def test_set_input_is_the_recording_with_that_input(centre):
    """Compared with a model that does not centre, given the changed inputs less the original means."""
    model = three_regions(centre_inputs=centre)
    fit = made_fit(model, {**TRUTH, "C[photic->V1]": 2.0}, recording=FIT.recording)
    inputs = FIT.recording.inputs
    window = (inputs.times >= 40) & (inputs.times < 70)
    changed = inputs.with_column("photic", np.where(window, 0.5, inputs.column("photic")))
    if centre:
        changed = replace(changed, values=changed.values - inputs.values.mean(axis=0))
    plain = made_fit(three_regions(), {**TRUTH, "C[photic->V1]": 2.0}, recording=replace(FIT.recording, inputs=changed))
    intervened = neuronal(fit, [lc.SetInput("photic", 0.5, 40, 70)])
    assert np.abs(intervened.draws - neuronal(plain).draws).max() < 1e-7  # the steps fall otherwise


@given(start=st.floats(0, 100), length=st.floats(0.01, 60))
@settings(max_examples=10)
def test_setting_an_input_to_what_it_was_changes_nothing(start, length):
    course = FIT.recording.inputs.column("photic")
    same = neuronal(FIT, [lc.SetInput("photic", course, start, start + length)])
    # The steps fall otherwise, so the course agrees to their error.
    assert np.abs(same.draws - neuronal(FIT).draws).max() < 5e-5


def test_interventions_after_one_another_do_as_each_alone():
    """Before the second window opens, two interventions give what the first alone gives."""
    first, second = lc.Clamp("V1", 0.1, 10, 50), lc.Clamp("V1", -0.1, 50, 90)
    both, alone = neuronal(FIT, [first, second]), neuronal(FIT, [first])
    read = FIT.recording.inputs.dt * reads_of(FIT.recording)
    assert (both.draws[:, (read[:, 0] >= 50) & (read[:, 0] < 90), 0] == -0.1).all()
    early = (read < 50).all(axis=1)
    assert np.abs(both.draws[:, early] - alone.draws[:, early]).max() < 1e-7


def test_order_of_interventions_does_not_matter():
    do = [lc.Clamp("V1", 0.1, 10, 50), lc.Cut("V5", "SPC", 20, 60), lc.SetInput("motion", 0.0)]
    assert np.array_equal(neuronal(FIT, do).draws, neuronal(FIT, do[::-1]).draws)


def test_bold_follows_activity_through_the_usual_haemodynamics():
    """Everything clamped at rest: no signal at all, whatever the inputs."""
    do = [lc.Clamp(region, 0.0) for region in ("V1", "V5", "SPC")]
    assert (lc.predict(FIT, do, draws=3).draws == 0).all()


# --- bad input ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("do", "sentence"),
    [
        ([lc.Clamp("photic", 1.0)], r"names an input: to change its course use SetInput\('photic', value\)"),
        ([lc.SetInput("V1", 1.0)], r"names a region: to hold its activity use Clamp\('V1', value\)"),
        ([lc.Cut("photic", "V1")], r"to silence or change it use SetInput\('photic', value\)"),
        ([lc.Clamp("V6", 1.0)], "Unknown region 'V6' in Clamp"),
        ([lc.SetInput("fotic", 1.0)], "Unknown input 'fotic' in SetInput: did you mean 'photic'"),
        ([lc.Cut("V1", "V6")], "Unknown region 'V6' in Cut"),
        ([lc.Cut("V6", "V1")], "Unknown region 'V6' in Cut"),
        ([lc.Clamp("V1", np.zeros(7))], "must be one number or 960 values, one a bin of the input grid, got 7"),
        ([lc.SetInput("photic", np.zeros(961))], "960 values"),
        ([lc.Clamp("V1", 0.0, 0, 50), lc.Clamp("V1", 0.1, 49)], "set the same thing at the same time"),
        ([lc.SetInput("photic", 0.0), lc.SetInput("photic", 1.0)], "set the same thing"),
        ([lc.Cut("V1", "V5"), lc.Cut("V1", "V5", 20, 30)], "set the same thing"),
        ([lc.Clamp("V1", 0.0, start=120.0)], "starts after the run's end at 120 s"),
        (lc.Clamp("V1", 0.0), r"write do=\[Clamp\(...\)\]"),
        (FIT.recording, r"must be a list of interventions \(SetInput, .*\), got Recording"),
        (["V1"], "BOLD itself cannot be set"),
    ],
)  # fmt: skip
def test_bad_interventions_are_said_in_a_sentence(do, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        lc.predict(FIT, do)


@pytest.mark.parametrize("settings", [{"quantity": "BOLD"}, {"draws": 1}, {"probability": 90}])
def test_bad_settings_are_said(settings):
    with pytest.raises(lc.InputError, match="predict"):
        lc.predict(FIT, **settings)


def test_what_has_no_course_is_refused():
    with pytest.raises(lc.InputError, match="needs a fit, a trained network or a system with its inputs, got Coupling"):
        lc.predict(FIT.coupling)


def test_the_same_thing_in_windows_that_touch_is_allowed():
    do = [lc.SetInput("photic", 0.0, 0, 50), lc.SetInput("photic", 1.0, 50, 60)]
    assert np.isfinite(neuronal(FIT, do).mean).all()
