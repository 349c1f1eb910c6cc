"""A causal graph unrolled in time, and folded back: loops become a graph without cycles, over (node, time) pairs.

dx/dt = J x + drive u in steps of dt is x_{t+1} = (1 + dt J) x_t + dt drive u_t: every coupling leads one slice on, every region to itself.

Lives here: the two graphs. Does not live here: separation in them (`separation`).
"""

import networkx as nx

from ltc_causal.causal.query import inputs_of
from ltc_causal.errors import InputError


def unrolled_graph(graph: nx.DiGraph, slices: int, start: int = 0) -> nx.DiGraph:
    """The graph over nodes (name, time), time = start, ..., start + slices - 1: always a DAG.

    Each edge source -> target becomes (source, t) -> (target, t + 1), with its attributes; each region has an edge to itself of `kind`
    "self", with `weight` its self-coupling in Hz. A slice stands for a step so short that what happens within it is one step of each
    coupling; at a scanner's repetition time it is not, and sampled data have edges that the graph has not.

    Raises `InputError` for fewer than two slices.
    """
    if int(slices) != slices or slices < 2:
        raise InputError(f"unrolled_graph(slices) must be a whole number of at least 2, got {slices!r}.")
    inputs, unrolled = set(inputs_of(graph)), nx.DiGraph()
    unrolled.graph |= graph.graph
    times = range(start, start + int(slices))
    for time in times:
        unrolled.add_nodes_from(((node, time), dict(data)) for node, data in graph.nodes(data=True))
    for time in times[:-1]:
        for source, target, data in graph.edges(data=True):
            unrolled.add_edge((source, time), (target, time + 1), **data)
        for node, data in graph.nodes(data=True):
            if node not in inputs:
                own = {"weight": data["self_coupling"]} if "self_coupling" in data else {}
                unrolled.add_edge((node, time), (node, time + 1), kind="self", **own)
    return unrolled


def summary_graph(unrolled: nx.DiGraph) -> nx.DiGraph:
    """The graph of names that a graph over (name, time) nodes stands for: an edge where there is one at any lag.

    Attributes are those of the first edge found; where lags other than 1 occur, an edge has `lags`, a list of slices. Edges from a region
    to itself are left out, as they are its self-coupling. The summary of an unrolled graph is the graph.

    Raises `InputError` if a node is no (name, time) pair, or an edge leads back in time.
    """
    for node in unrolled:
        if not (isinstance(node, tuple) and len(node) == 2):
            raise InputError(f"summary_graph needs nodes that are (name, time) pairs, got {node!r}.")
    summary = nx.DiGraph()
    summary.graph |= unrolled.graph
    for (name, _), data in unrolled.nodes(data=True):
        if name not in summary:
            summary.add_node(name, **data)
    lags: dict[tuple, set[int]] = {}
    for (source, start), (target, end), data in unrolled.edges(data=True):
        if end < start:
            raise InputError(f"The edge {source}, {start} -> {target}, {end} leads back in time: turn it round.")
        if source != target:
            lags.setdefault((source, target), set()).add(end - start)
            if not summary.has_edge(source, target):
                summary.add_edge(source, target, **data)
    for pair, found in lags.items():
        if found != {1}:
            summary.edges[pair]["lags"] = sorted(found)
    return summary
