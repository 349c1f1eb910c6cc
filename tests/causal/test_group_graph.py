"""The group's graph: its numbers are the group's, at any inputs, and cutting it by probability does what it says."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr
from strategies import TRUTH, made_fit, three_regions

import ltc_causal as lc
from ltc_causal.causal.group_graph import group_graph
from ltc_causal.group.peb import peb


@pytest.fixture(scope="module")
def group():
    """Every second subject has a stronger A[V1->V5] and a weaker modulation of it."""
    rng = np.random.default_rng(0)
    recording = made_fit().recording
    fits = {}
    for k in range(10):
        truth = {name: value + 0.05 * rng.normal() for name, value in TRUTH.items()}
        truth["A[V1->V5]"] += 0.3 * (k % 2)
        truth["B[motion: V1->V5]"] -= 0.3 * (k % 2)
        fits[f"s{k}"] = made_fit(truth=truth, recording=recording)
    return peb(fits, pd.DataFrame({"kind": ["control", "patient"] * 5}, index=list(fits)))


@pytest.mark.parametrize("motion", [0.0, 0.7, -1.0])
def test_edges_are_those_of_draws_of_subjects(group, motion):
    coupling = group.coupling({"kind": "patient"})
    graph = group_graph(coupling, inputs={"motion": motion})
    names = coupling.posterior.names
    a, b = names.index("A[V1->V5]"), names.index("B[motion: V1->V5]")
    factors = np.zeros(len(names))
    factors[[a, b]] = 1.0, motion
    edge = graph.edges["V1", "V5"]
    mean, sd = factors @ coupling.posterior.mean, np.sqrt(factors @ coupling.posterior.cov @ factors)
    between = np.sqrt(factors @ coupling.between @ factors)
    assert (edge["weight"], edge["sd"], edge["between_sd"]) == pytest.approx((mean, sd, between))
    assert edge["probability"] == pytest.approx(ndtr(abs(mean) / sd)) and edge["same_sign"] == pytest.approx(ndtr(abs(mean) / between))
    assert graph.nodes["V1"]["self_between_sd"] > 0
    assert graph.graph["subjects"] == 10 and graph.graph["at"] == {"kind": "patient"}


def test_the_graph_of_a_difference_has_the_connections_that_differ(group):
    difference = group.difference({"kind": "control"}, {"kind": "patient"})
    graph = group_graph(difference, probability=0.999)
    assert list(graph.edges) == [("V1", "V5")]
    edge = graph.edges["V1", "V5"]
    assert edge["weight"] == pytest.approx(group.effect("kind[patient]").mean[group.parameters.index("A[V1->V5]")])
    assert edge["modulated_by"]["motion"] < -0.1 and "between_sd" not in edge
    assert graph.graph["second"] == {"kind": "patient"}
    # Under motion the stronger connection and the weaker modulation cancel.
    assert not group_graph(difference, probability=0.999, inputs={"motion": 1.0}).edges


def test_what_is_no_group_is_refused():
    with pytest.raises(lc.InputError, match="needs a group's coupling or difference, got DCM"):
        group_graph(three_regions())
