"""Courses of the flow as stated, neuronal and haemodynamic together, with exact sensitivities.

Classical Runge-Kutta of order 4 with steps of at most MAX_STEP within each stretch of constant input; the tangents are the derivative of
the very steps taken, so gradient and prediction agree to rounding. One integrator for every neuronal model: a linear network (bilinear and
two-state models), or one with gated and saturating synapses (nonlinear and liquid models).

Lives here: the compiled loop. Does not live here: the equations' numpy form (`neuronal`, `haemodynamics`, `system`).
"""

import numba
import numpy as np
from numpy.typing import NDArray

from ltc_causal.models.haemodynamics import N_STATE, SIGNAL_DECAY, TRANSIT_TIME, VOLUME, flow_and_slopes
from ltc_causal.models.neuronal import Weights, network
from ltc_causal.models.parameters import GATING, KAPPA, NETWORK, NOTHING, Moves
from ltc_causal.numerics.schedule import Steps

MAX_STEP = 0.25  # s; BOLD then differs from a converged integration by less than 1e-5 of its range
BOUND = 30.0  # log states and activity beyond this have left the model (e^30 times the resting volume)


def course(weights: Weights, transit: NDArray, decay: float, steps: Steps) -> tuple[NDArray, bool]:
    """Log v and log q at the readings, shape (scan, region, 2), and whether they stayed within bounds."""
    none = np.zeros(0, dtype=np.int64)
    moves = Moves(none, none, none, none, np.zeros((len(steps.values), 0)), none)
    h, _, stable = _run(*_constants(weights, transit, decay, steps), *moves, *steps.arrays)  # pyright: ignore
    return h, stable


def course_and_tangents(weights: Weights, transit: NDArray, decay: float, moves: Moves, steps: Steps) -> tuple[NDArray, NDArray, bool]:
    """`course`, and its derivative in the parameters of `moves`, shape (scan, region, 2, parameter)."""
    return _run(*_constants(weights, transit, decay, steps), *moves, *steps.arrays)  # pyright: ignore


def _constants(weights: Weights, transit: NDArray, decay: float, steps: Steps) -> tuple:
    n = len(weights.A)
    D = np.zeros((0, n, n)) if weights.D is None else weights.D
    synapses = np.stack([np.broadcast_to(np.asarray(v, dtype=float), (n, n)) for v in (weights.kappa, weights.tau, weights.lambda_)])
    return network(weights, steps.values), D, synapses, SIGNAL_DECAY * float(np.exp(decay)), 1 / (TRANSIT_TIME * np.exp(transit))


@numba.njit(cache=True)
def _linear(N, x, rates, J, moved):
    """Rates of a linear network, their Jacobian J, and what moving each entry of N moves (moved)."""
    U = len(rates)
    for i in range(U):
        total = N[i, U]
        moved[i, U] = 1.0
        for j in range(U):
            total += N[i, j] * x[j]
            J[i, j] = N[i, j]
            moved[i, j] = x[j]
        rates[i] = total


@numba.njit(cache=True)
def _gated(N, D, synapses, x, rates, J, moved, by_synapse):
    """The same for gated, saturating synapses, and each synapse's rate as a function of log kappa, tau and lambda (by_synapse)."""
    n = len(rates)
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


@numba.njit(cache=True)
def _neuronal_tangents(J, moved, by_synapse, x, dx, stage, kind, row, column, gate, coefficient, out):
    """Tangents of the neuronal rates, into out (unit, parameter): J dx of this stage, plus what each parameter moves by itself."""
    U, P = out.shape
    for i in range(U):
        line = out[i]
        line[:] = 0.0
        for j in range(U):
            w, source = J[i, j], dx[j]
            if w != 0.0:
                for p in range(P):
                    line[p] += w * source[p, stage]
    for p in range(P):
        i, j = row[p], column[p]
        if kind[p] == NETWORK:
            out[i, p] += coefficient[p] * moved[i, j]
        elif kind[p] == GATING:
            out[i, p] += coefficient[p] * moved[i, j] * x[gate[p]]
        elif i >= 0:
            out[i, p] += by_synapse[kind[p] - KAPPA, i, j]
        else:
            for target in range(U):
                for source in range(U):
                    out[target, p] += by_synapse[0, target, source]


@numba.njit(cache=True)
def _neuronal_step(N, D, synapses, gated, width, x, xs, dx, kind, row, column, gate, coefficient, J, moved, by_synapse, drate, dtotal):
    """Move neuronal states x over one step; leave their values at its four stages in xs (unit, 4), their tangents in dx (unit, parameter, 4).

    Between steps dx holds the tangents at its first stage.
    """
    U, P = drate.shape
    total, rate, stage = x.copy(), np.empty(U), x.copy()
    dtotal[:] = dx[:, :P, 0]
    for number in range(4):
        xs[:, number] = stage
        if gated:
            _gated(N, D, synapses, stage, rate, J, moved, by_synapse)
        else:
            _linear(N, stage, rate, J, moved)
        if P:
            _neuronal_tangents(J, moved, by_synapse, stage, dx, number, kind, row, column, gate, coefficient, drate)
        gain = width / 6.0 if number in (0, 3) else width / 3.0
        weight = width if number == 2 else width / 2.0
        for i in range(U):
            total[i] += gain * rate[i]
            stage[i] = x[i] + weight * rate[i]
            base, change, sums = dx[i], drate[i], dtotal[i]
            for p in range(P):
                sums[p] += gain * change[p]
            if number < 3:
                for p in range(P):
                    base[p, number + 1] = base[p, 0] + weight * change[p]
    x[:] = total


@numba.njit(cache=True, fastmath={"contract"})
def _rates(signal_decay, slopes, dx, ds, df, dv, dq, own):
    """One region's tangents of dh/dt; own is what a parameter of its haemodynamics adds to those of s, log v and log q."""
    s_f, f_s, f_f, v_f, v_v, q_f, q_v, q_q = slopes
    by_s, by_v, by_q = own
    return (
        dx - signal_decay * ds + s_f * df + by_s,
        f_s * ds + f_f * df,
        v_f * df + v_v * dv + by_v,
        q_f * df + q_v * dv + q_q * dq + by_q,
    )


@numba.njit(cache=True, fastmath={"contract"})
def _tangent(width, signal_decay, slopes, dx, forcing, dh):
    """Move one parameter's tangents dh (4,) of one region over a step: all four stages at once, in registers.

    slopes, dx, forcing : at each stage
    """
    half = 0.5 * width
    s, f, v, q = dh[0], dh[1], dh[2], dh[3]
    a = _rates(signal_decay, slopes[0], dx[0], s, f, v, q, forcing[0])
    b = _rates(signal_decay, slopes[1], dx[1], s + half * a[0], f + half * a[1], v + half * a[2], q + half * a[3], forcing[1])
    c = _rates(signal_decay, slopes[2], dx[2], s + half * b[0], f + half * b[1], v + half * b[2], q + half * b[3], forcing[2])
    d = _rates(signal_decay, slopes[3], dx[3], s + width * c[0], f + width * c[1], v + width * c[2], q + width * c[3], forcing[3])
    dh[0] = s + width / 6.0 * (a[0] + 2.0 * (b[0] + c[0]) + d[0])
    dh[1] = f + width / 6.0 * (a[1] + 2.0 * (b[1] + c[1]) + d[1])
    dh[2] = v + width / 6.0 * (a[2] + 2.0 * (b[2] + c[2]) + d[2])
    dh[3] = q + width / 6.0 * (a[3] + 2.0 * (b[3] + c[3]) + d[3])


@numba.njit(cache=True, fastmath={"contract"})
def _haemodynamic_step(h, x, signal_decay, inverse_tau, width, dh, dx, tangents):
    """Move one region's h (4,) over a step, from its activity x (4,) at the stages; and its tangents dh (parameter + 2, 4).

    dx : (parameter, 4), tangents of x; the last two rows of dh belong to the region's transit and to decay, which do not move x
    """
    half = 0.5 * width
    s, f, v, q = h[0], h[1], h[2], h[3]
    a, slopes_a = flow_and_slopes(s, f, v, q, x[0], signal_decay, inverse_tau)
    s_b = s + half * a[0]
    b, slopes_b = flow_and_slopes(s_b, f + half * a[1], v + half * a[2], q + half * a[3], x[1], signal_decay, inverse_tau)
    s_c = s + half * b[0]
    c, slopes_c = flow_and_slopes(s_c, f + half * b[1], v + half * b[2], q + half * b[3], x[2], signal_decay, inverse_tau)
    s_d = s + width * c[0]
    d, slopes_d = flow_and_slopes(s_d, f + width * c[1], v + width * c[2], q + width * c[3], x[3], signal_decay, inverse_tau)
    for k in range(4):
        h[k] += width / 6.0 * (a[k] + 2.0 * (b[k] + c[k]) + d[k])
    if not tangents:
        return
    slopes = (slopes_a, slopes_b, slopes_c, slopes_d)
    none, P = (0.0, 0.0, 0.0), len(dx)
    for p in range(P):
        _tangent(width, signal_decay, slopes, dx[p], (none, none, none, none), dh[p])
    still = (0.0, 0.0, 0.0, 0.0)
    transit = ((0.0, -a[2], -a[3]), (0.0, -b[2], -b[3]), (0.0, -c[2], -c[3]), (0.0, -d[2], -d[3]))
    _tangent(width, signal_decay, slopes, still, transit, dh[P])
    decay = (
        (-signal_decay * s, 0.0, 0.0), (-signal_decay * s_b, 0.0, 0.0), (-signal_decay * s_c, 0.0, 0.0), (-signal_decay * s_d, 0.0, 0.0)
    )  # fmt: skip
    _tangent(width, signal_decay, slopes, still, decay, dh[P + 1])


@numba.njit(cache=True)
def _within_bounds(x, h):
    """Whether all states are within bounds; a comparison that NaN fails."""
    largest = 0.0
    for value in x:
        if not abs(value) <= largest:
            largest = abs(value)
    for value in h.flat:
        if not abs(value) <= largest:
            largest = abs(value)
    return largest <= BOUND


@numba.njit(cache=True)
def _run(
    N, D, synapses, signal_decay, inverse_tau, kind, row, column, gate, coefficient, chain,
    dt, pair_value, pair_bins, step_pair, read_scan, n_scan,
):  # fmt: skip
    U, n = N.shape[1], len(inverse_tau)
    gated = len(D) > 0 or np.any(synapses[0] != 0.0) or np.any(synapses[2] != 0.0)
    neuronal = np.flatnonzero(kind != NOTHING)  # the parameters that move activity
    P = len(neuronal)
    kind_, row_, column_, gate_ = kind[neuronal], row[neuronal], column[neuronal], gate[neuronal]
    coefficient_ = coefficient[:, neuronal]
    x, h, xs = np.zeros(U), np.zeros((n, N_STATE)), np.zeros((U, 4))
    dx, dh = np.zeros((U, P, 4)), np.zeros((n, P + 2, N_STATE))
    J, moved, by_synapse = np.zeros((U, U)), np.zeros((U, U + 1)), np.zeros((3, U, U))
    drate, dtotal = np.zeros((U, P)), np.zeros((U, P))
    out, dout = np.zeros((n_scan, n, N_STATE - VOLUME)), np.zeros((n_scan, n, N_STATE - VOLUME, len(kind)))
    for step in range(len(step_pair)):
        pair = step_pair[step]
        if pair >= 0:
            value, length = pair_value[pair], pair_bins[pair] * dt
            n_sub = int(np.ceil(length / MAX_STEP - 1e-9))
            for _ in range(n_sub):
                _neuronal_step(
                    N[value], D, synapses, gated, length / n_sub, x, xs, dx, kind_, row_, column_, gate_, coefficient_[value], J, moved,
                    by_synapse, drate, dtotal,
                )  # fmt: skip
                for i in range(n):
                    _haemodynamic_step(h[i], xs[i], signal_decay, inverse_tau[i], length / n_sub, dh[i], dx[i], len(kind) > 0)
                dx[:, :, 0] = dtotal
            if not _within_bounds(x, h):
                return out, dout, False
        for i in range(n):
            scan = read_scan[step, i]
            if scan >= 0:
                out[scan, i] = h[i, VOLUME:]
                for k in range(N_STATE - VOLUME):
                    for p in range(P):
                        dout[scan, i, k, neuronal[p]] = dh[i, p, VOLUME + k]
                    for p in range(len(kind)):
                        if chain[p] == i or chain[p] == n:
                            dout[scan, i, k, p] = dh[i, P + (1 if chain[p] == n else 0), VOLUME + k]
    return out, dout, True
