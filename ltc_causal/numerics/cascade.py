"""Exact courses of a linear network whose first units each drive one linear chain, with derivatives.

    x' = N(u) x + c(u),   h_l' = e_0 x_l + H_l h_l   (chain l is driven by unit l, H_l a small square matrix; later units drive none)

with u constant within bins. Every step is a matrix exponential (`propagators`), found once for all steps of the same input and length.

Lives here: the two functions that models call, and the walk through the run. Does not live here: derivatives' own loops (`tangents`), what the
network or the chains mean (`models`).
"""

from collections.abc import Callable

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ltc_causal.numerics.pairs import lay_out
from ltc_causal.numerics.propagators import step_propagators
from ltc_causal.numerics.schedule import Steps
from ltc_causal.numerics.tangents import tangents

BOUND = 1e6  # a state whose absolute sum exceeds this has left the model, as in SPM's integrator
TABULATED = 8  # units up to which `tangents` uses tables; beyond, they no longer fit the cache

Array = NDArray[np.float64]


def course(N: ArrayLike, H: ArrayLike, steps: Steps, read_from: int = 0) -> tuple[Array, bool]:
    """States at the sampling times.

    N : shape (input value, unit, unit + 1), the last column is the constant drive c
    H : shape (chain, state, state); chain l is driven by unit l, and units beyond the last chain drive none
    steps : when the input changes and when each chain is read
    read_from : the first state of a chain that is wanted

    Returns h of shape (scan, chain, state) and whether the course stayed within bounds; after leaving them, h stays 0.
    """
    return _course(_floats(N), _floats(H), read_from, *steps.arrays)  # pyright: ignore


def course_and_tangents(
    N: ArrayLike,
    H: ArrayLike,
    dH: ArrayLike,
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    coefficient: ArrayLike,
    chain: NDArray[np.int64],
    steps: Steps,
    read_from: int = 0,
    observe: Callable[[Array], Array] | None = None,
    tabulated: int = TABULATED,
) -> tuple[Array, Array, bool]:
    """`course`, and its derivative in parameters.

    dH : shape (chain, state, state, 2), derivatives of each chain in two parameters: one of its own, and one common to all
    row, column : shape (parameter,), the entry of N that a parameter moves (-1 if none)
    coefficient : shape (input value, parameter), by how much
    chain : shape (parameter,), the chain whose own parameter this is, the number of chains for the common one, -1 if none
    observe : gives, from h, weights of h's shape; then the derivative of the weighted sum over each chain's states is returned, in a fraction
        of the memory
    tabulated : see TABULATED; both ways agree to rounding

    Returns h; dh of shape (scan, chain, state, parameter), or (scan, chain, parameter) with `observe`; and whether the course stayed within
    bounds, otherwise dh is 0.
    """
    h, X, before, pairs, stable = _course_and_pairs(_floats(N), _floats(H), _floats(dH), read_from, *steps.arrays)  # pyright: ignore
    n_scan, n_chain, n_read = h.shape
    weights = np.zeros((0, n_chain, n_read)) if observe is None else _floats(observe(h))
    # Allocated by numpy, which asks for large pages: many parameters are written all over it.
    dh = np.zeros((n_scan, n_chain, n_read if observe is None else 1, len(row)))
    if stable:
        tabulate = X.shape[1] - 1 <= tabulated
        tangents(
            pairs, X, before, row, column, _floats(coefficient), chain, weights, tabulate,
            steps.pair_value, steps.step_pair, steps.read_scan, dh,
        )  # fmt: skip
    return h, dh if observe is None else dh[:, :, 0], stable


def _floats(values: ArrayLike) -> Array:
    """As the compiled functions take it: another layout or type would have them compiled again."""
    return np.ascontiguousarray(values, dtype=np.float64)


@numba.njit(cache=True)
def _course(N, H, read_from, dt, pair_value, pair_bins, step_pair, read_scan, n_scan):
    n, n_chain, ns = N.shape[1], H.shape[0], H.shape[1]
    out = np.zeros((n_scan, n_chain, ns - read_from))
    parts, order, on_way, _, stable = step_propagators(N, H, dt, pair_value, pair_bins, False)
    if stable:
        X, before = np.zeros((0, n + 1)), np.zeros((0, n_chain, ns))
        stable = _walk(on_way, order, parts, read_from, step_pair, read_scan, X, before, out)
    return out, stable


@numba.njit(cache=True)
def _course_and_pairs(N, H, dH, read_from, dt, pair_value, pair_bins, step_pair, read_scan, n_scan):
    """The course; what network and chains were before each part of a step; and `pairs.Pairs`."""
    n, n_chain, ns = N.shape[1], H.shape[0], H.shape[1]
    out = np.zeros((n_scan, n_chain, ns - read_from))
    parts, order, on_way, weights, stable = step_propagators(N, H, dt, pair_value, pair_bins, True)
    count = 0
    if stable:
        for p in step_pair:
            count += parts[p] if p >= 0 else 0
    X, before = np.zeros((count, n + 1)), np.zeros((count, n_chain, ns))
    if stable:
        stable = _walk(on_way, order, parts, read_from, step_pair, read_scan, X, before, out)
    # Nothing more to know of pairs in a run that is given up.
    some = len(order) if stable else 0
    return out, X, before, lay_out(on_way, weights, order[:some], parts, dH, n), stable


@numba.njit(cache=True)
def _walk(on_way, order, parts, read_from, step_pair, read_scan, X, before, out):
    """Move the states through the run; fills out, and unless they are empty X and before, network and chains before each step."""
    n_scan, n_chain, n_read = out.shape
    m, ns = X.shape[1], n_read + read_from
    x, h, nx, nh = np.zeros(m), np.zeros((n_chain, ns)), np.zeros(m), np.zeros((n_chain, ns))
    x[m - 1], nx[m - 1] = 1.0, 1.0
    at = 0
    for k in range(len(step_pair)):
        p = step_pair[k]
        for _ in range(parts[p] if p >= 0 else 0):
            if len(X):
                for i in range(m):
                    X[at, i] = x[i]
                for l in range(n_chain):
                    for s in range(ns):
                        before[at, l, s] = h[l, s]
                at += 1
            if not _step(on_way, p, order[p], x, h, nx, nh) <= BOUND:
                return False
            x, nx, h, nh = nx, x, nh, h
        for l in range(n_chain):
            scan = read_scan[k, l]
            if scan >= 0:
                for s in range(n_read):
                    out[scan, l, s] = h[l, read_from + s]
    return True


@numba.njit(cache=True, forceinline=True)
def _step(on_way, p, end, x, h, nx, nh):
    """Move x (last entry 1) and h over one step, into nx and nh; returns the absolute sum of the new states."""
    n_chain, ns = h.shape
    m = len(x)
    size, at = 0.0, 0
    for i in range(m - 1):
        total = 0.0
        for c in range(m):
            total += on_way[p, end, at + c] * x[c]
        at += m
        nx[i] = total
        size += abs(total)
    for l in range(n_chain):
        for s in range(ns):
            total = 0.0
            for c in range(m):
                total += on_way[p, end, at + c] * x[c]
            at += m
            for c in range(ns):
                total += on_way[p, end, at + c] * h[l, c]
            at += ns
            nh[l, s] = total
            size += abs(total)
    return size
