"""What one step of a cascade does to its state, and what it makes of a small push on the way.

With A the matrix of network, drive and chains together, a step of length t is exp(A t), and a push e_i x_j(s) at time s arrives as
exp(A (t - s)) e_i x_j(s). Summed over the nodes of a Gauss-Legendre rule this is the derivative of the step in N_ij (Najfeld and Havel
1995, eq. 20, by quadrature), without the derivative of any matrix exponential.

All exponentials under one input value come from one table of A^k / k!: a matrix product with powers of the times gives them all at once.

Lives here: the propagators of every step that a run needs, at its end and at the nodes; the product of blocks. Does not live here: stepping
through a run (`cascade`, `tangents`).
"""

import numba
import numpy as np

from ltc_causal.numerics.quadrature import NODES, ORDERS, WEIGHTS, rule

TILE = 16  # columns that go through a step together: two or four registers, and few enough that all rows stay in the nearest cache
LONGEST = 6.5  # longest step times rate of the series: its terms then stay below e^6.5, so that rounding stays below 1e-13
MOST_PARTS = 1000  # steps are cut to that length; a run that needs more parts a step has left the model
_TERM, _POWER, _MOST_TERMS = 1e-17, 16, 64  # size at which the series ends; the power whose norm gives the rate


@numba.njit(cache=True, fastmath={"contract"}, forceinline=True)
def _add_block(out, o, W, w, i, j, z, a):
    """Four rows of `out`, from entry o, += W[w, i:i+4, j:j+4] @ four rows of z, from entry a."""
    # The constant width lets the compiler keep rows in registers and use vector multiply-adds: four times as fast as rows of unknown width.
    out, z = out[o : o + 4 * TILE], z[a : a + 4 * TILE]
    a0, a1, a2, a3 = W[w, i, j], W[w, i, j + 1], W[w, i, j + 2], W[w, i, j + 3]
    b0, b1, b2, b3 = W[w, i + 1, j], W[w, i + 1, j + 1], W[w, i + 1, j + 2], W[w, i + 1, j + 3]
    c0, c1, c2, c3 = W[w, i + 2, j], W[w, i + 2, j + 1], W[w, i + 2, j + 2], W[w, i + 2, j + 3]
    d0, d1, d2, d3 = W[w, i + 3, j], W[w, i + 3, j + 1], W[w, i + 3, j + 2], W[w, i + 3, j + 3]
    for k in range(TILE):
        z0, z1, z2, z3 = z[k], z[TILE + k], z[2 * TILE + k], z[3 * TILE + k]
        out[k] += a0 * z0 + a1 * z1 + a2 * z2 + a3 * z3
        out[TILE + k] += b0 * z0 + b1 * z1 + b2 * z2 + b3 * z3
        out[2 * TILE + k] += c0 * z0 + c1 * z1 + c2 * z2 + c3 * z3
        out[3 * TILE + k] += d0 * z0 + d1 * z1 + d2 * z2 + d3 * z3


@numba.njit(cache=True, forceinline=True)
def add_product(out, o, W, w, columns, z, a):
    """Rows of `out` += W[w, :, :columns] @ rows of z: flat arrays of rows of TILE, from entries o and a; sides are multiples of four.

    Offsets instead of slices, because numba counts references to every slice, which in small products costs more than they do.
    """
    for i in range(0, W.shape[1], 4):
        for j in range(0, columns, 4):
            _add_block(out, o + i * TILE, W, w, i, j, z, a + j * TILE)


@numba.njit(cache=True)
def fours(count):
    """The next multiple of four."""
    return (count + 3) // 4 * 4


# A propagator is a flat vector: the network's n rows of m = n + 1 entries (from each unit, and from the constant 1 that carries the
# drive), then for each chain its ns rows of m + ns entries (from the network, and from the chain itself), then TILE entries of no meaning.


@numba.njit(cache=True)
def _store(Z, n, m, n_chain, ns, T, order):
    """Copy a propagator from tiles of columns (see `_table`) into a row of the table."""
    at, first, nb = 0, fours(m), fours(ns)
    for r in range(n + n_chain * ns):
        row = r if r < n else first + (r - n) // ns * nb + (r - n) % ns
        width = m if r < n else m + ns
        for tile in range((width + TILE - 1) // TILE):
            start = at + tile * TILE
            to, values = T[order, start : start + TILE], Z[tile, row * TILE : (row + 1) * TILE]
            # Whole tiles, since copies of a constant length are quick; the next row overwrites what is too much.
            for k in range(TILE):
                to[k] = values[k]
        at += width


@numba.njit(cache=True)
def _norm(flat, n, m, n_chain, ns):
    """Largest row sum of a propagator, but for the drive, whose scale is no rate."""
    at, largest = 0, 0.0
    for r in range(n + n_chain * ns):
        width, total = m if r < n else m + ns, 0.0
        for k in range(width):
            total += abs(flat[at + k]) if k != n else 0.0
        at += width
        if total > largest or np.isnan(total):
            largest = total
    return largest


@numba.njit(cache=True)
def _table(N, H, length, T):
    """Fill T with (A - c)^k / k! as propagators, until step lengths up to `length` are exact to rounding.

    The shift c to the middle of the diagonal halves the rate. Returns c and the rate, ||(A - c)^16||^(1/16), which bounds the powers that
    follow (Al-Mohy and Higham 2009) much closer than the norm does.
    """
    n, m = N.shape
    n_chain, ns = H.shape[:2]
    low, high = 0.0, 0.0
    for i in range(n):
        low, high = min(low, N[i, i]), max(high, N[i, i])
    for l in range(n_chain):
        for s in range(ns):
            low, high = min(low, H[l, s, s]), max(high, H[l, s, s])
    c = 0.5 * (low + high)
    mb, nb = fours(m), fours(ns)
    A, B = np.zeros((1, mb, mb)), np.zeros((n_chain, nb, nb))
    A[0, :n, :m], B[:, :ns, :ns] = N, H
    for i in range(m):
        A[0, i, i] -= c
    for s in range(ns):
        B[:, s, s] -= c
    tiles, size = (m + ns + TILE - 1) // TILE, (mb + n_chain * nb) * TILE
    Z, out = np.zeros((tiles, size)), np.zeros((tiles, size))
    for column in range(m + ns):
        tile, k = column // TILE, column % TILE
        if column < m:
            Z[tile, column * TILE + k] = 1.0
        else:
            for l in range(n_chain):
                Z[tile, (mb + l * nb + column - m) * TILE + k] = 1.0
    _store(Z, n, m, n_chain, ns, T, 0)
    order, rate, factorial = 0, 0.0, 1.0
    while order < _POWER or (order < _MOST_TERMS - 1 and order < terms(min(rate * length, LONGEST))):
        order += 1
        for tile in range(tiles):
            new, old = out[tile], Z[tile]
            new[:] = 0.0
            add_product(new, 0, A, 0, mb, old, 0)
            for l in range(n_chain):
                at = (mb + l * nb) * TILE
                add_product(new, at, B, l, nb, old, at)
                for k in range(TILE):
                    new[at + k] += old[l * TILE + k]
            scale = 1.0 / order
            for e in range(size):
                new[e] *= scale
        Z, out = out, Z
        _store(Z, n, m, n_chain, ns, T, order)
        if order <= _POWER:
            factorial *= order
        if order == _POWER:
            rate = (_norm(T[order], n, m, n_chain, ns) * factorial) ** (1.0 / order)
    return c, rate


@numba.njit(cache=True)
def terms(x):
    """How many terms of the exponential series count at x."""
    count, size = 1, 1.0
    while count < 4 or size > _TERM:
        size *= x / count
        count += 1
        if count == _MOST_TERMS:
            break
    return count


@numba.njit(cache=True)
def step_propagators(N, H, dt, pair_value, pair_bins, at_nodes):
    """Propagators of every (input value, number of bins) pair that a run needs.

    N, H : as in `cascade.course`; at_nodes : whether values at the nodes are wanted

    Returns parts (pair,), how many steps of that kind make the pair, since quadrature and series reach only so far; order (pair,), number of
    nodes; on_way (pair, node, entry), the propagators from the start to each node, and after the last node to the end; weights (pair, node),
    the nodes' shares of the step's length; and whether all this could be done.
    """
    n_value, n, m = N.shape
    n_chain, ns = H.shape[:2]
    n_pair, size = len(pair_value), n * m + n_chain * ns * (m + ns) + TILE
    most = ORDERS[-1] if at_nodes else 0
    on_way, weights = np.empty((n_pair, most + 1, size)), np.zeros((n_pair, most))
    parts, order = np.ones(n_pair, dtype=np.int64), np.zeros(n_pair, dtype=np.int64)
    T, times = np.zeros((_MOST_TERMS, size)), np.empty(most + 1)
    for value in range(n_value):
        longest = 0
        for p in range(n_pair):
            if pair_value[p] == value:
                longest = max(longest, pair_bins[p])
        if longest == 0:
            continue
        c, rate = _table(N[value], H, longest * dt, T)
        if not rate * longest * dt <= LONGEST * MOST_PARTS:
            return parts, order, on_way, weights, False
        for p in range(n_pair):
            if pair_value[p] != value:
                continue
            parts[p] = max(1, int(np.ceil(rate * pair_bins[p] * dt / LONGEST)))
            length = pair_bins[p] * dt / parts[p]
            if at_nodes:
                # The derivative of exp(A (t - s)) e exp(A s) in s is a commutator with A: it grows by twice the rate.
                which = rule(2.0 * rate * length)
                order[p] = ORDERS[which]
                for q in range(order[p]):
                    weights[p, q], times[q] = length * WEIGHTS[which, q], length * NODES[which, q]
            times[order[p]] = length
            _evaluate(T[: terms(rate * length)], c, times[: order[p] + 1], on_way[p, : order[p] + 1])
    return parts, order, on_way, weights, True


@numba.njit(cache=True)
def _evaluate(T, c, times, out):
    """Out[t] = exp(A t) at some times, from the table of (A - c)^k / k!."""
    powers = np.empty((len(times), len(T)))
    for t in range(len(times)):
        power = np.exp(c * times[t])
        for k in range(len(T)):
            powers[t, k] = power
            power *= times[t]
    np.dot(powers, T, out)
