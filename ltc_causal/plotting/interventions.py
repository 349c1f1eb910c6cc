"""Predictions with their bands: the usual course against an intervened one, and the difference between them.

Lives here: those plots. Does not live here: how courses are predicted and differences taken (`causal`).
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from numpy.typing import NDArray

from ltc_causal.causal.difference import difference
from ltc_causal.core.prediction import Prediction
from ltc_causal.errors import known_name
from ltc_causal.plotting.style import GREY, INK, VERMILLION, axes, new_figure, styled

Array = NDArray[np.float64]


@styled
def plot_course(usual: Prediction, intervened: Prediction, region: str, ax: Axes | None = None, unit: str = "a.u.") -> Axes:
    """One region's usual course (grey) and its course under intervention (colour), each with its band."""
    ax = axes(ax, height=1.8)
    column = known_name("region", region, usual.regions, "the prediction")
    for prediction, colour, label in ((usual, GREY, "usual course"), (intervened, VERMILLION, intervened.describe())):
        _draw_band(
            ax, prediction.times, prediction.mean[:, column], prediction.lower[:, column], prediction.upper[:, column], colour, label
        )
    ax.set_ylabel(_axis_label(usual, unit))
    ax.set_xlim(usual.times[0], usual.times[-1])
    ax.set_title(region)
    return ax


@styled
def plot_difference(usual: Prediction, intervened: Prediction, region: str, ax: Axes | None = None, unit: str = "a.u.") -> Axes:
    """One region's change under intervention, intervened minus usual, with the band of the paired draws."""
    ax = axes(ax, height=1.8)
    column = known_name("region", region, usual.regions, "the prediction")
    change = difference(usual, intervened)
    _draw_band(ax, usual.times, change.mean[:, column], change.lower[:, column], change.upper[:, column], INK, "change")
    ax.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    ax.set_ylabel(f"change in {_axis_label(usual, unit)}")
    ax.set_xlim(usual.times[0], usual.times[-1])
    ax.set_title(region)
    return ax


@styled
def plot_intervention(
    usual: Prediction, intervened: Prediction, figure: FigureBase | None = None, unit: str = "a.u.", span: tuple[float, float] | None = None
) -> FigureBase:
    """Every region below one another: both courses at the left, their difference at the right.

    unit : of the signal
    span : seconds, the stretch to show; all of it unless given
    """
    n_region = len(usual.regions)
    figure = new_figure(height=1.3 * n_region + 0.7) if figure is None else figure
    panels = figure.subplots(n_region, 2, sharex=True, squeeze=False, width_ratios=[1.25, 1])
    for row, region in zip(panels, usual.regions, strict=True):
        plot_course(usual, intervened, region, row[0], unit)
        plot_difference(usual, intervened, region, row[1], unit)
        row[0].set_ylabel(f"{region}\n{_axis_label(usual, unit)}")
        row[1].set_ylabel("")
        for ax in row:
            ax.set_title("")
    panels[0, 1].set_title(f"change, {100 * usual.probability:g} % band", weight="normal")
    for ax in panels[-1]:
        ax.set_xlabel("time (s)")
        if span:
            ax.set_xlim(*span)
    _share_heights(list(panels[:, 1]))
    figure.align_ylabels(list(panels[:, 0]))
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return figure


def _share_heights(panels: Sequence[Axes]) -> None:
    """Give all panels the widest range, so that a change which is small beside another region's looks small."""
    low, high = np.array([ax.get_ylim() for ax in panels]).T
    for ax in panels:
        ax.set_ylim(low.min(), high.max())


def _axis_label(prediction: Prediction, unit: str) -> str:
    return f"BOLD ({unit})" if prediction.quantity == "bold" else "activity"


def _draw_band(ax: Axes, times: Array, mean: Array, lower: Array, upper: Array, colour: str, label: str) -> None:
    ax.fill_between(times, lower, upper, color=colour, alpha=0.22, linewidth=0)
    ax.plot(times, mean, color=colour, linewidth=1.2, label=label)
