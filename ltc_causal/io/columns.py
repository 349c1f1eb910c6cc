"""Tables of named columns from CSV, TSV and Parquet files, and what stands in their heads: names, units, a column of time.

Lives here: reading such a table and checking it. Does not live here: what is made of it (`recording`, `events`, `bids`), writing (`tables`).
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ltc_causal.errors import InputError, known_name, unique_names
from ltc_causal.io.writing import file_path, optional

Array = NDArray[np.float64]

SEPARATORS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*SEPARATORS, ".parquet")
TIME_NAMES = ("time", "times", "t")
SECONDS = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3,
    "us": 1e-6, "µs": 1e-6, "usec": 1e-6, "min": 60.0, "minute": 60.0, "minutes": 60.0,
}  # fmt: skip
# What times may be off an even grid, in steps: anyhow, and where they are rounded (a missing row puts some off by a third at least).
UNEVEN, ROUNDED = 0.01, 0.1
HEAD = re.compile(r"\s*(?P<name>.*?)\s*(?:\((?P<round>[^()]*)\)|\[(?P<square>[^\[\]]*)\])?\s*")


def read_columns(path: str | Path) -> pd.DataFrame:
    """The table in a file, by its suffix; empty cells and n/a are missing values.

    Raises `InputError` if there is no such file or it is of another kind, and for a table without rows or without distinct column names.
    """
    path = file_path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path} is not one of the kinds of table that are read, {', '.join(SUFFIXES)}: save it as one of them.")
    if not path.is_file():
        raise InputError(f"There is no data file at {path}: check the path.")
    frame = _parquet(path) if path.suffix.lower() == ".parquet" else _text(path)
    unique_names(f"The columns of {path}", map(str, frame.columns))
    if not len(frame):
        raise InputError(f"{path} has a head but no rows: check that the right file was saved.")
    return frame.rename(columns=str)


def _text(path: Path) -> pd.DataFrame:
    separator = SEPARATORS[path.suffix.lower()]
    try:
        # Without a header for pandas: it would rename columns of the same name.
        raw = pd.read_csv(path, sep=separator, header=None, dtype=str, encoding="utf-8-sig", keep_default_na=False, skip_blank_lines=True)
    except (ValueError, OSError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(
            f"{path} cannot be read as a table with a head in UTF-8 ({_first_line(error)}): check its separators and rows."
        ) from None
    names = [str(name).strip() for name in raw.iloc[0]]
    if all(_is_number(name) for name in names):
        raise InputError(f"The first row of {path} holds numbers ({', '.join(names[:3])}): put a row with the columns' names before it.")
    if len(names) == 1 and any(mark in names[0] for mark in ";\t,"):
        raise InputError(f"{path} has the one column {names[0][:60]!r}: separate columns by commas in a .csv, by tabs in a .tsv.")
    frame = raw.iloc[1:].reset_index(drop=True)
    frame.columns = names
    return frame.mask(frame.isin(["", "n/a", "N/A", "NaN", "nan", "NA"]))


def _parquet(path: Path) -> pd.DataFrame:
    optional("pyarrow", "export", f"Reading {path}")
    try:
        return pd.read_parquet(path).reset_index(drop=True)
    except Exception as error:  # pyarrow has many kinds of its own
        raise InputError(f"{path} cannot be read as a Parquet file ({_first_line(error)}): write it again.") from None


def numbers(frame: pd.DataFrame, name: str, path: object, missing: bool = False) -> Array:
    """One column as numbers, shape (row,); rows are counted from 1 by the table's index, below the head.

    missing : whether missing values may stay, as not a number

    Raises `InputError` naming the first cell that is not a finite number.
    """
    column = pd.Series(frame[name])
    values = pd.Series(pd.to_numeric(column, errors="coerce")).to_numpy(dtype=float, na_value=np.nan)
    wrong = ~np.isfinite(values) if not missing else np.isinf(values) | (np.isnan(values) & ~column.isna().to_numpy())
    if wrong.any():
        row = int(np.argmax(wrong))
        cell = column.iloc[row]
        found = "is missing" if pd.isna(cell) else f"is {cell!r}"
        raise InputError(
            f"Column {name!r} of {path} must hold numbers, but row {column.index[row] + 1} below the head {found} ({int(wrong.sum())} such rows): "
            "correct them, interpolate, or leave the column out."
        )
    return values


def columns(frame: pd.DataFrame, names: Sequence[str], path: object, missing: bool = False) -> Array:
    """Several columns as numbers, shape (row, column)."""
    for name in names:
        known_name("column", name, list(frame.columns), str(path))
    return np.column_stack([numbers(frame, name, path, missing) for name in names]) if len(names) else np.zeros((len(frame), 0))


def split_head(head: str) -> tuple[str, str | None]:
    """Name and unit of a column's head: "V1 (mV)" and "V1 [mV]" are V1 in mV; "V1" has no unit."""
    found = HEAD.fullmatch(head)
    assert found is not None  # every text is a name
    return (found["name"], found["round"] or found["square"]) if found["name"] else (head, None)


def time_column(frame: pd.DataFrame) -> str | None:
    """The head of the column of time, if there is one: time, times or t, with or without a unit."""
    return next((head for head in frame.columns if split_head(head)[0].lower() in TIME_NAMES), None)


def clock(frame: pd.DataFrame, head: str, path: object) -> tuple[float, float]:
    """The first time and the step of a column of time, in seconds.

    Raises `InputError` for a unit that is none of time, and for times that do not rise evenly.
    """
    unit = split_head(head)[1] or "s"
    if unit.lower() not in SECONDS:
        raise InputError(f"The unit {unit!r} of column {head!r} of {path} is none of time: use one of {', '.join(SECONDS)}.")
    times = numbers(frame, head, path) * SECONDS[unit.lower()]
    if len(times) < 2:
        raise InputError(f"{path} has a single row, so its column {head!r} gives no step of time: record for longer.")
    dt = float(f"{(times[-1] - times[0]) / (len(times) - 1):.12g}")
    off = np.abs(times - times[0] - dt * np.arange(len(times)))
    if not dt > 0 or off.max() > max(UNEVEN * dt, min(_last_decimal(times), ROUNDED * dt)):
        steps = np.diff(times)
        row = int(np.argmax(np.abs(steps - dt)))
        raise InputError(
            f"The times in column {head!r} of {path} must rise in even steps ({dt:.4g} s on average), but from row {row + 1} to {row + 2} they go "
            f"by {steps[row]:.4g} s: sort the rows, fill the gaps, or resample."
        )
    return float(times[0]), dt


def _last_decimal(times: Array) -> float:
    """The place of the last decimal in which times are written, 1 to a millionth."""
    return next((10.0**-digits for digits in range(6) if np.abs(times - np.round(times, digits)).max() < 1e-9), 1e-6)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
