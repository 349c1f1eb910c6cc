"""Adjustment sets: the coefficient that they give, from the exact covariance of a random system, is the effect of intervening."""

from itertools import combinations, permutations, product

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import solve_discrete_lyapunov
from strategies import REGIONS, made_fit, stable_matrix

import ltc_causal as lc
from ltc_causal.causal.adjustment import adjustment_sets


def random_system(rng, n, density, cycles=True):
    """Equilibrium coefficients B (target, source) and the graph."""
    B = rng.choice([-1, 1], (n, n)) * rng.uniform(0.3, 0.9, (n, n)) * (rng.random((n, n)) < density)
    np.fill_diagonal(B, 0)
    if not cycles:
        B = np.tril(B)
    graph = nx.DiGraph()
    graph.add_nodes_from(REGIONS[:n])
    graph.add_edges_from((REGIONS[j], REGIONS[i]) for i, j in np.argwhere(B))
    return B, graph


def coefficient(covariance, target, source, given_):
    """Of the source, when the target is regressed on the source and others."""
    on = [source, *given_]
    return np.linalg.solve(covariance[np.ix_(on, on)], covariance[on, target])[0]


def held(B, source, target):
    """The effect at equilibrium of holding the source: its equation dropped."""
    rest = [k for k in range(len(B)) if k != source]
    return np.linalg.solve(np.eye(len(rest)) - B[np.ix_(rest, rest)], B[rest, source])[rest.index(target)]


@pytest.mark.parametrize("cycles", [False, True])
@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_every_set_gives_the_effect_and_no_smaller_one_is_missed(cycles, seed, n):
    """Exact covariance (I - B)^-1 Omega (I - B)^-T. With cycles, too: what feeds back elsewhere does no harm (Forre and Mooij 2020)."""
    rng = np.random.default_rng(seed)
    B, graph = random_system(rng, n, 0.35 if cycles else 0.6, cycles)
    mixing = np.linalg.inv(np.eye(n) - B)
    covariance = mixing @ np.diag(rng.uniform(0.5, 2, n)) @ mixing.T
    for j, i in permutations(range(n), 2):
        found = adjustment_sets(graph, REGIONS[j], REGIONS[i])
        truth = held(B, j, i)
        for chosen in found.sets:
            assert coefficient(covariance, i, j, [REGIONS.index(node) for node in chosen]) == pytest.approx(truth, abs=1e-9)
        if not cycles:  # where no subset of what the source does not affect gives it, none is claimed; where one does, one is found
            below = nx.descendants(graph, REGIONS[j])
            candidates = [k for k in range(n) if k not in (i, j) and REGIONS[k] not in below]
            subsets = [set(some) for size in range(len(candidates) + 1) for some in combinations(candidates, size)]
            good = [some for some in subsets if abs(coefficient(covariance, i, j, sorted(some)) - truth) < 1e-10]
            least = {frozenset(REGIONS[k] for k in some) for some in good if not any(other < some for other in good)}
            if nx.has_path(graph, REGIONS[j], REGIONS[i]) or REGIONS[i] not in nx.ancestors(graph, REGIONS[j]):
                assert set(found.sets) == least


@given(seed=st.integers(0, 10**6), n=st.integers(2, 4), lag=st.integers(1, 3))
def test_in_time_slices_the_coefficient_is_a_pulses_effect(seed, n, lag):
    """x_t+1 = F x_t + w: the effect of x_j at t on x_i at t + lag is [F^lag]_ij, though all are in feedback."""
    rng = np.random.default_rng(seed)
    A = stable_matrix(rng, n, density=0.6)
    F = np.eye(n) + 0.6 * A / np.abs(A).sum(axis=1).max()
    S = solve_discrete_lyapunov(F, np.diag(rng.uniform(0.5, 2, n)))
    graph = lc.causal_graph(lc.Coupling(A, np.zeros((0, n, n)), np.zeros((n, 0)), REGIONS[:n], ()))
    for j, i in product(range(n), repeat=2):
        found = adjustment_sets(graph, (REGIONS[j], 0), (REGIONS[i], lag), criterion="unrolled")
        assert len(found.sets) == 1
        nodes = [(REGIONS[i], lag), (REGIONS[j], 0), *found.sets[0]]
        covariance = np.array([[lagged(F, S, a, b) for b in nodes] for a in nodes])
        truth = np.linalg.matrix_power(F, lag)[i, j]
        assert coefficient(covariance, 0, 1, range(2, len(nodes))) == pytest.approx(truth, abs=1e-9)


def lagged(F, S, a, b):
    """Stationary covariance of two (region, time) nodes."""
    (x, s), (y, t) = a, b
    late = np.linalg.matrix_power(F, abs(s - t)) @ S
    return late[REGIONS.index(x), REGIONS.index(y)] if s >= t else late[REGIONS.index(y), REGIONS.index(x)]


def test_simulated_data_give_the_effect_back():
    rng = np.random.default_rng(0)
    e = rng.normal(size=(20000, 3))
    confounder = e[:, 0]
    cause = 0.8 * confounder + e[:, 1]
    effect = 0.5 * cause - 0.9 * confounder + e[:, 2]
    found = adjustment_sets(nx.DiGraph([("V1", "V5"), ("V1", "SPC"), ("V5", "SPC")]), "V5", "SPC")
    assert found.sets == (frozenset({"V1"}),) and str(found) == "Adjust for {V1} to read V5 -> SPC off the data."
    weights = np.linalg.lstsq(np.column_stack([cause, confounder]), effect, rcond=None)[0]
    assert weights[0] == pytest.approx(0.5, abs=0.03)
    assert np.polyfit(cause, effect, 1)[0] < 0.2  # unadjusted, it is missed


def test_none_is_said_plainly():
    loop = nx.DiGraph([("V1", "V5"), ("V5", "V1"), ("V5", "SPC")])
    none = adjustment_sets(loop, "V1", "V5")
    assert not none.exists and "V1 is in feedback" in str(none)
    assert adjustment_sets(loop, "V5", "SPC").sets == (frozenset(),)  # the feedback lies before V5
    hidden = nx.DiGraph([("V1", "V5"), ("V1", "SPC"), ("V5", "SPC")])
    unseen = adjustment_sets(hidden, "V5", "SPC", observed=["V5", "SPC"])
    assert not unseen.exists and "was not observed" in str(unseen)
    hidden.nodes["V1"]["kind"] = "latent"
    assert not adjustment_sets(hidden, "V5", "SPC").exists


def test_a_regions_own_past_is_adjusted_for_and_said_in_words():
    found = adjustment_sets(nx.DiGraph([("V1", "V5")]), ("V1", 0), ("V5", 1), criterion="unrolled")
    assert str(found) == "Adjust for {V1 at -1} to read V1 at 0 -> V5 at 1 off the data."


def test_inputs_are_held_fixed_and_can_be_the_cause():
    graph = lc.causal_graph(made_fit())
    needs_no_more = adjustment_sets(graph, "photic", "SPC")
    assert needs_no_more.sets == (frozenset(),) and needs_no_more.fixed == {"motion"}
    assert adjustment_sets(graph, "V5", "SPC").fixed == {"photic", "motion"}


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda graph: adjustment_sets(graph, "V1", "V2"), "Unknown region or input 'V2'"),
        (lambda graph: adjustment_sets(graph, "V1", "V1"), "two different nodes"),
        (lambda graph: adjustment_sets(graph, "V1", "V5", observed=["V1"]), "'V5' is not among the observed"),
        (lambda graph: adjustment_sets(graph, "V1", "V5", criterion="unrolled"), "needs .name, time. pairs"),
        (lambda graph: adjustment_sets(graph, ("V1", 1), ("V5", 1), criterion="unrolled"), "must come after"),
        (lambda graph: adjustment_sets(graph, "V1", "photic"), "which nothing acts on"),
    ],
)
def test_bad_questions_are_refused_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call(lc.causal_graph(made_fit()))
