"""Courses of the flow as stated, neuronal and haemodynamic together, with exact sensitivities.

Classical Runge-Kutta of order 4 with steps of at most MAX_STEP within each stretch of constant input; the tangents are the derivative of
the very steps taken, so gradient and prediction agree to rounding. One integrator for every neuronal model: what differs between them is the
transmission from source to target, phi(w_ij x_j).

Lives here: the compiled loop. Does not live here: the equations' numpy form (`neuronal`, `haemodynamics`, `system`).
"""

import numba
import numpy as np
from numpy.typing import NDArray

from ltc_causal.models.haemodynamics import N_STATE, SIGNAL_DECAY, TRANSIT_TIME, VOLUME, flow_and_slopes
from ltc_causal.models.neuronal import Weights, network
from ltc_causal.numerics.schedule import Steps

MAX_STEP = 0.25  # s; BOLD then differs from a converged integration by less than 1e-5 of its range
BOUND = 30.0  # log states and activity beyond this have left the model (e^30 times the resting volume)


def course(weights: Weights, transit: NDArray, decay: float, steps: Steps) -> tuple[NDArray, bool]:
    """Log v and log q at the readings, shape (scan, region, 2), and whether they stayed within bounds."""
    none = np.zeros(0, dtype=np.int64)
    no_slopes = np.zeros((len(steps.values), 0))
    h, _, stable = _run(*_constants(weights, transit, decay, steps), none, none, no_slopes, none, -1, *steps.arrays)  # pyright: ignore
    return h, stable


def course_and_tangents(
    weights: Weights,
    transit: NDArray,
    decay: float,
    row: NDArray,
    column: NDArray,
    coefficient: NDArray,
    chain: NDArray,
    kappa: int,
    steps: Steps,
) -> tuple[NDArray, NDArray, bool]:
    """`course`, and its derivative in the parameters, shape (scan, region, 2, parameter).

    row, column, coefficient : what each parameter moves, from `neuronal.network_slopes`
    chain : the region whose transit a parameter is, the number of regions for decay, -1 otherwise
    kappa : the position of log kappa among the parameters, -1 if it is none of them
    """
    return _run(*_constants(weights, transit, decay, steps), row, column, coefficient, chain, kappa, *steps.arrays)  # pyright: ignore


def _constants(weights: Weights, transit: NDArray, decay: float, steps: Steps) -> tuple:
    N = network(weights, steps.values)
    return N, float(np.real(weights.kappa)), SIGNAL_DECAY * float(np.exp(decay)), 1 / (TRANSIT_TIME * np.exp(transit))


@numba.njit(cache=True)
def _neuronal(N, kappa, x, rates, J, moved, by_kappa):
    """Neuronal rates, their Jacobian J, what moving each entry of N moves (moved), and the derivative in log kappa."""
    n = len(rates)
    for i in range(n):
        rates[i] = N[i, n]
        moved[i, n] = 1.0
        by_kappa[i] = 0.0
        for j in range(n):
            w = N[i, j]
            if i == j or kappa == 0.0:
                rates[i] += w * x[j]
                J[i, j] = w
                moved[i, j] = x[j]
            elif w == 0.0:
                J[i, j] = 0.0
                moved[i, j] = x[j]
            else:
                a = w * x[j]
                t = np.tanh(kappa * a)
                slope = 1.0 - t * t
                rates[i] += t / kappa
                J[i, j] = slope * w
                moved[i, j] = slope * x[j]
                by_kappa[i] += a * slope - t / kappa


@numba.njit(cache=True)
def _neuronal_tangents(J, moved, by_kappa, dx, row, column, coefficient, kappa_at, out):
    n, n_parameter = dx.shape
    for i in range(n):
        for p in range(n_parameter):
            out[i, p] = J[i, 0] * dx[0, p]
        for j in range(1, n):
            w = J[i, j]
            if w != 0.0:
                for p in range(n_parameter):
                    out[i, p] += w * dx[j, p]
        if kappa_at >= 0:
            out[i, kappa_at] += by_kappa[i]
    for p in range(n_parameter):
        if row[p] >= 0:
            out[row[p], p] += coefficient[p] * moved[row[p], column[p]]


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
    N, kappa, signal_decay, inverse_tau, row, column, coefficient, chain, kappa_at, dt, pair_value, pair_bins, step_pair, read_scan, n_scan
):
    n, P = N.shape[1], coefficient.shape[1]
    # One vector for all states, neuronal first, then four a region; and the same for the tangents of each.
    size = n * (1 + N_STATE)
    z, total, stage, rate = np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)
    dz, dtotal, dstage, drate = np.zeros((size, P)), np.zeros((size, P)), np.zeros((size, P)), np.zeros((size, P))
    J, moved, by_kappa = np.zeros((n, n)), np.zeros((n, n + 1)), np.zeros(n)
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
                    _neuronal(N[value], kappa, stage[:n], rate[:n], J, moved, by_kappa)
                    if P:
                        _neuronal_tangents(J, moved, by_kappa, dstage[:n], row, column, coefficient[value], kappa_at, drate[:n])
                    for i in range(n):
                        at = n + N_STATE * i
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
                at = n + N_STATE * i
                out[scan, i] = z[at + VOLUME : at + N_STATE]
                dout[scan, i] = dz[at + VOLUME : at + N_STATE]
    return out, dout, True
