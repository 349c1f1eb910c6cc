"""Where the nodes of a causal graph stand.

Lives here: positions and the geometry of bent arrows. Does not live here: drawing (`plotting.graphs`).

Neighbouring regions stand 2 apart: on a line if they form a chain, on a circle otherwise. An input stands outside what it acts on: its
first target if it drives, the middle of the first connection that it modulates if not.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import TypeAlias

import networkx as nx
import numpy as np
from numpy.typing import NDArray

Point: TypeAlias = NDArray[np.float64]

APART = 2.0
BEND = 0.3  # distance of a bent arrow's control point from its chord, over the chord's length
OUTSIDE_REGION, OUTSIDE_MIDDLE = 1.5, 1.0  # an input's distance from what it acts on
BESIDE = 1.5  # least distance between inputs


def left_of(start: Point, end: Point) -> Point:
    """The unit vector to the left of the way from start to end."""
    dx, dy = (end - start) / np.hypot(*(end - start))
    return np.array([-dy, dx])


def bent(graph: nx.DiGraph, source: str, target: str) -> bool:
    """Whether the arrow is bent: when there is also one the other way."""
    return graph.has_edge(target, source)


def along_edge(graph: nx.DiGraph, places: Mapping[str, Point], source: str, target: str, share: float = 0.5) -> Point:
    """A point on an arrow as drawn (a quadratic Bezier curve, bent to the left), at a share of its way from the source."""
    start, end = places[source], places[target]
    bend = BEND * np.hypot(*(end - start)) if bent(graph, source, target) else 0.0
    return start + share * (end - start) + 2 * share * (1 - share) * bend * left_of(start, end)


def modulators(graph: nx.DiGraph) -> list[tuple[str, tuple[str, str], float]]:
    """(input, (source, target), Hz per unit) for every modulated connection between regions."""
    return [
        (name, (source, target), weight)
        for source, target, edge in graph.edges(data=True)
        if source != target
        for name, weight in edge.get("modulated_by", {}).items()
    ]


def graph_layout(graph: nx.DiGraph) -> dict[str, Point]:
    """A position for every region, every input that drives and every input that modulates; others are left out."""
    regions = [name for name, data in graph.nodes(data=True) if data.get("kind") == "region"]
    chain = _chain(graph, regions)
    if chain:
        places = {name: np.array([APART * number, 0.0]) for number, name in enumerate(chain)}
        return places | _beside(graph, places)
    radius = APART / (2 * np.sin(np.pi / max(len(regions), 2)))
    angles = np.pi - 2 * np.pi * np.arange(len(regions)) / max(len(regions), 1)
    places = {name: radius * _direction(angle) for name, angle in zip(regions, angles, strict=True)}
    return places | _around(graph, places, radius)


def _direction(angle: float) -> Point:
    return np.array([np.cos(angle), np.sin(angle)])


def _chain(graph: nx.DiGraph, regions: list[str]) -> list[str]:
    """The regions from end to end if their connections form one chain of at most four, else nothing; the driven end comes first."""
    undirected = nx.Graph(graph.subgraph(regions))
    undirected.remove_edges_from(list(nx.selfloop_edges(undirected)))
    degrees = [degree for _, degree in undirected.degree()]
    if len(regions) == 1:
        return regions
    if not 1 < len(regions) <= 4 or not nx.is_connected(undirected) or sorted(degrees) != [1, 1] + [2] * (len(regions) - 2):
        return []
    ends = [name for name in regions if undirected.degree(name) == 1]
    ends.sort(key=lambda name: not any(source not in regions for source in graph.predecessors(name)))
    return list(nx.dfs_preorder_nodes(undirected, ends[0]))


def _anchors(graph: nx.DiGraph, places: Mapping[str, Point]) -> dict[str, tuple[str, ...]]:
    """What each input acts on first: (region,) if it drives, (source, target) if it only modulates."""
    anchors: dict[str, tuple[str, ...]] = {}
    for name, data in graph.nodes(data=True):
        targets = [target for target in graph.successors(name) if target in places] if data.get("kind") == "input" else []
        if targets:
            anchors[name] = (targets[0],)
    for name, pair, _ in modulators(graph):
        anchors.setdefault(name, pair)
    return anchors


def _beside(graph: nx.DiGraph, places: Mapping[str, Point]) -> dict[str, Point]:
    """Inputs of a chain: at its ends, below a region within it, on the outer side of a connection; several at one place in a row."""
    anchors = _anchors(graph, places)
    result = {}
    for name, anchor in anchors.items():
        peers = [other for other in anchors if anchors[other] == anchor]
        if len(anchor) == 2:
            outward = left_of(places[anchor[0]], places[anchor[1]])
            start, distance = along_edge(graph, places, anchor[0], anchor[1]), OUTSIDE_MIDDLE
        else:
            ends = {list(places)[-1]: np.array([1.0, 0.0]), list(places)[0]: np.array([-1.0, 0.0])}
            outward, start, distance = ends.get(anchor[0], np.array([0.0, -1.0])), places[anchor[0]], OUTSIDE_REGION
        sideways = np.array([outward[1], -outward[0]])
        result[name] = start + distance * outward + (peers.index(name) - (len(peers) - 1) / 2) * BESIDE * sideways
    return result


def _around(graph: nx.DiGraph, places: Mapping[str, Point], radius: float) -> dict[str, Point]:
    """Inputs of a circle: on a wider circle, in the direction of what they act on, pushed apart where they would touch."""
    anchors = _anchors(graph, places)
    names = list(anchors)
    ring = radius + OUTSIDE_REGION
    points = [places[a[0]] if len(a) == 1 else along_edge(graph, places, a[0], a[1]) for a in anchors.values()]
    angles = np.array([np.arctan2(y, x) for x, y in points])
    # A line to the middle of a connection comes in through a gap between regions, never behind one.
    gap = 2 * np.pi / len(places)
    to_middle = np.array([len(anchor) == 2 for anchor in anchors.values()], dtype=bool)
    angles[to_middle] = np.pi - gap * (np.floor((np.pi - angles[to_middle]) / gap) + 0.5)
    apart = min(BESIDE / ring, 2 * np.pi / max(len(names), 1))
    # Each pass moves touching pairs apart by half of what is missing; a few inputs settle in a few passes.
    for _ in range(100):
        for i, j in combinations(range(len(names)), 2):
            between = (angles[i] - angles[j] + np.pi) % (2 * np.pi) - np.pi
            shift = max(apart - abs(between), 0.0) / 2 * (1 if between >= 0 else -1)
            angles[i] += shift
            angles[j] -= shift
    return {name: ring * _direction(angle) for name, angle in zip(names, angles, strict=True)}
