"""The bilinear integrator and its exact gradient by number of regions, on one thread (`make bench` times them; in the suite they run once)."""

import numpy as np
import pytest

from ltc_causal.models import haemodynamics
from ltc_causal.numerics import cascade
from ltc_causal.numerics.schedule import Steps, cut_into_steps, sample_bins

N_SCAN, TR, BINS_A_SCAN = 270, 2.0, 16  # about 320 steps


def _block_design(seed: int, n_input: int) -> np.ndarray:
    """Blocks of 5 to 14 scans, pauses of 8 to 23, each input on its own."""
    rng = np.random.default_rng(seed)
    inputs = np.zeros((N_SCAN, n_input))
    for k in range(n_input):
        lengths = np.stack([rng.integers(8, 24, 20), rng.integers(5, 15, 20)], axis=1).ravel()
        inputs[:, k] = np.repeat(np.tile([0.0, 1.0], 20), lengths)[:N_SCAN]
    return inputs.repeat(BINS_A_SCAN, axis=0)


def _fully_connected(n: int, seed: int = 0) -> tuple[tuple, Steps]:
    """Arguments of `cascade.course_and_tangents`: all of A, three entries of B, three of C, all haemodynamic parameters."""
    rng = np.random.default_rng(seed)
    dt = TR / BINS_A_SCAN
    inputs = _block_design(seed, 3)
    steps = cut_into_steps(inputs, dt, sample_bins(len(inputs), N_SCAN, np.full(n, TR / 2), dt))
    entries = [(i, j, -1) for j in range(n) for i in range(n)]
    entries += [(1, 0, 1), (2, 1, 2), (0, 2, 2)] + [(k, n, k) for k in range(3)]
    row, column, scaled_by = np.array(entries + [(-1, -1, -1)] * (n + 2)).T.copy()
    coefficient = np.where(scaled_by < 0, 1.0, steps.values[:, scaled_by])
    chain = np.concatenate([np.full(len(entries), -1), np.arange(n + 1), [-1]])
    N = np.zeros((len(steps.values), n, n + 1))
    N[:, :, :n] = 0.3 / np.sqrt(n) * rng.standard_normal((n, n)) - 0.5 * np.eye(n)
    N[:, :3, n] = 0.3 * steps.values
    H = haemodynamics.rest_expansion(0.1 * rng.standard_normal(n), 0.05)
    return (N, H, haemodynamics.rest_expansion_derivatives(H), row, column, coefficient, chain), steps


@pytest.mark.parametrize("n", [3, 5, 8, 16, 32])
def test_gradient(benchmark, n):
    arguments, steps = _fully_connected(n)
    h, dh, stable = benchmark(cascade.course_and_tangents, *arguments, steps, haemodynamics.VOLUME, np.ones_like)
    benchmark.extra_info["parameters"] = dh.shape[-1]
    assert stable and np.isfinite(dh).all()
    # The sum over log v and log q answers to a parameter as the two courses do.
    step = 1e-6
    N = arguments[0].copy()
    N[:, 1, 0] += step
    moved = (cascade.course(N, arguments[1], steps, haemodynamics.VOLUME)[0] - h).sum(axis=2) / step
    np.testing.assert_allclose(dh[..., 1], moved, atol=1e-4 * np.abs(moved).max())


@pytest.mark.parametrize("n", [3, 8, 32])
def test_prediction(benchmark, n):
    (N, H, *_), steps = _fully_connected(n)
    assert benchmark(cascade.course, N, H, steps, haemodynamics.VOLUME)[1]
