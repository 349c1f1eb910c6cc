"""GraphML: written whole, read back with every attribute."""

import json

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from strategies import couplings, made_fit

import ltc_causal as lc
from ltc_causal.io.graphs import write_graphml

DICTIONARIES = {"modulated_by", "gated_by", "self_modulated_by", "inputs"}


def restored(attributes):
    return {name: json.loads(value) if name in DICTIONARIES else value for name, value in attributes.items()}


@given(coupling=couplings())
def test_round_trip_of_a_coupling(tmp_path_factory, coupling):
    assert_round_trip(lc.causal_graph(coupling, inputs={coupling.inputs[0]: 0.5}), tmp_path_factory.mktemp("graph") / "graph.graphml")


def test_round_trip_of_a_fit(tmp_path):
    assert_round_trip(lc.causal_graph(made_fit(), inputs={"motion": 1.0}, probability=0.5), tmp_path / "new folder" / "graph.graphml")


def assert_round_trip(graph, path):
    write_graphml(graph, path)
    back = nx.read_graphml(path)
    assert restored(back.graph)["inputs"] == graph.graph["inputs"]
    assert {node: restored(data) for node, data in back.nodes(data=True)} == dict(graph.nodes(data=True))
    assert {(s, t): restored(data) for s, t, data in back.edges(data=True)} == dict(graph.edges)


def test_the_graph_itself_is_left_alone(tmp_path):
    graph = lc.causal_graph(made_fit())
    write_graphml(graph, tmp_path / "graph.graphml")
    assert isinstance(graph["V1"]["V5"]["modulated_by"], dict)


def test_nothing_is_left_behind_where_writing_fails(tmp_path):
    graph = nx.DiGraph()
    graph.add_edge("a", "b", weight=np.ones(3))  # not JSON
    with pytest.raises(TypeError):
        write_graphml(graph, tmp_path / "graph.graphml")
    assert list(tmp_path.iterdir()) == []
