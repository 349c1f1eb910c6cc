"""What SPM's first level makes for a DCM: the signals of regions (VOI files) and the inputs of the design (SPM.mat).

Lives here: `read_voi` and `read_spm_inputs`. Does not live here: DCMs (`read`, `write`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.data import Inputs, TimeSeries
from ltc_causal.errors import InputError
from ltc_causal.io.spm.mat import read_mat
from ltc_causal.io.spm.values import distinct, is_empty, number, numbers, words

Array = NDArray[np.float64]

BINS_BEFORE = 32  # of the input grid, which SPM puts before the first scan


def read_voi(paths: str | Path | Sequence[str | Path], dt: float) -> tuple[TimeSeries, Array]:
    """Read the regions that SPM extracted (VOI_*.mat).

    paths : one file or several, one a region
    dt : seconds between scans, which these files do not hold

    Returns the regions' signals (first eigenvariates) by name, and the confounds of shape (time, confound): those of the first file, as SPM
    takes them, or a constant where it has none.

    Raises `InputError` for a file that is not one of these, or if they are not of the same scans; the sentence ends with the file.
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    if not paths:
        raise InputError("read_voi needs at least one VOI file: give their paths.")
    names, signals, confounds = zip(*(_voi(Path(path)) for path in paths), strict=True)
    for path, signal in zip(paths, signals, strict=True):
        if len(signal) != len(signals[0]):
            raise InputError(f"{path} has {len(signal)} scans but {paths[0]} has {len(signals[0])}: extract all regions from the same run.")
    return TimeSeries(np.column_stack(signals), dt, tuple(distinct(names))), confounds[0]


def _voi(path: Path) -> tuple[str, Array, Array]:
    variables = read_mat(path)
    xY = variables.get("xY")
    if not isinstance(xY, dict) or not ({"u"} <= set(xY) or "Y" in variables):
        raise InputError(f"{path} holds no region that SPM extracted (variables Y and xY), only {sorted(variables)}: give one.")
    try:
        signal = numbers("xY.u", xY["u"] if not is_empty(xY.get("u")) else variables.get("Y"))
        name = "" if is_empty(xY.get("name")) else words("xY.name", xY["name"])[0]
        confounds = np.ones((len(signal), 1)) if is_empty(xY.get("X0")) else numbers("xY.X0", xY["X0"])
        if signal.shape[1] != 1:
            raise InputError(f"xY.u must be one column, but it has {signal.shape[1]}: give the first eigenvariate.")
    except InputError as error:
        raise InputError(f"{str(error).rstrip('.')} (in {path}).") from None
    return name or path.stem.removeprefix("VOI_"), signal[:, 0], confounds


def read_spm_inputs(path: str | Path, session: int = 1) -> Inputs:
    """Read the inputs of one session from the design of an SPM.mat file.

    session : counted from 1, as SPM does

    Returns every condition and parametric modulator on SPM's own grid (usually 16 bins a scan), from the first scan on: the 32 bins that
    SPM puts before it are removed. `Inputs.select` takes those that a model needs.

    Raises `InputError` for a file that is not an SPM.mat, for a session that is not in it, and for one without conditions.
    """
    SPM = read_mat(path, only="SPM").get("SPM")
    if not isinstance(SPM, dict) or is_empty(SPM.get("Sess")):
        raise InputError(f"{path} holds no design of SPM (a variable SPM with sessions): give the SPM.mat file of a first level.")
    sessions = _elements(SPM["Sess"])
    if not 1 <= session <= len(sessions):
        raise InputError(f"{path} has {len(sessions)} session(s), so there is no session {session}: count from 1.")
    conditions = _elements(sessions[session - 1].get("U"))
    if not conditions:
        raise InputError(
            f"Session {session} of {path} has no conditions, so it gives no inputs: build Inputs from the times of the events."
        )
    try:
        return _inputs(conditions)
    except InputError as error:
        raise InputError(f"{str(error).rstrip('.')} (in {path}, session {session}).") from None


def _elements(value: Any) -> list[Mapping[str, Any]]:
    """The elements of a struct array, each as a dict."""
    if isinstance(value, dict):
        return [value] if value else []
    fields = getattr(getattr(value, "dtype", None), "names", None)
    return [{field: element[field] for field in fields} for element in value.ravel(order="F")] if fields else []


def _inputs(conditions: list[Mapping[str, Any]]) -> Inputs:
    columns, names, steps = [], [], []
    for place, condition in enumerate(conditions, 1):
        u = numbers(f"U({place}).u", condition.get("u"))
        found = words(f"U({place}).name", condition.get("name"))
        if len(found) != u.shape[1]:
            raise InputError(f"U({place}) has {u.shape[1]} columns but {len(found)} names: estimate the first level again.")
        columns.append(u)
        names += found
        steps.append(number(f"U({place}).dt", condition.get("dt")))
    if len({len(u) for u in columns}) > 1 or np.ptp(steps) > 0 or len(columns[0]) <= BINS_BEFORE:
        raise InputError("The conditions do not share one grid of more than 32 bins: estimate the first level again.")
    return Inputs(np.hstack(columns)[BINS_BEFORE:], steps[0], tuple(distinct(names)))
