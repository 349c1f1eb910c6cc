"""The linear system behind a question that is asked of a graph or of what a graph is made of.

Lives here: reading a graph as a coupling, and one stack of the mean and the draws. Does not live here: the linearisation (`local`), the
questions (`paths`).
"""

from collections.abc import Mapping
from typing import NamedTuple

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from ltc_causal.causal.local import Settings, linearised, local
from ltc_causal.causal.query import inputs_of, regions_of
from ltc_causal.causal.source import Array, Source
from ltc_causal.core.coupling import Coupling, named_vector
from ltc_causal.errors import InputError


class Stack(NamedTuple):
    """d dx/dt = J dx + E du, each matrix behind an axis of draws whose first is the mean coupling.

    J : shape (1 + draw, region, region), Hz
    E : shape (1 + draw, region, input), Hz per unit of input; not a number where it would hang on an equilibrium that there is not
    acts : shape (region, input), whether an input drives a region or modulates what comes to it
    regions, inputs : names
    """

    J: Array
    E: Array
    acts: NDArray[np.bool_]
    regions: tuple[str, ...]
    inputs: tuple[str, ...]

    @property
    def uncertain(self) -> bool:
        """Whether there are draws behind the mean."""
        return len(self.J) > 1


def linear_stack(asked: Source | nx.DiGraph, settings: Settings) -> Stack:
    """The system under the settings' inputs and about their state; a graph knows both itself, and shows no joint uncertainty.

    Raises `InputError` if a graph is given together with inputs or a state.
    """
    if not isinstance(asked, nx.DiGraph):
        at = local(asked, settings)
        J, E = at.mean
        if at.uncertain:
            J, E = (np.concatenate([mean, drawn]) for mean, drawn in zip(at.mean, at.drawn, strict=True))
        return Stack(J, E, _acts(at.coupling), at.coupling.regions, at.coupling.inputs)
    if settings.inputs or settings.state:
        raise InputError("A graph was made under inputs and at a state already: give them to causal_graph, not here.")
    coupling, state = graph_coupling(asked), asked.graph.get("state")
    u, x = coupling.input_vector(asked.graph.get("inputs")), named_vector("region", state, coupling.regions)
    constant = np.array([asked.nodes[region].get("constant", 0.0) for region in coupling.regions])
    stacks = {matrix: getattr(coupling, matrix)[None] for matrix in "ABCD"}
    return Stack(*linearised(stacks, u, x if state else None, constant), _acts(coupling), coupling.regions, coupling.inputs)


def _acts(coupling: Coupling) -> NDArray[np.bool_]:
    return (coupling.C != 0) | (coupling.B != 0).any(axis=2).T


def graph_coupling(graph: nx.DiGraph) -> Coupling:
    """The coupling that a causal graph shows, `causal_graph` the other way round; edges that the graph has not are 0.

    Raises `InputError` unless all regions have a self-coupling and all edges a weight.
    """
    regions, inputs = regions_of(graph), inputs_of(graph)
    n, m = len(regions), len(inputs)
    A, B, C, D = np.zeros((n, n)), np.zeros((m, n, n)), np.zeros((n, m)), np.zeros((n, n, n))
    for i, region in enumerate(regions):
        node = graph.nodes[region]
        if "self_coupling" not in node:
            raise InputError(
                f"Region {region!r} of this graph has no self_coupling (Hz), without which no effect has a size: use causal_graph."
            )
        _place(B[:, i, i], inputs, node.get("self_modulated_by", {}))
        _place(D[:, i, i], regions, node.get("self_gated_by", {}))
        A[i, i] = node["self_coupling"]
    for source, target, edge in graph.edges(data=True):
        if "weight" not in edge:
            raise InputError(f"The edge {source} -> {target} of this graph has no weight (Hz): give it one, or use causal_graph.")
        i = regions.index(target)
        if source in inputs:
            C[i, inputs.index(source)] = edge["weight"]
            continue
        j = regions.index(source)
        A[i, j] = edge["weight"]
        _place(B[:, i, j], inputs, edge.get("modulated_by", {}))
        _place(D[:, i, j], regions, edge.get("gated_by", {}))
    u, x = named_vector("input", graph.graph.get("inputs"), inputs), named_vector("region", graph.graph.get("state"), regions)
    return Coupling(A - np.tensordot(u, B, 1) - np.tensordot(x, D, 1), B, C, regions, inputs, D)


def _place(entries: Array, names: tuple[str, ...], values: Mapping[str, float]) -> None:
    for name, value in values.items():
        entries[names.index(name)] = value
