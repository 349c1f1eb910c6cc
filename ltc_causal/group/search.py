"""Which effects a group has: models of the second level that lack some of them, scored without fitting any, and averaged.

Lacking an effect is holding it at 0, and holding some of a Gaussian's parameters is conditioning it, so that for a set R of effects

    log evidence without R - log evidence of all = log N(0; m_R, C_RR) - log N(0; p_R, P_RR)

with the effects' posterior N(m, C) and prior N(p, P) (the ratio of Savage and Dickey; Friston et al. 2016), and the posterior without R is the
posterior given that R is 0.

Lives here: the search and the average. Does not live here: the group's model (`peb`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, softmax

from ltc_causal.core.gaussian import Gaussian
from ltc_causal.errors import InputError, known_name
from ltc_causal.group.averaging import mixture
from ltc_causal.group.peb import GroupFit

Array = NDArray[Any]
Mask = NDArray[np.bool_]

WINDOW = 3.0  # nats below the best: models further down are left out of the average, as in SPM
MOST = 16  # effects that are looked at together: 2^16 models


@dataclass(frozen=True, eq=False)
class EffectSearch:
    """Effects of a group with the probability that it has them.

    effects : Gaussian over all effects, averaged over the models of the last sweep; an effect that was removed before is 0 in all of them
    probabilities : shape (effect,), that each effect is not 0: over the models of the last sweep, and of those removed before by putting each back
        into the best of these models. 1 of those never in question, and of those that no sweep looked at because their removal costs so much
    removed : shape (effect,), True for what an earlier sweep removed (SPM calls their probability 0)
    models : shape (model, effect), the models of the last sweep, True where an effect is kept, the most probable first
    log_evidences : shape (model,), of each over that of the model with all effects, nats
    model_probabilities : shape (model,), within the last sweep, under equal priors
    """

    effects: Gaussian
    probabilities: Array
    removed: Mask
    models: Mask
    log_evidences: Array
    model_probabilities: Array

    def to_frame(self, probability: float = 0.9) -> pd.DataFrame:
        """One row an effect: covariate, parameter, probability, mean, sd, lower, upper."""
        lower, upper = self.effects.interval(probability)
        rows = [name.split(": ", 1) for name in self.effects.names]
        frame = pd.DataFrame(rows, columns=["covariate", "parameter"])
        return frame.assign(probability=self.probabilities, mean=self.effects.mean, sd=self.effects.sd, lower=lower, upper=upper)

    def __str__(self) -> str:
        kept, n = int((self.probabilities > 0.95).sum()), len(self.probabilities)
        table = self.to_frame().to_string(index=False, float_format=lambda value: f"{value:.3f}")
        best = f"The best of {len(self.models)} models has {int(self.models[0].sum())} effects and probability {self.model_probabilities[0]:.2f}"
        return f"{kept} of {n} effects have a probability above 0.95. {best}; averaged over models:\n{table}"


def search_effects(group: GroupFit, candidates: Sequence[str] | None = None, together: int = 12) -> EffectSearch:
    """Look for the effects that a group has, over models that lack any set of them.

    candidates : names of effects that may be 0, such as "age: A[V1->V5]"; all unless given
    together : how many effects are tried in every combination. While there are more, those that cost the least are tried first, and what the
        best model lacks is removed for good (SPM's greedy search, with 8); with as many as there are candidates (at most 16), nothing is greedy

    Raises `InputError` for an unknown effect, none, or a `together` that is not 1 to 16.
    """
    names = group.effects.names
    if not 1 <= together <= MOST:
        raise InputError(f"search_effects(together) must lie between 1 and {MOST}, got {together!r}.")
    chosen = names if candidates is None else tuple(candidates)
    positions = [known_name("effect", name, names, "the group") for name in chosen]
    if not positions:
        raise InputError("search_effects(candidates) is empty: name effects that may be 0, or leave it out.")
    removed: list[int] = []
    while True:
        open_ = [i for i in positions if i not in removed]
        few = _cheapest(group, removed, open_)[:together]
        sets = [removed + list(one) for size in range(len(few) + 1) for one in combinations(few, size)]
        scores = np.array([_score(group, one) for one in sets])
        best = sets[int(np.argmax(scores))]
        if len(few) == len(open_) or len(best) == len(removed):
            return _averaged(group, sets, scores, removed, few)
        removed = best


def _cheapest(group: GroupFit, removed: list[int], open_: list[int]) -> list[int]:
    """Effects in question, the one whose removal costs the least evidence first."""
    gains = [_score(group, [*removed, i]) for i in open_]
    return [open_[k] for k in np.argsort(gains, kind="stable")[::-1]]


def _score(group: GroupFit, removed: list[int]) -> float:
    """Log evidence without these effects, over that of all."""
    return _log_density_at_zero(group.effects, removed) - _log_density_at_zero(group.prior, removed)


def _log_density_at_zero(density: Gaussian, where: list[int]) -> float:
    """Without the factors of 2 pi."""
    mean, cov = density.mean[where], density.cov[np.ix_(where, where)]
    return float(-(np.linalg.slogdet(cov)[1] + mean @ np.linalg.solve(cov, mean)) / 2) if where else 0.0


def without_effects(density: Gaussian, removed: Sequence[int]) -> Gaussian:
    """A Gaussian given that the parameters at these positions are 0."""
    rest = [i for i in range(len(density.mean)) if i not in set(removed)]
    gain = np.linalg.solve(density.cov[np.ix_(removed, removed)], density.cov[np.ix_(removed, rest)]).T
    mean, cov = np.zeros_like(density.mean), np.zeros_like(density.cov)
    mean[rest] = density.mean[rest] - gain @ density.mean[list(removed)]
    cov[np.ix_(rest, rest)] = density.cov[np.ix_(rest, rest)] - gain @ density.cov[np.ix_(removed, rest)]
    return Gaussian(density.names, mean, (cov + cov.T) / 2)


def _averaged(group: GroupFit, sets: list[list[int]], scores: Array, removed: list[int], few: list[int]) -> EffectSearch:
    """Probabilities over all models of the last sweep, moments over those within the window of the best."""
    n = len(group.effects.names)
    order = np.argsort(scores, kind="stable")[::-1]
    kept = np.array([[i not in sets[k] for i in range(n)] for k in order])
    weights = softmax(scores[order])
    probabilities = np.ones(n)
    best = sets[order[0]]
    probabilities[removed] = [expit(_score(group, [j for j in best if j != i]) - scores.max()) for i in removed]
    probabilities[few] = (weights @ kept)[few]
    near = [k for k in order if scores[k] >= scores.max() - WINDOW]
    parts = [without_effects(group.effects, sets[k]) for k in near]
    effects = mixture(parts, softmax(scores[near]))
    return EffectSearch(effects, probabilities, np.isin(np.arange(n), removed), kept, scores[order], weights)
