"""The graph in time slices: without cycles, its paths those of the powers of a step, and back again."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import couplings, made_fit

import ltc_causal as lc
from ltc_causal.causal.unrolled import summary_graph, unrolled_graph


@given(coupling=couplings(density=0.5), slices=st.integers(2, 5), start=st.integers(-3, 3))
def test_it_has_no_cycle_and_folds_back_to_the_graph(coupling, slices, start):
    graph = lc.causal_graph(coupling, inputs={coupling.inputs[0]: 0.5})
    unrolled = unrolled_graph(graph, slices, start)
    assert nx.is_directed_acyclic_graph(unrolled)
    assert {time for _, time in unrolled} == set(range(start, start + slices))
    back = summary_graph(unrolled)
    assert dict(back.nodes(data=True)) == dict(graph.nodes(data=True))
    assert dict(back.edges) == dict(graph.edges) and back.graph == graph.graph


@given(coupling=couplings(density=0.4), seed=st.integers(0, 1000))
def test_paths_through_slices_are_the_powers_of_a_step(coupling, seed):
    """Sum over paths (j, 0) -> (i, 3) of products of dt w, and of 1 + dt A_ii for staying, is [(1 + dt A)^3]_ij."""
    graph, dt, n = lc.causal_graph(coupling), 0.1, len(coupling.regions)
    unrolled = unrolled_graph(graph, 4)
    step = np.linalg.matrix_power(np.eye(n) + dt * coupling.A, 3)
    rng = np.random.default_rng(seed)
    i, j = rng.integers(0, n, 2)
    total = 0.0
    for path in nx.all_simple_paths(unrolled, (coupling.regions[j], 0), (coupling.regions[i], 3)):
        edges = [unrolled.edges[pair] for pair in nx.utils.pairwise(path)]
        total += np.prod([(edge["kind"] == "self") + dt * edge["weight"] for edge in edges])
    assert total == pytest.approx(step[i, j], abs=1e-12)


def test_inputs_have_no_memory():
    unrolled = unrolled_graph(lc.causal_graph(made_fit()), 3)
    assert set(unrolled.successors(("photic", 0))) == {("V1", 1)} and unrolled.in_degree(("photic", 2)) == 0


def test_the_summary_of_any_time_graph_says_its_lags():
    slices = nx.DiGraph([(("a", 0), ("b", 2)), (("a", 1), ("b", 2)), (("b", 0), ("b", 1)), (("c", 1), ("a", 1))])
    summary = summary_graph(slices)
    assert summary.edges["a", "b"]["lags"] == [1, 2] and summary.edges["c", "a"]["lags"] == [0]
    assert set(summary.edges) == {("a", "b"), ("c", "a")}


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: unrolled_graph(nx.DiGraph([("a", "b")]), 1), "at least 2, got 1"),
        (lambda: summary_graph(nx.DiGraph([("a", "b")])), "pairs, got 'a'"),
        (lambda: summary_graph(nx.DiGraph([(("a", 1), ("b", 0))])), "leads back in time"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call()
