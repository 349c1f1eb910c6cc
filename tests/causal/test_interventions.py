"""Interventions on fits: bands from the same draws, parameters set, new designs, remarks, and what a prediction says of itself."""

from dataclasses import replace

import numpy as np
import pytest
from strategies import TRUTH, blocks, made_fit, three_regions

import ltc_causal as lc
from ltc_causal.core.intervention import Drive, Lesion, Pulse, Scale, SetParameter

FIT = made_fit()
SURE = made_fit(sd=0.0, recording=FIT.recording)
NAMES = ("V1", "V5", "SPC")


def neuronal(fit, do=(), **settings):
    return lc.predict(fit, do, quantity="neuronal", draws=3, **settings)


# --- the usual course and the effect ----------------------------------------------------------------------------------------------------


def test_empty_do_is_the_usual_course_and_has_no_effect():
    usual, empty = lc.predict(FIT, draws=4), lc.predict(FIT, do=(), draws=4)
    assert np.array_equal(usual.draws, empty.draws) and empty.usual is None and empty.remarks == ()
    assert (empty.effect.draws == 0).all() and (empty.effect.lower == 0).all()


def test_usual_of_an_intervened_prediction_is_that_of_predict_alone():
    whole = lc.predict(FIT, [lc.Cut("V1", "V5")], draws=4)
    assert np.array_equal(whole.usual.draws, lc.predict(FIT, draws=4).draws)  # no window, so the very same steps
    windowed = lc.predict(FIT, [lc.Cut("V1", "V5", 10.01, 50.03)], draws=4)
    assert 0 < np.abs(windowed.usual.draws - whole.usual.draws).max() < 1e-4


def test_effect_is_paired_draw_by_draw():
    wide = made_fit(sd=0.05, recording=FIT.recording)
    found = lc.predict(wide, [Scale("V1", "V5", 0.8)], draws=60, probability=0.8)
    change = found.draws - found.usual.draws
    assert np.array_equal(found.effect.draws, change)
    np.testing.assert_allclose(found.effect.lower, np.quantile(change, 0.1, axis=0))
    # What draws share cancels: the effect on SPC varies less than it would if the two courses came from draws of their own.
    apart = np.sqrt(found.draws[:, :, 2].var(axis=0) + found.usual.draws[:, :, 2].var(axis=0))
    assert found.effect.draws[:, :, 2].std(axis=0).mean() < 0.5 * apart.mean()


def test_before_a_window_and_beside_every_path_the_effect_is_exactly_zero():
    found = lc.predict(FIT, [lc.Clamp("SPC", lambda t, x: 0.1 * np.sin(t), 40.03, 70.0)], draws=3)
    assert (found.effect.draws[:, :, :2] == 0).all()
    assert (found.effect.draws[:, found.times + 2 < 40.03] == 0).all() and np.abs(found.effect.draws).max() > 0.01


@pytest.mark.parametrize("quantity", ["bold", "neuronal"])
def test_a_function_that_is_constant_clamps_as_the_constant_does(quantity):
    """Seen through the haemodynamics too; it is asked bin by bin, so that the steps fall otherwise."""
    constant, function = (
        lc.predict(SURE, [lc.Clamp("V5", value, 20.06, 70.31)], draws=2, quantity=quantity) for value in (0.3, lambda t, x: 0.3)
    )
    np.testing.assert_allclose(function.draws, constant.draws, atol=1e-4 * np.ptp(constant.mean))


def test_a_pulse_is_read_through_the_haemodynamics():
    """One that fills V1 with a over its decay time gives the BOLD of a short drive of the same area."""
    a, width, photic = 0.01, 0.02, lc.SetInput("photic", 0.0)
    pulse = lc.predict(SURE, [photic, Pulse("V1", by=a, at=10.0)], draws=2)
    drive = lc.predict(SURE, [photic, Drive("V1", a / width, 10.0 - width / 2, 10.0 + width / 2)], draws=2)
    np.testing.assert_allclose(pulse.mean, drive.mean, atol=1e-3 * np.abs(pulse.mean).max())
    assert np.abs(pulse.mean).max() > 0.01


# --- connections of a fitted model ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tonic", [False, True])
def test_scale_is_the_model_with_that_coupling(tonic):
    factor = 1.7
    theta = {name: value * (factor if "V1->V5" in name else 1.0) for name, value in TRUTH.items()}
    changed = made_fit(truth=theta, sd=0.0, recording=FIT.recording)
    scaled = neuronal(SURE, [Scale("V1", "V5", factor, tonic=tonic)])
    np.testing.assert_allclose(scaled.draws, neuronal(changed).draws, atol=1e-13)


@pytest.mark.parametrize("kind", ["bilinear", "nonlinear", "two_state", "liquid"])
def test_lesion_is_the_cut_of_every_connection_out(kind):
    fit = made_fit(three_regions(neuronal=kind), TRUTH | ({"log_kappa": 0.3} if kind == "liquid" else {}), recording=FIT.recording)
    lesion = lc.predict(fit, [Lesion("V5", 20)], draws=3)
    cuts = lc.predict(fit, [lc.Cut("V5", "V1", 20), lc.Cut("V5", "SPC", 20)], draws=3)
    assert np.array_equal(lesion.draws, cuts.draws) and np.abs(lesion.effect.draws).max() > 1e-3
    clamped = lc.predict(fit, [lc.Clamp("V5", 0.0, 20)], draws=3)
    np.testing.assert_allclose(lesion.draws[:, :, [0, 2]], clamped.draws[:, :, [0, 2]], atol=1e-9)  # what V5 tells others is the same
    assert np.abs(lesion.draws[:, :, 1] - clamped.draws[:, :, 1]).max() > 0.01  # what it does itself is not


def test_a_trained_networks_interventions():
    """Of a network with a hidden unit a cut leaves the way by it open, and says so."""
    model = lc.LiquidNetwork(NAMES, ("photic", "motion"), hidden=1, observation="activity")
    theta = 0.3 * np.random.default_rng(0).standard_normal((2, len(model.prior.names)))
    system = model.system(theta)
    pulse = Pulse("V1", by=0.5, at=1.0)
    inputs = lc.Inputs(np.zeros((100, 2)), 0.1, ("photic", "motion"))
    found = lc.predict(system, [pulse, lc.Cut("V1", "V5")], inputs=inputs)
    assert np.abs(found.draws[:, :10]).max() < 1e-14 and np.abs(found.effect.draws[:, 10:, 1]).max() > 1e-4
    assert "hidden" in found.remarks[0] and "still reaches" in found.remarks[0]


# --- parameters -------------------------------------------------------------------------------------------------------------------------


def test_set_parameter_is_the_draws_with_that_value():
    name = "A[V1->V5]"
    theta = FIT.posterior.sample(3, 0)
    theta[:, FIT.posterior.index(name)] = 0.1
    inputs = lc.Inputs(FIT.recording.inputs.values, FIT.recording.inputs.dt, FIT.recording.inputs.names)
    exact = lc.predict(FIT.model.system(theta), inputs=inputs).draws
    found = neuronal(FIT, [SetParameter(name, 0.1)])
    bins = np.array([int(round(t / inputs.dt)) for t in FIT.recording.series.times + 1.0]) - 1  # V5 is read 1 s into a scan
    np.testing.assert_allclose(found.draws[:, :, 1], exact[:, bins, 1], atol=1e-4)
    same = neuronal(FIT, [SetParameter(name, lambda drawn: drawn)])
    assert np.array_equal(same.draws, neuronal(FIT).draws)


def test_set_parameter_in_a_window_cuts_there():
    """A and B of a connection at zero are its cut."""
    names = ("A[V1->V5]", "B[motion: V1->V5]")
    zero = lc.predict(FIT, [SetParameter(name, 0.0, 30, 60) for name in names], draws=3)
    np.testing.assert_allclose(zero.draws, lc.predict(FIT, [lc.Cut("V1", "V5", 30, 60)], draws=3).draws, atol=1e-12)


def test_haemodynamic_parameters_change_the_signal_alone():
    do = [SetParameter("transit[V1]", 0.5), SetParameter("epsilon", 0.3)]
    assert np.array_equal(neuronal(FIT, do).draws, neuronal(FIT).draws)
    signal = lc.predict(SURE, do, draws=2)
    changed = made_fit(truth=TRUTH | {"transit[V1]": 0.5, "epsilon": 0.3}, sd=0.0, recording=FIT.recording)
    np.testing.assert_allclose(signal.draws, lc.predict(changed, draws=2).draws, atol=1e-12)


def test_an_unknown_parameter_is_named():
    with pytest.raises(lc.InputError, match="Unknown parameter 'A.V1->V6.' in SetParameter"):
        lc.predict(FIT, [SetParameter("A[V1->V6]", 0.0)])


# --- new designs ------------------------------------------------------------------------------------------------------------------------


def test_the_recordings_own_inputs_are_no_new_design():
    found = lc.predict(FIT, inputs=FIT.recording.inputs, draws=3)
    assert np.array_equal(found.draws, lc.predict(FIT, draws=3).draws) and found.remarks == ()


@pytest.mark.parametrize("duration", [60.0, 200.0, 121.0])
def test_a_design_of_another_length_goes_on_at_the_same_pace(duration):
    """Its first part is the recording's, so the course is; whole scans only."""
    inputs = blocks(duration, 0.125)
    found = lc.predict(FIT, inputs=inputs, draws=2)
    assert len(found.times) == int(duration / 2.0)
    same = (inputs.values[: min(480, len(inputs.values))] == FIT.recording.inputs.values[:480][: len(inputs.values)]).all(axis=1)
    scans = int(np.argmin(np.append(same, False)) * 0.125 / 2.0) - 1
    assert scans > 5
    np.testing.assert_allclose(found.draws[:, :scans], lc.predict(FIT, draws=2).draws[:, :scans], atol=1e-6)


def test_a_centring_model_goes_on_to_subtract_the_old_means():
    model = three_regions(centre_inputs=True)
    fit = made_fit(model, {**TRUTH, "C[photic->V1]": 2.0}, recording=FIT.recording)
    old = FIT.recording.inputs
    new = old.with_column("photic", 0.25)
    np.testing.assert_allclose(neuronal(fit, inputs=new).draws, neuronal(fit, [lc.SetInput("photic", 0.25)]).draws, atol=1e-5)


def test_do_acts_on_top_of_a_new_design():
    inputs = blocks(60.0, 0.125)
    found = lc.predict(FIT, [lc.SetInput("photic", 0.0)], inputs=inputs, draws=2)
    assert (found.draws == 0).all() and np.abs(found.usual.draws).max() > 0.1


def test_a_design_that_is_none_is_refused():
    with pytest.raises(lc.InputError, match="Unknown input 'motion'"):
        lc.predict(FIT, inputs=lc.Inputs(np.zeros((100, 1)), 0.125, ("photic",)))
    with pytest.raises(lc.InputError, match="covers 1 s in bins of 0.125 s, but a scan takes 2 s"):
        lc.predict(FIT, inputs=lc.Inputs(np.zeros((8, 2)), 0.125, ("photic", "motion")))
    with pytest.raises(lc.InputError, match="must be an Inputs, got ndarray"):
        lc.predict(FIT, inputs=np.zeros((100, 2)))
    with pytest.raises(lc.InputError, match="needs inputs="):
        lc.predict(FIT.model.system(FIT.posterior.mean[None]))


# --- remarks ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (lc.Cut("SPC", "V1"), "The model has no connection SPC → V1, so the effect of 'SPC → V1 cut' is exactly zero."),
        (Scale("SPC", "V5", 2.0), "The model has no connection SPC → V5"),
        (lc.Cut("V1", "SPC", tonic=True), "The model has no connection V1 → SPC"),
        (Lesion("SPC"), "No connection of the model leaves SPC, so the effect of 'SPC lesioned' is exactly zero."),
    ],
)
def test_what_is_not_there_is_said(one, said):
    found = lc.predict(FIT, [one], draws=3)
    assert len(found.remarks) == 1 and found.remarks[0].startswith(said) and said[:20] in found.summary()
    assert (found.effect.draws == 0).all()


@pytest.mark.parametrize(
    "one", [lc.Cut("V1", "V5"), lc.Cut("V5", "SPC", tonic=True), Lesion("V1"), Scale("V5", "V1", 0.5), Scale("V5", "V1", 1.0)]
)
def test_what_is_there_is_not_remarked_on(one):
    assert not any("exactly zero" in remark for remark in lc.predict(FIT, [one], draws=3).remarks)


def test_a_connection_by_modulation_alone_is_there():
    model = lc.DCM(
        ["V1", "V5"], ["photic", "motion"], intrinsic=[("V1", "V5")], modulatory={"motion": [("V1", "V5")]}, driving=[("photic", "V1")], flow="true",
        prior={("V1", "V5"): (0.0, 0.0)},
    )  # fmt: skip
    fit = made_fit(model, {"B[motion: V1->V5]": 0.4, "C[photic->V1]": 6.0}, sd=0.0)
    assert lc.predict(fit, [lc.Cut("V1", "V5")], draws=2).remarks == ()


def test_leaving_the_range_of_the_recording_is_said():
    usual = neuronal(SURE)
    top = usual.mean[:, 1].max()
    within = lc.predict(SURE, [lc.Clamp("V5", 0.9 * top)], draws=2)
    assert not any("V5" in remark for remark in within.remarks)
    (beyond,) = [remark for remark in lc.predict(SURE, [lc.Clamp("V5", 1.3 * top)], draws=2).remarks if "of V5" in remark]
    assert f"to {1.3 * top:.3g}, beyond the" in beyond and "fitted on" in beyond
    (pulse,) = [r for r in lc.predict(SURE, [Pulse("SPC", by=5.0, at=10.3)], draws=2).remarks if "of SPC" in r]  # gone before it is read
    assert "to 5" in pulse
    (louder,) = [r for r in lc.predict(SURE, [lc.SetInput("photic", 1.5)], draws=2).remarks if "Input" in r]
    assert "Input photic runs from 0 to 1.5, beyond the 0 to 1 " in louder
    new = lc.predict(SURE, inputs=FIT.recording.inputs.with_column("motion", 2.0), draws=2)
    assert any(remark.startswith("Input motion runs from 2 to 2") for remark in new.remarks)


def test_draws_that_run_away_are_counted_and_said():
    wild = made_fit(truth={**TRUTH, "A[V1->V5]": 0.3, "A[V5->V1]": 0.3}, sd=0.2, recording=FIT.recording)
    found = lc.predict(wild, [Scale("V5", "V1", 2.0)], draws=40)
    gone = np.isnan(found.draws).all(axis=(1, 2))
    assert found.usual.unstable < found.unstable == gone.sum() < 40
    assert f"{found.unstable} of 40 draws left the model's bounds (without the interventions {found.usual.unstable})" in found.summary()
    assert len(found.effect.draws) == 40 - found.unstable


def test_a_drive_on_a_clamped_region_is_said_and_does_nothing():
    do = [lc.Clamp("V5", 0.1), Drive("V5", 1.0, 10, 20)]
    found = neuronal(SURE, do)
    assert "'V5 driven by 1 from 10 s to 20 s' does nothing while V5 is clamped." in found.remarks
    np.testing.assert_allclose(found.draws, neuronal(SURE, do[:1]).draws, atol=1e-5)


# --- what cannot be done ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("do", "sentence"),
    [
        ([lc.Clamp("bold", 1.0)], r"Clamp\('bold'\) names the signal, which cannot be set: BOLD .* effects of activity"),
        ([lc.Clamp("BOLD[V1]", 1.0)], "names the signal"),
        ([Drive("signal of V1", 1.0)], "names the signal"),
        ([Pulse("deoxyhaemoglobin[V1]", by=1.0)], "names the signal"),
        ([Lesion("photic")], r"Lesion\('photic'\) names an input"),
        ([Drive("V6", 1.0)], "Unknown region 'V6' in Drive"),
        ([Scale("V1", "V6", 1.0)], "Unknown region 'V6' in Scale"),
        ([lc.Clamp("V1", 0.0), Pulse("V1", by=1.0, at=3.0)], "set the same thing at the same time"),
        ([Pulse("V1", to=1.0, at=3.0), Pulse("V1", by=1.0, at=3.0)], "set the same thing"),
        ([lc.Cut("V1", "V5"), Scale("V1", "V5", 2.0)], "set the same thing"),
        ([Lesion("V1"), Lesion("V1", 3, 4, True)], "set the same thing"),
        ([SetParameter("epsilon", 0.0), SetParameter("epsilon", 1.0, 3)], "set the same thing"),
        ([Pulse("V1", by=1.0, at=120.0)], "starts after the run's end"),
        ([Drive("V1", np.zeros(5))], "960 values"),
        ([SetParameter("epsilon", lambda drawn: drawn[:1])], "must give a finite number, or one a draw"),
    ],
)  # fmt: skip
def test_refused(do, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        lc.predict(FIT, do, draws=3)


@pytest.mark.parametrize(
    "do",
    [
        [Pulse("V1", by=1.0, at=3.0), Pulse("V1", by=1.0, at=3.0)],
        [Drive("V1", 0.1), Drive("V1", 0.2, 10)],
        [lc.Clamp("V1", 0.1, 0, 10), Pulse("V1", to=0.2, at=10.0)],
        [Lesion("V1"), lc.Cut("V1", "V5"), lc.Clamp("V1", 0.2)],
    ],
)
def test_what_adds_up_or_agrees_is_allowed(do):
    assert np.isfinite(lc.predict(FIT, do, draws=2).mean).all()


def test_reductions_refuse_what_they_cannot_follow():
    reduction = lc.reduce_to_dcm(SURE)
    for one in (Pulse("V1", by=0.1), Drive("V1", 0.1), lc.Clamp("V1", lambda t, x: 0.0), lc.Cut("V1", "V5", tonic=True), Lesion("V1")):
        with pytest.raises(lc.InputError, match="A reduction is judged under SetInput, Clamp"):
            lc.certify(reduction, SURE, [one])


# --- in words ---------------------------------------------------------------------------------------------------------------------------


def test_a_prediction_is_short_in_words():
    found = lc.predict(FIT, [lc.Cut("V1", "V5"), Pulse("V1", by=3.0, at=10.0)], draws=3)
    assert len(repr(found)) < 200 and "V1 → V5 cut; V1 raised by 3 at 10 s" in repr(found) and "remark" in repr(found)
    assert len(str(found).splitlines()) == 2 + 4 + len(found.remarks) and str(found) == found.summary()
    row = found.effect.by_region().set_index("region").loc["V5"]
    change = found.draws[:, :, 1] - found.usual.draws[:, :, 1]
    assert row["mean_change"] == pytest.approx(change.mean()) and row["lower"] == pytest.approx(np.quantile(change.mean(axis=1), 0.05))
    peak = np.abs(change.mean(axis=0)).argmax()
    assert row["largest_change"] == pytest.approx(change.mean(axis=0)[peak]) and row["at_seconds"] == found.times[peak]


def test_where_no_draw_stays_the_summary_says_so():
    wild = made_fit(truth={**TRUTH, "A[V1->V5]": 3.0, "A[V5->V1]": 3.0}, recording=FIT.recording)
    assert "No draw stayed" in lc.predict(wild, draws=3).summary()
    with pytest.raises(lc.InputError, match="No posterior draw stayed stable"):
        _ = lc.predict(wild, [lc.SetInput("motion", 0.0)], draws=3).effect


def test_long_table():
    found = lc.predict(FIT, draws=2)
    frame = replace(found, lower=found.mean - 1).to_frame()
    assert frame.shape == (180, 5) and frame.loc[4, "region"] == "V5" and frame.loc[4, "time"] == 2.0
    assert frame.loc[4, "mean"] == found.mean[1, 1] and frame.loc[4, "lower"] == found.mean[1, 1] - 1
