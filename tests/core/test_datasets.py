"""The bundled recording is the one that its README describes."""

import numpy as np
import pytest

from ltc_causal import datasets


@pytest.fixture(scope="module")
def recording():
    return datasets.attention()


def test_times_and_names(recording):
    assert recording.regions == ("V1", "V5", "SPC")
    assert recording.inputs.names == ("photic", "motion", "attention")
    assert (recording.series.dt, recording.echo_time) == (3.22, 0.04)
    assert recording.inputs.dt == pytest.approx(3.22 / 16, rel=1e-12)
    np.testing.assert_array_equal(recording.delays, [3.22, 3.22, 3.22])
    assert recording.inputs.duration == pytest.approx(recording.series.duration, rel=1e-12)


def test_signal_is_what_the_readme_says(recording):
    values = recording.series.values
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(values.std(axis=0), [0.99, 0.67, 0.44], atol=0.005)


def test_confounds_are_a_mean_and_orthonormal_columns(recording):
    gram = recording.confounds.T @ recording.confounds
    np.testing.assert_allclose(gram[1:, 1:], np.eye(18), atol=1e-10)
    np.testing.assert_allclose(gram[0, 1:], 0, atol=1e-10)


def test_inputs_nest_as_in_the_experiment(recording):
    # Whoever attends attends to motion, and motion is seen: each input is on only while the one before it is.
    photic, motion, attention = recording.inputs.values.T > 0
    assert not (motion & ~photic).any()
    assert not (attention & ~motion).any()
    assert (recording.inputs.values == 2).sum() == 4


def test_visual_cortex_follows_what_is_shown(recording):
    # A check of the alignment of inputs and scans that no model made: blood follows neurons by 2 to 7 s.
    v1 = recording.series.values[:, 0]
    v1 = v1 - recording.confounds @ np.linalg.lstsq(recording.confounds, v1, rcond=None)[0]
    onsets = np.arange(len(v1)) * 16
    lags = np.arange(-64, 128, 4)
    correlation = [np.corrcoef(np.roll(recording.inputs.column("photic"), lag)[onsets], v1)[0, 1] for lag in lags]
    assert 2 <= lags[np.argmax(correlation)] * recording.inputs.dt <= 7
    assert max(correlation) > 0.75


def test_arrays_are_read_only_and_fresh(recording):
    with pytest.raises(ValueError, match="read-only"):
        recording.series.values[0, 0] = 1.0
    assert datasets.attention().series.values is not recording.series.values
