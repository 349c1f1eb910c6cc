"""Events become the inputs that they describe, and what cannot be one is said in a sentence that names its row."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ltc_causal as lc
from ltc_causal.io.events import read_events

DT = 0.125


def events(*rows, columns=("onset", "duration", "trial_type")):
    return pd.DataFrame(rows, columns=list(columns))


@given(
    boxes=st.lists(st.tuples(st.integers(0, 700), st.integers(1, 100), st.sampled_from(["photic", "motion"])), min_size=1, max_size=20),
    start=st.sampled_from([0.0, 7.5]),
)
def test_boxes_are_those_of_inputs_from_events(boxes, start):
    """The same grid made by the package's other way, and by counting every bin by itself."""
    table = events(*((DT * onset + start, DT * length, kind) for onset, length, kind in boxes))
    inputs = read_events(table, 100.0, DT, start=start)
    names = list(dict.fromkeys(kind for *_, kind in boxes))
    assert inputs.names == tuple(names)
    made = lc.Inputs.from_events({name: [(DT * a, DT * b) for a, b, kind in boxes if kind == name] for name in names}, 100.0, DT)
    assert np.array_equal(inputs.values, made.values)
    for name in names:
        on = [any(onset <= place < onset + length and kind == name for onset, length, kind in boxes) for place in range(800)]
        assert np.array_equal(inputs.column(name), np.array(on, float))


def test_impulses_have_area_one_as_in_spm():
    inputs = read_events(events((10.0, 0.0, "flash"), (20.0, 0.0, "flash"), (30.0, 5.0, "block"), (50.0, 0.0, "block")), 60.0, DT)
    assert inputs.column("flash").sum() * DT == 2.0 and np.flatnonzero(inputs.column("flash")).tolist() == [80, 160]
    assert inputs.column("flash").max() == 8.0
    assert inputs.column("block").max() == 1.0 and inputs.column("block").sum() == 41


def test_what_lies_before_and_after_the_run_is_cut_off():
    inputs = read_events(events((-4.0, 6.0, "a"), (58.0, 10.0, "a")), 60.0, 1.0)
    assert np.flatnonzero(inputs.column("a")).tolist() == [0, 1, 58, 59]


def test_conditions_are_chosen_and_ordered():
    table = events((1.0, 2.0, "b"), (5.0, 2.0, "a"), (9.0, 2.0, np.nan), (np.nan, 1.0, "c"))
    inputs = read_events(table, 20.0, 1.0, ["a", "b"])
    assert inputs.names == ("a", "b") and np.flatnonzero(inputs.column("a")).tolist() == [5, 6]


def test_a_table_without_types_is_one_input():
    inputs = read_events(events((1.0, 2.0), columns=("onset", "duration")), 20.0, 1.0)
    assert inputs.names == ("event",) and inputs.values[:, 0].sum() == 2


def test_missing_values_of_a_file_are_those_of_bids(tmp_path):
    (tmp_path / "e.tsv").write_text("onset\tduration\ttrial_type\tresponse_time\n1.0\t2.0\tgo\tn/a\n5\t1\tn/a\t0.4\n")
    assert read_events(tmp_path / "e.tsv", 20.0, 1.0, ["go"]).names == ("go",)
    with pytest.raises(lc.InputError, match="The event in row 2 of .*e.tsv has no trial_type"):
        read_events(tmp_path / "e.tsv", 20.0, 1.0)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(1.0, 1.0, "a"), (np.nan, 1.0, "a")], "Column 'onset' of .* row 2 below the head is missing"),
        ([(1.0, np.nan, "a")], "Column 'duration' .* row 1 below the head is missing"),
        ([(1.0, -1.0, "a")], r"row 1 of the table of events \(a at 1 s\) has a negative duration of -1 s"),
        ([(0.0, 1.0, "a"), (10_000.0, 500.0, "a")], r"row 2 .* lies outside the run of 100 s: check that onsets are in seconds"),
        ([(-8.0, 1.0, "a")], "lies outside the run"),
        ([(1.0, 0.01, "a")], "lasts 0.01 s and does not fill a bin of 0.125 s"),
        ([("now", 1.0, "a")], "is 'now'"),
    ],
)
def test_a_bad_event_is_named(rows, said):
    with pytest.raises(lc.InputError, match=said):
        read_events(events(*rows), 100.0, DT)


def test_rows_are_counted_as_the_table_has_them_also_where_some_are_left_out():
    table = events((1.0, 1.0, "b"), (2.0, 1.0, "b"), (np.nan, 1.0, "a"))
    with pytest.raises(lc.InputError, match="row 3 below the head is missing"):
        read_events(table, 100.0, DT, ["a"])
    with pytest.raises(lc.InputError, match="row 2 of the table of events"):
        read_events(events((1.0, 1.0, "b"), (500.0, 1.0, "a")).iloc[::1], 100.0, DT, ["a"])


def test_bad_tables_and_conditions_are_named():
    with pytest.raises(lc.InputError, match="Unknown column 'duration' in the table of events"):
        read_events(events((1.0, "a"), columns=("onset", "trial_type")), 100.0, DT)
    with pytest.raises(lc.InputError, match="Unknown condition 'photik' .* did you mean 'photic'"):
        read_events(events((1.0, 1.0, "photic")), 100.0, DT, ["photik"])


CELL = (
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats() | st.text(max_size=3) | st.sampled_from([1.0, 0.0, 5, "a", "3"])
)


@given(
    rows=st.lists(st.tuples(CELL, CELL, CELL), max_size=5), conditions=st.none() | st.lists(st.sampled_from(["a", "1.0", "b"]), max_size=2)
)
def test_any_table_gives_inputs_or_one_sentence(rows, conditions):
    try:
        inputs = read_events(events(*rows), 20.0, 0.5, conditions)
    except lc.InputError as error:
        assert "\n" not in str(error)
    else:
        assert inputs.values.shape[0] == 40 and set(np.unique(inputs.values)) <= {0.0, 1.0, 2.0}
