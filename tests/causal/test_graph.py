"""The causal graph: one edge an ordered pair, the right way round, with the posterior's uncertainty."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import couplings, made_fit, three_regions

import ltc_causal as lc
from ltc_causal.causal.graph import edge_frame
from ltc_causal.core.reduction import Certificate
from ltc_causal.core.result import Status
from ltc_causal.core.trained import Ensemble, TrainedNetwork, TrainingHistory, TrainingStatus

FIT = made_fit(sd=0.1)


def test_edges_run_from_source_to_target():
    coupling = lc.Coupling([[-0.5, 0], [0.4, -0.6]], np.zeros((1, 2, 2)), [[0.2], [0]], ("V1", "V5"), ("photic",))
    graph = lc.causal_graph(coupling)
    assert set(graph.edges) == {("V1", "V5"), ("photic", "V1")}
    assert graph["V1"]["V5"]["weight"] == 0.4 and graph["V1"]["V5"]["kind"] == "intrinsic"
    assert graph["photic"]["V1"]["weight"] == 0.2 and graph["photic"]["V1"]["kind"] == "driving"
    assert graph.nodes["V1"]["self_coupling"] == -0.5
    assert nx.number_of_selfloops(graph) == 0


@given(coupling=couplings(density=0.5), seed=st.integers(0, 1000))
def test_weights_are_the_coupling_under_the_inputs(coupling, seed):
    u = dict(zip(coupling.inputs, np.random.default_rng(seed).normal(size=len(coupling.inputs)), strict=True))
    graph, at = lc.causal_graph(coupling, inputs=u), coupling.at(u)
    for i, target in enumerate(coupling.regions):
        assert graph.nodes[target]["self_coupling"] == pytest.approx(at[i, i])
        for j, source in enumerate(coupling.regions):
            exists = i != j and (coupling.A[i, j] != 0 or coupling.B[:, i, j].any())
            assert graph.has_edge(source, target) == exists
            if exists:
                edge = graph[source][target]
                assert edge["weight"] == pytest.approx(at[i, j], abs=1e-14)
                assert edge["sign"] == np.sign(edge["weight"])
                assert edge["modulated_by"] == {name: coupling.B[k, i, j] for k, name in enumerate(coupling.inputs) if coupling.B[k, i, j]}
        for k, name in enumerate(coupling.inputs):
            assert graph.has_edge(name, target) == (coupling.C[i, k] != 0)
    assert set(graph) == {*coupling.regions, *coupling.inputs}


@pytest.mark.parametrize("inputs", [None, {"motion": 1.0}, {"motion": -2.0, "photic": 3.0}])
def test_uncertainty_is_that_of_draws_from_the_joint_posterior(inputs):
    draws = FIT.coupling_posterior.sample(40000, seed=1)
    column = {name: draws[:, i] for i, name in enumerate(FIT.coupling_posterior.names)}
    graph = lc.causal_graph(FIT, inputs=inputs)
    motion = (inputs or {}).get("motion", 0.0)
    weight = column["A[V1->V5]"] + motion * column["B[motion: V1->V5]"]
    edge = graph["V1"]["V5"]
    assert edge["weight"] == pytest.approx(weight.mean(), abs=5 * weight.std() / 200)
    assert edge["sd"] == pytest.approx(weight.std(), rel=0.03)
    assert edge["probability"] == pytest.approx(max((weight > 0).mean(), (weight < 0).mean()), abs=0.01)
    assert edge["modulated_by"] == {"motion": pytest.approx(0.3)}
    assert graph["photic"]["V1"]["sd"] == pytest.approx(column["C[photic->V1]"].std(), rel=0.03)


def test_covariance_between_parts_counts():
    """A and B that vary against each other leave their sum certain."""
    names = ("A[V1->V5]", "B[photic: V1->V5]")
    B = np.zeros((1, 2, 2))
    B[0, 1, 0] = 0.1
    coupling = lc.Coupling([[-0.5, 0], [0.4, -0.6]], B, np.zeros((2, 1)), ("V1", "V5"), ("photic",))
    posterior = lc.Gaussian(names, np.array([0.4, 0.1]), np.array([[1.0, -1.0], [-1.0, 1.0]]))
    reduction = lc.Reduction(coupling, posterior, None)
    assert lc.causal_graph(reduction)["V1"]["V5"]["sd"] == pytest.approx(1.0)
    certain = lc.causal_graph(reduction, inputs={"photic": 1.0})["V1"]["V5"]
    assert certain["sd"] == pytest.approx(0.0, abs=1e-7) and certain["probability"] == 1.0


def test_an_input_that_only_modulates_is_a_node():
    graph = lc.causal_graph(FIT)
    assert graph.nodes["motion"]["kind"] == "input" and graph.degree("motion") == 0


def test_self_modulation_is_at_the_node():
    graph = lc.causal_graph(
        made_fit(three_regions(modulatory={"motion": [("V1", "V1")]}), {"B[motion: V1->V1]": 0.4, "C[photic->V1]": 2.0})
    )
    # J_ii = -exp(a)/2 (1 + u b + ...): at the prior mean a = 1/128.
    assert graph.nodes["V1"]["self_modulated_by"] == {"motion": pytest.approx(-0.2 * np.exp(1 / 128))}
    assert graph.nodes["V5"]["self_modulated_by"] == {}
    assert not graph.has_edge("V1", "V1")


def test_filters_keep_what_they_say():
    everything = lc.causal_graph(FIT)
    for threshold in (0.6, 0.95, 0.9999):
        kept = lc.causal_graph(FIT, probability=threshold)
        assert set(kept.edges) == {(s, t) for s, t, p in everything.edges(data="probability") if p >= threshold}
        assert set(kept) == set(everything)
    strong = lc.causal_graph(FIT, minimum=0.3)
    assert set(strong.edges) == {(s, t) for s, t, w in everything.edges(data="weight") if abs(w) >= 0.3}
    assert 0 < strong.number_of_edges() < everything.number_of_edges()


def test_a_bare_coupling_has_no_uncertainty():
    graph = lc.causal_graph(FIT.coupling)
    assert all("sd" not in edge and "probability" not in edge for _, _, edge in graph.edges(data=True))
    with pytest.raises(lc.InputError, match="no uncertainty"):
        lc.causal_graph(FIT.coupling, probability=0.95)


def test_gating_is_an_attribute():
    D = np.zeros((3, 3, 3))
    D[2, 1, 0] = 0.7
    coupling = lc.Coupling(-np.eye(3), np.zeros((0, 3, 3)), np.zeros((3, 0)), ("V1", "V5", "SPC"), (), D)
    edge = lc.causal_graph(coupling)["V1"]["V5"]
    assert edge["gated_by"] == {"SPC": 0.7} and edge["weight"] == 0.0 and edge["sign"] == 0


def test_attributes_are_plain_python():
    for _, _, edge in lc.causal_graph(FIT, inputs={"motion": 1.0}).edges(data=True):
        assert {type(value) for value in edge.values()} <= {str, int, float, dict}
        assert all(type(value) is float for value in edge["modulated_by"].values())


@given(coupling=couplings(density=0.5), seed=st.integers(0, 1000))
def test_relabelled_regions_give_the_relabelled_graph(coupling, seed):
    order = np.random.default_rng(seed).permutation(len(coupling.regions))
    B = coupling.B[:, order][:, :, order]
    moved = lc.Coupling(coupling.A[np.ix_(order, order)], B, coupling.C[order], tuple(coupling.regions[i] for i in order), coupling.inputs)
    assert dict(lc.causal_graph(moved).edges) == dict(lc.causal_graph(coupling).edges)


def test_a_state_shows_gating_in_force():
    D = np.zeros((3, 3, 3))
    D[2, 1, 0], D[2, 1, 1] = 0.7, -0.1
    coupling = lc.Coupling(-np.eye(3), np.zeros((0, 3, 3)), np.zeros((3, 0)), ("V1", "V5", "SPC"), (), D)
    posterior = lc.Gaussian(("A[V1->V5]", "D[SPC: V1->V5]"), np.array([0.0, 0.7]), np.array([[0.04, 0.01], [0.01, 0.09]]))
    graph = lc.causal_graph(lc.Reduction(coupling, posterior, None), state={"SPC": 2.0})
    edge = graph["V1"]["V5"]
    assert edge["weight"] == pytest.approx(1.4) and edge["sd"] == pytest.approx((0.04 + 2 * 2 * 0.01 + 4 * 0.09) ** 0.5)
    assert graph.nodes["V5"]["self_coupling"] == pytest.approx(-1.2) and graph.nodes["V5"]["self_gated_by"] == {"SPC": -0.1}
    assert graph.graph["state"] == {"SPC": 2.0}


def test_self_couplings_have_their_sd():
    graph = lc.causal_graph(FIT)
    marginal = FIT.coupling_posterior.marginal(["A[V5->V5]"])
    assert graph.nodes["V5"]["self_sd"] == pytest.approx(marginal.sd[0]) and graph.nodes["V5"]["self_coupling"] == pytest.approx(
        marginal.mean[0]
    )


def reduction(residual):
    """Refused if its residual is above 1."""
    empty = np.zeros((0, 2))
    certificate = Certificate(residual, empty, 0.1, empty, 0.1, {}, empty, empty, "Taylor", "rest", (), "Not to be trusted.")
    coupling = lc.Coupling([[-1, 0], [0.5, -1]], np.zeros((0, 2, 2)), np.zeros((2, 0)), ("V1", "V5"), ())
    posterior = lc.Gaussian(("A[V1->V5]",), np.array([0.5]), np.array([[0.01]]))
    return lc.Reduction(coupling, posterior, certificate, constant=np.array([0.1, 0.0]))


def test_caution_is_passed_on_and_only_where_it_is_due():
    assert lc.causal_graph(reduction(1.5)).graph["caution"] == "Not to be trusted."
    assert "caution" not in lc.causal_graph(reduction(0.1)).graph
    assert "caution" not in lc.causal_graph(FIT).graph
    assert "Not converged" in lc.causal_graph(made_fit(status=Status.MAXIMUM_ITERATIONS)).graph["caution"]
    assert lc.causal_graph(reduction(0.1)).nodes["V1"]["constant"] == 0.1


class Made:
    """A network of two regions whose parameter is its coupling V1 -> V5."""

    def system(self, theta, echo_time):
        coupling = lc.Coupling([[-1, 0], [theta[0, 0], -1]], np.zeros((0, 2, 2)), np.zeros((2, 0)), ("V1", "V5"), ())
        return type("System", (), {"coupling": lambda self: coupling})()


def test_a_trained_networks_edges_have_its_ensembles_spread():
    members = np.array([[0.5], [0.3], [-0.1]])
    ensemble = Ensemble(("w",), members, np.array([0.5, 0.3, 0.2]), np.zeros((0, 1)))
    none = np.zeros((0, 3))
    trained = TrainedNetwork(
        Made(), FIT.sessions, ensemble, TrainingStatus.CONVERGED, TrainingHistory(none, none, none, none), np.zeros(3), 0.0, 0
    )
    edge = lc.causal_graph(trained)["V1"]["V5"]
    mean = 0.5 * 0.5 + 0.3 * 0.3 - 0.2 * 0.1
    assert edge["weight"] == 0.5 and edge["probability"] == pytest.approx(0.8, abs=0.08)
    assert edge["sd"] == pytest.approx((0.5 * 0.25 + 0.3 * 0.09 + 0.2 * 0.01 - mean**2) ** 0.5, rel=0.15)
    assert not lc.causal_graph(trained, probability=0.95).edges


def test_the_table_of_edges_holds_what_the_graph_does():
    graph = lc.causal_graph(FIT, inputs={"motion": 1.0})
    table = edge_frame(graph).set_index(["source", "target"])
    assert set(table.index) == set(graph.edges)
    for pair in graph.edges:
        for name in ("kind", "weight", "sd", "probability", "sign", "unit"):
            assert table.loc[pair, name] == graph.edges[pair][name]
    assert table["modulated_by_motion"].dropna().to_dict() == {("V1", "V5"): graph["V1"]["V5"]["modulated_by"]["motion"]}
    assert edge_frame(nx.DiGraph()).empty


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: lc.causal_graph(FIT, inputs={"motoin": 1.0}), "did you mean 'motion'"),
        (lambda: lc.causal_graph(FIT, probability=95), "between 0 and 1, got 95"),
        (lambda: lc.causal_graph("fit"), "needs a Fit, a Reduction or a Coupling, got str"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call()
