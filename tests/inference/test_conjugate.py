"""Ridge in shared coordinates against the same updates written out with whole inverses; the exact posterior where the noise is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltc_causal.core.regression import RegressionProblem
from ltc_causal.inference.conjugate import covariance, ridge


def problem(seed, n_region=4, n_row=40, n_input=2, scale=1.0):
    """Regions that share columns and differ in their own one, some with a shorter stretch of rows or a column less."""
    rng = np.random.default_rng(seed)
    n = n_region + n_input + 1
    X = rng.standard_normal((n_row, n)) * scale ** rng.uniform(-1, 1, n)
    mean, precision = np.zeros((n_region, n)), np.tile(np.r_[np.full(n_region, n_region / 8), np.ones(n_input), 1e-8], (n_region, 1))
    mean[:, :n_region], precision[np.arange(n_region), np.arange(n_region)] = -0.5 * np.eye(n_region), 8.0 * n_region
    precision[0, n_region] = np.inf
    y = X @ rng.standard_normal((n, n_region)) + 0.3 * rng.standard_normal((n_row, n_region))
    ends = np.full(n_region, n_row)
    ends[-1] -= 5
    return RegressionProblem(X, y, ends, ends.astype(float), mean, precision)


def written_out(p, region, passes):
    there = np.isfinite(p.prior_precision[region])
    X, y = p.design[: p.ends[region], there], p.target[: p.ends[region], region]
    L, m0, t, a = np.diag(p.prior_precision[region, there]), p.prior_mean[region, there], 2.0, 2 + p.counts[region] / 2
    for _ in range(passes):
        S = np.linalg.inv(t * X.T @ X + L)
        m = S @ (t * X.T @ y + L @ m0)
        b = 1 + ((y - X @ m) ** 2).sum() / 2 + np.trace(X.T @ X @ S) / 2
        t = a / b
    mean = np.zeros(len(there))
    mean[there] = m
    return mean, S, b, there


@given(st.integers(0, 10_000), st.sampled_from([1.0, 30.0]))
def test_shared_coordinates_change_nothing(seed, scale):
    p = problem(seed, scale=scale)
    for region, found in enumerate(ridge(p)):
        mean, S, b, there = written_out(p, region, found.passes)
        assert found.mean == pytest.approx(mean, rel=1e-8, abs=1e-9)
        assert found.rate == pytest.approx(b, rel=1e-8)
        assert covariance(p, region, found, np.flatnonzero(there)) == pytest.approx(S, rel=1e-6, abs=1e-10)


def test_an_absent_column_is_zero():
    assert ridge(problem(2))[0].mean[4] == 0.0
