"""Comparison of models of one recording: arithmetic of Bayes factors, their words, and what is refused."""

from dataclasses import replace

import made
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import made_fit, three_regions

import ltc_causal as lc

FIT = made_fit(free_energy=-100.0)


def fits(*energies):
    return [replace(FIT, free_energy=float(energy)) for energy in energies]


@given(energies=st.lists(st.floats(-2000, 100), min_size=2, max_size=6))
def test_bayes_factors_and_probabilities_follow_from_free_energies(energies):
    made = lc.compare(fits(*energies))
    assert np.allclose(made.log_bayes_factors, np.array(energies) - energies[0])
    assert made.probabilities.sum() == pytest.approx(1)
    # Odds of any two models are their Bayes factor.
    log_odds = np.log(np.maximum(made.probabilities, 1e-300))
    near = np.array(energies) > max(energies) - 100
    assert np.allclose((log_odds - max(log_odds))[near], (np.array(energies) - max(energies))[near], atol=1e-9)


@given(shift=st.floats(-1e4, 1e4))
def test_a_shift_of_all_free_energies_changes_nothing(shift):
    here, there = lc.compare(fits(-3.0, 1.5, 0.2)), lc.compare(fits(-3.0 + shift, 1.5 + shift, 0.2 + shift))
    assert np.allclose(here.probabilities, there.probabilities, atol=1e-9)
    assert np.allclose(here.log_bayes_factors, there.log_bayes_factors, atol=1e-9)


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (0.5, "evidence for b: not worth more than a bare mention"),
        (2.0, "evidence for b: positive"),
        (-2.0, "evidence for a: positive"),
        (4.0, "evidence for b: strong"),
        (-40.0, "evidence for a: very strong"),
        (0.0, "no evidence either way"),
    ],
)
def test_words_of_kass_and_raftery(difference, words):
    made = lc.compare(fits(0.0, difference), names=["a", "b"])
    assert f"b against a: log Bayes factor {difference:+.2f}, {words}." in str(made)


def test_the_most_probable_model_is_named():
    text = str(lc.compare(fits(-10.0, -2.0, -5.0), names=["a", "b", "c"]))
    assert "Most probable under equal priors: b (0.952)" in text


def test_names_default_to_what_differs():
    liquid = replace(FIT, model=three_regions(neuronal="liquid"))
    assert lc.compare([FIT, liquid]).names == ("bilinear", "liquid")
    assert lc.compare(fits(0, 1, 2)).names == ("model 1", "model 2", "model 3")


def test_table_has_a_row_a_model():
    frame = lc.compare(fits(-3.0, 1.0), names=["a", "b"]).to_frame()
    assert frame["model"].tolist() == ["a", "b"] and frame["log_bayes_factor"].tolist() == [0.0, 4.0]
    assert frame["converged"].all()


def test_a_fit_that_did_not_converge_is_said():
    failed = replace(FIT, status=lc.Status.MAXIMUM_ITERATIONS)
    made = lc.compare([FIT, failed], names=["a", "b"])
    assert made.converged == (True, False)
    assert "The fit of b did not converge" in str(made)
    assert "did not converge" not in str(lc.compare(fits(1, 2)))


def test_what_is_not_known_of_a_fit_is_not_held_against_it():
    """A file may not say how a fit ended; one that the data do not inform has converged."""
    unknown = replace(FIT, status=lc.Status.UNKNOWN)
    comparison = lc.compare([FIT, unknown, replace(FIT, status=lc.Status.NOT_INFORMED)], ["a", "b", "c"])
    assert comparison.converged == (True, False, True)
    assert "It is not known whether the fit of b converged" in str(comparison) and "did not converge" not in str(comparison)


def test_fits_of_other_numbers_of_sessions_do_not_compare():
    with pytest.raises(lc.InputError, match="Fit 2 is of other data"):
        lc.compare([FIT, replace(FIT, sessions=FIT.sessions * 2)])


def test_more_inputs_in_the_recording_are_no_other_data():
    inputs = FIT.recording.inputs
    more = lc.Inputs(np.hstack([inputs.values, inputs.values[:, :1]]), inputs.dt, (*inputs.names, "cue"))
    assert lc.compare([FIT, made.with_recording(FIT, replace(FIT.recording, inputs=more))]).probabilities.tolist() == [0.5, 0.5]


def other_series(change):
    series = FIT.recording.series
    return made.with_recording(FIT, replace(FIT.recording, series=replace(series, values=change(series.values.copy()))))


def nudge(values):
    values[3, 1] += 1e-9
    return values


@pytest.mark.parametrize(
    ("given_fits", "sentence"),
    [
        ([FIT], "at least two fits, got 1"),
        ([], "at least two fits, got 0"),
        (FIT, "needs a list of fits"),
        ([FIT, other_series(nudge)], "Fit 2 is of other data than the first"),
        ([FIT, FIT, other_series(lambda values: values[:, ::-1])], "Fit 3 is of other data"),
        ([FIT, made.with_recording(FIT, replace(FIT.recording, confounds=np.random.default_rng(0).normal(size=(60, 2))))], "other data"),
        (
            [FIT, replace(FIT, model=three_regions(flow="bilinear"))],
            'compares true flow with true flow: refit the bilinear one with flow="true"',
        ),
    ],
)
def test_bad_input_is_said_in_a_sentence(given_fits, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        lc.compare(given_fits)


@pytest.mark.parametrize(("names", "sentence"), [(["a"], "must give 2 names"), (["a", "a"], "'a' occurs 2 times")])
def test_bad_names_are_said(names, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        lc.compare(fits(0, 1), names=names)


def test_fits_of_a_differently_scaled_signal_are_refused():
    one = made.fit()
    other = replace(one, sessions=(replace(one.sessions[0], scale=0.5 * one.sessions[0].scale),))
    with pytest.raises(lc.InputError, match="same signal_range"):
        lc.compare([one, other])
