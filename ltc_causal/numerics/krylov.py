"""A function of a large symmetric matrix times a vector, without its eigenvectors.

Lives here: the integral of an exponential decay, by Lanczos' iteration on a shifted inverse. Does not live here: what decays
(`inference.steps`).
"""

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

Array = NDArray[np.float64]

POLE = 20.0  # the shift times t: with it 25 to 35 vectors suffice whatever the eigenvalues; with 10 or 30 it takes one or two more
MOST = 64  # vectors
STRIDE = 4  # from one look at the result to the next
ENOUGH = 1e-14  # share of the last two vectors in the result
NONE = 1e-200  # instead of eigenvalues that rounding has made negative


def decay_integral(A: Array, b: Array, t: float) -> Array:
    """The integral of exp(-s A) b over s from 0 to t, which is (1 - exp(-t A)) A^-1 b.

    A : symmetric and positive definite, in C order; only its upper triangle is read
    t : positive

    The result lies in the Krylov space of (A + shift)^-1 and b (van den Eshof and Hochbruck 2006). What has all but decayed and what has not
    begun to need few vectors, so that each lessens the error by about 1 + sqrt(2) for any A, down to the rounding of one solution.

    Raises numpy's LinAlgError if A + shift is not positive definite.
    """
    shift = POLE / t
    shifted = A.copy()
    np.einsum("ii->i", shifted)[:] += shift
    # The transpose is the same matrix, in the order that LAPACK reads without a copy.
    L, failed = lapack.dpotrf(shifted.T, lower=1, overwrite_a=1)  # pyright: ignore[reportAttributeAccessIssue]
    if failed:
        raise np.linalg.LinAlgError("not positive definite")
    return _integral(L.T, np.ascontiguousarray(b), shift, t)


@numba.njit(cache=True, error_model="numpy")
def _integral(U, b, shift, t):
    size = np.sqrt(np.dot(b, b))
    if size == 0.0:
        return np.zeros_like(b)
    V, T, weights = np.empty((MOST, len(b))), np.zeros((MOST, MOST)), np.ones(1)
    V[0] = b / size
    for m in range(MOST):
        new = V[m].copy()
        _solve(U, new)
        for _ in range(2):  # twice keeps the vectors orthogonal to rounding
            along = np.dot(V[: m + 1], new)
            new -= np.dot(along, V[: m + 1])
            T[m, m] += along[m]
        rest = np.sqrt(np.dot(new, new))
        exhausted = m == MOST - 1 or rest <= 1e-15 * T[0, 0]
        if exhausted or m % STRIDE == STRIDE - 1:
            weights = _of_the_first(T[: m + 1, : m + 1].copy(), shift, t)
            if exhausted or np.abs(weights[-2:]).max() <= ENOUGH * np.abs(weights).max():
                break
        T[m, m + 1] = T[m + 1, m] = rest
        V[m + 1] = new / rest
    return size * np.dot(weights, V[: len(weights)])


@numba.njit(cache=True, error_model="numpy")
def _of_the_first(T, shift, t):
    """The integral for the first basis vector, where (A + shift)^-1 is T."""
    inverse, vectors = np.linalg.eigh(T)
    values = np.maximum(1.0 / np.maximum(inverse, NONE) - shift, NONE)
    return np.dot(vectors, -np.expm1(-t * values) / values * vectors[0])


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _solve(U, x):
    """Solve U'U x = b in place, U upper triangular."""
    n = len(x)
    for i in range(n):
        x[i] /= U[i, i]
        value, row, rest = x[i], U[i, i + 1 :], x[i + 1 :]
        for j in range(len(row)):
            rest[j] -= value * row[j]
    for i in range(n - 1, -1, -1):
        total, row, rest = 0.0, U[i, i + 1 :], x[i + 1 :]
        for j in range(len(row)):
            total += row[j] * rest[j]
        x[i] = (x[i] - total) / U[i, i]
