"""The course of a fit: free energy by iteration.

Lives here: that plot. Does not live here: the ascent (`inference`).
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ltc_causal.core.result import Fit
from ltc_causal.errors import InputError
from ltc_causal.plotting.style import MARKERS, SERIES, axes, styled

# Below the best value by more than this many nats, an early iteration says nothing about the end and would flatten it.
DEPTH = 60.0


@styled
def plot_history(fits: Mapping[str, Fit], ax: Axes | None = None) -> Axes:
    """Free energy in nats by iteration, of one or more fits; steps that were taken back are hollow.

    fits : {name: fit}

    The axis ends 60 nats below the lowest end value: early iterations that lie further down are not shown.

    Raises `InputError` if there is none.
    """
    if not fits:
        raise InputError("plot_history needs at least one fit, got none.")
    ax = axes(ax, height=2.4)
    for number, (name, fit) in enumerate(fits.items()):
        colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
        history, iterations = fit.history, range(1, len(fit.history) + 1)
        ax.plot(iterations, history.free_energy, color=colour, linewidth=1, zorder=1)
        faces = [colour if accepted else "white" for accepted in history.accepted]
        ax.scatter(iterations, history.free_energy, s=14, marker=marker, c=faces, edgecolors=colour, linewidths=0.9, zorder=2, label=name)
    _set_heights(ax, fits)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("iteration")
    ax.set_ylabel("free energy (nats)")
    ax.legend(loc="lower right")
    return ax


def _set_heights(ax: Axes, fits: Mapping[str, Fit]) -> None:
    values = [value for fit in fits.values() for value in fit.history.free_energy]
    floor = min(fit.free_energy for fit in fits.values()) - DEPTH
    if values and min(values) < floor < max(values):
        ax.set_ylim(floor, max(values) + 0.06 * (max(values) - floor))
        first = min(int(np.argmax(fit.history.free_energy > floor)) for fit in fits.values())
        ax.set_xlim(max(first - 1, 0) + 0.5)
