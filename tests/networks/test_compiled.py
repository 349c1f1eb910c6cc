"""The compiled course against the same network in torch operations, which `test_ltc` holds against its formulas."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sequence_networks import generic, sequence

from ltc_causal.networks.circuit import Circuit
from ltc_causal.networks.compiled import can_run
from ltc_causal.networks.ltc import LTC
from ltc_causal.networks.solvers import Fused

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-6}


@st.composite
def circuits(draw):
    """Any lists of synapses, unsorted, from none at all to all."""
    n, m, rng = draw(st.integers(1, 20)), draw(st.integers(1, 5)), np.random.default_rng(draw(st.integers(0, 2**31)))
    shares, matrices = (draw(st.sampled_from((0.0, 0.1, 0.5, 1.0))), draw(st.sampled_from((0.2, 1.0)))), []
    for share, shape in zip(shares, ((n, n), (n, m)), strict=True):
        matrices.append(rng.choice((-1, 1), shape) * (rng.random(shape) < share))
    ordered = Circuit.of_matrices(*matrices, draw(st.integers(1, n)))
    lists = []
    for prefix in ("", "sensory_"):
        parts = [getattr(ordered, prefix + name) for name in ("target", "source", "polarity")]
        mixed = rng.permutation(len(parts[0]))
        lists += [one[mixed] for one in parts]
    return Circuit(ordered.units, ordered.inputs, ordered.n_output, *lists)


def in_torch(network):
    twin = copy.deepcopy(network)
    twin.compiled = False
    return twin


def with_gradients(network, inputs, dt, state, observed):
    """Outputs, state, and the gradients of a number that hangs on all of them."""
    inputs, dt, v = (one.clone().requires_grad_() for one in (inputs, dt, state[0]))
    outputs, after = network(inputs, dt, (v, state[1]), observed)
    loss = (outputs * torch.sin(torch.arange(outputs.numel()).reshape(outputs.shape))).sum() + after[0].square().sum()
    gradients = torch.autograd.grad(loss, (inputs, dt, v, *network.parameters()), allow_unused=True)
    return outputs, after[0], *(torch.zeros(1) if one is None else one for one in gradients)


@settings(max_examples=40, deadline=None)
@given(circuits(), st.integers(1, 35), st.integers(1, 5), st.integers(1, 4), st.sampled_from(list(TOLERANCE)), st.integers(0, 2**31))
def test_outputs_and_gradients_are_those_of_torch(circuit, batch, time, unfolds, dtype, seed):
    network = generic(LTC(circuit, Fused(unfolds)), seed).to(dtype)
    inputs, dt = (one.to(dtype) for one in sequence(batch, time, len(circuit.inputs), seed))
    generator = torch.Generator().manual_seed(seed)
    dt = torch.where(torch.rand(dt.shape, generator=generator) < 0.2, 0, 2 * dt)
    observed = torch.rand(inputs.shape, generator=generator) < 0.8
    state = torch.rand(batch, len(circuit.units), generator=generator, dtype=dtype), torch.zeros(batch, len(circuit.inputs), dtype=dtype)
    ours, expected = (with_gradients(one, inputs, dt, state, observed) for one in (network, in_torch(network)))
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=TOLERANCE[dtype] * max([1.0, *other.abs().flatten().tolist()]))
    with torch.no_grad():  # another kernel where there are few sequences
        torch.testing.assert_close(network(inputs, dt, state, observed)[0], expected[0], rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("batch", [1, 20])
@pytest.mark.parametrize("gradient", [False, True])
def test_no_time_leaves_the_state_to_the_bit(batch, gradient):
    network, (inputs, dt) = LTC(Circuit.policy(3, 20, 2)), sequence(batch, 6)
    dt[:, 2:] = 0
    with torch.set_grad_enabled(gradient):
        _, hidden, state = network.trajectory(inputs, dt)
    assert all(torch.equal(hidden[:, 1], hidden[:, k]) for k in range(2, 6)) and torch.equal(state[0], hidden[:, 1])
    assert not torch.equal(hidden[:, 0], hidden[:, 1])


@pytest.mark.parametrize("batch", [1, 3, 16, 17, 40])
def test_a_sequence_does_not_see_its_neighbours(batch):
    network, (inputs, dt) = generic(LTC(Circuit.full(3, 18, 2))), sequence(batch, 5)
    alone = torch.cat([network(inputs[k : k + 1], dt[k : k + 1])[0] for k in range(batch)])
    torch.testing.assert_close(network(inputs, dt)[0], alone, rtol=1e-13, atol=1e-13)
    with torch.no_grad():
        torch.testing.assert_close(network(inputs, dt)[0], alone, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("circuit", [Circuit.full(2, 4, 2), Circuit.policy(2, 8, 1)])
def test_gradcheck(circuit):
    network, (inputs, dt) = generic(LTC(circuit, Fused(3))), sequence(3, 4, 2)
    names, values = zip(*network.named_parameters(), strict=True)
    v = torch.rand(3, len(circuit.units), generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def outputs(inputs, dt, v, *values):
        given = dict(zip(names, values, strict=True))
        return torch.func.functional_call(network, given, (inputs, dt, (v, torch.zeros(3, 2, dtype=v.dtype))))[0]

    leaves = tuple(one.detach().clone().requires_grad_() for one in (inputs, dt, v, *values))
    assert torch.autograd.gradcheck(outputs, leaves)
    assert torch.autograd.gradgradcheck(outputs, leaves, fast_mode=True)


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # torch's own forward mode uses it
def test_what_torch_transforms_is_left_to_torch():
    network, (inputs, dt) = generic(LTC(Circuit.full(3, 5, 2))), sequence(2, 3)
    used = []

    def outputs(x):
        used.append(can_run((x, *network.parameters())))
        return network(x, dt)[0]

    tangent = torch.ones_like(inputs)
    forward = torch.func.jvp(outputs, (inputs,), (tangent,))[1]
    with torch.autograd.forward_ad.dual_level():
        dual = outputs(torch.autograd.forward_ad.make_dual(inputs, tangent))
        torch.testing.assert_close(torch.autograd.forward_ad.unpack_dual(dual).tangent, forward)
    backward = torch.func.jacrev(outputs)(inputs)
    torch.testing.assert_close(torch.einsum("btobsi->bto", backward[..., :, :, :]), forward)
    reals = [one for one in (inputs.half(), inputs.to("meta"), inputs.float())]
    assert not any(used) and not any(can_run((one, *network.parameters())) for one in reals)
    assert can_run((inputs, dt, *network.parameters()))


def test_training_one_step_is_the_same_with_and_without_it():
    network, (inputs, dt) = LTC(Circuit.policy(3, 16, 2), seed=1), sequence(8, 10)
    after = []
    for one in (network, in_torch(network)):
        optimiser = torch.optim.SGD(one.parameters(), 0.05)
        for _ in range(3):
            optimiser.zero_grad()
            one(inputs, dt)[0].square().mean().backward()
            optimiser.step()
        after.append(torch.cat([p.detach().flatten() for p in one.parameters()]))
    torch.testing.assert_close(after[0], after[1], rtol=0, atol=1e-6)
