"""The likelihood of a linear network with feedback whose sources are skewed and heavy-tailed: value, gradient and Hessian.

    z = B z + e,   e_i = m_i + s_i v_i,   p(v) = cos(pi r_i / 2) / pi * exp(r_i v) / cosh(v)

The density of a source is the skewed hyperbolic secant (Morris 1982, sect. 2; r = 0 gives the symmetric one): |r| < 1 makes it lean to one
side, and its tails fall exponentially. A network of Gaussian sources has the same likelihood for every direction of its connections; this
one does not, with feedback neither (Lacerda et al. 2008, theorem 1).

Lives here: that likelihood of arrays. Does not live here: its prior, its maximum, regions (`inference.sources`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

OWN = 3  # parameters of each source besides its row of B: log s, m, and a with r = tanh a


class Sums(NamedTuple):
    """The log-likelihood of theta, its gradient (parameter,) and its Hessian (parameter, parameter)."""

    value: float
    gradient: Array
    hessian: Array


def count(n: int) -> int:
    """How many parameters a network of n units has: B's entries off the diagonal row by row, then log s, m and a of every unit."""
    return n * (n - 1) + OWN * n


def split(theta: Array, n: int) -> tuple[Array, Array, Array, Array]:
    """B of shape (unit, unit), row = target, and log s, m and a, each of shape (unit,)."""
    B = np.zeros((n, n))
    B[~np.eye(n, dtype=bool)] = theta[: n * (n - 1)]
    log_s, m, a = theta[n * (n - 1) :].reshape(OWN, n)
    return B, log_s, m, a


def value_and_gradient(theta: Array, z: Array) -> tuple[float, Array]:
    """Log-likelihood of z, shape (time, unit), samples independent; minus infinity where feedback has no equilibrium, det(1 - B) <= 0."""
    n_time, n = z.shape
    B, log_s, m, a = split(theta, n)
    M = np.eye(n) - B
    sign, log_det = np.linalg.slogdet(M)
    if not sign > 0:
        return -np.inf, np.zeros_like(theta)
    r, s = np.tanh(a), np.exp(log_s)
    v = (z @ M.T - m) / s
    # log cosh without overflow, and log cos(pi r / 2) from its complement, so that r near 1 keeps its digits.
    per_unit = (r * v - np.logaddexp(v, -v) + np.log(2.0)).sum(axis=0)
    value = per_unit.sum() + n_time * (_log_norm(a) - log_s).sum() + n_time * log_det
    slope = r - np.tanh(v)
    by_B = -(slope / s).T @ z - n_time * np.linalg.inv(M).T
    by_a = (1 - r**2) * v.sum(axis=0) + n_time * _log_norm_slope(a)
    own = np.stack([-(slope * v).sum(axis=0) - n_time, -(slope / s).sum(axis=0), by_a])
    return float(value), np.concatenate([by_B[~np.eye(n, dtype=bool)], own.ravel()])


def hessian(theta: Array, z: Array) -> Array:
    """Second derivatives of the log-likelihood."""
    n_time, n = z.shape
    B, log_s, m, a = split(theta, n)
    r, s = np.tanh(a), np.exp(log_s)
    inverse = np.linalg.inv(np.eye(n) - B)
    v = (z @ (np.eye(n) - B).T - m) / s
    off = ~np.eye(n, dtype=bool)
    target, source = np.nonzero(off)
    q = len(target)
    H = np.zeros((len(theta), len(theta)))
    H[:q, :q] = -n_time * inverse[source[:, None], target] * inverse[source, target[:, None]]  # of log det(1 - B)
    for i in range(n):
        rows = np.concatenate([np.flatnonzero(target == i), q + i + n * np.arange(OWN)])
        H[np.ix_(rows, rows)] += _of_one_source(v[:, i], z[:, off[i]], s[i], r[i], a[i])
    return H


def _of_one_source(v: Array, others: Array, s: float, r: float, a: float) -> Array:
    """In the unit's row of B, log s, m and a, but for the determinant of the network."""
    slope, curvature = r - np.tanh(v), np.tanh(v) ** 2 - 1
    # Derivatives of v in (row of B, log s, m); those of second order are v itself, -dv/dB and -dv/dm in the line of log s.
    dv = np.column_stack([-others / s, -v, np.full(len(v), -1 / s)])
    k, scale = dv.shape[1], others.shape[1]
    H = np.zeros((k + 1, k + 1))
    H[:k, :k] = (dv * curvature[:, None]).T @ dv
    again = -(slope[:, None] * dv).sum(axis=0)
    H[scale, :k] += again
    H[:k, scale] += again
    H[scale, scale] -= again[scale]
    lean = 1 - r**2
    H[k, :k] = H[:k, k] = lean * dv.sum(axis=0)
    H[k, k] = -2 * r * lean * v.sum() + len(v) * _log_norm_curvature(a)
    return H


# log cos(pi tanh(a) / 2) - log pi, with t = pi (1 - |tanh a|) / 2 the complement of its angle.


def _complement(a: Array | float) -> Array:
    return np.pi / (1 + np.exp(2 * np.abs(a)))


def _log_norm(a: Array) -> Array:
    return np.log(np.sin(_complement(a))) - np.log(np.pi)


def _log_norm_slope(a: Array | float) -> Array:
    return -np.sign(a) * np.pi / 2 / np.tan(_complement(a)) / np.cosh(a) ** 2


def _log_norm_curvature(a: float) -> float:
    t, lean = _complement(a), 1 / np.cosh(a) ** 2
    by_angle = np.sign(a) / np.tan(t)
    return float(-((np.pi / 2 * lean) ** 2) / np.sin(t) ** 2 + np.pi * by_angle * np.tanh(a) * lean)
