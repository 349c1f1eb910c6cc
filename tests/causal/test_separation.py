"""Separation against its definition by enumeration of all paths, networkx, and correlations worked out from the covariance of systems."""

from itertools import combinations, pairwise, product

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import solve_discrete_lyapunov
from strategies import REGIONS, stable_matrix

import ltc_causal as lc
from ltc_causal.causal.separation import acyclified, separated

RING = nx.DiGraph([("A", "B"), ("B", "C"), ("C", "D"), ("D", "A"), ("X", "A")])
ROUNDING = 1e-12  # of a partial correlation that is zero in an exact covariance; those that are not lie above 1e-9 here


def random_graph(rng, n, density):
    """A directed graph over the first n regions, cycles included."""
    graph = nx.DiGraph()
    graph.add_nodes_from(REGIONS[:n])
    graph.add_edges_from((a, b) for a, b in product(graph, graph) if a != b and rng.random() < density)
    return graph


def queries(graph):
    """All (x, y, given) of two nodes given any of the others."""
    for x, y in combinations(graph, 2):
        others = [node for node in graph if node not in (x, y)]
        for size in range(len(others) + 1):
            for given_ in combinations(others, size):
                yield x, y, given_


def open_path_exists(graph, x, y, given_, sigma):
    """By the definition (Forre and Mooij 2017, definition 2.2): all paths, each step in each direction that there is an edge for."""
    conditioned = set(given_)
    above = conditioned.union(*(nx.ancestors(graph, node) for node in conditioned))
    component = {node: k for k, part in enumerate(nx.strongly_connected_components(graph)) for node in part}

    def passes(node, enters, leaves_forward, before, after):
        if enters and not leaves_forward:
            return node in above
        if node not in conditioned:
            return True
        pointed_at = [other for other, points in ((after, leaves_forward), (before, not enters)) if points]
        return sigma and all(component[other] == component[node] for other in pointed_at)

    for path in nx.all_simple_paths(nx.Graph(graph.to_undirected()), x, y):
        choices = [[forward for forward in (True, False) if graph.has_edge(*((a, b) if forward else (b, a)))] for a, b in pairwise(path)]
        for way in product(*choices):  # way[k]: whether step k follows its edge
            if all(passes(path[k], way[k - 1], way[k], path[k - 1], path[k + 1]) for k in range(1, len(path) - 1)):
                return True
    return False


@pytest.mark.parametrize("criterion", ["d", "sigma"])
@given(seed=st.integers(0, 10**6), n=st.integers(2, 5), density=st.sampled_from([0.2, 0.35, 0.5]))
def test_it_is_the_definition_by_enumeration(criterion, seed, n, density):
    graph = random_graph(np.random.default_rng(seed), n, density)
    for x, y, given_ in queries(graph):
        assert separated(graph, x, y, given_, criterion=criterion) != open_path_exists(graph, x, y, given_, criterion == "sigma")


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_acyclification_turns_sigma_into_networkx_d_separation(seed, n):
    graph = random_graph(np.random.default_rng(seed), n, 0.35)
    plain = acyclified(graph)
    assert nx.is_directed_acyclic_graph(plain)
    for x, y, given_ in queries(graph):
        assert separated(graph, x, y, given_) == nx.is_d_separator(plain, {x}, {y}, set(given_))


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_without_cycles_the_criteria_agree(seed, n):
    full = random_graph(np.random.default_rng(seed), n, 0.5)
    graph = nx.DiGraph((a, b) for a, b in full.edges if a < b)
    graph.add_nodes_from(full)
    for x, y, given_ in queries(graph):
        both = {separated(graph, x, y, given_, criterion=criterion) for criterion in ("d", "sigma")}
        assert both == {nx.is_d_separator(graph, {x}, {y}, set(given_))}


def test_the_ring_tells_sigma_from_d():
    assert separated(RING, "X", "C", ["B", "D"], criterion="d")
    assert not separated(RING, "X", "C", ["B", "D"], criterion="sigma")
    plain = acyclified(RING)
    assert {(a, b) for a, b in plain.edges if plain.nodes[a]["kind"] != "latent"} == {("X", member) for member in "ABCD"}
    (latent,) = (node for node, kind in plain.nodes(data="kind") if kind == "latent")
    assert set(plain.successors(latent)) == set("ABCD")


def partial_correlation(covariance, x, y, given_):
    chosen = [x, y, *given_]
    precision = np.linalg.inv(covariance[np.ix_(chosen, chosen)])
    return -precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1])


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_d_separation_is_zero_partial_correlation_of_linear_equilibria(seed, n):
    """x = B x + e: the covariance is (I - B)^-1 Omega (I - B)^-T, cycles or not (Spirtes 1995)."""
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, n, 0.35)
    B = np.zeros((n, n))
    for source, target in graph.edges:
        B[REGIONS.index(target), REGIONS.index(source)] = rng.choice([-1, 1]) * rng.uniform(0.3, 0.9)
    mixing = np.linalg.inv(np.eye(n) - B)
    covariance = mixing @ np.diag(rng.uniform(0.5, 2, n)) @ mixing.T
    for x, y, given_ in queries(graph):
        r = abs(partial_correlation(covariance, REGIONS.index(x), REGIONS.index(y), [REGIONS.index(node) for node in given_]))
        assert separated(graph, x, y, given_, criterion="d") == (r < ROUNDING)
        if separated(graph, x, y, given_, criterion="sigma"):
            assert r < ROUNDING  # sigma-separation is the stronger claim


def sliced_covariance(F, Q, slices):
    """Of x_t+1 = F x_t + w, w ~ N(0, Q), stationary, over consecutive slices."""
    S = solve_discrete_lyapunov(F, Q)
    n = len(F)
    full = np.zeros((slices * n, slices * n))
    for early in range(slices):
        for late in range(early, slices):
            block = np.linalg.matrix_power(F, late - early) @ S
            full[late * n : (late + 1) * n, early * n : (early + 1) * n] = block
            full[early * n : (early + 1) * n, late * n : (late + 1) * n] = block.T
    return full


@given(seed=st.integers(0, 10**6), n=st.integers(2, 4))
def test_unrolled_separation_is_zero_partial_correlation_of_an_autoregression(seed, n):
    rng = np.random.default_rng(seed)
    A = stable_matrix(rng, n, density=0.4)
    coupling = lc.Coupling(A, np.zeros((0, n, n)), np.zeros((n, 0)), REGIONS[:n], ())
    graph, slices = lc.causal_graph(coupling), 3
    F = np.eye(n) + 0.6 * A / np.abs(A).sum(axis=1).max()
    covariance = sliced_covariance(F, np.diag(rng.uniform(0.5, 2, n)), slices)
    nodes = [(region, time) for time in range(slices) for region in REGIONS[:n]]
    for _ in range(40):
        x, y, *given_ = (nodes[k] for k in rng.permutation(len(nodes))[: 2 + rng.integers(0, len(nodes) - 2)])
        r = abs(partial_correlation(covariance, nodes.index(x), nodes.index(y), [nodes.index(node) for node in given_]))
        assert separated(graph, x, y, given_, criterion="unrolled") == (r < ROUNDING)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 4))
def test_of_whole_courses_unrolled_separation_is_d_separation_of_the_loops(seed, n):
    """Each region leads to itself, so that whatever the summary connects is connected within a slice or two, and nothing else is."""
    graph = random_graph(np.random.default_rng(seed), n, 0.35)
    for x, y, given_ in queries(graph):
        courses, loops = (separated(graph, x, y, given_, criterion=criterion) for criterion in ("unrolled", "d"))
        assert courses == loops


def test_inputs_are_held_fixed_unless_asked_about():
    graph = nx.DiGraph([("photic", "V1"), ("photic", "V5"), ("V5", "SPC")])
    graph.nodes["photic"]["kind"] = "input"
    for criterion in ("d", "sigma", "unrolled"):
        assert separated(graph, "V1", "V5", criterion=criterion)
        assert not separated(graph, "photic", "V1", criterion=criterion)
        assert separated(graph, "photic", "SPC", "V5", criterion=criterion)
    graph.nodes["photic"]["kind"] = "region"
    assert not separated(graph, "V1", "V5")


def test_what_modulates_or_gates_is_a_cause():
    B, D = np.zeros((1, 3, 3)), np.zeros((3, 3, 3))
    B[0, 1, 0], D[2, 1, 0] = 0.3, 0.7
    A = -np.eye(3)
    A[1, 0] = 0.5
    graph = lc.causal_graph(lc.Coupling(A, B, np.zeros((3, 1)), REGIONS[:3], ("motion",), D))
    assert not separated(graph, "motion", "V5") and not separated(graph, "SPC", "V5") and separated(graph, "SPC", "V1")


@given(seed=st.integers(0, 10**6))
def test_relabelling_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 5, 0.3)
    name = dict(zip(REGIONS[:5], [f"r{k}" for k in rng.permutation(5)], strict=True))
    moved = nx.relabel_nodes(graph, name)
    for x, y, given_ in queries(graph):
        assert separated(graph, x, y, given_) == separated(moved, name[x], name[y], [name[node] for node in given_])


def test_a_latent_common_cause_is_the_acyclified_graphs():
    """Asked of the acyclified graph itself, d-separation gives what sigma-separation gives of the ring."""
    plain = acyclified(RING)
    for x, y, given_ in queries(RING):
        assert separated(plain, x, y, given_, criterion="d") == separated(RING, x, y, given_)


def test_nodes_may_be_numbers():
    graph = nx.from_numpy_array(np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]]), create_using=nx.DiGraph)
    assert separated(graph, 0, 2, [1]) and not separated(graph, 0, 2)
    with pytest.raises(lc.InputError, match="Unknown region or input '7'"):
        separated(graph, 0, 7)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: separated(RING, "x", "C"), "Unknown region or input 'x'"),
        (lambda: separated(RING, "X", "C", criterion="delta"), "must be one of"),
        (lambda: separated(RING, "X", "C", ["C"]), "'C' is in two of them"),
        (lambda: separated(RING, [], "C"), "is empty"),
        (lambda: separated(RING, ("X", 0), "C"), "only criterion='unrolled' knows"),
        (lambda: separated(with_caused_input(), "A", "B"), "an input, which nothing acts on"),
    ],
)
def test_bad_questions_are_refused_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call()


def with_caused_input():
    graph = nx.DiGraph([("A", "u"), ("A", "B")])
    graph.nodes["u"]["kind"] = "input"
    return graph
