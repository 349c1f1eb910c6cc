"""Recordings from files: tables of named columns, and numpy's `.npz`.

The `.npz` file holds plain arrays (`numpy.savez`): `values` (time, region), `dt` seconds between scans, `regions` names, `inputs` (bin, input),
`input_dt` seconds a bin, `input_names`; and, if wanted, `confounds` (time, confound), `delays` (region,) seconds, `echo_time` seconds and
`unit`.

Lives here: `read_recording`. Does not live here: what a recording must satisfy (`core.data`), how a table is read (`columns`) and its events
(`events`), images (`nifti`), bundled recordings (`datasets`).
"""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ltc_causal.core.data import Inputs, Recording, TimeSeries
from ltc_causal.errors import InputError, known_name, positive, unique_names
from ltc_causal.io.columns import SUFFIXES, clock, columns, read_columns, split_head, time_column
from ltc_causal.io.events import read_events
from ltc_causal.io.writing import file_path

NEEDED = ("values", "dt", "regions", "inputs", "input_dt", "input_names")
OPTIONAL = ("confounds", "delays", "echo_time", "unit")
BINS = 16  # of a scan, unless another grid is asked for; SPM's number
SAME_DT = 0.01  # by what share a step of time that is given twice may differ


def read_recording(
    path: str | Path,
    *,
    dt: float | None = None,
    regions: Sequence[str] | None = None,
    inputs: Sequence[str] | str | Path | Inputs | None = None,
    events: str | Path | pd.DataFrame | None = None,
    conditions: Sequence[str] | None = None,
    confounds: Sequence[str] | NDArray | None = None,
    unit: str | None = None,
    echo_time: float = 0.04,
    delays: Any = None,
    input_dt: float | None = None,
) -> Recording:
    """Read one run from a table (.csv, .tsv, .parquet), one row a scan and one column a region, or from an `.npz` file of the layout above.

    dt : seconds between scans; not needed where a column of time (time or t, perhaps with its unit: "time (ms)") gives it
    regions : which columns; None for all that are not time, inputs or confounds. A unit in a head, "V1 (%)", goes into the series' unit
    inputs : names of columns that are inputs (then one bin a scan), another table whose columns are inputs and time, or `Inputs`
    events : a table of onset, duration and trial_type, see `read_events`; in the time of the column of time, if there is one
    conditions : of the events, those wanted
    confounds : names of columns, or an array (time, confound); a constant is put beside them
    unit : of the signal, where the heads do not say it
    echo_time, delays : seconds, as of `Recording`
    input_dt : seconds a bin of the events' grid; a 16th of a scan unless given

    Without inputs and events it is a recording at rest. An `.npz` file says all this itself, and takes none of it.

    Raises `InputError` if there is no such file, if a column or field is missing, unknown or unusable, and for everything that `Recording`
    refuses; the sentence names the file.
    """
    path = file_path(path)
    given = {
        "dt": dt, "regions": regions, "inputs": inputs, "events": events, "conditions": conditions, "confounds": confounds, "unit": unit,
        "delays": delays, "input_dt": input_dt,
    }  # fmt: skip
    if path.suffix.lower() in SUFFIXES:
        return _named(path, _of_table, path, given, echo_time)
    stated = [name for name, value in given.items() if value is not None]
    if stated:
        raise InputError(f"{path} is not a table ({', '.join(SUFFIXES)}), so it must say {', '.join(stated)} itself: leave that out.")
    return _named(path, _of_fields, _read_fields(path))


def _named(path: Path, make: Any, *arguments: Any) -> Recording:
    """What `make` gives; the sentence of a refusal ends with the file's name."""
    try:
        return make(*arguments)
    except InputError as error:
        sentence = str(error)
        raise InputError(sentence if str(path) in sentence else f"{sentence.rstrip('.')} (in {path}).") from None


# --- tables ---------------------------------------------------------------------------------------------------------------------------


def _of_table(path: Path, given: Mapping[str, Any], echo_time: float) -> Recording:
    frame, inputs, confounds = read_columns(path), given["inputs"], given["confounds"]
    time = time_column(frame)
    start, dt = _clock(frame, time, given["dt"], path)
    own_inputs = list(inputs) if _is_names(inputs) else []
    own_confounds = list(confounds) if _is_names(confounds) else []
    taken = {time, *own_inputs, *own_confounds}
    heads = _heads([head for head in frame.columns if head not in taken], given["regions"], path)
    series = TimeSeries(columns(frame, heads, path), dt, tuple(split_head(head)[0] for head in heads), _unit(heads, given["unit"], path))
    if own_inputs:
        its_inputs = Inputs(columns(frame, own_inputs, path), dt, tuple(own_inputs))
    elif isinstance(inputs, str | Path):
        its_inputs = _input_table(Path(inputs), start, dt)
    else:
        its_inputs = inputs
    if its_inputs is not None and given["events"] is not None:
        raise InputError("The recording is given inputs and events: give one of the two.")
    if its_inputs is None:
        its_inputs = _from_events(given, series.duration, dt, start)
    nuisance = columns(frame, own_confounds, path) if own_confounds else confounds
    return Recording(series, its_inputs, with_constant(nuisance, len(frame)), echo_time, given["delays"])


def with_constant(confounds: Any, n_scan: int) -> Any:
    """Confounds beside a constant, which is put in front of them unless they have one; None where there are none."""
    if confounds is None:
        return None
    values = np.asarray(confounds)
    if values.ndim != 2 or len(values) != n_scan or values.dtype.kind not in "fiub" or (np.ptp(values, axis=0) == 0).any():
        return confounds  # what is wrong with them is said by `Recording`
    return np.column_stack([np.ones(n_scan), values])


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(name, str) for name in value) and len(value) > 0


def _clock(frame: pd.DataFrame, time: str | None, dt: float | None, path: Path) -> tuple[float, float]:
    """When the run begins, and its step: from the column of time, from what is given, or from both if they agree."""
    if time is None:
        if dt is None:
            raise InputError(f"{path} has no column of time, so it does not say how long a scan takes: give dt= in seconds.")
        return 0.0, positive("read_recording dt", dt, "seconds")
    start, found = clock(frame, time, path)
    if dt is not None and abs(positive("read_recording dt", dt, "seconds") - found) > SAME_DT * found:
        raise InputError(
            f"read_recording got dt={dt:g} s, but column {time!r} of {path} goes by {found:g} s: leave dt out, or name the column's unit "
            "in its head, such as 'time (ms)'."
        )
    return start, found


def _heads(free: list[str], regions: Sequence[str] | None, path: Path) -> list[str]:
    """The heads of the regions' columns; a region is named with or without the unit of its head."""
    if regions is None:
        if not free:
            raise InputError(f"{path} has no column left for a region: name fewer inputs and confounds.")
        return free
    by_name = {split_head(head)[0]: head for head in free} | {head: head for head in free}
    names = unique_names("read_recording regions", regions)
    for name in names:
        known_name("region", name, list(by_name), str(path))
    return [by_name[name] for name in names]


def _unit(heads: Sequence[str], unit: str | None, path: Path) -> str:
    units = sorted({split_head(head)[1] or "a.u." for head in heads})
    if unit is None and len(units) > 1:
        raise InputError(f"The regions of {path} have different units, {', '.join(units)}: bring them to one, and name it by unit=.")
    return unit or units[0]


def _input_table(path: Path, start: float, scan: float) -> Inputs:
    """Inputs on a grid of their own, from a table with a column of time that begins with the run."""
    frame = read_columns(path)
    time = time_column(frame)
    if time is None:
        raise InputError(f"{path} holds inputs but no column of time, which says how long a bin takes: add one, in seconds.")
    first, dt = clock(frame, time, path)
    if abs(first - start) > dt / 2:
        raise InputError(f"The inputs in {path} begin at {first:g} s, the recording at {start:g} s: give both from the same moment on.")
    names = [head for head in frame.columns if head != time]
    return Inputs(columns(frame, names, path), dt, tuple(names))


def _from_events(given: Mapping[str, Any], duration: float, dt: float, start: float) -> Inputs:
    grid = dt / BINS if given["input_dt"] is None else positive("read_recording input_dt", given["input_dt"], "seconds")
    if given["events"] is None:
        if given["conditions"] is not None:
            raise InputError("The recording is given conditions but no events: give events=, or leave conditions out.")
        return Inputs(np.zeros((int(round(duration / dt)), 0)), dt, ())
    return read_events(given["events"], duration, grid, given["conditions"], start)


# --- numpy ----------------------------------------------------------------------------------------------------------------------------


def _read_fields(path: Path) -> dict[str, NDArray]:
    if not path.is_file():
        raise InputError(f"There is no data file at {path}: check the path.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, AttributeError, TypeError, RuntimeError):
        raise InputError(
            f"{path} cannot be read as an .npz file of plain arrays: write it with numpy.savez, names as text and no objects."
        ) from None


def _of_fields(fields: Mapping[str, NDArray]) -> Recording:
    for name in fields:
        known_name("field", name, NEEDED + OPTIONAL, "the data file")
    missing = [name for name in NEEDED if name not in fields]
    if missing:
        raise InputError(f"The data file lacks the field(s) {missing}: it needs {list(NEEDED)}.")
    series = TimeSeries(fields["values"], _number(fields, "dt"), _names(fields, "regions"), str(fields.get("unit", "a.u.")))
    inputs = Inputs(fields["inputs"], _number(fields, "input_dt"), _names(fields, "input_names"))
    echo_time = _number(fields, "echo_time") if "echo_time" in fields else 0.04
    return Recording(series, inputs, fields.get("confounds"), echo_time, fields.get("delays"))


def _number(fields: Mapping[str, NDArray], name: str) -> float:
    value = fields[name]
    if value.size != 1 or value.dtype.kind not in "iuf":
        raise InputError(f"The field {name!r} must be one number of seconds, got an array of shape {value.shape} and type {value.dtype}.")
    return float(value.reshape(()))


def _names(fields: Mapping[str, NDArray], name: str) -> tuple[str, ...]:
    value = fields[name]
    if value.dtype.kind != "U" or value.ndim != 1:
        raise InputError(f"The field {name!r} must be a list of names (text), got an array of shape {value.shape} and type {value.dtype}.")
    return unique_names(f"The field {name!r}", value.tolist())
