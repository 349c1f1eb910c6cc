"""The fields of a DCM as SPM has them before and after estimation, out of a model, a recording and a fit.

Lives here: one function for each of the two. Does not live here: which file they go into (`write`), their meaning when read (`interpret`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ltc_causal.core.data import Recording
from ltc_causal.core.result import Fit, Status
from ltc_causal.io.archive import package_version
from ltc_causal.io.spm import parameters, priors
from ltc_causal.io.spm.interpret import OURS
from ltc_causal.io.spm.values import cell, struct
from ltc_causal.models.dcm import DCM
from ltc_causal.numerics.least_squares import fitted

Array = NDArray[np.float64]

KERNEL_BINS, KERNEL_SECONDS = 64, 32.0  # the grid of SPM's kernels, which are not written
STATES = {"bilinear": 5, "nonlinear": 5, "two_state": 6}  # neuronal and haemodynamic, of a region in SPM
# What SPM derives from an estimate and we do not write: beside another estimate it would be wrong.
STALE = ("H1", "H2", "K1", "K2", "ID", "qU", "qP", "qH", "Fd", "diagnostics", "convergence", "version")
RESULTS = ("Ep", "Cp", "Vp", "Pp", "T", "y", "R", "Ce", "F", "AIC", "BIC", "M", *STALE)
OF_ANOTHER_MODEL = ("P", "nsteps", "states")  # fields of M that a new estimate need not have


def specification(old: Mapping[str, Any], model: DCM, recording: Recording) -> dict[str, Any]:
    """The fields of a DCM before estimation, over those of an old one that are kept."""
    n = len(model.regions)
    series, inputs = recording.series, recording.inputs
    Y = {name: value for name, value in struct(old, "Y").items() if name != "scale"}
    gating = model.gating.transpose(1, 2, 0) if model.neuronal == "nonlinear" else np.zeros((n, n, 0))
    return {
        **{name: value for name, value in old.items() if name not in RESULTS},
        "a": model.intrinsic.astype(float),
        "b": model.modulatory.transpose(1, 2, 0).astype(float),
        "c": model.driving.astype(float),
        "d": gating.astype(float),
        # A file's own names stay: they need not be distinct, and ours are then not quite them.
        "U": {"name": cell(model.inputs)} | struct(old, "U") | {"u": inputs.values, "dt": inputs.dt},
        "Y": {"name": cell(model.regions)} | Y | {"y": series.values, "dt": series.dt, "X0": recording.confounds},
        "xY": old.get("xY", _regions_of_interest(recording)),
        "n": float(n),
        "v": float(len(series.values)),
        "TE": recording.echo_time,
        "delays": recording.delays[None, :],
        "options": _options(struct(old, "options"), model),
        **_stated_prior(model),
        OURS: {"version": package_version(), "flow": model.flow, "signal_range": model.signal_range or np.zeros((0, 0))},
    }


def _options(old: Mapping[str, Any], model: DCM) -> dict[str, Any]:
    return {name: value for name, value in old.items() if name not in priors.OPTIONS} | {
        "nonlinear": float(model.neuronal == "nonlinear"),
        "two_state": float(model.neuronal == "two_state"),
        "stochastic": 0.0,
        "induced": 0.0,
        "centre": float(model.centre_inputs),
        "hE": model.noise.mean,
        "hC": model.noise.variance,
    }


def _stated_prior(model: DCM) -> dict[str, Any]:
    """Where SPM looks for a prior; nothing if the model has the usual one, so that SPM makes it out of the connections."""
    usual, own = priors.usual(model), model.prior
    if np.array_equal(usual.mean, own.mean) and np.array_equal(usual.cov, own.cov):
        return {}
    mean, cov = parameters.spread(own, model)
    return {"M": {"pE": parameters.unflat(mean, model), "pC": cov}}


def _regions_of_interest(recording: Recording) -> np.ndarray:
    """The least that SPM asks of its volumes of interest: names and signals; where they are is not known here."""
    n = len(recording.regions)
    xY = np.empty((1, n), dtype=[(field, object) for field in ("xyz", "name", "Ic", "Sess", "u", "X0")])
    for i, region in enumerate(recording.regions):
        xY[0, i] = (np.full((3, 1), np.nan), region, 0.0, 1.0, recording.series.values[:, [i]], recording.confounds)
    return xY


def estimate(fit: Fit, dcm: Mapping[str, Any], old_M: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that estimation adds to a specification or changes in it; `old_M` is what an earlier one left in M."""
    model = fit.model
    features = model.features(fit.recording)
    mean, Cp = parameters.spread(fit.posterior, model)
    prior_mean, prior_cov = parameters.spread(fit.prior, model)
    variance = np.diag(Cp)
    with np.errstate(divide="ignore", invalid="ignore"):
        # SPM's probability that a parameter differs from its prior mean; not a number for those that are fixed.
        probability = np.where(variance > 0, ndtr((np.abs(mean) - prior_mean) / np.sqrt(variance)), np.nan)
    y, Ce, X0 = fit.prediction * features.scale, np.exp(-fit.noise.mean), features.confounds
    R = features.values - y
    R = R - fitted(X0, R)
    kept_M = {name: value for name, value in old_M.items() if name not in OF_ANOTHER_MODEL}
    return {
        "M": {**kept_M, **_model_fields(model, dcm), "pE": parameters.unflat(prior_mean, model), "pC": prior_cov},
        "Y": {**dcm["Y"], "y": features.values, "scale": features.scale},
        "U": {**dcm["U"], "u": model.prepared_inputs(fit.recording.inputs).values},
        "Ce": Ce[:, None],
        "Ep": parameters.unflat(mean, model),
        "Cp": Cp,
        "Pp": parameters.unflat(probability, model),
        "Vp": parameters.unflat(variance, model),
        "R": R,
        "y": y,
        "T": 0.0,
        "F": fit.free_energy,
        **_information_criteria(R, Ce, int((variance > 0).sum())),
        **_convergence(fit),
        OURS: {**dcm[OURS], "status": fit.status.name, "F": fit.free_energy, "noise_variance": np.diag(fit.noise.cov)[:, None]},
    }


def _model_fields(model: DCM, dcm: Mapping[str, Any]) -> dict[str, Any]:
    """SPM's model structure M, but for the priors of the parameters."""
    n, m, states = len(model.regions), len(model.inputs), STATES[model.neuronal]
    fields = {
        "IS": "spm_int", "f": "spm_fx_fmri", "g": "spm_gx_fmri", "x": np.zeros((n, states)), "hE": np.full((n, 1), model.noise.mean),
        "hC": model.noise.variance * np.eye(n), "m": float(m), "n": float(states * n), "l": float(n), "N": float(KERNEL_BINS),
        "dt": KERNEL_SECONDS / KERNEL_BINS, "ns": dcm["v"], "TE": dcm["TE"], "delays": dcm["delays"],
    }  # fmt: skip
    if model.neuronal == "nonlinear":
        steps = np.floor(max(dcm["Y"]["dt"], 1.0) + 0.5)  # a scan, about one a second
        fields |= {"IS": "spm_int_D", "nsteps": steps, "states": np.arange(1.0, n + 1)[None, :]}
    return fields


def _information_criteria(R: Array, Ce: Array, count: int) -> dict[str, float]:
    """SPM's AIC and BIC in nats: the log likelihood without its constant, less a nat (half the log of the scans) a free parameter."""
    accuracy = float(-0.5 * (len(R) * np.log(Ce) + (R**2).sum(axis=0) / Ce).sum())
    return {"AIC": accuracy - count, "BIC": accuracy - 0.5 * count * np.log(len(R))}


def _convergence(fit: Fit) -> dict[str, Any]:
    """How the ascent ended and the free energy of the point kept at each iteration, as a row: what SPM records of one."""
    if fit.status is Status.UNKNOWN:
        return {}
    energy = np.where(fit.history.accepted, fit.history.free_energy, -np.inf)
    kept = np.maximum.accumulate(energy) if len(energy) else energy
    return {"convergence": {"converged": fit.status is Status.CONVERGED, "F": kept[None, :]}}
