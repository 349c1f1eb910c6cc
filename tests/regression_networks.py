"""Networks of known coupling under known inputs, with their recordings, for tests of regression DCM."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm

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
