"""The priors that a DCM's file states, as those of the model.

SPM takes them, whole, from `M.pE` and `M.pC` (where it also leaves those of an estimate) or from `options.pE` and `options.pC`, and has
defaults otherwise; the noise's from `M.hE`, `M.hC`, `options.hE` and `options.hC` alike.

Lives here: reading them, and what of them has no place in the model. Does not live here: SPM's order of parameters (`parameters`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.model import NoisePrior
from ltc_causal.errors import InputError
from ltc_causal.io.spm import parameters
from ltc_causal.io.spm.values import is_empty, number, numbers, size, struct
from ltc_causal.models.dcm import DCM

Array = NDArray[np.float64]
Fields = Mapping[str, Any]

ROUNDING = 1e-9  # relative; numbers as close as this are the same prior
OPTIONS = ("pE", "pC", "P", "precision", "decay", "backwards", "hidden")  # those that change priors, which are written out instead


def with_stated(dcm: Fields, model: DCM) -> DCM:
    """A model under the priors that the file states, each parameter by name where they are independent.

    Raises `InputError` if they are not of the model's parameters, or if they expect other noise in one region than in another.
    """
    model = replace(model, noise=_noise(dcm, model))
    stated = _over_all_entries(dcm, model)
    if stated is None:
        return model
    prior, usual = parameters.picked(*stated, model.prior.names), model.prior
    if np.any(prior.cov != np.diag(np.diag(prior.cov))):
        return replace(model, prior=prior)
    differs = ~(np.isclose(prior.mean, usual.mean, ROUNDING, 0) & np.isclose(np.diag(prior.cov), np.diag(usual.cov), ROUNDING, 0))
    by_name = {name: (prior.mean[p], prior.sd[p]) for p, name in enumerate(prior.names) if differs[p]}
    return replace(model, prior=by_name) if by_name else model


def left_out(dcm: Fields, model: DCM) -> list[str]:
    """Parameters that the model does not have, but that the file's prior lets vary or be other than nothing."""
    stated = _over_all_entries(dcm, model)
    if stated is None:
        return []
    values, cov = stated
    varies = dict(zip(values, np.diag(cov) > 0, strict=True))
    outside = [name for name in values if name not in model.prior.names]
    return [name for name in outside if varies[name] or values[name] != parameters.absent(name, model)]


def usual(model: DCM) -> Gaussian:
    """The prior that the model has where nothing is stated, which is SPM's."""
    return replace(model, prior=None).prior


def _over_all_entries(dcm: Fields, model: DCM) -> tuple[dict[str, float], Array] | None:
    """The mean of every entry by name, and their covariance; None where the file leaves all to SPM's defaults."""
    pE, pC = _given(dcm, "pE"), _given(dcm, "pC")
    precision = struct(dcm, "options").get("precision")
    if pE is None and pC is None and is_empty(precision):
        return None
    mean, cov = parameters.spread(usual(model), model)
    names = [name for part in parameters.layout(model).values() for name in part]
    values = dict(zip(names, mean.tolist(), strict=True)) if pE is None else parameters.flat("DCM.M.pE", pE, model)
    if pC is not None:
        return values, _covariance(pC, len(values), model)
    if not is_empty(precision):
        of_A = [name.startswith("A[") for name in names] & (np.diag(cov) > 0)
        cov[of_A, of_A] = np.exp(-number("DCM.options.precision", precision))
    return values, cov


def _covariance(pC: Any, count: int, model: DCM) -> Array:
    """A covariance that may be a matrix, a vector of variances, or fields of them."""
    if isinstance(pC, dict):
        pC = np.array(list(parameters.flat("DCM.M.pC", pC, model).values()))
    values = numbers("DCM.M.pC", pC)
    return np.diag(values.ravel()) if values.size == count else values


def _given(dcm: Fields, field: str) -> Any:
    """A field of M, or else of the options; None where both leave it out."""
    found = (struct(dcm, part).get(field) for part in ("M", "options"))
    return next((value for value in found if not (is_empty(value) or isinstance(value, dict) and not value)), None)


def _noise(dcm: Fields, model: DCM) -> NoisePrior:
    n, usual = len(model.regions), model.noise
    hE, hC = _given(dcm, "hE"), _given(dcm, "hC")
    mean = np.array([usual.mean]) if hE is None else numbers("DCM.M.hE", hE).ravel()
    variance = np.array([[usual.variance]]) if hC is None else numbers("DCM.M.hC", hC)
    variance = np.diag(variance) if variance.shape == (n, n) else variance.ravel()
    if mean.size not in (1, n) or variance.size not in (1, n):
        raise InputError(
            f"DCM.M.hE and hC must be one number a region, but their sizes are {size(mean)} and {size(variance)}: correct them."
        )
    if np.ptp(mean) > 0 or np.ptp(variance) > 0 or not is_empty(struct(dcm, "options").get("hidden")):
        raise InputError(
            "The DCM expects other noise in some regions than in others (DCM.M.hE, hC, options.hidden), and the models here have one prior "
            "for all regions: specify it without hidden regions."
        )
    return NoisePrior(mean[0], variance[0])
