"""Which model explains a group of subjects better: the same one in all (fixed effects), or one in some and another in others (random effects).

Random effects: subject n has model k with frequency r_k, r ~ Dirichlet(alpha0); its posterior Dirichlet(alpha) is found by variational Bayes
(Stephan et al. 2009, "Bayesian model selection for group studies", eqs. 11 to 14). Whether frequencies differ at all is judged by the Bayesian
omnibus risk, which protects the exceedance probabilities (Rigoux et al. 2014, "Bayesian model selection for group studies - revisited").
Families (Penny et al. 2010) each have the same prior weight, whatever their size; within one, models are taken as equally frequent.

Lives here: comparison over subjects. Does not live here: models of one recording (`model_selection`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import digamma, gammainc, gammaincinv, gammaln, logsumexp, softmax, xlogy

from ltc_causal.errors import InputError, finite_array, known_name, unique_names

Array = NDArray[Any]

ITERATIONS = 10000


@dataclass(frozen=True, eq=False)
class Frequencies:
    """How frequent each model (or family) is among subjects.

    names : one a model or family
    alpha : of the Dirichlet posterior, shape (model,)
    exceedance : probability that a model is more frequent than any other, shape (model,)
    protected : the same, allowing for the risk that all are equally frequent, shape (model,)
    omnibus_risk : posterior probability that all are equally frequent
    """

    names: tuple[str, ...]
    alpha: Array
    exceedance: Array
    protected: Array
    omnibus_risk: float

    @property
    def mean(self) -> Array:
        """Expected frequencies, shape (model,)."""
        return self.alpha / self.alpha.sum()

    def to_frame(self) -> pd.DataFrame:
        """One row a model: model, alpha, frequency, exceedance, protected_exceedance."""
        return pd.DataFrame(
            {
                "model": self.names, "alpha": self.alpha, "frequency": self.mean, "exceedance": self.exceedance,
                "protected_exceedance": self.protected,
            }
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class GroupComparison:
    """Models of the same data against each other, over subjects.

    subjects, models : names
    free_energies : nats, shape (subject, model)
    fixed : posterior model probabilities if all subjects have the same model, under equal priors, shape (model,)
    random : frequencies of the models among subjects
    attributions : probability that a subject has a model, shape (subject, model)
    families : {family: its models}, empty if there are none
    fixed_families : as `fixed`, under equal priors of the families, shape (family,)
    random_families : frequencies of the families, None without any
    """

    subjects: tuple[str, ...]
    models: tuple[str, ...]
    free_energies: Array
    fixed: Array
    random: Frequencies
    attributions: Array
    families: Mapping[str, tuple[str, ...]]
    fixed_families: Array
    random_families: Frequencies | None

    @property
    def log_bayes_factors(self) -> Array:
        """Of each model against the first, summed over subjects, nats, shape (model,)."""
        return (self.free_energies - self.free_energies[:, :1]).sum(axis=0)

    def to_frame(self) -> pd.DataFrame:
        """One row a model: log_bayes_factor and fixed_probability, and what `Frequencies.to_frame` gives."""
        frame = self.random.to_frame()
        frame.insert(1, "log_bayes_factor", self.log_bayes_factors)
        frame.insert(2, "fixed_probability", self.fixed)
        return frame

    def __str__(self) -> str:
        best, often = int(np.argmax(self.fixed)), int(np.argmax(self.random.mean))
        lines = [
            f"{len(self.models)} models of {len(self.subjects)} subjects.",
            f"If all subjects have the same model, it is {self.models[best]} (probability {self.fixed[best]:.3f}).",
            f"If they may differ, {_frequent(self.random, often)}",
        ]
        if self.random_families is not None:
            often = int(np.argmax(self.random_families.mean))
            lines.append(f"Of the families, {_frequent(self.random_families, often)}")
        return "\n".join([*lines, self.to_frame().to_string(index=False, float_format=lambda value: f"{value:.3f}")])


def _frequent(found: Frequencies, k: int) -> str:
    return (
        f"{found.names[k]} is the most frequent ({100 * found.mean[k]:.0f} %, protected exceedance probability {found.protected[k]:.3f}; "
        f"omnibus risk {found.omnibus_risk:.3f})."
    )


def compare_subjects(
    fits: pd.DataFrame | Mapping[str, Sequence[Any] | Mapping[str, Any]],
    families: Mapping[str, Sequence[str]] | None = None,
    tolerance: float = 1e-10,
) -> GroupComparison:
    """Compare models over subjects, with fixed and with random effects.

    fits : {model: its fits, one a subject in the same order, or {subject: fit}}; or a table of free energies in nats, one row a subject and
        one column a model
    families : {family: names of its models}; each model in one family
    tolerance : change of alpha (its norm) at which the iteration ends; SPM's is 1e-3

    Raises `InputError` for fewer than two models, subjects that not every model has, or families that do not divide the models.
    """
    table = _table(fits)
    energies = finite_array("compare_subjects: free energies", table.to_numpy(dtype=float), 2, "(subject, model)")
    if energies.shape[1] < 2 or not len(energies):
        raise InputError(f"compare_subjects needs at least two models and a subject, got {energies.shape[1]} and {len(energies)}.")
    models = unique_names("compare_subjects: models", table.columns)
    members = _members(families, models)
    random, attributions = _random(models, energies, tolerance)
    grouped, fixed_families = None, np.zeros(0)
    if members:
        # A family predicts as the average of its models does, each as probable as the others.
        average = [logsumexp(energies[:, own], axis=1) - np.log(len(own)) for own in members.values()]
        grouped = _random(tuple(members), np.column_stack(average), tolerance)[0]
        summed = energies.sum(axis=0)
        fixed_families = softmax([logsumexp(summed[own]) - np.log(len(own)) for own in members.values()])
    return GroupComparison(
        tuple(map(str, table.index)), models, energies, softmax(energies.sum(axis=0)), random, attributions,
        {name: tuple(models[k] for k in own) for name, own in members.items()}, fixed_families, grouped,
    )  # fmt: skip


def _table(fits: Any) -> pd.DataFrame:
    if isinstance(fits, pd.DataFrame):
        return fits
    if not isinstance(fits, Mapping) or not fits:
        raise InputError(f"compare_subjects needs {{model: fits}} or a table of free energies (subject, model), got {type(fits).__name__}.")
    columns = {}
    for model, its in fits.items():
        named = dict(its) if isinstance(its, Mapping) else {str(number): fit for number, fit in enumerate(its, start=1)}
        columns[model] = pd.Series({name: float(fit.free_energy) for name, fit in named.items()})
    first = next(iter(columns))
    for model, column in columns.items():
        if set(column.index) != set(columns[first].index):
            odd = sorted(set(column.index) ^ set(columns[first].index))[0]
            raise InputError(
                f"compare_subjects needs every model fitted to the same subjects, but only one of {first!r} and {model!r} has {odd!r}."
            )
    return pd.DataFrame(columns)


def _members(families: Mapping[str, Sequence[str]] | None, models: tuple[str, ...]) -> dict[str, list[int]]:
    members = {
        str(name): [known_name("model", model, models, f"family {name!r}") for model in listed] for name, listed in (families or {}).items()
    }
    listed = [k for positions in members.values() for k in positions]
    if families is not None and sorted(listed) != list(range(len(models))) or any(not positions for positions in members.values()):
        raise InputError(f"compare_subjects(families) must put each of the models {list(models)} in exactly one family.")
    return members


def _random(names: tuple[str, ...], energies: Array, tolerance: float) -> tuple[Frequencies, Array]:
    """Frequencies of models of these log evidences, shape (subject, model), and each subject's attribution to them."""
    alpha, attributions = _dirichlet(energies, tolerance)
    risk, exceedance = _omnibus_risk(energies, alpha, attributions), exceedance_probabilities(alpha)
    return Frequencies(names, alpha, exceedance, (1 - risk) * exceedance + risk / len(alpha), risk), attributions


def _dirichlet(energies: Array, tolerance: float) -> tuple[Array, Array]:
    """Stephan et al. 2009, eqs. 13 and 14, from alpha0 = 1: alpha, and each subject's attribution to the models."""
    alpha = np.ones(energies.shape[1])
    attributions = np.zeros_like(energies)
    for _ in range(ITERATIONS):
        attributions = softmax(energies + digamma(alpha) - digamma(alpha.sum()), axis=1)
        before, alpha = alpha, 1 + attributions.sum(axis=0)
        if np.linalg.norm(alpha - before) < tolerance:
            break
    return alpha, attributions


def _omnibus_risk(energies: Array, alpha: Array, attributions: Array) -> float:
    """Rigoux et al. 2014: that all models are equally frequent, against that frequencies vary; equal odds beforehand.

    The evidence that they vary is variational Bayes' lower bound, so that data that say nothing leave a risk above a half.
    """
    log_r = digamma(alpha) - digamma(alpha.sum())
    entropy = gammaln(alpha).sum() - gammaln(alpha.sum()) - (alpha - 1) @ log_r
    varying = gammaln(len(alpha)) + entropy + (attributions * (energies + log_r)).sum() - xlogy(attributions, attributions).sum()
    equal = (logsumexp(energies, axis=1) - np.log(len(alpha))).sum()
    return float(1 / (1 + np.exp(np.clip(varying - equal, -700, 700))))


def exceedance_probabilities(alpha: Array) -> Array:
    """Probability that each entry of a Dirichlet variable is the largest, shape (entry,), by one integral each and no sampling.

    With independent gamma variables g_k of shapes alpha_k the entries are g_k over their sum, so that

        P(k largest) = integral of p(g_k = x) prod_(j != k) P(g_j <= x) dx
    """
    result = np.empty(len(alpha))
    for k, own in enumerate(alpha):
        others = np.delete(alpha, k)
        # Over u = P(g_k <= x), in which the integrand is bounded.
        result[k] = quad(_all_below, 0, 1, (own, others), limit=200, epsabs=1e-10)[0]
    return result / result.sum()


def _all_below(u: float, own: float, others: Array) -> float:
    return float(np.prod(gammainc(others, gammaincinv(own, u))))
