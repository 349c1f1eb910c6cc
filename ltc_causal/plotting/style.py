"""How figures look: one palette that colour-blind readers can tell apart, one set of sizes, and the opening of a figure.

Lives here: colours, sizes, `styled`, `axes`, `save`. Does not live here: what is drawn.

Figures are made without pyplot, so that nothing is registered globally and nothing has to be closed.
"""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ltc_causal.files import atomic_write

# Okabe and Ito (2008), "Color universal design".
BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
INK, GREY, PALE = "#1F2430", "#7A808C", "#E3E6EB"
SERIES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
MARKERS = ("o", "s", "D", "^", "v", "P")
POSITIVE, NEGATIVE = VERMILLION, BLUE
WIDTH = 7.2  # inches, a full page's text width

STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.4,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 200,
    # Outlines instead of font names: a figure looks alike on every machine.
    "svg.fonttype": "path",
    # Fixed, so that the same figure is written as the same bytes.
    "svg.hashsalt": "ltc_causal",
}


def styled(draw: Callable) -> Callable:
    """Run a drawing function under the package's style, leaving matplotlib's own settings as they were."""

    @wraps(draw)
    def wrapper(*args, **kwargs):
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return wrapper


def new_figure(width: float = WIDTH, height: float = 3.0) -> Figure:
    """An empty figure of that size in inches, which keeps its parts from overlapping."""
    return Figure(figsize=(width, height), layout="constrained")


def axes(ax: Axes | None, width: float = WIDTH, height: float = 3.0) -> Axes:
    """`ax`, or the axes of a new figure."""
    return new_figure(width, height).subplots() if ax is None else ax


@styled
def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as the format that the ending names (svg, png, pdf), atomically; the same figure gives the same bytes."""
    metadata = {"Date": None} if str(path).endswith(".svg") else None
    with atomic_write(path) as temporary:
        figure.savefig(temporary, metadata=metadata)
