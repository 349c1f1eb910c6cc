"""Bayesian linear regression of one region on many columns, noise precision unknown: the variational update, pass by pass.

With W = X'X, v = X'y, prior N(m0, L^-1) on the weights and Gamma(a0, b0) on the precision t, one pass is

    S = (t W + L)^-1,  m = S (t v + L m0),  Q = |y - X m|^2/2 + tr(W S)/2,  b = b0 + Q,  t = a/b,  a = a0 + n/2

until the free energy rests (Frässle et al. 2017, eqs 13-15). An eigendecomposition of W in the prior's metric makes a pass linear in the
number of columns; it is shared by all regions that use the same rows and columns, whose priors differ in the self-connection alone, since
that is a change of rank one (Woodbury).

Lives here: `ridge`. Does not live here: sparsity (`sparse`), the model, the Fit (`regression`).
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, eigh
from scipy.special import digamma, gammaln

from ltc_causal.core.regression import RegionSolution, RegressionProblem
from ltc_causal.inference.checkpoint import Parts

Array = NDArray[np.float64]

START = 2.0  # of the noise precision
TOLERANCE = 1e-10  # of the squared change of the free energy
PASSES = 501
FLATTEST = 1e-4  # a column of lower prior precision (a constant) is taken out of the others first: in its metric they would lose digits


class Gram(NamedTuple):
    """Sums over the first rows, after the flat column c (if any) has been taken out of all others: x_j - x_c shear_j in place of x_j.

    W : X'X, shape (column, column); v : X'y, shape (region, column); yy : y'y, shape (region,)
    flat : c, none or one; shear : shape (column,), zero at c
    """

    W: Array
    v: Array
    yy: Array
    flat: NDArray[np.int64]
    shear: Array


def gram(design: Array, target: Array, end: int, flat: NDArray[np.int64]) -> Gram:
    """Over the first `end` rows. In the rows, not in the sums: what a large common part would cost in digits is never paid."""
    X, y = design[:end], target[:end]
    shear = np.zeros(X.shape[1])
    for c in flat:
        shear = X[:, c] @ X / (X[:, c] @ X[:, c])
        shear[c] = 0.0
        X = X - np.outer(X[:, c], shear)
    return Gram(X.T @ X, y.T @ X, np.einsum("kr,kr->r", y, y), flat, shear)


def ridge(problem: RegressionProblem, run: Parts | None = None, stage: str = "ridge") -> list[RegionSolution]:
    """Every region by itself, columns of infinite prior precision left out.

    run : how, and what of it is there already; regions that use the same rows are solved together
    """
    active = np.isfinite(problem.prior_precision)
    by_rows: dict[int, list[int]] = defaultdict(list)
    for region, end in enumerate(problem.ends):
        by_rows[int(end)].append(region)

    def solve(regions: Sequence[int]) -> list[RegionSolution]:
        end = int(problem.ends[regions[0]])
        sums = gram(problem.design, problem.target, end, _flat_column(problem, end))
        by_columns: dict[bytes, list[int]] = defaultdict(list)
        for region in regions:
            by_columns[active[region].tobytes()].append(region)
        found: dict[int, RegionSolution] = {}
        for some in by_columns.values():
            found |= zip(some, _solve_group(problem, sums, some, active[some[0]]), strict=True)
        return [found[region] for region in regions]

    return (run or Parts()).regions(stage, list(by_rows.values()), solve)


def covariance(problem: RegressionProblem, region: int, solution: RegionSolution, columns: NDArray[np.int64]) -> Array:
    """The posterior covariance of some columns' weights of one region, from its last pass, shape (column, column)."""
    active = np.flatnonzero(np.isfinite(problem.prior_precision[region]))
    X = problem.design[: problem.ends[region], active]
    z, W = solution.scaled[active], X.T @ X
    G = W * np.outer(z, z)
    G[np.diag_indices(len(z))] = z * np.diag(W)
    G *= solution.precision
    G[np.diag_indices(len(z))] += problem.prior_precision[region, active]
    place = np.searchsorted(active, columns)
    return cho_solve(cho_factor(G), np.eye(len(z))[:, place])[place]


def _solve_group(problem: RegressionProblem, sums: Gram, regions: list[int], active: NDArray[np.bool_]) -> list[RegionSolution]:
    """Regions that share their rows and columns."""
    columns: Any = np.flatnonzero(active)  # what np.ix_ takes, and pyright thinks it does not
    L = problem.prior_precision[np.ix_(regions, columns)]
    m0 = problem.prior_mean[np.ix_(regions, columns)]
    W, v, shear = sums.W[np.ix_(columns, columns)], sums.v[np.ix_(regions, columns)], sums.shear[columns]
    flat = np.flatnonzero(np.isin(columns, sums.flat))
    base = L.min(axis=0)  # so that what is put right is positive
    eigenvalues, sheared, own, log_scale = _coordinates(W, base, flat)
    basis = sheared.copy()  # the columns' own weights = basis @ coordinates
    basis[flat] -= shear @ sheared
    v_there, prior_there = v @ sheared, (L * m0) @ basis
    solved = []
    for i, region in enumerate(regions):
        count, a = _counts(problem, region)
        changed = np.flatnonzero(L[i] != base)
        E, delta = basis[changed].copy(), L[i, changed] - base[changed]
        m, t, b, F, passes, converged = _passes(
            eigenvalues, own, v_there[i], prior_there[i], E, delta, float(m0[i] @ (L[i] * m0[i])), float(sums.yy[region]),
            count, a, digamma(a), problem.shape, problem.rate,
        )  # fmt: skip
        mean = basis @ m
        # One refinement: the eigenvectors have lost digits where columns differ much in scale, the sums themselves have not.
        seen = mean.copy()
        seen[flat] += shear @ mean
        residual = (t * (v[i] - W @ seen)) @ sheared + (L[i] * (m0[i] - mean)) @ basis
        mean += basis @ _inverse_times(1.0 / (t * eigenvalues + own), E, delta, residual)
        constant = (
            -count / 2 * np.log(2 * np.pi) + np.log(L[i]).sum() / 2 + log_scale + len(columns) / 2
            + problem.shape * np.log(problem.rate) - gammaln(problem.shape) + gammaln(a) + (1 - a) * digamma(a) + a
        )  # fmt: skip
        full, present = np.zeros(len(active)), np.zeros(len(active))
        full[columns], present[columns] = mean, 1.0
        solved.append(RegionSolution(full, present, np.ones(len(active)), t, a, b, F + constant, passes, converged))
    return solved


def _flat_column(problem: RegressionProblem, end: int) -> NDArray[np.int64]:
    flat = np.flatnonzero((problem.prior_precision < FLATTEST).all(axis=0))
    return flat[[bool(problem.design[:end, c].any()) for c in flat]][:1]


def _coordinates(W: Array, base: Array, flat: NDArray[np.int64]) -> tuple[Array, Array, Array, float]:
    """Coordinates in which W is diagonal and the base prior 1; at a flat column, last among them, both W and the base prior are 1 and 0.

    Returns W's diagonal in them, the basis, the prior's diagonal, and the logarithm of |det basis|. `base` becomes 0 at the flat column.
    """
    others = np.setdiff1d(np.arange(len(W)), flat)
    root = 1 / np.sqrt(base[others])
    inner = W[np.ix_(others, others)] * np.outer(root, root)
    eigenvalues, V = eigh(inner, driver="evd", check_finite=False, overwrite_a=True)
    basis, own, log_scale = np.zeros(W.shape), np.ones(len(W)), float(np.log(root).sum())
    basis[others, : len(others)] = root[:, None] * V
    for c in flat:
        basis[c, -1] = 1 / np.sqrt(W[c, c])
        eigenvalues, own[-1], base[c] = np.append(eigenvalues, 1.0), 0.0, 0.0
        log_scale -= float(np.log(W[c, c])) / 2
    return eigenvalues, basis, own, log_scale


def _counts(problem: RegressionProblem, region: int) -> tuple[float, float]:
    """Measurements in the free energy, and the shape of the noise precision's posterior."""
    count = float(problem.counts[region])
    if problem.ratio is None:
        return count, problem.shape + count / 2
    return count / problem.ratio, problem.shape + count / (2 * problem.ratio**2)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _inverse_times(d, E, delta, right):
    """(diag(1/d) + E diag(delta) E')^-1 right, by one rank after the other (Sherman and Morrison)."""
    applied, _ = _ranks(d, E, delta)
    result = d * right
    for k in range(len(delta)):
        result -= applied[k] * (applied[k] @ right)
    return result


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _ranks(d, E, delta):
    """Vectors w_k with (diag(1/d) + E diag(delta) E')^-1 = diag(d) - sum_k w_k w_k' sign(delta_k), and ln |its determinant / |diag(d)||.

    Every delta is positive here, so that the signs are.
    """
    applied = np.zeros((len(delta), len(d)))
    log_det = 0.0
    for k in range(len(delta)):
        s = d * E[k]
        for other in range(k):
            s -= applied[other] * (applied[other] @ E[k])
        growth = 1.0 + delta[k] * (E[k] @ s)
        applied[k] = s * np.sqrt(delta[k] / growth)
        log_det -= np.log(growth)
    return applied, log_det


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _passes(eigenvalues, own, v, prior, E, delta, m0Lm0, yy, count, a, psi, a0, b0):
    """The passes in coordinates in which the base prior is 1 and W is diagonal; E (rank, coordinate) and delta put the prior right.

    Returns the mean's coordinates, the precision that the last covariance was built with, b, the free energy without its constant part,
    the number of passes, and whether it rests.
    """
    n = len(eigenvalues)
    t, last_F, F, used, b = START, -np.inf, -np.inf, START, b0
    m = np.zeros(n)
    for number in range(1, PASSES + 1):
        used = t
        d = 1.0 / (t * eigenvalues + own)
        applied, shrink = _ranks(d, E, delta)
        right = t * v + prior
        m = d * right
        trace, log_det = (eigenvalues * d).sum(), np.log(d).sum() + shrink
        for k in range(len(delta)):
            m = m - applied[k] * (applied[k] @ right)
            trace -= (eigenvalues * applied[k] * applied[k]).sum()
        Q = (yy - 2 * (m @ v) + (eigenvalues * m * m).sum()) / 2 + trace / 2
        b = b0 + Q
        t = a / b
        distance = (own * m * m).sum() - 2 * (m @ prior) + m0Lm0
        for k in range(len(delta)):
            distance += delta[k] * (E[k] @ m) ** 2
        log_t = psi - np.log(b)
        F = (count / 2 + a0 - 1) * log_t - t * Q - distance / 2 - (n - used * trace) / 2 - b0 * t + log_det / 2 - np.log(b)
        if (F - last_F) ** 2 < TOLERANCE:
            return m, used, b, F, number, True
        last_F = F
    return m, used, b, F, PASSES, False
