"""Implied independences hold in data of the graph, and data of another graph refute it."""

from itertools import combinations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests
from strategies import REGIONS, made_fit

import ltc_causal as lc
from ltc_causal.causal.independence import check_independences, holm, implied_independences
from ltc_causal.causal.separation import separated

RING = nx.DiGraph([("V1", "V5"), ("V5", "SPC"), ("SPC", "FEF"), ("FEF", "V1")])
CHAIN = nx.DiGraph([("V1", "V5"), ("V5", "SPC")])


def equilibria(graph, samples, seed, strength=0.7):
    """x = B x + e, a row a sample."""
    rng, names = np.random.default_rng(seed), list(graph)
    B = np.zeros((len(names), len(names)))
    for source, target in graph.edges:
        B[names.index(target), names.index(source)] = strength
    return pd.DataFrame(rng.normal(size=(samples, len(names))) @ np.linalg.inv(np.eye(len(names)) - B).T, columns=names)


def course(graph, samples, seed, step=0.3):
    """x_t+1 = F x_t + w, a row a slice."""
    rng, names = np.random.default_rng(seed), list(graph)
    F = 0.5 * np.eye(len(names))
    for source, target in graph.edges:
        F[names.index(target), names.index(source)] = step
    x = np.zeros((samples, len(names)))
    noise = rng.normal(size=x.shape)
    for t in range(1, samples):
        x[t] = F @ x[t - 1] + noise[t]
    return lc.TimeSeries(x, 1.0, tuple(names))


@pytest.mark.parametrize("criterion", ["d", "sigma"])
@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_every_pair_that_can_be_separated_is_listed_with_a_set_that_cannot_be_smaller(criterion, seed, n):
    rng = np.random.default_rng(seed)
    graph = nx.DiGraph((a, b) for a in REGIONS[:n] for b in REGIONS[:n] if a != b and rng.random() < 0.35)
    graph.add_nodes_from(REGIONS[:n])
    listed = {frozenset((claim.x, claim.y)): claim for claim in implied_independences(graph, criterion=criterion)}
    for x, y in combinations(REGIONS[:n], 2):
        others = [node for node in REGIONS[:n] if node not in (x, y)]
        sets = [set(some) for size in range(n - 1) for some in combinations(others, size)]
        separating = [some for some in sets if separated(graph, x, y, some, criterion=criterion)]
        assert (frozenset((x, y)) in listed) == bool(separating)
        if separating:
            chosen = set(listed[frozenset((x, y))].given)
            assert chosen in separating and not any(some < chosen for some in separating)


def test_a_ring_claims_independences_only_if_linear():
    assert implied_independences(RING) == ()
    pairs = {frozenset((claim.x, claim.y)) for claim in implied_independences(RING, criterion="d")}
    assert pairs == {frozenset(("V1", "SPC")), frozenset(("V5", "FEF"))}


def test_in_time_each_absent_edge_is_a_claim():
    claims = implied_independences(CHAIN, criterion="unrolled")
    lagged = {(claim.x[0], claim.y[0]) for claim in claims if claim.x[1] == 0}
    assert lagged == {(a, b) for a in CHAIN for b in CHAIN if a != b} - set(CHAIN.edges)
    for claim in claims:
        assert separated(CHAIN, claim.x, claim.y, claim.given, criterion="unrolled")
    assert str(claims[-1]) == "V5 at 1 and SPC at 1 are independent given V1 at 0, V5 at 0, SPC at 0"


@pytest.mark.parametrize(
    ("data", "criterion"),
    [
        (equilibria(RING, 2000, seed=1), "d"),
        (equilibria(CHAIN, 2000, seed=2), "sigma"),
        (course(CHAIN, 2000, seed=3), "unrolled"),
        (course(RING, 2000, seed=4), "unrolled"),
    ],
)
def test_data_of_the_graph_keep_to_it_and_of_another_do_not(data, criterion):
    names = data.regions if isinstance(data, lc.TimeSeries) else data.columns
    right, wrong = (RING, CHAIN)[len(names) == 3], nx.DiGraph()
    wrong.add_nodes_from(names)
    assert check_independences(right, data, criterion=criterion)["holds"].all()
    assert not check_independences(wrong, data, criterion=criterion)["holds"].all()


def test_p_values_are_those_of_the_regression():
    """The t-test of a coefficient in statsmodels is the test of the partial correlation."""
    data = equilibria(CHAIN, 50, seed=5)
    row = check_independences(CHAIN, data).iloc[0]
    ols = sm.OLS(data["SPC"], sm.add_constant(data[["V1", "V5"]])).fit()
    assert (row["x"], row["y"], row["given"]) == ("V1", "SPC", ("V5",))
    assert row["p"] == pytest.approx(ols.pvalues["V1"]) and row["correlation"] * ols.tvalues["V1"] > 0


def test_p_values_are_uniform_under_the_graph():
    p = [check_independences(CHAIN, equilibria(CHAIN, 30, seed=seed))["p"][0] for seed in range(400)]
    assert np.mean(np.array(p) < 0.1) == pytest.approx(0.1, abs=0.045)  # 3 standard errors


@pytest.mark.parametrize("p", [[0.04, 0.01, 0.04, 0.5], [1.0, 0.001], [0.03]])
def test_holm_is_that_of_statsmodels(p):
    np.testing.assert_allclose(holm(np.array(p)), multipletests(p, method="holm")[1])


def test_inputs_are_conditioned_on_and_need_a_column():
    graph = lc.causal_graph(made_fit())
    claims = implied_independences(graph)
    assert {(claim.x, claim.y) for claim in claims} == {("V1", "SPC"), ("photic", "SPC"), ("motion", "SPC")}
    assert all({"photic", "motion"} <= {claim.x, *claim.given} for claim in claims)
    data = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 4)), columns=["V1", "V5", "SPC", "photic"])
    with pytest.raises(lc.InputError, match="Unknown column 'motion'"):
        check_independences(graph, data)
    table = check_independences(graph, data.assign(motion=1.0))
    assert table.set_index("x")["p"].isna().to_dict() == {"V1": False, "photic": False, "motion": True} and table["holds"].dtype == bool


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: check_independences(CHAIN, equilibria(CHAIN, 3, seed=0)), "takes more than 3 rows, but the data have 3"),
        (lambda: check_independences(CHAIN, equilibria(CHAIN, 9, seed=0) * np.nan), "NaN or infinite"),
        (lambda: check_independences(CHAIN, equilibria(CHAIN, 9, seed=0), level=5), "between 0 and 1, got 5"),
        (lambda: implied_independences(CHAIN, criterion="m"), "must be one of"),
    ],
)
def test_bad_questions_are_refused_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call()
