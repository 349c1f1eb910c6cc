"""What an autoregression would make of given cross-spectra, with the derivative: SPM's last step of a spectral prediction.

From the spectrum G on a grid of frequencies the covariances at lags 0 ... p,

    R(k) = c Re sum_f G(f) e^{2 pi i m_f k / (2 M + 1)},   c = 2 M df / (2 M + 1),   m_f = 1 ... M the grid's bins,

then the coefficients a of the Yule-Walker equations sum_l R(k - l) a_l = R(k), R(-k) = R(k)', and from these a spectrum again. SPM does two
things here that a spectrum does not allow (`docs/spectral-dcm.md`): its bins are whole numbers although f / df is not, so that the spectrum
moves along the frequencies; and its a, which regress each series on the others' future, are transposed and read as if on their past.

Lives here: this step. Does not live here: the autoregression of data (`spectral_autoregression`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


class Refit(NamedTuple):
    """What does not depend on the spectrum.

    to_lags : (lag, frequency), complex; its real part of the product with G is R(0) ... R(p)
    turns : (frequency, lag), e^{-i w k} of lags 1 ... p
    lag : (k, l), where R(k - l) stands in R(-p + 1) ... R(p - 1)
    rate : samples a second
    """

    to_lags: Complex
    turns: Complex
    lag: NDArray[np.int64]
    rate: float


def refit(frequencies: Array, order: int) -> Refit:
    """The step for a regular grid of frequencies in Hz and an autoregression of that order, at the grid's Nyquist rate."""
    df, rate = frequencies[1] - frequencies[0], 2 * frequencies[-1]
    # Rounded first: SPM's ceil of a number that is whole but for rounding would be a matter of luck.
    first, last = (int(np.ceil(round(f / df, 9))) for f in (frequencies[0], frequencies[-1]))
    bins = first + np.arange(len(frequencies))
    scale = 2 * last * df / (2 * last + 1)
    to_lags = scale * np.exp(2j * np.pi / (2 * last + 1) * np.outer(np.arange(order + 1), bins))
    turns = np.exp(-2j * np.pi / rate * np.outer(frequencies, np.arange(1, order + 1)))
    k = np.arange(order)
    return Refit(to_lags, turns, k[:, None] - k + order - 1, rate)


def refitted(step: Refit, G: Complex) -> Complex:
    """The spectrum G, shape (frequency, region, region), after this step."""
    return refitted_and_tangents(step, G, np.zeros((*G.shape[:2], 0, G.shape[2]), complex))[0]


def refitted_and_tangents(step: Refit, G: Complex, dG: Complex) -> tuple[Complex, Complex]:
    """`refitted`, and its derivative from that of G, both of shape (frequency, region, parameter, region)."""
    (n_f, n, P, _), p = dG.shape, len(step.lag)
    R = _lags(step, G)
    system = _two_sided(R)[step.lag].transpose(0, 2, 1, 3).reshape(p * n, p * n)
    right = R[1:].reshape(p * n, n)
    inverse = np.linalg.inv(system)
    a = inverse @ right
    C = R[0] - right.T @ a
    H = np.linalg.inv(np.eye(n) - (step.turns @ a.reshape(p, n * n)).reshape(n_f, n, n))
    adjoint = H.conj().transpose(0, 2, 1)
    spectrum = 2 / step.rate * H @ C @ adjoint
    if not P:
        return spectrum, dG
    dR = _lags(step, dG)
    d_right = dR[1:].reshape(p * n, P * n)
    moved = _two_sided(dR)[step.lag].transpose(0, 2, 3, 1, 4).reshape(p * n * P, p * n) @ a
    moved = moved.reshape(p * n, P * n)
    da = inverse @ (d_right - moved)
    half = (a.T @ d_right).reshape(n, P, n)
    dC = dR[0] - half - half.transpose(2, 1, 0) + (a.T @ moved).reshape(n, P, n)
    by_a = (step.turns @ da.reshape(p, n * P * n)).reshape(n_f, n * P, n) @ spectrum
    by_C = (1 / step.rate) * (dC.reshape(n * P, n) @ adjoint)
    one_side = (H @ (by_a + by_C).reshape(n_f, n, P * n)).reshape(n_f, n, P, n)
    return spectrum, one_side + one_side.conj().transpose(0, 3, 2, 1)


def _lags(step: Refit, G: Complex) -> Array:
    return (step.to_lags @ G.reshape(len(G), -1)).real.reshape(-1, *G.shape[1:])


def _two_sided(R: Array) -> Array:
    """R(-p + 1) ... R(p - 1) of R(0) ... R(p); the regions stand first and last."""
    earlier = R[-2:0:-1].swapaxes(1, -1)
    return np.concatenate([earlier, R[:-1]])
