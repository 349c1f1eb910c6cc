"""Currents and time constants: against the equation that they are parts of, and against the published range."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sequence_networks import generic, sequence

from ltc_causal.networks.circuit import Circuit
from ltc_causal.networks.interpret import currents, graph, time_constants
from ltc_causal.networks.ltc import LTC
from ltc_causal.networks.solvers import Adaptive

POLICY = Circuit.policy(3, 12, 2, seed=1)


def by_hand(network, inputs, v):
    """w s (e - v) of each synapse, one after the other."""
    u = (inputs * network.input_weight + network.input_bias).detach()
    C, found = network.circuit, []
    lists = (network.between, C.source, C.target, v), (network.sensory, C.sensory_source, C.sensory_target, u)
    for rows, source, target, x in lists:
        n = {name: one.detach() for name, one in rows.numbers().items()}
        each = [
            n["weight"][k] * torch.sigmoid(n["slope"][k] * (x[..., j] - n["threshold"][k])) * (n["reversal"][k] - v[..., i])
            for k, (i, j) in enumerate(zip(target, source, strict=True))
        ]
        found.append(torch.stack(each, -1).numpy())
    return found


@pytest.mark.parametrize("circuit", [POLICY, Circuit.full(3, 5, 2)], ids=["policy", "full"])
def test_currents_add_up_to_the_flow(circuit):
    """Named in the circuit's order; and with the leak's they are cm dv/dt, here as a difference over a millionth of a second."""
    network, (inputs, dt) = generic(LTC(circuit, Adaptive(1e-10, 1e-12))), sequence(2, 4)
    found = currents(network, inputs, dt)
    between, sensory = by_hand(network, inputs, torch.tensor(found.potentials))
    np.testing.assert_allclose(found.between, between, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.sensory, sensory, rtol=1e-12, atol=1e-14)
    into = np.zeros_like(found.potentials)
    np.add.at(into, (..., circuit.target), found.between)
    np.add.at(into, (..., circuit.sensory_target), found.sensory)
    v = torch.tensor(found.potentials[:, -1])
    _, (after, _) = network(inputs[:, -1:], 1e-6, (v, inputs[:, -1]))
    rate = ((after - v) / 1e-6 * network.membranes()[2]).detach().numpy()
    np.testing.assert_allclose((into + found.leak)[:, -1], rate, rtol=1e-4, atol=1e-4)
    assert found.names == circuit.synapse_names() and found.sensory_names == circuit.sensory_names()


@given(st.integers(0, 2**31), st.sampled_from((1.0, 30.0)))
def test_time_constants_keep_to_their_range(seed, size):
    network = generic(LTC(Circuit.sparse(3, 8, 2, 0.4, seed), seed=seed), seed)
    inputs, dt = sequence(3, 6, seed=seed)
    found = time_constants(network, size * inputs, dt)
    assert (found.shortest <= found.along * (1 + 1e-12)).all() and (found.along <= found.longest * (1 + 1e-12)).all()


def test_the_time_constant_is_that_of_a_deviation():
    """With its synapses' conductances held, a unit's deviation dies out by exp(-t / tau_sys): units that only inputs reach."""
    names = np.array([0, 1]), np.array([0, 0]), np.array([1, -1])
    network = generic(LTC(Circuit(("a", "b"), ("u",), 2, *[np.zeros(0, int)] * 3, *names), Adaptive(1e-10, 1e-12)))
    inputs = torch.full((1, 1, 1), 0.6, dtype=torch.float64)
    ends = [network(inputs, 0.8, (torch.full((1, 2), v, dtype=torch.float64), inputs[:, 0]))[1][0] for v in (0.1, 0.5)]
    measured = -0.8 / torch.log((ends[1] - ends[0]) / 0.4)
    np.testing.assert_allclose(time_constants(network, inputs, 0.8).along[0, 0], measured[0].detach(), rtol=1e-7)


def test_the_graph_holds_the_circuit_and_its_numbers():
    network = generic(LTC(POLICY))
    found = graph(network)
    assert set(found.edges) == {tuple(name.split("->")) for name in (*POLICY.synapse_names(), *POLICY.sensory_names())}
    assert {name for name, kind in found.nodes(data="kind") if kind == "input"} == set(POLICY.inputs)
    k = 3
    source, target = POLICY.synapse_names()[k].split("->")
    numbers = network.between.numbers()
    edge, i = found.edges[source, target], POLICY.target[k]
    assert edge["weight"] == pytest.approx(float((POLICY.polarity[k] * numbers["weight"][k] / network.membranes()[2][i]).detach()))
    assert edge["reversal"] == pytest.approx(float(numbers["reversal"][k].detach()))
