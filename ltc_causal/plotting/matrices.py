"""Coupling as matrices: row = target, column = source, as everywhere.

Lives here: heat maps. Does not live here: uncertainty (`plotting.coupling`).
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import FigureBase
from numpy.typing import ArrayLike

from ltc_causal.core.coupling import Coupling
from ltc_causal.errors import InputError, finite_array
from ltc_causal.plotting.style import INK, NEGATIVE, PALE, POSITIVE, axes, new_figure, styled

SIGNED = LinearSegmentedColormap.from_list("signed", [NEGATIVE, "white", POSITIVE])


@styled
def plot_matrix(
    values: ArrayLike, sources: Sequence[str], targets: Sequence[str], ax: Axes | None = None, title: str = "", limit: float | None = None
) -> Axes:
    """A matrix of couplings (target, source) in Hz, coloured by sign and written in figures; zeros stay empty.

    limit : Hz at full colour, the largest entry unless given

    Raises `InputError` if the shape does not fit the names.
    """
    matrix = finite_array("plot_matrix values", values, 2, "(target, source)")
    if matrix.shape != (len(targets), len(sources)):
        raise InputError(f"plot_matrix values must have shape ({len(targets)}, {len(sources)}) (target, source), got {matrix.shape}.")
    ax = axes(ax, 0.62 * len(sources) + 1.2, 0.5 * len(targets) + 1.0)
    limit = limit or float(np.abs(matrix).max(initial=0.0)) or 1.0
    sides = [np.arange(size + 1) - 0.5 for size in matrix.shape]
    # Not an image: cells stay shapes in a vector file.
    ax.pcolormesh(sides[1], sides[0], matrix, cmap=SIGNED, vmin=-limit, vmax=limit, edgecolors=PALE, linewidth=0.8)
    ax.invert_yaxis()
    for (row, column), value in np.ndenumerate(matrix):
        if value:
            text = f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
            # Blue is dark enough for white text sooner than orange.
            dark = value > 0.85 * limit or value < -0.55 * limit
            ax.text(column, row, text, ha="center", va="center", size=8, color="white" if dark else INK)
    ax.set_xticks(range(len(sources)), sources)
    ax.set_yticks(range(len(targets)), targets)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("source")
    ax.set_ylabel("target")
    ax.set_title(title)
    return ax


@styled
def plot_coupling_matrices(coupling: Coupling, figure: FigureBase | None = None) -> FigureBase:
    """A (Hz), every B that is not zero and C (Hz per unit of input) of a coupling side by side, on one scale of colour."""
    parts = [("A", coupling.A, coupling.regions)]
    parts += [(f"B, {name}", B, coupling.regions) for name, B in zip(coupling.inputs, coupling.B, strict=True) if B.any()]
    parts.append(("C", coupling.C, coupling.inputs))
    limit = max(float(np.abs(values).max(initial=0.0)) for _, values, _ in parts)
    n_column = min(len(parts), 2 if len(coupling.regions) > 3 else 4)
    n_row = -(-len(parts) // n_column)
    figure = new_figure(height=n_row * (0.36 * len(coupling.regions) + 0.9)) if figure is None else figure
    panels = figure.subplots(n_row, n_column, squeeze=False).ravel()
    for ax, (title, values, sources) in zip(panels, parts, strict=False):
        plot_matrix(values, sources, coupling.regions, ax, title, limit)
        ax.tick_params(axis="x", labelrotation=30 if max(map(len, sources)) > 6 else 0)
    for ax in panels[len(parts) :]:
        ax.set_axis_off()
    return figure
