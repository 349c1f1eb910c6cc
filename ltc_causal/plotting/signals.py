"""Signals over time: what was measured against what a fit predicts, and the inputs that went with it.

Lives here: region and input courses. Does not live here: courses under intervention (`plotting.interventions`).
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from ltc_causal.core.data import Inputs, TimeSeries
from ltc_causal.core.result import Fit
from ltc_causal.errors import known_name
from ltc_causal.plotting.style import BLUE, GREY, INK, PALE, axes, new_figure, styled


@styled
def plot_region_fit(fit: Fit, region: str, ax: Axes | None = None, colour: str = BLUE) -> Axes:
    """One region's signal, the fitted confounds removed, as points; the fit's prediction as a line; the share explained as title."""
    ax = axes(ax, height=1.8)
    column = known_name("region", region, fit.recording.regions, "the fit")
    series = fit.recording.series
    observed = series.values[:, column] - fit.confounds[:, column]
    ax.plot(series.times, observed, ".", color=GREY, markersize=2.6, label="observed, confounds removed")
    ax.plot(series.times, fit.prediction[:, column], color=colour, label="predicted")
    ax.set_title(f"{region}: {100 * fit.variance_explained[column]:.0f} % of the variance explained")
    ax.set_ylabel(f"BOLD ({series.unit})")
    ax.set_xlim(0, series.duration)
    ax.margins(y=0.08)
    return ax


@styled
def plot_fit(fit: Fit, figure: FigureBase | None = None, colour: str = BLUE, inputs: bool = True) -> FigureBase:
    """All regions of a fit below one another, on one time axis, with the inputs underneath."""
    regions = fit.recording.regions
    n_strip = len(fit.model.inputs) if inputs else 0
    ratios = [1.0] * len(regions) + ([0.16 * n_strip + 0.1] if n_strip else [])
    figure = new_figure(height=1.35 * len(regions) + 0.25 * n_strip + 0.6) if figure is None else figure
    panels = figure.subplots(len(ratios), sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
    for ax, region in zip(panels, regions, strict=False):
        plot_region_fit(fit, region, ax, colour)
    if n_strip:
        plot_inputs(fit.recording.inputs.select(fit.model.inputs), panels[-1])
    panels[-1].set_xlabel("time (s)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, markerscale=2.5)
    return figure


@styled
def plot_inputs(inputs: Inputs, ax: Axes | None = None) -> Axes:
    """Each input as a filled strip of its own, scaled to its largest size; below zero is drawn downwards."""
    ax = axes(ax, height=0.3 * len(inputs.names) + 0.5)
    edges = np.append(inputs.times, inputs.duration)
    for row, name in enumerate(inputs.names):
        values = inputs.column(name)
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


@styled
def plot_series(series: TimeSeries, figure: FigureBase | None = None) -> FigureBase:
    """The recorded signals as they are, one panel a region."""
    figure = new_figure(height=1.1 * len(series.regions) + 0.5) if figure is None else figure
    panels = figure.subplots(len(series.regions), sharex=True, squeeze=False)[:, 0]
    for ax, region, values in zip(panels, series.regions, series.values.T, strict=True):
        ax.plot(series.times, values, color=INK, linewidth=0.8)
        ax.set_ylabel(f"{region} ({series.unit})")
    panels[-1].set_xlim(0, series.duration)
    panels[-1].set_xlabel("time (s)")
    return figure
