"""A recording in a file is read as it is, and everything wrong with one is said in a sentence that names the file."""

import made
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


# --- tables ---------------------------------------------------------------------------------------------------------------------------

SEPARATOR = {".csv": ",", ".tsv": "\t"}


def table(path, **changes):
    """A recording's series as a table on disk."""
    its = made.recording()
    frame = pd.DataFrame({"V1": its.series.values[:, 0], "V5": its.series.values[:, 1]} | changes)
    frame = frame[[name for name in frame if changes.get(name, 0) is not None]]
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep=SEPARATOR[path.suffix], index=False)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_a_table_is_read_to_the_last_bit(tmp_path, suffix):
    its = made.recording()
    time = 5 + 2.0 * np.arange(60)
    path = table(tmp_path / f"a{suffix}", time=time, motion=np.linspace(0, 1, 60), attention=its.inputs.values[::16, 1])
    recording = read_recording(path, confounds=["motion"], inputs=["attention"], echo_time=0.03, delays=0.5, unit="%")
    assert recording.regions == ("V1", "V5") and recording.series.dt == 2.0 and recording.series.unit == "%"
    assert np.array_equal(recording.series.values, its.series.values)
    assert np.array_equal(recording.inputs.values[:, 0], its.inputs.values[::16, 1]) and recording.inputs.dt == 2.0
    assert np.array_equal(recording.confounds, np.column_stack([np.ones(60), np.linspace(0, 1, 60)]))
    assert recording.echo_time == 0.03 and recording.delays.tolist() == [0.5, 0.5]


def test_heads_give_units_and_milliseconds_become_seconds(tmp_path):
    values = made.recording().series.values
    path = table(
        tmp_path / "a.csv", V1=None, V5=None, **{"Time [ms]": 4.0 * np.arange(60), "Fz (µV)": values[:, 0], "Cz (µV)": values[:, 1]}
    )
    recording = read_recording(path, regions=["Cz"])
    assert recording.series.dt == 0.004 and recording.series.unit == "µV" and recording.regions == ("Cz",)
    assert np.array_equal(recording.series.values[:, 0], values[:, 1])
    assert read_recording(path, regions=["Cz (µV)", "Fz"]).regions == ("Cz", "Fz")


def test_a_recording_without_inputs_is_one_at_rest(tmp_path):
    recording = read_recording(table(tmp_path / "a.csv"), dt=2.0)
    assert recording.inputs.names == () and recording.inputs.duration == 120.0
    assert recording.confounds.tolist() == [[1.0]] * 60 and recording.delays.tolist() == [1.0, 1.0]


def test_events_are_in_the_time_of_the_series(tmp_path):
    """A run that begins at 5 s by its own clock; the events are by the same."""
    (tmp_path / "events.tsv").write_text("onset\tduration\ttrial_type\n15\t10\tphotic\n25\t4\tmotion\n")
    path = table(tmp_path / "a.csv", time=5 + 2.0 * np.arange(60))
    recording = read_recording(path, events=tmp_path / "events.tsv")
    assert recording.inputs.names == ("photic", "motion") and recording.inputs.dt == 0.125
    expected = lc.Inputs.from_events({"photic": [(10.0, 10.0)], "motion": [(20.0, 4.0)]}, 120.0, 0.125)
    assert np.array_equal(recording.inputs.values, expected.values)
    assert read_recording(path, events=tmp_path / "events.tsv", conditions=["motion"], input_dt=0.5).inputs.values.shape == (240, 1)


def test_inputs_from_a_table_of_their_own(tmp_path):
    its = made.inputs()
    pd.DataFrame(its.values, columns=its.names).assign(t=its.times).to_csv(tmp_path / "inputs.csv", index=False)
    recording = read_recording(table(tmp_path / "a.csv"), dt=2.0, inputs=tmp_path / "inputs.csv")
    assert np.array_equal(recording.inputs.values, its.values) and recording.inputs.dt == pytest.approx(0.125, rel=1e-12)
    assert read_recording(table(tmp_path / "b.csv"), dt=2.0, inputs=its).inputs is its


GAP = np.delete(2.0 * np.arange(61), 30)
MISSING = np.where(np.arange(60) == 7, np.nan, np.arange(60) % 5)


@pytest.mark.parametrize(
    ("changes", "options", "said"),
    [
        ({}, {}, "no column of time, so it does not say how long a scan takes: give dt= in seconds"),
        ({"time": 2.0 * np.arange(60)}, {"dt": 3.0}, r"got dt=3 s, but column 'time' .* goes by 2 s"),
        ({"time (ms)": 2.0 * np.arange(60)}, {"dt": 2.0}, r"got dt=2 s, but column 'time \(ms\)' .* goes by 0.002 s"),
        ({"time": GAP}, {}, r"must rise in even steps \(2.034 s on average\), but from row 30 to 31 they go by 4 s"),
        ({"time": -2.0 * np.arange(60)}, {}, "must rise in even steps"),
        ({"time (mV)": 2.0 * np.arange(60)}, {}, "The unit 'mV' of column 'time .mV.' of .* is none of time"),
        ({"V1": MISSING}, {"dt": 2.0}, r"Column 'V1' of .* must hold numbers, but row 8 below the head is missing \(1 such rows\)"),
        ({"V1": ["a"] * 60}, {"dt": 2.0}, "row 1 below the head is 'a'"),
        ({"V1": [np.inf] + [1.0] * 59}, {"dt": 2.0}, "row 1 below the head is 'inf'"),
        ({}, {"dt": 2.0, "regions": ["V12"]}, "Unknown region 'V12' in .*: did you mean 'V1'"),
        ({}, {"dt": 2.0, "inputs": ["photik"]}, "Unknown column 'photik'"),
        ({}, {"dt": 2.0, "inputs": ["V1", "V5"]}, "no column left for a region"),
        ({}, {"dt": 2.0, "conditions": ["photic"]}, "conditions but no events"),
        ({}, {"dt": 2.0, "inputs": made.inputs(), "events": "e.tsv"}, "inputs and events: give one of the two"),
        ({}, {"dt": 2.0, "inputs": made.inputs(50)}, r"The inputs cover 100 s .*\(in .*a.csv\)"),
        ({}, {"dt": 2.0, "confounds": np.ones((50, 1))}, "one row a scan"),
        ({"V1": None, "V5": None, "V1 (mV)": range(60), "V5 (%)": range(60)}, {"dt": 2.0}, "have different units, %, mV"),
        ({"V5": np.ones(60)}, {"dt": 2.0}, r"\['V5'\] never changes"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_sentence(tmp_path, changes, options, said):
    path = table(tmp_path / "a.csv", **changes)
    with pytest.raises(lc.InputError, match=said) as caught:
        read_recording(path, **options)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read as a table"),
        (b"V1,V5\n", "has a head but no rows"),
        (b"1.0,2.0\n3.0,4.0\n", r"The first row of .* holds numbers \(1.0, 2.0\): put a row with the columns' names before it"),
        (b"V1;V5\n1;2\n", "has the one column 'V1;V5': separate columns by commas"),
        (b"V1,V1\n1,2\n", "'V1' occurs 2 times"),
        (b"V1,\n1,2\n", "'' occurs 1 times"),
        (b"V1,V5\n1,2\n1,2,3\n", "cannot be read as a table"),
        (b"\xff\xfe\x00V\x001", "cannot be read as a table"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "a table|one column|no rows"),
    ],
)
def test_what_is_no_table_is_one_sentence(tmp_path, content, said):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(lc.InputError, match=said) as caught:
        read_recording(path, dt=2.0)
    assert "\n" not in str(caught.value)


@given(
    content=st.binary(max_size=200) | st.text(st.sampled_from("V1,;\t\n\"'0.5e-na/ tim()")).map(str.encode),
    suffix=st.sampled_from([".csv", ".tsv", ".parquet", ".npz"]),
)
def test_any_bytes_are_a_recording_or_one_sentence(tmp_path_factory, content, suffix):
    path = tmp_path_factory.mktemp("any") / f"a{suffix}"
    path.write_bytes(content)
    try:
        read_recording(path, **({} if suffix == ".npz" else {"dt": 2.0}))
    except lc.InputError as error:
        assert "\n" not in str(error) and str(path) in str(error)


@pytest.mark.parametrize("dt", [0.72, 2.0, 1 / 30, 1 / 256, 0.0005])
def test_times_may_be_rounded(tmp_path, dt):
    """To the decimals that such rates are usually written in."""
    digits = max(1, int(np.ceil(-np.log10(dt))) + 2)
    path = table(tmp_path / "a.csv", time=np.round(dt * np.arange(60), digits))
    assert read_recording(path).series.dt == pytest.approx(dt, rel=2e-3)


@given(missing=st.integers(1, 58), dt=st.sampled_from([0.72, 2.0, 1 / 30, 1 / 256]))
def test_a_missing_row_is_never_taken_for_rounding(tmp_path_factory, missing, dt):
    digits = max(1, int(np.ceil(-np.log10(dt))) + 2)
    path = table(tmp_path_factory.mktemp("gap") / "a.csv", time=np.round(np.delete(dt * np.arange(61), missing), digits))
    with pytest.raises(lc.InputError, match="even steps"):
        read_recording(path)


def test_other_kinds_of_file_are_named(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    with pytest.raises(lc.InputError, match=r"a.xlsx is not a table \(.csv, .tsv, .parquet\), so it must say dt itself"):
        read_recording(tmp_path / "a.xlsx", dt=2.0)
    with pytest.raises(lc.InputError, match="no data file at"):
        read_recording(tmp_path / "absent.csv", dt=2.0)
