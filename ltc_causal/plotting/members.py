"""What is told of each member of a group: a covariate predicted from the member's own fit by the others.

Lives here: that picture. Does not live here: a connection in every member (`plotting.forest`), the prediction (`group.prediction`).
"""

import numpy as np
from matplotlib.axes import Axes

from ltc_causal.group.prediction import LeaveOneOut
from ltc_causal.plotting.style import GREY, MARKERS, SERIES, axes, styled

SPREAD = 0.16  # half the width over which subjects of one kind stand apart


@styled
def plot_left_out(told: LeaveOneOut, ax: Axes | None = None) -> Axes:
    """Observed against predicted, one point a subject: with its 90 % interval, or as the probability of one of two values.

    On the grey line the prediction is right; above and below it, of two values, the wrong one is the more probable.
    """
    ax = axes(ax, 4.6, 3.4)
    if told.binary:
        _two_values(ax, told)
    else:
        reach = [told.mean - told.lower, told.upper - told.mean]
        ax.errorbar(told.observed, told.mean, yerr=reach, fmt="o", color=SERIES[0], markersize=4, elinewidth=1.1)
        ends = [told.observed.min(), told.observed.max()]
        ax.plot(ends, ends, color=GREY, linewidth=0.8, zorder=0)
        ax.set_ylabel("predicted, 90 % intervals")
    ax.set_xlabel(f"observed {told.covariate}")
    return ax


def _two_values(ax: Axes, told: LeaveOneOut) -> None:
    low, high = told.observed.min(), told.observed.max()
    probability = (told.mean - low) / (high - low)
    for number, value in enumerate((low, high)):
        own = np.flatnonzero(told.observed == value)
        x = number + SPREAD * np.linspace(-1, 1, len(own)) if len(own) > 1 else np.array([float(number)])
        ax.plot(x, probability[own], MARKERS[number], color=SERIES[number], markersize=4.5)
    ax.axhline(0.5, color=GREY, linewidth=0.8, zorder=0)
    ax.set_xticks([0, 1], [f"{low:g}", f"{high:g}"])
    ax.set_xlim(-0.5, 1.5)
    ax.set_ylim(-0.04, 1.04)
    ax.set_ylabel(f"predicted probability of {high:g}")
