"""DCMs with fewer connections: the same as DCMs whose connections are fixed at 0, and nothing else changes."""

import made
import numpy as np
import pytest

import ltc_causal as lc
from ltc_causal.group.structure import connections

FIXED_POINT = lc.VariationalLaplace(path="fixed_point")
EVERY = np.ones((2, 2), dtype=bool)


def full(neuronal="bilinear", **settings):
    gating = {"V5": [("V5", "V1")]} if neuronal in ("nonlinear", "liquid") else {}
    return lc.DCM(
        made.REGIONS, made.INPUTS, EVERY, {"attention": EVERY}, EVERY, gating=gating, neuronal=neuronal, flow="true",
        noise=lc.NoisePrior(4.0, 4.0), **settings,
    )  # fmt: skip


@pytest.mark.parametrize("neuronal", ["bilinear", "nonlinear", "liquid"])
def test_connections_are_the_models_in_its_order_of_matrices(neuronal):
    model = full(neuronal)
    assert sorted(connections(model)) == sorted(model.edge_names)
    theta = model.prior.sample(1, 0)[0]
    coupling = model.coupling(theta)
    values = dict(zip(model.edge_names, model.edge_values(theta), strict=True))
    for name, (matrix, index) in connections(model).items():
        assert getattr(coupling, matrix)[index] == pytest.approx(values[name], rel=1e-12)


@pytest.mark.parametrize(
    ("neuronal", "settings"), [("bilinear", {}), ("nonlinear", {}), ("liquid", {}), ("liquid", {"per_edge": ("kappa",)})]
)
def test_dropping_is_fixing_at_zero(neuronal, settings):
    """The same free energy, though the prior mean of A is not 0; parameters of a synapse that is no more cost nothing."""
    gone = ["A[V5->V1]", "B[attention: V5->V1]", "B[attention: V1->V1]", "C[attention->V5]"]
    gone += ["D[V5: V5->V1]"] if neuronal != "bilinear" else []
    recording = made.simulated()
    smaller = lc.fit(lc.drop_connections(full(neuronal, **settings), gone), recording, FIXED_POINT)
    held = lc.fit(full(neuronal, prior=dict.fromkeys(gone, (0, 0)), **settings), recording, FIXED_POINT, start=smaller)
    assert smaller.status.ok and held.status.ok
    assert smaller.free_energy == pytest.approx(held.free_energy, abs=1e-5)
    assert smaller.distance(held) < 1e-3
    assert not set(gone) & set(smaller.prior.names)


def test_what_was_stated_of_the_prior_stays():
    model = full(prior={"A[V1->V5]": (0.3, 0.1), "A[V5->V1]": (0.1, 0.2), "decay": (0.05, 0.01)})
    smaller = lc.drop_connections(model, ["A[V5->V1]"])
    for name in smaller.prior.names:
        assert smaller.prior.marginal([name]).mean == model.prior.marginal([name]).mean
        assert smaller.prior.marginal([name]).sd == model.prior.marginal([name]).sd
    assert smaller.with_neuronal("liquid").prior.mean[smaller.prior.index("A[V1->V5]")] == 0.3
    assert (smaller.noise, smaller.flow, smaller.signal_range) == (model.noise, model.flow, model.signal_range)


def test_a_correlated_prior_loses_what_was_dropped():
    model = full().with_principal_modes(made.simulated(), 1)
    smaller = lc.drop_connections(model, ["A[V5->V1]"])
    assert np.allclose(smaller.prior.cov, model.prior.marginal(smaller.prior.names).cov)


@pytest.mark.parametrize(
    ("gone", "sentence"),
    [
        (["A[V1->V6]"], "Unknown connection 'A\\[V1->V6\\]' in the model"),
        (["A[V1->V1]"], "A\\[V1->V1\\] is a self-connection"),
        ([name for name in full().edge_names if name[0] in "BC"], "drives or modulates nothing|predicts a flat signal"),
    ],
)
def test_what_cannot_go_is_said(gone, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        lc.drop_connections(full(), gone)
