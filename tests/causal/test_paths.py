"""Path effects and loop gains against the inverse, a second formula by successive removal, closed forms, and draws."""

from itertools import pairwise, permutations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import INPUTS, REGIONS, couplings, made_fit, stable_matrix

import ltc_causal as lc
from ltc_causal.causal.linear import graph_coupling
from ltc_causal.causal.paths import feedback_loops, path_effects

FIT = made_fit(sd=0.05)


def plain(A, C=None):
    n = len(A)
    C = np.zeros((n, 1)) if C is None else np.asarray(C, dtype=float)
    return lc.Coupling(A, np.zeros((C.shape[1], n, n)), C, REGIONS[:n], INPUTS[: C.shape[1]])


def barely_stable(rng, n, density=0.7):
    """Stable, but often with a spectral radius of B above 1, so that the series over walks diverges; some A_ii may be positive."""
    A = rng.normal(size=(n, n)) * (rng.random((n, n)) < density)
    return A - (np.linalg.eigvals(A).real.max() + 0.3) * np.eye(n)


def by_removal(A, nodes, clamped):
    """w(p) times the return of each node once all before it on the path are gone (Fomin 2001): a second way to the same number."""
    M = -A
    rest, effect = list(range(len(A))), 1.0
    for k, node in enumerate(nodes):
        if not (clamped and k == 0):
            effect *= np.linalg.inv(M[np.ix_(rest, rest)])[rest.index(node), rest.index(node)]
        rest.remove(node)
    return effect * np.prod([A[target, source] for source, target in pairwise(nodes)])


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_drives_split_into_paths_that_add_up_to_the_inverse(seed, n):
    """Oracle 4: columns of -A^-1, whether or not a series over walks converges."""
    A = barely_stable(np.random.default_rng(seed), n)
    C = np.zeros((n, 1))
    C[0] = 1.0
    G = -np.linalg.inv(A)
    for i in range(n):
        split = path_effects(plain(A, C), INPUTS[0], REGIONS[i])
        assert split.effects.sum() == pytest.approx(G[i, 0], rel=1e-9, abs=1e-12)
        assert split.total == pytest.approx(G[i, 0], rel=1e-9, abs=1e-12)
        for path, effect in zip(split.paths, split.effects, strict=True):
            assert effect == pytest.approx(by_removal(A, [REGIONS.index(node) for node in path[1:]], clamped=False), rel=1e-8, abs=1e-12)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_paths_from_a_region_add_up_to_its_total_effect(seed, n):
    A = stable_matrix(np.random.default_rng(seed), n, density=0.6)
    for j, i in permutations(range(n), 2):
        split = path_effects(plain(A), REGIONS[j], REGIONS[i])
        total = lc.total_effect(plain(A), REGIONS[j], REGIONS[i]).value
        assert split.effects.sum() == pytest.approx(total, abs=1e-12) and split.total == pytest.approx(total, abs=1e-12)
        assert set(split.paths) == {tuple(path) for path in nx.all_simple_paths(lc.causal_graph(plain(A)), REGIONS[j], REGIONS[i])}
        for path, effect in zip(split.paths, split.effects, strict=True):
            assert effect == pytest.approx(by_removal(A, [REGIONS.index(node) for node in path], clamped=True), rel=1e-8, abs=1e-12)
        if total:
            assert split.shares.sum() == pytest.approx(1)


@given(coupling=couplings(most_regions=4, density=0.6), seed=st.integers(0, 1000))
def test_an_inputs_paths_add_up_with_all_that_it_modulates(coupling, seed):
    rng = np.random.default_rng(seed)
    u = {name: float(value) for name, value in zip(coupling.inputs, rng.uniform(-0.3, 0.3, len(coupling.inputs)), strict=True)}
    for name, region in [(name, region) for name in coupling.inputs for region in coupling.regions]:
        split, total = path_effects(coupling, name, region, inputs=u), lc.total_effect(coupling, name, region, inputs=u).value
        assert (split.total is None) == (total is None)
        if total is not None:
            assert split.effects.sum() == pytest.approx(total, abs=1e-11)


@given(coupling=couplings(most_regions=4, density=0.6), seed=st.integers(0, 1000))
def test_a_graph_knows_its_coupling(coupling, seed):
    """`causal_graph` and back, under inputs, at a state and with gating; so that a graph's answers are its coupling's."""
    rng = np.random.default_rng(seed)
    n = len(coupling.regions)
    D = rng.normal(size=(n, n, n)) * (rng.random((n, n, n)) < 0.3)
    gated = lc.Coupling(coupling.A, coupling.B, coupling.C, coupling.regions, coupling.inputs, D)
    u = {name: float(rng.normal()) for name in coupling.inputs}
    x = {name: float(rng.normal()) for name in coupling.regions}
    graph = lc.causal_graph(gated, inputs=u, state=x)
    back = graph_coupling(graph)
    for matrix in "ABCD":
        np.testing.assert_allclose(getattr(back, matrix), getattr(gated, matrix), atol=1e-12)
    for source, target in [(coupling.regions[0], coupling.regions[1]), (coupling.inputs[0], coupling.regions[1])]:
        ours, theirs = path_effects(graph, source, target), path_effects(gated, source, target, inputs=u, state=x)
        np.testing.assert_allclose(ours.effects, theirs.effects, rtol=1e-8, atol=1e-12)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_relabelled_regions_have_the_relabelled_paths_and_loops(seed, n):
    """Oracle 10."""
    rng = np.random.default_rng(seed)
    A = stable_matrix(rng, n, density=0.6)
    order = rng.permutation(n)
    moved = lc.Coupling(A[np.ix_(order, order)], np.zeros((0, n, n)), np.zeros((n, 0)), tuple(REGIONS[k] for k in order), ())
    here, there = (path_effects(coupling, "V1", "V5") for coupling in (plain(A), moved))
    assert dict(zip(there.paths, there.effects, strict=True)) == pytest.approx(dict(zip(here.paths, here.effects, strict=True)), abs=1e-12)
    gains = [
        {frozenset(pairwise((*r, r[0]))): g for r, g in zip(f["regions"], f["gain"], strict=True)}
        for f in map(feedback_loops, (plain(A), moved))
    ]
    assert gains[0] == pytest.approx(gains[1])


def test_a_loop_beside_the_path_raises_its_effect_by_one_over_one_minus_gain():
    A = np.array([[-1.0, 0, 0], [0.6, -2, 0.5], [0, 0.8, -1]])  # V1 -> V5 <-> SPC
    split = path_effects(plain(A), "V1", "V5")
    gain = 0.8 * 0.5 / (2 * 1)
    assert split.paths == (("V1", "V5"),) and split.effects[0] == pytest.approx(0.6 / 2 / (1 - gain))
    loops = feedback_loops(plain(A))
    assert loops["loop"].tolist() == ["V5 -> SPC -> V5"] and loops["gain"][0] == pytest.approx(gain) and loops["kind"][0] == "reinforcing"


def test_shares_of_two_ways():
    A = np.array([[-1.0, 0, 0], [0.5, -1, 0], [0.3, -0.4, -1]])
    split = path_effects(lc.causal_graph(plain(A)), "V1", "SPC")
    assert split.paths == (("V1", "SPC"), ("V1", "V5", "SPC"))
    np.testing.assert_allclose(split.shares, [3.0, -2.0])
    short = path_effects(plain(A), "V1", "SPC", longest=1)
    assert short.paths == (("V1", "SPC"),) and short.total == pytest.approx(0.1) and "together they make -0.2" in short.status


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_loop_gains_are_those_of_the_determinant(seed, n):
    """det(I - B) = 1 - sum of gains + sum over disjoint pairs - ...: the loops found are all there are, with the right gains."""
    A = stable_matrix(np.random.default_rng(seed), n, density=0.6)
    B = A / -np.diag(A)[:, None]
    np.fill_diagonal(B, 0)
    loops = feedback_loops(plain(A))

    def signed(chosen, rest):
        total = (-1) ** len(chosen) * np.prod([loops["gain"][k] for k in chosen])
        for at, k in enumerate(rest):
            if all(set(loops["regions"][k]).isdisjoint(loops["regions"][other]) for other in chosen):
                total += signed([*chosen, k], rest[at + 1 :])
        return total

    assert signed([], range(len(loops))) == pytest.approx(np.linalg.det(np.eye(n) - B), rel=1e-9)


def test_uncertainty_is_that_of_the_draws():
    split = path_effects(FIT, "V1", "SPC", draws=4000, seed=3)
    effect = lc.total_effect(FIT, "V1", "SPC", draws=4000, seed=3)
    row = split.to_frame().iloc[0]
    assert row["path"] == "V1 -> V5 -> SPC" and row["share"] == pytest.approx(1)
    assert (row["effect"], row["sd"], row["lower"], row["upper"]) == pytest.approx((effect.value, effect.sd, effect.lower, effect.upper))

    loop = feedback_loops(FIT, draws=20000, seed=1).iloc[0]
    names, draws = FIT.coupling_posterior.names, FIT.coupling_posterior.sample(20000, seed=2).T
    column = dict(zip(names, draws, strict=True))
    gain = column["A[V1->V5]"] * column["A[V5->V1]"] / (column["A[V1->V1]"] * column["A[V5->V5]"])
    assert loop["kind"] == "balancing" and loop["sd"] == pytest.approx(gain.std(), rel=0.05)
    assert loop["probability"] == pytest.approx((gain < 0).mean(), abs=0.01)


def test_no_path_is_exactly_zero_and_no_equilibrium_is_no_number():
    A = np.array([[-1.0, 0, 0], [0.5, -1, 3], [0, 3, -1]])  # V5 and SPC drive one another without bound
    none = path_effects(plain(A), "V5", "V1")
    assert none.paths == () and none.total == 0.0 and "exactly zero" in none.status
    unstable = path_effects(plain(A), "V1", "SPC")
    assert unstable.total is None and np.isnan(unstable.effects).all() and "no stable equilibrium" in unstable.status
    assert path_effects(plain(A), "V5", "SPC").total == pytest.approx(3.0)  # with V5 held, the rest is stable
    assert feedback_loops(plain(A))["gain"][0] == pytest.approx(9.0)


def test_a_region_that_grows_by_itself_has_no_loop_gain():
    A = np.array([[0.1, -1.0], [1.0, -1.0]])
    assert np.linalg.eigvals(A).real.max() < 0
    assert feedback_loops(plain(A))["kind"].tolist() == ["undefined"]
    assert path_effects(plain(A, [[1.0], [0]]), "photic", "V5").total == pytest.approx(-np.linalg.inv(A)[1, 0])


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: path_effects(FIT, "V1", "V55"), "did you mean 'V5'"),
        (lambda: path_effects(FIT, "V1", "V1"), "two different nodes"),
        (lambda: path_effects(lc.causal_graph(FIT), "V1", "V5", inputs={"motion": 1.0}), "under inputs and at a state already"),
        (lambda: path_effects(nx.DiGraph([("a", "b")]), "a", "b"), "no self_coupling"),
        (lambda: path_effects(plain(stable_matrix(np.random.default_rng(0), 6)), "V1", "V5").to_frame(2), "between 0 and 1"),
        (
            lambda: feedback_loops(lc.Coupling(np.ones((12, 12)), np.zeros((0, 12, 12)), np.zeros((12, 0)), [*"abcdefghijkl"], [])),
            "longest=3",
        ),
    ],
)
def test_bad_questions_are_refused_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call()
