"""Questions of structure against what the system itself does: an effect appears, changes or stays zero."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import REGIONS, couplings, made_fit, stable_matrix, three_regions

import ltc_causal as lc
from ltc_causal.causal.query import ancestors, children, descendants, input_targets, mediators, parents, strongly_connected_parts, structure

GRAPH = lc.causal_graph(made_fit())


def plain(A):
    n = len(A)
    return lc.Coupling(A, np.zeros((0, n, n)), np.zeros((n, 0)), REGIONS[:n], ())


def gated():
    """V1 -> V5 gated by SPC and modulated by motion, with motion on V1's decay; photic drives V1."""
    A, B, C, D = -np.eye(3), np.zeros((2, 3, 3)), np.zeros((3, 2)), np.zeros((3, 3, 3))
    A[1, 0], B[1, 1, 0], B[1, 0, 0], C[0, 0], D[2, 1, 0] = 0.5, 0.3, -0.2, 1.0, 0.7
    return lc.Coupling(A, B, C, REGIONS[:3], ("photic", "motion"), D)


def test_parents_are_what_the_flow_depends_on():
    """Against the flow of the system: who changes dx_i/dt."""
    coupling, rng = gated(), np.random.default_rng(0)
    graph = lc.causal_graph(coupling)

    def flow(x, u):
        return coupling.at(dict(zip(coupling.inputs, u, strict=True)), dict(zip(coupling.regions, x, strict=True))) @ x + coupling.C @ u

    x, u = rng.normal(size=3), rng.normal(size=2)
    names = (*coupling.regions, *coupling.inputs)
    for k, name in enumerate(names):
        moved = np.concatenate([x, u])
        moved[k] += 0.1
        changed = {region for region, d in zip(coupling.regions, flow(moved[:3], moved[3:]) - flow(x, u), strict=True) if d} - {name}
        assert set(children(graph, name)) == changed
    assert (
        parents(graph, "V5") == ("V1", "SPC", "motion") and parents(graph, "V1") == ("photic", "motion") and parents(graph, "photic") == ()
    )


@given(coupling=couplings(density=0.3))
def test_ancestors_and_descendants_are_who_has_an_effect(coupling):
    graph = lc.causal_graph(coupling)
    everything = {name: 0.1 for name in coupling.inputs}  # so that what modulates acts
    for source in graph:
        for target in coupling.regions:
            if source != target:
                path = nx.has_path(structure(graph), source, target)
                assert (target in descendants(graph, source)) == (source in ancestors(graph, target)) == path
                effect = lc.total_effect(coupling, source, target, inputs=everything)
                if not path:
                    assert effect.value == 0.0
                elif source in coupling.regions and effect.value is not None:
                    assert effect.value != 0.0


@given(seed=st.integers(0, 10**6), n=st.integers(3, 5))
def test_mediators_are_those_whose_holding_changes_the_effect(seed, n):
    """With what the target sends out cut, so that its own feedback counts to no mediator."""
    A = stable_matrix(np.random.default_rng(seed), n, density=0.4)
    graph = lc.causal_graph(plain(A))
    A[:, 1] = np.where(np.arange(n) == 1, A[:, 1], 0)
    total = lc.total_effect(plain(A), "V1", "V5").value
    for region in REGIONS[2:n]:
        held = A.copy()
        held[REGIONS.index(region)] = np.where(np.arange(n) == REGIONS.index(region), -1, 0)
        changed = abs(lc.total_effect(plain(held), "V1", "V5").value - total) > 1e-12
        assert (region in mediators(graph, "V1", "V5")) == changed


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_parts_are_those_that_reach_one_another_upstream_first(seed, n):
    A = stable_matrix(np.random.default_rng(seed), n, density=0.3)
    reach = np.linalg.matrix_power((A != 0) | np.eye(n, dtype=bool), n) > 0
    parts = strongly_connected_parts(lc.causal_graph(plain(A)))
    assert sorted(region for part in parts for region in part) == sorted(REGIONS[:n])
    place = {region: k for k, part in enumerate(parts) for region in part}
    for i, target in enumerate(REGIONS[:n]):
        for j, source in enumerate(REGIONS[:n]):
            assert (place[source] == place[target]) == (reach[i, j] and reach[j, i])
            assert not reach[i, j] or place[source] <= place[target]


def test_what_an_input_does():
    table = input_targets(lc.causal_graph(gated(), inputs={"motion": 2.0}), "motion")
    assert table.values.tolist() == [["modulates", "V1", "V5", 0.3], ["modulates decay", "V1", "V1", -0.2]]
    assert input_targets(GRAPH, "photic").values.tolist() == [["drives", "photic", "V1", pytest.approx(0.375)]]
    self_modulated = made_fit(three_regions(modulatory={"motion": [("V1", "V1")]}), {"B[motion: V1->V1]": 0.4, "C[photic->V1]": 2.0})
    assert input_targets(lc.causal_graph(self_modulated), "motion")["kind"].tolist() == ["modulates decay"]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: parents(GRAPH, "V11"), "did you mean 'V1'"),
        (lambda: mediators(GRAPH, "V1", "V1"), "two different nodes"),
        (lambda: input_targets(GRAPH, "V1"), "Unknown input 'V1'"),
    ],
)
def test_bad_questions_are_refused_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call()
