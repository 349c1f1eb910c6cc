"""DCM files that SPM reads: specified models, fits laid out as SPM's own estimates, and groups of these.

Lives here: `write_spm`. Does not live here: what the fields hold (`fields`), reading (`read`), the file format (`mat`).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ltc_causal.core.data import Recording
from ltc_causal.core.result import Fit
from ltc_causal.errors import InputError
from ltc_causal.io.spm import fields
from ltc_causal.io.spm.mat import write_mat
from ltc_causal.io.spm.read import SpmDcm
from ltc_causal.io.spm.values import struct
from ltc_causal.models.dcm import DCM

Source: TypeAlias = Fit | SpmDcm | tuple[DCM, Recording]


def write_spm(source: Source | Sequence[Source] | Sequence[Sequence[Source]], path: str | Path, like: SpmDcm | None = None) -> None:
    """Write a DCM file that SPM reads (MATLAB v7), whole or not at all; or a GCM file of many DCMs.

    source : a fit, which becomes an estimated DCM; or (model, recording), which becomes one that is specified but not estimated; or what
        `read_spm` returned, which is written as it was read. Or a list of these, one a subject, or of lists of them, one list a subject and
        one entry a model: a GCM file, whose cells are whole DCMs
    like : a DCM that was read, of the same regions, inputs and number of scans: fields of the file that this package knows are replaced by
        those of the source, results of an earlier estimation that it cannot make anew are removed, and all others are kept

    As in SPM, the data of an estimated DCM have their mean removed and are scaled by `Y.scale`, and its inputs are centred if the model
    says so.

    Raises `InputError` if the model is liquid, if a fit has several sessions (SPM's estimation in time takes one), if `like` is of other
    regions, inputs or scans, if a group is ragged, or if the source is none of these.
    """
    if like is not None and isinstance(source, SpmDcm | list):
        raise InputError("write_spm changes the file given as `like` only for a fit, or for a model with its recording: leave out `like`.")
    if isinstance(source, list):
        return write_mat(path, {"GCM": _group(source)})
    if isinstance(source, SpmDcm):
        return write_mat(path, source.raw)
    if like is None:
        dcm = _composed(source)
        return write_mat(path, {"DCM": dcm, **_results(dcm)})
    dcm = _composed(source, like)
    kept = {name: value for name, value in like.raw.items() if name not in (like.variable, "F", "Ep", "Cp")}
    write_mat(path, {like.variable: dcm, **_results(dcm), **kept})


def _group(source: list) -> np.ndarray:
    """A cell array (subject, model) of DCMs."""
    rows = [row if isinstance(row, list) else [row] for row in source]
    if not rows or not rows[0] or len({len(row) for row in rows}) > 1:
        raise InputError(f"A group needs the same models for every subject, got {[len(row) for row in rows]} models: complete it.")
    cells = np.empty((len(rows), len(rows[0])), dtype=object)
    for index in np.ndindex(cells.shape):
        cells[index] = _composed(rows[index[0]][index[1]])
    return cells


def _results(dcm: dict[str, Any]) -> dict[str, Any]:
    """What SPM keeps beside an estimated DCM once more."""
    return {name: dcm[name] for name in ("F", "Ep", "Cp") if name in dcm}


def _composed(source: Any, like: SpmDcm | None = None) -> dict[str, Any]:
    """The DCM of one source."""
    if isinstance(source, SpmDcm):
        return source.raw[source.variable]
    model, recording, fit = _parts(source)
    if like is not None:
        _check_like(like, model, recording)
    old = {} if like is None else like.raw[like.variable]
    dcm = fields.specification(old, model, recording)
    return dcm if fit is None else dcm | fields.estimate(fit, dcm, struct(old, "M"))


def _parts(source: Any) -> tuple[DCM, Recording, Fit | None]:
    """Model, recording (of the model's regions and inputs alone, in its order) and fit of a source."""
    if isinstance(source, Fit):
        if len(source.sessions) != 1:
            raise InputError(
                f"The fit has {len(source.sessions)} sessions and SPM's estimation in time takes one: save the fit with save(), or fit and "
                "write each session alone."
            )
        model, recording, fit = source.model, source.recording, source
    elif isinstance(source, tuple) and len(source) == 2 and isinstance(source[1], Recording):
        (model, recording), fit = source, None
    else:
        raise InputError(
            f"write_spm writes a Fit, a (model, recording) pair, what read_spm returned, or a list of these, got {type(source).__name__}."
        )
    if not isinstance(model, DCM) or model.neuronal not in fields.STATES:
        raise InputError("write_spm writes bilinear, nonlinear and two-state DCMs, and SPM has no other: save the fit with save() instead.")
    recording = recording.select(model.regions)
    return model, replace(recording, inputs=recording.inputs.select(model.inputs)), fit


def _check_like(like: SpmDcm, model: DCM, recording: Recording) -> None:
    for what, theirs, ours in (("regions", like.model.regions, model.regions), ("inputs", like.model.inputs, model.inputs)):
        if tuple(theirs) != tuple(ours):
            raise InputError(f"The DCM given as `like` has the {what} {list(theirs)} but the model has {list(ours)}: leave out `like`.")
    scans = None if like.recording is None else len(like.recording.series.values)
    if scans not in (None, len(recording.series.values)):
        raise InputError(
            f"The DCM given as `like` has {scans} scans but the recording has {len(recording.series.values)}: leave out `like`."
        )
