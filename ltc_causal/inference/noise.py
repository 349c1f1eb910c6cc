"""The noise level at a given point: log-precisions moved up the free energy, and the free energy that results.

    w = exp(h) + exp(-32),   h ~ N(hE, hC) for each channel

Everything is a sum over channels of what `design.Sums` holds. The confounds are eliminated: the information of channel c about p is
w (J'J - J'X w K X'J) with K = 1 / (w g + 1e-8), diagonal since X'X is.

Lives here: those updates, the free energy, the gradient with the confounds at their optimum. Does not live here: steps in p.
"""

from typing import NamedTuple

import numba
import numpy as np
from scipy.linalg import lapack

from ltc_causal.inference.design import CONFOUND_PRECISION, LARGE, Array, Design, Point, Sums
from ltc_causal.numerics.squares import mirror, packed_trace, unpacked

NOISE_FLOOR = np.exp(-32.0)  # smallest noise precision, keeps its logarithm finite
NOISE_TIME = 4.0  # log integration time of an update
LARGEST_UPDATE = 1.0  # of a log-precision


class Level(NamedTuple):
    """The noise level found at a point.

    h, used : (channel,), log-precisions after the last update and before it; what follows is for the latter
    information, cov : about p, and its inverse: the covariance of p
    log_det : log-determinant of the information about p and all confound weights
    curvature : (channel,), second derivative of the free energy in h
    free_energy : nats
    """

    h: Array
    used: Array
    information: Array
    cov: Array
    log_det: float
    curvature: Array
    free_energy: float


def precisions(h: Array) -> Array:
    """Noise precision of each channel."""
    return np.exp(h) + NOISE_FLOOR


@numba.njit(cache=True, error_model="numpy")
def _small_inverse(S):
    """Inverse and log-determinant of a small positive definite matrix, by Cholesky; NaN if it is not one."""
    P = len(S)
    L, M, inverse = np.zeros((P, P)), np.zeros((P, P)), np.zeros((P, P))
    log_det = 0.0
    for i in range(P):
        for j in range(i + 1):
            value = S[i, j]
            for k in range(j):
                value -= L[i, k] * L[j, k]
            L[i, j] = np.sqrt(value) if i == j else value / L[j, j]
        log_det += 2.0 * np.log(L[i, i])
        M[i, i] = 1.0 / L[i, i]  # M is the inverse of L
        for k in range(i):
            factor = L[i, k] / L[i, i]
            for j in range(k + 1):
                M[i, j] -= factor * M[k, j]
    for k in range(P):
        for i in range(k + 1):
            for j in range(i + 1):
                inverse[i, j] += M[k, i] * M[k, j]
    for i in range(P):
        for j in range(i):
            inverse[j, i] = inverse[i, j]
    return inverse, log_det


def _large_inverse(S: Array) -> tuple[Array, float]:
    # Of the transpose, which is the same matrix, in the order that LAPACK reads without a copy.
    L, failed = lapack.dpotrf(S.T, lower=1)  # pyright: ignore[reportAttributeAccessIssue]
    if failed:
        raise np.linalg.LinAlgError("not positive definite")
    log_det = 2.0 * float(np.log(np.diag(L)).sum())
    inverse = lapack.dpotri(L, lower=1, overwrite_c=1)[0].T  # pyright: ignore[reportAttributeAccessIssue]
    mirror(inverse)
    return inverse, log_det


@numba.njit(cache=True, error_model="numpy")
def _information(JJ, arms, g, precision, w):
    """Information about p, and log-determinant of the confounds' part; arms : (P, channel times confound), J'X of all channels."""
    P = len(precision)
    lost, log_det = _lost(arms, g, w)
    S = (w @ JJ.reshape(len(w), P * P)).reshape(P, P) - lost
    for i in range(P):
        S[i, i] += precision[i]
    return S, log_det


@numba.njit(cache=True, error_model="numpy")
def _lost(arms, g, w):
    """Information about p that not knowing the confounds costs, and log-determinant of their part."""
    k = g.shape[1]
    scaled = np.empty_like(arms)
    log_det = 0.0
    for c in range(len(w)):
        for a in range(k):
            diagonal = w[c] * g[c, a] + CONFOUND_PRECISION
            log_det += np.log(diagonal)
            ratio = w[c] * w[c] / diagonal
            for i in range(len(arms)):
                scaled[i, c * k + a] = ratio * arms[i, c * k + a]
    return scaled @ arms.T, log_det


@numba.njit(cache=True, error_model="numpy")
def _uncertainty(trace, squares, g, w):
    """Expected squared error of one channel's prediction from the uncertainty of p and of its confound weights, summed over time.

    trace : of cov times the channel's J'J; squares : (confound,), x' cov x of each column x of its J'X
    """
    for a in range(len(g)):
        K = 1.0 / (w * g[a] + CONFOUND_PRECISION)
        # What the confounds explain of it, less what their prior holds back.
        trace += g[a] * K - w * K * (1.0 + CONFOUND_PRECISION * K) * squares[a]
    return trace


@numba.njit(cache=True, error_model="numpy")
def _arms(JX):
    """J'X of all channels side by side, (P, channel times confound)."""
    n, P, k = JX.shape
    arms = np.empty((P, n * k))
    for c in range(n):
        for i in range(P):
            for a in range(k):
                arms[i, c * k + a] = JX[c, i, a]
    return arms


@numba.njit(cache=True, error_model="numpy")
def _updated(traces, squares, ee, g, n_time, h, prior_mean, prior_variance):
    """Log-precisions after one update from h, the curvature there, and what the update promises in nats.

    traces : of cov times each channel's J'J; squares : (channel times confound,), x' cov x of each column x of J'X
    """
    n, k = g.shape
    slope, curvature = np.zeros(n), np.zeros(n)
    size, gain = 0.0, 0.0
    for c in range(n):
        w = np.exp(h[c]) + NOISE_FLOOR
        share = np.exp(h[c]) / w
        expected = ee[c] + _uncertainty(traces[c], squares[c * k : c * k + k], g[c], w)
        slope[c] = 0.5 * (share * n_time[c] - np.exp(h[c]) * expected)
        curvature[c] = -0.5 * share * share * n_time[c] + slope[c] - 1.0 / prior_variance
        slope[c] -= (h[c] - prior_mean) / prior_variance
        size += np.log(np.abs(curvature[c]))
    updated = np.empty(n)
    time = np.exp(NOISE_TIME - size / n)
    for c in range(n):
        step = np.expm1(time * curvature[c]) / curvature[c] * slope[c]
        step = min(max(step, -LARGEST_UPDATE), LARGEST_UPDATE)
        updated[c] = h[c] + step
        gain += slope[c] * step
    return updated, curvature, gain


@numba.njit(cache=True, error_model="numpy")
def _estimate(JJ, JX, ee, g, precision, n_time, h, prior_mean, prior_variance, most_updates, smallest_gain):
    """Update the log-precisions h; return the new h, and at the last but one what `Level` holds.

    Updates end after `most_updates`, or when one promises less than `smallest_gain` nats.
    """
    arms, log_det, log_det_p = _arms(JX), 0.0, 0.0
    for _ in range(most_updates):
        used = h
        S, log_det = _information(JJ, arms, g, precision, np.exp(used) + NOISE_FLOOR)
        cov, log_det_p = _small_inverse(S)
        traces, squares = JJ.reshape(len(h), cov.size) @ cov.reshape(cov.size), (arms * (cov @ arms)).sum(axis=0)
        h, curvature, gain = _updated(traces, squares, ee, g, n_time, used, prior_mean, prior_variance)
        if gain < smallest_gain:
            break
    return h, used, S, cov, log_det + log_det_p, curvature


def _estimate_large(JJ, JX, ee, g, precision, n_time, h, prior_mean, prior_variance, most_updates, smallest_gain):
    """`_estimate` with LAPACK's inverse, which compiled code does not reach, and J'J packed."""
    arms, log_det, log_det_p = _arms(JX), 0.0, 0.0
    for _ in range(most_updates):
        used = h
        lost, log_det = _lost(arms, g, precisions(used))
        S = unpacked(precisions(used) @ JJ, len(precision)) - lost
        np.einsum("ii->i", S)[:] += precision
        cov, log_det_p = _large_inverse(S)
        traces, squares = packed_trace(JJ, cov), (arms * (cov @ arms)).sum(axis=0)
        h, curvature, gain = _updated(traces, squares, ee, g, n_time, used, prior_mean, prior_variance)
        if gain < smallest_gain:
            break
    return h, used, S, cov, log_det + log_det_p, curvature


@numba.njit(cache=True, error_model="numpy")
def _free_energy(p, beta, ee, used, log_det, curvature, precision, n_time, prior_mean, prior_variance):
    """Accuracy minus complexity of parameters and of log-precisions, in nats (Friston et al. 2007, eq. 20)."""
    energy = -0.5 * log_det
    for i in range(len(p)):
        energy += 0.5 * (np.log(precision[i]) - precision[i] * p[i] * p[i])
    for c in range(len(used)):
        w = np.exp(used[c]) + NOISE_FLOOR
        deviation = used[c] - prior_mean
        energy += 0.5 * (n_time[c] * (np.log(w) - np.log(2 * np.pi)) - w * ee[c])
        energy -= 0.5 * (np.log(-curvature[c] * prior_variance) + deviation * deviation / prior_variance)
        for a in range(beta.shape[1]):
            energy += 0.5 * (np.log(CONFOUND_PRECISION) - CONFOUND_PRECISION * beta[c, a] ** 2)
    return energy


def noise_level(d: Design, point: Point, sums: Sums, most_updates: int, smallest_gain: float) -> Level | None:
    """Move the log-precisions of a point (see `_estimate`); None where the derivatives are so large that numbers overflow."""
    noise = d.noise
    estimate = _estimate if len(point.p) <= LARGE else _estimate_large
    try:
        h, used, information, cov, log_det, curvature = estimate(
            sums.JJ, sums.JX, sums.ee, d.g, d.precision, d.n_time, point.h, noise.mean, noise.variance, most_updates, smallest_gain
        )
    except np.linalg.LinAlgError:
        return None
    energy = _free_energy(point.p, point.beta, sums.ee, used, log_det, curvature, d.precision, d.n_time, noise.mean, noise.variance)
    return Level(h, used, information, cov, log_det, curvature, energy) if np.isfinite(energy) else None


@numba.njit(cache=True, error_model="numpy")
def _norm(g, cov):
    return np.sqrt(max(g @ (cov @ g), 0.0))


@numba.njit(cache=True, error_model="numpy")
def _gradient(JX, Je, Xe, g, precision, p, beta, w):
    gradient = -precision * p
    move = np.empty(beta.shape[1])
    for c in range(len(w)):
        for a in range(beta.shape[1]):
            K = 1.0 / (w[c] * g[c, a] + CONFOUND_PRECISION)
            move[a] = K * (w[c] * Xe[c, a] - CONFOUND_PRECISION * beta[c, a])
        for i in range(len(p)):
            gradient[i] += w[c] * (Je[c, i] - np.dot(JX[c, i], move))
    return gradient


def gradient(d: Design, point: Point, sums: Sums) -> Array:
    """Gradient of the free energy in p at a point's noise level, the confounds at their optimum for p whatever the point's are."""
    return _gradient(sums.JX, sums.Je, sums.Xe, d.g, d.precision, point.p, point.beta, precisions(point.h))


def gradient_norm(d: Design, point: Point, sums: Sums, cov: Array) -> float:
    """sqrt(g' Cov g): about how many posterior sd the point lies from the maximum for its noise level."""
    return _norm(gradient(d, point, sums), cov)


@numba.njit(cache=True, error_model="numpy")
def _best_confounds(JX, Je, Xe, ee, g, beta, w):
    beta, Je, Xe, ee = beta.copy(), Je.copy(), Xe.copy(), ee.copy()
    for c in range(len(w)):
        for a in range(beta.shape[1]):
            move = (w[c] * Xe[c, a] - CONFOUND_PRECISION * beta[c, a]) / (w[c] * g[c, a] + CONFOUND_PRECISION)
            ee[c] += move * (g[c, a] * move - 2.0 * Xe[c, a])
            Xe[c, a] -= g[c, a] * move
            Je[c] -= move * JX[c, :, a]
            beta[c, a] += move
    return beta, Je, Xe, ee


def with_best_confounds(d: Design, point: Point, sums: Sums) -> tuple[Point, Sums]:
    """The point with its confound weights at their optimum, and the sums as they are there."""
    beta, Je, Xe, ee = _best_confounds(sums.JX, sums.Je, sums.Xe, sums.ee, d.g, point.beta, precisions(point.h))
    return point._replace(beta=beta), sums._replace(Je=Je, Xe=Xe, ee=ee)
