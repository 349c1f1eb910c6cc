"""A study as one HTML page that needs nothing beside it: figures are inside, as SVG.

Lives here: figures and tables of the page, and its writing. Does not live here: the layout (report.html.j2), the sentences (`narrative`), what
all pages share (`page`).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from ltc_causal.core.effect import Effect
from ltc_causal.core.result import Fit
from ltc_causal.experiments import narrative
from ltc_causal.experiments.narrative import interval, number
from ltc_causal.experiments.page import drawn, fill, provenance
from ltc_causal.experiments.study import Answer, Results, intervention_frame, records, usable
from ltc_causal.files import write_text
from ltc_causal.io.archive import package_version
from ltc_causal.plotting.coupling import GROUPS, connection_group, connection_label, plot_coupling
from ltc_causal.plotting.graphs import plot_graph
from ltc_causal.plotting.history import plot_history
from ltc_causal.plotting.interventions import plot_intervention
from ltc_causal.plotting.matrices import plot_coupling_matrices
from ltc_causal.plotting.signals import plot_fit, plot_recording
from ltc_causal.plotting.style import SERIES


def write_report(results: Results, path: str | Path, seconds: float) -> None:
    """Write the page, whole or not at all. `seconds` is how long the study took."""
    write_text(path, render(results, seconds))


def render(results: Results, seconds: float) -> str:
    """The page as text."""
    return fill(
        "report.html.j2",
        config=results.config,
        results=results,
        recording=results.recording,
        usable=usable,
        verdict=narrative.verdict(results),
        unconverged=results.unconverged,
        warning=narrative.reduction_warning(results.inquiry.reduction) if results.inquiry else "",
        figures=_figures(results),
        fits=_fit_rows(results),
        couplings={name: _coupling_rows(fit.to_frame(results.config.predictions.interval)) for name, fit in _usable_fits(results).items()},
        parameters={name: _parameter_rows(results, fit) for name, fit in _usable_fits(results).items()},
        priors={name: narrative.prior_rows(fit) for name, fit in results.fits.items()},
        comparison=None if results.comparison is None else records(results.comparison.to_frame()),
        interventions=_intervention_rows(results),
        total_effects=_effect_rows(results),
        methods=narrative.methods(results, package_version()),
        citations=narrative.citations(results),
        provenance=provenance(seconds, results.config.seed, results.config.digest()),
    )


def _usable_fits(results: Results) -> dict[str, Fit]:
    return {name: fit for name, fit in results.fits.items() if usable(fit)}


def _figures(results: Results) -> dict[str, Markup]:
    """Every figure of the page, by name, as an SVG element."""
    recording, fits, inquiry = results.recording, _usable_fits(results), results.inquiry
    figures: dict[str, tuple[Callable, str]] = {
        "data": (
            lambda: plot_recording(recording),
            f"The recorded signal of {narrative.listed(recording.regions)} over time, and the inputs.",
        )
    }
    for place, (name, fit) in enumerate(fits.items()):
        colour = SERIES[place % len(SERIES)]
        words = f"Observed signal and the prediction of the {name} model over time, in each region."
        figures[f"fit-{name}"] = (lambda fit=fit, colour=colour: plot_fit(fit, colour=colour), words)
    if fits:
        figures["history"] = (lambda: plot_history(fits).figure, "Free energy of each fit by iteration.")
        probability = results.config.predictions.interval
        figures["coupling"] = (
            lambda: plot_coupling(fits, probability).figure,
            "Coupling of each model in Hz, with intervals; the tables below give the same.",
        )
    if inquiry is not None:
        figures["reduction"] = (lambda: plot_coupling_matrices(inquiry.reduction.coupling), "The matrices A, B and C of the reduced model.")
        figures["graph"] = (lambda: plot_graph(inquiry.graph).figure, "The causal graph: regions, inputs and the couplings between them.")
        for place, one in enumerate(inquiry.answers):
            if one.change is not None:
                figures[f"intervention-{place}"] = (lambda one=one: _intervention_figure(results, one), _intervention_words(one))
    return drawn(figures)


def _intervention_figure(results: Results, one: Answer):
    return plot_intervention(results.inquiry.usual, one.prediction, unit=results.recording.series.unit)  # pyright: ignore[reportOptionalMemberAccess]


def _intervention_words(one: Answer) -> str:
    return f"Usual course and course with {one.prediction.describe()}, and their difference, in each region."


def _fit_rows(results: Results) -> list[dict[str, Any]]:
    """One row a model: what its fit came to."""
    return [
        {
            "name": name, "fit": fit, "ok": fit.status.converged, "iterations": len(fit.history), "seconds": number(fit.seconds, 2),
            "free_energy": number(fit.free_energy, 2) if usable(fit) else "none",
            "explained": [f"{100 * share:.0f}" for share in fit.variance_explained] if usable(fit) else ["–"] * len(fit.recording.regions),
        }
        for name, fit in results.fits.items()
    ]  # fmt: skip


def _coupling_rows(frame: pd.DataFrame) -> list[dict[str, str]]:
    """A coupling table as it is read; the groups in the order of the figure."""
    rows = [
        {
            "group": connection_group(row["matrix"], row["source"], row["target"]),
            "label": connection_label(row["source"], row["target"], row["by"]),
            "mean": number(row["mean"], 3),
            "interval": interval(row["lower"], row["upper"], 3),
            "probability": number(row["probability_positive"], 3),
        }
        for row in records(frame)
    ]
    return sorted(rows, key=lambda row: GROUPS.index(row["group"]))


def _parameter_rows(results: Results, fit: Fit) -> list[dict[str, str]]:
    """Every parameter in its own scale, beside its prior."""
    return [
        {
            "name": row["parameter"],
            "mean": number(row["mean"], 3),
            "interval": interval(row["lower"], row["upper"], 3),
            "prior": f"{number(row['prior_mean'], 3)} ± {number(row['prior_sd'], 3)}",
        }
        for row in records(fit.parameters_frame(results.config.predictions.interval))
    ]


def _intervention_rows(results: Results) -> list[dict[str, Any]]:
    """The interventions with their effect tables."""
    if results.inquiry is None:
        return []
    changes = records(intervention_frame(results.inquiry))
    return [
        {
            "title": one.title,
            "do": one.prediction.describe(),
            "figure": f"intervention-{place}",
            "remarks": one.prediction.remarks,
            "predicted": one.change is not None,
            "rows": [_change_row(row) for row in changes if row["intervention"] == one.title],
        }
        for place, one in enumerate(results.inquiry.answers)
    ]


def _change_row(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "region": row["region"],
        "mean": number(row["mean_change"], 3, True),
        "interval": interval(row["lower"], row["upper"], 3),
        "probability": number(row["probability_positive"], 3),
        "largest": number(row["largest_change"], 3, True),
        "at": number(row["at_seconds"], 0),
    }


def _effect_rows(results: Results) -> list[dict[str, str]]:
    """Total effects as they are read: those that are exactly zero are left out."""
    effects = results.inquiry.total_effects if results.inquiry else ()
    return [_effect_row(effect) for effect in effects if not (effect.value == 0 and effect.sd == 0)]


def _effect_row(effect: Effect) -> dict[str, str]:
    row = {
        "label": f"{effect.source} → {effect.target}",
        "unit": effect.unit,
        "value": "none",
        "interval": "–",
        "probability": "–",
        "status": effect.sentence,
    }
    if effect.value is not None:
        row["value"] = number(effect.value, 3, True)
    if effect.lower is not None and effect.upper is not None and effect.probability_positive is not None:
        row |= {"interval": interval(effect.lower, effect.upper, 3), "probability": number(effect.probability_positive, 3)}
    return row
