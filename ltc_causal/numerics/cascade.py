"""Exact courses of a linear network whose first units each drive one linear chain, with derivatives.

    x' = N(u) x + c(u),   h_l' = e_0 x_l + H_l h_l   (chain l is driven by unit l, H_l a small square matrix; later units drive none)

with u constant within bins. Every step is a matrix exponential. All steps under one input value are products of powers of two of the
one-bin propagator, so a run needs few exponentials; propagators keep the block form, and carry their derivatives along.

Lives here: the numba core, arrays in and arrays out. Does not live here: what the network or the chains mean (`models`).
"""

import numba
import numpy as np

from ltc_causal.numerics.schedule import Steps

BOUND = 1e6  # a state whose absolute sum exceeds this has left the model, as in SPM's integrator
_TAYLOR_NORM, _TAYLOR_TERM = 0.5, 1e-17  # step times norm up to which the series is used, and the size at which it ends


def course(N, H, steps: Steps, read_from: int = 0):
    """States at the sampling times.

    N : shape (input value, unit, unit + 1), the last column is the constant drive c
    H : shape (chain, state, state); chain l is driven by unit l, and units beyond the last chain drive none
    steps : when the input changes and when each chain is read
    read_from : the first state of a chain that is wanted

    Returns h of shape (scan, chain, state) and whether the course stayed within bounds; after leaving them, h stays 0.
    """
    none = np.zeros(0, dtype=np.int64)
    h, _, stable = _run(N, H, np.zeros((*H.shape, 2)), read_from, none, none, none, np.zeros((len(N), 0)), none, *steps.arrays)
    return h, stable


def course_and_tangents(N, H, dH, row, column, coefficient, chain, steps: Steps, read_from: int = 0):
    """`course`, and its derivative in parameters.

    dH : shape (chain, state, state, 2), derivatives of each chain in two parameters: one of its own, and one common to all
    row, column : shape (parameter,), the entry of N that a parameter moves (-1 if none)
    coefficient : shape (input value, parameter), by how much
    chain : shape (parameter,), the chain whose own parameter this is, the number of chains for the common one, -1 if none

    Returns h, dh of shape (scan, chain, state, parameter), stable.
    """
    n = N.shape[1]
    keys = np.unique(np.where(row >= 0, row * (n + 1) + column, -1))
    keys = keys[keys >= 0]
    direction = np.where(row >= 0, np.searchsorted(keys, row * (n + 1) + column), -1)
    return _run(N, H, dH, read_from, keys // (n + 1), keys % (n + 1), direction, coefficient, chain, *steps.arrays)


# A propagator is four arrays, with m = n + 1 (the last unit is the constant 1) and nd moved entries of N:
#   E  (m, m)               network after the step, from the network before
#   dE (n, m, nd)           its derivative in the moved entries of N
#   G  (L, ns, m + ns)      each of the L chains after the step, from the network (first m columns) and the chain (last ns) before
#   dG (L, ns, m + ns, nd + 2)   its derivative in the moved entries of N and in the chain's two parameters; the part of the chain on
#                           itself does not depend on N, so those derivatives are left zero and are never computed


@numba.njit(cache=True)
def _taylor(N, H, dH, rows, columns, dt, norm, E, dE, G, dG):
    """Propagator of a short step by its Taylor series; fills the arrays given."""
    n, m = N.shape
    n_chain, ns, nd = H.shape[0], H.shape[1], len(rows)
    E[:], dE[:], G[:], dG[:] = 0.0, 0.0, 0.0, 0.0
    for i in range(m):
        E[i, i] = 1.0
    for l in range(n_chain):
        for s in range(ns):
            G[l, s, m + s] = 1.0
    tE, tdE, tG, tdG = E.copy(), dE.copy(), G.copy(), dG.copy()
    pE, pdE, pG, pdG = E.copy(), dE.copy(), G.copy(), dG.copy()
    order, size = 0, 1.0
    while size > _TAYLOR_TERM:
        order += 1
        r = dt / order
        size *= norm * r
        tE, pE, tdE, pdE, tG, pG, tdG, pdG = pE, tE, pdE, tdE, pG, tG, pdG, tdG
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
        for l in range(n_chain):
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
    n_chain, ns = bG.shape[:2]
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
    for l in range(n_chain):
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
    for i in range(len(H)):
        for j in range(ns):
            total = 0.0
            for k in range(ns):
                total += abs(H[i, k, j])
            norm = max(norm, total)
    halvings = 0
    while norm * dt > _TAYLOR_NORM and halvings < 60:
        dt *= 0.5
        halvings += 1
    _taylor(N, H, dH, rows, columns, dt, norm, E, dE, G, dG)
    for _ in range(halvings):
        aE, adE, aG, adG = E.copy(), dE.copy(), G.copy(), dG.copy()
        _compose(aE, adE, aG, adG, aE, adE, aG, adG, E, dE, G, dG)


@numba.njit(cache=True)
def _propagators(N, H, dH, rows, columns, direction, coefficient, chain, dt, pair_value, pair_bins):
    """Propagators of every (input value, number of bins) pair that the run needs, from powers of two of one bin's.

    Rows of F and M are the network's units and then all states of all chains. Returns E and G as above, M (pair, row, unit), what the
    network before the step gives to each row; F (pair, m, row, parameter), the derivative of what each unit and the drive give to it; and
    Hd (pair, chain, ns, ns, 2), the derivative of each chain's own propagator in its two parameters.
    """
    n_value, n, m = N.shape
    L, ns, nd, n_pair, n_parameter = H.shape[0], H.shape[1], len(rows), len(pair_value), len(direction)
    E, G, Hd = np.zeros((n_pair, m, m)), np.zeros((n_pair, L, ns, m + ns)), np.zeros((n_pair, L, ns, ns, 2))
    M, F = np.zeros((n_pair, n + L * ns, n)), np.zeros((n_pair, m, n + L * ns, n_parameter))
    levels = 1
    while (1 << levels) <= pair_bins.max():
        levels += 1
    lE, ldE = np.zeros((levels, m, m)), np.zeros((levels, n, m, nd))
    lG, ldG = np.zeros((levels, L, ns, m + ns)), np.zeros((levels, L, ns, m + ns, nd + 2))
    aE, adE, aG, adG = lE[0].copy(), ldE[0].copy(), lG[0].copy(), ldG[0].copy()
    bE, bdE, bG, bdG = lE[0].copy(), ldE[0].copy(), lG[0].copy(), ldG[0].copy()
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
                        aE[:], adE[:], aG[:], adG[:] = lE[level], ldE[level], lG[level], ldG[level]
                        first = False
                    else:
                        _compose(aE, adE, aG, adG, lE[level], ldE[level], lG[level], ldG[level], bE, bdE, bG, bdG)
                        aE, adE, aG, adG, bE, bdE, bG, bdG = bE, bdE, bG, bdG, aE, adE, aG, adG
                bins >>= 1
                level += 1
            E[p], G[p], Hd[p] = aE, aG, adG[:, :, m:, nd:]
            if n_parameter:
                _by_parameter(aE, adE, aG, adG, direction, coefficient[value], chain, M[p], F[p])
    return E, G, Hd, M, F


@numba.njit(cache=True)
def _by_parameter(E, dE, G, dG, direction, coefficient, chain, M, F):
    """Fill M and F (see `_propagators`) of one pair: from moved entries of the network to the parameters that move them."""
    n, m, nd = dE.shape
    n_chain, ns = dG.shape[:2]
    M[:n] = E[:n, :n]
    for k in range(len(direction)):
        if direction[k] >= 0:
            for i in range(n):
                for c in range(m):
                    F[c, i, k] = coefficient[k] * dE[i, c, direction[k]]
    for l in range(n_chain):
        M[n + l * ns : n + (l + 1) * ns] = G[l, :, :n]
        for k in range(len(direction)):
            if direction[k] >= 0:
                d, a = direction[k], coefficient[k]
            elif chain[k] == l or chain[k] == n_chain:
                d, a = nd + (1 if chain[k] == n_chain else 0), 1.0
            else:
                continue
            for s in range(ns):
                for c in range(m):
                    F[c, n + l * ns + s, k] = a * dG[l, s, c, d]


@numba.njit(cache=True)
def _step(E, G, x, h, nx, nh):
    """Move x (last entry 1) and h over one step, into nx and nh; returns the absolute sum of the new states."""
    n_chain, ns = h.shape
    m = len(x)
    size = 0.0
    for i in range(m - 1):
        total = 0.0
        for c in range(m):
            total += E[i, c] * x[c]
        nx[i] = total
        size += abs(total)
    for l in range(n_chain):
        for s in range(ns):
            total = 0.0
            for c in range(m):
                total += G[l, s, c] * x[c]
            for c in range(ns):
                total += G[l, s, m + c] * h[l, c]
            nh[l, s] = total
            size += abs(total)
    return size


@numba.njit(cache=True)
def _add_rows(out, weights, rows):
    """Out += weights @ rows, two rows at a time: passes over `out` are what costs."""
    count = len(weights)
    for r in range(0, count - 1, 2):
        a, b, first, second = weights[r], weights[r + 1], rows[r], rows[r + 1]
        for k in range(len(out)):
            out[k] += a * first[k] + b * second[k]
    if count % 2:
        a, last = weights[count - 1], rows[count - 1]
        for k in range(len(out)):
            out[k] += a * last[k]


@numba.njit(cache=True)
def _step_tangents(M, F, G, Hd, x, h, dz, out, own, common):
    """Move the derivatives dz (row, parameter) over the same step, into `out`."""
    n_chain, ns = h.shape
    m = len(x)
    n = m - 1
    np.dot(M, dz[:n], out)
    _add_rows(out.reshape(-1), x, F.reshape((m, -1)))
    for i in range(n_chain):
        first = n + i * ns
        for s in range(ns):
            row = out[first + s]
            _add_rows(row, G[i, s, m:], dz[first : first + ns])
            for c in range(ns):
                if own[i] >= 0:
                    row[own[i]] += Hd[i, s, c, 0] * h[i, c]
                if common >= 0:
                    row[common] += Hd[i, s, c, 1] * h[i, c]


@numba.njit(cache=True)
def _run(N, H, dH, read_from, rows, columns, direction, coefficient, chain, dt, pair_value, pair_bins, step_pair, read_scan, n_scan):
    """The whole course, step by step; see `course_and_tangents`."""
    n, m = N.shape[1:]
    n_chain, ns, n_parameter = H.shape[0], H.shape[1], coefficient.shape[1]
    E, G, Hd, M, F = _propagators(N, H, dH, rows, columns, direction, coefficient, chain, dt, pair_value, pair_bins)
    own, common = np.full(n_chain, -1), -1
    for k in range(n_parameter):
        if chain[k] == n_chain:
            common = k
        elif chain[k] >= 0:
            own[chain[k]] = k
    x, h, nx, nh = np.zeros(m), np.zeros((n_chain, ns)), np.zeros(m), np.zeros((n_chain, ns))
    x[n], nx[n] = 1.0, 1.0
    dz, ndz = np.zeros((n + n_chain * ns, n_parameter)), np.zeros((n + n_chain * ns, n_parameter))
    out, dout = np.zeros((n_scan, n_chain, ns - read_from)), np.zeros((n_scan, n_chain, ns - read_from, n_parameter))
    for step in range(len(step_pair)):
        p = step_pair[step]
        if p >= 0:
            if n_parameter:
                _step_tangents(M[p], F[p], G[p], Hd[p], x, h, dz, ndz, own, common)
                dz, ndz = ndz, dz
            if not _step(E[p], G[p], x, h, nx, nh) <= BOUND:
                return out, dout, False
            x, nx, h, nh = nx, x, nh, h
        for i in range(n_chain):
            scan = read_scan[step, i]
            if scan >= 0:
                out[scan, i] = h[i, read_from:]
                if n_parameter:
                    dout[scan, i] = dz[n + i * ns + read_from : n + (i + 1) * ns]
    return out, dout, True
