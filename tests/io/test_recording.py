"""A recording in an npz file is read as it is, and everything wrong with one is said in a sentence that names the file."""

import made
import numpy as np
import pytest

import ltc_causal as lc
from ltc_causal.io.recording import read_recording


def fields():
    recording = made.recording()
    return {
        "values": recording.series.values, "dt": 2.0, "regions": ["V1", "V5"], "inputs": recording.inputs.values, "input_dt": 2.0 / 16,
        "input_names": ["photic", "attention"],
    }  # fmt: skip


def written(path, **changes):
    content = {name: value for name, value in (fields() | changes).items() if value is not None}
    np.savez(path, **content)
    return path


def test_reads_what_was_written(tmp_path):
    confounds = np.random.default_rng(0).standard_normal((60, 3))
    path = written(tmp_path / "a.npz", confounds=confounds, delays=[0.5, 1.5], echo_time=0.03, unit="%")
    recording = read_recording(path)
    assert np.array_equal(recording.series.values, fields()["values"]) and recording.series.dt == 2.0 and recording.series.unit == "%"
    assert np.array_equal(recording.inputs.values, fields()["inputs"]) and recording.inputs.names == ("photic", "attention")
    assert np.array_equal(recording.confounds, confounds) and recording.delays.tolist() == [0.5, 1.5] and recording.echo_time == 0.03


def test_optional_fields_have_the_recordings_defaults(tmp_path):
    recording = read_recording(written(tmp_path / "a.npz"))
    assert np.array_equal(recording.confounds, np.ones((60, 1))) and recording.delays.tolist() == [1.0, 1.0] and recording.echo_time == 0.04


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dt": None}, r"lacks the field\(s\) \['dt'\]"),
        ({"confound": np.ones((60, 1))}, "Unknown field 'confound' .* did you mean 'confounds'"),
        ({"dt": [2.0, 3.0]}, "'dt' must be one number"),
        ({"dt": "two"}, "'dt' must be one number"),
        ({"regions": [1, 2]}, "'regions' must be a list of names"),
        ({"regions": ["V1", "V1"]}, "'V1' occurs 2 times"),
        ({"regions": ["V1"]}, "must give 2 names"),
        ({"values": np.zeros(60)}, r"must have shape \(time, region\)"),
        ({"delays": [9.0, 9.0]}, "delays must hold 2 values"),
    ],
)
def test_bad_fields_are_named(tmp_path, changes, said):
    path = written(tmp_path / "bad.npz", **changes)
    with pytest.raises(lc.InputError, match=said) as caught:
        read_recording(path)
    assert str(caught.value).endswith(f"(in {path}).")


def test_not_an_npz(tmp_path):
    text, objects = tmp_path / "a.npz", tmp_path / "b.npz"
    text.write_text("V1,V5\n1,2\n")
    np.savez(objects, values=np.array([{"a": 1}], dtype=object))
    for path in (text, objects):
        with pytest.raises(lc.InputError, match="cannot be read as an .npz file of plain arrays"):
            read_recording(path)
    with pytest.raises(lc.InputError, match="no data file at"):
        read_recording(tmp_path / "absent.npz")
