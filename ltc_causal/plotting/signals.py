"""Signals over time: what was measured against what a fit predicts, and the inputs that went with it.

Lives here: region and input courses. Does not live here: courses under intervention (`plotting.interventions`).
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from numpy.typing import NDArray

from ltc_causal.core.data import Inputs, Recording
from ltc_causal.core.result import Fit
from ltc_causal.errors import known_name
from ltc_causal.plotting.style import BLUE, GREY, INK, PALE, axes, new_figure, styled


@styled
def plot_region_fit(fit: Fit, region: str, ax: Axes | None = None, colour: str = BLUE, session: int = 0) -> Axes:
    """One region's signal, the fitted confounds removed, as points; the fit's prediction as a line; the share explained as title."""
    ax = axes(ax, height=1.8)
    shown = fit.session(session)
    column = known_name("region", region, shown.recording.regions, "the fit")
    series = shown.recording.series
    observed = series.values[:, column] - shown.confounds[:, column]
    ax.plot(series.times, observed, ".", color=GREY, markersize=2.6, label="observed, confounds removed")
    ax.plot(series.times, shown.prediction[:, column], color=colour, label="predicted")
    ax.set_title(f"{region}: {100 * shown.variance_explained[column]:.0f} % of the variance explained")
    ax.set_ylabel(f"BOLD ({series.unit})")
    ax.set_xlim(0, series.duration)
    ax.margins(y=0.08)
    return ax


@styled
def plot_fit(fit: Fit, figure: FigureBase | None = None, colour: str = BLUE, session: int = 0) -> FigureBase:
    """All regions of a fit below one another, on one time axis, with the inputs underneath; of one session, if there are several."""
    recording = fit.session(session).recording
    regions = recording.regions
    figure, panels = _stack(figure, len(regions), len(fit.model.inputs), 0.95)
    for ax, region in zip(panels, regions, strict=False):
        plot_region_fit(fit, region, ax, colour, session)
    _finish(figure, panels, recording.inputs.select(fit.model.inputs), recording.series.duration)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, markerscale=2.5)
    return figure


@styled
def plot_inputs(inputs: Inputs, ax: Axes | None = None) -> Axes:
    """Each input as a filled strip of its own, scaled to its largest size; below zero is drawn downwards."""
    ax = axes(ax, height=0.3 * len(inputs.names) + 0.5)
    for row, name in enumerate(inputs.names):
        values, edges = _blocks(inputs, name)
        height = 0.75 * values / (np.abs(values).max() or 1.0)
        base = len(inputs.names) - 1 - row
        ax.stairs(base + height, edges, baseline=base, fill=True, color=GREY, linewidth=0)
        ax.axhline(base, color=PALE, linewidth=0.6, zorder=0)
    ax.set_yticks([len(inputs.names) - 1 - row + 0.35 for row in range(len(inputs.names))], inputs.names)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_ylim(-0.1, len(inputs.names))
    ax.set_xlim(0, inputs.duration)
    ax.set_xlabel("time (s)")
    return ax


def _blocks(inputs: Inputs, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """An input's values and their edges in seconds, equal bins joined: an input has thousands of bins and changes a few dozen times."""
    values = inputs.column(name)
    first = np.flatnonzero(np.diff(values, prepend=np.nan) != 0)
    return values[first], np.append(inputs.times[first], inputs.duration)


@styled
def plot_recording(recording: Recording, figure: FigureBase | None = None) -> FigureBase:
    """The recorded signals as they are, one panel a region, with the inputs underneath."""
    series = recording.series
    figure, panels = _stack(figure, len(series.regions), len(recording.inputs.names), 0.85)
    for ax, region, values in zip(panels, series.regions, series.values.T, strict=False):
        ax.plot(series.times, values, color=INK, linewidth=0.9)
        ax.set_title(region)
        ax.set_ylabel(f"BOLD ({series.unit})")
    _finish(figure, panels, recording.inputs, series.duration)
    return figure


def _stack(figure: FigureBase | None, n_region: int, n_input: int, height: float) -> tuple[FigureBase, list[Axes]]:
    """A figure with one panel a region of that height in inches, and a lower one for the inputs."""
    strips = 0.22 * n_input + 0.1
    figure = new_figure(height=(height + 0.4) * n_region + strips + 0.6) if figure is None else figure
    panels = figure.subplots(n_region + 1, sharex=True, height_ratios=[height] * n_region + [strips])
    return figure, list(panels)


def _finish(figure: FigureBase, panels: list[Axes], inputs: Inputs, duration: float) -> None:
    plot_inputs(inputs, panels[-1])
    panels[-1].set_xlim(0, duration)
    figure.align_ylabels(panels[:-1])
