"""A group's study as one HTML page that needs nothing beside it: figures are inside, as SVG.

Lives here: figures and tables of the page, and its writing. Does not live here: the layout (group_report.html.j2), the sentences (`group_narrative`),
what all pages share (`page`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from ltc_causal.core.ascent import Status
from ltc_causal.core.group import GroupCoupling
from ltc_causal.core.reduction import Reduction
from ltc_causal.experiments import group_narrative as narrative
from ltc_causal.experiments.group_study import Findings, GroupResults, effect_frame
from ltc_causal.experiments.narrative import interval, number, prior_rows
from ltc_causal.experiments.page import drawn, fill, provenance
from ltc_causal.experiments.study import records
from ltc_causal.files import write_text
from ltc_causal.group.design import MEAN
from ltc_causal.io.archive import package_version
from ltc_causal.plotting.coupling import GROUPS, connection_group, connection_label, plot_coupling
from ltc_causal.plotting.forest import plot_forest
from ltc_causal.plotting.graphs import plot_graph
from ltc_causal.plotting.layout import graph_layout
from ltc_causal.plotting.members import plot_left_out

BEST = 5  # models of a search that are listed


def write_group_report(results: GroupResults, path: str | Path, seconds: float) -> None:
    """Write the page, whole or not at all. `seconds` is how long this call took."""
    write_text(path, render(results, seconds))


def render(results: GroupResults, seconds: float) -> str:
    """The page as text."""
    example = results.example
    return fill(
        "group_report.html.j2",
        config=results.config,
        results=results,
        findings=results.findings,
        example=example,
        prior_rows=prior_rows(example) if example else [],
        verdict=narrative.verdict(results),
        failures=results.failures,
        unconverged=results.unconverged,
        some=narrative.some,
        figures=_figures(results),
        subjects=_subject_rows(results),
        effects=_effect_rows(results),
        searched=_search_rows(results),
        couplings=_couplings(results),
        comparison=None if results.comparison is None else records(results.comparison.to_frame()),
        methods=narrative.methods(results, package_version()),
        citations=narrative.citations(results),
        provenance=provenance(seconds, results.config.seed, results.config.digest()),
    )


def _figures(results: GroupResults) -> dict[str, Markup]:
    found = results.findings
    if found is None:
        return {}
    probability = results.config.group.interval
    figures: dict[str, tuple[Callable[[], Any], str]] = {
        "graph": (
            lambda: plot_graph(found.graph, positions=graph_layout(found.whole)).figure,
            "The causal graph of the group: regions, inputs and the expected couplings in Hz.",
        ),
        "coupling": (
            lambda: plot_coupling({name: _drawable(one) for name, one in _sides(found).items()}, probability).figure,
            "Expected coupling in Hz, with intervals; the tables give the same.",
        ),
    }
    for place, name in enumerate(found.forest):
        words = f"{name} in Hz in every subject, and in the group" + (f" by {found.factor}." if found.factor else ".")
        figures[f"forest-{place}"] = (lambda name=name: plot_forest(found.group, name, found.factor, probability).figure, words)
    for place, one in enumerate(found.differences):
        if one.graph.number_of_edges():
            words = f"The differences of couplings in Hz as a graph. {one.title}."
            figures[f"difference-{place}"] = (lambda one=one: plot_graph(one.graph, positions=graph_layout(found.whole)).figure, words)
    for place, told in enumerate(found.predictions):
        words = f"{told.covariate} of every subject, as observed and as predicted from the others."
        figures[f"told-{place}"] = (lambda told=told: plot_left_out(told).figure, words)
    return drawn(figures)


def _sides(found: Findings) -> dict[str, GroupCoupling]:
    """What the figure of the coupling sets side by side: the kinds of subject that are compared, or else the group."""
    if not found.differences:
        return {"group": found.coupling}
    sides = {}
    for one in found.differences:
        for coupling in (one.first, one.second):
            sides[", ".join(f"{name} {value}" for name, value in coupling.at.items())] = coupling
    return sides


def _drawable(coupling: GroupCoupling) -> Reduction:
    """As what the figure draws; a group has no certificate, since it approximates no other model."""
    certificate: Any = None
    return Reduction(coupling.coupling, coupling.posterior, certificate)


def _subject_rows(results: GroupResults) -> list[dict[str, Any]]:
    """One row a subject of the model taken to the group."""
    regions = results.config.structure.regions
    return [
        {"name": row["subject"], "why": row["why"], "ok": False}
        if row["why"]
        else {
            "name": row["subject"], "why": "", "ok": Status[row["status"]].converged, "scans": f"{row['scans']:.0f}",
            "iterations": f"{row['iterations']:.0f}", "free_energy": number(row["free_energy"]), "scale": number(row["scale"]),
            "explained": [f"{100 * row[f'explained_{region}']:.0f}" for region in regions],
        }
        for row in records(results.asked)
    ]  # fmt: skip


def _effect_rows(results: GroupResults) -> list[dict[str, str]]:
    """The second level's table as it is read."""
    if results.findings is None:
        return []
    frame = effect_frame(results.findings, results.config.group.interval)
    return [
        {
            "covariate": row["covariate"], "parameter": row["parameter"], "mean": number(row["mean"], 3),
            "interval": interval(row["lower"], row["upper"], 3), "positive": number(row["probability_positive"], 3),
            "between": _or_none(row["between_sd"]), "exists": _or_none(row.get("exists", np.nan)),
        }
        for row in records(frame)
    ]  # fmt: skip


def _search_rows(results: GroupResults) -> list[dict[str, str]]:
    """The best models of the last sweep: the effects of covariates that each has, and the means that it lacks."""
    if results.findings is None or results.findings.search is None:
        return []
    search, rows = results.findings.search, []
    split = [name.split(": ", 1) for name in search.effects.names]
    for model, evidence, probability in zip(search.models[:BEST], search.log_evidences, search.model_probabilities, strict=False):
        has = [
            f"{covariate}: {narrative.connection(name)}"
            for (covariate, name), kept in zip(split, model, strict=True)
            if kept and covariate != MEAN
        ]
        lacks = [narrative.connection(name) for (covariate, name), kept in zip(split, model, strict=True) if not kept and covariate == MEAN]
        words = "; ".join(has) or "no effects of covariates"
        words += f"; no mean of {', '.join(lacks)}" if lacks else ""
        rows.append({"has": words, "evidence": number(evidence, 2, True), "probability": number(probability, 3)})
    return rows


def _or_none(value: float) -> str:
    return number(value, 3) if np.isfinite(value) else "–"


def _couplings(results: GroupResults) -> list[dict[str, Any]]:
    """The tables in Hz: the group's, then each difference's."""
    found, probability = results.findings, results.config.group.interval
    if found is None:
        return []
    tables = [
        (found.coupling, found.coupling.to_frame(probability)),
        *((one, one.difference.to_frame(probability)) for one in found.differences),
    ]
    return [
        {"of": of, "rows": sorted(map(_coupling_row, records(frame)), key=lambda row: GROUPS.index(row["group"]))} for of, frame in tables
    ]


def _coupling_row(row: dict[str, Any]) -> dict[str, str]:
    return {
        "group": connection_group(row["matrix"], row["source"], row["target"]),
        "label": connection_label(row["source"], row["target"], row["by"]),
        "mean": number(row["mean"], 3),
        "interval": interval(row["lower"], row["upper"], 3),
        "probability": number(row["probability_positive"], 3),
        "between": _or_none(row.get("between_sd", np.nan)),
    }
