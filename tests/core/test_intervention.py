"""Interventions as values: what they refuse, and how they read."""

import numpy as np
import pytest

import ltc_causal as lc


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
