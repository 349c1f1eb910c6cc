"""Indicators by Gibbs sampling against the sum over all structures."""

from itertools import product

import numpy as np
import pytest

from ltc_causal.inference.indicators import indicators


def test_against_the_sum_over_all_structures():
    rng = np.random.default_rng(0)
    k = 5
    X = rng.standard_normal((30, k)) @ np.array(
        [[1, 0.6, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, -0.5, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1.0]]
    )
    y = X @ np.array([0.5, 0.0, 0.4, 0.0, 0.1]) + rng.standard_normal(30)
    K, h = X.T @ X, X.T @ y
    m0, L = np.array([-0.5, 0, 0, 0, 0]), np.array([9.0, 4, 4, 4, 4])
    odds = np.array([np.inf, -1.0, 0.0, 0.0, -0.5])
    weights, first, second, average, square = 0.0, np.zeros(k), np.zeros(k), np.zeros(k), np.zeros((k, k))
    inclusion = np.zeros(k)
    for z in product([0, 1], repeat=k):
        some = np.flatnonzero(z)
        if not z[0]:
            continue
        precision = K[np.ix_(some, some)] + np.diag(L[some])
        cov = np.linalg.inv(precision)
        mean = cov @ (h[some] + L[some] * m0[some])
        log_p = odds[some[1:]].sum() + (np.log(L[some]).sum() - np.linalg.slogdet(precision)[1]) / 2
        log_p += (mean @ precision @ mean - (L[some] * m0[some] ** 2).sum()) / 2
        p = np.exp(log_p)
        weights += p
        inclusion[some] += p
        first[some] += p * mean
        second[some] += p * (mean**2 + np.diag(cov))
        average[some] += p * mean
        square[np.ix_(some, some)] += p * (cov + np.outer(mean, mean))
    found = indicators(K, h, m0, L, odds, 40000, 1)
    assert found.probability == pytest.approx(inclusion / weights, abs=0.01)
    assert found.mean == pytest.approx(first / inclusion, abs=0.01)
    assert np.sqrt(found.variance) == pytest.approx(np.sqrt(second / inclusion - (first / inclusion) ** 2), rel=0.03)
    assert found.average == pytest.approx(average / weights, abs=0.01)
    assert np.abs(found.covariance - (square / weights - np.outer(average, average) / weights**2)).max() < 0.003


def test_a_seed_is_a_result():
    K, h = np.eye(3) * 20, np.array([5.0, 1.0, -4.0])
    one, two, other = (indicators(K, h, np.zeros(3), np.full(3, 4.0), np.zeros(3), 50, seed) for seed in (3, 3, 4))
    assert np.array_equal(one.average, two.average) and not np.array_equal(one.average, other.average)
