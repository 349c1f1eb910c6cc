"""The bilinear integrator against dense matrix exponentials, and its derivatives against a complex step through them."""

import numpy as np
import pytest
from scipy.linalg import expm

from ltc_causal.numerics import cascade
from ltc_causal.numerics.schedule import cut_into_steps, sample_bins


def _problem(seed, n=3, n_chain=None, m=2, n_bin=96, n_scan=12, dt=0.4):
    """Inputs, reading bins, steps, N, H and seconds a bin of a random network of n units, of which n_chain (all unless given) drive chains."""
    rng = np.random.default_rng(seed)
    n_chain = n if n_chain is None else n_chain
    inputs = rng.integers(0, 2, size=(n_bin // 8, m)).repeat(8, axis=0).astype(float)
    bins = sample_bins(n_bin, n_scan, rng.uniform(0, dt * n_bin / n_scan, n_chain), dt)
    steps = cut_into_steps(inputs, dt, bins)
    A = 0.3 * rng.standard_normal((n, n)) - np.eye(n)
    B, C = 0.3 * rng.standard_normal((m, n, n)), rng.standard_normal((n, m))
    H = 0.4 * rng.standard_normal((n_chain, 4, 4)) - np.eye(4)
    N = np.concatenate([A + np.tensordot(steps.values, B, 1), (steps.values @ C.T)[:, :, None]], axis=2)
    return inputs, bins, steps, N, H, dt


def _dense(inputs, bins, steps, N, H, dt):
    """Every bin by one dense exponential of the whole system (a constant 1 carries the drive); complex N and H pass through."""
    n, n_chain = N.shape[1], len(H)
    size = 1 + n + 4 * n_chain
    z = np.zeros(size, dtype=N.dtype)
    z[0] = 1
    value = [int(np.flatnonzero((steps.values == u).all(axis=1))[0]) for u in inputs]
    course = [z]
    for k in value:
        M = np.zeros((size, size), dtype=N.dtype)
        M[1 : n + 1, 1 : n + 1], M[1 : n + 1, 0] = N[k, :, :n], N[k, :, n]
        for i in range(n_chain):
            at = 1 + n + 4 * i
            M[at : at + 4, at : at + 4] = H[i]
            M[at, 1 + i] += 1
        course.append(expm(M * dt) @ course[-1])
    course = np.array(course)
    return np.stack([course[bins[:, i], 1 + n + 4 * i : 5 + n + 4 * i] for i in range(n_chain)], axis=1)


@pytest.mark.parametrize(("seed", "n", "n_chain"), [(0, 3, 3), (1, 3, 3), (2, 3, 3), (3, 4, 2), (4, 6, 3)])
def test_course_is_the_dense_exponentials(seed, n, n_chain):
    problem = _problem(seed, n, n_chain)
    _, _, steps, N, H, _ = problem
    h, stable = cascade.course(N, H, steps)
    assert stable
    np.testing.assert_allclose(h, _dense(*problem), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("seed", "n", "n_chain"), [(0, 3, 3), (1, 3, 3), (2, 4, 2), (3, 6, 3)])
def test_tangents_are_the_complex_step_derivative(seed, n, n_chain):
    inputs, bins, steps, N, H, dt = _problem(seed, n, n_chain)
    rng = np.random.default_rng(seed)
    row, column = np.array([0, 2, 1, -1, -1, n - 1]), np.array([1, 2, n, -1, -1, 0])
    coefficient = rng.standard_normal((len(N), 6))
    chain = np.array([-1, -1, -1, 1, n_chain, -1])
    dH = rng.standard_normal((n_chain, 4, 4, 2))
    h, dh, stable = cascade.course_and_tangents(N, H, dH, row, column, coefficient, chain, steps)
    np.testing.assert_allclose(h, cascade.course(N, H, steps)[0], rtol=1e-12, atol=1e-14)
    for p in range(len(row)):
        step = 1e-30j
        moved, chains = N.astype(complex), H.astype(complex)
        if row[p] >= 0:
            moved[:, row[p], column[p]] += step * coefficient[:, p]
        elif chain[p] == n_chain:
            chains = chains + step * dH[..., 1]
        else:
            chains[chain[p]] += step * dH[chain[p], ..., 0]
        exact = _dense(inputs, bins, steps, moved, chains, dt).imag / 1e-30
        np.testing.assert_allclose(dh[..., p], exact, rtol=1e-9, atol=1e-10 * np.abs(exact).max())


def test_only_the_states_asked_for_are_returned():
    _, _, steps, N, H, _ = _problem(0)
    np.testing.assert_array_equal(cascade.course(N, H, steps, 2)[0], cascade.course(N, H, steps)[0][..., 2:])


def test_growth_beyond_the_bound_is_reported():
    _, _, steps, N, H, _ = _problem(0)
    N[:, :, :3] += 5 * np.eye(3)
    assert not cascade.course(N, H, steps)[1]
