"""Counterfactuals: with nothing done they are the recording itself; with something done, the truth's own course with the same noise."""

from dataclasses import replace

import numpy as np
import pytest
from strategies import TRUTH, blocks, made_fit, three_regions

import ltc_causal as lc
from ltc_causal.causal.counterfactual import counterfactual
from ltc_causal.core.intervention import Lesion

FIT = made_fit()


def test_with_nothing_done_it_is_the_recording_to_the_last_bit():
    found = counterfactual(FIT, draws=7)
    assert (found.draws == FIT.recording.series.values).all() and (found.effect.draws == 0).all()
    for part in (found.mean, found.lower, found.upper):
        assert np.array_equal(part, FIT.recording.series.values)


def test_at_the_true_parameters_it_is_the_truth_with_the_same_noise():
    """Simulated with and without the connection, with one noise and a drift: the counterfactual finds the one from the other."""
    model, inputs = three_regions(driving=[("photic", "V1"), ("motion", "SPC")], signal_range=None), blocks()
    driven = TRUTH | {"C[motion->SPC]": 2.0}
    usual, cut = (lc.simulate(model, truth, inputs, dt=2.0).series.values for truth in (driven, driven | {"A[V5->SPC]": 0.0}))
    noise = np.random.default_rng(0).standard_normal(usual.shape) + np.linspace(0, 3, len(usual))[:, None]
    recording = lc.Recording(lc.TimeSeries(usual + noise, 2.0, model.regions), inputs)
    fit = made_fit(model, driven, sd=0.0, recording=recording)
    found = counterfactual(fit, [lc.Cut("V5", "SPC")], draws=2)
    np.testing.assert_allclose(found.mean, cut + noise, atol=1e-10)
    assert np.abs(cut - usual).max() > 0.1


def test_its_effect_is_that_of_the_prediction_and_its_band_has_no_noise():
    do = [Lesion("V5", 20.0)]
    found, foreseen = counterfactual(FIT, do, draws=30), lc.predict(FIT, do, draws=30)
    np.testing.assert_allclose(found.effect.draws, foreseen.effect.draws, atol=1e-12)
    np.testing.assert_allclose(found.upper - found.lower, foreseen.effect.upper - foreseen.effect.lower, atol=1e-12)
    early = found.times + 2 < 20
    assert (found.draws[:, early] == FIT.recording.series.values[early]).all()
    assert found.kind == "counterfactual" and "Counterfactual of signal, V5 lesioned from 20 s" in repr(found)


def test_it_is_in_the_recordings_units():
    series = FIT.recording.series
    recording = replace(FIT.recording, series=replace(series, values=1000 * series.values))
    bigger = replace(FIT, sessions=(replace(FIT.sessions[0], recording=recording, scale=FIT.model.features(recording).scale),))
    do = [lc.Cut("V1", "V5")]
    ratio = FIT.sessions[0].scale / bigger.sessions[0].scale
    np.testing.assert_allclose(
        counterfactual(bigger, do, draws=2).effect.mean, ratio * counterfactual(FIT, do, draws=2).effect.mean, rtol=1e-6, atol=1e-9
    )


def test_draws_that_run_away_are_counted():
    wild = made_fit(truth={**TRUTH, "A[V1->V5]": 0.55, "A[V5->V1]": 0.55}, sd=0.25, recording=FIT.recording)
    found = counterfactual(wild, [lc.SetInput("motion", 0.0)], draws=20)
    foreseen = lc.predict(wild, [lc.SetInput("motion", 0.0)], draws=20)
    assert found.unstable == 20 - len(foreseen.effect.draws) > 0
    np.testing.assert_allclose(found.mean, FIT.recording.series.values + foreseen.effect.mean)


def test_what_has_no_recording_is_refused():
    with pytest.raises(lc.InputError, match="starts from a recording, got DCMSystem: use predict"):
        counterfactual(FIT.model.system(FIT.posterior.mean[None]))
