"""Graph files: written whole, read back with every attribute; and what other programs are given, parsed."""

import json
import re

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from strategies import couplings, made_fit

import ltc_causal as lc
from ltc_causal.io.graphs import read_graph, write_graph, write_graphml

WHOLE = [".graphml", ".gml", ".json"]
FIT_GRAPH = lc.causal_graph(made_fit(), inputs={"motion": 1.0}, probability=0.5)
ARROW = re.compile(r'^\s*"((?:[^"\\]|\\.)*)" -> "((?:[^"\\]|\\.)*)"(?: \[(.*)\];)?$', re.MULTILINE)


def assert_same(back, graph):
    assert dict(back.nodes(data=True)) == dict(graph.nodes(data=True))
    assert dict(back.edges) == dict(graph.edges) and type(back) is nx.DiGraph


@pytest.mark.parametrize("suffix", [*WHOLE, ".gexf"])
@given(coupling=couplings())
def test_round_trip_of_a_coupling(tmp_path_factory, suffix, coupling):
    graph, path = lc.causal_graph(coupling, inputs={coupling.inputs[0]: 0.5}), tmp_path_factory.mktemp("graph") / f"graph{suffix}"
    write_graph(graph, path)
    assert_same(read_graph(path), graph)


@pytest.mark.parametrize("suffix", WHOLE)
def test_round_trip_of_a_fit_with_what_it_was_made_under(tmp_path, suffix):
    path = tmp_path / "new folder" / f"graph{suffix}"
    graph = FIT_GRAPH.copy()
    graph.graph["caution"] = "[Not] to be trusted."  # begins like JSON
    write_graph(graph, path)
    back = read_graph(path)
    assert_same(back, graph)
    assert {name: back.graph[name] for name in graph.graph} == graph.graph


@pytest.mark.parametrize("suffix", [*WHOLE, ".gexf", ".csv"])
def test_numpy_numbers_and_odd_names_are_safe(tmp_path, suffix):
    graph = nx.DiGraph()
    graph.add_edge(
        'left "V1"', "PPC & <7>, äö", weight=np.float64(0.1), sign=np.int64(-1), modulated_by={"lag 1": np.float32(0.5)}, unit="Hz"
    )
    write_graph(graph, tmp_path / f"graph{suffix}")
    (edge,) = read_graph(tmp_path / f"graph{suffix}").edges(data=True)
    assert edge == ('left "V1"', "PPC & <7>, äö", {"weight": 0.1, "sign": -1, "modulated_by": {"lag 1": 0.5}, "unit": "Hz"})


def test_a_table_holds_the_edges(tmp_path):
    write_graph(FIT_GRAPH, tmp_path / "graph.csv")
    assert dict(read_graph(tmp_path / "graph.csv").edges) == dict(FIT_GRAPH.edges)
    assert pd.read_csv(tmp_path / "graph.csv")["weight"].tolist() == [weight for _, _, weight in FIT_GRAPH.edges(data="weight")]
    write_graph(nx.DiGraph(), tmp_path / "empty.csv")
    assert not read_graph(tmp_path / "empty.csv").edges


def test_networkx_reads_graphml_and_json_without_us(tmp_path):
    write_graphml(FIT_GRAPH, tmp_path / "any.name")
    back = nx.read_graphml(tmp_path / "any.name")
    assert json.loads(back["V1"]["V5"]["modulated_by"]) == FIT_GRAPH["V1"]["V5"]["modulated_by"]
    write_graph(FIT_GRAPH, tmp_path / "graph.json")
    assert_same(nx.node_link_graph(json.loads((tmp_path / "graph.json").read_text()), edges="links"), FIT_GRAPH)


def test_dot_draws_inputs_as_boxes_inhibition_as_bars_and_modulation_dashed(tmp_path):
    write_graph(FIT_GRAPH, tmp_path / "graph.dot")
    text = (tmp_path / "graph.dot").read_text()
    arrows = {(source, target): words for source, target, words in ARROW.findall(text)}
    assert set(arrows) == {*FIT_GRAPH.edges, ("motion", "V5")} and arrows["motion", "V5"] == "style=dashed"
    for source, target, weight in FIT_GRAPH.edges(data="weight"):
        assert f'label="{weight:.2f}"' in arrows[source, target] and ("tee" in arrows[source, target]) == (weight < 0)
    assert '"photic" [shape=box];' in text and '"V1" [shape=ellipse];' in text


def test_dagitty_is_given_all_direct_causes_and_told_of_cycles(tmp_path):
    write_graph(FIT_GRAPH, tmp_path / "graph.dagitty")
    text = (tmp_path / "graph.dagitty").read_text()
    assert text.startswith("digraph {") and {pair[:2] for pair in ARROW.findall(text)} == {*FIT_GRAPH.edges, ("motion", "V5")}
    forward = FIT_GRAPH.copy()
    forward.remove_edge("V5", "V1")
    write_graph(forward, tmp_path / "graph.dagitty")
    assert (tmp_path / "graph.dagitty").read_text().startswith("dag {")


def test_the_graph_itself_is_left_alone(tmp_path):
    graph = lc.causal_graph(made_fit())
    write_graphml(graph, tmp_path / "graph.graphml")
    assert isinstance(graph["V1"]["V5"]["modulated_by"], dict)


def test_nothing_is_left_behind_where_writing_fails(tmp_path):
    graph = nx.DiGraph()
    graph.add_edge("a", "b", weight=object())  # not JSON
    with pytest.raises(TypeError):
        write_graphml(graph, tmp_path / "graph.graphml")
    assert list(tmp_path.iterdir()) == []


def test_bad_paths_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(lc.InputError, match="suffix of write_graph"):
        write_graph(FIT_GRAPH, tmp_path / "graph.xlsx")
    with pytest.raises(lc.InputError, match="suffix of read_graph"):
        read_graph(tmp_path / "graph.dot")
    with pytest.raises(lc.InputError, match="There is no file"):
        read_graph(tmp_path / "graph.gml")
    (tmp_path / "table.csv").write_text("from,to\na,b\n")
    with pytest.raises(lc.InputError, match="columns source and target"):
        read_graph(tmp_path / "table.csv")
