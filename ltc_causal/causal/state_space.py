"""From samples to rates: the linear state space behind a series, and its transition as a coupling in continuous time.

    x' = A x + noise, read every dt:   x_{t+1} = F x_t + w,   F = e^{A dt};   y_t = x_t + v

Lives here: the matrix logarithm with its warning, and a transition that noise on the observation does not bias. Does not live here: the
table of methods (`baselines`).
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import sqrtm

from ltc_causal.errors import InputError, finite_array, positive

Array = NDArray[np.float64]

FAST = 0.8  # of the highest frequency that sampling can tell, 1 / (2 dt): beyond it a rotation may be a faster one, seen too seldom
LAGS = 4  # whose covariances a transition is fitted to
RIDGE = 1e-2  # of the mean squared lagged covariance
NEAR, NODES = 0.25, 10  # distance from the identity at which a quadrature of so many nodes is exact to rounding


class LogarithmStatus(Enum):
    """Whether a transition has a coupling in continuous time; the value is the sentence that the user sees."""

    OK = "The transition has one coupling whose rotations the sampling can follow."
    ALIASED = "A rotation is close to the fastest that this sampling can tell, and may be a faster one seen too seldom: sample more often."
    NO_REAL_LOGARITHM = (
        "The transition has an eigenvalue that no real coupling gives (negative or zero), so its real part is given: the sampling is too slow "
        "or the noise too strong to read it as rates."
    )

    @property
    def ok(self) -> bool:
        """Whether the coupling can be read as rates."""
        return self is LogarithmStatus.OK

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, eq=False)
class ContinuousCoupling:
    """A = log F / dt.

    A : shape (region, region), Hz, row = target, column = source
    status : whether it can be read as rates
    fastest : the fastest rotation as a share of what the sampling can tell, |Im eig(A)| dt / pi; 1 where an eigenvalue of F is negative
    """

    A: Array
    status: LogarithmStatus
    fastest: float


def continuous_coupling(F: ArrayLike, dt: float) -> ContinuousCoupling:
    """The coupling in Hz whose samples every dt follow x_{t+1} = F x_t: the principal logarithm of F over dt.

    F : shape (region, region), row = target, column = source; dt : seconds

    It is the only one with |Im eig(A)| < pi / dt; whether the truth is slower than that, the samples cannot tell. Where a direct connection
    is absent from A, F has all the same an entry for every path: F is dense, A is not.

    Raises `InputError` unless F is square.
    """
    transition = finite_array("continuous_coupling(F)", F, 2, "(region, region)")
    if transition.shape[0] != transition.shape[1]:
        raise InputError(f"continuous_coupling(F) must be square, got shape {transition.shape}.")
    seconds = positive("continuous_coupling(dt)", dt, "seconds")
    eigenvalues = np.linalg.eigvals(transition)
    size = np.abs(eigenvalues)
    if (
        not size.min() > np.finfo(float).eps * size.max()
    ):  # an activity that is gone within a sample has no rate: give it the fastest there is
        transition = transition + np.sqrt(np.finfo(float).eps) * max(size.max(), 1.0) * np.eye(len(transition))
    # A negative eigenvalue comes alone or in pairs; a pair of conjugates close to the axis is a fast rotation instead.
    negative = (eigenvalues.real <= 0) & (np.abs(eigenvalues.imag) <= 1e-12 * np.maximum(size, 1e-300))
    fastest = float(np.abs(np.angle(eigenvalues)).max() / np.pi)
    status = LogarithmStatus.OK if fastest <= FAST else LogarithmStatus.ALIASED
    if negative.any():
        status = LogarithmStatus.NO_REAL_LOGARITHM
    return ContinuousCoupling(_logarithm(transition).real / seconds, status, fastest)


def _logarithm(F: Array) -> NDArray[np.complex128]:
    """The principal logarithm: square roots until close to the identity, then log(I + X) = integral of X (I + t X)^-1 over t in [0, 1].

    (Dieci, Morini and Papini 1996; scipy's own draws from numpy's global generator.)
    """
    root, doublings, eye = F.astype(complex), 0, np.eye(len(F))
    while np.linalg.norm(root - eye, 1) > NEAR:
        root, doublings = np.asarray(sqrtm(root)), doublings + 1
    X = root - eye
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    parts = [w / 2 * np.linalg.solve(eye + (t + 1) / 2 * X, X) for t, w in zip(nodes, weights, strict=True)]
    return 2.0**doublings * np.sum(parts, axis=0)


def lagged_transition(values: ArrayLike, lags: int = LAGS, ridge: float = RIDGE) -> Array:
    """The transition F of a linear state space from covariances of the series at lags, of which white noise on the observation spoils none.

    values : shape (time, region)

    With G_k = E[y_{t+k} y_t'], G_{k+1} = F G_k for k >= 1 (the noise is in G_0 alone); F by ridge regression over k = 1 ... `lags`, towards
    what an ordinary autoregression gives.

    Raises `InputError` if there are too few samples.
    """
    y = finite_array("lagged_transition(values)", values, 2, "(time, region)")
    n_time, n = y.shape
    if n_time <= n + lags + 1:
        raise InputError(f"{n_time} samples are too few for a transition of {n} regions from {lags} lags: record for longer.")
    y = y - y.mean(axis=0)
    G = [y[k:].T @ y[: n_time - k] / n_time for k in range(lags + 2)]
    plain = G[1] @ np.linalg.inv(G[0])
    before, after = np.concatenate(G[1:-1], axis=1), np.concatenate(G[2:], axis=1)
    square = before @ before.T
    weight = ridge * np.trace(square) / n
    return (after @ before.T + weight * plain) @ np.linalg.inv(square + weight * np.eye(n))
