"""Regression in the frequency domain: the response function, the noise filter, and complex half spectra as rows of real numbers.

A real signal's spectrum over all T frequencies says everything twice, so sums over it are taken over its lower half: a frequency between 0
and Nyquist gives two real rows, its real and imaginary part times sqrt(2); the frequencies 0 and Nyquist give one.

Lives here: these, as arrays. Does not live here: regions and priors (`models.regression_dcm`), the update (`inference.conjugate`).
"""

from functools import lru_cache
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ltc_causal.errors import read_only

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

AUDIBLE = 1e-4  # a frequency at which the response (or all inputs together) is weaker than this carries no signal
SHORTEST_PERIOD = 16.0  # s; the filter's cut-off is at 7 periods of the run to one of these
CUT_OFF = 7.0
FLOW_EXTRACTION, SIGNAL_EXTRACTION = 0.32, 0.4  # TAPAS has one resting oxygen extraction in the flow and another in the signal
SIGNAL_DECAY, AUTOREGULATION, GRUBB, TRANSIT = 0.64, 0.32, 0.32, 2.0  # 1/s, 1/s^2, -, s


@lru_cache(maxsize=8)
def tapas_response(n: int, dt: float) -> Array:
    """BOLD to an input of 1 during one bin of one region with a decay of 1 Hz, by explicit Euler steps, in percent, shape (n,).

    Frässle et al. 2017 (eq. 6): dx/dt = -x + u, ds/dt = x - 0.64 s - 0.32 (f - 1), df/dt = s, 2 dv/dt = f - v^(1/.32),
    2 dq/dt = f E(f)/E0 - v^(1/.32) q/v, in log f, log v and log q. The same for every (n, dt) that is asked for again.
    """
    return read_only(_euler(n, dt))


@numba.njit(cache=True, error_model="numpy")
def _euler(n, dt):
    k1, k2 = 4.3 * 40.3 * 0.04 * SIGNAL_EXTRACTION, 25.0 * SIGNAL_EXTRACTION * 0.04
    x, s, log_f, log_v, log_q = 0.0, 0.0, 0.0, 0.0, 0.0
    h = np.zeros(n)
    for k in range(n):
        f, v, q = np.exp(log_f), np.exp(log_v), np.exp(log_q)
        h[k] = 4.0 * (k1 * (1 - q) + k2 * (1 - q / v))
        out = v ** (1 / GRUBB)
        oxygen = f * (1 - (1 - FLOW_EXTRACTION) ** (1 / f)) / FLOW_EXTRACTION
        rates = (-x + (1.0 if k == 0 else 0.0), x - SIGNAL_DECAY * s - AUTOREGULATION * (f - 1), s / f,
                 (f - out) / (TRANSIT * v), (oxygen - out * q / v) / (TRANSIT * q))  # fmt: skip
        x, s, log_f, log_v, log_q = (
            x + dt * rates[0], s + dt * rates[1], log_f + dt * rates[2], log_v + dt * rates[3], log_q + dt * rates[4],
        )  # fmt: skip
    return h


def circular_convolution(signals: Array, response: Array) -> Array:
    """Each column convolved with the response as if it repeated itself, shape (bin, column)."""
    n = len(signals)
    return np.fft.irfft(np.fft.rfft(signals, axis=0) * np.fft.rfft(response[:n], n)[:, None], n, axis=0)


def forward_difference(n: int, dt: float) -> NDArray:
    """(e^(2 pi i k/n) - 1)/dt: what turns a spectrum into that of the differences between neighbouring samples, shape (n//2 + 1,), 1/s."""
    return (np.exp(2j * np.pi * np.arange(n // 2 + 1) / n) - 1) / dt


def kept_frequencies(
    Y: Complex, response: Array, U: Complex | None, threshold: float, n: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which frequencies stand out of the noise, shape (frequency, region), and each region's last one that does, shape (region,).

    Y : spectra of the signal over 0..Nyquist, shape (frequency, region)
    response : sampled at the scans, shape (n,)
    U : spectra of the inputs with confounds, None at rest
    threshold : in sd of what is heard where the response is silent; 0 keeps all
    n : number of scans

    A frequency stays if its real or imaginary part exceeds the threshold, if the response and the inputs can be heard there, and if it lies
    below the cut-off. Frequency 0 always stays.
    """
    if threshold == 0:
        return np.ones(Y.shape, dtype=bool), np.full(Y.shape[1], len(Y) - 1)
    audible = np.abs(np.fft.rfft(response)) > AUDIBLE
    if U is not None:
        audible &= np.abs(U).sum(axis=1) > AUDIBLE
    period = SHORTEST_PERIOD if U is not None else max(SHORTEST_PERIOD + 4 * (threshold - 1), SHORTEST_PERIOD)
    highest = np.floor(CUT_OFF * n / period + 0.5)
    silent = np.flatnonzero(~audible)
    twice = silent[(silent > 0) & (2 * silent != n)]  # of the whole spectrum, these stand in it twice, conjugate
    keep = np.zeros(Y.shape, dtype=bool)
    for part, sign in ((Y.real, 1.0), (Y.imag, -1.0)):
        outside = np.concatenate([part[silent], sign * part[twice]])
        sd = outside.std(axis=0, ddof=1) if len(outside) > 1 else np.zeros(Y.shape[1])
        keep |= np.abs(part) > threshold * sd
    keep &= (audible & (np.arange(len(Y)) <= highest))[:, None]
    keep[0] = True
    return keep, len(Y) - 1 - np.argmax(keep[::-1], axis=0)


class Rows(NamedTuple):
    """Real rows in order of frequency, so that a region that ends early uses the first of them.

    design : shape (row, column); target : shape (row, region); ends : shape (region,), how many rows each region uses, which is also how
    many frequencies of the whole spectrum
    """

    design: Array
    target: Array
    ends: NDArray[np.int64]


def real_rows(X: Complex, Y: Complex, last: NDArray[np.int64], n: int) -> Rows:
    """Complex design (frequency, column) and target (frequency, region) over 0..Nyquist as real rows.

    last : shape (region,), each region's last frequency; n : number of samples, which says whether there is a Nyquist frequency
    """
    highest = int(last.max())
    both = np.concatenate([X[: highest + 1], Y[: highest + 1]], axis=1)
    paired = highest if 2 * highest == n else highest + 1  # frequencies that are neither 0 nor Nyquist end here
    rows = np.empty((2 * highest + 1 - (2 * highest == n), both.shape[1]))
    rows[0] = both[0].real
    rows[1 : 2 * paired - 1 : 2] = np.sqrt(2) * both[1:paired].real
    rows[2 : 2 * paired - 1 : 2] = np.sqrt(2) * both[1:paired].imag
    if 2 * highest == n:
        rows[-1] = both[-1].real
    ends = 2 * last + 1 - (2 * last == n)
    return Rows(np.ascontiguousarray(rows[:, : X.shape[1]]), np.ascontiguousarray(rows[:, X.shape[1] :]), ends.astype(np.int64))


def counted(rows: Rows) -> Array:
    """How many frequencies each region's rows count as, shape (region,): all, but no more without any content than with some."""
    empty = ~(rows.design.any(axis=1) | rows.target.any(axis=1))
    before = np.concatenate([[0], np.cumsum(empty)])[rows.ends]
    return (rows.ends - np.maximum(2 * before - rows.ends, 0)).astype(float)
