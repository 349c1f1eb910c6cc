"""Variational Laplace: a Gaussian posterior under Gaussian priors, with the noise level estimated beside it.

    y_r = f_r(theta) + X0 beta_r + e_r,   e_r ~ N(0, I / (exp(h_r) + exp(-32))),   theta ~ N(m, S),   beta ~ N(0, 1e8),   h_r ~ N(hE, hC)

Friston et al. 2007. The ascent follows SPM's path (expectation, maximisation, a regularised Newton step), so that results agree with SPM's
step by step; the confounds are eliminated by a Schur complement wherever only theta is needed.

Lives here: the method object, and the loop split into point, noise, step. Does not live here: any model; it sees `core.model.GenerativeModel`.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.model import Features, GenerativeModel, NoisePrior
from ltc_causal.core.result import History, Status
from ltc_causal.errors import InputError, one_of

Array = NDArray[np.floating[Any]]

DIFFERENCE_STEP = np.exp(-8.0)  # SPM's forward difference
CONFOUND_PRECISION = 1e-8  # a flat prior, but for rounding
NOISE_FLOOR = np.exp(-32.0)  # smallest noise precision, keeps its logarithm finite
NOISE_UPDATES = 8  # at most, per iteration
NOISE_GAIN = 1e-2  # nats; smaller predicted gains end the noise updates
NOISE_TIME = 4.0  # log integration time of a noise update
TIME_AT_START, TIME_MOST, TIME_RISE, TIME_FALL = -4.0, 4.0, 0.5, 2.0  # log integration time of a step, and how it moves
GAIN_TOLERANCE, CALM_STEPS = 1e-1, 4  # nats; so many steps in a row must promise less
RETRIES = 4  # shorter steps tried when a prediction is unstable
NEWTON_BEYOND = 16.0  # log integration time beyond which a step is Newton's
STALLED_GRADIENT = 1.0  # nats per posterior sd; a converged ascent ends far below


@dataclass(frozen=True)
class VariationalLaplace:
    """Variational Laplace.

    path : "spm", the ascent that SPM takes
    differences : "exact" derivatives, or "spm" to imitate SPM's forward differences (slow; for comparing with SPM to many digits)
    max_iterations : the ascent ends there, and says so
    """

    path: str = "spm"
    differences: str = "exact"
    max_iterations: int = 128

    def __post_init__(self):
        one_of("VariationalLaplace.path", self.path, ("spm",))
        one_of("VariationalLaplace.differences", self.differences, ("exact", "spm"))
        if not self.max_iterations >= 1:
            raise InputError(f"VariationalLaplace.max_iterations must be at least 1, got {self.max_iterations!r}.")


class Design(NamedTuple):
    """What stays the same during an ascent: data, confounds rotated so that X'X is diagonal, priors."""

    y: Array  # (time, region)
    X: Array  # (time, confound)
    g: Array  # (confound,), diagonal of X'X
    precision: Array  # (free, free), prior precision
    noise: NoisePrior


class Point(NamedTuple):
    """Where the ascent stands: theta's deviation from the prior mean (free parameters), confound weights, log-precisions."""

    p: Array  # (free,)
    beta: Array  # (confound, region)
    h: Array  # (region,)


class Curvature(NamedTuple):
    """Gradient and negative Hessian of the free energy in (p, beta by region), and the same at one noise level."""

    gradient: Array
    information: Array
    eigen: tuple[Array, Array]
    log_determinant: float


class Ascent(NamedTuple):
    """The end of an ascent: best point, its free energy and covariance of p, and how it came there."""

    point: Point
    free_energy: float
    cov: Array
    log_precision_variance: Array
    prediction: Array
    status: Status
    history: History
    gradient_norm: float


def design(model: GenerativeModel, features: Features) -> Design:
    """Rotate the confounds and invert the prior."""
    X = features.confounds
    g, V = np.linalg.eigh(X.T @ X)
    free = model.prior.free
    return Design(features.values, np.ascontiguousarray(X @ V), g, np.linalg.inv(model.prior.cov[np.ix_(free, free)]), model.noise)


def start(model: GenerativeModel, design: Design, mean: Array) -> Point:
    """At a parameter vector, confounds at their least-squares fit to the data."""
    p = (mean - model.prior.mean)[model.prior.free]
    beta = np.linalg.lstsq(design.X, design.y, rcond=None)[0]
    return Point(p, beta, np.full(design.y.shape[1], design.noise.mean))


def linearise(model: GenerativeModel, p: Array, features: Features, differences: str) -> tuple[Array, Array] | None:
    """Prediction and Jacobian at a deviation p from the prior mean; None where the model is unstable there."""
    prior = model.prior
    theta = prior.mean.copy()
    theta[prior.free] += p
    # A course that runs away overflows: that is found below and answered with a shorter step, so no warning is due.
    with np.errstate(over="ignore", invalid="ignore"):
        if differences == "exact":
            prediction, jacobian, stable = model.linearise(theta, features)
        else:
            # SPM goes on with an overflown course (zeros after the overflow), so here only what is not finite stops.
            prediction, jacobian, stable = *_forward_differences(model, theta, features), True
    if not stable or not (np.isfinite(prediction).all() and np.isfinite(jacobian).all()):
        return None
    return prediction, jacobian


def _forward_differences(model: GenerativeModel, theta: Array, features: Features) -> tuple[Array, Array]:
    prediction, _ = model.predict(theta, features, "spm")
    columns = []
    for parameter in np.flatnonzero(model.prior.free):
        shifted = theta.copy()
        shifted[parameter] += DIFFERENCE_STEP
        columns.append((model.predict(shifted, features, "spm")[0] - prediction) / DIFFERENCE_STEP)
    return prediction, np.stack(columns, axis=-1)


@numba.njit(cache=True)
def _products(y, prediction, jacobian, X, beta):
    """Sums over time that one iteration needs: J'J, J'X, J'e, X'e and e'e of each region."""
    n_time, n, P = jacobian.shape
    k = X.shape[1]
    JJ, JX, Je, Xe, ee = np.zeros((n, P, P)), np.zeros((n, P, k)), np.zeros((n, P)), np.zeros((n, k)), np.zeros(n)
    for r in range(n):
        J = np.ascontiguousarray(jacobian[:, r, :])
        e = y[:, r] - prediction[:, r] - X @ np.ascontiguousarray(beta[:, r])
        Jt = np.ascontiguousarray(J.T)
        JJ[r], JX[r], Je[r], Xe[r], ee[r] = Jt @ J, Jt @ X, Jt @ e, np.ascontiguousarray(X.T) @ e, e @ e
    return JJ, JX, Je, Xe, ee


@numba.njit(cache=True)
def _estimate_noise(JJ, JX, ee, g, precision, n_time, h, prior_mean, prior_variance):
    """Update the log-precisions h; return the new h, and at the last but one: h, covariance of p, log|information|, noise curvature."""
    n, P, k = JX.shape
    for _ in range(NOISE_UPDATES):
        w = np.exp(h) + NOISE_FLOOR
        S = precision.copy()
        reduced, spread = np.zeros((n, P, P)), np.zeros((n, P, P))
        log_det = 0.0
        for r in range(n):
            K = 1.0 / (w[r] * g + CONFOUND_PRECISION)
            log_det -= np.log(K).sum()
            JXt = np.ascontiguousarray(JX[r].T)
            reduced[r] = (JX[r] * (w[r] * K)) @ JXt
            spread[r] = (JX[r] * (w[r] * K * w[r] * K * g)) @ JXt
            S += w[r] * (JJ[r] - reduced[r])
        L = np.linalg.cholesky(S)
        log_det += 2.0 * np.log(np.diag(L)).sum()
        cov = np.linalg.inv(S)
        slope, curvature = np.zeros(n), np.zeros(n)
        for r in range(n):
            share = np.exp(h[r]) / w[r]
            trace = (cov * (JJ[r] - 2.0 * reduced[r] + spread[r])).sum() + (g / (w[r] * g + CONFOUND_PRECISION)).sum()
            slope[r] = 0.5 * (share * n_time - np.exp(h[r]) * (ee[r] + trace))
            curvature[r] = -0.5 * share * share * n_time + slope[r] - 1.0 / prior_variance
            slope[r] -= (h[r] - prior_mean) / prior_variance
        used = h.copy()
        time = np.exp(NOISE_TIME - np.log(np.abs(curvature)).sum() / n)
        step = np.minimum(np.maximum(np.expm1(time * curvature) / curvature * slope, -1.0), 1.0)
        h = h + step
        if (slope * step).sum() < NOISE_GAIN:
            break
    return h, used, cov, log_det, curvature


def free_energy(design: Design, point: Point, ee: Array, used: Array, log_determinant: float, curvature: Array) -> float:
    """Accuracy minus complexity of parameters and of log-precisions, in nats (Friston et al. 2007, eq. 20)."""
    n_time, n = design.y.shape
    k = design.X.shape[1]
    w = np.exp(used) + NOISE_FLOOR
    accuracy = 0.5 * (n_time * np.log(w).sum() - w @ ee - n * n_time * np.log(2 * np.pi))
    log_prior = np.linalg.slogdet(design.precision)[1] + n * k * np.log(CONFOUND_PRECISION)
    squared = point.p @ design.precision @ point.p + CONFOUND_PRECISION * (point.beta**2).sum()
    parameters = 0.5 * (log_prior - log_determinant - squared)
    deviation = used - design.noise.mean
    noise = 0.5 * (-np.log(-curvature * design.noise.variance).sum() - deviation @ deviation / design.noise.variance)
    return float(accuracy + parameters + noise)


def curvature_at(design: Design, point: Point, products: tuple, used: Array) -> Curvature:
    """Gradient and information over (p, beta of region 1, beta of region 2, ...)."""
    JJ, JX, Je, Xe, _ = products
    n, P, k = JX.shape
    w = np.exp(used) + NOISE_FLOOR
    gradient = np.concatenate([w @ Je - design.precision @ point.p, (w[:, None] * Xe - CONFOUND_PRECISION * point.beta.T).ravel()])
    information = np.zeros((P + n * k, P + n * k))
    information[:P, :P] = np.tensordot(w, JJ, 1) + design.precision
    for r in range(n):
        block = slice(P + r * k, P + (r + 1) * k)
        information[:P, block] = w[r] * JX[r]
        information[block, :P] = w[r] * JX[r].T
        information[block, block] = np.diag(w[r] * design.g + CONFOUND_PRECISION)
    values, vectors = np.linalg.eigh(information)
    return Curvature(gradient, information, (values, vectors), float(np.log(np.abs(values)).sum()))


def ascent_step(curvature: Curvature, time: float) -> Array:
    """(exp(t H) - I) H^-1 gradient: the flow along the gradient of the local quadratic for a time t = e^time / |H|^(1/P) (Ozaki 1992)."""
    values, vectors = curvature.eigen
    log_time = time - curvature.log_determinant / len(values)
    along = vectors.T @ curvature.gradient
    gain = 1 / values if log_time > NEWTON_BEYOND else -np.expm1(-np.exp(log_time) * values) / values
    return vectors @ (gain * along)


def moved(point: Point, step: Array) -> Point:
    """The point after a step over (p, beta by region)."""
    P = len(point.p)
    return point._replace(p=point.p + step[:P], beta=point.beta + step[P:].reshape(point.beta.T.shape).T)


def ascend(model: GenerativeModel, features: Features, method: VariationalLaplace, start_mean: Array) -> Ascent:
    """The loop: predict and differentiate, estimate the noise, keep or go back, step."""
    d = design(model, features)
    n_time = len(d.y)
    prior_sd = np.sqrt(1 / np.diag(d.precision))
    point = start(model, d, start_mean)
    best, best_energy, best_cov, best_curvature, best_prediction = point, -np.inf, np.linalg.inv(d.precision), None, np.zeros_like(d.y)
    bend: Curvature | None = None
    time, calm, status = TIME_AT_START, 0, Status.MAXIMUM_ITERATIONS
    records = []
    for iteration in range(method.max_iterations):
        found = linearise(model, point.p, features, method.differences)
        for _ in range(RETRIES if bend is not None else 0):
            if found is not None:
                break
            time = min(time - TIME_FALL, TIME_AT_START)
            point = moved(best, ascent_step(bend, time))
            found = linearise(model, point.p, features, method.differences)
        if found is None:
            status = Status.DIVERGED
            break
        prediction, jacobian = found
        products = _products(d.y, prediction, jacobian, d.X, point.beta)
        h, used, cov, log_det, noise_curvature = _estimate_noise(
            products[0], products[1], products[4], d.g, d.precision, n_time, point.h, d.noise.mean, d.noise.variance
        )
        energy = free_energy(d, point, products[4], used, log_det, noise_curvature)
        # The first points are kept unseen: the noise level is still settling, and free energies do not yet compare.
        accepted = bool(energy > best_energy or iteration < 2)
        if accepted:
            point = point._replace(h=h)
            best, best_energy, best_cov, best_curvature, best_prediction = point, energy, cov, noise_curvature, prediction
            time = min(time + TIME_RISE, TIME_MOST)
            bend = curvature_at(d, point, products, used)
        else:
            point = best
            time = min(time - TIME_FALL, TIME_AT_START)
        step = ascent_step(bend, time)
        point = moved(point, step)
        gain = float(bend.gradient @ step)
        records.append((energy, np.linalg.norm(step[: len(prior_sd)] / prior_sd), gain, accepted))
        calm = calm + 1 if gain < GAIN_TOLERANCE else 0
        if calm >= CALM_STEPS:
            status = Status.CONVERGED
            break
    norm = np.inf if bend is None else _gradient_norm(model, features, d, best, best_cov, method)
    if status is Status.CONVERGED and not norm < STALLED_GRADIENT:
        status = Status.STALLED
    noise_variance = np.full(d.y.shape[1], d.noise.variance) if best_curvature is None else -1 / best_curvature
    return Ascent(best, best_energy, best_cov, noise_variance, best_prediction, status, _history(records), norm)


def _gradient_norm(model: GenerativeModel, features: Features, d: Design, point: Point, cov: Array, method: VariationalLaplace) -> float:
    """sqrt(g' Cov g) with the gradient recomputed at the point, confounds at their optimum for it: distance to the fixed point in posterior sd."""
    found = linearise(model, point.p, features, method.differences)
    if found is None:
        return np.inf
    products = _products(d.y, *found, d.X, point.beta)
    JJ, JX, Je, Xe, _ = products
    w = np.exp(point.h) + NOISE_FLOOR
    gradient = -d.precision @ point.p
    for r in range(len(w)):
        K = 1 / (w[r] * d.g + CONFOUND_PRECISION)
        gradient += w[r] * (Je[r] - JX[r] @ (K * (w[r] * Xe[r] - CONFOUND_PRECISION * point.beta[:, r])))
    return float(np.sqrt(max(gradient @ cov @ gradient, 0.0)))


def _history(records: list[tuple[float, float, float, bool]]) -> History:
    energy, step, gain, accepted = (np.array(column) for column in zip(*records, strict=True)) if records else (np.zeros(0),) * 4
    return History(energy, step, gain, accepted.astype(bool))


def posterior(model: GenerativeModel, ascent: Ascent) -> Gaussian:
    """The Gaussian over all parameters, the fixed ones at their prior mean."""
    prior = model.prior
    mean, cov = prior.mean.copy(), np.zeros_like(prior.cov)
    mean[prior.free] += ascent.point.p
    cov[np.ix_(prior.free, prior.free)] = (ascent.cov + ascent.cov.T) / 2
    return Gaussian(prior.names, mean, cov)
