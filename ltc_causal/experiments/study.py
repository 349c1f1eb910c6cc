"""The steps of a study, each a function from settings and earlier results to a result, and what they add up to.

Lives here: what is computed. Does not live here: in which order, files, resuming (`runner`), words and pages (`narrative`, `report`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from ltc_causal.causal.effects import total_effect
from ltc_causal.causal.graph import causal_graph
from ltc_causal.causal.predict import predict
from ltc_causal.core.data import Recording
from ltc_causal.core.effect import Effect
from ltc_causal.core.prediction import Difference, Prediction, difference
from ltc_causal.core.reduction import Reduction
from ltc_causal.core.result import Fit, Status
from ltc_causal.errors import InputError
from ltc_causal.experiments.config import Config, Question
from ltc_causal.experiments.settings import build_model
from ltc_causal.group.model_selection import Comparison, compare
from ltc_causal.models.intervened import checked_interventions
from ltc_causal.reduction.linearise import Taylor
from ltc_causal.reduction.project import Projection
from ltc_causal.reduction.reduce import reduce_to_dcm


@dataclass(frozen=True, eq=False)
class Answer:
    """What is predicted under one of the study's interventions.

    change : intervened minus usual, None where no posterior draw stayed stable
    """

    title: str
    prediction: Prediction
    change: Difference | None


@dataclass(frozen=True, eq=False)
class Inquiry:
    """What was asked of one fitted model: its reduction, graph, total effects and interventions."""

    reduction: Reduction
    graph: nx.DiGraph
    total_effects: tuple[Effect, ...]
    usual: Prediction
    answers: tuple[Answer, ...]


@dataclass(frozen=True, eq=False)
class Results:
    """A whole study.

    comparison : None where fewer than two fits compare; `not_compared` then says why
    inquiry : None where the fit of the model asked is not usable
    """

    config: Config
    recording: Recording
    fits: Mapping[str, Fit]
    comparison: Comparison | None
    not_compared: str
    inquiry: Inquiry | None

    @property
    def asked(self) -> Fit:
        """The fit that graph, effects and interventions are asked of."""
        return self.fits[self.config.causal.model]

    @property
    def unconverged(self) -> tuple[str, ...]:
        """Names of the models whose fit did not converge."""
        return tuple(name for name, fit in self.fits.items() if not fit.status.converged)


def check_questions(config: Config, recording: Recording) -> None:
    """Check the interventions against the recording, before anything is fitted.

    Raises `InputError` for one that starts after the run's end, a parameter that the model does not have, or two that set the same thing at the same time.
    """
    for question in config.interventions:
        inputs = recording.inputs
        parameters = build_model(config, config.causal.model).prior.names
        names = config.structure.regions, config.structure.inputs
        checked_interventions(question.interventions(), *names, len(inputs.values), inputs.dt, parameters)


def usable(fit: Fit) -> bool:
    """Whether a fit, converged or not, has numbers that mean something."""
    return fit.status is not Status.DIVERGED and bool(np.isfinite(fit.free_energy))


def compare_fits(fits: Mapping[str, Fit]) -> tuple[Comparison | None, str]:
    """The comparison of the usable fits, or the reason why there is none."""
    known = {name: fit for name, fit in fits.items() if usable(fit)}
    if len(known) < 2:
        return None, "There are fewer than two usable fits to compare."
    try:
        return compare(list(known.values()), names=list(known)), ""
    except InputError as error:
        return None, str(error)


def reduce(config: Config, fit: Fit) -> Reduction:
    """The fit reduced to A, B and C as the settings say; left to itself, of two ways for a liquid model the one that is not refused."""
    projection, wanted = Projection(seed=config.seed), config.causal.reduction
    if wanted is not None:
        return reduce_to_dcm(fit, projection if wanted == "projection" else Taylor())
    if fit.model.neuronal != "liquid":
        return reduce_to_dcm(fit, Taylor())
    try:
        projected = reduce_to_dcm(fit, projection)
    except InputError:  # no visited states to project on, or too few draws with some
        return reduce_to_dcm(fit, Taylor())
    if not projected.certificate.refused:
        return projected
    expanded = reduce_to_dcm(fit, Taylor())
    return expanded if expanded.certificate.residual < projected.certificate.residual else projected


def ask_graph(config: Config, reduction: Reduction) -> nx.DiGraph:
    """The causal graph of the reduced model."""
    return causal_graph(reduction, inputs=config.causal.inputs, probability=config.causal.probability)


def ask_total_effects(config: Config, reduction: Reduction) -> tuple[Effect, ...]:
    """The total effect of every region and every input on every other region."""
    regions, settings = reduction.coupling.regions, config.predictions
    return tuple(
        total_effect(reduction, source, target, inputs=config.causal.inputs, seed=config.seed, probability=settings.interval)
        for source, target in product((*regions, *reduction.coupling.inputs), regions)
        if source != target
    )


def predict_course(config: Config, fit: Fit, question: Question | None = None) -> Prediction:
    """The course under a question's interventions, the usual one where there is none; always with the same posterior draws."""
    do = question.interventions() if question else []
    return predict(fit, do, draws=config.predictions.draws, seed=config.seed, probability=config.predictions.interval)


def answer(config: Config, fit: Fit, usual: Prediction, question: Question) -> Answer:
    """Predict under a question's interventions, and pair with the usual course."""
    prediction = predict_course(config, fit, question)
    stable = np.isfinite(prediction.draws) & np.isfinite(usual.draws)
    change = difference(usual, prediction) if stable.all(axis=(1, 2)).any() else None
    return Answer(question.title, prediction, change)


def intervention_frame(inquiry: Inquiry) -> pd.DataFrame:
    """One row an intervention and region: the change of the signal's mean over the run with its interval, and the largest change.

    mean_change, sd, lower, upper, probability_positive : over posterior draws, each draw's change averaged over the run
    largest_change, at_seconds : of the mean change's course
    """
    rows = []
    for one in inquiry.answers:
        if one.change is None:
            continue
        means = one.change.draws.mean(axis=1)
        tail = (1 - inquiry.usual.probability) / 2
        lower, upper = np.quantile(means, [tail, 1 - tail], axis=0)
        for column, region in enumerate(inquiry.usual.regions):
            course = one.change.mean[:, column]
            peak = int(np.argmax(np.abs(course)))
            rows.append(
                {
                    "intervention": one.title, "do": one.prediction.describe(), "region": region,
                    "mean_change": means[:, column].mean(), "sd": means[:, column].std(ddof=1),
                    "lower": lower[column], "upper": upper[column],
                    "probability_positive": (means[:, column] > 0).mean(),
                    "largest_change": course[peak], "at_seconds": inquiry.usual.times[peak],
                }
            )  # fmt: skip
    columns = [
        "intervention",
        "do",
        "region",
        "mean_change",
        "sd",
        "lower",
        "upper",
        "probability_positive",
        "largest_change",
        "at_seconds",
    ]
    return pd.DataFrame(rows, columns=columns)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]  # pyright: ignore[reportCallIssue]


def total_effect_frame(effects: tuple[Effect, ...]) -> pd.DataFrame:
    """One row a source and target: the total effect at equilibrium with its interval, empty where there is none, and why."""
    return pd.DataFrame([effect.row() for effect in effects])
