"""Parametric empirical Bayes: what a group of fitted subjects has in common, and how its members differ.

    theta_i = b_mean + sum_c x_ic b_c + e_i,   e_i ~ N(0, between)

Friston et al. 2016, "Bayesian model reduction and empirical Bayes for group (DCM) studies". Nothing is fitted again: the first levels' posteriors
are all that it needs, so that it goes with any fit that has a Gaussian one.

Lives here: the verb `peb`, its settings and its result. Does not live here: the ascent (`second_level`), the search over effects (`search`), the
prediction of subjects left out (`prediction`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ltc_causal.core.blocks import LARGEST, root
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.group import GroupCoupling, GroupDifference
from ltc_causal.errors import InputError, known_name, one_of, positive
from ltc_causal.group import hertz
from ltc_causal.group.design import MEAN, Design, read_design
from ltc_causal.group.model_reduction import ReducedPosterior, reduce_model
from ltc_causal.group.second_level import FirstLevel, SecondLevel, ascend, ascend_as_spm
from ltc_causal.group.subjects import Subject, Subjects, chosen_parameters, read_subjects

Array = NDArray[Any]

UNSCALED = 0.98  # a signal that is scaled down by less counts as not scaled
PATHS = ("exact", "spm")
COMPONENTS = ("parameter", "one")


@dataclass(frozen=True)
class EmpiricalBayes:
    """How the second level is estimated.

    share : expected variance between subjects, as a share of each parameter's prior variance
    log_precision_variance : of the prior of the log-precisions g between subjects, whose mean is 0. With 1, an sd between subjects may well be
        2.7 times smaller or larger than the share says. SPM has 1/16 (1.6 times), which with a few dozen subjects decides as much as the data
    components : "parameter", each has its own variance between subjects, or "one" factor for all (for more than about a hundred parameters)
    overconfidence : see `FirstLevel.of`; SPM has 1/16
    path : "exact" integrates the effects out for every g (see `second_level`); "spm" climbs and stops as SPM does, for comparison
    """

    share: float = 1 / 16
    log_precision_variance: float = 1.0
    components: str = "parameter"
    overconfidence: float = 0.0
    path: str = "exact"

    def __post_init__(self):
        positive("EmpiricalBayes(share)", self.share, "prior variances")
        positive("EmpiricalBayes(log_precision_variance)", self.log_precision_variance, "squared log-precision")
        one_of("EmpiricalBayes(components)", self.components, COMPONENTS)
        one_of("EmpiricalBayes(path)", self.path, PATHS)
        if not 0 <= self.overconfidence < np.inf:
            raise InputError(f"EmpiricalBayes(overconfidence) must be a share, 0 or more, got {self.overconfidence!r}.")

    @classmethod
    def spm(cls) -> "EmpiricalBayes":
        """SPM's settings and its ascent, with a log-precision for each parameter (its `M.Q = 'all'`)."""
        return cls(log_precision_variance=1 / 16, overconfidence=1 / 16, path="spm")


@dataclass(frozen=True, eq=False)
class GroupFit:
    """A hierarchical model of several subjects, fitted to their fits.

    subjects : {name: its posterior, prior, free energy, model, status and scaling}
    parameters : those that the group shares, named as in the fits and on the scale of their model
    design : the mean and the covariates, centred
    prior, effects : Gaussians over the effects b, named `covariate: parameter`
    between : shape (parameter, parameter), covariance of the subjects about what the group leads one to expect
    log_precision : Gaussian over the log-precisions g between subjects, one a parameter or one for all
    free_energy : nats, of first and second level together: compare designs over the same subjects and parameters by it
    converged : whether the ascent did
    method : the settings
    """

    subjects: Mapping[str, Subject]
    parameters: tuple[str, ...]
    design: Design
    prior: Gaussian
    effects: Gaussian
    between: Array
    log_precision: Gaussian
    free_energy: float
    converged: bool
    method: EmpiricalBayes

    @property
    def between_sd(self) -> Array:
        """Standard deviation between subjects, shape (parameter,)."""
        return np.sqrt(np.diag(self.between))

    def effect(self, covariate: str = MEAN) -> Gaussian:
        """The effect of one covariate per unit of it on every parameter; raises `InputError` if the design has no such covariate."""
        known_name("covariate", covariate, self.design.names, "the design")
        marginal = self.effects.marginal([effect_name(covariate, name) for name in self.parameters])
        return Gaussian(self.parameters, marginal.mean, marginal.cov)

    def expected(self, at: Mapping[str, Any] | None = None) -> Gaussian:
        """The parameters that a subject is expected to have, and how well this expectation is known.

        at : {covariate: value} in the design's own units (a factor's level by its name); covariates not named are at their mean
        """
        X = np.kron(self.design.row(at), np.eye(len(self.parameters)))
        return Gaussian(self.parameters, X @ self.effects.mean, X @ self.effects.cov @ X.T)

    def coupling(self, at: Mapping[str, Any] | None = None) -> GroupCoupling:
        """The coupling in Hz that a subject is expected to have, with its uncertainty and the spread between subjects.

        Parameters that the group does not share stand at the subjects' average, with the standard error of that.
        """
        expected = self.expected(at)
        everything = self._whole(expected.mean, expected.cov, standard_error=True)
        between = self._whole(expected.mean, self.between, standard_error=False).cov
        return hertz.group_coupling(self._model, everything, between, dict(at or {}), len(self.subjects))

    def difference(self, first: Mapping[str, Any], second: Mapping[str, Any]) -> GroupDifference:
        """By how much the expected coupling differs between two kinds of subject, in Hz: second minus first.

        first, second : {covariate: value}, as of `expected`
        """
        spread = root(self.effects.cov)
        means, roots = [], []
        for at in (first, second):
            X = np.kron(self.design.row(at), np.eye(len(self.parameters)))
            means.append(self._whole(X @ self.effects.mean, self.between, standard_error=True).mean)
            its_root = np.zeros((len(self._names), spread.shape[1]))
            its_root[self._where] = X @ spread
            roots.append(its_root)
        return hertz.group_difference(self._model, (means[0], means[1]), (roots[0], roots[1]), first, second)

    def empirical_prior(self, subject: str) -> Gaussian:
        """What the group (this subject included) leads one to expect of a subject, over all parameters of its model: N(X_i b, between).

        Parameters that the group does not share keep their prior. A model with this prior can be fitted again.
        """
        k = tuple(self.subjects).index(known_subject(self, subject))
        mean, cov = self.subjects[subject].prior.mean.copy(), np.array(self.subjects[subject].prior.cov)
        cov[self._where], cov[:, self._where] = 0.0, 0.0
        mean[self._where] = self.design.matrix[k] @ self.effects.mean.reshape(-1, len(self.parameters))
        cov[np.ix_(self._where, self._where)] = self.between
        return Gaussian(self._names, mean, cov)

    def reestimated(self, subject: str) -> ReducedPosterior:
        """A subject's posterior and change of log evidence under its empirical prior, without fitting it again."""
        fit = self.subjects[known_subject(self, subject)]
        return reduce_model((fit.posterior, fit.prior), self.empirical_prior(subject))

    def to_frame(self, probability: float = 0.9) -> pd.DataFrame:
        """One row an effect: covariate, parameter, mean, sd, lower, upper, probability_positive, and between_sd in the rows of the mean."""
        lower, upper = self.effects.interval(probability)
        n = len(self.design.names)
        return pd.DataFrame(
            {
                "covariate": np.repeat(self.design.names, len(self.parameters)), "parameter": list(self.parameters) * n,
                "mean": self.effects.mean, "sd": self.effects.sd, "lower": lower, "upper": upper,
                "probability_positive": [self.effects.probability(name) for name in self.effects.names],
                "between_sd": np.concatenate([self.between_sd, np.full(len(self.parameters) * (n - 1), np.nan)]),
            }
        )  # fmt: skip

    def __str__(self) -> str:
        table = self.to_frame().to_string(index=False, float_format=lambda value: f"{value:.3f}", na_rep="")
        return "\n".join(
            [
                f"Group of {len(self.subjects)} subjects, {len(self.parameters)} parameters; free energy {self.free_energy:.2f} nats.",
                self.design.describe(),
                *self.doubts,
                "Effects on the scale of the model's parameters, 90 % intervals:",
                table,
            ]
        )

    def __repr__(self) -> str:
        return f"GroupFit({len(self.subjects)} subjects, {', '.join(self.design.names)}: free energy {self.free_energy:.2f})"

    @property
    def doubts(self) -> list[str]:
        """What to think of before these numbers are believed, a sentence each: first levels, their scaling, the second level's ascent."""
        doubts = []
        failed = [name for name, fit in self.subjects.items() if fit.status is not None and not fit.status.converged]
        if failed:
            some = ", ".join(failed[:5]) + ", ..." * (len(failed) > 5)
            doubts.append(f"The fits of {len(failed)} subject(s) did not converge or do not say so: {some}.")
        scaled = [min(fit.scales) for fit in self.subjects.values() if fit.scales and min(fit.scales) < UNSCALED]
        if scaled:
            doubts.append(
                f"The signals of {len(scaled)} subject(s) were scaled down, by factors of {min(scaled):.2g} to {max(scaled):.2g}, before they were "
                "fitted, so that blood saturates at another strength than the model has it and stronger subjects seem to be driven less: effects "
                "may be claimed that are not there, above all on driving inputs (C); fit with signal_range=None, in percent signal change."
            )
        if not self.converged:
            doubts.append("The second level did not converge: its numbers are not to be relied on.")
        return doubts

    @property
    def _names(self) -> tuple[str, ...]:
        return next(iter(self.subjects.values())).prior.names

    @property
    def _model(self) -> Any:
        model = next(iter(self.subjects.values())).model
        if model is None:
            raise InputError("These subjects have no model, so that there is no coupling in Hz: ask for expected() and to_frame().")
        return model

    @cached_property
    def _where(self) -> list[int]:
        return [self._names.index(name) for name in self.parameters]

    def _whole(self, mean: Array, cov: Array, standard_error: bool) -> Gaussian:
        """Over all of the model's parameters: the shared ones as given, the others at the subjects' average, with its error or their spread."""
        if len(self._names) > LARGEST:
            raise InputError(
                f"The coupling of {len(self._names)} parameters together is too large: ask for expected() and to_frame() of those shared."
            )
        means = np.array([fit.posterior.mean for fit in self.subjects.values()])
        whole_mean = means.mean(axis=0)
        whole_cov = np.cov(means.T).reshape(means.shape[1], -1) / (len(means) if standard_error else 1)
        whole_mean[self._where] = mean
        whole_cov[self._where], whole_cov[:, self._where] = 0.0, 0.0
        whole_cov[np.ix_(self._where, self._where)] = cov
        return Gaussian(self._names, whole_mean, whole_cov)


def peb(
    fits: Subjects,
    design: pd.DataFrame | None = None,
    parameters: str | Sequence[str] | None = None,
    method: EmpiricalBayes | None = None,
) -> GroupFit:
    """Fit a hierarchical model to several subjects' fits of one model.

    fits : one a subject, as a list or {subject: fit} (such as `fit_many` gives); any kind with a Gaussian posterior and prior
    design : one row a subject and one column a covariate, numbers or factors (words, categories, booleans); None for the mean alone. With
        {subject: fit} its index must name the subjects; rows of others are ignored. Covariates are centred over the subjects, and the result
        says so: the mean is that of all subjects. Effects are per unit of the covariate; of a factor, the level named minus the first
    parameters : those that the group shares, by name or by the letters of matrices ("AB"); all connections unless given
    method : the settings; `EmpiricalBayes()` unless given

    Prior of the effects: the mean has the first level's prior, covariate c has mean 0 and the first level's variance over var(x_c), so that
    nothing depends on its unit.

    Raises `InputError` for fewer than two subjects, fits of different parameters, parameters whose prior is singular, or a design that does not
    determine its effects.
    """
    method = method or EmpiricalBayes()
    subjects = read_subjects("peb", fits)
    first = next(iter(subjects.values()))
    chosen = chosen_parameters("peb", first, parameters)
    table = read_design(design, tuple(subjects), isinstance(fits, Mapping))
    data, model = first_level(subjects, chosen, method), second_level(first.prior.marginal(chosen), table, method)
    found = (ascend_as_spm if method.path == "spm" else ascend)(data, model)
    names = tuple(effect_name(covariate, name) for covariate in table.names for name in chosen)
    precisions = chosen if method.components == "parameter" else ("all",)
    return GroupFit(
        subjects, chosen, table,
        Gaussian(names, model.effects[0], np.linalg.inv(model.effects[1])),
        Gaussian(names, found.b, _symmetric(found.cov)),
        _symmetric(found.between),
        Gaussian(precisions, found.g, _symmetric(found.g_cov)),
        found.free_energy + sum(float(fit.free_energy) for fit in subjects.values()), found.converged, method,
    )  # fmt: skip


def first_level(subjects: Mapping[str, Subject], parameters: Sequence[str], method: EmpiricalBayes) -> FirstLevel:
    """What each subject's data say of the shared parameters."""
    posteriors = [fit.posterior.marginal(parameters) for fit in subjects.values()]
    priors = [fit.prior.marginal(parameters) for fit in subjects.values()]
    return FirstLevel.of(posteriors, priors, method.overconfidence)


def second_level(prior: Gaussian, design: Design, method: EmpiricalBayes) -> SecondLevel:
    """Priors of the effects and of the variance between subjects, from the first level's prior over the shared parameters."""
    n_subject, n_covariate = design.matrix.shape
    mean = np.concatenate([prior.mean, np.zeros(len(prior.mean) * (n_covariate - 1))])
    unit = (design.matrix**2).sum(axis=0) / n_subject
    precision = np.linalg.inv(prior.cov)
    Q = precision / method.share
    if method.components == "parameter":
        Q = np.array([np.diag(row) for row in np.diag(1 / (method.share * np.diag(prior.cov)))])
    return SecondLevel(
        design.matrix, (mean, np.kron(np.diag(unit), precision)), Q.reshape(-1, *precision.shape), (0.0, method.log_precision_variance)
    )


def effect_name(covariate: str, parameter: str) -> str:
    """The name of an effect: `mean: A[V1->V5]`, `age: A[V1->V5]`."""
    return f"{covariate}: {parameter}"


def known_subject(group: GroupFit, subject: str) -> str:
    """The subject's name; raises `InputError` if the group has no such subject."""
    known_name("subject", subject, tuple(group.subjects), "the group")
    return subject


def _symmetric(matrix: Array) -> Array:
    return (matrix + matrix.T) / 2
