"""Experimental inputs from a table of events, as BIDS lays it down: onset, duration (both in seconds) and trial_type.

Lives here: `read_events`. Does not live here: finding the file of a run (`bids`), events that a program makes (`Inputs.from_events`).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ltc_causal.core.data import Inputs
from ltc_causal.errors import InputError, known_name, positive, unique_names
from ltc_causal.io.columns import numbers, read_columns

ALL = "event"  # what events are called in a table without types


def read_events(
    events: str | Path | pd.DataFrame, duration: float, dt: float, conditions: Sequence[str] | None = None, start: float = 0.0
) -> Inputs:
    """One input for each type of event, of height 1 while an event lasts.

    events : a .tsv, .csv or .parquet file, or a table, with columns onset and duration in seconds, and trial_type (without it all events are
        one type, "event")
    duration : of the run, seconds
    dt : seconds a bin of the inputs' grid; onsets and ends are rounded to it
    conditions : the types wanted, in this order, others being left out; None for all, in the order of their first event
    start : when the run begins, in the events' own time, seconds

    What lies before the run's begin or after its end is cut off an event. Where all events of a type last 0 s they are impulses of area 1, one
    bin of height 1 / dt, as SPM makes them; a single event of 0 s among longer ones is one bin of height 1.

    Raises `InputError` for a table without these columns, a missing or negative time, a missing type where all are wanted, an event that
    lies outside the run, and one too short for the grid.
    """
    where = "the table of events" if isinstance(events, pd.DataFrame) else str(events)
    frame = events.reset_index(drop=True) if isinstance(events, pd.DataFrame) else read_columns(events)
    duration, dt = positive("read_events duration", duration, "seconds"), positive("read_events dt", dt, "seconds")
    for name in ("onset", "duration"):
        known_name("column", name, list(frame.columns), where)
    types = _types(frame, conditions, where)
    wanted = list(dict.fromkeys(types)) if conditions is None else list(unique_names("read_events conditions", conditions))
    kept = np.array([kind in wanted for kind in types], dtype=bool)
    times = pd.DataFrame(frame.loc[kept, ["onset", "duration"]])
    onsets, lengths = numbers(times, "onset", where) - start, numbers(times, "duration", where)
    values = np.zeros((int(round(duration / dt)), len(wanted)))
    rows = np.flatnonzero(kept)
    for k, name in enumerate(wanted):
        mine = np.array([types[row] == name for row in rows], dtype=bool)
        impulses = bool((lengths[mine] == 0).all())
        for row, onset, length in zip(rows[mine], onsets[mine], lengths[mine], strict=True):
            first, last = _bins(onset, length, duration, dt, f"The event in row {row + 1} of {where} ({name} at {onset + start:g} s)")
            values[first:last, k] = 1 / dt if impulses else 1.0
    return Inputs(values, dt, tuple(map(str, wanted)))


def _types(frame: pd.DataFrame, conditions: Sequence[str] | None, where: str) -> list[str | None]:
    """The type of each event, as text; None for a missing one, which there may be only where some are chosen by name."""
    if "trial_type" not in frame.columns:
        types: list[str | None] = [ALL] * len(frame)
    else:
        types = [None if pd.isna(kind) else str(kind) for kind in frame["trial_type"]]
    if conditions is None and None in types:
        row = types.index(None) + 1
        raise InputError(f"The event in row {row} of {where} has no trial_type: name the conditions wanted, or complete the table.")
    known = [kind for kind in dict.fromkeys(types) if kind is not None]
    for name in conditions or ():
        known_name("condition", name, known, where)
    return types


def _bins(onset: float, length: float, duration: float, dt: float, event: str) -> tuple[int, int]:
    """First bin and the one after the last."""
    if length < 0:
        raise InputError(f"{event} has a negative duration of {length:g} s: correct it.")
    end = onset + length
    if onset >= duration or end < 0 or (end == 0 and length > 0):
        raise InputError(
            f"{event} lies outside the run of {duration:g} s: check that onsets are in seconds from the first scan, or leave the event out."
        )
    n_bin = int(round(duration / dt))
    first, last = max(int(round(onset / dt)), 0), min(int(round(end / dt)), n_bin)
    if length == 0:
        first = min(first, n_bin - 1)
        return first, first + 1
    if first >= last:
        raise InputError(f"{event} lasts {length:g} s and does not fill a bin of {dt:g} s within the run: choose a finer bin.")
    return first, last
