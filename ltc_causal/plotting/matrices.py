"""Coupling as matrices: row = target, column = source, as everywhere.

Lives here: heat maps. Does not live here: uncertainty (`plotting.coupling`).
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import ArrayLike

from ltc_causal.errors import InputError, finite_array
from ltc_causal.plotting.style import INK, NEGATIVE, POSITIVE, axes, styled

SIGNED = LinearSegmentedColormap.from_list("signed", [NEGATIVE, "white", POSITIVE])


@styled
def plot_matrix(values: ArrayLike, sources: Sequence[str], targets: Sequence[str], ax: Axes | None = None, title: str = "", limit: float | None = None) -> Axes:
    """A matrix of couplings (target, source) in Hz, coloured by sign and written in figures; zeros stay empty.

    limit : Hz at full colour, the largest entry unless given

    Raises `InputError` if the shape does not fit the names.
    """
    matrix = finite_array("plot_matrix values", values, 2, "(target, source)")
    if matrix.shape != (len(targets), len(sources)):
        raise InputError(f"plot_matrix values must have shape ({len(targets)}, {len(sources)}) (target, source), got {matrix.shape}.")
    ax = axes(ax, 0.62 * len(sources) + 1.2, 0.5 * len(targets) + 1.0)
    limit = limit or float(np.abs(matrix).max(initial=0.0)) or 1.0
    ax.imshow(matrix, cmap=SIGNED, vmin=-limit, vmax=limit, aspect="auto")
    for (row, column), value in np.ndenumerate(matrix):
        if value:
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", size=8, color="white" if abs(value) > 0.65 * limit else INK)
    ax.set_xticks(range(len(sources)), sources)
    ax.set_yticks(range(len(targets)), targets)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("source")
    ax.set_ylabel("target")
    ax.set_title(title)
    return ax
