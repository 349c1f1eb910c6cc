"""What a linear network can answer to its inputs: a basis of responses, a network's own response, and a window that frees spectra of ends.

Lives here: these, as arrays. Does not live here: regions and priors, the regression that uses them (`inference.smoothed`).
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

RATES = (
    0.1,
    0.3,
    0.6,
    1.2,
)  # 1/s; sums of their exponentials come near any response of a network whose activity decays in one to ten seconds
TAPERED = 0.05  # share of the run at either end over which the window rises


def window(n: int, dt: float) -> tuple[Array, Array]:
    """A window that rises from 0 and falls back to it by sine squares, and its derivative in 1/s; shapes (n, 1).

    Since w dy/dt = d(w y)/dt - y dw/dt, and w vanishes at both ends, the spectrum of w dy/dt is exact for signals that do not repeat.
    """
    place = (np.arange(n) + 0.5) / n
    from_end = np.minimum(place, 1 - place)
    angle = np.pi / 2 * np.minimum(from_end / TAPERED, 1.0)
    slope = np.where(from_end < TAPERED, np.sin(2 * angle) * np.pi / (2 * TAPERED * n * dt), 0.0) * np.sign(0.5 - place)
    return (np.sin(angle) ** 2)[:, None], slope[:, None]


def responses(driven: Array, dt: float) -> Array:
    """Each driven input (scan, input) through decays of `RATES`, without wrapping round, each of unit sd, shape (scan, input * rate)."""
    n = len(driven)
    rate = 2j * np.pi * np.fft.rfftfreq(2 * n, dt)[:, None]
    U = np.fft.rfft(driven, 2 * n, axis=0)
    columns = np.concatenate([np.fft.irfft(U / (rate + decay), 2 * n, axis=0)[:n] for decay in RATES], axis=1)
    sd = columns.std(axis=0)
    return columns / np.where(sd > 0, sd, 1.0)


def stable(A: Array, slowest: float) -> Array:
    """A, its self-connections made stronger until no mode decays more slowly than `slowest` (1/s)."""
    excess = np.linalg.eigvals(A).real.max() + slowest
    return A - max(float(excess), 0.0) * np.eye(len(A))


def network_response(A: Array, C: Array, driven: Array, dt: float) -> Array:
    """The solution of ds/dt = A s + C u* from rest, shape (scan, region); A must be stable, and u* smooth at the scale of the scans."""
    n = len(driven)
    rate = 2j * np.pi * np.fft.rfftfreq(2 * n, dt)[:, None]
    values, vectors = np.linalg.eig(A)
    modes = np.fft.rfft(driven @ C.T, 2 * n, axis=0) @ np.linalg.inv(vectors).T / (rate - values)
    return np.fft.irfft(modes @ vectors.T, 2 * n, axis=0)[:n]


def rate_of_change(y: Array, w: Array, slope: Array, dt: float) -> tuple[Complex, Complex]:
    """Spectra of w y and of w dy/dt over 0..Nyquist, each of shape (frequency, region)."""
    rate = 2j * np.pi * np.fft.rfftfreq(len(y), dt)[:, None]
    Y = np.fft.rfft(y * w, axis=0)
    return Y, rate * Y - np.fft.rfft(y * slope, axis=0)
