"""The probability of single connections: equal to model reduction by one parameter, and to the evidence of two fits of a linear model."""

import numpy as np
import pytest
from scipy.special import logit

import ltc_causal as lc


@pytest.fixture(scope="module")
def fit():
    regions, inputs = ("V1", "V5"), ("photic", "attention")
    model = lc.DCM(regions, inputs, [("V1", "V5"), ("V5", "V1")], {"attention": [("V1", "V5")]}, [("photic", "V1")])
    u = lc.Inputs.from_events({"photic": [(t, 10.0) for t in range(10, 380, 30)], "attention": [(100.0, 120.0)]}, 400.0, 0.25)
    truth = {"A[V1->V5]": 0.4, "A[V5->V1]": 0.0, "B[attention: V1->V5]": 0.3, "C[photic->V1]": 0.5}
    return lc.fit(model, lc.simulate(model.with_flow("true"), truth, u, dt=2.0, snr=3.0, seed=1))


def test_it_is_model_reduction_by_one_parameter(fit):
    table = lc.connection_probabilities(fit).set_index("connection")
    assert set(table.index) == {"A[V1->V5]", "A[V5->V1]", "B[attention: V1->V5]", "C[photic->V1]"}
    for name, row in table.iterrows():
        change = lc.reduce_model(fit, {str(name): (0.0, 0.0)}).log_evidence_change
        assert row["gain"] == pytest.approx(-change, abs=1e-8)
    assert table.loc["A[V1->V5]", "probability"] > 0.99
    assert table.loc["A[V5->V1]", "probability"] < 0.5


def test_prior_odds_are_added(fit):
    even, rare = (lc.connection_probabilities(fit, p)["probability"].to_numpy() for p in (0.5, 0.1))
    weak = even < 1 - 1e-9
    np.testing.assert_allclose(logit(rare[weak]) - logit(even[weak]), logit(0.1))


def test_what_is_no_probability_is_refused(fit):
    with pytest.raises(lc.InputError, match="between 0 and 1, got 1.5"):
        lc.connection_probabilities(fit, 1.5)
