"""A trained liquid network in numpy: the same flow, and A and C as its torch equation's derivatives."""

import numpy as np
import pytest
import torch
from sequence_networks import generic, sequence

import ltc_causal as lc
from ltc_causal.networks.circuit import Circuit
from ltc_causal.networks.interpret import currents
from ltc_causal.networks.ltc import LTC
from ltc_causal.networks.solvers import Adaptive
from ltc_causal.reduction.from_ltc import from_ltc


def flow(network, v, inputs):
    """dv/dt of potentials v under inputs, from the network's own synapses."""
    (leak, rest, capacitance), between, sensory = network.membranes(), network.between.rows(), network.sensory.rows()
    (n, d), (n_in, d_in) = between.open(v), sensory.open(network.mapped(inputs))
    return (leak * (rest - v) + n - d * v + n_in - d_in * v) / capacitance


@pytest.mark.parametrize("circuit", [Circuit.full(2, 4, 1), Circuit.policy(3, 9, 2)], ids=["full", "policy"])
def test_the_flow_and_its_derivatives_are_the_networks(circuit):
    network = generic(LTC(circuit))
    ours, rng = from_ltc(network), np.random.default_rng(0)
    v, u = rng.uniform(-0.5, 1, len(circuit.units)), rng.standard_normal(len(circuit.inputs))
    at = torch.tensor(v), torch.tensor(u)
    np.testing.assert_allclose(ours.flow(v[:, None], u)[:, 0], flow(network, *at).detach(), rtol=1e-12, atol=1e-13)
    A, C = torch.autograd.functional.jacobian(lambda v, u: flow(network, v, u), at)
    coupling = ours.coupling(dict(zip(circuit.units, v, strict=True)), dict(zip(circuit.inputs, u, strict=True)))
    np.testing.assert_allclose(coupling.A, A, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(coupling.C, C, rtol=1e-9, atol=1e-11)


def test_it_rests_where_the_network_comes_to_rest():
    network = generic(LTC(Circuit.policy(3, 9, 2), Adaptive()))
    inputs, _ = sequence(1, 1)
    _, (v, _) = network(inputs, 500.0)
    at_rest = from_ltc(network).equilibrium(dict(zip(network.circuit.inputs, inputs[0, 0].tolist(), strict=True)), v[0].detach().numpy())
    assert at_rest.found and at_rest.stable
    np.testing.assert_allclose(at_rest.state, v[0].detach(), rtol=1e-5, atol=1e-6)
    found = currents(network, inputs, 500.0)
    assert (
        abs(
            found.leak[0, 0]
            + np.bincount(network.circuit.target, found.between[0, 0], 9)
            + np.bincount(network.circuit.sensory_target, found.sensory[0, 0], 9)
        ).max()
        < 1e-5
    )


def test_the_toolkit_takes_it():
    network = generic(LTC(Circuit.policy(3, 9, 2)))
    inputs = lc.Inputs(0.1 * np.random.default_rng(0).standard_normal((100, 3)), 0.5, network.circuit.inputs)
    reduction = lc.reduce_to_dcm(from_ltc(network), inputs=inputs, do=[])
    assert reduction.coupling.A.shape == (9, 9)
    graph = lc.causal_graph(reduction)
    assert set(graph.edges) <= {
        tuple(name.split("->")) for name in (*network.circuit.synapse_names(), *network.circuit.sensory_names())
    } | {(name, name) for name in network.circuit.units}


def test_what_cannot_be_said_in_potentials_is_refused():
    with pytest.raises(lc.InputError, match="mixed_memory"):
        from_ltc(LTC(Circuit.full(2, 3, 1), mixed_memory=True))
    network = LTC(Circuit.full(2, 3, 1))
    network.input_weight.data[1] = 0
    with pytest.raises(lc.InputError, match="input2"):
        from_ltc(network)
