"""Calibration to look at: how often intervals hold the truth, and where truths rank in the posteriors.

Lives here: those two plots, and both on one page. Does not live here: their numbers (`core.calibration`).
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.stats import binom

from ltc_causal.core.calibration import Calibration
from ltc_causal.plotting.style import BLUE, GREY, INK, PALE, SKY, VERMILLION, WIDTH, axes, new_figure, styled

BAND = 0.99  # of the binomial band within which bars of uniform ranks lie
COLUMNS = 4  # histograms in a row
RUNS_PER_BIN = 10  # fewer, and the band is as high as the bars
MOST_BINS = 20


@styled
def plot_calibration(calibration: Calibration) -> Figure:
    """One page: the coverage curve and the joint ranks on top, then every parameter's rank histogram.

    Ranks piled up at both ends are the mark of posteriors that are too narrow, in the middle of ones too wide, at one end of a bias.
    """
    names = calibration.names
    rows = -(-len(names) // COLUMNS)
    figure = new_figure(WIDTH, 2.8 + 1.25 * rows)
    top, below = np.ravel(np.array(figure.subfigures(2, 1, height_ratios=[2.6, 1.25 * rows]), dtype=object))
    curve, joint = top.subplots(1, 2, width_ratios=[1, 1.35])
    plot_coverage(calibration, curve)
    plot_ranks(calibration.joint_ranks, "All parameters together", joint)
    joint.set_xlabel("rank of the truth's distance in the whole posterior")
    joint.set_ylabel("runs")
    grid = below.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    for number, ax in enumerate(grid):
        if number < len(names):
            plot_ranks(calibration.ranks[:, number], names[number], ax)
        else:
            ax.set_visible(False)
    below.supxlabel("rank of the truth in its posterior", fontsize=9, color=INK)
    return figure


@styled
def plot_coverage(calibration: Calibration, ax: Axes | None = None) -> Axes:
    """Share of truths inside central intervals against the intervals' probability; below the diagonal is overconfident.

    One faint line a parameter, a bold one for all of them, a broken one for the ellipsoids of the joint posterior.
    """
    ax = axes(ax, width=WIDTH / 2, height=3.0)
    widths = 2 * np.abs(calibration.ranks - 0.5)  # of the smallest central interval that holds the truth
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
    for column in widths.T:
        ax.plot(*_empirical(column), color=SKY, linewidth=0.6, alpha=0.6, zorder=0)
    ax.plot(*_empirical(widths.ravel()), color=BLUE, label="each parameter")
    ax.plot(*_empirical(calibration.joint_ranks), color=VERMILLION, linestyle="--", label="all together")
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability of the interval", ylabel="share of truths inside", title="Coverage")
    ax.set_aspect("equal")
    ax.legend(loc="upper left")
    return ax


def _empirical(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distribution function of the values, from (0, 0) to (1, 1)."""
    ordered = np.sort(values)
    return np.concatenate([[0.0], ordered, [1.0]]), np.concatenate([[0.0], np.arange(1, len(ordered) + 1) / len(ordered), [1.0]])


@styled
def plot_ranks(ranks: np.ndarray, title: str = "", ax: Axes | None = None) -> Axes:
    """Histogram of ranks, shape (run,), over the band in which 99 % of the bars of uniform ranks lie; bars outside are coloured."""
    ax = axes(ax, width=WIDTH / 2, height=2.4)
    n_bin = int(np.clip(len(ranks) // RUNS_PER_BIN, 4, MOST_BINS))
    counts, edges = np.histogram(ranks, n_bin, (0.0, 1.0))
    low, high = binom.ppf([(1 - BAND) / 2, (1 + BAND) / 2], len(ranks), 1 / n_bin)
    ax.axhspan(low, high, color=PALE, linewidth=0)
    colours = [BLUE if low <= count <= high else VERMILLION for count in counts]
    ax.bar(edges[:-1], counts, np.diff(edges), align="edge", color=colours, edgecolor="white", linewidth=0.5)
    ax.axhline(len(ranks) / n_bin, color=GREY, linewidth=0.8)
    ax.set(xlim=(0, 1), title=title)
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    return ax
