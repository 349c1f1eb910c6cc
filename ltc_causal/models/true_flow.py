"""Courses of the flow as stated, neuronal and haemodynamic together, with exact sensitivities.

Classical Runge-Kutta of order 4 with steps of at most MAX_STEP within each stretch of constant input; the tangents are the derivative of
the very steps taken, so gradient and prediction agree to rounding. One integrator for every neuronal model: a linear network (bilinear and
two-state models), or one with gated and saturating synapses (nonlinear and liquid models).

Lives here: the compiled loop. Does not live here: the equations' numpy form (`neuronal`, `haemodynamics`, `system`).
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ltc_causal.models.haemodynamics import N_STATE, SIGNAL_DECAY, TRANSIT_TIME, VOLUME, flow_and_slopes
from ltc_causal.models.neuronal import Weights, network
from ltc_causal.models.parameters import GATING, KAPPA, NETWORK, NOTHING, Moves
from ltc_causal.numerics.schedule import Steps

FAST: Any = dict(cache=True, error_model="numpy", fastmath={"contract"})  # fused multiply-add, no check for division by zero; NaN stays NaN
MAX_STEP = 0.5  # s; BOLD then differs from a converged integration by less than 1e-4 of its range (5e-6 at 0.25, 4e-4 at 1)
BOUND = 30.0  # log states and activity beyond this have left the model (e^30 times the resting volume)
ACTIVITY_BOUND = 1e6  # activity beyond this, where there is no haemodynamics that would fail first


def course(weights: Weights, transit: NDArray | None, decay: float, steps: Steps) -> tuple[NDArray, bool]:
    """Log v and log q at the readings, shape (scan, region, 2), and whether they stayed within bounds.

    transit : None for activity itself at the readings, shape (scan, region, 1), without haemodynamics
    """
    none = np.zeros(0, dtype=np.int64)
    moves = Moves(none, none, none, none, np.zeros((len(steps.values), 0)), none)
    states, _, stable = _run(*_constants(weights, transit, decay, steps), *moves, *steps.arrays)  # pyright: ignore
    return states, stable


def course_and_tangents(
    weights: Weights, transit: NDArray | None, decay: float, moves: Moves, steps: Steps
) -> tuple[NDArray, NDArray, bool]:
    """`course`, and its derivative in the parameters of `moves`, shape (scan, region, 2 or 1, parameter)."""
    return _run(*_constants(weights, transit, decay, steps), *moves, *steps.arrays)  # pyright: ignore


def _constants(weights: Weights, transit: NDArray | None, decay: float, steps: Steps) -> tuple:
    n = len(weights.A)
    D = np.zeros((0, n, n)) if weights.D is None else weights.D
    synapses = np.stack([np.broadcast_to(np.asarray(v, dtype=float), (n, n)) for v in (weights.kappa, weights.tau, weights.lambda_)])
    inverse_tau = np.zeros(0) if transit is None else 1 / (TRANSIT_TIME * np.exp(transit))
    return network(weights, steps.values), D, synapses, SIGNAL_DECAY * float(np.exp(decay)), inverse_tau


@numba.njit(**FAST)
def _linear(N, x, rates, J, pool):
    """Rates of a linear network, their Jacobian J, and what moving each entry of N moves (in the pool)."""
    U = len(rates)
    for i in range(U):
        total, first = N[i, U], i * (U + 1)
        for j in range(U):
            total += N[i, j] * x[j]
            J[i, j] = N[i, j]
            pool[first + j] = x[j]
        rates[i] = total
        pool[first + U] = 1.0


@numba.njit(**FAST)
def _gated(N, D, synapses, x, rates, J, pool):
    """The same for gated, saturating synapses, and each synapse's derivatives in log kappa, tau and lambda."""
    n = len(rates)
    moved = pool[: n * (n + 1)].reshape((n, n + 1))
    by_synapse = pool[n * (n + 1) :].reshape((3, n, n))
    kappa, tau, lam = synapses
    for i in range(n):
        rates[i], moved[i, n] = N[i, n], 1.0
        for j in range(n):
            J[i, j] = 0.0
    for i in range(n):
        gain = 0.0
        for l in range(len(D)):
            gain += D[l, i, i] * x[l]
        gain = np.exp(gain)
        rate = N[i, i] * gain * x[i]
        rates[i] += rate
        moved[i, i] = gain * x[i]
        J[i, i] += N[i, i] * gain
        for l in range(len(D)):
            J[i, l] += rate * D[l, i, i]
        for j in range(n):
            if i == j:
                continue
            w = N[i, j]
            for l in range(len(D)):
                w += D[l, i, j] * x[l]
            a, k = w * x[j], kappa[i, j]
            value, slope, by_tau = a, 1.0, 0.0
            if k != 0.0:
                T, t = np.tanh(tau[i, j]), np.tanh(k * a - tau[i, j])
                scale = 1.0 - T * T
                value, slope = (t + T) / (k * scale), (1.0 - t * t) / scale
                by_tau = (1.0 - slope) / k + 2.0 * T * value
            brake = 1.0 - lam[i, j] * x[i]
            rates[i] += value * brake
            moved[i, j] = slope * x[j] * brake
            J[i, j] += slope * w * brake
            J[i, i] -= lam[i, j] * value
            for l in range(len(D)):
                J[i, l] += slope * brake * D[l, i, j] * x[j]
            by_synapse[0, i, j] = (a * slope - value) * brake
            by_synapse[1, i, j] = by_tau * brake
            by_synapse[2, i, j] = -value * x[i]


# Tangents are one flat array: for each chunk of up to WIDTH parameters and each unit ten rows, those of s, log f, log v and log q of its
# region, of its activity at the four stages of a step, their sum over the stages, and a rate. With rows a constant distance apart in one
# array, and unsigned positions, the compiler sees that they do not overlap, and works on several parameters at once.
WIDTH = 64
_ACTIVITY, _SUM, _RATE, _ROWS = 4, 8, 9, 10


@numba.njit(**FAST)
def _at(chunk, unit, row, n_unit):
    """Where a row begins."""
    return np.uint64(((chunk * n_unit + unit) * _ROWS + row) * WIDTH)


@numba.njit(**FAST)
def _add_scaled(T, out, weight, row, count):
    for p in range(count):
        T[out + p] += weight * T[row + p]


@numba.njit(**FAST)
def _advance(T, first, stage, gain, weight, count):
    """Add a stage's rate to the sum of the step, and put activity at the next stage where it belongs; `first` is the unit's first row."""
    total, rate, start = first + np.uint64(_SUM * WIDTH), first + np.uint64(_RATE * WIDTH), first + np.uint64(_ACTIVITY * WIDTH)
    for p in range(count):
        T[total + p] += gain * T[rate + p]
    if stage < 3:
        following = first + np.uint64((_ACTIVITY + stage + 1) * WIDTH)
        for p in range(count):
            T[following + p] = T[start + p] + weight * T[rate + p]


@numba.njit(**FAST)
def _forcing(T, chunk, pool, x, moves):
    """Add to the rates of a chunk what each parameter moves by itself: an entry of the pool, times a coefficient, times what gates it."""
    entry, place, gate, coefficient = moves
    U = len(x)
    for p in range(chunk * WIDTH, min((chunk + 1) * WIDTH, len(entry))):
        if entry[p] >= 0:
            by = coefficient[p] * pool[entry[p]]
            if gate[p] >= 0:
                by *= x[gate[p]]
            T[place[p]] += by
        else:  # the one saturation of all synapses
            for target in range(U):
                for source in range(U):
                    T[_at(chunk, target, _RATE, U) + np.uint64(p % WIDTH)] += pool[_pool_entry(KAPPA, target, source, U)]


@numba.njit(**FAST)
def _pool_entry(kind, row, column, n_unit):
    """Where the pool holds what a parameter moves: entries of the network first, then each synapse in log kappa, tau and lambda."""
    if kind == NETWORK or kind == GATING:
        return row * (n_unit + 1) + column
    return n_unit * (n_unit + 1) + ((kind - KAPPA) * n_unit + row) * n_unit + column


@numba.njit(**FAST)
def _placed(kind, row, column, gate, n_unit):
    """Entry of the pool that each parameter moves (-1 for the one saturation of all synapses), where in T it does so, and its gate."""
    entry, place = np.full(len(kind), -1), np.zeros(len(kind), dtype=np.uint64)
    for p in range(len(kind)):
        if row[p] >= 0:
            entry[p] = _pool_entry(kind[p], row[p], column[p], n_unit)
            place[p] = _at(p // WIDTH, row[p], _RATE, n_unit) + np.uint64(p % WIDTH)
    return entry, place, gate


@numba.njit(**FAST)
def _stage_tangents(T, number, J, pool, x, moves, gain, weight):
    """One stage of the tangents of the neuronal states."""
    U, P = len(x), len(moves[0])
    for chunk in range((P + WIDTH - 1) // WIDTH):
        count = np.uint64(min(WIDTH, P - chunk * WIDTH))
        for i in range(U):
            rate = _at(chunk, i, _RATE, U)
            for p in range(count):
                T[rate + p] = 0.0
            for j in range(U):
                if J[i, j] != 0.0:
                    _add_scaled(T, rate, J[i, j], _at(chunk, j, _ACTIVITY + number, U), count)
        _forcing(T, chunk, pool, x, moves)
        for i in range(U):
            _advance(T, _at(chunk, i, 0, U), number, gain, weight, count)


@numba.njit(**FAST)
def _neuronal_step(N, D, synapses, gated, width, x, xs, T, moves, work):
    """Move neuronal states x over one step; leave their values at its four stages in xs (unit, 4), their tangents in T.

    Between steps the sums hold the tangents.
    """
    J, pool, total, rate, stage = work
    U, P = len(x), len(moves[0])
    for chunk in range((P + WIDTH - 1) // WIDTH):
        for i in range(U):
            start, sums = _at(chunk, i, _ACTIVITY, U), _at(chunk, i, _SUM, U)
            for p in range(np.uint64(min(WIDTH, P - chunk * WIDTH))):
                T[start + p] = T[sums + p]
    for i in range(U):
        total[i] = stage[i] = x[i]
    for number in range(4):
        if gated:
            _gated(N, D, synapses, stage, rate, J, pool)
        else:
            _linear(N, stage, rate, J, pool)
        gain = width / 6.0 if number in (0, 3) else width / 3.0
        weight = width if number == 2 else width / 2.0
        if P:
            _stage_tangents(T, number, J, pool, stage, moves, gain, weight)
        for i in range(U):
            xs[i, number] = stage[i]
            total[i] += gain * rate[i]
            stage[i] = x[i] + weight * rate[i]
    for i in range(U):
        x[i] = total[i]


@numba.njit(**FAST)
def _rates(signal_decay, slopes, dx, ds, df, dv, dq):
    """One region's tangents of dh/dt."""
    s_f, f_s, f_f, v_f, v_v, q_f, q_v, q_q = slopes
    return dx - signal_decay * ds + s_f * df, f_s * ds + f_f * df, v_f * df + v_v * dv, q_f * df + q_v * dv + q_q * dq


@numba.njit(**FAST)
def _region_tangents(width, signal_decay, slopes, T, first, count):
    """Move the tangents of one region's h over a step: all four stages at once, in registers."""
    half, sixth = 0.5 * width, width / 6.0
    at_a, at_b, at_c, at_d = slopes
    row = np.uint64(WIDTH)
    F, V, Q, A, B, C, D = first + row, first + 2 * row, first + 3 * row, first + 4 * row, first + 5 * row, first + 6 * row, first + 7 * row
    for p in range(count):
        s, f, v, q = T[first + p], T[F + p], T[V + p], T[Q + p]
        a = _rates(signal_decay, at_a, T[A + p], s, f, v, q)
        b = _rates(signal_decay, at_b, T[B + p], s + half * a[0], f + half * a[1], v + half * a[2], q + half * a[3])
        c = _rates(signal_decay, at_c, T[C + p], s + half * b[0], f + half * b[1], v + half * b[2], q + half * b[3])
        d = _rates(signal_decay, at_d, T[D + p], s + width * c[0], f + width * c[1], v + width * c[2], q + width * c[3])
        T[first + p] = s + sixth * (a[0] + 2.0 * (b[0] + c[0]) + d[0])
        T[F + p] = f + sixth * (a[1] + 2.0 * (b[1] + c[1]) + d[1])
        T[V + p] = v + sixth * (a[2] + 2.0 * (b[2] + c[2]) + d[2])
        T[Q + p] = q + sixth * (a[3] + 2.0 * (b[3] + c[3]) + d[3])


@numba.njit(**FAST)
def _own_tangents(width, signal_decay, slopes, forcing, dh):
    """Move the tangents dh (4,) of one region in a parameter of its haemodynamics; forcing is what that adds to each rate at each stage."""
    start = (dh[0], dh[1], dh[2], dh[3])
    now, total = start, (0.0, 0.0, 0.0, 0.0)
    for number in range(4):
        s, f, v, q = _rates(signal_decay, slopes[number], 0.0, *now)
        own = forcing[number]
        rate = (s + own[0], f, v + own[1], q + own[2])
        gain = 1.0 if number in (0, 3) else 2.0
        weight = width if number == 2 else width / 2.0
        total = (total[0] + gain * rate[0], total[1] + gain * rate[1], total[2] + gain * rate[2], total[3] + gain * rate[3])
        now = (start[0] + weight * rate[0], start[1] + weight * rate[1], start[2] + weight * rate[2], start[3] + weight * rate[3])
    for k in range(4):
        dh[k] += width / 6.0 * total[k]


@numba.njit(**FAST)
def _haemodynamic_step(h, x, signal_decay, inverse_tau, width, T, region, n_unit, P, own, tangents):
    """Move one region's h (4,) over a step, from its activity x (4,) at the stages; and its tangents.

    T : in the P parameters that move activity; own : (2, 4), in the region's transit and in decay, which do not
    """
    half = 0.5 * width
    s, f, v, q = h[0], h[1], h[2], h[3]
    a, at_a = flow_and_slopes(s, f, v, q, x[0], signal_decay, inverse_tau)
    s_b = s + half * a[0]
    b, at_b = flow_and_slopes(s_b, f + half * a[1], v + half * a[2], q + half * a[3], x[1], signal_decay, inverse_tau)
    s_c = s + half * b[0]
    c, at_c = flow_and_slopes(s_c, f + half * b[1], v + half * b[2], q + half * b[3], x[2], signal_decay, inverse_tau)
    s_d = s + width * c[0]
    d, at_d = flow_and_slopes(s_d, f + width * c[1], v + width * c[2], q + width * c[3], x[3], signal_decay, inverse_tau)
    for k in range(4):
        h[k] += width / 6.0 * (a[k] + 2.0 * (b[k] + c[k]) + d[k])
    if not tangents:
        return
    slopes = (at_a, at_b, at_c, at_d)
    for chunk in range((P + WIDTH - 1) // WIDTH):
        count = np.uint64(min(WIDTH, P - chunk * WIDTH))
        _region_tangents(width, signal_decay, slopes, T, _at(chunk, region, 0, n_unit), count)
    transit = ((0.0, -a[2], -a[3]), (0.0, -b[2], -b[3]), (0.0, -c[2], -c[3]), (0.0, -d[2], -d[3]))
    _own_tangents(width, signal_decay, slopes, transit, own[0])
    rate = -signal_decay
    decay = ((rate * s, 0.0, 0.0), (rate * s_b, 0.0, 0.0), (rate * s_c, 0.0, 0.0), (rate * s_d, 0.0, 0.0))
    _own_tangents(width, signal_decay, slopes, decay, own[1])


@numba.njit(**FAST)
def _within_bounds(x, h, bound):
    """Whether all states are within bounds; a comparison that NaN fails."""
    largest = 0.0
    for value in x:
        if not abs(value) <= largest:
            largest = abs(value)
    for value in h.flat:
        if not abs(value) <= largest:
            largest = abs(value)
    return largest <= bound


@numba.njit(**FAST)
def _read_tangents(T, own, region, n_unit, state, neuronal, chain, out):
    """One region's tangents of one state by parameter, from where the integration keeps them."""
    for p in range(len(neuronal)):
        out[neuronal[p]] = T[_at(p // WIDTH, region, state, n_unit) + np.uint64(p % WIDTH)]
    for p in range(len(chain)):
        if chain[p] == region:
            out[p] = own[region, 0, state]
        elif chain[p] == len(own):
            out[p] = own[region, 1, state]


@numba.njit(**FAST)
def _run(
    N, D, synapses, signal_decay, inverse_tau, kind, row, column, gate, coefficient, chain,
    dt, pair_value, pair_bins, step_pair, read_scan, n_scan,
):  # fmt: skip
    U, n, has_blood = N.shape[1], D.shape[1], len(inverse_tau) > 0
    gated = len(D) > 0 or np.any(synapses[0] != 0.0) or np.any(synapses[2] != 0.0)
    neuronal = np.flatnonzero(kind != NOTHING)  # the parameters that move activity
    P = len(neuronal)
    x, h, xs = np.zeros(U), np.zeros((n, N_STATE)), np.zeros((U, 4))
    T, own = np.zeros((P + WIDTH - 1) // WIDTH * U * _ROWS * WIDTH), np.zeros((n, 2, N_STATE))
    work = np.zeros((U, U)), np.zeros(U * (4 * U + 1)), np.zeros(U), np.zeros(U), np.zeros(U)
    fixed = _placed(kind[neuronal], row[neuronal], column[neuronal], gate[neuronal], U)
    coefficient = coefficient[:, neuronal].copy()
    read = N_STATE - VOLUME if has_blood else 1
    out, dout = np.zeros((n_scan, n, read)), np.zeros((n_scan, n, read, len(kind)))
    for step in range(len(step_pair)):
        pair = step_pair[step]
        if pair >= 0:
            value, length = pair_value[pair], pair_bins[pair] * dt
            n_sub = int(np.ceil(length / MAX_STEP - 1e-9))
            for _ in range(n_sub):
                _neuronal_step(N[value], D, synapses, gated, length / n_sub, x, xs, T, (*fixed, coefficient[value]), work)
                if has_blood:
                    for i in range(n):
                        _haemodynamic_step(h[i], xs[i], signal_decay, inverse_tau[i], length / n_sub, T, i, U, P, own[i], len(kind) > 0)
            if not _within_bounds(x, h, BOUND if has_blood else ACTIVITY_BOUND):
                return out, dout, False
        for i in range(n):
            scan = read_scan[step, i]
            if scan >= 0 and has_blood:
                out[scan, i] = h[i, VOLUME:]
                for k in range(read):
                    _read_tangents(T, own, i, U, VOLUME + k, neuronal, chain, dout[scan, i, k])
            elif scan >= 0:
                out[scan, i, 0] = x[i]
                for p in range(P):
                    dout[scan, i, 0, neuronal[p]] = T[_at(p // WIDTH, i, _SUM, U) + np.uint64(p % WIDTH)]
    return out, dout, True
