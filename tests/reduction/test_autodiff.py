"""A, B, C, D by automatic differentiation: against the closed forms of flows that have them, and of a small network worked out by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc_causal as lc
from ltc_causal.models.neuronal import Weights, synapse
from ltc_causal.models.synaptic import SynapticNetwork, shapes
from ltc_causal.models.taylor import taylor

REGIONS, INPUTS = ("a", "b", "c"), ("u", "v")
seeds = st.integers(0, 2**31)


def symmetric(D):
    """What autodifferentiation can know of a gating D: the half of it that is a second derivative."""
    return (D + D.transpose(2, 1, 0)) / 2


def agree(found, c, tolerance=1e-8):
    for matrix, truth in {"A": c.A, "B": c.B, "C": c.C, "D": symmetric(c.D)}.items():
        assert np.abs(getattr(found, matrix) - truth).max() <= tolerance * max(1.0, np.abs(truth).max()), matrix


@settings(max_examples=15)
@given(seed=seeds)
def test_synaptic_network(seed):
    rng = np.random.default_rng(seed)
    p = {name: rng.standard_normal(shape) for name, shape in shapes(3, 2, 1).items()}
    t = {name: torch.tensor(value) for name, value in p.items()}
    x, u = rng.standard_normal(3), rng.standard_normal(2)

    def flow(x, u):
        G = t["slope"][0] + torch.einsum("kij,k->ij", t["input_gating"][0], u) + torch.einsum("lij,l->ij", t["region_gating"][0], x)
        synaptic = t["weight"][0] * torch.sigmoid(G * (x - t["threshold"][0])) * (t["reversal"][0] - x[:, None])
        opened = t["sensory_weight"] * torch.sigmoid(t["sensory_slope"] * (u - t["sensory_threshold"]))
        return synaptic.sum(1) - t["leak"] * x + t["bias"] + (opened * (t["sensory_reversal"] - x[:, None])).sum(1) + t["drive"] @ u

    agree(lc.coupling_of(flow, x, u, REGIONS, INPUTS), SynapticNetwork(REGIONS, INPUTS, **p).coupling(x, u), 1e-12)


@settings(max_examples=15)
@given(seed=seeds)
def test_liquid_dcm_away_from_rest(seed):
    """The other closed form there is: `models.taylor`, with saturation, thresholds, reversal potentials, gating and self-modulation."""
    rng = np.random.default_rng(seed)
    n, m, between = 3, 2, 1 - np.eye(3)
    A, B, C, D = (0.5 * rng.standard_normal(shape) for shape in ((n, n), (m, n, n), (n, m), (n, n, n)))
    kappa, tau, lam = np.exp(rng.standard_normal((n, n))), rng.standard_normal((n, n)), 0.4 * rng.standard_normal((n, n))
    x, u = rng.standard_normal(n), rng.standard_normal(m)
    A_, B_, C_, D_, kappa_, tau_, lam_, off = (torch.tensor(value) for value in (A, B, C, D, kappa, tau, lam, between))

    def flow(x, u):
        w = A_ + torch.einsum("kij,k->ij", B_, u) + torch.einsum("lij,l->ij", D_, x)
        T = torch.tanh(tau_)
        phi = (torch.tanh(kappa_ * w * x - tau_) + T) / (kappa_ * (1 - T**2))
        return -torch.exp(torch.diagonal(w)) / 2 * x + (off * phi * (1 - lam_ * x[:, None])).sum(1) + C_ @ u / 16

    weights = Weights(A, B, C, D, kappa, tau, lam)
    assert np.allclose(synapse(A, kappa, tau), (np.tanh(kappa * A - tau) + np.tanh(tau)) * np.cosh(tau) ** 2 / kappa)
    A, B, C, D = taylor(weights, x, u)
    agree(lc.coupling_of(flow, x, u, REGIONS, INPUTS), lc.Coupling(A, B, C, REGIONS, INPUTS, D), 1e-11)


def test_joint_gate_has_a_modulation_of_rank_one():
    """dx/dt = -x + tanh(W x + V u): B[k] = diag(tanh''(z) V_k) W, one matrix of synapses with its rows scaled."""
    rng = np.random.default_rng(0)
    W, V = rng.standard_normal((3, 3)), rng.standard_normal((3, 2))
    x, u = rng.standard_normal(3), rng.standard_normal(2)

    class Joint(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.W, self.V = torch.nn.Parameter(torch.tensor(W)), torch.nn.Parameter(torch.tensor(V))

        def forward(self, x, u):
            return torch.tanh(self.W @ x + self.V @ u) - x

    z = W @ x + V @ u
    slope, curvature = 1 - np.tanh(z) ** 2, -2 * np.tanh(z) * (1 - np.tanh(z) ** 2)
    B = np.array([(curvature * V[:, k])[:, None] * W for k in range(2)])
    H = np.einsum("i,il,ij->lij", curvature, W, W)
    truth = lc.Coupling(slope[:, None] * W - np.eye(3), B, slope[:, None] * V, REGIONS, INPUTS, H / 2)
    network = Joint()
    agree(lc.coupling_of(network, x, u, REGIONS, INPUTS), truth, 1e-13)
    assert network.W.grad is None  # the network is left as it was
    assert lc.coupling_of(network.float(), x, u, REGIONS, INPUTS).A == pytest.approx(truth.A, abs=1e-5)


@pytest.mark.parametrize(
    ("flow", "x", "u", "sentence"),
    [
        (lambda x, u: x[:2], np.zeros(3), np.zeros(2), r"one rate for each of the 3 regions, shape \(3,\), got \(2,\)"),
        (lambda x, u: (x, u), np.zeros(3), np.zeros(2), "got tuple"),
        (lambda x, u: x, np.zeros(2), np.zeros(2), "state must hold 3 values"),
        (lambda x, u: x, np.zeros(3), np.full(2, np.nan), "inputs must be finite"),
        (lambda x, u: x / 0.0, np.zeros(3), np.zeros(2), "must be finite"),
    ],
)
def test_bad_input_is_said_in_a_sentence(flow, x, u, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        lc.coupling_of(flow, x, u, REGIONS, INPUTS)
