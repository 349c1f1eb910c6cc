"""The evidence of all models near one that was fitted, to first order: the full model linearised about the fit.

There the full model is linear in its parameters, so its posterior N(m, C) is one Gauss-Newton step away, and the evidence of any model
that lacks a set R of connections follows from it by the ratio of Savage and Dickey (Dickey 1971), under independent priors p:

    log evidence without R - log evidence of the full model = log N(0; m_R, C_RR) - sum over R of log p_i(0)

so that removing and adding connections, one or many, costs no prediction.

Lives here: that approximation and the best set of connections under it. Does not live here: the decision, which takes fits (`pruning`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltc_causal.inference.design import Design, Point, coordinates, evaluate, parameters
from ltc_causal.inference.noise import gradient, noise_level

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_GAIN = 1e-6  # nats, of a change that is more than rounding


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """The full model's Gaussian posterior as seen from one fit.

    mean, cov : of all parameters, shapes (parameter,) and (parameter, parameter)
    candidates : (candidate,), positions of the connections that may go
    prior_mean, prior_sd : (candidate,)
    drives : (candidate,), whether it is a driving input
    other_drives : whether something drives that may not go; otherwise the last driving candidate stays
    price : nats that a connection must be worth
    """

    mean: Array
    cov: Array
    candidates: NDArray[np.int64]
    prior_mean: Array
    prior_sd: Array
    drives: Mask
    other_drives: bool
    price: float = 0.0

    def gains(self, removed: Mask) -> Array:
        """What removing each present connection gains, and adding each removed one: log evidence and price, nats, shape (candidate,)."""
        m, C = self.mean[self.candidates], self.cov[np.ix_(self.candidates, self.candidates)]
        R, rest = np.flatnonzero(removed), np.flatnonzero(~removed)
        at_zero, variance = np.empty(len(m)), np.empty(len(m))
        Q = np.linalg.inv(C[np.ix_(R, R)])
        # A removed connection given that the other removed ones are 0, and a present one given that all removed ones are.
        variance[R] = 1 / np.diag(Q)
        at_zero[R] = (Q @ m[R]) * variance[R]
        weights = C[np.ix_(rest, R)] @ Q
        at_zero[rest] = m[rest] - weights @ m[R]
        variance[rest] = np.diag(C)[rest] - np.einsum("ij,ij->i", weights, C[np.ix_(rest, R)])
        gain = _log_normal_at_zero(at_zero, variance) - _log_normal_at_zero(self.prior_mean, self.prior_sd**2)
        gain += self.price
        gain[R] *= -1
        driving = self.drives & ~removed
        if not self.other_drives and driving.sum() == 1:
            gain[driving] = -np.inf
        return gain

    def value(self, removed: Mask) -> float:
        """Log evidence (and price) of a model above that of the full one, nats."""
        R = self.candidates[removed]
        prior = _log_normal_at_zero(self.prior_mean, self.prior_sd**2)[removed].sum()
        m, C = self.mean[R], self.cov[np.ix_(R, R)]
        return float(-0.5 * (np.linalg.slogdet(C)[1] + m @ np.linalg.solve(C, m)) - prior + self.price * removed.sum())

    def climb(self, removed: Mask, pairs: bool = True) -> Iterator[Mask]:
        """The models on the way to the best one: each by the best single change of the one before, or the best two where none helps."""
        while True:
            gains = self.gains(removed)
            best = int(np.argmax(gains))
            if gains[best] > LEAST_GAIN:
                removed = flipped(removed, best)
            elif pairs and (pair := self._best_pair(removed, gains)) is not None:
                removed = flipped(removed, *pair)
            else:
                return
            yield removed

    def elsewhere(self, removed: Mask) -> list[tuple[float, Mask]]:
        """Other maxima, and what they gain on this model, the best first.

        They lie above models with ever fewer connections, down to hardly any, each time without the one that is missed least.
        """
        found, here = {}, self.value(removed)
        fewer = removed
        while True:
            gains = np.where(fewer, -np.inf, self.gains(fewer))
            if not np.isfinite(gains).any():
                break
            fewer = flipped(fewer, int(np.argmax(gains)))
            top = [fewer, *self.climb(fewer, pairs=False)][-1]
            found[top.tobytes()] = top
        return sorted(((self.value(top) - here, top) for top in found.values()), key=lambda one: -one[0])

    def _best_pair(self, removed: Mask, gains: Array) -> tuple[int, int] | None:
        """The two changes that together raise the evidence most, None if none do."""
        most, pair = LEAST_GAIN, None
        for first in np.flatnonzero(np.isfinite(gains)).tolist():
            after = gains[first] + self.gains(flipped(removed, first))
            second = int(np.argmax(after))
            if after[second] > most and second != first:
                most, pair = after[second], (first, second)
        return pair

    def mean_without(self, removed: Mask) -> Array:
        """All parameters' mean given that the removed connections are 0, shape (parameter,)."""
        R = self.candidates[removed]
        if not len(R):
            return self.mean
        mean = self.mean - self.cov[:, R] @ np.linalg.solve(self.cov[np.ix_(R, R)], self.mean[R])
        mean[R] = 0.0
        return mean


def flipped(removed: Mask, *places: int) -> Mask:
    """A copy with some places the other way round."""
    other = removed.copy()
    other[list(places)] ^= True
    return other


def seen_from(d: Design, theta: Array, point: Point) -> tuple[Array, Array] | None:
    """Mean and covariance of all parameters of the full model, linearised at theta; None where it is unstable there.

    d : design of the full model
    point : of the fit, whose noise level and confounds hold
    """
    here = point._replace(p=coordinates(d, theta))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found = evaluate(d, here.p, here.beta)
    level = None if found is None else noise_level(d, here, found[0], 1, 0.0)
    if found is None or level is None:
        return None
    mean = parameters(d, here.p + level.cov @ gradient(d, here, found[0]))
    cov = np.zeros((len(theta), len(theta)))
    cov[np.ix_(d.free, d.free)] = (level.cov + level.cov.T) / 2
    return mean, cov


def _log_normal_at_zero(mean: Array, variance: Array) -> Array:
    """Of each Gaussian, but for the constant."""
    return -0.5 * (np.log(variance) + mean**2 / variance)
