"""Predicting what is known of subjects from their fits: each is left out in turn, and its covariate is told from what the others say.

Lives here: leave-one-out prediction. Does not live here: the group's model (`peb`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import binomtest, pearsonr

from ltc_causal.errors import InputError, known_name
from ltc_causal.group.peb import GroupFit, first_level, second_level
from ltc_causal.group.second_level import FirstLevel, SecondLevel, ascend, ascend_as_spm

Array = NDArray[Any]

POINTS = 401  # of the grid over a covariate
REACH = 5.0  # of that grid, in prior sd


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """A covariate of each subject as predicted from its own fit and the others' group.

    covariate : which
    subjects : names
    observed : shape (subject,), what it is, in the design's coding (a factor's level: 0 or 1) and not centred
    mean, sd : shape (subject,), of the prediction; of a level, its probability and the sd of a variable that is 1 so often
    lower, upper : shape (subject,), the central 90 %; of a level they are its probability
    binary : whether the covariate is one of two values; then only these two are thought possible
    """

    covariate: str
    subjects: tuple[str, ...]
    observed: Array
    mean: Array
    sd: Array
    lower: Array
    upper: Array
    binary: bool

    @property
    def correlation(self) -> tuple[float, float]:
        """Pearson's correlation of the predicted mean with what was observed, and its one-sided p (that it is positive)."""
        r, p = pearsonr(self.mean, self.observed, alternative="greater")
        return float(r), float(p)  # pyright: ignore[reportArgumentType]

    @property
    def accuracy(self) -> tuple[float, float]:
        """Share of the subjects whose value is the more probable of two, and its one-sided p against guessing the more frequent one.

        Raises `InputError` for a covariate of more than two values.
        """
        if not self.binary:
            raise InputError(f"{self.covariate!r} has more than two values, so that there is no accuracy: ask for the correlation.")
        low, high = self.observed.min(), self.observed.max()
        right = np.where(self.mean > (low + high) / 2, high, low) == self.observed
        share = float(np.mean(self.observed == high))
        return float(right.mean()), float(binomtest(int(right.sum()), len(right), max(share, 1 - share), alternative="greater").pvalue)

    def to_frame(self) -> pd.DataFrame:
        """One row a subject: subject, observed, mean, sd, lower, upper."""
        names = ("observed", "mean", "sd", "lower", "upper")
        return pd.DataFrame({"subject": self.subjects, **{name: getattr(self, name) for name in names}})

    def __str__(self) -> str:
        r, p = self.correlation
        text = f"{self.covariate} of {len(self.subjects)} subjects, each predicted from the others: correlation {r:.2f} (p {_small(p)})"
        if not self.binary:
            return f"{text}."
        share, chance = self.accuracy
        return f"{text}, {100 * share:.0f} % right (p {_small(chance)})."


def _small(p: float) -> str:
    return f"= {p:.2g}" if p > 1e-12 else "< 1e-12"


def leave_one_out(group: GroupFit, covariate: str) -> LeaveOneOut:
    """Predict one covariate of each subject from its fit, with a group to which it does not belong.

    covariate : one of `group.design.names`, not the mean; the subject's other covariates are taken as known

    Each subject's value x has as evidence that of its fit under N(X b, between + X cov(b) X'), X at that x, b from the other subjects; the
    prior of x is normal with the others' mean and variance, or, where x has two values, how often each occurs among the others.

    Raises `InputError` for an unknown covariate or fewer than 4 subjects.
    """
    k = known_name("covariate", covariate, group.design.names, "the design")
    if k == 0 or len(group.subjects) < 4:
        raise InputError("leave_one_out needs a covariate other than the mean and at least 4 subjects: give another design.")
    data, model = (
        first_level(group.subjects, group.parameters, group.method),
        second_level(next(iter(group.subjects.values())).prior.marginal(group.parameters), group.design, group.method),
    )
    x = group.design.matrix[:, k]
    binary = len(np.unique(x)) == 2
    moments = [_predicted(group, data, model, i, k, binary) for i in range(len(x))]
    mean, sd, lower, upper = np.array(moments).T
    centre = group.design.centres[k]
    return LeaveOneOut(covariate, tuple(group.subjects), x + centre, mean + centre, sd, lower + centre, upper + centre, binary)


def _predicted(group: GroupFit, data: FirstLevel, model: SecondLevel, i: int, k: int, binary: bool) -> tuple[float, float, float, float]:
    """Mean, sd, 5 % and 95 % point of one subject's covariate."""
    begin = None if group.method.path == "spm" else group.log_precision.mean
    others = model.without(i)
    if np.ptp(others.X[:, k]) == 0:
        raise InputError(f"Without subject {list(group.subjects)[i]!r} the covariate is the same in all subjects: it cannot be predicted.")
    found = ascend_as_spm(data.without(i), others) if begin is None else ascend(data.without(i), others, begin)
    x = others.X[:, k]
    values = np.unique(model.X[:, k]) if binary else x.mean() + REACH * x.std(ddof=1) * np.linspace(-1, 1, POINTS)
    logs = np.array([np.log(np.mean(x == value)) for value in values]) if binary else -0.5 * ((values - x.mean()) / x.std(ddof=1)) ** 2
    for number, value in enumerate(values):
        row = model.X[i].copy()
        row[k] = value
        X = model.expand(row)
        logs[number] += data.log_evidence(i, X @ found.b, found.between + X @ found.cov @ X.T)
    weights = softmax(logs)
    mean = float(weights @ values)
    sd = float(np.sqrt(weights @ (values - mean) ** 2))
    if binary:
        return mean, sd, mean, mean
    lower, upper = np.interp([0.05, 0.95], np.cumsum(weights) - weights / 2, values)
    return mean, sd, float(lower), float(upper)
