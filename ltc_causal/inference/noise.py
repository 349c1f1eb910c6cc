"""The noise level at a given point: log-precisions moved up the free energy, and the free energy that results.

    w = exp(h) + exp(-32),   h ~ N(hE, hC) for each channel

Everything is a sum over channels of what `design.Sums` holds. The confounds are eliminated: the information of channel c about p is
w (J'J - J'X w K X'J) with K = 1 / (w g + 1e-8), diagonal since X'X is.

Lives here: those updates, the free energy, the gradient with the confounds at their optimum. Does not live here: steps in p.
"""

from typing import NamedTuple

import numba
import numpy as np

from ltc_causal.inference.design import CONFOUND_PRECISION, Array, Design, Point, Sums

NOISE_FLOOR = np.exp(-32.0)  # smallest noise precision, keeps its logarithm finite
NOISE_TIME = 4.0  # log integration time of an update
LARGEST_UPDATE = 1.0  # of a log-precision
NEGLIGIBLE = 1e-10  # of the expected squared error: what is left out below that moves h by as little
BLOCKED = 64  # matrices beyond this size are inverted by LAPACK


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


@numba.njit(cache=True, error_model="numpy")
def inverse_and_log_det(S):
    """Inverse and log-determinant of a positive definite matrix."""
    if len(S) <= BLOCKED:
        return _small_inverse(S)
    L = np.linalg.cholesky(S)
    return np.ascontiguousarray(np.linalg.inv(S)), 2.0 * np.log(np.diag(L)).sum()


@numba.njit(cache=True, error_model="numpy")
def _information(JJ, JX, g, precision, w):
    """Information about p of each channel over its w, of the whole, and log-determinant of the confounds' part."""
    C, P, k = JX.shape
    S, own = np.diag(precision), np.empty((C, P, P))
    log_det = 0.0
    for c in range(C):
        scaled, ratio = np.empty((P, k)), np.empty(k)
        for a in range(k):
            diagonal = w[c] * g[c, a] + CONFOUND_PRECISION
            log_det += np.log(diagonal)
            ratio[a] = w[c] / diagonal
        for i in range(P):
            for a in range(k):
                scaled[i, a] = JX[c, i, a] * ratio[a]
        explained = scaled @ JX[c].T
        for i in range(P):
            for j in range(P):
                own[c, i, j] = JJ[c, i, j] - explained[i, j]
                S[i, j] += w[c] * own[c, i, j]
    return S, own, log_det


@numba.njit(cache=True, error_model="numpy")
def _uncertainty(own, JX, g, cov, w):
    """Expected squared error of one channel's prediction from the uncertainty of p and of its confound weights, summed over time."""
    P, k = JX.shape
    trace = 0.0
    for i in range(P):
        for j in range(P):
            trace += cov[i, j] * own[i, j]
    for a in range(k):
        K = 1.0 / (w * g[a] + CONFOUND_PRECISION)
        trace += g[a] * K
        # The part of the above that the confounds' prior holds back: nothing, but where a confound is nearly redundant.
        if CONFOUND_PRECISION * K > NEGLIGIBLE:
            x = JX[:, a].copy()
            trace -= CONFOUND_PRECISION * K * K * w * (x @ (cov @ x))
    return trace


@numba.njit(cache=True, error_model="numpy")
def _estimate(JJ, JX, ee, g, precision, n_time, h, prior_mean, prior_variance, most_updates, smallest_gain):
    """Update the log-precisions h; return the new h, and at the last but one what `Level` holds.

    Updates end after `most_updates`, or when one promises less than `smallest_gain` nats.
    """
    n = len(h)
    log_det, log_det_p = 0.0, 0.0
    for _ in range(most_updates):
        w = np.exp(h) + NOISE_FLOOR
        S, own, log_det = _information(JJ, JX, g, precision, w)
        cov, log_det_p = inverse_and_log_det(S)
        slope, curvature = np.zeros(n), np.zeros(n)
        size, gain = 0.0, 0.0
        for c in range(n):
            share = np.exp(h[c]) / w[c]
            slope[c] = 0.5 * (share * n_time[c] - np.exp(h[c]) * (ee[c] + _uncertainty(own[c], JX[c], g[c], cov, w[c])))
            curvature[c] = -0.5 * share * share * n_time[c] + slope[c] - 1.0 / prior_variance
            slope[c] -= (h[c] - prior_mean) / prior_variance
            size += np.log(np.abs(curvature[c]))
        used = h
        h = np.empty(n)
        time = np.exp(NOISE_TIME - size / n)
        for c in range(n):
            step = np.expm1(time * curvature[c]) / curvature[c] * slope[c]
            step = min(max(step, -LARGEST_UPDATE), LARGEST_UPDATE)
            h[c] = used[c] + step
            gain += slope[c] * step
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
    try:
        h, used, information, cov, log_det, curvature = _estimate(
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
