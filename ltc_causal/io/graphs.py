"""Graphs to files and back; the file's suffix says the format.

| suffix | program | read back |
|---|---|---|
| .graphml | yEd, Cytoscape, Gephi, igraph | whole |
| .gexf | Gephi | whole but for the graph's own attributes |
| .gml | Cytoscape, igraph | whole |
| .json | node-link JSON: networkx, D3 | whole |
| .csv | a table, one row an edge | the edges |
| .dot | Graphviz | no |
| .dagitty | dagitty, ggdag | no |

What a format has no type for (dictionaries, lists, None) is written as JSON text.

Lives here: those formats. Does not live here: making a graph (`causal.graph`), drawing one (`plotting`).
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from ltc_causal.errors import InputError, one_of
from ltc_causal.io.writing import file_path, whole_file

OPENING = ("{", "[", "null")  # how JSON text that stands for something else than text begins


def write_graph(graph: nx.DiGraph, path: str | Path) -> None:
    """Write a graph with its attributes in the format of the path's suffix; numpy numbers become plain ones.

    Raises `InputError` for a suffix that is none of .graphml, .gexf, .gml, .json, .csv, .dot and .dagitty.
    """
    writer = WRITERS[one_of("The suffix of write_graph(path)", file_path(path).suffix, list(WRITERS))]
    with whole_file(path) as temporary:
        writer(graph, temporary)


def read_graph(path: str | Path) -> nx.DiGraph:
    """Read a graph that `write_graph` wrote, or another program in the same format.

    Raises `InputError` for a suffix that is none of .graphml, .gexf, .gml, .json and .csv, or a file that is not there.
    """
    reader = READERS[one_of("The suffix of read_graph(path)", file_path(path).suffix, list(READERS))]
    if not Path(path).is_file():
        raise InputError(f"There is no file {str(path)!r} to read a graph from: check the path.")
    return reader(path)


def write_graphml(graph: nx.Graph, path: str | Path) -> None:
    """Write a graph with all its attributes as GraphML, whatever the suffix; `read_graph` or networkx read it back."""
    with whole_file(path) as temporary:
        nx.write_graphml(_flat(graph), temporary)


def _write_json(graph: nx.DiGraph, path: Path) -> None:
    path.write_text(json.dumps(nx.node_link_data(graph, edges="links"), default=_bare, indent=1), encoding="utf-8")


def _write_csv(graph: nx.DiGraph, path: Path) -> None:
    rows = [{"source": source, "target": target, **_plain(data)} for source, target, data in graph.edges(data=True)]
    pd.DataFrame(rows, columns=None if rows else ["source", "target"]).to_csv(path, index=False)


def _write_dot(graph: nx.DiGraph, path: Path) -> None:
    """Inputs as boxes; edges with their strength, those below zero with a flat head; dashed from an input to what it modulates."""
    lines = []
    for node, data in graph.nodes(data=True):
        lines.append(f"{_quoted(node)} [shape={'box' if data.get('kind') == 'input' else 'ellipse'}];")
    for source, target, data in graph.edges(data=True):
        weight = data.get("weight")
        words = (
            [] if weight is None else [f'label="{weight:.2f}"', f"weight_hz={weight:.6g}", f"arrowhead={'tee' if weight < 0 else 'normal'}"]
        )
        lines.append(f"{_quoted(source)} -> {_quoted(target)} [{', '.join(words)}];")
        lines += [f"{_quoted(by)} -> {_quoted(target)} [style=dashed];" for by in _modulators(data)]
    path.write_text("\n".join(["digraph {", *(f"  {line}" for line in lines), "}", ""]), encoding="utf-8")


def _write_dagitty(graph: nx.DiGraph, path: Path) -> None:
    """Edges from all direct causes; a `dag` where there is no cycle, which is what dagitty's methods need, a `digraph` otherwise."""
    causes = {(source, target): None for source, target in graph.edges}
    for _, target, data in graph.edges(data=True):
        causes |= {(by, target): None for by in _modulators(data) if by != target}
    lines = [*map(_quoted, graph), *(f"{_quoted(source)} -> {_quoted(target)}" for source, target in causes)]
    kind = "dag" if nx.is_directed_acyclic_graph(nx.DiGraph(causes.keys())) else "digraph"
    path.write_text("\n".join([f"{kind} {{", *lines, "}", ""]), encoding="utf-8")


def _read_json(path: str | Path) -> nx.DiGraph:
    return nx.node_link_graph(json.loads(Path(path).read_text(encoding="utf-8")), edges="links")


def _read_csv(path: str | Path) -> nx.DiGraph:
    frame, graph = pd.read_csv(path, dtype={"source": str, "target": str}), nx.DiGraph()
    if not {"source", "target"} <= set(frame.columns):
        raise InputError(f"The table {str(path)!r} needs the columns source and target, got {list(frame.columns)}.")
    for row in frame.to_dict("records"):
        given = {str(name): value for name, value in row.items() if name not in ("source", "target") and not _missing(value)}
        graph.add_edge(row["source"], row["target"], **_restored(given))
    return graph


def _read_gexf(path: str | Path) -> nx.DiGraph:
    graph = nx.read_gexf(path)
    for _, data in graph.nodes(data=True):
        data.pop("label", None)
    for _, _, data in graph.edges(data=True):
        data.pop("id", None)
    graph.graph.clear()  # GEXF knows no attributes of a graph; these are networkx's own
    return _deep(graph)


def _flat(graph: nx.Graph) -> nx.Graph:
    """A copy whose attributes are text and numbers."""
    plain = nx.create_empty_copy(graph, with_data=False)
    plain.graph.clear()
    plain.graph.update(_plain(graph.graph))
    plain.add_nodes_from((node, _plain(attributes)) for node, attributes in graph.nodes(data=True))
    plain.add_edges_from((source, target, _plain(attributes)) for source, target, attributes in graph.edges(data=True))
    return plain


def _deep(graph: nx.Graph) -> nx.DiGraph:
    """`_flat` the other way round."""
    for attributes in (graph.graph, *(data for _, data in graph.nodes(data=True)), *(data for _, _, data in graph.edges(data=True))):
        attributes.update(_restored(attributes))
    return nx.DiGraph(graph)


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    bare = {name: _bare(value) if isinstance(value, np.generic) else value for name, value in attributes.items()}
    return {
        name: value if isinstance(value, str | bool | int | float) else json.dumps(value, default=_bare) for name, value in bare.items()
    }


def _restored(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _from_json(value) if isinstance(value, str) and value.startswith(OPENING) else value for name, value in attributes.items()
    }


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # text that only begins like JSON
        return text


def _bare(value: Any) -> Any:
    """A numpy number or array as plain Python; raises `TypeError` for what has no place in a file."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written to a graph's file.")


def _missing(value: Any) -> bool:
    return isinstance(value, float) and np.isnan(value)


def _modulators(data: Mapping[str, Any]) -> list[str]:
    return [*data.get("modulated_by", ()), *data.get("gated_by", ())]


def _quoted(name: Any) -> str:
    return '"' + str(name).replace("\\", "\\\\").replace('"', '\\"') + '"'


WRITERS: dict[str, Callable[[nx.DiGraph, Path], None]] = {
    ".graphml": lambda graph, path: nx.write_graphml(_flat(graph), path),
    ".gexf": lambda graph, path: nx.write_gexf(_flat(graph), path),
    ".gml": lambda graph, path: nx.write_gml(_flat(graph), path),
    ".json": _write_json,
    ".csv": _write_csv,
    ".dot": _write_dot,
    ".dagitty": _write_dagitty,
}
READERS: dict[str, Callable[[str | Path], nx.DiGraph]] = {
    ".graphml": lambda path: _deep(nx.read_graphml(path)),
    ".gexf": _read_gexf,
    ".gml": lambda path: _deep(nx.read_gml(path)),
    ".json": _read_json,
    ".csv": _read_csv,
}
