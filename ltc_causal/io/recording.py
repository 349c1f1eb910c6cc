"""Recordings from files.

Lives here: the `.npz` layout. Does not live here: what a recording must satisfy (`core.data`), bundled recordings (`datasets`).

The file holds plain arrays (`numpy.savez`): `values` (time, region), `dt` seconds between scans, `regions` names, `inputs` (bin, input),
`input_dt` seconds a bin, `input_names`; and, if wanted, `confounds` (time, confound), `delays` (region,) seconds, `echo_time` seconds and
`unit`.
"""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.data import Inputs, Recording, TimeSeries
from ltc_causal.errors import InputError, known_name, unique_names

NEEDED = ("values", "dt", "regions", "inputs", "input_dt", "input_names")
OPTIONAL = ("confounds", "delays", "echo_time", "unit")


def read_recording(path: str | Path) -> Recording:
    """Read a recording from an `.npz` file of the layout above.

    Raises `InputError` if there is no such file, if it is not one, if a field is missing, unknown or unusable, and for everything that
    `Recording` refuses; the sentence ends with the file's name.
    """
    fields = _read_fields(Path(path))
    try:
        return _recording(fields)
    except InputError as error:
        raise InputError(f"{str(error).rstrip('.')} (in {path}).") from None


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


def _recording(fields: Mapping[str, NDArray]) -> Recording:
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
