"""Interventions as values: what they refuse, and how they read."""

import numpy as np
import pytest

import ltc_causal as lc
from ltc_causal.core.intervention import Drive, Lesion, Pulse, Scale, SetParameter


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: lc.SetInput("photic", 1.0, start=10, stop=5), "0 <= start < stop in seconds, got start=10, stop=5"),
        (lambda: lc.Clamp("V1", 0.0, start=-1), "0 <= start < stop"),
        (lambda: lc.Cut("V1", "V5", start=3, stop=3), "0 <= start < stop"),
        (lambda: lc.Cut("V1", "V5", start=np.nan), "0 <= start < stop"),
        (lambda: lc.Clamp("V1", np.nan), "must be finite"),
        (lambda: lc.SetInput("photic", [0.0, np.inf]), "must be finite"),
        (lambda: lc.Clamp("V1", np.ones((3, 2))), r"shape \(bin,\), got shape \(3, 2\)"),
        (lambda: lc.SetInput("photic", "on"), "array of numbers"),
        (lambda: lc.Cut("V1", "V1"), "region's own decay"),
    ],
)
def test_bad_input_is_said_in_a_sentence(make, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        make()


def test_interventions_read_as_words():
    assert str(lc.SetInput("attention", 0.0)) == "attention set to 0"
    assert str(lc.Clamp("V5", 0.25, start=10, stop=20)) == "V5 clamped at 0.25 from 10 s to 20 s"
    assert str(lc.Clamp("V5", [0.0, 1.0], start=10)) == "V5 clamped at a given course from 10 s"
    assert str(lc.Cut("V1", "V5")) == "V1 → V5 cut"


def test_a_course_is_a_private_copy():
    course = np.array([0.0, 1.0])
    clamp = lc.Clamp("V5", course)
    course[:] = 9.0
    assert clamp.value.tolist() == [0.0, 1.0]
    with pytest.raises(ValueError, match="read-only"):
        clamp.value[0] = 5.0


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Pulse("V1"), r"Pulse\('V1'\) needs by= .* or to="),
        (lambda: Pulse("V1", by=1.0, to=1.0), "one of the two"),
        (lambda: Pulse("V1", by=1.0, at=-1.0), "must be a time in seconds"),
        (lambda: Pulse("V1", to=np.nan), "must be finite"),
        (lambda: Drive("V1", [[1.0]]), r"shape \(bin,\)"),
        (lambda: Scale("V1", "V1", 2.0), "self-connection"),
        (lambda: Scale("V1", "V5", np.inf), "must be finite"),
        (lambda: Lesion("V1", 3, 2), "0 <= start < stop"),
        (lambda: SetParameter("epsilon", [1.0]), r"must have shape \(\)"),
        (lambda: lc.SetInput("photic", lambda t, x: 1.0), "cannot be a function"),
    ],
)
def test_bad_input_of_the_other_kinds_is_said(make, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        make()


def test_the_other_kinds_read_as_words():
    assert str(lc.Clamp("V5", lambda t, x: t, 1, 2)) == "V5 clamped at a function of time and state from 1 s to 2 s"
    assert str(Pulse("V5", by=-0.5, at=3)) == "V5 raised by -0.5 at 3 s" and str(Pulse("V5", to=1)) == "V5 put at 1 at 0 s"
    assert str(Drive("V5", 0.2, stop=4)) == "V5 driven by 0.2 from 0 s to 4 s"
    assert str(Scale("V1", "V5", 2)) == "V1 → V5 scaled by 2" and str(Lesion("V5", 3)) == "V5 lesioned from 3 s"
    assert str(lc.Cut("V1", "V5", tonic=True)) == "V1 → V5 cut with its tonic part"
    assert str(SetParameter("epsilon", 0.1)) == "epsilon set to 0.1"
