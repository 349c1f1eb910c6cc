"""What `tangents` needs to know of each kind of step, laid out for its loops.

A step's kind is its pair of input value and length. Lives here: the layouts. Does not live here: the propagators that they are made from
(`propagators`), the loops over the run (`tangents`).
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ltc_causal.numerics.propagators import TILE, fours

Array = NDArray[np.float64]


class Pairs(NamedTuple):
    """Arrays over the pairs. Rows are the network's units, then each chain's states, both padded to blocks of four; m = units + 1.

    order : (pair,), number of nodes; parts : (pair,), how many equal steps make the pair
    M : (pair, row, unit), all states after the step from the network before
    own : (pair x chain, state, state), each chain after the step from itself before
    arrivals : (pair x unit, row, node), all states after the step from a push into a unit at a node, weighted for the sum over nodes
    way : (pair, node x m, m), the network and the constant 1 at each node, from before the step
    slopes : (pair x chain, parameter x block of four states, from, state in the block), the derivative of a chain's states after the step in
        its two parameters, from the m of the network before and then from the chain's own states
    """

    order: NDArray[np.int64]
    parts: NDArray[np.int64]
    M: Array
    own: Array
    arrivals: Array
    way: Array
    slopes: Array


@numba.njit(cache=True)
def lay_out(on_way, weights, order, parts, dH, n):
    """The layouts, from what `propagators.step_propagators` returns."""
    n_pair, n_chain, ns, m = len(order), dH.shape[0], dH.shape[1], n + 1
    nb, rows, most = fours(ns), fours(n) + n_chain * fours(ns), order.max() if n_pair else 0
    M, own = np.zeros((n_pair, rows, fours(n))), np.zeros((n_pair * n_chain, nb, nb))
    arrivals, way = np.zeros((n_pair * n, rows, most)), np.zeros((n_pair, most * m, m))
    slopes = np.zeros((n_pair * n_chain, nb // 2, m + ns, 4))
    for p in range(n_pair):
        _steps(on_way, p, order[p], n, n_chain, ns, M, own)
        _arrivals(on_way, weights, p, order[p], n, n_chain, ns, arrivals)
        _ways(on_way, p, order[p], n, way)
        for l in range(n_chain):
            _chain_slopes(on_way, weights, p, order[p], dH, n, l, slopes[p * n_chain + l])
    return Pairs(order, parts, M, own, arrivals, way, slopes)


@numba.njit(cache=True)
def _steps(on_way, p, end, n, n_chain, ns, M, own):
    m, first, nb = n + 1, fours(n), fours(ns)
    for r in range(n + n_chain * ns):
        l, s = (r - n) // ns, (r - n) % ns
        row, at = (r, r * m) if r < n else (first + l * nb + s, n * m + (r - n) * (m + ns))
        for i in range(n):
            M[p, row, i] = on_way[p, end, at + i]
        for k in range(ns if r >= n else 0):
            own[p * n_chain + l, s, k] = on_way[p, end, at + m + k]


@numba.njit(cache=True)
def _arrivals(on_way, weights, p, order, n, n_chain, ns, arrivals):
    m, first, nb = n + 1, fours(n), fours(ns)
    for q in range(order):
        # Nodes are symmetric: the rest of the step from node q is the way to its mirror image.
        w, rest = weights[p, q], order - 1 - q
        for r in range(n + n_chain * ns):
            l, s = (r - n) // ns, (r - n) % ns
            row, at = (r, r * m) if r < n else (first + l * nb + s, n * m + (r - n) * (m + ns))
            for i in range(n):
                arrivals[p * n + i, row, q] = w * on_way[p, rest, at + i]


@numba.njit(cache=True)
def _ways(on_way, p, order, n, way):
    m = n + 1
    for q in range(order):
        for i in range(n):
            for j in range(m):
                way[p, q * m + i, j] = on_way[p, q, i * m + j]
        way[p, q * m + n, n] = 1.0


@numba.njit(cache=True)
def _chain_slopes(on_way, weights, p, order, dH, n, l, out):
    """A change of the rate from state k to state s pushes state s, at every node, by what state k is there."""
    ns, width, size = dH.shape[1], n + 1 + dH.shape[1], on_way.shape[2]
    first, start, blocks = n * (n + 1) + l * ns * width, p * on_way.shape[1] * size, len(out) // 2
    way, arrived = on_way.reshape(-1), np.empty(4 * blocks * TILE)
    for column in range(0, width, TILE):
        for a in range(2):
            arrived[:] = 0.0
            for s in range(ns):
                for k in range(0, ns, 4):
                    is_pushed = False
                    for i in range(k, min(k + 4, ns)):
                        is_pushed |= dH[l, s, i, a] != 0.0
                    for q in range(order if is_pushed else 0):
                        # Nodes are symmetric, as in `_arrivals`.
                        there, rest = start + q * size + first + column, start + (order - 1 - q) * size + first + n + 1 + s
                        for r in range(0, ns, 4):
                            _push_four(arrived, r, way, there, rest, width, weights[p, q], dH, l, s, k, a)
            for c in range(min(TILE, width - column)):
                for r in range(ns):
                    out[a * blocks + r // 4, column + c, r % 4] = arrived[TILE * r + c]


@numba.njit(cache=True, fastmath={"contract"}, forceinline=True)
def _push_four(arrived, r, way, there, rest, width, weight, dH, l, s, k, a):
    """Four states, r and on, after the step from a push of state s at one node by four others, k and on; weights beyond the last are zero."""
    last = dH.shape[1] - 1
    k1, k2, k3, r1, r2, r3 = min(k + 1, last), min(k + 2, last), min(k + 3, last), min(r + 1, last), min(r + 2, last), min(r + 3, last)
    d0, d1 = weight * dH[l, s, k, a], weight * dH[l, s, k1, a] * (k1 > k)
    d2, d3 = weight * dH[l, s, k2, a] * (k2 > k1), weight * dH[l, s, k3, a] * (k3 > k2)
    w0, w1, w2, w3 = way[rest + r * width], way[rest + r1 * width], way[rest + r2 * width], way[rest + r3 * width]
    A, B = way[there + k * width : there + k * width + TILE], way[there + k1 * width : there + k1 * width + TILE]
    C, D = way[there + k2 * width : there + k2 * width + TILE], way[there + k3 * width : there + k3 * width + TILE]
    out = arrived[r * TILE : (r + 4) * TILE]
    for c in range(TILE):
        pushed = (d0 * A[c] + d1 * B[c]) + (d2 * C[c] + d3 * D[c])
        out[c] += w0 * pushed
        out[TILE + c] += w1 * pushed
        out[2 * TILE + c] += w2 * pushed
        out[3 * TILE + c] += w3 * pushed
