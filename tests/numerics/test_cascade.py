"""The bilinear integrator against dense matrix exponentials, and its derivatives against a complex step through them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from ltc_causal.numerics import cascade
from ltc_causal.numerics.schedule import cut_into_steps, sample_bins


def _problem(seed, n=3, n_chain=None, n_state=4, rate=1.0, m=2, n_bin=96, n_scan=12, dt=0.4):
    """Inputs, reading bins, steps, N, H and seconds a bin of a random network of n units, of which n_chain (all unless given) drive chains."""
    rng = np.random.default_rng(seed)
    n_chain = n if n_chain is None else n_chain
    inputs = rng.integers(0, 2, size=(n_bin // 8, m)).repeat(8, axis=0).astype(float)
    bins = sample_bins(n_bin, n_scan, rng.uniform(0, dt * n_bin / n_scan, n_chain), dt)
    steps = cut_into_steps(inputs, dt, bins)
    A = rate * (0.4 / np.sqrt(n) * rng.standard_normal((n, n)) - np.eye(n))
    B, C = rate * 0.15 / np.sqrt(n) * rng.standard_normal((m, n, n)), rng.standard_normal((n, m))
    H = rate * (0.2 * rng.standard_normal((n_chain, n_state, n_state)) - np.eye(n_state))
    N = np.concatenate([A + np.tensordot(steps.values, B, 1), (steps.values @ C.T)[:, :, None]], axis=2)
    return inputs, bins, steps, N, H, dt


def _dense(inputs, bins, steps, N, H, dt):
    """Every bin by one dense exponential of the whole system (a constant 1 carries the drive); complex N and H pass through."""
    n, (n_chain, n_state) = N.shape[1], H.shape[:2]
    size = 1 + n + n_state * n_chain
    propagators = []
    for value in N:
        M = np.zeros((size, size), dtype=N.dtype)
        M[1 : n + 1, 1 : n + 1], M[1 : n + 1, 0] = value[:, :n], value[:, n]
        for i in range(n_chain):
            at = 1 + n + n_state * i
            M[at : at + n_state, at : at + n_state] = H[i]
            M[at, 1 + i] += 1
        propagators.append(expm(M * dt))
    z = np.zeros(size, dtype=N.dtype)
    z[0] = 1
    course = [z]
    for u in inputs:
        course.append(propagators[int(np.flatnonzero((steps.values == u).all(axis=1))[0])] @ course[-1])
    course, first = np.array(course), 1 + n
    return np.stack([course[bins[:, i], first + n_state * i : first + n_state * (i + 1)] for i in range(n_chain)], axis=1)


def _moves(seed, N, H):
    """dH, row, column, coefficient and chain of six parameters of every kind."""
    rng = np.random.default_rng(seed)
    n, n_chain = N.shape[1], len(H)
    row, column = np.array([0, n - 1, 1, -1, -1, n - 1, -1]), np.array([1, n - 1, n, -1, -1, 0, -1])
    chain = np.array([-1, -1, -1, n_chain - 1, n_chain, -1, -1])
    return rng.standard_normal((*H.shape, 2)), row, column, rng.standard_normal((len(N), len(row))), chain


def _complex_step(problem, moves):
    """The derivative in each parameter through the dense exponentials, exact to rounding (Squire and Trapp 1998)."""
    inputs, bins, steps, N, H, dt = problem
    dH, row, column, coefficient, chain = moves
    derivatives = []
    for p in range(len(row)):
        moved, chains = N.astype(complex), H.astype(complex)
        if row[p] >= 0:
            moved[:, row[p], column[p]] += 1e-30j * coefficient[:, p]
        elif chain[p] == len(H):
            chains = chains + 1e-30j * dH[..., 1]
        elif chain[p] >= 0:
            chains[chain[p]] += 1e-30j * dH[chain[p], ..., 0]
        derivatives.append(_dense(inputs, bins, steps, moved, chains, dt).imag / 1e-30)
    return np.stack(derivatives, axis=-1)


SHAPES = [(3, 3, 4), (1, 1, 4), (4, 2, 4), (6, 3, 4), (5, 5, 3), (3, 2, 5), (9, 9, 4), (18, 17, 4)]


@pytest.mark.parametrize("rate", [1.0, 12.0], ids=["slow", "fast"])
@pytest.mark.parametrize(("n", "n_chain", "n_state"), SHAPES)
def test_course_is_the_dense_exponentials(n, n_chain, n_state, rate):
    """Fast: eigenvalues of tens of 1/s, so that one step is cut into several."""
    problem = _problem(n, n, n_chain, n_state, rate)
    _, _, steps, N, H, _ = problem
    h, stable = cascade.course(N, H, steps)
    expected = _dense(*problem)
    assert stable
    np.testing.assert_allclose(h, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("tabulated", [0, 99], ids=["summed", "tabulated"])
@pytest.mark.parametrize("rate", [0.05, 1.0, 12.0], ids=["slowest", "slow", "fast"])
@pytest.mark.parametrize(("n", "n_chain", "n_state"), SHAPES[:1] + SHAPES[2:])
def test_tangents_are_the_complex_step_derivative(n, n_chain, n_state, rate, tabulated):
    problem = _problem(n, n, n_chain, n_state, rate, n_bin=384, n_scan=48)
    _, _, steps, N, H, _ = problem
    moves = _moves(n, N, H)
    h, dh, stable = cascade.course_and_tangents(N, H, *moves, steps, tabulated=tabulated)
    exact = _complex_step(problem, moves)
    assert stable
    np.testing.assert_allclose(h, cascade.course(N, H, steps)[0], rtol=1e-11, atol=1e-13 * np.abs(h).max())
    assert np.abs(dh - exact).max(axis=(0, 1)) == pytest.approx(0, abs=1e-11 * np.abs(exact).max())


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 9), rate=st.floats(0.01, 20))
def test_tables_and_sums_agree_to_rounding(seed, n, rate):
    _, _, steps, N, H, _ = _problem(seed, n, rate=rate, n_bin=192, n_scan=24)
    rng = np.random.default_rng(seed)
    row, column = (part.ravel() for part in np.meshgrid(np.arange(n), np.arange(n + 1)))  # every entry
    order = rng.permutation(n * (n + 1))
    moves = rng.standard_normal((n, 4, 4, 2)), row[order], column[order], rng.standard_normal((len(N), len(row))), np.full(len(row), -1)
    one, other = (cascade.course_and_tangents(N, H, *moves, steps, tabulated=tabulated) for tabulated in (0, 99))
    assert one[2] == other[2]
    np.testing.assert_allclose(one[1], other[1], rtol=1e-11, atol=1e-12 * np.abs(one[1]).max())


def test_only_the_states_asked_for_are_returned():
    _, _, steps, N, H, _ = _problem(0)
    np.testing.assert_array_equal(cascade.course(N, H, steps, 2)[0], cascade.course(N, H, steps)[0][..., 2:])
    moves = _moves(0, N, H)
    some, every = (cascade.course_and_tangents(N, H, *moves, steps, read_from)[1] for read_from in (2, 0))
    np.testing.assert_array_equal(some, every[:, :, 2:])


def test_what_is_observed_is_the_weighted_sum():
    _, _, steps, N, H, _ = _problem(1)
    moves = _moves(1, N, H)
    h, dh, _ = cascade.course_and_tangents(N, H, *moves, steps, 2)
    _, observed, _ = cascade.course_and_tangents(N, H, *moves, steps, 2, observe=lambda h: np.cos(h))
    np.testing.assert_allclose(observed, np.einsum("tls,tlsp->tlp", np.cos(h), dh), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("growth", [5.0, 1e3, 1e200, np.nan])
def test_growth_beyond_the_bound_is_reported(growth):
    _, _, steps, N, H, _ = _problem(0)
    N[:, :, :3] += growth * np.eye(3)
    assert not cascade.course(N, H, steps)[1]
    _, dh, stable = cascade.course_and_tangents(N, H, *_moves(0, N, H), steps)
    assert not stable and not dh.any()
