"""The coupling: its equation, its names, row = target, and the delta method."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import couplings, gaussians

import ltc_causal as lc
from ltc_causal.core.coupling import connection_mask, coupling_posterior, edge_name, nonzero_entries


def two_regions():
    A, B = np.array([[-0.5, 0.0], [0.4, -0.6]]), np.array([[[0, 0], [0.3, 0.0]]])
    return lc.Coupling(A, B, np.array([[0.2], [0.0]]), ("V1", "V5"), ("photic",))


def test_row_is_target_and_column_is_source():
    coupling = two_regions()
    assert coupling.edge("V1", "V5") == 0.4 and coupling.edge("V5", "V1") == 0.0
    assert coupling.edge("V1", "V5", inputs={"photic": 2.0}) == pytest.approx(1.0)
    assert coupling.edge("photic", "V1") == 0.2


@given(coupling=couplings(), seed=st.integers(0, 1000))
def test_at_is_the_sum_that_the_equation_says(coupling, seed):
    rng = np.random.default_rng(seed)
    u = rng.normal(size=len(coupling.inputs))
    at = coupling.at(dict(zip(coupling.inputs, u, strict=True)))
    expected = coupling.A.copy()
    for k, value in enumerate(u):
        expected += value * coupling.B[k]
    assert np.allclose(at, expected, atol=1e-14)
    for i, target in enumerate(coupling.regions):
        for j, source in enumerate(coupling.regions):
            assert coupling.edge(source, target, dict(zip(coupling.inputs, u, strict=True))) == at[i, j]


def test_gating_follows_activity():
    D = np.zeros((2, 2, 2))
    D[0, 1, 0] = 3.0  # V1 gates V1 -> V5
    coupling = lc.Coupling(np.zeros((2, 2)), np.zeros((0, 2, 2)), np.zeros((2, 0)), ("V1", "V5"), (), D)
    assert coupling.at(state={"V1": 0.5})[1, 0] == 1.5


@given(coupling=couplings())
def test_table_holds_every_nonzero_entry_once(coupling):
    frame = coupling.to_frame()
    assert len(frame) == sum(np.count_nonzero(getattr(coupling, matrix)) for matrix in "ABCD")
    for row in frame.itertuples():
        i = coupling.regions.index(row.target)
        match row.matrix:
            case "A":
                expected = coupling.A[i, coupling.regions.index(row.source)]
            case "B":
                expected = coupling.B[coupling.inputs.index(row.by), i, coupling.regions.index(row.source)]
            case "C":
                expected = coupling.C[i, coupling.inputs.index(row.source)]
        assert row.value == expected


def test_names_are_source_then_target():
    names = [edge_name(matrix, **names) for matrix, _, names in nonzero_entries(two_regions())]
    assert names == ["A[V1->V1]", "A[V1->V5]", "A[V5->V5]", "B[photic: V1->V5]", "C[photic->V1]"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"A": np.zeros((2, 3))}, r"Coupling.A must have shape \(2, 2\) for 2 regions and 1 inputs, got \(2, 3\)"),
        ({"B": np.zeros((2, 2, 2))}, r"Coupling.B must have shape \(1, 2, 2\)"),
        ({"C": np.zeros((1, 2))}, r"Coupling.C must have shape \(2, 1\)"),
        ({"A": np.full((2, 2), np.nan)}, "Coupling.A must be finite"),
        ({"regions": ("V1", "V1")}, "'V1' occurs 2 times"),
    ],
)
def test_bad_input_is_said_in_a_sentence(changes, sentence):
    good = two_regions()
    with pytest.raises(lc.InputError, match=sentence):
        lc.Coupling(**{**{name: getattr(good, name) for name in ("A", "B", "C", "regions", "inputs")}, **changes})


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda c: c.edge("V1", "V6"), "Unknown region 'V6'"),
        (lambda c: c.edge("V2", "V5"), "Unknown region 'V2'"),
        (lambda c: c.at({"fotic": 1.0}), "Unknown input 'fotic' .* did you mean 'photic'"),
        (lambda c: c.at(state={"SPC": 1.0}), "Unknown region 'SPC'"),
    ],
)
def test_unknown_names_are_said(ask, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        ask(two_regions())


@given(mask=st.integers(0, 511))
def test_pairs_and_boolean_array_mean_the_same(mask):
    regions = ("V1", "V5", "SPC")
    array = np.array([bool(mask >> bit & 1) for bit in range(9)]).reshape(3, 3)
    pairs = [(regions[j], regions[i]) for i, j in np.argwhere(array)]
    assert np.array_equal(connection_mask("intrinsic", pairs, regions, regions), array)
    assert np.array_equal(connection_mask("intrinsic", array, regions, regions), array)


@pytest.mark.parametrize(
    ("connections", "sentence"),
    [
        ([("V1", "V6")], "Unknown target 'V6' in intrinsic"),
        ([("V6", "V1")], "Unknown source 'V6' in intrinsic"),
        (["V1"], r"must list \(source, target\) pairs, got 'V1'"),
        ([("V1", "V5", "V1")], "pairs"),
        (np.ones((2, 3), dtype=bool), r"shape \(2, 2\)"),
        (np.array([[0.3, 0], [0, 1]]), "only True and False"),
    ],
)
def test_bad_connections_are_said(connections, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        connection_mask("intrinsic", connections, ("V1", "V5"), ("V1", "V5"))


@dataclass(frozen=True)
class QuadraticEdges:
    """Edges that are a known function of the parameters: theta_0^2, theta_0 theta_1, exp(theta_1)."""

    edge_names: tuple[str, ...] = ("A[a->b]", "A[b->a]", "C[u->a]")

    def edge_values(self, theta, state=None, inputs=None):
        return np.array([theta[0] ** 2, theta[0] * theta[1], np.exp(theta[1])])


@given(gaussian=gaussians().filter(lambda g: len(g.names) >= 2))
def test_delta_method_has_the_derivative_worked_by_hand(gaussian):
    made = coupling_posterior(QuadraticEdges(), gaussian)
    a, b = gaussian.mean[:2]
    G = np.zeros((3, len(gaussian.names)))
    G[:, :2] = [[2 * a, 0], [b, a], [0, np.exp(b)]]
    assert np.allclose(made.mean, [a**2, a * b, np.exp(b)], rtol=1e-12)
    expected = G @ gaussian.cov @ G.T
    assert np.allclose(made.cov, expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max(initial=0) + 1e-300)
