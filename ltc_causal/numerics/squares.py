"""J'J of tall matrices with many columns: half of it, by way of few rows, packed.

Derivatives of a time series in a thousand parameters are much alike: every unit answers every push with a similar course. Of a few hundred
samples some forty suffice to hold their sums of squares to rounding, in rotated time; and J'J is symmetric. So it takes a sixth of the
work, and half of the memory, which with many such matrices is what counts.

Lives here: those rows, and LAPACK's "rectangular full packed" format (Gustavson et al. 2010), in which arithmetic entry by entry is safe.
Does not live here: what the sums are for (`inference`).
"""

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

Array = NDArray[np.float64]

FEW = 512  # columns up to which rows are not worth the search
TESTS = 97  # combinations of columns among which a basis is sought, a prime so that they do not fall in step with the columns' order
SPARE = 8  # of these must be left over, else there are not few rows
CHECKS = 8  # combinations of all columns that judge the basis
DROPPED = 1e-17  # of the squares of the columns, each scaled to unit length, may be missing
SOUGHT = 1e-19  # of the combinations' squares at most is to be missing, which the columns themselves exceed
BLOCK = 32  # rows that are mirrored together


def packed_squares(J: Array, out: Array) -> None:
    """J'J in packed form, into `out` of shape (columns (columns + 1) / 2,)."""
    rows = few_rows(J)
    # The transpose of an array in C order is what LAPACK reads without a copy.
    lapack.dsfrk(J.shape[1], len(rows), 1.0, rows.T, 0.0, out, uplo="L", overwrite_c=1)  # pyright: ignore[reportAttributeAccessIssue]


def packed(S: Array) -> Array:
    """A symmetric matrix in packed form."""
    return lapack.dtrttf(S.T, uplo="L")[0]  # pyright: ignore[reportAttributeAccessIssue]


def unpacked(values: Array, size: int) -> Array:
    """The symmetric matrix of that many rows."""
    S = lapack.dtfttr(size, values, uplo="L")[0].T  # pyright: ignore[reportAttributeAccessIssue]
    mirror(S)
    return S


def packed_trace(values: Array, S: Array) -> Array:
    """Trace of S times each of several packed matrices, shape (matrix,)."""
    half = S.copy()
    np.einsum("ii->i", half)[:] /= 2  # whatever is not on the diagonal counts twice
    return 2 * (values @ packed(half))


@numba.njit(cache=True)
def mirror(S):
    """Fill the lower triangle of S from the upper one. In blocks, which stay in the nearest cache."""
    for top in range(0, len(S), BLOCK):
        for left in range(0, top + 1, BLOCK):
            for i in range(top, min(top + BLOCK, len(S))):
                for j in range(left, min(left + BLOCK, i)):
                    S[i, j] = S[j, i]


def few_rows(J: Array) -> Array:
    """R with R'R = J'J to rounding and few rows, or J itself where there are none.

    R is Q'J, Q an orthonormal basis of the courses in J, found among random combinations of them (Halko, Martinsson and Tropp 2011). What lies
    outside Q adds to J'J without cancelling; other combinations tell how much that is.
    """
    n_time, P = J.shape
    if P <= FEW or n_time <= TESTS:
        return J
    squares = np.einsum("ti,ti->i", J, J)
    scale = np.zeros(P)
    np.divide(1.0, np.sqrt(squares), out=scale, where=squares > 0)
    random = np.random.default_rng(0).standard_normal((P, 1 + CHECKS)) * scale[:, None]
    Q = _basis(_combined(J, np.ascontiguousarray(random[:, 0]), TESTS), SOUGHT * P / TESTS)
    if len(Q) > TESTS - SPARE:
        return J
    checks = J @ random[:, 1:]
    checks -= Q.T @ (Q @ checks)
    missing = (checks**2).sum(axis=0).max()
    return Q @ J if missing <= DROPPED * P else J


@numba.njit(cache=True, fastmath={"contract"})
def _combined(J, weights, count):
    """Combinations of columns, shape (combination, time): to each belongs every `count`-th column."""
    n_time, P = J.shape
    out, sums = np.empty((count, n_time)), np.empty(count)
    for t in range(n_time):
        sums[:] = 0.0
        for start in range(0, P, count):
            some, factors = J[t, start : start + count], weights[start : start + count]
            for k in range(len(some)):
                sums[k] += factors[k] * some[k]
        out[:, t] = sums
    return out


@numba.njit(cache=True, fastmath={"contract", "reassoc"})
def _basis(Y, smallest):
    """Orthonormal rows that span those of Y up to `smallest`, in squares: the longest rest is taken next (Y is overwritten)."""
    count, n_time = Y.shape
    Q, left = np.empty((count, n_time)), np.empty(count)
    for k in range(count):
        left[k] = np.dot(Y[k], Y[k])
    for r in range(count):
        longest = np.argmax(left[r:]) + r
        if not left[longest] > smallest:
            return Q[:r]
        q = Y[longest].copy()
        for _ in range(2):  # once is not enough when little is left
            q -= np.dot(np.dot(Q[:r], q), Q[:r])
        q /= np.sqrt(np.dot(q, q))
        Q[r] = q
        Y[longest], left[longest] = Y[r], left[r]
        for k in range(r + 1, count):
            along, rest = 0.0, 0.0
            for t in range(n_time):
                along += q[t] * Y[k, t]
            for t in range(n_time):
                Y[k, t] -= along * q[t]
                rest += Y[k, t] * Y[k, t]
            left[k] = rest
    return Q
