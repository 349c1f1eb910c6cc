"""The problem that an ascent solves, in the form that its loops need: data, confounds and prior, made diagonal where that can be.

A channel is one region in one session: each has its own noise level and its own confound weights, and all share theta. Sums over time are
taken here, once for each point, and everything after them is free of time.

Lives here: that form, and what one point of the ascent costs: prediction, derivative, sums. Does not live here: where to go from there.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.model import Features, GenerativeModel, NoisePrior
from ltc_causal.core.result import History, Status
from ltc_causal.numerics.spare import Spare
from ltc_causal.numerics.squares import packed_squares

Array = NDArray[np.float64]

DIFFERENCE_STEP = np.exp(-8.0)  # SPM's forward difference
LARGE = 64  # parameters, beyond which LAPACK's matrices are quicker than compiled loops
CONFOUND_PRECISION = 1e-8  # a flat prior, but for rounding
NEGLIGIBLE_VARIANCE = 1e-16  # of the largest prior variance: such a direction counts as fixed


class Design(NamedTuple):
    """What stays the same during an ascent.

    y, X : of each session, the data (time, region) and the confounds (time, confound), rotated so that X'X is diagonal and padded with
        columns of zeros to one number in all sessions (such a column cannot move anything)
    g : (channel, confound), the diagonal of X'X
    n_padding : how many of these are padding
    n_time : (channel,), samples of each channel
    free : (free,), positions of the parameters that can vary
    basis : (free, coordinate), orthonormal eigenvectors of the prior covariance of the free parameters; None where it is diagonal already
    precision : (coordinate,), prior precision in that basis
    spare : memory for the large sums of the points to come
    """

    model: GenerativeModel
    features: tuple[Features, ...]
    differences: str
    y: tuple[Array, ...]
    X: tuple[Array, ...]
    g: Array
    n_padding: int
    n_time: Array
    free: NDArray[np.int64]
    basis: Array | None
    precision: Array
    noise: NoisePrior
    spare: Spare


class Point(NamedTuple):
    """Where an ascent stands: theta's deviation from the prior mean in the design's basis, confound weights, log-precisions."""

    p: Array  # (coordinate,)
    beta: Array  # (channel, confound)
    h: Array  # (channel,)


class Sums(NamedTuple):
    """Sums over time of each channel, e the residual y - prediction - X beta: J'J, J'X, J'e, X'e, e'e."""

    JJ: Array  # (channel, coordinate, coordinate); with more than LARGE coordinates packed, see `numerics.squares`
    JX: Array  # (channel, coordinate, confound)
    Je: Array  # (channel, coordinate)
    Xe: Array  # (channel, confound)
    ee: Array  # (channel,)


class Ascent(NamedTuple):
    """The end of an ascent: best point, its free energy and the covariance of p, and how it came there."""

    point: Point
    free_energy: float
    cov: Array
    log_precision_variance: Array  # (channel,)
    predictions: tuple[Array, ...]
    status: Status
    history: History
    gradient_norm: float


def design(model: GenerativeModel, features: Sequence[Features], differences: str) -> Design:
    """Rotate the confounds of each session and the prior's free parameters."""
    n = features[0].values.shape[1]
    most = max(one.confounds.shape[1] for one in features)
    X, g = zip(*(_rotated(one.confounds, most) for one in features), strict=True)
    padding = n * sum(most - one.confounds.shape[1] for one in features)
    n_time = np.repeat([float(len(one.values)) for one in features], n)
    y = tuple(np.array(one.values, dtype=np.float64, order="C") for one in features)
    free = np.flatnonzero(model.prior.free)
    basis, precision = _prior_basis(model.prior.cov[np.ix_(free, free)])
    g = np.repeat(g, n, axis=0)
    return Design(model, tuple(features), differences, y, X, g, padding, n_time, free, basis, precision, model.noise, Spare())


def _rotated(X: Array, columns: int) -> tuple[Array, Array]:
    """Confounds with X'X diagonal, padded to so many columns; and that diagonal."""
    g, V = np.linalg.eigh(X.T @ X)
    padded, diagonal = np.zeros((len(X), columns)), np.zeros(columns)
    padded[:, : len(g)], diagonal[: len(g)] = X @ V, np.maximum(g, 0)
    return padded, diagonal


def _prior_basis(cov: Array) -> tuple[Array | None, Array]:
    """Eigenvectors of a covariance and their precisions, without those that cannot vary; None for the vectors if it is diagonal."""
    variance = np.diag(cov)
    if np.count_nonzero(cov) == len(variance):
        return None, 1 / variance
    variance, vectors = np.linalg.eigh(cov)
    keep = variance > NEGLIGIBLE_VARIANCE * variance.max()
    # The smallest eigenvalues of a singular matrix are rounding of its largest.
    keep &= variance > len(variance) * np.finfo(float).eps * variance.max()
    return np.ascontiguousarray(vectors[:, keep]), 1 / variance[keep]


def coordinates(d: Design, theta: Array) -> Array:
    """A parameter vector as the deviation from the prior mean in the design's basis."""
    deviation = (theta - d.model.prior.mean)[d.free]
    return deviation if d.basis is None else d.basis.T @ deviation


def parameters(d: Design, p: Array) -> Array:
    """The parameter vector of a deviation p."""
    theta = d.model.prior.mean.copy()
    theta[d.free] += p if d.basis is None else d.basis @ p
    return theta


def start(d: Design, theta: Array) -> Point:
    """At a parameter vector, confounds at their least-squares fit to the data."""
    beta = [np.linalg.lstsq(X, y, rcond=None)[0].T for X, y in zip(d.X, d.y, strict=True)]
    return Point(coordinates(d, theta), np.array(np.concatenate(beta), dtype=np.float64, order="C"), np.full(len(d.g), d.noise.mean))


def nowhere(d: Design, point: Point) -> Ascent:
    """The end of an ascent whose start has no stable prediction."""
    flat = tuple(np.zeros_like(y) for y in d.y)
    variance = np.full(len(d.g), d.noise.variance)
    return Ascent(point, -np.inf, np.diag(1 / d.precision), variance, flat, Status.DIVERGED, History.of([]), np.inf)


def evaluate(d: Design, p: Array, beta: Array) -> tuple[Sums, tuple[Array, ...]] | None:
    """The sums over time at a point, and the prediction of each session; None where the model is unstable there.

    A course that runs away overflows: that is found here, so that the caller may silence warnings.
    """
    theta = parameters(d, p)
    n = d.y[0].shape[1]
    parts, predictions = [], []
    for session, features in enumerate(d.features):
        prediction, jacobian, stable = _linearise(d, theta, features)
        if not stable:
            return None
        jacobian = np.ascontiguousarray(jacobian if d.basis is None else jacobian @ d.basis)
        data = d.y[session], prediction, jacobian, d.X[session], beta[n * session : n * session + n]
        *sums, finite = _sums(*data) if jacobian.shape[-1] <= LARGE else _large_sums(*data, d.spare)
        if not finite:
            return None
        parts.append(sums)
        predictions.append(prediction)
    merged = parts[0] if len(parts) == 1 else [np.concatenate(same) for same in zip(*parts, strict=True)]
    return Sums(*merged), tuple(predictions)


def _linearise(d: Design, theta: Array, features: Features) -> tuple[Array, Array, bool]:
    if d.differences == "exact":
        return d.model.linearise(theta, features)
    # SPM goes on with an overflown course (zeros after the overflow), so here only what is not finite stops.
    prediction, _ = d.model.predict(theta, features, "spm")
    columns = []
    for parameter in d.free:
        shifted = theta.copy()
        shifted[parameter] += DIFFERENCE_STEP
        columns.append((d.model.predict(shifted, features, "spm")[0] - prediction) / DIFFERENCE_STEP)
    return prediction, np.stack(columns, axis=-1), True


@numba.njit(cache=True, error_model="numpy")
def _sums(y, prediction, jacobian, X, beta):
    """J'J, J'X, J'e, X'e and e'e of each region of one session, and whether all that went into them is finite."""
    n_time, n, P = jacobian.shape
    k = X.shape[1]
    JJ, JX, Je, Xe, ee = np.empty((n, P, P)), np.empty((n, P, k)), np.empty((n, P)), np.empty((n, k)), np.empty(n)
    errors = np.ascontiguousarray((y - prediction - X @ beta.T).T)
    together = jacobian.reshape(n_time, n * P).T @ X  # one product of matrices for all regions is quicker than one for each
    J = np.empty((n_time, P))
    total = 0.0
    for r in range(n):
        e = errors[r]
        for t in range(n_time):
            for i in range(P):
                J[t, i] = jacobian[t, r, i]
        JJ[r], JX[r], Je[r], Xe[r], ee[r] = J.T @ J, together[r * P : r * P + P], J.T @ e, X.T @ e, e @ e
        # Whatever is not finite in J or e is not finite in the diagonal of J'J or in e'e: squares cannot cancel.
        total += ee[r] + np.trace(JJ[r])
    return JJ, JX, Je, Xe, ee, np.isfinite(total)


def _large_sums(y: Array, prediction: Array, jacobian: Array, X: Array, beta: Array, spare: Spare) -> tuple:
    """`_sums` with J'J packed."""
    n_time, n, P = jacobian.shape
    errors = (y - prediction - X @ beta.T).T
    JJ, JX, Je = spare.empty((n, P * (P + 1) // 2)), np.empty((n, P, X.shape[1])), np.empty((n, P))
    ee = (errors**2).sum(axis=1)
    J = np.empty((n_time, P))
    for r in range(n):
        J[:] = jacobian[:, r]
        # Asked here because what follows would not end well; squares cannot cancel.
        if not np.isfinite(ee[r] + np.vdot(J, J)):
            return JJ, JX, Je, errors @ X, ee, False
        JX[r], Je[r] = J.T @ X, errors[r] @ J
        packed_squares(J, JJ[r])
    return JJ, JX, Je, errors @ X, ee, True
