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
def _neuronal_tangents(J, moved, by_synapse, x, dx, kind, row, column, gate, coefficient, out):
    """Tangents of the neuronal rates: J dx, plus what each parameter moves by itself."""
    U, n_parameter = dx.shape
    for i in range(U):
        for p in range(n_parameter):
            out[i, p] = J[i, 0] * dx[0, p]
        for j in range(1, U):
            w = J[i, j]
            if w != 0.0:
                for p in range(n_parameter):
                    out[i, p] += w * dx[j, p]
    for p in range(n_parameter):
        i, j = row[p], column[p]
        if kind[p] == NETWORK:
            out[i, p] += coefficient[p] * moved[i, j]
        elif kind[p] == GATING:
            out[i, p] += coefficient[p] * moved[i, j] * x[gate[p]]
        elif kind[p] != NOTHING and i >= 0:
            out[i, p] += by_synapse[kind[p] - KAPPA, i, j]
        elif kind[p] == KAPPA:
            for target in range(U):
                for source in range(U):
                    out[target, p] += by_synapse[0, target, source]


@numba.njit(cache=True)
def _haemodynamic_tangents(signal_decay, slopes, s, volume_rate, oxygen_rate, dx, dh, own, common, out):
    """One region's tangents: dx (parameter,), dh and out (4, parameter); own and common are parameter positions or -1."""
    s_f, f_s, f_f, v_f, v_v, q_f, q_v, q_q = slopes
    for p in range(dx.shape[0]):
        out[0, p] = dx[p] - signal_decay * dh[0, p] + s_f * dh[1, p]
        out[1, p] = f_s * dh[0, p] + f_f * dh[1, p]
        out[2, p] = v_f * dh[1, p] + v_v * dh[2, p]
        out[3, p] = q_f * dh[1, p] + q_v * dh[2, p] + q_q * dh[3, p]
    if own >= 0:
        out[2, own] -= volume_rate
        out[3, own] -= oxygen_rate
    if common >= 0:
        out[0, common] -= signal_decay * s


@numba.njit(cache=True)
def _advance(base, rate, weight, total, gain, stage):
    """Add gain * rate to the total of the step, and put base + weight * rate into the next stage; all flat arrays."""
    for e in range(len(base)):
        total[e] += gain * rate[e]
        stage[e] = base[e] + weight * rate[e]


@numba.njit(cache=True)
def _run(
    N, D, synapses, signal_decay, inverse_tau, kind, row, column, gate, coefficient, chain,
    dt, pair_value, pair_bins, step_pair, read_scan, n_scan,
):  # fmt: skip
    U, n, P = N.shape[1], len(inverse_tau), len(kind)
    gated = len(D) > 0 or np.any(synapses[0] != 0.0) or np.any(synapses[2] != 0.0)
    # One vector for all states, neuronal first, then four a region; and the same for the tangents of each.
    size = U + N_STATE * n
    z, total, stage, rate = np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)
    dz, dtotal, dstage, drate = np.zeros((size, P)), np.zeros((size, P)), np.zeros((size, P)), np.zeros((size, P))
    J, moved, by_synapse = np.zeros((U, U)), np.zeros((U, U + 1)), np.zeros((3, U, U))
    out, dout = np.zeros((n_scan, n, N_STATE - VOLUME)), np.zeros((n_scan, n, N_STATE - VOLUME, P))
    own = np.full(n, -1)
    common = -1
    for p in range(P):
        if chain[p] == n:
            common = p
        elif chain[p] >= 0:
            own[chain[p]] = p
    for step in range(len(step_pair)):
        pair = step_pair[step]
        if pair >= 0:
            value = pair_value[pair]
            length = pair_bins[pair] * dt
            n_sub = int(np.ceil(length / MAX_STEP - 1e-9))
            width = length / n_sub
            for _ in range(n_sub):
                stage[:], total[:], dstage[:], dtotal[:] = z, z, dz, dz
                for number in range(4):
                    if gated:
                        _gated(N[value], D, synapses, stage[:U], rate[:U], J, moved, by_synapse)
                    else:
                        _linear(N[value], stage[:U], rate[:U], J, moved)
                    if P:
                        _neuronal_tangents(J, moved, by_synapse, stage, dstage[:U], kind, row, column, gate, coefficient[value], drate[:U])
                    for i in range(n):
                        at = U + N_STATE * i
                        rates, slopes = flow_and_slopes(
                            stage[at], stage[at + 1], stage[at + 2], stage[at + 3], stage[i], signal_decay, inverse_tau[i]
                        )
                        rate[at], rate[at + 1], rate[at + 2], rate[at + 3] = rates
                        if P:
                            _haemodynamic_tangents(
                                signal_decay, slopes, stage[at], rates[2], rates[3], dstage[i], dstage[at : at + N_STATE], own[i], common,
                                drate[at : at + N_STATE],
                            )  # fmt: skip
                    gain = width / 6.0 if number in (0, 3) else width / 3.0
                    weight = width if number == 2 else width / 2.0
                    _advance(z, rate, weight, total, gain, stage)
                    if P:
                        _advance(dz.reshape(-1), drate.reshape(-1), weight, dtotal.reshape(-1), gain, dstage.reshape(-1))
                z, total, dz, dtotal = total, z, dtotal, dz
            largest = 0.0
            for e in range(size):
                if not abs(z[e]) <= largest:
                    largest = abs(z[e])
            if not largest <= BOUND:
                return out, dout, False
        for i in range(n):
            scan = read_scan[step, i]
            if scan >= 0:
                at = U + N_STATE * i
                out[scan, i] = z[at + VOLUME : at + N_STATE]
                dout[scan, i] = dz[at + VOLUME : at + N_STATE]
    return out, dout, True
