"""A group's study from its subjects' fits: what each fit came to, models compared over subjects, what they have in common and how they differ.

Lives here: what is computed. Does not live here: fitting, files, resuming (`group_runner`), words and pages (`group_narrative`, `group_report`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from ltc_causal.causal.group_graph import group_graph
from ltc_causal.core.ascent import Status
from ltc_causal.core.coupling import edge_name
from ltc_causal.core.group import GroupCoupling, GroupDifference
from ltc_causal.core.result import Fit
from ltc_causal.errors import InputError, known_name
from ltc_causal.experiments.fit_many import Fits
from ltc_causal.experiments.group_config import Contrast, GroupConfig
from ltc_causal.experiments.study import usable
from ltc_causal.group.comparison import GroupComparison, compare_subjects
from ltc_causal.group.design import MEAN, Design
from ltc_causal.group.peb import EmpiricalBayes, GroupFit, peb
from ltc_causal.group.prediction import LeaveOneOut, leave_one_out
from ltc_causal.group.search import EffectSearch, search_effects
from ltc_causal.group.subjects import Subject

SHOWN, EXISTS = 3, 0.95  # connections shown for every subject, unless they are named; from which probability on


@dataclass(frozen=True, eq=False)
class Difference:
    """Two kinds of subject compared: the coupling of each, the difference, and its graph (see `clear_graph`)."""

    title: str
    first: GroupCoupling
    second: GroupCoupling
    difference: GroupDifference
    graph: nx.DiGraph


@dataclass(frozen=True, eq=False)
class Findings:
    """What was asked of the subjects together.

    search : None if it was not asked for
    graph, whole : of `coupling`, without what has no clear sign (see `clear_graph`), and with all of it
    forest : connections shown for every subject
    factor : by which subjects are told apart there, None without one
    """

    group: GroupFit
    search: EffectSearch | None
    coupling: GroupCoupling
    graph: nx.DiGraph
    whole: nx.DiGraph
    differences: tuple[Difference, ...]
    predictions: tuple[LeaveOneOut, ...]
    forest: tuple[str, ...]
    factor: str | None


@dataclass(frozen=True, eq=False)
class GroupResults:
    """A whole group's study.

    subjects : one row a model and subject: model, subject, status, why (there is no fit, or it is left out), free_energy, iterations, seconds,
        scans, dt, scale and explained_<region>
    example : a subject's fit of the model taken to the group, None without any
    comparison : None where models were not compared; `not_compared` then says why
    findings : None where there are too few usable fits; `no_findings` then says so
    """

    config: GroupConfig
    subjects: pd.DataFrame
    example: Fit | None
    comparison: GroupComparison | None
    not_compared: str
    findings: Findings | None
    no_findings: str

    @property
    def asked(self) -> pd.DataFrame:
        """The rows of the model that is taken to the group."""
        return self.subjects.loc[self.subjects["model"] == self.config.asked]

    @property
    def failures(self) -> dict[str, str]:
        """{subject: why it is not in the group}."""
        left_out = self.asked[self.asked["why"] != ""]
        return dict(zip(left_out["subject"], left_out["why"], strict=True))

    @property
    def unconverged(self) -> tuple[str, ...]:
        """Subjects in the group whose fit did not converge."""
        rows = self.asked[self.asked["why"] == ""]
        return tuple(name for name, status in zip(rows["subject"], rows["status"], strict=True) if not Status[status].converged)


def check_questions(config: GroupConfig, design: Design) -> None:
    """Check all that refers to covariates, before anything is fitted; raises `InputError` for one that the design does not have."""
    design.row(config.group.at)
    for contrast in contrasts(config, design):
        design.row(contrast.first)
        design.row(contrast.second)
    for name in config.group.predict:
        known_name("covariate", name, design.names[1:], "group.predict")


def contrasts(config: GroupConfig, design: Design) -> list[Contrast]:
    """Those of the settings, or each level of each factor against the first."""
    return config.contrasts or [
        Contrast(title=f"{factor}: {level} minus {levels[0]}", first={factor: levels[0]}, second={factor: level})
        for factor, levels in design.levels.items()
        for level in levels[1:]
    ]


def evaluate(config: GroupConfig, fits: Mapping[str, Fits], subjects: Sequence[str], table: pd.DataFrame | None) -> GroupResults:
    """Everything that is asked of the fits, each of which is read once.

    fits : {model: its subjects' fits}
    subjects : in the order in which they are listed
    table : the covariates, by subject
    """
    rows: list[dict[str, Any]] = []
    kept: dict[str, dict[str, Subject]] = {}
    example: Fit | None = None
    for model, its in fits.items():
        kept[model] = {}
        for name in subjects:
            fit = its.failures[name] if name in its.failures else its[name]
            rows.append({"model": model, "subject": name, **(_row(fit) if isinstance(fit, Fit) else {"why": fit})})
            if isinstance(fit, Fit) and not rows[-1]["why"]:
                kept[model][name] = Subject.of(fit)
                example = fit if model == config.asked and example is None else example
    table_of_fits = pd.DataFrame(rows)
    comparison, not_compared = _compared(kept)
    findings, no_findings = None, ""
    try:
        findings = _found(config, kept[config.asked], table)
    except InputError as error:
        no_findings = str(error)
    return GroupResults(config, table_of_fits, example, comparison, not_compared, findings, no_findings)


def _row(fit: Fit) -> dict[str, Any]:
    """What is told of a subject's fit."""
    good = usable(fit)
    explained = fit.variance_explained if good else np.full(len(fit.model.regions), np.nan)
    return {
        "status": fit.status.name, "why": "" if good else str(fit.status), "free_energy": fit.free_energy if good else np.nan,
        "iterations": len(fit.history), "seconds": fit.seconds, "scans": sum(len(one.recording.series.values) for one in fit.sessions),
        "dt": fit.sessions[0].recording.series.dt, "scale": min(one.scale for one in fit.sessions),
        **{f"explained_{region}": share for region, share in zip(fit.model.regions, explained, strict=True)},
    }  # fmt: skip


def _compared(kept: Mapping[str, Mapping[str, Subject]]) -> tuple[GroupComparison | None, str]:
    """The models over the subjects that all of them could be fitted to, or why there is no comparison."""
    if len(kept) < 2:
        return None, "There is one model, so there is nothing to compare."
    everywhere = [name for name in next(iter(kept.values())) if all(name in its for its in kept.values())]
    try:
        return compare_subjects({model: {name: its[name] for name in everywhere} for model, its in kept.items()}), ""
    except InputError as error:
        return None, str(error)


def _found(config: GroupConfig, subjects: Mapping[str, Subject], table: pd.DataFrame | None) -> Findings:
    """Raises `InputError` for too few subjects, or a design that these do not determine."""
    asked = config.group
    group = peb(subjects, table, asked.parameters, EmpiricalBayes(components=asked.components))
    search = search_effects(group, candidates(group)) if asked.search and candidates(group) else None
    coupling = group.coupling(asked.at)
    differences = tuple(_difference(config, group, one) for one in contrasts(config, group.design))
    predictions = tuple(leave_one_out(group, name) for name in asked.predict)
    forest = tuple(_shown(group, search) if asked.forest is None else asked.forest)
    for name in forest:
        known_name("connection", name, coupling.posterior.names, "group.forest")
    graph, factor = clear_graph(coupling, asked.probability), next(iter(group.design.levels), None)
    return Findings(group, search, coupling, graph, group_graph(coupling), differences, predictions, forest, factor)


def clear_graph(source: GroupCoupling | GroupDifference, probability: float) -> nx.DiGraph:
    """The graph without modulation and gating whose sign is less probable, and without connections of which then neither they nor it are left."""
    graph, posterior = group_graph(source), source.posterior
    for tail, head, edge in list(graph.edges(data=True)):
        for kind, matrix in (("modulated_by", "B"), ("gated_by", "D")):
            signs = {by: posterior.probability(edge_name(matrix, tail, head, by)) for by in edge[kind]}
            edge[kind] = {by: value for by, value in edge[kind].items() if max(signs[by], 1 - signs[by]) >= probability}
        if edge["probability"] < probability and not edge["modulated_by"] and not edge["gated_by"]:
            graph.remove_edge(tail, head)
    return graph


def candidates(group: GroupFit) -> list[str]:
    """Effects that may be 0: all but the means of self-connections, which are decay rates on a scale where 0 is nothing special."""
    return [name for name in group.effects.names if not (name.startswith(f"{MEAN}: A[") and _is_itself(name))]


def _is_itself(name: str) -> bool:
    source, _, target = name.rpartition("[")[2].rstrip("]").rpartition(": ")[2].partition("->")
    return source == target


def _difference(config: GroupConfig, group: GroupFit, asked: Contrast) -> Difference:
    difference = group.difference(asked.first, asked.second)
    graph = clear_graph(difference, config.group.probability)
    return Difference(asked.title, group.coupling(asked.first), group.coupling(asked.second), difference, graph)


def _shown(group: GroupFit, search: EffectSearch | None) -> list[str]:
    """The connections on which covariates act, at least the one on which one most probably does; without covariates all between regions.

    Of equally probable ones those further from 0 come first, and no more than a few.
    """
    known = np.abs(np.array([group.effects.probability(name) for name in group.effects.names]) - 0.5) + 0.5
    known = known if search is None else search.probabilities
    size = np.abs(group.effects.mean) / group.effects.sd
    ranked = sorted(range(len(known)), key=lambda k: (-round(float(known[k]), 6), -size[k]))
    effects = [(group.effects.names[k].split(": ", 1), known[k]) for k in ranked]
    acting = [(name, probability) for (covariate, name), probability in effects if covariate != MEAN]
    if acting:
        names = [name for name, probability in acting if probability >= EXISTS] or [acting[0][0]]
    else:
        names = [name for (_, name), _ in effects if not _is_itself(name)]
    there = set(group.coupling().posterior.names)
    return [name for name in dict.fromkeys(names) if name in there][:SHOWN]


def effect_frame(findings: Findings, probability: float) -> pd.DataFrame:
    """One row an effect: covariate, parameter, mean, sd, lower, upper, probability_positive, between_sd and, if searched, `exists`."""
    frame = findings.group.to_frame(probability)
    if findings.search is not None:
        frame["exists"] = findings.search.probabilities
        open_ = set(candidates(findings.group))
        frame.loc[[name not in open_ for name in findings.group.effects.names], "exists"] = np.nan
    return frame


def difference_frame(findings: Findings, probability: float) -> pd.DataFrame:
    """All contrasts, one row a contrast and connection, in Hz."""
    frames = [one.difference.to_frame(probability).assign(contrast=one.title) for one in findings.differences]
    return pd.concat(frames) if frames else pd.DataFrame()


def prediction_frame(findings: Findings) -> pd.DataFrame:
    """All covariates told of subjects left out, one row a covariate and subject."""
    frames = [one.to_frame().assign(covariate=one.covariate) for one in findings.predictions]
    return pd.concat(frames) if frames else pd.DataFrame()
