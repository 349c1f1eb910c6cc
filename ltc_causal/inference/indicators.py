"""Which columns of a Gaussian regression are there: a spike and slab, by Gibbs sampling.

    weight_j = z_j beta_j,   z_j ~ Bernoulli(p),   beta_j ~ N(m0_j, 1/L_j),   data: exp(-w'Kw/2 + h'w)

Given the others, column j is there with odds p/(1-p) sqrt(L/tau) exp(tau mu^2/2 - L m0^2/2), and then beta_j ~ N(mu, 1/tau), with
tau = K_jj + L_j, mu = (h_j - sum over l /= j of K_jl w_l + L_j m0_j)/tau (George and McCulloch 1993). Odds, mu and tau are averaged over the
sweeps, not the draws (Rao and Blackwell), so that a column that is seldom there has a strength as well.

Lives here: the sampler of one region. Does not live here: where K and h come from (`smoothed`, `resting`).
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Indicators(NamedTuple):
    """Of each column: the probability that it is there; mean and variance of its strength if it is; mean and covariance of z beta; the last draw of it."""

    probability: Array
    mean: Array
    variance: Array
    average: Array
    covariance: Array
    last: Array


def indicators(K: Array, h: Array, m0: Array, L: Array, log_odds: Array, sweeps: int, seed: int | tuple[int, ...]) -> Indicators:
    """After a tenth of the sweeps to settle; a column of infinite log odds is always there."""
    rng = np.random.default_rng(seed)
    n = len(h)
    w = np.zeros(n)
    weight, first, second, total, outer = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros((n, n))
    settle, batch = max(sweeps // 10, 1), 64
    done = 0
    while done < sweeps + settle:
        count = min(batch, settle - done) if done < settle else min(batch, sweeps + settle - done)
        u, z = rng.random((count, n)), rng.standard_normal((count, n))
        drawn = _sweeps(K, h, m0, L, log_odds, w, u, z, weight, first, second, done >= settle)
        if done >= settle:
            total += drawn.sum(axis=0)
            outer += drawn.T @ drawn
        done += count
    mean = first / weight
    average = total / sweeps
    variance = np.maximum(second / weight - mean**2, 0.0)
    return Indicators(weight / sweeps, mean, variance, average, outer / sweeps - np.outer(average, average), w)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _sweeps(K, h, m0, L, log_odds, w, u, normal, weight, first, second, counted):
    n, count = len(h), len(u)
    drawn = np.empty((count, n))
    for sweep in range(count):
        pull = h - K @ w
        for j in range(n):
            rest = pull[j] + K[j, j] * w[j]
            tau = K[j, j] + L[j]
            mu = (rest + L[j] * m0[j]) / tau
            odds = log_odds[j] + 0.5 * (np.log(L[j] / tau) + tau * mu * mu - L[j] * m0[j] * m0[j])
            there = 1.0 / (1.0 + np.exp(-odds))
            new = mu + normal[sweep, j] / np.sqrt(tau) if u[sweep, j] < there else 0.0
            if counted:
                weight[j] += there
                first[j] += there * mu
                second[j] += there * (mu * mu + 1.0 / tau)
            if new != w[j]:
                change = new - w[j]
                for l in range(n):
                    pull[l] -= K[l, j] * change
                w[j] = new
        drawn[sweep] = w
    return drawn
