"""Logistic regression with a ridge, its settings chosen by leaving out classes of stimulated neurons of the training part.

Lives here: `Regression`, the choice (`Inner`), and how much stimulated neurons differ beyond it. Does not live here: features, scores.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import expit
from worm_atlas import folds
from worm_features import GROUPS, NAMES

import ltc_causal as lc

RIDGES = (10.0, 100.0, 1000.0)  # on features of unit variance
INNER = 4
STEPS = 30
SPREADS = np.arange(0.0, 2.01, 0.1)  # sd of what a stimulated neuron adds to all of its log odds
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(41)


@dataclass(frozen=True)
class Regression:
    """Probability of a response from a pair's features, expit(b0 + (x - mean) / sd @ b)."""

    columns: tuple[int, ...]
    mean: np.ndarray
    sd: np.ndarray
    weights: np.ndarray

    @classmethod
    def fit(cls, x, y, group, ridge):
        columns = tuple(NAMES.index(name) for name in GROUPS[group])
        mean, sd = x[:, columns].mean(axis=0), np.maximum(x[:, columns].std(axis=0), 1e-9)
        z = np.column_stack([np.ones(len(x)), (x[:, columns] - mean) / sd])
        penalty = np.r_[0.0, np.full(len(columns), ridge)]
        weights = np.r_[np.log(y.mean() / (1 - y.mean())), np.zeros(len(columns))]

        def loss(b):
            return np.logaddexp(0, z @ b).sum() - y @ (z @ b) + penalty @ b**2 / 2

        for _ in range(STEPS):  # Newton, a step halved until it descends
            p = expit(z @ weights)
            gradient = z.T @ (y - p) - penalty * weights
            step = np.linalg.solve((z * (p * (1 - p))[:, None]).T @ z + np.diag(penalty), gradient)
            while loss(weights + step) > loss(weights) and np.abs(step).max() > 1e-10:
                step = step / 2
            weights = weights + step
            if np.abs(step).max() < 1e-8:
                break
        return cls(columns, mean, sd, weights)

    def probability(self, x):
        return expit(self.weights[0] + (x[:, self.columns] - self.mean) / self.sd @ self.weights[1:])


class Inner:
    """The training columns, with classes left out in turn: every setting's probabilities of what was left out."""

    def __init__(self, features, columns, seed=0):
        self.found, self.answers = {}, []
        for part in folds(features.atlas, columns, INNER, seed):
            known = np.setdiff1d(columns, part)
            x, y, _ = features.table(known, known)
            x_left, *answers = features.table(part, known)
            self.answers.append(answers)
            for setting in product(GROUPS, RIDGES):
                self.found.setdefault(setting, []).append(Regression.fit(x, y, *setting).probability(x_left))

    def area(self, setting):
        """Under the curve, mean over the parts left out."""
        return np.mean([lc.area_under_curve(p, y) for p, (y, _) in zip(self.found[setting], self.answers, strict=True)])

    def best(self, groups):
        """The (group, ridge) of largest area, and the area."""
        areas = {setting: self.area(setting) for setting in product(groups, RIDGES)}
        setting = max(areas, key=areas.__getitem__)
        return setting, areas[setting]

    def left_out(self, group, ridge):
        """Probabilities, answers and sources of all training pairs."""
        return np.concatenate(self.found[group, ridge]), *(np.concatenate(one) for one in zip(*self.answers, strict=True))


def spread_of_sources(p, responds, source):
    """Standard deviation of what a stimulated neuron adds to all of its log odds, by maximum likelihood over SPREADS."""
    log_odds = np.log(p / (1 - p))
    totals = []
    for spread in SPREADS:
        moved = expit(log_odds[:, None] + spread * NODES)
        each = np.where(responds[:, None], np.log(moved), np.log1p(-moved))
        of_source = np.array([each[source == one].sum(axis=0) for one in np.unique(source)])
        top = of_source.max(axis=1, keepdims=True)
        totals.append((top[:, 0] + np.log(np.exp(of_source - top) @ WEIGHTS)).sum())
    return SPREADS[int(np.argmax(totals))]


def count_draws(p, spread, draws, rng):
    """How many of a source's responders respond, (draw,), its own addition to the log odds unknown."""
    moved = expit(np.log(p / (1 - p)) + spread * rng.standard_normal((draws, 1)))
    return (rng.random(moved.shape) < moved).sum(axis=1)
