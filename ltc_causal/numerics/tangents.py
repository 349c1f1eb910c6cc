"""Derivatives of a cascade's course in the parameters of its network and of its chains.

The derivatives z of all states move by the same step as the states do, plus what their parameter pushed on the way. Parameters do not see one
another, so they go through the run in tiles of a few columns, which stay in the nearest cache.

What is pushed is linear in the network before the step, sum_c x_c F_c. In small networks F is tabulated for the pairs that occur often;
otherwise pushes are summed over the quadrature's nodes in each step.

Lives here: the loops over the run. Does not live here: the course itself (`cascade`), what is known of each pair (`pairs`).
"""

import numba
import numpy as np

from ltc_causal.numerics.propagators import TILE, add_product, fours


@numba.njit(cache=True)
def tangents(pairs, X, before, row, column, coefficient, chain, weights, tabulated, pair_value, step_pair, read_scan, dh):
    """Fill dh (scan, chain, state, parameter); see `cascade.course_and_tangents`.

    X, before : network and chains before each part of each step
    weights : (scan, chain, state) of the weighted sum that is wanted, or of no scans if all states are (the last ones of each chain)
    """
    n_chain, ns = before.shape[1:]
    # Those that move an entry of the network, by target, so that the few parameters of a tile push few units.
    parameters = np.argsort(np.where(row >= 0, row * X.shape[1] + column, -1), kind="mergesort")[(row < 0).sum() :]
    _network_tangents(pairs, X, parameters, row, column, coefficient, n_chain, ns, weights, tabulated, pair_value, step_pair, read_scan, dh)
    _sort_columns(dh, parameters)
    if (chain >= 0).any():
        _chain_tangents(pairs, X, before, chain, weights, step_pair, read_scan, dh)


@numba.njit(cache=True)
def _network_tangents(
    pairs, X, parameters, row, column, coefficient, n_chain, ns, weights, tabulated, pair_value, step_pair, read_scan, dh
):
    """Derivatives in the entries of the network, tile by tile, into the first columns of dh, in the order of `parameters`."""
    order, parts, M, own, arrivals, way, _ = pairs
    m, n_read = X.shape[1], weights.shape[2]
    n, first, nb = m - 1, fours(m - 1) * TILE, fours(ns) * TILE
    size = first + n_chain * nb
    table, basis, nodes = _nodes(way, X, parts, step_pair, tabulated)
    F, selected = np.empty((len(basis) // m, m, size)), np.zeros(arrivals.shape[2] * TILE)
    for start in range(0, len(parameters), TILE):
        tile = parameters[start : start + TILE]
        for p in range(len(table)):
            for c in range(m if table[p] >= 0 else 0):
                out, at = F[table[p], c], table[p] * m + c
                out[:] = 0.0
                _push(arrivals, p * n, order[p], basis, at, row, column, coefficient, pair_value[p], tile, selected, out)
        z, new = np.zeros(size), np.zeros(size)
        at, at_node = 0, 0
        for k in range(len(step_pair)):
            p = step_pair[k]
            for _ in range(parts[p] if p >= 0 else 0):
                if table[p] >= 0:
                    _combine(new, X, at, F, table[p])
                else:
                    new[:] = 0.0
                    _push(arrivals, p * n, order[p], nodes, at_node, row, column, coefficient, pair_value[p], tile, selected, new)
                    at_node += 1
                add_product(new, 0, M, p, M.shape[2], z, 0)
                for l in range(n_chain):
                    add_product(new, first + l * nb, own, p * n_chain + l, own.shape[2], z, first + l * nb)
                z, new = new, z
                at += 1
            for l in range(n_chain):
                if read_scan[k, l] >= 0:
                    _read(z, first + l * nb + (ns - n_read) * TILE, weights, read_scan[k, l], l, dh, start, len(tile))


@numba.njit(cache=True)
def _nodes(way, X, parts, step_pair, tabulated):
    """The network at the nodes: of each part of a step, or for a table once for each pair, when one unit alone was active before.

    A table costs as much as m steps of its pair, and saves most of what they cost. Returns table (pair,), the number of its table or -1;
    basis (table x unit, node, unit); nodes (part of a step without a table, node, unit).
    """
    n_pair, m, entries = len(parts), X.shape[1], way.shape[1]
    count, table = np.zeros(n_pair, dtype=np.int64), np.full(n_pair, -1)
    for p in step_pair:
        if p >= 0:
            count[p] += parts[p]
    n_table, n_rest = 0, 0
    for p in range(n_pair):
        if tabulated and count[p] > m:
            table[p] = n_table
            n_table += 1
        else:
            n_rest += count[p]
    basis, nodes = np.empty((n_table * m, entries // m, m)), np.empty((n_rest, entries // m, m))
    for p in range(n_pair):
        for c in range(m if table[p] >= 0 else 0):
            for e in range(entries):
                basis[table[p] * m + c, e // m, e % m] = way[p, e, c]
    at, at_node = 0, 0
    for p in step_pair:
        for _ in range(parts[p] if p >= 0 else 0):
            if table[p] < 0:
                np.dot(way[p], X[at], nodes[at_node].reshape(-1))
                at_node += 1
            at += 1
    return table, basis, nodes


@numba.njit(cache=True)
def _push(arrivals, first, order, nodes, at, row, column, coefficient, value, tile, selected, out):
    """Add to `out` what a tile of parameters pushes into the network in one step, from the network at its nodes, nodes[at].

    For each unit that is pushed: (row, node) @ (node, parameter), with zeros for the parameters that push others; `selected` is zero before
    and after.
    """
    start = 0
    while start < len(tile):
        unit, end = row[tile[start]], start
        while end < len(tile) and row[tile[end]] == unit:
            k = tile[end]
            for q in range(order):
                selected[q * TILE + end] = coefficient[value, k] * nodes[at, q, column[k]]
            end += 1
        add_product(out, 0, arrivals, first + unit, order, selected, 0)
        for q in range(order):
            for e in range(start, end):
                selected[q * TILE + e] = 0.0
        start = end


@numba.njit(cache=True, fastmath={"contract"})
def _combine(out, X, at, F, p):
    """Out = X[at] @ F[p], four rows at a time since passes over `out` are what costs."""
    out[:] = 0.0
    m = X.shape[1]
    for r in range(0, m - 3, 4):
        a, b, c, d = X[at, r], X[at, r + 1], X[at, r + 2], X[at, r + 3]
        for k in range(len(out)):
            out[k] += a * F[p, r, k] + b * F[p, r + 1, k] + (c * F[p, r + 2, k] + d * F[p, r + 3, k])
    for r in range(m // 4 * 4, m):
        a = X[at, r]
        for k in range(len(out)):
            out[k] += a * F[p, r, k]


@numba.njit(cache=True, forceinline=True)
def _read(z, first, weights, scan, l, dh, start, count):
    """Put rows of z, the derivatives of chain l's last states, or their weighted sum, into columns of dh."""
    for s in range(weights.shape[2]):
        at = first + s * TILE
        if len(weights):
            for e in range(count):
                dh[scan, l, 0, start + e] += weights[scan, l, s] * z[at + e]
        else:
            for e in range(count):
                dh[scan, l, s, start + e] = z[at + e]


@numba.njit(cache=True)
def _sort_columns(dh, parameters):
    """Move the first columns of dh to where they belong. Row by row, because the loops over the run would scatter them over all memory."""
    n_scan, n_chain, n_read, _ = dh.shape
    row = np.empty(len(parameters))
    for scan in range(n_scan):
        for l in range(n_chain):
            for s in range(n_read):
                for e in range(len(parameters)):
                    row[e] = dh[scan, l, s, e]
                    dh[scan, l, s, e] = 0.0
                for e in range(len(parameters)):
                    dh[scan, l, s, parameters[e]] = row[e]


@numba.njit(cache=True)
def _chain_tangents(pairs, X, before, chain, weights, step_pair, read_scan, dh):
    """Derivatives in the parameters of the chains: two of each chain, which move no network and no other chain."""
    n_chain, ns = before.shape[1:]
    m, n_read, blocks = X.shape[1], weights.shape[2], pairs.own.shape[1] // 4
    slopes, own, column = pairs.slopes, _in_columns_of_four(pairs.own), _columns(chain, n_chain)
    z, new, states = np.zeros((n_chain, 2, 4 * blocks)), np.zeros((n_chain, 2, 4 * blocks)), np.zeros(slopes.shape[2])
    at = 0
    for k in range(len(step_pair)):
        p = step_pair[k]
        for _ in range(pairs.parts[p] if p >= 0 else 0):
            for c in range(m):
                states[c] = X[at, c]
            for l in range(n_chain):
                for s in range(ns):
                    states[m + s] = before[at, l, s]
                for a in range(2):
                    for b in range(blocks):
                        _move_four(new, l, a, b, states, slopes, own, p * n_chain + l, z)
            z, new = new, z
            at += 1
        for l in range(n_chain):
            for a in range(2 if read_scan[k, l] >= 0 else 0):
                if column[a, l] >= 0:
                    _read_one(z, l, a, ns - n_read, weights, read_scan[k, l], dh, column[a, l])


@numba.njit(cache=True)
def _in_columns_of_four(own):
    """Matrices as (matrix, block of four rows, column, row in the block), so that what moves four states together lies side by side."""
    columns = np.empty((len(own), own.shape[1] // 4, own.shape[2], 4))
    for p in range(len(own)):
        for i in range(own.shape[1]):
            for j in range(own.shape[2]):
                columns[p, i // 4, j, i % 4] = own[p, i, j]
    return columns


@numba.njit(cache=True, fastmath={"contract"}, forceinline=True)
def _move_four(new, l, a, b, states, slopes, own, which, z):
    """Four states of chain l after a step, their derivative in its parameter a. Sums stay in registers: arrays of four would not."""
    side = a * own.shape[1] + b
    p, q, r, s = 0.0, 0.0, 0.0, 0.0
    for c in range(len(states)):
        x = states[c]
        p += x * slopes[which, side, c, 0]
        q += x * slopes[which, side, c, 1]
        r += x * slopes[which, side, c, 2]
        s += x * slopes[which, side, c, 3]
    for c in range(own.shape[2]):
        x = z[l, a, c]
        p += x * own[which, b, c, 0]
        q += x * own[which, b, c, 1]
        r += x * own[which, b, c, 2]
        s += x * own[which, b, c, 3]
    new[l, a, 4 * b], new[l, a, 4 * b + 1], new[l, a, 4 * b + 2], new[l, a, 4 * b + 3] = p, q, r, s


@numba.njit(cache=True, forceinline=True)
def _read_one(z, l, a, first, weights, scan, dh, column):
    """`_read` of one parameter."""
    for s in range(weights.shape[2]):
        if len(weights):
            dh[scan, l, 0, column] += weights[scan, l, s] * z[l, a, first + s]
        else:
            dh[scan, l, s, column] = z[l, a, first + s]


@numba.njit(cache=True)
def _columns(chain, n_chain):
    """Which parameter is each chain's own (first row), and which the common one (second row); -1 for none."""
    column = np.full((2, n_chain), -1)
    for e in range(len(chain)):
        if chain[e] == n_chain:
            column[1] = e
        elif chain[e] >= 0:
            column[0, chain[e]] = e
    return column
