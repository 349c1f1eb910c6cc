"""Coupling in Hz with its uncertainty: one row a connection, several fits side by side.

Lives here: interval plots and the wording of a connection. Does not live here: matrices (`plotting.matrices`), graphs (`plotting.graphs`).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ltc_causal.core.reduction import Reduction
from ltc_causal.core.result import Fit
from ltc_causal.errors import InputError
from ltc_causal.plotting.style import GREY, MARKERS, PALE, SERIES, axes, styled

GROUPS = ("connections", "modulation", "gating", "driving inputs", "self-connections")


def connection_label(source: str, target: str, by: str = "") -> str:
    """A connection in words: `V1 → V5`, `V1 → V5 by motion`, `V1 itself`, `V1 itself by motion`."""
    arrow = f"{source} itself" if source == target else f"{source} → {target}"
    return f"{arrow} by {by}" if by else arrow


def connection_group(matrix: str, source: str, target: str) -> str:
    """Under which heading a connection stands."""
    if matrix == "A":
        return "self-connections" if source == target else "connections"
    return {"B": "modulation", "C": "driving inputs", "D": "gating"}[matrix]


def tables(results: Mapping[str, Fit | Reduction], probability: float) -> dict[str, pd.DataFrame]:
    """Each result's coupling table, indexed by group and label; entries that are fixed (no variance, value 0) are left out."""
    indexed = {}
    for name, result in results.items():
        frame = result.to_frame(probability)
        frame = frame[(frame["sd"] > 0) | (frame["mean"] != 0)]
        keys = [
            (connection_group(m, s, t), connection_label(s, t, by))
            for m, s, t, by in zip(frame.matrix, frame.source, frame.target, frame.by, strict=True)
        ]
        indexed[name] = frame.set_index(pd.MultiIndex.from_tuples(keys, names=["group", "label"]))
    return indexed


@styled
def plot_coupling(results: Mapping[str, Fit | Reduction], probability: float = 0.9, ax: Axes | None = None) -> Axes:
    """Points with intervals of that probability in Hz, one row a connection; results are told apart by colour and marker.

    results : {name: fit or reduction}

    Raises `InputError` if there is none.
    """
    if not results:
        raise InputError("plot_coupling needs at least one fit or reduction, got none.")
    frames = tables(results, probability)
    rows = _rows(frames)
    ax = axes(ax, height=0.21 * (len(rows) + 1.2 * len({group for group, _ in rows})) + 0.9)
    places, headings = _places(rows)
    offsets = np.linspace(-0.2, 0.2, len(frames)) if len(frames) > 1 else [0.0]
    for number, (name, frame) in enumerate(frames.items()):
        y = np.array([places[key] for key in frame.index]) + offsets[number]
        _draw_intervals(ax, frame, y, name, number)
    _finish(ax, places, headings, probability)
    return ax


def _rows(frames: Mapping[str, pd.DataFrame]) -> list[tuple[str, str]]:
    """Every connection of any result once, by group."""
    keys = dict.fromkeys(key for frame in frames.values() for key in frame.index)
    return sorted(keys, key=lambda key: GROUPS.index(key[0]))


def _places(rows: list[tuple[str, str]]) -> tuple[dict[tuple[str, str], float], dict[str, float]]:
    """Heights of the connections and of the headings above each group."""
    places, headings, y = {}, {}, 0.0
    for key in rows:
        if key[0] not in headings:
            headings[key[0]] = y + 0.15
            y += 1.1
        places[key] = y
        y += 1.0
    return places, headings


def _draw_intervals(ax: Axes, frame: pd.DataFrame, y: np.ndarray, name: str, number: int) -> None:
    mean = frame["mean"].to_numpy()
    reach = [mean - frame["lower"].to_numpy(), frame["upper"].to_numpy() - mean]
    colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
    ax.errorbar(mean, y, xerr=reach, fmt=marker, color=colour, markersize=4.2, elinewidth=1.6, label=name)


def _finish(ax: Axes, places: Mapping[tuple[str, str], float], headings: Mapping[str, float], probability: float) -> None:
    ax.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    ax.set_yticks(list(places.values()), [label for _, label in places])
    for y in places.values():
        ax.axhline(y, color=PALE, linewidth=0.6, zorder=0)
    for heading, y in headings.items():
        ax.annotate(
            heading,
            (0, y),
            xycoords=("axes fraction", "data"),
            xytext=(-6, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            weight="bold",
            size=8.5,
        )
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_ylim(max(places.values()) + 0.7, -0.4)
    ax.set_xlabel(f"coupling (Hz; modulation and drive per unit of input), {100 * probability:g} % intervals")
    handles, labels = ax.get_legend_handles_labels()
    if len(handles) > 1:
        ax.legend(handles, labels, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(handles), borderaxespad=0.2)
