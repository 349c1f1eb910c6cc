"""Cross-spectra of time series by a vector autoregression, Bayesian as SPM's `spm_mar` is.

    y(t) = sum_l A_l y(t - l) + e(t),   vec A ~ N(0, 1 / alpha),   alpha ~ Gamma,   e ~ N(0, 1 / Lambda)
    G(f) = 2 / r H(f) E[e e'] H(f)^*,   H(f) = (1 - sum_l A_l e^{-2 pi i f l / r})^-1,   r scans a second

Penny and Roberts 2002 (IEE Proc. Vis. Image Signal Process. 149:33). G_ij is the mean of x_i(f) x_j(f)^*.

Lives here: the regression and its spectrum. Does not live here: spectra that a model predicts (`models.spectral_prediction`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PRIOR_SHAPE, PRIOR_RATE = 1e-3, 1e-3  # of the Gamma prior on alpha
MOST_ROUNDS, FREE_ROUNDS, SAME = 32, 2, 1e-4  # rounds at most, rounds not tested, mean change of a coefficient that ends them


class Autoregression(NamedTuple):
    """A_l, shape (lag, target, source), from lag 1 on; and the covariance of the innovations, shape (region, region)."""

    coefficients: Array
    innovations: Array


def autoregression(y: Array, order: int) -> Autoregression:
    """The regression of a series without mean, shape (time, region); needs more than order * (region + 1) scans.

    Posterior mean of the coefficients; the innovations' covariance is that of the least-squares residuals over all scans, as SPM has it.
    """
    n_time, n = y.shape
    X, target = np.concatenate([y[order - lag : n_time - lag] for lag in range(1, order + 1)], axis=1), y[order:]
    gram = X.T @ X
    least_squares = np.linalg.solve(gram, X.T @ target)
    rest = target - X @ least_squares
    innovations = rest.T @ rest / n_time
    # Data precision Lambda (x) X'X and prior precision alpha are diagonal together, in the eigenvectors of X'X and of Lambda.
    s, V = np.linalg.eigh(gram)
    trace, expected = np.trace(innovations) * (1 / s).sum(), innovations * len(s)
    weights, last = least_squares, np.zeros_like(least_squares)
    for count in range(MOST_ROUNDS):
        if count >= FREE_ROUNDS and np.linalg.norm(weights - last) / weights.size < SAME:
            break
        alpha = (weights.size / 2 + PRIOR_SHAPE) / (np.vdot(weights, weights) / 2 + trace / 2 + PRIOR_RATE)
        rest = target - X @ weights
        inverse_rate, U = np.linalg.eigh((rest.T @ rest + expected) / n_time)
        data = s[:, None] / inverse_rate
        last, weights = weights, V @ ((V.T @ least_squares @ U) * (data / (data + alpha))) @ U.T
        trace = (1 / (data + alpha)).sum()
        expected = (U * (s[:, None] / (data + alpha)).sum(axis=0)) @ U.T
    return Autoregression(np.asarray(weights, dtype=np.float64).reshape(order, n, n).transpose(0, 2, 1), innovations)


def spectrum(process: Autoregression, frequencies: Array, rate: float) -> NDArray[np.complex128]:
    """G at frequencies in Hz, shape (frequency, region, region), of a process of `rate` scans a second; in signal squared per Hz."""
    order, n, _ = process.coefficients.shape
    turns = np.exp(-2j * np.pi / rate * np.outer(frequencies, np.arange(1, order + 1)))
    H = np.asarray(np.linalg.inv(np.eye(n) - np.tensordot(turns, process.coefficients, 1)), dtype=np.complex128)
    return 2 / rate * H @ process.innovations @ H.conj().transpose(0, 2, 1)
