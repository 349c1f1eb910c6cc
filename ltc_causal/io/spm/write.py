"""DCM files that SPM reads: specified models, and fits laid out as SPM's own estimates.

Lives here: `write_spm`. Does not live here: reading (`read`), the file format (`mat`), the order of SPM's parameters (`parameters`).
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ltc_causal.core.data import Recording
from ltc_causal.core.result import Fit, Status
from ltc_causal.errors import InputError
from ltc_causal.io.archive import package_version
from ltc_causal.io.spm import parameters
from ltc_causal.io.spm.interpret import OURS
from ltc_causal.io.spm.mat import write_mat
from ltc_causal.io.spm.read import SpmDcm
from ltc_causal.io.spm.values import cell, struct
from ltc_causal.models.dcm import DCM

Array = NDArray[np.float64]

KERNEL_BINS, KERNEL_SECONDS = 64, 32.0  # the grid of SPM's kernels, which are not written
# What SPM derives from an estimate and we do not write: beside another estimate it would be wrong.
STALE = ("H1", "H2", "K1", "K2", "ID", "AIC", "BIC", "qU", "qP", "qH", "Fd", "diagnostics", "convergence", "version")
OFF = ("nonlinear", "two_state", "stochastic", "induced")  # options of SPM that make another kind of model
RESULTS = ("Ep", "Cp", "Vp", "Pp", "T", "y", "R", "Ce", "F", "M", *STALE)


def write_spm(source: Fit | SpmDcm | tuple[DCM, Recording], path: str | Path, like: SpmDcm | None = None) -> None:
    """Write a DCM file that SPM reads (MATLAB v7), whole or not at all.

    source : a fit, which becomes an estimated DCM; or (model, recording), which becomes one that is specified but not estimated; or what
        `read_spm` returned, which is written as it was read
    like : a DCM that was read, of the same regions, inputs and number of scans: fields of the file that this package knows are replaced by
        those of the source, results of an earlier estimation that it cannot make anew are removed, and all others are kept

    As in SPM, the data of an estimated DCM have their mean removed and are scaled by `Y.scale`, and its inputs are centred if the model
    says so.

    Raises `InputError` if the model is not bilinear, if `like` is of other regions, inputs or scans, or if the source is none of these.
    """
    if isinstance(source, SpmDcm):
        if like is not None:
            raise InputError("write_spm writes a DCM that was read as it is: leave out `like`, or give a fit as the source.")
        return write_mat(path, source.raw)
    model, recording, fit = _parts(source)
    if like is not None:
        _check_like(like, model, recording)
    variable = "DCM" if like is None else like.variable
    old = {} if like is None else like.raw[variable]
    dcm = _specification({name: value for name, value in old.items() if name not in RESULTS}, model, recording)
    results: dict[str, Any] = {}
    if fit is not None:
        dcm |= _estimate(fit, dcm, struct(old, "M"))
        results = {name: dcm[name] for name in ("F", "Ep", "Cp")}
    kept = {} if like is None else {name: value for name, value in like.raw.items() if name not in (variable, "F", "Ep", "Cp")}
    write_mat(path, {variable: dcm, **results, **kept})


def _parts(source: Any) -> tuple[DCM, Recording, Fit | None]:
    """Model, recording (of the model's regions and inputs alone, in its order) and fit of a source."""
    if isinstance(source, Fit):
        model, recording, fit = source.model, source.recording, source
    elif isinstance(source, tuple) and len(source) == 2 and isinstance(source[1], Recording):
        (model, recording), fit = source, None
    else:
        raise InputError(f"write_spm writes a Fit, a (model, recording) pair or what read_spm returned, got {type(source).__name__}.")
    if not isinstance(model, DCM) or model.neuronal != "bilinear":
        raise InputError("write_spm writes bilinear DCMs, which SPM can read, and no other model: fit one, or save the fit with save().")
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


def _specification(old: Mapping[str, Any], model: DCM, recording: Recording) -> dict[str, Any]:
    """The fields of a DCM before estimation, over those that are kept."""
    n = len(model.regions)
    series, inputs = recording.series, recording.inputs
    Y = {name: value for name, value in struct(old, "Y").items() if name != "scale"}
    return {
        **old,
        "a": model.intrinsic.astype(float),
        "b": model.modulatory.transpose(1, 2, 0).astype(float),
        "c": model.driving.astype(float),
        "d": np.zeros((n, n, 0)),
        # A file's own names stay: they need not be distinct, and ours are then not quite them.
        "U": {"name": cell(model.inputs)} | struct(old, "U") | {"u": inputs.values, "dt": inputs.dt},
        "Y": {"name": cell(model.regions)} | Y | {"y": series.values, "dt": series.dt, "X0": recording.confounds},
        "xY": old.get("xY", _regions_of_interest(recording)),
        "n": float(n),
        "v": float(len(series.values)),
        "TE": recording.echo_time,
        "delays": recording.delays[None, :],
        "options": struct(old, "options") | dict.fromkeys(OFF, 0.0) | {"centre": float(model.centre_inputs)},
        OURS: {"version": package_version(), "flow": model.flow},
    }


def _regions_of_interest(recording: Recording) -> np.ndarray:
    """The least that SPM asks of its volumes of interest: names and signals; where they are is not known here."""
    n = len(recording.regions)
    xY = np.empty((1, n), dtype=[(field, object) for field in ("xyz", "name", "Ic", "Sess", "u", "X0")])
    for i, region in enumerate(recording.regions):
        xY[0, i] = (np.full((3, 1), np.nan), region, 0.0, 1.0, recording.series.values[:, [i]], recording.confounds)
    return xY


def _estimate(fit: Fit, dcm: Mapping[str, Any], old_M: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that estimation adds or changes."""
    model = fit.model
    n, m = len(model.regions), len(model.inputs)
    features = model.features(fit.recording)
    mean, Cp = parameters.spread(fit.posterior, model.regions, model.inputs)
    prior_mean, prior_cov = parameters.spread(fit.prior, model.regions, model.inputs)
    variance = np.diag(Cp)
    with np.errstate(divide="ignore", invalid="ignore"):
        # SPM's probability that a parameter differs from its prior mean; not a number for those that are fixed.
        probability = np.where(variance > 0, ndtr((np.abs(mean) - prior_mean) / np.sqrt(variance)), np.nan)
    y = fit.prediction * features.scale
    residual, X0 = features.values - y, features.confounds
    known_end = fit.status is not Status.UNKNOWN
    convergence = {"convergence": {"converged": fit.status is Status.CONVERGED, "F": _energy_so_far(fit)}} if known_end else {}
    return {
        "M": {**old_M, **_model_fields(fit, dcm, parameters.unflat(prior_mean, n, m), prior_cov)},
        "Y": {**dcm["Y"], "y": features.values, "scale": features.scale},
        "U": {**dcm["U"], "u": model.prepared_inputs(fit.recording.inputs).values},
        "Ce": np.exp(-fit.noise.mean)[:, None],
        "Ep": parameters.unflat(mean, n, m),
        "Cp": Cp,
        "Pp": parameters.unflat(probability, n, m),
        "Vp": parameters.unflat(variance, n, m),
        "R": residual - X0 @ np.linalg.lstsq(X0, residual, rcond=None)[0],
        "y": y,
        "T": 0.0,
        "F": fit.free_energy,
        **convergence,
        OURS: {**dcm[OURS], "status": fit.status.name, "F": fit.free_energy},
    }


def _model_fields(fit: Fit, dcm: Mapping[str, Any], pE: dict[str, Array], pC: Array) -> dict[str, Any]:
    """SPM's model structure M."""
    n, m = len(fit.model.regions), len(fit.model.inputs)
    return {
        "IS": "spm_int", "f": "spm_fx_fmri", "g": "spm_gx_fmri", "x": np.zeros((n, 5)), "pE": pE, "pC": pC,
        "hE": fit.model.noise.mean, "hC": fit.model.noise.variance, "m": float(m), "n": 5.0 * n, "l": float(n),
        "N": float(KERNEL_BINS), "dt": KERNEL_SECONDS / KERNEL_BINS, "ns": dcm["v"], "TE": dcm["TE"], "delays": dcm["delays"],
    }  # fmt: skip


def _energy_so_far(fit: Fit) -> Array:
    """The free energy of the point kept at each iteration, as a row: what SPM records of an ascent."""
    energy = np.where(fit.history.accepted, fit.history.free_energy, -np.inf)
    kept = np.maximum.accumulate(energy) if len(energy) else energy
    return kept[None, :]
