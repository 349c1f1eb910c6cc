"""Bayesian linear regression of one region with an indicator for each column, noise precision unknown: variational, pass by pass.

Weights have the prior of `conjugate`; column i is there with prior probability p_i, and z_i is what the data make of it (Frässle et al. 2018,
eqs 10-19). With W = X'X, v = X'y, one pass is

    G = Z W Z with diagonal z W_ii,   S = (t G + L)^-1,   m = S (t Z v + L m0)
    z_i = sigmoid(logit p_i + t m_i v_i + t M_ii / 2 - t z' M_:i at z_i = 1),   M = W o (m m' + S),   for one i after the other
    Q = y'y/2 - m'Z v + m'G m/2 + tr(G S)/2,   b = b0 + Q,   t = a/b

then weights below 1e-5 are set to zero with their indicators, which the next pass's G and S do not see.

Columns whose indicator is too small to matter beside their prior are left out of the inverse, which is most of them after a few passes.

Lives here: `sparse`, `sparse_regions`. Does not live here: regression without indicators (`conjugate`), the choice of p (`regression`).
"""

from functools import partial

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.special import digamma, gammaln

from ltc_causal.core.regression import RegionSolution, RegressionProblem
from ltc_causal.inference.checkpoint import Parts
from ltc_causal.inference.conjugate import PASSES, START, TOLERANCE

Array = NDArray[np.float64]

PRUNED = 1e-5  # a weight below this in absolute value is none
UNCERTAIN = 1e-10  # an indicator nearer than this to 0 is saturated
NEGLIGIBLE = 1e-18  # a column's share in the precision that is lost in rounding beside its prior


def sparse_regions(problem: RegressionProblem, candidate: int, restarts: int, seed: int, run: Parts) -> list[RegionSolution]:
    """Every region, from the start of the highest free energy of each.

    candidate : which of `problem.inclusion`
    restarts, seed : 1 is one start in the columns' own order; of more, each draws its own orders
    """
    sums: dict[int, tuple[Array, Array, Array]] = {}
    for end in {int(end) for end in problem.ends}:
        X, y = problem.design[:end], problem.target[:end]
        sums[end] = X.T @ X, y.T @ X, np.einsum("kr,kr->r", y, y)

    def solve(region: int) -> RegionSolution:
        W, v, yy = sums[int(problem.ends[region])]
        one = partial(sparse, problem, region, problem.inclusion[candidate][region], W, v[region], float(yy[region]))
        if restarts == 1:
            return one()
        return max((one(np.random.default_rng((seed, region, start))) for start in range(restarts)), key=lambda found: found.free_energy)

    alone = [[region] for region in range(problem.n_region)]
    return run.regions(f"candidate-{candidate}", alone, lambda some: [solve(region) for region in some])


def sparse(
    problem: RegressionProblem, region: int, p: Array, W: Array, v: Array, yy: float, rng: np.random.Generator | None = None
) -> RegionSolution:
    """One region from one start.

    p : shape (column,), prior probability of each column
    W, v, yy : X'X, X'y and y'y over the region's rows
    rng : the order of the columns within a sweep is drawn from it anew each pass; None for their own order
    """
    L, m0 = np.ascontiguousarray(problem.prior_precision[region]), np.ascontiguousarray(problem.prior_mean[region])
    count, own_order = float(problem.counts[region]), np.arange(len(L))
    a = problem.shape + count / 2 / (problem.ratio or 1.0)
    share = 1.0 if problem.ratio is None else 0.5  # TAPAS 1.4 counts half of t Q
    psi = float(digamma(a))
    constant = (
        (count / 2 + problem.shape - 1) * psi - count / 2 * np.log(2 * np.pi) + np.log(L).sum() / 2 + len(L) / 2
        + problem.shape * np.log(problem.rate) - gammaln(problem.shape) + gammaln(a) + (1 - a) * psi + a
    )  # fmt: skip
    with np.errstate(divide="ignore"):
        logit = np.log(p) - np.log1p(-p)
    scaled, z, t, last = p.copy(), p.copy(), START, -np.inf
    passed = 0
    while True:
        passed += 1
        here = _present(W, L, scaled, t)
        root, _ = lapack.dpotrf(_precision(W, L, scaled, t, here).T, lower=1, overwrite_a=1)  # pyright: ignore[reportAttributeAccessIssue] - made at import
        log_det = -2 * np.log(root.diagonal()).sum() - (np.log(L).sum() - np.log(L[here]).sum())
        S, _ = lapack.dpotri(root, lower=1, overwrite_c=1)  # pyright: ignore[reportAttributeAccessIssue]
        order = own_order if rng is None else rng.permutation(len(L))
        m, new, Q, trace = _update(W, v, L, m0, scaled, z, logit, t, S.T, here, order)
        Q += yy / 2
        b = problem.rate + Q
        used, t = t, a / b
        z = np.where(np.abs(m) < PRUNED, 0.0, new)
        m = np.where(np.abs(m) < PRUNED, 0.0, m)
        F = (
            constant - (count / 2 + problem.shape - 1) * np.log(b) - share * t * Q - _distance(m, m0, L) / 2 - trace / 2 - problem.rate * t
            + log_det / 2 - np.log(b) + _indicator_terms(z, p, logit)
        )  # fmt: skip
        rested = (F - last) ** 2 < TOLERANCE
        if rested or passed == PASSES:
            return RegionSolution(m, z, scaled, used, a, b, float(F), passed, bool(rested))
        scaled, last = new, F


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _present(W, L, z, t):
    """The columns that stand for more than their prior."""
    n = len(z)
    here = np.empty(n, dtype=np.int64)
    count = 0
    for i in range(n):
        if t * z[i] * W[i, i] > NEGLIGIBLE * L[i]:
            here[count] = i
            count += 1
    return here[:count].copy()


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _precision(W, L, z, t, here):
    """T G + L of the columns that are present; of the others it is their prior's."""
    k = len(here)
    K = np.empty((k, k))
    for a in range(k):
        i = here[a]
        for b in range(k):
            j = here[b]
            K[a, b] = t * z[i] * z[j] * W[i, j]
        K[a, a] = t * z[i] * W[i, i] + L[i]
    return K


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _update(W, v, L, m0, scaled, start, logit, t, upper, here, order):
    """Means, indicators by one sweep, then Q (without y'y/2), tr(L S), at the new indicators.

    upper : S of the columns that are present, its upper triangle valid; scaled, start : the indicators in S, and those that the sweep begins at
    """
    n, k = len(L), len(here)
    S = np.empty((k, k))
    for a in range(k):
        for b in range(a, k):
            S[a, b] = upper[a, b]
            S[b, a] = upper[a, b]
    m, place = m0.copy(), np.full(n, -1)
    right = np.empty(k)
    for a in range(k):
        place[here[a]] = a
        right[a] = t * scaled[here[a]] * v[here[a]] + L[here[a]] * m0[here[a]]
    for a in range(k):
        total = 0.0
        for b in range(k):
            total += S[a, b] * right[b]
        m[here[a]] = total
    z = start.copy()
    for i in order:
        z[i] = 1.0
        a = place[i]
        pull = 0.0
        for j in range(n):
            if z[j] != 0.0:
                spread = m[j] * m[i]
                if a >= 0 and place[j] >= 0:
                    spread += S[place[j], a]
                elif i == j:
                    spread += 1.0 / L[i]
                pull += z[j] * W[i, j] * spread
        variance = S[a, a] if a >= 0 else 1.0 / L[i]
        g = logit[i] + t * m[i] * v[i] + t * W[i, i] * (m[i] * m[i] + variance) / 2 - t * pull
        z[i] = 1.0 / (1.0 + np.exp(-g))
    Q, trace = 0.0, float(n - k)
    for i in range(n):
        a = place[i]
        variance = S[a, a] if a >= 0 else 1.0 / L[i]
        if a >= 0:
            trace += L[i] * variance
        if z[i] == 0.0:
            continue
        Q += z[i] * (-m[i] * v[i] + W[i, i] * (m[i] * m[i] + variance) / 2)
        for j in range(i):
            if z[j] != 0.0:
                spread = m[i] * m[j]
                if a >= 0 and place[j] >= 0:
                    spread += S[place[j], a]
                Q += z[i] * z[j] * W[i, j] * spread
    return m, z, Q, trace


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _distance(m, m0, L):
    total = 0.0
    for i in range(len(m)):
        total += L[i] * (m[i] - m0[i]) ** 2
    return total


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _indicator_terms(z, p, logit):
    """E ln p(z) plus the entropy of q(z): of the uncertain ones alone, as TAPAS has it."""
    total = 0.0
    for i in range(len(z)):
        if UNCERTAIN < z[i] < 1.0:
            total += np.log(1 - p[i]) + z[i] * logit[i] - z[i] * np.log(z[i]) - (1 - z[i]) * np.log(1 - z[i])
    return total
