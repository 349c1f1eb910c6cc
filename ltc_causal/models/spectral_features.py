"""What a spectral DCM makes of a recording: the signal it keeps, its cross-spectra, and how these err.

Lives here: the steps from a recording to features, with their checks. Does not live here: the estimates (`numerics.spectral_autoregression`,
`numerics.spectral_errors`), what is predicted of them (`spectral_prediction`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.data import Recording
from ltc_causal.core.spectra import SpectralFeatures
from ltc_causal.errors import InputError
from ltc_causal.numerics import spectral_errors as errors
from ltc_causal.numerics.least_squares import fitted
from ltc_causal.numerics.spectral_autoregression import autoregression, spectrum
from ltc_causal.numerics.spectral_refit import Refit, refit

Array = NDArray[np.float64]

N_FREQUENCY = 32
SLOWEST, FASTEST = 128.0, 8.0  # seconds a cycle, at most and at least, as far as the recording has them
SIGNAL_SD = 0.25  # the signal is scaled to this, as SPM does
LONGEST_SCAN = 60.0  # seconds
LEAST_ORDINATES = 4  # frequencies a region: fewer say little of its connections
ALIKE = 1e-10  # smallest eigenvalue of the regions' correlations, below which they are the same signals


class Plan(NamedTuple):
    """What belongs to a recording.

    frequencies : Hz; grid : those over which power laws sum to 1; echo_time : s
    refit : what an autoregression makes of the prediction; None in the corrected variant
    """

    frequencies: Array
    grid: Array
    echo_time: float
    refit: Refit | None


def grid(n_scan: int, dt: float) -> Array:
    """SPM's frequencies in Hz: from a cycle in 128 s, or in the recording, to one in 8 s, or in two scans."""
    return np.linspace(1 / min(SLOWEST, n_scan * dt), 1 / max(FASTEST, 2 * dt), N_FREQUENCY)


def spectral_features(recordings: Sequence[Recording], order: int | None) -> list[SpectralFeatures]:
    """Cross-spectra of recordings at rest, their signals scaled by one factor; order : of SPM's autoregression, None for the periodogram.

    Raises `InputError` for recordings that are too short.
    """
    signals = [resting_signal(one) for one in recordings]
    scale = SIGNAL_SD / float(np.concatenate([one.ravel() for one in signals]).std(ddof=1))
    of_one = _periodogram if order is None else _autoregressive
    return [of_one(one, signal * scale, scale, order or 0) for one, signal in zip(recordings, signals, strict=True)]


def resting_signal(recording: Recording) -> Array:
    """The series without mean and confounds; raises `InputError` for inputs that vary, scans in milliseconds, or signals that are alike."""
    y, dt = recording.series.values, recording.series.dt
    acting = [name for name, course in zip(recording.inputs.names, recording.inputs.values.T, strict=True) if np.ptp(course) > 0]
    if acting:
        raise InputError(
            f"A SpectralDCM is for rest, but the recording's input(s) {acting} vary: fit an lc.DCM with them, or give Inputs without columns if "
            "they are no part of the question."
        )
    if dt > LONGEST_SCAN:
        raise InputError(f"The series has a scan every {dt:g} s, too slow for BOLD: give TimeSeries(dt=) in seconds, not milliseconds.")
    signal = y - fitted(np.column_stack([np.ones(len(y)), recording.confounds]), y)
    spread = signal.std(axis=0)
    known = spread > 1e-9 * y.std(axis=0)
    if not known.all():
        lost = [region for region, there in zip(recording.regions, known, strict=True) if not there]
        raise InputError(f"The confounds explain all of the series of {lost}: give fewer confounds, or leave these regions out.")
    z = signal / spread
    if np.linalg.eigvalsh(z.T @ z / len(z))[0] < ALIKE:
        raise InputError(
            f"The series of {', '.join(recording.regions)} are linear combinations of one another: leave a region out (or, if their mean was "
            "removed as a global signal, do not remove it)."
        )
    return signal


def _autoregressive(recording: Recording, signal: Array, scale: float, order: int) -> SpectralFeatures:
    """As SPM: spectra by an autoregression, errors with a covariance up to a factor, and a prediction that passes an autoregression too."""
    (n_scan, n), dt = signal.shape, recording.series.dt
    fewest = order * (n + 1) + 1
    if n_scan < fewest:
        raise InputError(
            f"The recording has {n_scan} scans, but an autoregression of order {order} of {n} regions needs at least {fewest}: record for longer, "
            "or choose fewer regions or a smaller order."
        )
    powers = grid(n_scan, dt)
    measured = spectrum(autoregression(signal, order), powers, 1 / dt)
    plan = Plan(powers, powers, recording.echo_time, refit(powers, order - 1))
    return SpectralFeatures(measured, errors.spm_weights(measured), None, scale, plan)


def _periodogram(recording: Recording, signal: Array, scale: float, _: int) -> SpectralFeatures:
    """Averages of the periodogram, whose errors are known once the spectra are."""
    (n_scan, n), dt = signal.shape, recording.series.dt
    powers = grid(n_scan, dt)
    ordinates = int(n_scan * dt * (powers[-1] - powers[0]))
    if ordinates < LEAST_ORDINATES * n:
        raise InputError(
            f"The recording lasts {n_scan * dt:g} s, which makes {ordinates} frequencies between {powers[0]:.3g} and {powers[-1]:.3g} Hz, but {n} "
            f"regions need at least {LEAST_ORDINATES * n}: record for longer, or choose fewer regions."
        )
    frequencies, measured, averages = errors.periodogram(signal, dt, powers[0], powers[-1], N_FREQUENCY)
    return SpectralFeatures(measured, None, averages, scale, Plan(frequencies, powers, recording.echo_time, None))
