"""Graphs to files.

Lives here: GraphML, which most graph programs read. Does not live here: making a graph (`causal.graph`), drawing one (`plotting`).
"""

import json
from pathlib import Path
from typing import Any

import networkx as nx

from ltc_causal.files import atomic_write


def write_graphml(graph: nx.Graph, path: str | Path) -> None:
    """Write a graph with all its attributes; those that GraphML does not know (dictionaries, lists, None) become JSON text.

    `networkx.read_graphml` reads it back; `json.loads` turns such an attribute into what it was.
    """
    plain = nx.create_empty_copy(graph, with_data=False)
    plain.graph.update(_plain(graph.graph))
    plain.add_nodes_from((node, _plain(attributes)) for node, attributes in graph.nodes(data=True))
    plain.add_edges_from((source, target, _plain(attributes)) for source, target, attributes in graph.edges(data=True))
    with atomic_write(path) as temporary:
        nx.write_graphml(plain, temporary)


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, str | bool | int | float) else json.dumps(value) for name, value in attributes.items()}
