"""The second level of a hierarchical model: what many subjects' posteriors say of their group, in arrays.

Each subject's parameters are theta_i = X_i b + e_i, e_i ~ N(0, R^-1), R = sum_k exp(g_k) Q_k. The first level gives posterior q_i and prior p_i, so that
what the data say of theta_i is q_i / p_i, a Gaussian of precision P_i and information h_i, and everything is a Gaussian integral (Friston et al.
2016, "Bayesian model reduction and empirical Bayes for group (DCM) studies", eqs. 8 to 12):

    S_i = (P_i + R)^-1,   s_i = S_i (h_i + R X_i b)
    log evidence of i over its first level = k_i + (log|R| + log|S_i| + s_i' S_i^-1 s_i - b' X_i' R X_i b) / 2

Given the log-precisions g, the effects b are Gaussian too and are integrated out exactly, so that g is judged as by restricted maximum likelihood
(no variance is lost to the effects that are estimated); g is Laplace's approximation at the top of what remains.

Lives here: that objective and its ascent, and SPM's ascent for comparison with SPM. Does not live here: designs, names, results (`peb`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm
from scipy.optimize import minimize

from ltc_causal.core.gaussian import Gaussian
from ltc_causal.errors import InputError

Array = NDArray[Any]

TOLERANCE = 1e-6  # of the gradient in the log-precisions, nats
STEP = 1e-4  # of the central differences of that gradient


@dataclass(frozen=True, eq=False)
class FirstLevel:
    """What the subjects' data say of their parameters: q_i / p_i = exp(k_i + h_i' theta - theta' P_i theta / 2).

    precision : P, shape (subject, parameter, parameter)
    information : h, shape (subject, parameter)
    constant : k, shape (subject,)
    """

    precision: Array
    information: Array
    constant: Array

    @classmethod
    def of(cls, posteriors: Sequence[Gaussian], priors: Sequence[Gaussian], overconfidence: float = 0.0) -> "FirstLevel":
        """From posteriors and priors over the same parameters, all of which vary.

        overconfidence : this share of each prior's precision is added to its posterior's, as SPM does with 1/16 to make up for fits that
            stopped early; 0 takes the posteriors as they are

        Raises `InputError` if a prior or posterior is singular.
        """
        q, p = np.array([one.mean for one in posteriors]), np.array([one.mean for one in priors])
        Pq, log_q = _inverses([one.cov for one in posteriors], "posterior")
        Pp, log_p = _inverses([one.cov for one in priors], "prior")
        if overconfidence:
            Pq = Pq + overconfidence * Pp
            log_q = np.linalg.slogdet(Pq)[1]
        quadratic = _quadratic(Pq, q) - _quadratic(Pp, p)
        information = np.einsum("nij,nj->ni", Pq, q) - np.einsum("nij,nj->ni", Pp, p)
        return cls(Pq - Pp, information, (log_q - log_p - quadratic) / 2)

    def without(self, subject: int) -> "FirstLevel":
        """All but one subject."""
        keep = np.arange(len(self.constant)) != subject
        return FirstLevel(self.precision[keep], self.information[keep], self.constant[keep])

    def log_evidence(self, subject: int, mean: Array, cov: Array) -> float:
        """Of one subject under theta ~ N(mean, cov), over that of its first level, nats."""
        R = np.linalg.inv(cov)
        P = self.precision[subject] + R
        information = self.information[subject] + R @ mean
        s = np.linalg.solve(P, information)
        logs = np.linalg.slogdet(R)[1] - np.linalg.slogdet(P)[1]
        return float(self.constant[subject] + (logs + s @ information - mean @ R @ mean) / 2)


def _inverses(covs: Sequence[Array], what: str) -> tuple[Array, Array]:
    """Precisions and their log determinants, scaled by the standard deviations on the way."""
    stack = np.array(covs)
    sd = np.sqrt(np.diagonal(stack, axis1=1, axis2=2))
    try:
        scaled = stack / (sd[:, :, None] * sd[:, None, :])
        root = np.linalg.cholesky(scaled)
    except np.linalg.LinAlgError:
        raise InputError(
            f"A subject's {what} is singular over the parameters taken to the group: take those alone that vary on their own."
        ) from None
    inverse = np.linalg.inv(root)
    precision = np.einsum("nki,nkj->nij", inverse, inverse) / (sd[:, :, None] * sd[:, None, :])
    return precision, -2 * (np.log(np.diagonal(root, axis1=1, axis2=2)) + np.log(sd)).sum(axis=1)


def _quadratic(P: Array, x: Array) -> Array:
    return np.einsum("ni,nij,nj->n", x, P, x)


@dataclass(frozen=True, eq=False)
class SecondLevel:
    """The group's model.

    X : shape (subject, covariate)
    effects : mean and precision of b, shapes (covariate * parameter,) and its square, covariate by covariate
    Q : shape (component, parameter, parameter), what exp(g) scales in the between-subject precision
    log_precision : prior mean and variance of each g
    """

    X: Array
    effects: tuple[Array, Array]
    Q: Array
    log_precision: tuple[float, float]

    def expand(self, row: Array) -> Array:
        """X_i: from the effects to one subject's expected parameters, shape (parameter, covariate * parameter)."""
        return np.kron(row, np.eye(self.Q.shape[1]))

    def without(self, subject: int) -> "SecondLevel":
        """All but one subject."""
        return SecondLevel(np.delete(self.X, subject, axis=0), self.effects, self.Q, self.log_precision)


@dataclass(frozen=True, eq=False)
class Ascent:
    """Effects b and log-precisions g with their covariances, the between-subject covariance, and the free energy over the first level's."""

    b: Array
    cov: Array
    g: Array
    g_cov: Array
    between: Array
    free_energy: float
    converged: bool


def ascend(data: FirstLevel, model: SecondLevel, start: Array | None = None) -> Ascent:
    """The top of log p(data, g) by BFGS with exact gradients, from the prior mean of g; the effects' covariance includes what g leaves open."""
    g0, variance = model.log_precision

    def surface(g: Array) -> tuple[float, Array]:
        value, gradient = integrated(data, model, g)
        return float(-value + (g - g0) @ (g - g0) / (2 * variance)), (g - g0) / variance - gradient

    begin = np.full(len(model.Q), g0) if start is None else start
    found = minimize(surface, begin, jac=True, method="BFGS", options={"gtol": TOLERANCE})
    g = np.asarray(found.x)
    steps = STEP * np.eye(len(g))
    curvature = np.array([surface(g + step)[1] - surface(g - step)[1] for step in steps]) / (2 * STEP)
    g_cov = np.linalg.inv((curvature + curvature.T) / 2)
    b, cov = _effects(data, model, g)
    moved = cov @ _joint(data, model, b, g).by_bg  # db / dg
    energy = -surface(g)[0] + (np.linalg.slogdet(g_cov)[1] - len(g) * np.log(variance)) / 2
    # BFGS may stop for want of digits where the gradient is as good as zero.
    converged = bool(np.abs(surface(g)[1]).max() < 1e3 * TOLERANCE)
    return Ascent(b, cov + moved @ g_cov @ moved.T, g, g_cov, _between(model, g), float(energy), converged)


def integrated(data: FirstLevel, model: SecondLevel, g: Array) -> tuple[float, Array]:
    """Log evidence over that of the first levels at log-precisions g, the effects integrated out, and its gradient."""
    b, cov = _effects(data, model, g)
    at = _joint(data, model, b, g)
    log_det = np.linalg.slogdet(cov)[1] + np.linalg.slogdet(model.effects[1])[1]
    W = np.eye(at.R.shape[0]) - at.S @ at.R
    c, p = model.X.shape[1], len(W[0])
    blocks = cov.reshape(c, p, c, p).transpose(0, 2, 1, 3).reshape(c * c, p * p)
    spread = (_pairs(model.X) @ blocks).reshape(-1, p, p)  # of each subject's expected parameters
    inner = (W @ spread @ W.transpose(0, 2, 1)).sum(axis=0)
    return float(at.value + log_det / 2), at.along_g - np.einsum("ij,kji->k", inner, at.scaled) / 2


def _effects(data: FirstLevel, model: SecondLevel, g: Array) -> tuple[Array, Array]:
    """Mean and covariance of the effects given g."""
    at = _joint(data, model, np.zeros(len(model.effects[0])), g)
    cov = np.linalg.inv(-at.by_bb)
    return cov @ at.by_b, cov


def _between(model: SecondLevel, g: Array) -> Array:
    return np.linalg.inv(np.einsum("k,kij->ij", np.exp(g), model.Q))


def _pairs(X: Array) -> Array:
    """Products of each subject's covariates, shape (subject, covariate^2)."""
    return (X[:, :, None] * X[:, None, :]).reshape(len(X), -1)


class Joint(NamedTuple):
    """The log joint of the data and b given g, with derivatives, and what it is made of."""

    value: float
    by_b: Array
    along_g: Array  # without the prior of g
    by_bb: Array
    by_bg: Array
    R: Array
    S: Array
    e: Array
    scaled: Array


def _joint(data: FirstLevel, model: SecondLevel, b: Array, g: Array) -> Joint:
    b0, B = model.effects
    scaled = np.exp(g)[:, None, None] * model.Q  # derivative of R in each g
    R = scaled.sum(axis=0)
    n_subject, n_parameter = data.information.shape
    m = model.X @ b.reshape(-1, n_parameter)
    P = data.precision + R
    S = np.linalg.inv(P)
    information = data.information + m @ R
    s = np.einsum("nij,nj->ni", S, information)
    value = data.constant.sum() + (n_subject * np.linalg.slogdet(R)[1] - np.linalg.slogdet(P)[1].sum()) / 2
    value += (np.einsum("ni,ni->", s, information) - np.einsum("ni,ij,nj->", m, R, m)) / 2 - (b - b0) @ B @ (b - b0) / 2

    e = s - m  # how far each subject lies from what the group expects
    by_b = np.einsum("nc,np->cp", model.X, e @ R).ravel() - B @ (b - b0)
    C = np.linalg.inv(R)
    pulled = np.einsum("kij,nj->nki", scaled, e)
    along_g = (np.einsum("ij,kji->k", n_subject * C - S.sum(axis=0), scaled) - np.einsum("ni,nki->k", e, pulled)) / 2
    curved = R @ S @ R - R
    c = model.X.shape[1]
    by_bb = (_pairs(model.X).T @ curved.reshape(n_subject, -1)).reshape(c, c, n_parameter, n_parameter)
    by_bb = by_bb.transpose(0, 2, 1, 3).reshape(len(b), len(b)) - B
    by_bg = np.tensordot(model.X, pulled - pulled @ S @ R, (0, 0)).transpose(0, 2, 1).reshape(len(b), -1)
    return Joint(float(value), by_b, along_g, by_bb, by_bg, R, S, e, scaled)


def ascend_as_spm(data: FirstLevel, model: SecondLevel) -> Ascent:
    """SPM's ascent (spm_dcm_peb, development version of 2026), for comparison with it: b and g climb together.

    It keeps the point of the highest free energy, stops before the top (when a step gains less than 1e-4 nat), and counts the complexity of
    the effects from 0 where their prior mean is meant. Covariances are those of b given g, and of g given b.
    """
    b, g = model.effects[0], np.full(len(model.Q), model.log_precision[0])
    pace, gain, best = -4.0, 0.0, -np.inf
    for iteration in range(1, 65):
        gradient, hessian, energy, covs = _spm_point(data, model, b, g)
        if energy >= best:
            gain = energy - best if iteration > 1 else 0.0
            best, kept, pace = energy, (b, g, gradient, hessian, covs), min(pace + 0.25, 2.0)
        else:
            pace -= 1
            b, g, gradient, hessian, covs = kept
        if pace < -4 or (gain < 1e-4 and iteration > 4):
            break
        scale = np.exp(pace - np.linalg.slogdet(hessian)[1] / len(gradient))
        step = np.linalg.solve(hessian, (expm(scale * hessian) - np.eye(len(gradient))) @ gradient)
        b, g = b + step[: len(b)], g + np.tanh(step[len(b) :])
    b, g, _, _, covs = kept
    return Ascent(b, covs[0], g, covs[1], _between(model, g), float(best), True)


def _spm_point(data: FirstLevel, model: SecondLevel, b: Array, g: Array) -> tuple[Array, Array, float, tuple[Array, Array]]:
    """Gradient and Hessian in (b, g), SPM's free energy over the first level's, and the two covariances."""
    (b0, B), (g0, variance) = model.effects, model.log_precision
    at = _joint(data, model, b, g)
    C, n = np.linalg.inv(at.R), len(data.constant)
    pulled = np.einsum("kij,nj->nki", at.scaled, at.e)
    CQ, SQ = C @ at.scaled, np.einsum("nij,kjl->nkil", at.S, at.scaled)
    traces = n * np.einsum("kij,lji->kl", CQ, CQ) - np.einsum("nkij,nlji->kl", SQ, SQ)
    by_gg = np.einsum("nki,nij,nlj->kl", pulled, at.S, pulled) - traces / 2 + np.diag(at.along_g - 1 / variance)
    gradient = np.concatenate([at.by_b, at.along_g - (g - g0) / variance])
    hessian = np.block([[at.by_bb, at.by_bg], [at.by_bg.T, by_gg]])
    log_det = np.linalg.slogdet(B)[1] - len(g) * np.log(variance) - np.linalg.slogdet(-hessian)[1]
    about_zero = (b @ B @ b - (b - b0) @ B @ (b - b0)) / 2
    energy = at.value - about_zero - (g - g0) @ (g - g0) / (2 * variance) + log_det / 2
    return gradient, hessian, float(energy), (np.linalg.inv(-at.by_bb), np.linalg.inv(-by_gg))
