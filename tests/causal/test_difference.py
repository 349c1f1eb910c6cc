"""Differences of graphs: counted by hand, ranked against brute force over all orders of ties."""

from itertools import permutations

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import REGIONS, couplings, made_fit

import ltc_causal as lc
from ltc_causal.causal.difference import differences
from ltc_causal.causal.graph_difference import area_under_curve, average_precision


def weighted(*edges):
    graph = nx.DiGraph()
    graph.add_nodes_from("abc")
    graph.add_weighted_edges_from(edges)
    return graph


def test_by_hand():
    first = weighted(("a", "b", 0.5), ("b", "c", -0.2), ("c", "a", 0.1))
    second = weighted(("a", "b", 0.4), ("c", "b", 0.3), ("c", "a", -0.6), ("a", "c", 0.2))
    found = differences(first, second)
    assert found.only_first == (("b", "c"),) and set(found.only_second) == {("c", "b"), ("a", "c")}
    assert found.reversed == (("b", "c"),) and found.structural_hamming_distance == 2
    assert found.sign_agreement == 0.5
    # True pairs ab .5, ca .1, cb 0, ac 0 against false ones bc .2, ba 0: ab beats both, ca one, cb and ac tie with one.
    assert found.auc == pytest.approx((2 + 1 + 0.5 + 0.5) / 8)
    table = found.to_frame().set_index(["source", "target"])
    assert table.loc[("a", "b")].tolist() == pytest.approx([0.5, 0.4, 0.1]) and np.isnan(table.loc[("a", "c"), "first"])


ranked = st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6)


@given(entries=ranked)
def test_ties_are_worth_their_mean_over_all_orders(entries):
    truth = np.array([flag for _, flag in entries])
    assume(truth.any())
    scores = np.array([score for score, _ in entries], dtype=float)
    precisions, areas = [], []
    for order in permutations(range(len(entries))):
        ordered = sorted(order, key=lambda k: -scores[k])  # a stable sort: the permutation breaks the ties
        hits = truth[ordered]
        precisions.append(np.mean((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits]))
        areas.append(np.mean([[a < b for b in np.flatnonzero(~hits)] for a in np.flatnonzero(hits)]) if not truth.all() else np.nan)
    assert average_precision(scores, truth) == pytest.approx(np.mean(precisions))
    assert area_under_curve(scores, truth) == pytest.approx(np.mean(areas), nan_ok=True)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_structural_hamming_distance_is_the_fewest_changes(seed, n):
    """Pair by pair: none, one way, the other way, or both; one change adds, removes or turns one edge round."""
    rng = np.random.default_rng(seed)
    graphs = []
    for _ in range(2):
        graph = nx.DiGraph((a, b) for a in REGIONS[:n] for b in REGIONS[:n] if a != b and rng.random() < 0.5)
        graph.add_nodes_from(REGIONS[:n])
        graphs.append(graph)
    changes = 0
    for k, a in enumerate(REGIONS[:n]):
        for b in REGIONS[:k]:
            here, there = ({(g.has_edge(a, b)), 2 * g.has_edge(b, a)} - {0} for g in graphs)
            changes += max(len(here - there), len(there - here))
    assert differences(*graphs).structural_hamming_distance == changes


@given(coupling=couplings(density=0.5), seed=st.integers(0, 1000))
def test_a_graph_does_not_differ_from_itself_whatever_the_order(coupling, seed):
    graph = lc.causal_graph(coupling)
    moved = nx.DiGraph()
    moved.add_nodes_from(list(graph.nodes(data=True))[k] for k in np.random.default_rng(seed).permutation(len(graph)))
    moved.add_edges_from(graph.edges(data=True))
    found = differences(graph, moved)
    assert found.structural_hamming_distance == 0 and np.all(found.first == found.second)
    if any(found.first):
        assert found.sign_agreement == 1


def test_probabilities_rank_too():
    graph = lc.causal_graph(made_fit(sd=0.3))
    truth = nx.DiGraph([("V1", "V5"), ("V5", "SPC")])
    found = differences(graph, truth, score="probability")
    p = {pair: graph.edges[pair]["probability"] for pair in graph.subgraph(REGIONS).edges}
    others = [p[pair] for pair in p if pair not in truth.edges] + [0.0] * (6 - len(p))
    wins = [(p[pair] > other) + 0.5 * (p[pair] == other) for pair in truth.edges for other in others]
    assert found.auc == pytest.approx(np.mean(wins))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: differences(weighted(), nx.DiGraph([("a", "x")])), "different regions"),
        (lambda: differences(weighted(("a", "b", 1.0)), weighted(), score="probability"), "no probabilities"),
        (lambda: differences(weighted(), weighted(), score="rank"), "must be one of"),
        (lambda: differences(weighted(), "graph"), "two graphs or two predictions, got DiGraph and str"),
    ],
)
def test_bad_questions_are_refused_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call()
