"""How two causal graphs differ, and how well the strengths in one find the edges of the other.

Lives here: the difference of two graphs. Does not live here: the difference of two predictions, and the verb for both (`difference`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ltc_causal.causal.query import inputs_of, regions_of
from ltc_causal.causal.source import Array
from ltc_causal.errors import InputError, one_of

Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class GraphDifference:
    """Two graphs over the same regions, pair by pair: an ordered pair (source, target) of different nodes, the target a region.

    pairs : all that there are, shape (pair,) as tuples; inputs count where both graphs have them
    first, second : weight of each pair, 0 where there is no edge, shape (pair,)
    edge_in_first, edge_in_second : whether there is an edge, shape (pair,)
    scores : what the first graph's edges are ranked by, shape (pair,)
    """

    pairs: tuple[Pair, ...]
    first: Array
    second: Array
    edge_in_first: NDArray[np.bool_]
    edge_in_second: NDArray[np.bool_]
    scores: Array

    @property
    def only_first(self) -> tuple[Pair, ...]:
        """Edges that only the first graph has."""
        return self._chosen(self.edge_in_first & ~self.edge_in_second)

    @property
    def only_second(self) -> tuple[Pair, ...]:
        """Edges that only the second graph has."""
        return self._chosen(self.edge_in_second & ~self.edge_in_first)

    @property
    def reversed(self) -> tuple[Pair, ...]:
        """Edges of the first graph that the second has the other way round only, while the first has not that one."""
        other_way = set(self.only_second)
        return tuple((source, target) for source, target in self.only_first if (target, source) in other_way)

    @property
    def structural_hamming_distance(self) -> int:
        """Edges to add, remove or turn round to make one graph the other; turning round counts one (Tsamardinos et al. 2006)."""
        return len(self.only_first) + len(self.only_second) - len(self.reversed)

    @property
    def auc(self) -> float:
        """Area under the receiver operating characteristic of the scores against the second graph's edges; ties count a half."""
        return area_under_curve(self.scores, self.edge_in_second)

    @property
    def average_precision(self) -> float:
        """Mean precision at the second graph's edges, going down the scores; ties at their expected value over all orders."""
        return average_precision(self.scores, self.edge_in_second)

    @property
    def sign_agreement(self) -> float:
        """Share of the edges in both graphs whose weights have the same sign; not a number where there is none."""
        both = self.edge_in_first & self.edge_in_second & (self.first != 0) & (self.second != 0)
        return float(np.mean(np.sign(self.first[both]) == np.sign(self.second[both]))) if both.any() else np.nan

    def _chosen(self, mask: NDArray[np.bool_]) -> tuple[Pair, ...]:
        return tuple(self.pairs[k] for k in np.flatnonzero(mask))

    def to_frame(self) -> pd.DataFrame:
        """One row a pair with an edge in one of the graphs: source, target, first, second (weights; missing where no edge), difference."""
        frame = pd.DataFrame(self.pairs, columns=["source", "target"])
        frame["first"] = np.where(self.edge_in_first, self.first, np.nan)
        frame["second"] = np.where(self.edge_in_second, self.second, np.nan)
        frame["difference"] = self.first - self.second
        return frame.loc[self.edge_in_first | self.edge_in_second].reset_index(drop=True)

    def __str__(self) -> str:
        agree = self.sign_agreement
        lines = [
            f"Structural Hamming distance {self.structural_hamming_distance} ({len(self.only_first)} edges only in the first, "
            f"{len(self.only_second)} only in the second, {len(self.reversed)} of these turned round).",
            f"The first graph's strengths find the second's edges with AUC {self.auc:.3f} and average precision {self.average_precision:.3f}.",
            "The graphs have no edge in common." if np.isnan(agree) else f"Signs agree in {100 * agree:.0f} % of the edges in both.",
        ]
        return "\n".join(lines)


def graph_difference(first: nx.DiGraph, second: nx.DiGraph, score: str = "weight") -> GraphDifference:
    """Compare two graphs over the same regions; only the edges' presence counts where an edge has no weight.

    score : what ranks the first graph's edges for AUC and average precision, "weight" (its size in Hz) or "probability"; pairs without an
        edge come last

    Raises `InputError` if the graphs have different regions, or an edge of the first has no such attribute while others have.
    """
    one_of("differences(score)", score, ("weight", "probability"))
    regions, others = regions_of(first), regions_of(second)
    if set(regions) != set(others):
        odd = sorted(set(regions) ^ set(others), key=str)
        raise InputError(f"The graphs to compare have different regions: {odd} are in one of them only; take both over the same regions.")
    inputs = [name for name in inputs_of(first) if name in set(inputs_of(second))]
    pairs = tuple((source, target) for source in (*regions, *inputs) for target in regions if source != target)
    weights = [np.array([_attribute(graph, pair, "weight") for pair in pairs], dtype=float) for graph in (first, second)]
    present = [np.array([graph.has_edge(*pair) for pair in pairs], dtype=bool) for graph in (first, second)]
    scores = np.array([_score(first, pair, score) for pair in pairs], dtype=float)
    return GraphDifference(pairs, weights[0], weights[1], present[0], present[1], scores)


def _attribute(graph: nx.DiGraph, pair: Pair, name: str) -> float:
    return float(graph.edges[pair].get(name, 1.0)) if graph.has_edge(*pair) else 0.0


def _score(graph: nx.DiGraph, pair: Pair, score: str) -> float:
    if graph.has_edge(*pair) and score not in graph.edges[pair] and any(score in edge for _, _, edge in graph.edges(data=True)):
        raise InputError(f"The edge {pair[0]} -> {pair[1]} of the first graph has no {score}, though others have: give it one.")
    if score == "probability" and graph.has_edge(*pair) and score not in graph.edges[pair]:
        raise InputError("The first graph has no probabilities (it was made of a bare coupling): rank by score='weight'.")
    return abs(_attribute(graph, pair, score))


def area_under_curve(scores: ArrayLike, truth: ArrayLike) -> float:
    """Probability that a true entry outranks a false one, ties counting a half (Mann and Whitney 1947).

    scores, truth : shape (entry,); not a number if all are true or all false
    """
    scores, truth = np.asarray(scores, dtype=float), np.asarray(truth, dtype=bool)
    true, false = np.sort(scores[truth]), np.sort(scores[~truth])
    if not len(true) or not len(false):
        return np.nan
    below = np.searchsorted(false, true, "left") + np.searchsorted(false, true, "right")
    return float(below.sum() / (2 * len(true) * len(false)))


def average_precision(scores: ArrayLike, truth: ArrayLike) -> float:
    """Mean over true entries of the precision at their rank, as expected when ties are put in random order.

    In a tie of n entries with p true ones, behind N with P true, the k-th place holds a true one with probability p/n, and the places before
    it in the tie then hold (k - 1)(p - 1)/(n - 1) on average, so that it adds  p/n (P + 1 + (k - 1)(p - 1)/(n - 1)) / (N + k).

    scores, truth : shape (entry,); not a number if none is true
    """
    scores, truth = np.asarray(scores, dtype=float), np.asarray(truth, dtype=bool)
    before = true_before = 0
    total = 0.0
    for n, p in _ties(scores, truth):
        k = np.arange(n)
        total += p / n * np.sum((true_before + 1 + k * (p - 1) / max(n - 1, 1)) / (before + k + 1))
        before, true_before = before + n, true_before + p
    return float(total / true_before) if true_before else np.nan


def _ties(scores: Array, truth: NDArray[np.bool_]) -> Iterable[tuple[int, int]]:
    """Number of entries and of true ones at each score, from the highest down."""
    levels, where = np.unique(-scores, return_inverse=True)
    return zip(np.bincount(where).tolist(), np.bincount(where, weights=truth, minlength=len(levels)).astype(int).tolist(), strict=True)
