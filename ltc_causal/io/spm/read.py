"""DCM files of SPM: one model of one subject, specified or estimated, or a GCM file of many.

Lives here: `read_spm` and what it returns. Does not live here: what the fields of a DCM mean (`interpret`), writing (`write`), the file
format (`mat`), single regions and inputs (`first_level`).
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from ltc_causal.core.data import Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.result import Fit
from ltc_causal.errors import InputError
from ltc_causal.io.spm import interpret, priors
from ltc_causal.io.spm.mat import read_mat
from ltc_causal.models.dcm import DCM


@dataclass(frozen=True, eq=False)
class SpmDcm:
    """One DCM as an SPM file holds it.

    name : of the file, or of the model within it
    model : its connections and options
    recording : its data in their original units, as far as the file has them: SPM removes each region's mean when it estimates, and each
        input's with the option `centre`; None if the file holds no data, as models kept short in a GCM file do
    posterior : over the model's parameters; None if the model is not estimated
    free_energy : nats; None if the model is not estimated
    fit : all of this as a `Fit`; None if the model is not estimated, or without data
    raw : everything in the file, by variable: dicts for structs, arrays of objects for cells (see `io.spm.mat`)
    variable : which variable of `raw` is the DCM
    """

    name: str
    model: DCM
    recording: Recording | None
    posterior: Gaussian | None
    free_energy: float | None
    fit: Fit | None
    raw: Mapping[str, Any]
    variable: str = "DCM"


def read_spm(path: str | Path) -> SpmDcm | list[list[SpmDcm]]:
    """Read a DCM file of SPM, or a GCM file.

    path : a MATLAB file with a variable DCM, or another one like it, such as SPM writes it before and after estimation; or with a variable
        GCM, whose cells (subject x model) hold DCMs or names of their files. These are looked for where they say, then from the GCM
        file's folder, then in it by their last part

    Returns one `SpmDcm`; for a GCM file a list with one list a subject, which has one `SpmDcm` a model.

    A bilinear or two-state model comes with flow="bilinear" and a nonlinear one with flow="spm", which is what SPM integrates; each with
    the priors that the file states, of its parameters and of its noise.

    Warns where the file's prior lets parameters vary that DCM.a, b, c and d do not have, as with SPM's principal modes of many regions.

    Raises `InputError` for a file that is damaged or holds no DCM for fMRI, for a kind of model that this version cannot represent
    (stochastic, spectral, two-state and nonlinear at once, hidden regions, several sessions), and for everything that `DCM` and `Recording`
    refuse; the sentence ends with the file.
    """
    path = Path(path)
    variables = read_mat(path)
    return _group(path, variables["GCM"]) if "GCM" in variables else _single(path, variables)


def _single(path: Path, variables: dict[str, Any]) -> SpmDcm:
    variable = "DCM" if _is_dcm(variables.get("DCM")) else next((name for name, value in variables.items() if _is_dcm(value)), None)
    if variable is None:
        raise InputError(
            f"{path} holds no DCM for fMRI (a struct with the fields a, b and c), only the variables {sorted(variables)}: give SPM's file "
            "of one."
        )
    return _interpreted(variables, variable, path.stem, str(path))


def _is_dcm(value: Any) -> bool:
    return isinstance(value, dict) and {"a", "b", "c"} <= set(value)


def _group(path: Path, cells: Any) -> list[list[SpmDcm]]:
    if isinstance(cells, dict | str):
        cells = np.array([[cells]], dtype=object)
    if not (isinstance(cells, np.ndarray) and cells.dtype.kind == "O" and cells.ndim == 2):
        raise InputError(f"The variable GCM of {path} is not a cell array (subject x model): check what wrote the file.")
    return [[_member(path, cell, s, m) for m, cell in enumerate(row, 1)] for s, row in enumerate(cells, 1)]


def _member(path: Path, cell: Any, subject: int, model: int) -> SpmDcm:
    place = f"{path}, GCM({subject},{model})"
    if isinstance(cell, str) and cell:
        found = _found(path.parent, cell)
        if found is None:
            raise InputError(f"The file {cell!r} is neither where it says nor beside the GCM file: copy it there (in {place}).")
        return _single(found, read_mat(found))
    if not _is_dcm(cell):
        raise InputError(f"A cell holds neither a DCM for fMRI nor the name of a file: fill it (in {place}).")
    return _interpreted({"DCM": cell}, "DCM", f"{path.stem}({subject},{model})", place)


def _found(folder: Path, name: str) -> Path | None:
    """The file of a name that may come from another machine, a Windows one perhaps."""
    candidates = (folder / name, folder / name.replace("\\", "/"), folder / PureWindowsPath(name).name)
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _interpreted(variables: dict[str, Any], variable: str, name: str, place: str) -> SpmDcm:
    dcm = variables[variable]
    try:
        model = interpret.model(dcm)
        recording = interpret.recording(dcm, model)
        posterior, free_energy = interpret.posterior(dcm, model), interpret.free_energy(dcm)
        fit = None
        if recording is not None and posterior is not None and free_energy is not None:
            fit = interpret.fit(dcm, model, recording, posterior, free_energy)
        left_out = priors.left_out(dcm, model)
    except InputError as error:
        raise InputError(f"{str(error).rstrip('.')} (in {place}).") from None
    if left_out:
        warnings.warn(
            f"The prior in {place} has a say on {len(left_out)} parameter(s) outside DCM.a, b, c and d ({left_out[0]}, ...), which are "
            "left out of what was read.",
            stacklevel=2,
        )
    return SpmDcm(name, model, recording, posterior, free_energy, fit, variables, variable)
