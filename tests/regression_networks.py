"""Networks of known coupling, under known inputs or at rest, with their recordings, for tests of regression DCM."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm
from scipy.signal import lfilter

import ltc_causal as lc
from ltc_causal.models.linear_system import response
from ltc_causal.models.regression_dcm import RegressionDCM


@dataclass(frozen=True)
class Network:
    A: np.ndarray
    C: np.ndarray
    intrinsic: np.ndarray
    recording: lc.Recording


def network(n, n_scan, dt, n_input, snr, density, seed):
    """A stable random network that every input's effect can reach, its activity exact bin by bin, its signal by an unwrapped convolution."""
    return _recorded(n, n_scan, dt, n_input, snr, density, seed, 0.0)


def fluctuating_network(n, n_scan, dt, n_input, snr, density, seed):
    """The same, its regions fluctuating by themselves as well (white), so that inputs and fluctuations have the same power in the signal."""
    return _recorded(n, n_scan, dt, n_input, snr, density, seed, 1.0)


def resting_network(n, n_scan, dt, snr, density, seed):
    """A network without inputs whose regions fluctuate by themselves: white for even seeds, of 1 s (autoregressive) for odd ones."""
    rng = np.random.default_rng(seed)
    A, intrinsic = _coupling(n, density, rng)
    signal = _fluctuations(A, n_scan, dt, 1.0 if seed % 2 else None, rng)
    y = signal + signal.std(axis=0) / snr * rng.standard_normal(signal.shape)
    regions = [f"R{i}" for i in range(n)]
    recording = lc.Recording(lc.TimeSeries(y, dt, regions), lc.Inputs(np.zeros((n_scan, 0)), dt, ()), delays=0.0)
    return Network(A, np.zeros((n, 0)), intrinsic, recording)


def _fluctuations(A, n_scan, dt, rate, rng):
    """BOLD of activity that follows A under noise of an sd of its own in each region; exact in A, cut from a longer run."""
    n, udt = len(A), dt / 16
    before, n_bin = int(60 / udt), int(60 / udt) + 16 * n_scan
    e = np.exp(0.3 * rng.standard_normal(n)) * rng.standard_normal((n_bin, n))
    if rate:
        kept = np.exp(-rate * udt)
        e = lfilter([np.sqrt(1 - kept**2)], [1, -kept], e, axis=0)
    step, half = expm(A * udt), expm(A * udt / 2)
    x, activity = np.zeros(n), np.empty((n_bin, n))
    for k in range(n_bin):
        activity[k] = x
        x = step @ x + half @ e[k] * np.sqrt(udt)
    h = response(before, udt, 0.04)
    size = n_bin + before
    return np.fft.irfft(np.fft.rfft(activity, size, axis=0) * np.fft.rfft(h, size)[:, None], size, axis=0)[before:n_bin:16]


def _recorded(n, n_scan, dt, n_input, snr, density, seed, fluctuations):
    rng = np.random.default_rng(seed)
    A, intrinsic = _coupling(n, density, rng)
    C = _driving(A, n_input, rng)
    n_bin, udt = 16 * n_scan, dt / 16
    u = _blocks(n_bin, udt, n_input, rng)
    step = expm(A * udt)
    drive = u @ (np.linalg.solve(A, step - np.eye(n)) @ C).T
    x, activity = np.zeros(n), np.empty((n_bin, n))
    for k in range(n_bin):
        activity[k] = x
        x = step @ x + drive[k]
    h = response(n_bin, udt, 0.04)
    signal = np.fft.irfft(np.fft.rfft(activity, 2 * n_bin, axis=0) * np.fft.rfft(h, 2 * n_bin)[:, None], axis=0)[:n_bin:16]
    if fluctuations:
        own = _fluctuations(A, n_scan, dt, None, rng)
        signal = signal + fluctuations * own * signal.std() / own.std()
    y = signal + signal.std(axis=0) / snr * rng.standard_normal(signal.shape)
    regions, inputs = [f"R{i}" for i in range(n)], [f"u{k}" for k in range(n_input)]
    recording = lc.Recording(lc.TimeSeries(y, dt, regions), lc.Inputs(u, udt, inputs), delays=0.0)
    return Network(A, C, intrinsic, recording)


def fitted(truth, variant, **options):
    """A of the fit of the connections that there are, and its sd, both in Hz."""
    model = RegressionDCM(truth.recording.regions, truth.recording.inputs.names, truth.intrinsic, truth.C != 0, variant=variant, **options)
    fit = lc.fit(model, truth.recording)
    sd = np.zeros_like(truth.A)
    sd.T[truth.intrinsic.T] = fit.coupling_posterior.sd[: truth.intrinsic.sum()]
    return fit.coupling.A, sd


def _coupling(n, density, rng):
    strongest = 0.7 if n < 10 else 0.4
    while True:
        there = rng.random((n, n)) < density
        np.fill_diagonal(there, False)
        A = np.where(there, rng.choice([-1.0, 1.0], (n, n)) * rng.uniform(0.1, strongest, (n, n)), 0.0)
        A[np.diag_indices(n)] = -0.5 + 0.03 * rng.standard_normal(n)
        if np.linalg.eigvals(A).real.max() < -0.1:
            return A, A != 0


def _driving(A, n_input, rng):
    n = len(A)
    C = np.zeros((n, n_input))
    for i in range(n):
        if i < n_input or rng.random() < 0.3:
            C[i, i if i < n_input else rng.integers(n_input)] = rng.uniform(1.0, 2.5)
    reached = (C != 0).any(axis=1)
    for _ in range(n):
        reached = reached | ((A != 0) @ reached)
    for i in np.flatnonzero(~reached):
        C[i, rng.integers(n_input)] = rng.uniform(1.0, 2.0)
    return C


def _blocks(n_bin, udt, n_input, rng):
    u = np.zeros((n_bin, n_input))
    for k in range(n_input):
        onset = rng.uniform(0, 20)
        while onset < n_bin * udt:
            length = rng.uniform(2, 15)
            u[int(onset / udt) : int((onset + length) / udt), k] = 1.0
            onset += length + rng.uniform(3, 25)
    return u
