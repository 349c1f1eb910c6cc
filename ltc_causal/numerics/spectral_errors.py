"""How estimated cross-spectra err: the covariance of their entries, as weights, and the likelihood that it belongs to.

Of K independent Fourier ordinates averaged, cov(G_ij, G_uv) = G_iu G_jv^* / K (Brillinger 1981, theorem 7.4.3). Weights W have W^* W equal to
the inverse of that covariance, for entries row by row.

Lives here: these, and the averages themselves. Does not live here: the loop that uses them (`inference.spectral`).
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

REGULARISATION = 1.0 / 32.0  # SPM's: of the covariance, times its largest column sum


def periodogram(y: Array, dt: float, lowest: float, highest: float, n_band: int) -> tuple[Array, Complex, Array]:
    """Averages of the cross-periodogram of a series (time, region) in bands of neighbouring frequencies.

    lowest, highest : Hz; n_band : at most so many bands, of equal count but for one
    Returns the bands' mean frequencies in Hz, (band,); the averages, (band, region, region), on the scale of one-sided densities; and how many
    ordinates each has.
    """
    n_time = len(y)
    frequencies = np.fft.rfftfreq(n_time, dt)
    inside = (frequencies >= lowest * (1 - 1e-9)) & (frequencies <= highest * (1 + 1e-9)) & (frequencies < (1 - 1e-9) / (2 * dt))
    which = np.flatnonzero(inside)
    Y = np.fft.rfft(y, axis=0)
    parts = np.array_split(which, min(n_band, len(which)))
    averages = np.array([Y[part].T @ Y[part].conj() / len(part) for part in parts])
    return (
        np.array([frequencies[part].mean() for part in parts]),
        2 * dt / n_time * averages,
        np.array([float(len(part)) for part in parts]),
    )


def sampling_weights(G: Complex, averages: Array) -> Complex:
    """W of averages of K ordinates of spectra G, (frequency, entry, entry), lower triangular: sqrt(K) L^-1 (x) (L^-1)^*, G = L L^*."""
    n_f, n, _ = G.shape
    inverse = np.linalg.inv(np.linalg.cholesky(G))
    both = np.einsum("fiu,fjv->fijuv", inverse, inverse.conj()).reshape(n_f, n * n, n * n)
    return np.sqrt(averages)[:, None, None] * both


def spm_weights(G: Complex) -> Complex:
    """W of SPM's `spm_dcm_csd_Q`, upper triangular: the covariance is G_iu G_jv, without the conjugate, and regularised; K is left open."""
    n_f, n, _ = G.shape
    Q = np.einsum("fiu,fjv->fijuv", G, G).reshape(n_f, n * n, n * n)
    Q += REGULARISATION * np.abs(Q).sum(axis=1).max() * np.eye(n * n)
    return np.linalg.cholesky(np.linalg.inv(Q)).conj().transpose(0, 2, 1)


def whittle(G: Complex, measured: Complex, averages: Array) -> float:
    """Log-likelihood of averaged periodograms, - sum K (log |G| + tr G^-1 I), in nats and up to a constant of the data (Whittle 1953)."""
    _, log_det = np.linalg.slogdet(G)
    traces = np.einsum("fii->f", np.linalg.solve(G, measured)).real
    return -float(averages @ (log_det + traces))
