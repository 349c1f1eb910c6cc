"""Who acts on whom: direct causes and effects, ancestors and descendants, mediators, groups in feedback, and what an input does.

networkx knows edges only; here an input that modulates a connection, and a region that gates one, are direct causes of that connection's
target, too.

Lives here: these questions of a graph's structure, and `structure` itself. Does not live here: how much an effect is (`paths`, `effects`),
what is independent of what (`separation`).
"""

from collections.abc import Collection, Hashable

import networkx as nx
import pandas as pd

from ltc_causal.errors import InputError, known_name


def structure(graph: nx.DiGraph) -> nx.DiGraph:
    """The bare graph of direct causes: edges of the graph, and an edge to a connection's target from all that modulate or gate it.

    Nodes keep their `kind` (region where none is given); there are no self-loops. Raises `InputError` if an edge leads into an input.
    """
    bare = nx.DiGraph()
    bare.add_nodes_from((node, {"kind": data.get("kind", "region")}) for node, data in graph.nodes(data=True))
    for node, data in graph.nodes(data=True):
        bare.add_edges_from((by, node) for by in (*data.get("self_modulated_by", ()), *data.get("self_gated_by", ())))
    for source, target, data in graph.edges(data=True):
        bare.add_edges_from((by, target) for by in (source, *data.get("modulated_by", ()), *data.get("gated_by", ())))
    bare.remove_edges_from(list(nx.selfloop_edges(bare)))
    for name in inputs_of(bare):
        if bare.in_degree(name):
            cause = next(iter(bare.predecessors(name)))
            raise InputError(f"The graph has an edge {cause} -> {name}, but {name!r} is an input, which nothing acts on: remove the edge.")
    return bare


def regions_of(graph: nx.DiGraph) -> tuple:
    """The graph's regions: all nodes that are neither inputs nor latent (common causes that nobody measured)."""
    return tuple(node for node, kind in graph.nodes(data="kind") if kind not in ("input", "latent"))


def inputs_of(graph: nx.DiGraph) -> tuple:
    """The graph's inputs."""
    return tuple(node for node, kind in graph.nodes(data="kind") if kind == "input")


def check_node(kind: str, node: Hashable, nodes: Collection, where: str) -> None:
    """Raise `InputError`, naming the nearest one, unless the node is among these."""
    if node not in nodes:
        known_name(kind, str(node), [str(other) for other in nodes if str(other) != str(node)], where)


def parents(graph: nx.DiGraph, node: str) -> tuple[str, ...]:
    """The direct causes of a region: what is coupled to it or drives it, and what modulates or gates one of its incoming connections."""
    return _in_order(graph, _checked(graph, node).predecessors(node))


def children(graph: nx.DiGraph, node: str) -> tuple[str, ...]:
    """The direct effects of a region or an input, the targets of connections that it modulates or gates included."""
    return _in_order(graph, _checked(graph, node).successors(node))


def ancestors(graph: nx.DiGraph, node: str) -> tuple[str, ...]:
    """All that acts on a region, directly or over others; itself not, even if it is in a feedback loop."""
    return _in_order(graph, nx.ancestors(_checked(graph, node), node))


def descendants(graph: nx.DiGraph, node: str) -> tuple[str, ...]:
    """All that a region or an input acts on, directly or over others; itself not, even if it is in a feedback loop."""
    return _in_order(graph, nx.descendants(_checked(graph, node), node))


def mediators(graph: nx.DiGraph, source: str, target: str) -> tuple[str, ...]:
    """The regions over which source acts on target: reached from source before target, and reaching target without source.

    A region that only feeds back to a mediator is one as well: to hold it changes how much of the effect passes.
    """
    bare = _checked(graph, source, target)
    if source == target:
        raise InputError(f"mediators needs two different nodes, got {source!r} twice.")
    reached = nx.descendants(nx.subgraph_view(bare, filter_node=lambda node: node != target), source)
    reaching = nx.ancestors(nx.subgraph_view(bare, filter_node=lambda node: node != source), target)
    return _in_order(graph, reached & reaching)


def strongly_connected_parts(graph: nx.DiGraph) -> list[tuple[str, ...]]:
    """The regions grouped into those that all act on one another, upstream groups first; a region without feedback is alone in its group."""
    bare = structure(graph)
    condensed = nx.condensation(bare.subgraph(regions_of(bare)))
    return [_in_order(graph, condensed.nodes[part]["members"]) for part in nx.lexicographical_topological_sort(condensed)]


def input_targets(graph: nx.DiGraph, name: str) -> pd.DataFrame:
    """What an input does, one row a connection: kind ("drives", "modulates", "modulates decay"), source, target, Hz per unit of the input.

    "modulates decay" is a change of a region's self-coupling. Raises `InputError` unless it is an input of the graph.
    """
    check_node("input", name, inputs_of(graph), "the graph")
    rows = [("drives", name, target, data.get("weight")) for _, target, data in graph.out_edges(name, data=True)]
    for source, target, data in graph.edges(data=True):
        if name in data.get("modulated_by", ()):
            rows.append(("modulates", source, target, data["modulated_by"][name]))
    for node, data in graph.nodes(data=True):
        if name in data.get("self_modulated_by", ()):
            rows.append(("modulates decay", node, node, data["self_modulated_by"][name]))
    return pd.DataFrame(rows, columns=["kind", "source", "target", "weight"])


def _checked(graph: nx.DiGraph, *nodes: str) -> nx.DiGraph:
    """The graph's structure, after the names have been looked up in it."""
    for node in nodes:
        check_node("region or input", node, graph, "the graph")
    return structure(graph)


def _in_order(graph: nx.DiGraph, nodes) -> tuple:
    chosen = set(nodes)
    return tuple(node for node in graph if node in chosen)
