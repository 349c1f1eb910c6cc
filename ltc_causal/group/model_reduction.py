"""Bayesian model reduction: what another prior would have given, from a posterior that is known, without fitting again.

With the full model's prior p(theta) and posterior q(theta), and a reduced prior r(theta) of the same likelihood,

    evidence of the reduced over that of the full model = integral of q(theta) r(theta) / p(theta)

(Friston and Penny 2011, eq. 3; Friston et al. 2016). It is exact where the posterior is, and a Gaussian integral where all three are Gaussian.

Lives here: that integral. Does not live here: the search for the best model (`pruning`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve, cholesky

from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.result import Fit
from ltc_causal.errors import InputError

Array = NDArray[np.float64]

NEGLIGIBLE = 1e-12  # of the largest eigenvalue of a correlation matrix: such a direction does not vary
OUTSIDE = 1e-8  # prior sd by which a reduced prior may leave what the full one allows


@dataclass(frozen=True, eq=False)
class ReducedPosterior:
    """What the reduced model says.

    posterior : over the same parameters; what the reduced prior fixes has variance zero
    log_evidence_change : log evidence of the reduced model minus that of the full one, nats
    """

    posterior: Gaussian
    log_evidence_change: float


def reduce_model(source: Fit | tuple[Gaussian, Gaussian], reduced_prior: Gaussian | Mapping[str, tuple[float, float]]) -> ReducedPosterior:
    """Posterior and change of log evidence under another prior, narrower than the full model's or fixing some of its parameters.

    source : a fit, or (posterior, prior) of the full model
    reduced_prior : over the same parameters, with any covariance; or {parameter: (mean, sd)} for what changes, independent of the others.
        An sd of 0 fixes a parameter: (0, 0) is an absent connection

    In coordinates in which the full prior is N(0, I) and the posterior N(m, C), with the reduced prior N(r, R R'), P = C^-1 and K = P - I,

        M = I + R' K R,   h = R' (P m - K r),   posterior N(r + R M^-1 h, R M^-1 R')
        2 change = -log|C| - log|M| - (r - m)' P (r - m) + r' r + h' M^-1 h

    so that neither R R' nor the full prior need have an inverse.

    Raises `InputError` if the parameters differ, if the reduced prior allows what the full one excludes, or if it is so much wider that the
    product has no integral.
    """
    posterior, prior = (source.posterior, source.prior) if isinstance(source, Fit) else source
    reduced_prior = reduced_prior if isinstance(reduced_prior, Gaussian) else _stated(prior, reduced_prior)
    for other in (posterior, reduced_prior):
        if other.names != prior.names:
            raise InputError("reduce_model needs posterior, prior and reduced prior over the same parameters in the same order.")
    to, back = _whitening(prior)
    m, C = to @ (posterior.mean - prior.mean), _symmetric(to @ posterior.cov @ to.T)
    r, R = _within(prior, reduced_prior, to, back)
    C_root = _root(C, "reduce_model needs a posterior that varies wherever its prior does: this one is singular there.")
    P = cho_solve((C_root, True), np.eye(len(C)))
    K = P - np.eye(len(C))
    M_root = _root(
        np.eye(R.shape[1]) + R.T @ K @ R,
        "The reduced prior is too much wider than the full one for the product with this posterior to have an integral: give a narrower one.",
    )
    h = R.T @ (P @ m - K @ r)
    solved = cho_solve((M_root, True), h)
    change = -_log_det(C_root) - _log_det(M_root) - (r - m) @ P @ (r - m) + r @ r + h @ solved
    mean = reduced_prior.mean + back @ (R @ solved)
    spread = back @ R
    cov = _symmetric(spread @ cho_solve((M_root, True), spread.T)) if R.shape[1] else np.zeros_like(prior.cov)
    cov[~reduced_prior.free] = cov[:, ~reduced_prior.free] = 0.0
    return ReducedPosterior(Gaussian(prior.names, mean, cov), float(change / 2))


def _stated(prior: Gaussian, changes: Mapping[str, tuple[float, float]]) -> Gaussian:
    mean, cov = prior.mean.copy(), prior.cov.copy()
    for name, (its_mean, its_sd) in changes.items():
        at = prior.index(name)
        mean[at], cov[at], cov[:, at] = its_mean, 0.0, 0.0
        cov[at, at] = its_sd**2
    return Gaussian(prior.names, mean, cov)


def _whitening(prior: Gaussian) -> tuple[Array, Array]:
    """Matrices to coordinates in which the prior is N(0, I), and back; directions that do not vary are left out."""
    scale = np.where(prior.free, prior.sd, 1.0)
    values, vectors = np.linalg.eigh(prior.cov / np.outer(scale, scale))
    keep = values > NEGLIGIBLE * max(float(values[-1]), 1.0)
    root = np.sqrt(values[keep])
    return (vectors[:, keep] / root).T / scale, scale[:, None] * vectors[:, keep] * root


def _within(prior: Gaussian, reduced: Gaussian, to: Array, back: Array) -> tuple[Array, Array]:
    """Mean and root of the covariance of the reduced prior in the full prior's coordinates; raises `InputError` where it leaves them."""
    scale = np.where(reduced.free, reduced.sd, 1.0)
    values, vectors = np.linalg.eigh(reduced.cov / np.outer(scale, scale))
    keep = values > NEGLIGIBLE * max(float(values[-1]), 1.0)
    root = scale[:, None] * vectors[:, keep] * np.sqrt(values[keep])
    shift = (reduced.mean - prior.mean)[:, None]
    unit = np.where(prior.free, prior.sd, 1.0)
    for given, what in ((shift, "a mean"), (root, "a variance")):
        lost = np.abs(given - back @ (to @ given)).max(axis=1, initial=0.0) / unit
        if lost.max(initial=0.0) > OUTSIDE * max(1.0, np.abs(to @ given).max(initial=0.0)):
            raise InputError(
                f"The reduced prior gives {prior.names[int(np.argmax(lost))]!r} {what} that the full prior excludes: "
                "keep what the full prior fixes."
            )
    return to @ shift[:, 0], to @ root


def _symmetric(matrix: Array) -> Array:
    return (matrix + matrix.T) / 2


def _root(matrix: Array, otherwise: str) -> Array:
    """Lower Cholesky factor; raises `InputError` with that sentence if there is none."""
    try:
        return cholesky(matrix, lower=True)
    except LinAlgError:
        raise InputError(otherwise) from None


def _log_det(root: Array) -> float:
    return float(2 * np.log(np.diag(root)).sum())
