"""The independences that a causal graph implies, and whether data keep to them.

Lives here: one independence for each pair that the graph separates, and their test. Does not live here: the criteria (`separation`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import networkx as nx
import numpy as np
import pandas as pd
from scipy.special import stdtr

from ltc_causal.causal.query import check_node, inputs_of, regions_of, structure
from ltc_causal.causal.separation import CRITERIA, Node, fixed_inputs, in_words, moral_graph, smallest_cut, with_ancestors, without_cycles
from ltc_causal.causal.source import Array
from ltc_causal.core.data import TimeSeries
from ltc_causal.errors import InputError, one_of


@dataclass(frozen=True)
class Independence:
    """x is independent of y given others (names, or (name, slice) pairs)."""

    x: Node
    y: Node
    given: tuple[Node, ...]

    def __str__(self) -> str:
        condition = f" given {', '.join(map(in_words, self.given))}" if self.given else ""
        return f"{in_words(self.x)} and {in_words(self.y)} are independent{condition}"


def implied_independences(graph: nx.DiGraph, *, criterion: str = "sigma") -> tuple[Independence, ...]:
    """One independence for each pair of regions, or of an input and a region, that the graph separates.

    criterion : "sigma" or "d", for samples of equilibria: each pair given a set of others none of which can be left out, and all inputs;
        "unrolled", for courses whose slices are one step apart: for each edge that is not there, its source at 0 and its target at 1 given
        all else at 0; and each two regions at 1 given all at 0 (disturbances of different regions are independent)

    An empty result is a statement, too: such a graph cannot be refuted by independences. A set of pairs does not hold all independences of
    a graph with cycles.
    """
    one_of("implied_independences(criterion)", criterion, CRITERIA)
    bare = structure(graph)
    return tuple(_in_time(bare) if criterion == "unrolled" else _at_equilibrium(bare, criterion))


def check_independences(
    graph: nx.DiGraph, data: pd.DataFrame | TimeSeries, *, criterion: str = "sigma", level: float = 0.05
) -> pd.DataFrame:
    """The independences that a graph implies, each tested by a partial correlation.

    data : one column a region or an input of the graph. For "sigma" and "d" each row is one sample, independent of the others; for
        "unrolled" rows are consecutive slices (of a `TimeSeries`, where the graph has no inputs)
    level : of all tests together (Holm 1979)

    One row an independence: x, y, given, correlation (partial), samples, p (two-sided, of t with samples - conditions - 2 degrees of freedom),
    p_holm, holds (p_holm >= level). A test that cannot be made because a column does not vary has no p, and is not counted.

    Raises `InputError` for a missing column, values that are not finite, or too few rows.
    """
    if not 0 < level < 1:
        raise InputError(f"check_independences(level) must lie between 0 and 1, got {level!r}.")
    frame = pd.DataFrame(data.values, columns=list(data.regions)) if isinstance(data, TimeSeries) else data
    names = [*regions_of(graph), *inputs_of(graph)]
    for name in names:
        check_node("column", name, list(frame.columns), "the data, which need one a region and an input of the graph")
    values = frame[names].to_numpy(dtype=float)
    if not np.isfinite(values).all():
        raise InputError("The data of check_independences hold NaN or infinite values: leave out those rows.")
    claims = implied_independences(graph, criterion=criterion)
    columns = _columns(names, values, in_time=criterion == "unrolled")
    rows = [(claim.x, claim.y, claim.given, *_partial_correlation(columns, claim)) for claim in claims]
    table = pd.DataFrame(rows, columns=["x", "y", "given", "correlation", "samples", "p"])
    p = table["p"].to_numpy(dtype=float)
    corrected, tested = np.full(len(p), np.nan), np.isfinite(p)
    corrected[tested] = holm(p[tested])
    return table.assign(p_holm=corrected, holds=~(corrected < level))


def holm(p: Array) -> Array:
    """p-values corrected for their number: the k-th smallest of n times n + 1 - k, never below the one before it (Holm 1979)."""
    order, corrected = np.argsort(p), np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return corrected


def _at_equilibrium(bare: nx.DiGraph, criterion: str) -> Iterable[Independence]:
    world = without_cycles(bare) if criterion == "sigma" else bare
    inputs, regions = inputs_of(bare), regions_of(bare)
    known: dict[frozenset, nx.Graph] = {}
    pairs = [*combinations(regions, 2), *((name, region) for name in inputs for region in regions)]
    for x, y in pairs:
        fixed = fixed_inputs(bare) - {x}
        above = with_ancestors(world, {x, y} | fixed)
        if above not in known:  # most pairs of a graph in feedback have the same ancestors
            known[above] = moral_graph(world, above)
        moral = known[above]
        candidates = [region for region in regions if region in moral and region not in (x, y)]
        chosen = smallest_cut(moral, {x}, {y}, candidates, fixed)
        if chosen is not None:
            yield Independence(x, y, tuple(node for node in bare if node in chosen | fixed))


def _in_time(bare: nx.DiGraph) -> Iterable[Independence]:
    regions = regions_of(bare)
    if len(regions) + len(inputs_of(bare)) < len(bare):
        raise InputError(
            "A graph with latent nodes implies no list of independences in time: ask separated(criterion='unrolled') one by one."
        )
    for source in bare:
        for target in regions:
            if source != target and not bare.has_edge(source, target):
                yield Independence((source, 0), (target, 1), tuple((node, 0) for node in bare if node != source))
    for x, y in combinations(regions, 2):
        yield Independence((x, 1), (y, 1), tuple((node, 0) for node in bare))


def _columns(names: list[str], values: Array, in_time: bool) -> dict[Node, Array]:
    if not in_time:
        return dict(zip(names, values.T, strict=True))
    columns: dict[Node, Array] = {}
    for name, column in zip(names, values.T, strict=True):
        columns[name, 0], columns[name, 1] = column[:-1], column[1:]
    return columns


def _partial_correlation(columns: dict[Node, Array], claim: Independence) -> tuple[float, int, float]:
    """Correlation of what is left of x and y after regression on the others and a constant; number of samples; p."""
    pair = np.column_stack([columns[claim.x], columns[claim.y]])
    design = np.column_stack([np.ones(len(pair)), *(columns[node] for node in claim.given)])
    weights, _, rank, _ = np.linalg.lstsq(design, pair, rcond=None)
    freedom = len(pair) - int(rank) - 1
    if freedom < 1:
        raise InputError(f"To test that {claim} takes more than {len(design.T) + 1} rows, but the data have {len(pair)}.")
    left = pair - design @ weights
    scale = np.linalg.norm(left, axis=0)
    if (scale <= 1e-10 * np.linalg.norm(pair, axis=0)).any():  # it does not vary, or the others determine it
        return np.nan, len(pair), np.nan
    r = float(np.clip(left[:, 0] @ left[:, 1] / scale.prod(), -1, 1))
    t = abs(r) * np.sqrt(freedom / max(1 - r * r, 1e-300))
    return r, len(pair), float(2 * stdtr(freedom, -t))
