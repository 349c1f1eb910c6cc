"""Exact courses of a linear network that drives one linear chain a unit, with derivatives.

    x' = N(u) x + c(u),   h_i' = e_0 x_i + H_i h_i   (i = unit, H_i a small square matrix)

with u constant within bins. Every step is a matrix exponential. All steps under one input value are products of powers of two of the
one-bin propagator, so a run needs few exponentials; propagators keep the block form, and carry their derivatives along.

Lives here: the numba core, arrays in and arrays out. Does not live here: what the network or the chains mean (`models`).
"""

import numba
import numpy as np

from ltc_causal.numerics.schedule import Steps

BOUND = 1e6  # a state whose absolute sum exceeds this has left the model, as in SPM's integrator
_TAYLOR_ORDER = 14
_TAYLOR_NORM = 0.5  # the remainder 0.5^15 / 15! is below rounding


def course(N, H, steps: Steps):
    """States at the sampling times.

    N : shape (input value, unit, unit + 1), the last column is the constant drive c
    H : shape (unit, state, state)
    steps : when the input changes and when each unit is read

    Returns h of shape (scan, unit, state) and whether the course stayed within bounds; after leaving them, h stays 0.
    """
    none = np.zeros(0, dtype=np.int64)
    h, _, stable = _run(N, H, np.zeros((*H.shape, 2)), none, none, none, np.zeros((len(N), 0)), none, *steps.arrays)
    return h, stable


def course_and_tangents(N, H, dH, row, column, coefficient, chain, steps: Steps):
    """`course`, and its derivative in parameters.

    dH : shape (unit, state, state, 2), derivatives of each unit's chain in two parameters: one of its own, and one common to all
    row, column : shape (parameter,), the entry of N that a parameter moves (-1 if none)
    coefficient : shape (input value, parameter), by how much
    chain : shape (parameter,), the unit whose own chain parameter this is, n for the common one, -1 if none

    Returns h, dh of shape (scan, unit, state, parameter), stable.
    """
    n = N.shape[1]
    keys = np.unique(np.where(row >= 0, row * (n + 1) + column, -1))
    keys = keys[keys >= 0]
    direction = np.where(row >= 0, np.searchsorted(keys, row * (n + 1) + column), -1)
    return _run(N, H, dH, keys // (n + 1), keys % (n + 1), direction, coefficient, chain, *steps.arrays)


# A propagator is four arrays, with m = n + 1 (the last unit is the constant 1) and nd moved entries of N:
#   E  (m, m)               network after the step, from the network before
#   dE (n, m, nd)           its derivative in the moved entries of N
#   G  (n, ns, m + ns)      chain after the step, from the network (first m columns) and the chain (last ns) before
#   dG (n, ns, m + ns, nd + 2)   its derivative in the moved entries of N and in the chain's two parameters; the part of the chain on
#                           itself does not depend on N, so those derivatives are left zero and are never computed


@numba.njit(cache=True)
def _taylor(N, H, dH, rows, columns, dt, E, dE, G, dG):
    """Propagator of a short step by its Taylor series; fills the arrays given."""
    n, m = N.shape
    ns, nd = H.shape[1], len(rows)
    E[:], dE[:], G[:], dG[:] = 0.0, 0.0, 0.0, 0.0
    for i in range(m):
        E[i, i] = 1.0
    for l in range(n):
        for s in range(ns):
            G[l, s, m + s] = 1.0
    tE, tdE, tG, tdG = E.copy(), dE.copy(), G.copy(), dG.copy()
    for order in range(1, _TAYLOR_ORDER + 1):
        r = dt / order
        pE, pdE, pG, pdG = tE.copy(), tdE.copy(), tG.copy(), tdG.copy()
        tE[:], tdE[:], tG[:], tdG[:] = 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            for j in range(m):
                a = r * N[i, j]
                for c in range(m):
                    tE[i, c] += a * pE[j, c]
                    if j < n:
                        for d in range(nd):
                            tdE[i, c, d] += a * pdE[j, c, d]
        for d in range(nd):
            for c in range(m):
                tdE[rows[d], c, d] += r * pE[columns[d], c]
        for l in range(n):
            for c in range(m):
                tG[l, 0, c] = r * pE[l, c]
                for d in range(nd):
                    tdG[l, 0, c, d] = r * pdE[l, c, d]
            for s in range(ns):
                for k in range(ns):
                    _add_product(tG[l, s], tdG[l, s], r * H[l, s, k], r * dH[l, s, k, 0], r * dH[l, s, k, 1], pG[l, k], pdG[l, k], m)
        E += tE
        dE += tdE
        G += tG
        dG += tdG


@numba.njit(cache=True)
def _add_product(G, dG, w, w0, w1, factor, dfactor, m):
    """Add (w, with derivatives w0, w1 in the chain's parameters) times a chain's row, with derivatives."""
    nd = dG.shape[1] - 2
    if w == 0.0 and w0 == 0.0 and w1 == 0.0:
        return
    for c in range(len(factor)):
        G[c] += w * factor[c]
        # Beyond column m only the chain's own parameters count.
        for d in range(0 if c < m else nd, nd + 2):
            dG[c, d] += w * dfactor[c, d]
        dG[c, nd] += w0 * factor[c]
        dG[c, nd + 1] += w1 * factor[c]


@numba.njit(cache=True)
def _compose(aE, adE, aG, adG, bE, bdE, bG, bdG, E, dE, G, dG):
    """Propagator of step a, then step b, with derivatives; fills the last four arrays, which must be others than the first eight."""
    n, m, nd = adE.shape
    ns = bG.shape[1]
    E[:], dE[:], G[:], dG[:] = 0.0, 0.0, 0.0, 0.0
    for i in range(m):
        for j in range(m):
            for c in range(m):
                E[i, c] += bE[i, j] * aE[j, c]
    for i in range(n):
        for j in range(m):
            for c in range(m):
                w = aE[j, c]
                for d in range(nd):
                    dE[i, c, d] += bdE[i, j, d] * w
                if j < n:
                    w = bE[i, j]
                    for d in range(nd):
                        dE[i, c, d] += w * adE[j, c, d]
    for l in range(n):
        for s in range(ns):
            for j in range(m):
                k = bG[l, s, j]
                for c in range(m):
                    w = aE[j, c]
                    G[l, s, c] += k * w
                    for d in range(nd + 2):
                        dG[l, s, c, d] += bdG[l, s, j, d] * w
                    if j < n:
                        for d in range(nd):
                            dG[l, s, c, d] += k * adE[j, c, d]
            for j in range(ns):
                _add_product(G[l, s], dG[l, s], bG[l, s, m + j], bdG[l, s, m + j, nd], bdG[l, s, m + j, nd + 1], aG[l, j], adG[l, j], m)


@numba.njit(cache=True)
def _one_bin(N, H, dH, rows, columns, dt, E, dE, G, dG):
    """Propagator of one bin: halve until the Taylor series is exact to rounding, then square."""
    n, m = N.shape
    ns = H.shape[1]
    norm = 0.0
    for j in range(m):
        total = 1.0 if j < n else 0.0
        for i in range(n):
            total += abs(N[i, j])
        norm = max(norm, total)
    for i in range(n):
        for j in range(ns):
            total = 0.0
            for k in range(ns):
                total += abs(H[i, k, j])
            norm = max(norm, total)
    halvings = 0
    while norm * dt > _TAYLOR_NORM and halvings < 60:
        dt *= 0.5
        halvings += 1
    _taylor(N, H, dH, rows, columns, dt, E, dE, G, dG)
    for _ in range(halvings):
        aE, adE, aG, adG = E.copy(), dE.copy(), G.copy(), dG.copy()
        _compose(aE, adE, aG, adG, aE, adE, aG, adG, E, dE, G, dG)


@numba.njit(cache=True)
def _propagators(N, H, dH, rows, columns, dt, pair_value, pair_bins):
    """Propagators of every (input value, number of bins) pair that the run needs, from powers of two of one bin's."""
    n_value, n, m = N.shape
    ns, nd, n_pair = H.shape[1], len(rows), len(pair_value)
    E, dE = np.zeros((n_pair, m, m)), np.zeros((n_pair, n, m, nd))
    G, dG = np.zeros((n_pair, n, ns, m + ns)), np.zeros((n_pair, n, ns, m + ns, nd + 2))
    levels = 1
    while (1 << levels) <= pair_bins.max():
        levels += 1
    lE, ldE = np.zeros((levels, m, m)), np.zeros((levels, n, m, nd))
    lG, ldG = np.zeros((levels, n, ns, m + ns)), np.zeros((levels, n, ns, m + ns, nd + 2))
    for value in range(n_value):
        ready = 0
        for p in range(n_pair):
            if pair_value[p] != value:
                continue
            bins, level, first = pair_bins[p], 0, True
            while bins:
                if level == ready:
                    b = level - 1
                    if level == 0:
                        _one_bin(N[value], H, dH, rows, columns, dt, lE[0], ldE[0], lG[0], ldG[0])
                    else:
                        _compose(lE[b], ldE[b], lG[b], ldG[b], lE[b], ldE[b], lG[b], ldG[b], lE[level], ldE[level], lG[level], ldG[level])
                    ready += 1
                if bins & 1:
                    if first:
                        E[p], dE[p], G[p], dG[p] = lE[level], ldE[level], lG[level], ldG[level]
                        first = False
                    else:
                        aE, adE, aG, adG = E[p].copy(), dE[p].copy(), G[p].copy(), dG[p].copy()
                        _compose(aE, adE, aG, adG, lE[level], ldE[level], lG[level], ldG[level], E[p], dE[p], G[p], dG[p])
                bins >>= 1
                level += 1
    return E, dE, G, dG


@numba.njit(cache=True)
def _step(E, G, x, h, nx, nh):
    """Move x (last entry 1) and h over one step, into nx and nh; returns the absolute sum of the new states."""
    n, ns = h.shape
    m = n + 1
    size = 0.0
    for i in range(n):
        total = 0.0
        for c in range(m):
            total += E[i, c] * x[c]
        nx[i] = total
        size += abs(total)
        for s in range(ns):
            total = 0.0
            for c in range(m):
                total += G[i, s, c] * x[c]
            for c in range(ns):
                total += G[i, s, m + c] * h[i, c]
            nh[i, s] = total
            size += abs(total)
    return size


@numba.njit(cache=True)
def _step_tangents(E, dE, G, dG, x, h, dx, dh, ndx, ndh, direction, coefficient, chain, w):
    """Move the derivatives dx, dh over the same step, into ndx and ndh; w is scratch of length nd + 2."""
    n, ns, n_parameter = dh.shape
    m, nd = n + 1, dE.shape[2]
    for i in range(n):
        for k in range(n_parameter):
            ndx[i, k] = 0.0
        for c in range(n):
            for k in range(n_parameter):
                ndx[i, k] += E[i, c] * dx[c, k]
        w[:] = 0.0
        for c in range(m):
            for d in range(nd):
                w[d] += dE[i, c, d] * x[c]
        for k in range(n_parameter):
            if direction[k] >= 0:
                ndx[i, k] += coefficient[k] * w[direction[k]]
        for s in range(ns):
            for k in range(n_parameter):
                ndh[i, s, k] = 0.0
            for c in range(n):
                a = G[i, s, c]
                for k in range(n_parameter):
                    ndh[i, s, k] += a * dx[c, k]
            for c in range(ns):
                a = G[i, s, m + c]
                if a != 0.0:
                    for k in range(n_parameter):
                        ndh[i, s, k] += a * dh[i, c, k]
            w[:] = 0.0
            for c in range(m):
                for d in range(nd + 2):
                    w[d] += dG[i, s, c, d] * x[c]
            for c in range(ns):
                w[nd] += dG[i, s, m + c, nd] * h[i, c]
                w[nd + 1] += dG[i, s, m + c, nd + 1] * h[i, c]
            for k in range(n_parameter):
                if direction[k] >= 0:
                    ndh[i, s, k] += coefficient[k] * w[direction[k]]
                elif chain[k] == i:
                    ndh[i, s, k] += w[nd]
                elif chain[k] == n:
                    ndh[i, s, k] += w[nd + 1]


@numba.njit(cache=True)
def _run(N, H, dH, rows, columns, direction, coefficient, chain, dt, pair_value, pair_bins, step_pair, read_scan, n_scan):
    """The whole course, step by step; see `course_and_tangents`."""
    n, m = N.shape[1:]
    ns, n_parameter = H.shape[1], coefficient.shape[1]
    E, dE, G, dG = _propagators(N, H, dH, rows, columns, dt, pair_value, pair_bins)
    x, h = np.zeros(m), np.zeros((n, ns))
    nx, nh = np.zeros(m), np.zeros((n, ns))
    x[n], nx[n] = 1.0, 1.0
    dx, dh = np.zeros((n, n_parameter)), np.zeros((n, ns, n_parameter))
    ndx, ndh = np.zeros((n, n_parameter)), np.zeros((n, ns, n_parameter))
    w = np.zeros(len(rows) + 2)
    out, dout = np.zeros((n_scan, n, ns)), np.zeros((n_scan, n, ns, n_parameter))
    for step in range(len(step_pair)):
        p = step_pair[step]
        if p >= 0:
            if n_parameter:
                _step_tangents(E[p], dE[p], G[p], dG[p], x, h, dx, dh, ndx, ndh, direction, coefficient[pair_value[p]], chain, w)
                dx, ndx, dh, ndh = ndx, dx, ndh, dh
            if not _step(E[p], G[p], x, h, nx, nh) <= BOUND:
                return out, dout, False
            x, nx, h, nh = nx, x, nh, h
        for i in range(n):
            scan = read_scan[step, i]
            if scan >= 0:
                out[scan, i] = h[i]
                dout[scan, i] = dh[i]
    return out, dout, True
