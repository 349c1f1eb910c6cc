"""The causal graph: regions and inputs as nodes, couplings as edges, in a plain networkx.DiGraph.

Lives here: the graph and its attributes. Does not live here: what is asked of it (`effects`), its file format (`io.graphs`), its picture
(`plotting`).
"""

from collections.abc import Mapping

import networkx as nx
import numpy as np

from ltc_causal.causal.source import Entry, Source, entries, read_source
from ltc_causal.core.coupling import Coupling
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.errors import InputError


def causal_graph(
    source: Source, *, inputs: Mapping[str, float] | None = None, probability: float | None = None, minimum: float | None = None
) -> nx.DiGraph:
    """The directed graph of a fit, a reduction or a coupling; one edge an ordered pair source -> target, cycles included.

    inputs : {name: value}, the inputs under which the coupling is shown (those not named are 0); of a reduction taken elsewhere than at
        rest, deviations from its operating point
    probability : keep only edges whose sign is at least that probable
    minimum : keep only edges of at least that strength, in Hz

    Node attributes: `kind` "region" or "input"; of a region `self_coupling` in Hz under the inputs (there are no self-loops), and
    `self_modulated_by` {input: Hz per unit}. All inputs are nodes, those too that only modulate.

    Edge attributes: `kind` "intrinsic" (region to region) or "driving" (input to region); `weight` in Hz, A + sum_k u_k B[k] or C; `sign`
    1, -1 or 0; `unit`; `modulated_by` {input: Hz per unit of it}; `gated_by` {region: Hz per unit of its activity}; and where there is a
    posterior `sd` and `probability`, that of lying on the side of zero on which the mean lies, from the entries' joint distribution.

    Graph attributes: `inputs`, as given.
    """
    coupling, posterior = read_source(source)
    if posterior is None and probability is not None:
        raise InputError("A bare coupling has no uncertainty, so its graph cannot be cut by probability: use minimum, or give the fit.")
    if probability is not None and not 0 <= probability <= 1:
        raise InputError(f"causal_graph(probability) must lie between 0 and 1, got {probability!r}.")
    u = coupling.input_vector(inputs)
    known = entries(coupling, posterior)
    graph = nx.DiGraph(inputs={name: float(value) for name, value in (inputs or {}).items()})
    _add_nodes(graph, coupling, u, known)
    for (matrix, index), parts in _edge_parts(known, u).items():
        edge = _edge(coupling, posterior, known, matrix, index, parts)
        if (probability is None or edge["probability"] >= probability) and (minimum is None or abs(edge["weight"]) >= minimum):
            sources = coupling.inputs if matrix == "C" else coupling.regions
            graph.add_edge(sources[index[1]], coupling.regions[index[0]], **edge)
    return graph


def _add_nodes(graph: nx.DiGraph, coupling: Coupling, u: np.ndarray, known: dict[Entry, str]) -> None:
    A = coupling.A + np.tensordot(u, coupling.B, 1)
    for i, region in enumerate(coupling.regions):
        modulated_by = {name: float(coupling.B[k, i, i]) for k, name in enumerate(coupling.inputs) if ("B", (k, i, i)) in known}
        graph.add_node(region, kind="region", self_coupling=float(A[i, i]), self_modulated_by=modulated_by)
    for name in coupling.inputs:
        graph.add_node(name, kind="input")


def _edge_parts(known: dict[Entry, str], u: np.ndarray) -> dict[Entry, dict[Entry, float]]:
    """For each edge, named by its entry of A or C, the entries that add up to its weight, with their factors."""
    parts: dict[Entry, dict[Entry, float]] = {}
    for matrix, index in known:
        if matrix == "C":
            parts["C", index] = {("C", index): 1.0}
        elif index[-2] != index[-1]:
            factor = {"A": 1.0, "B": u[index[0]] if matrix == "B" else 0.0, "D": 0.0}[matrix]
            parts.setdefault(("A", index[-2:]), {})[matrix, index] = float(factor)
    return parts


def _edge(
    coupling: Coupling, posterior: Gaussian | None, known: dict[Entry, str], matrix: str, index: tuple[int, ...], parts: dict[Entry, float]
) -> dict:
    values = {part: float(getattr(coupling, part[0])[part[1]]) for part in parts}
    weight = sum(factor * values[part] for part, factor in parts.items())
    edge = {"kind": "driving" if matrix == "C" else "intrinsic", "weight": weight, "sign": int(np.sign(weight)), "unit": "Hz"}
    edge["modulated_by"] = {coupling.inputs[entry[0]]: values[part, entry] for part, entry in parts if part == "B"}
    edge["gated_by"] = {coupling.regions[entry[0]]: values[part, entry] for part, entry in parts if part == "D"}
    if posterior is not None:
        edge |= _uncertainty(weight, posterior, {known[part]: factor for part, factor in parts.items()})
    return edge


def _uncertainty(weight: float, posterior: Gaussian, factors: dict[str, float]) -> dict[str, float]:
    """Standard deviation of a weighted sum of posterior entries, and the probability that it has its mean's sign."""
    direction = np.array([factors.get(name, 0.0) for name in posterior.names])
    variance = max(float(direction @ posterior.cov @ direction), 0.0)
    if variance == 0:
        return {"sd": 0.0, "probability": float(weight != 0)}
    above = Gaussian(("weight",), np.array([weight]), np.array([[variance]])).probability("weight")
    return {"sd": variance**0.5, "probability": max(above, 1 - above)}
