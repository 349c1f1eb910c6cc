"""The regressions that TAPAS's rDCM makes of a recording: its response function, its noise filter, its priors, its faults.

Frässle et al. 2017 (NeuroImage 155:406), 2018 (179:505), 2021 (225:117491); what each version does differently: `docs/regression-dcm.md`.

Lives here: these regressions of a `RegressionDCM` of a TAPAS variant. Does not live here: the model (`regression_dcm`), the spectral arithmetic
(`numerics.spectral_regression`).
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.data import Recording
from ltc_causal.core.regression import RegressionProblem
from ltc_causal.errors import InputError
from ltc_causal.numerics import spectral_regression as spectral

if TYPE_CHECKING:
    from ltc_causal.models.regression_dcm import RegressionDCM

Array = NDArray[np.float64]

BINS_AT_REST = 16  # bins a scan of TAPAS's grid, where no inputs state one
SELF_CONNECTION = -0.5  # Hz, prior mean
CONFOUND_PRECISION = 1e-8


def tapas_problem(model: "RegressionDCM", recording: Recording) -> RegressionProblem:
    """The regressions of a recording; raises `InputError` if the input grid does not divide a scan."""
    y, dt = recording.series.values, recording.series.dt
    n_scan, n = y.shape
    ratio = bins_per_scan(model, recording)
    h = spectral.tapas_response(ratio * n_scan, dt / ratio)
    drivers = regressors(model, recording, h, ratio)
    U = np.fft.rfft(drivers, axis=0)
    Y = np.fft.rfft(y, axis=0)
    keep, last = spectral.kept_frequencies(Y, h[::ratio], U if model.inputs else None, model.filter_strength, n_scan)
    Y *= keep
    target = spectral.forward_difference(n_scan, dt)[:, None] * Y
    products = _products(model, Y, h[::ratio], drivers, n_scan)
    m = len(model.inputs)
    rows = spectral.real_rows(np.concatenate([Y, *products[:m], U, *products[m:]], axis=1), target, last, n_scan)
    mean, precision = _column_prior(model, drivers.shape[1], bool(products))
    inclusion = tuple(_inclusion(model, p, drivers.shape[1]) for p in model.sparsity) if model.sparse else ()
    count = spectral.counted(rows)
    return RegressionProblem(
        rows.design,
        rows.target,
        rows.ends,
        count,
        mean,
        precision,
        inclusion,
        ratio=float(ratio) if model.variant == "tapas14" else None,
    )


def bins_per_scan(model: "RegressionDCM", recording: Recording) -> int:
    """Of the inputs' grid."""
    if not model.inputs:
        return BINS_AT_REST
    ratio = recording.series.dt / recording.inputs.dt
    if abs(ratio - round(ratio)) > 1e-6 or len(recording.inputs.values) != round(ratio) * len(recording.series.values):
        raise InputError(
            f"RegressionDCM(variant={model.variant!r}) reads every so many bins of the inputs, but a scan of {recording.series.dt:g} s is "
            f"{ratio:g} bins of {recording.inputs.dt:g} s: give inputs on a grid that divides the scan."
        )
    return int(round(ratio))


def regressors(model: "RegressionDCM", recording: Recording, h: Array, ratio: int) -> Array:
    """Convolved inputs and confounds at the scans, shape (scan, column); at rest without the constant, which TAPAS does not have there."""
    X0 = recording.confounds
    if not model.inputs:
        return X0[:, np.ptp(X0, axis=0) > 0]
    driven = spectral.circular_convolution(model.prepared_inputs(recording.inputs).values, h)[::ratio]
    if model.simulated:
        return np.concatenate([driven / ratio, X0[:, :-1]], axis=1)
    return np.concatenate([driven, X0], axis=1)


def _products(model: "RegressionDCM", Y: NDArray, h: Array, drivers: Array, n: int) -> list[NDArray]:
    """TAPAS's bilinear regressors, a block (frequency, region) for each input and confound."""
    if not model.modulatory.any():
        return []
    H = np.fft.rfft(h)[:, None]
    x = np.fft.irfft(Y / H, n, axis=0)
    return [H * np.fft.rfft(x * driver[:, None], axis=0) for driver in drivers.T]


def _column_prior(model: "RegressionDCM", n_driver: int, bilinear: bool) -> tuple[Array, Array]:
    """Prior mean and precision, shape (region, column)."""
    n, m = len(model.regions), len(model.inputs)
    own = np.eye(n, dtype=bool)
    A = np.where(own, 8.0 * n, n / 8)
    A = A if model.sparse else np.where(model.intrinsic, A, np.inf)
    # TAPAS lets the blocks of the confounds have the first input's connections.
    B = [np.where(model.modulatory[k if k < m else 0], 1.0, np.inf) for k in range(n_driver)] if bilinear else []
    C = np.ones((n, n_driver))
    if not model.sparse:
        C[:, :m][~model.driving] = np.inf
    if m and n_driver > m and not model.simulated:
        C[:, -1] = 1.0 if model.sparse else CONFOUND_PRECISION
    precision = np.concatenate([A, *B[:m], C, *B[m:]], axis=1)
    mean = np.zeros(precision.shape)
    mean[:, :n][own] = SELF_CONNECTION
    return mean, precision


def _inclusion(model: "RegressionDCM", p: float, n_driver: int) -> Array:
    """Prior probability of each column of a sparse TAPAS model, shape (region, column)."""
    n, m = len(model.regions), len(model.inputs)
    A = p * model.intrinsic if model.informed else np.full((n, n), p)
    np.fill_diagonal(A, 1.0)
    C = np.full((n, n_driver), p)
    if model.restrict_inputs:
        C[:, :m] = model.driving
    if m and n_driver > m and not model.simulated:
        C[:, -1] = 1.0
    return np.concatenate([A, C], axis=1)
