"""What `tangents` needs to know of each kind of step, laid out for its loops.

A step's kind is its pair of input value and length. Lives here: the layouts. Does not live here: the propagators that they are made from
(`propagators`), the loops over the run (`tangents`).
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ltc_causal.numerics.propagators import TILE, add_product, fours

Array = NDArray[np.float64]


class Pairs(NamedTuple):
    """Arrays over the pairs. Rows are the network's units, then each chain's states, both padded to blocks of four; m = units + 1.

    order : (pair,), number of nodes; parts : (pair,), how many equal steps make the pair
    M : (pair, row, unit), all states after the step from the network before
    own : (pair x chain, state, state), each chain after the step from itself before
    arrivals : (pair x unit, row, node), all states after the step from a push into a unit at a node, weighted for the sum over nodes
    way : (pair, node x m, m), the network and the constant 1 at each node, from before the step
    by_network : (pair, m, side), by_chain : (pair, side x state), the derivative of the chains' states after the step in the two parameters
        of each, from network and chain before; a side is (group of TILE chains, parameter, state, chain in the group), chains side by side
    """

    order: NDArray[np.int64]
    parts: NDArray[np.int64]
    M: Array
    own: Array
    arrivals: Array
    way: Array
    by_network: Array
    by_chain: Array


@numba.njit(cache=True)
def lay_out(on_way, weights, order, parts, dH, n):
    """The layouts, from what `propagators.step_propagators` returns."""
    n_pair, n_chain, ns, m = len(order), dH.shape[0], dH.shape[1], n + 1
    nb, rows, most = fours(ns), fours(n) + n_chain * fours(ns), order.max() if n_pair else 0
    sides = (n_chain + TILE - 1) // TILE * 2 * nb * TILE
    M, own = np.zeros((n_pair, rows, fours(n))), np.zeros((n_pair * n_chain, nb, nb))
    arrivals, way = np.zeros((n_pair * n, rows, most)), np.zeros((n_pair, most * m, m))
    by_network, by_chain = np.zeros((n_pair, m, sides)), np.zeros((n_pair, sides * nb))
    for p in range(n_pair):
        _steps(on_way, p, order[p], n, n_chain, ns, M, own)
        _arrivals(on_way, weights, p, order[p], n, n_chain, ns, arrivals)
        _ways(on_way, p, order[p], n, way)
    _chain_slopes(on_way, weights, order, dH, n, by_network, by_chain)
    return Pairs(order, parts, M, own, arrivals, way, by_network, by_chain)


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
def _chain_slopes(on_way, weights, order, dH, n, by_network, by_chain):
    """A change of the rate from state k to state s pushes state s, at every node, by what state k is there."""
    n_chain, ns = dH.shape[:2]
    m, nb, most = n + 1, fours(ns), weights.shape[1]
    there, total = np.zeros(ns * most * TILE), np.zeros(nb * TILE)
    rest, scaled = np.zeros((ns, nb, most)), np.zeros((1, nb, most))
    for p in range(len(order)):
        for l in range(n_chain):
            first = n * m + l * ns * (m + ns)
            for q in range(order[p]):
                w, end = weights[p, q], order[p] - 1 - q
                for s in range(ns):
                    for k in range(ns):
                        rest[k, s, q] = w * on_way[p, end, first + s * (m + ns) + m + k]
            for start in range(0, m + ns, TILE):
                width = min(TILE, m + ns - start)
                for q in range(order[p]):
                    for k in range(ns):
                        at, to = first + k * (m + ns) + start, (k * most + q) * TILE
                        values, tile = on_way[p, q, at : at + TILE], there[to : to + TILE]
                        for column in range(TILE):
                            tile[column] = values[column]
                for a in range(2):
                    total[:] = 0.0
                    for s in range(ns):
                        for k in range(ns):
                            if dH[l, s, k, a] != 0.0:
                                for row in range(ns):
                                    for q in range(order[p]):
                                        scaled[0, row, q] = dH[l, s, k, a] * rest[s, row, q]
                                add_product(total, 0, scaled, 0, order[p], there, k * most * TILE)
                    for s in range(ns):
                        side = ((l // TILE * 2 + a) * nb + s) * TILE
                        for column in range(width):
                            c = start + column
                            if c < m:
                                by_network[p, c, side + l % TILE] = total[s * TILE + column]
                            else:
                                by_chain[p, side * nb + (c - m) * TILE + l % TILE] = total[s * TILE + column]
