"""Containers of data: what they hold, what they refuse, and that they cannot be changed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ltc_causal as lc


def series(n_scan=20, n_region=2, dt=2.0, **changes):
    values = np.random.default_rng(0).normal(size=(n_scan, n_region))
    return lc.TimeSeries(**{"values": values, "dt": dt, "regions": ["V1", "V5", "SPC"][:n_region], **changes})


def inputs(n_bin=320, dt=0.125, n_input=1):
    return lc.Inputs(np.random.default_rng(1).normal(size=(n_bin, n_input)), dt, ["photic", "motion"][:n_input])


def with_nan():
    values = np.ones((20, 2))
    values[3, 1] = np.nan
    return values


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"values": np.ones(20)}, r"TimeSeries.values must have shape \(time, region\), got shape \(20,\)"),
        ({"values": with_nan()}, r"1 of its values are NaN or infinite, the first at index \(3, 1\)"),
        ({"values": [["a", "b"]] * 20}, "cannot be read as one"),
        ({"dt": 0.0}, "TimeSeries.dt must be a positive number of seconds, got 0.0"),
        ({"dt": "fast"}, "positive number of seconds, got 'fast'"),
        ({"regions": ["V1"]}, "must give 2 names, one a column of the values, got 1"),
        ({"regions": ["V1", "V1"]}, "'V1' occurs 2 times"),
        ({"regions": "V1"}, r"write \['V1'\]"),
        ({"regions": ["V1", ""]}, "not empty"),
    ],
)
def test_series_refuses(changes, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        series(**changes)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"series": series(9), "inputs": inputs(144)}, "9 scans, but at least 10 are needed"),
        ({"series": series(values=np.column_stack([np.arange(20.0), np.ones(20)]))}, r"region\(s\) \['V5'\] never changes"),
        ({"inputs": inputs(300)}, "inputs cover 37.5 s .300 bins of 0.125 s. but the scans cover 40 s .20 of 2 s."),
        ({"inputs": inputs(10, 4.0)}, "no longer than a scan"),
        ({"confounds": np.ones((19, 1))}, "one row a scan .20., got 19"),
        ({"confounds": np.random.default_rng(0).normal(size=(20, 20))}, "would explain any signal"),
        ({"confounds": np.full((20, 1), np.inf)}, "Recording.confounds must be finite"),
        ({"echo_time": 40}, "give seconds, not milliseconds"),
        ({"echo_time": 0}, "positive number of seconds"),
        ({"delays": [1.0]}, "2 values, one a region"),
        ({"delays": [0.5, 2.5]}, "between 0 and the scan time of 2 s"),
        ({"delays": [-0.5, 1.0]}, "between 0"),
    ],
)
def test_recording_refuses(changes, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        lc.Recording(**{"series": series(), "inputs": inputs(), **changes})


def test_recording_fills_in_what_is_left_out():
    recording = lc.Recording(series(), inputs())
    assert (recording.confounds == np.ones((20, 1))).all()
    assert (recording.delays == 1.0).all()  # half a scan
    assert (lc.Recording(series(), inputs(), delays=0.25).delays == [0.25, 0.25]).all()


def test_a_container_does_not_change_afterwards():
    values = np.random.default_rng(0).normal(size=(20, 2))
    made = series(values=values)
    before = made.values.copy()
    values[:] = 7.0
    assert np.array_equal(made.values, before)
    with pytest.raises(ValueError, match="read-only"):
        made.values[0, 0] = 7.0
    with pytest.raises(AttributeError):
        made.dt = 3.0


@given(onsets=st.lists(st.integers(0, 70), min_size=1, max_size=5, unique=True), length=st.integers(1, 10), bins=st.integers(1, 10))
def test_events_fill_the_bins_that_they_cover(onsets, length, bins):
    made = lc.Inputs.from_events({"photic": [(float(onset), float(length)) for onset in onsets]}, 80.0, 1 / bins)
    middle = made.times + made.dt / 2
    inside = [any(onset < t < onset + length for onset in onsets) for t in middle]
    assert made.duration == pytest.approx(80.0)
    assert np.array_equal(made.column("photic"), np.array(inside, dtype=float))


@pytest.mark.parametrize("event", [(-1.0, 2.0), (79.0, 2.0), (10.0, 0.01)])
def test_events_outside_the_run_are_refused(event):
    with pytest.raises(lc.InputError, match="'photic' at .* does not fill a bin"):
        lc.Inputs.from_events({"photic": [event]}, 80.0, 0.5)


@pytest.mark.parametrize("boxes", [[(1.0, 2.0, 3.0)], [10.0, 20.0]])
def test_events_that_are_no_pairs_are_refused(boxes):
    with pytest.raises(lc.InputError, match="'photic' must be \\(onset, length\\) pairs"):
        lc.Inputs.from_events({"photic": boxes}, 80.0, 0.5)


def test_columns_are_chosen_and_replaced_by_name():
    both = inputs(n_input=2)
    assert np.array_equal(both.select(["motion", "photic"]).values, both.values[:, ::-1])
    changed = both.with_column("motion", 3.0)
    assert (changed.column("motion") == 3.0).all() and np.array_equal(changed.column("photic"), both.column("photic"))
    with pytest.raises(lc.InputError, match="did you mean 'photic'"):
        both.column("fotic")
    with pytest.raises(lc.InputError, match="one number or 320 values"):
        both.with_column("motion", np.ones(7))


def test_what_is_shown_of_data_fits_a_line():
    series = lc.TimeSeries(np.arange(3000.0).reshape(1000, 3) % 7, 2.0, ("V1", "V5", "SPC"), "percent")
    inputs = lc.Inputs(np.zeros((2000, 1)), 1.0, ("photic",))
    assert repr(lc.Recording(series, inputs)) == (
        "Recording(TimeSeries(1000 samples every 2 s of V1, V5, SPC in percent), Inputs(2000 bins of 1 s of photic), 1 confounds)"
    )


def test_seconds_are_numbers():
    with pytest.raises(lc.InputError, match=r"TimeSeries\.dt must be a positive number of seconds, got '2'"):
        lc.TimeSeries(np.zeros((10, 1)), "2", ("V1",))  # pyright: ignore[reportArgumentType]
