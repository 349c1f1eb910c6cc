"""Series of a network at rest: Gaussian, with the spectra that `spectral_prediction` states.

Lives here: drawing them. Does not live here: those spectra, other simulations (`simulate`).
"""

import numpy as np
from numpy.typing import NDArray

from ltc_causal.models.spectral_prediction import Resting, driven_and_noise

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

OVERSAMPLED = 8  # moments a scan at which the network is followed: its spectrum has died away at their Nyquist rate
PERIODS = 2  # lengths of the series drawn, of which the first is kept, so that its ends do not meet


def rest_series(at: Resting, n_scan: int, dt: float, grid: Array, echo_time: float, seed: int | np.random.Generator) -> tuple[Array, Array]:
    """What the network makes of the signal, and the observation noise, both (scan, region); grid : as in `spectral_prediction`."""
    rng = np.random.default_rng(seed)
    fine, coarse = PERIODS * n_scan * OVERSAMPLED, PERIODS * n_scan
    driven, _ = driven_and_noise(at, _frequencies(fine, dt / OVERSAMPLED), grid, echo_time)
    _, noise = driven_and_noise(at, _frequencies(coarse, dt), grid, echo_time)
    return _drawn(driven, fine, dt / OVERSAMPLED, rng)[::OVERSAMPLED][:n_scan], _drawn(noise, coarse, dt, rng)[:n_scan]


def _frequencies(n: int, dt: float) -> Array:
    return np.asarray(np.fft.rfftfreq(n, dt)[1:], dtype=np.float64)


def _drawn(G: Complex | Array, n: int, dt: float, rng: np.random.Generator) -> Array:
    """A periodic series of n samples with one-sided cross-spectra G at its frequencies but zero."""
    values, vectors = np.linalg.eigh(G)
    normal = rng.standard_normal((*values.shape, 2)) @ [np.sqrt(0.5), 1j * np.sqrt(0.5)]
    ordinates = np.einsum("fij,fj->fi", vectors, np.sqrt(np.maximum(values, 0)) * normal)
    # The mean of 2 dt / n |Y|^2 is G.
    whole = np.concatenate([np.zeros((1, G.shape[1])), ordinates * np.sqrt(n / (2 * dt))])
    return np.fft.irfft(whole, n, axis=0)
