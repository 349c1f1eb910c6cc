"""The causal graph as a drawing: regions are circles, inputs are squares, an arrow is a coupling in Hz.

Lives here: how a graph is drawn. Does not live here: where its nodes stand (`plotting.layout`), the graph itself (`causal.graph`).
"""

from collections.abc import Mapping

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, Patch, Rectangle
from numpy.typing import ArrayLike

from ltc_causal.plotting.layout import APART, BEND, Point, along_edge, bent, graph_layout, left_of, modulators
from ltc_causal.plotting.style import GREY, INK, NEGATIVE, PALE, POSITIVE, axes, styled

RADIUS = 0.3  # of a region's circle, in the layout's units
THINNEST, THICKEST = 1.0, 4.5  # points


@styled
def plot_graph(graph: nx.DiGraph, ax: Axes | None = None, positions: Mapping[str, ArrayLike] | None = None) -> Axes:
    """Draw a causal graph. Arrow colour is the sign, width the size, the number the strength in Hz.

    graph : edges source -> target with `weight` (Hz) and perhaps `modulated_by` {input: Hz per unit}; nodes with `kind` region | input.
        An input that modulates is drawn as a dashed line that ends in a dot on the connection
    positions : {node: (x, y)} for some or all nodes, neighbours about 2 apart; the rest is laid out
    """
    places = graph_layout(graph) | {name: np.asarray(place, float) for name, place in (positions or {}).items()}
    ax = axes(ax, *_size(places))
    patches = {name: _draw_node(ax, graph, name, place) for name, place in places.items()}
    largest = max((abs(weight) for weight in _weights(graph)), default=1.0) or 1.0
    for source, target, edge in graph.edges(data=True):
        if source != target:
            _draw_edge(ax, graph, patches, places, (source, target), edge["weight"], largest)
    for name, pair, weight in modulators(graph):
        _draw_modulation(ax, patches[name], places[name], along_edge(graph, places, *pair), weight)
    _frame(ax, places)
    return ax


def hertz(weight: float) -> str:
    """A strength as written beside an arrow: signed, two decimals."""
    return f"{weight:+.2f} Hz".replace("-", "\N{MINUS SIGN}")


def _weights(graph: nx.DiGraph) -> list[float]:
    return [edge["weight"] for source, target, edge in graph.edges(data=True) if source != target]


def _size(places: Mapping[str, Point]) -> tuple[float, float]:
    width, height = np.ptp(np.array(list(places.values())), axis=0) + 1.4
    scale = min(1.15, 7.2 / width)
    return float(width * scale), float(height * scale)


def _draw_node(ax: Axes, graph: nx.DiGraph, name: str, place: Point) -> Patch:
    region = graph.nodes.get(name, {}).get("kind") == "region"
    if region:
        patch: Patch = Circle(tuple(place), RADIUS, facecolor="white", edgecolor=INK, linewidth=1.3, zorder=3)
    else:
        half = np.array([max(0.19, 0.04 * len(name) + 0.08), 0.19])
        patch = Rectangle(tuple(place - half), *(2 * half), facecolor=PALE, edgecolor=GREY, linewidth=1.0, zorder=3)
    ax.add_patch(patch)
    ax.text(place[0], place[1], name, ha="center", va="center", size=9 if region else 8.5, weight="bold" if region else "normal", zorder=4)
    return patch


def _colour(weight: float) -> str:
    return POSITIVE if weight >= 0 else NEGATIVE


def _draw_edge(ax: Axes, graph: nx.DiGraph, patches, places, pair: tuple[str, str], weight: float, largest: float) -> None:
    source, target = pair
    start, end = places[source], places[target]
    width = THINNEST + (THICKEST - THINNEST) * abs(weight) / largest
    head = 4.0 + 1.6 * width
    # matplotlib's positive bend goes to the right of the arrow; ours goes to the left, so that the two ways of a pair part.
    bend = -BEND if bent(graph, source, target) else 0.0
    arrow = FancyArrowPatch(
        tuple(start), tuple(end), patchA=patches[source], patchB=patches[target], connectionstyle=f"arc3,rad={bend}",
        arrowstyle=f"-|>,head_length={head},head_width={head / 2}", shrinkA=2, shrinkB=2, color=_colour(weight), linewidth=width,
        joinstyle="miter", zorder=2,
    )  # fmt: skip
    ax.add_patch(arrow)
    if np.hypot(*(end - start)) > 1.1 * APART:
        # A long arrow crosses others, most often half way: its number stands on it, nearer the source.
        label = along_edge(graph, places, source, target, 0.36)
    else:
        # On the inner side of the bend: the outer side is where modulators come in.
        label = along_edge(graph, places, source, target) - 0.16 * left_of(start, end) * (1 if bend else -1)
    _write(ax, label, weight)


def _draw_modulation(ax: Axes, patch: Patch, start: Point, middle: Point, weight: float) -> None:
    colour = _colour(weight)
    line = FancyArrowPatch(
        tuple(start),
        tuple(middle),
        arrowstyle="-",
        patchA=patch,
        shrinkA=0,
        shrinkB=0,
        color=colour,
        linewidth=1.3,
        linestyle=(0, (3, 2)),
        zorder=2,
    )
    ax.add_patch(line)
    ax.plot(*middle, "o", color=colour, markersize=6, markeredgecolor="white", markeredgewidth=0.8, zorder=4)
    _write(ax, start + 0.48 * (middle - start), weight)


def _write(ax: Axes, place: Point, weight: float) -> None:
    backing = {"boxstyle": "square,pad=0.12", "facecolor": "white", "edgecolor": "none"}
    ax.text(place[0], place[1], hertz(weight), ha="center", va="center", size=7.5, color=_colour(weight), zorder=5, bbox=backing)


def _frame(ax: Axes, places: Mapping[str, Point]) -> None:
    points = np.array(list(places.values()))
    low, high = points.min(axis=0) - 0.6, points.max(axis=0) + 0.6
    ax.set_xlim(low[0], high[0])
    ax.set_ylim(low[1], high[1])
    ax.set_aspect("equal")
    ax.set_axis_off()
