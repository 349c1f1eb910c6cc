"""The LTC against a plain numpy reference, its own hand-derived gradients, scipy's integration, and its theorems."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from sequence_networks import generic, sequence

from ltc_causal.networks.circuit import Circuit
from ltc_causal.networks.ltc import LTC
from ltc_causal.networks.solvers import Adaptive, Exponential, Fused, RungeKutta

CIRCUITS = {"full": Circuit.full(3, 6, 2), "sparse": Circuit.sparse(3, 8, 2, 0.3, seed=2), "policy": Circuit.policy(3, 12, 2, seed=1)}
every_circuit = pytest.mark.parametrize("circuit", CIRCUITS)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log1p(np.exp(x))


def dense(network):
    """All numbers in numpy, synapses as dense (source, target) matrices with a mask of zeros in w, as ncps keeps them."""
    circuit = network.circuit
    p = {name: one.detach().numpy() for name, one in network.named_parameters()}
    numbers = {"gl": softplus(p["leak"]), "vl": p["rest"], "cm": softplus(p["capacitance"])}
    numbers |= {name: p[name] for name in ("input_weight", "input_bias", "output_weight", "output_bias")}
    lists = (("between", "", circuit.target, circuit.source, circuit.polarity, len(circuit.units)),)
    lists += (("sensory", "s_", circuit.sensory_target, circuit.sensory_source, circuit.sensory_polarity, len(circuit.inputs)),)
    for module, prefix, target, source, polarity, n_source in lists:
        values = {"w": softplus(p[f"{module}.weight"]), "sigma": p[f"{module}.slope"], "mu": p[f"{module}.threshold"]}
        values["e"] = polarity * softplus(p[f"{module}.size"])
        for name, listed in values.items():
            matrix = np.zeros((n_source, len(circuit.units)))
            matrix[source, target] = listed
            numbers[prefix + name] = matrix
    return numbers


def fused_course(n, inputs, dt, unfolds):
    """Outputs and states of one sequence, loop by loop from the formulas of the fused step."""
    v, states = np.zeros(len(n["gl"])), []
    for x, time in zip(inputs, dt, strict=True):
        u = x * n["input_weight"] + n["input_bias"]
        s = n["s_w"] * sigmoid(n["s_sigma"] * (u[:, None] - n["s_mu"]))
        N_in, D_in = (s * n["s_e"]).sum(0), s.sum(0)
        c = n["cm"] * unfolds / time
        for _ in range(unfolds):
            s = n["w"] * sigmoid(n["sigma"] * (v[:, None] - n["mu"]))
            v = (c * v + n["gl"] * n["vl"] + (s * n["e"]).sum(0) + N_in) / (c + n["gl"] + s.sum(0) + D_in + 1e-8)
        states.append(v)
    states = np.array(states)
    return states[:, : len(n["output_weight"])] * n["output_weight"] + n["output_bias"], states


@every_circuit
@pytest.mark.parametrize("unfolds", [1, 6])
def test_the_fused_step_is_the_formula(circuit, unfolds):
    network, (inputs, dt) = generic(LTC(CIRCUITS[circuit], Fused(unfolds))), sequence(3, 9)
    outputs, state = network(inputs, dt)
    for row in range(3):
        expected, states = fused_course(dense(network), inputs[row].numpy(), dt[row].numpy(), unfolds)
        np.testing.assert_allclose(outputs[row].detach(), expected, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(state[0][row].detach(), states[-1], rtol=1e-12, atol=1e-13)


@every_circuit
def test_the_gradient_of_a_fused_step_is_the_hand_derived_one(circuit):
    """gN = g / den, gD = -gN v', dx = w (e gN + gD) s (1 - s), and so on, for one sub-step from v."""
    network = generic(LTC(CIRCUITS[circuit], Fused(1)))
    n, rng, time = dense(network), np.random.default_rng(0), 0.7
    U = len(n["gl"])
    v0 = torch.tensor(rng.uniform(-0.5, 1, (1, U)), requires_grad=True)
    inputs, g = torch.tensor(rng.standard_normal((1, 1, 3))), rng.standard_normal(U)
    _, (v1, _) = network(inputs, time, (v0, torch.zeros(1, 3, dtype=torch.float64)))
    (v1[0] * torch.tensor(g)).sum().backward()

    v, u = v0.detach().numpy()[0], inputs.numpy()[0, 0] * n["input_weight"] + n["input_bias"]
    s, s_in = sigmoid(n["sigma"] * (v[:, None] - n["mu"])), sigmoid(n["s_sigma"] * (u[:, None] - n["s_mu"]))
    c = n["cm"] / time
    denominator = c + n["gl"] + (n["w"] * s).sum(0) + (n["s_w"] * s_in).sum(0) + 1e-8
    v_new = v1.detach().numpy()[0]
    gN = g / denominator
    gD = -gN * v_new
    dx, dx_in = n["w"] * (n["e"] * gN + gD) * s * (1 - s), n["s_w"] * (n["s_e"] * gN + gD) * s_in * (1 - s_in)
    found = {name: one.grad.numpy() for name, one in network.named_parameters() if one.grad is not None}
    share = {name: sigmoid(one.detach().numpy()) for name, one in network.named_parameters()}  # softplus' derivative
    C, between = CIRCUITS[circuit], (CIRCUITS[circuit].source, CIRCUITS[circuit].target)
    sensory = C.sensory_source, C.sensory_target
    expected = {
        "leak": (gN * n["vl"] + gD) * share["leak"],
        "rest": gN * n["gl"],
        "capacitance": (gN * v + gD) / time * share["capacitance"],
        "between.weight": (s * (n["e"] * gN + gD))[between] * share["between.weight"],
        "between.slope": (dx * (v[:, None] - n["mu"]))[between],
        "between.threshold": -(n["sigma"] * dx)[between],
        "between.size": (n["w"] * s * gN)[between] * C.polarity * share["between.size"],
        "sensory.weight": (s_in * (n["s_e"] * gN + gD))[sensory] * share["sensory.weight"],
        "sensory.slope": (dx_in * (u[:, None] - n["s_mu"]))[sensory],
        "sensory.threshold": -(n["s_sigma"] * dx_in)[sensory],
        "sensory.size": (n["s_w"] * s_in * gN)[sensory] * C.sensory_polarity * share["sensory.size"],
        "input_bias": (n["s_sigma"] * dx_in).sum(1),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-10, atol=1e-13, err_msg=name)
    np.testing.assert_allclose(v0.grad[0], gN * c + (n["sigma"] * dx).sum(1), rtol=1e-10, atol=1e-13)


def flow_of(n, u):
    s_in = n["s_w"] * sigmoid(n["s_sigma"] * (u[:, None] - n["s_mu"]))

    def flow(_, v):
        s = n["w"] * sigmoid(n["sigma"] * (v[:, None] - n["mu"]))
        drive = (s * (n["e"] - v)).sum(0) + (s_in * (n["s_e"] - v)).sum(0)
        return (n["gl"] * (n["vl"] - v) + drive) / n["cm"]

    return flow


def test_the_adaptive_solver_follows_the_equation():
    """Against scipy's DOP853 from the equation in numpy, two sequences with times of their own."""
    network = generic(LTC(CIRCUITS["policy"], Adaptive(1e-9, 1e-11)))
    n, (inputs, dt) = dense(network), sequence(2, 5)
    _, (v, _) = network(inputs, dt)
    for row in range(2):
        state = np.zeros(len(n["gl"]))
        for x, time in zip(inputs[row].numpy(), dt[row].numpy(), strict=True):
            flow = flow_of(n, x * n["input_weight"] + n["input_bias"])
            state = solve_ivp(flow, (0, time), state, "DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
        np.testing.assert_allclose(v[row].detach(), state, rtol=1e-7, atol=1e-8)


def test_the_exponential_step_is_exact_where_only_inputs_open_synapses():
    """Against the closed form of a linear equation with constant coefficients; and two steps are one."""
    without = Circuit(
        (*"abcd",),
        ("u", "v"),
        2,
        *[np.zeros(0, dtype=int)] * 3,
        np.array([0, 1, 2, 3, 0]),
        np.array([0, 1, 0, 1, 1]),
        np.array([1, -1, 1, 1, -1]),
    )
    network, (inputs, dt) = generic(LTC(without, Exponential())), sequence(3, 6, 2)
    dt[:, 1], dt[:, 3] = 1e-6, 300.0
    _, (v, _) = network(inputs, dt)
    n = dense(network)
    for row in range(3):
        state = np.zeros(4)
        for x, time in zip(inputs[row].numpy(), dt[row].numpy(), strict=True):
            s = n["s_w"] * sigmoid(n["s_sigma"] * ((x * n["input_weight"] + n["input_bias"])[:, None] - n["s_mu"]))
            rate, goal = n["gl"] + s.sum(0), n["gl"] * n["vl"] + (s * n["s_e"]).sum(0)
            state = goal / rate + (state - goal / rate) * np.exp(-rate * time / n["cm"])
        np.testing.assert_allclose(v[row].detach(), state, rtol=1e-12, atol=1e-14)
    halves, _ = network(inputs.repeat_interleave(2, 1), (dt / 2).repeat_interleave(2, 1))
    torch.testing.assert_close(halves[:, 1::2], network(inputs, dt)[0], rtol=1e-12, atol=1e-13)


def error_of(solver):
    """Largest error of the states of three networks of 32 units at dt = 1, over 12 steps."""
    worst = 0.0
    for seed in range(3):
        circuit, (inputs, _) = Circuit.full(2, 32, seed=seed), sequence(1, 12, 2, seed)
        found = [LTC(circuit, one, seed=seed).double()(inputs)[0] for one in (solver, RungeKutta(60))]
        worst = max(worst, float((found[0] - found[1]).detach().abs().max()))
    return worst


def test_the_order_of_each_solver():
    """The error's slope over the step, and the fused step's own table: U = 6 is a model of its own, .04 from the equation."""
    with torch.no_grad():
        fused = [error_of(Fused(unfolds)) for unfolds in (6, 12, 24, 48)]
        exponential = [error_of(Exponential(substeps)) for substeps in (12, 24, 48)]
        fourth = [error_of(RungeKutta(substeps)) for substeps in (12, 24)]
    assert 0.02 < fused[0] < 0.08 and fused[2] < 0.015, fused
    assert 0.8 < np.log2(fused[2] / fused[3]) < 1.3 and 0.8 < np.log2(exponential[1] / exponential[2]) < 1.3, (fused, exponential)
    assert np.log2(fourth[0] / fourth[1]) > 3.5, fourth


@st.composite
def states_and_networks(draw):
    seed = draw(st.integers(0, 2**31))
    kind = draw(st.sampled_from(("full", "sparse", "policy")))
    build = {"full": Circuit.full, "sparse": Circuit.sparse, "policy": Circuit.policy}[kind]
    solver = draw(st.sampled_from((Fused(1), Fused(6), Exponential(1), Exponential(5))))
    network = LTC(build(2, 8, 2, seed=seed), solver, seed=seed).double()
    generator = torch.Generator().manual_seed(seed)
    for one in network.parameters():
        one.data.add_(draw(st.sampled_from((0.1, 1.0, 10.0))) * torch.randn(one.shape, generator=generator, dtype=torch.float64))
    low, high = (one.detach() for one in network.hull())
    v = low + (high - low) * torch.rand(3, 8, generator=generator, dtype=torch.float64)
    inputs = draw(st.sampled_from((1.0, 100.0))) * torch.randn(3, 5, 2, generator=generator, dtype=torch.float64)
    dt = 10 ** (6 * torch.rand(3, 5, generator=generator, dtype=torch.float64) - 3)
    return network, v, inputs, dt, low, high


@given(states_and_networks())
@settings(max_examples=60)
def test_states_stay_between_rest_and_reversal_potentials(case):
    """Hasani et al. 2021, theorem 2, for the steps as computed, from a millisecond to a quarter of an hour."""
    network, v, inputs, dt, low, high = case
    slack = 1e-6 * (1 + torch.maximum(low.abs(), high.abs()))  # the fused step's EPSILON pulls towards 0
    for step in range(inputs.shape[1]):
        _, (v, _) = network(inputs[:, step : step + 1], dt[:, step : step + 1], (v, inputs[:, 0]))
        assert (v >= low - slack).all() and (v <= high + slack).all()


def test_polarity_survives_training():
    """At a learning rate of 1 weights stay above zero and no synapse changes its sign; nothing becomes NaN."""
    circuit = CIRCUITS["policy"]
    network, (inputs, dt) = LTC(circuit), sequence(8, 10)
    optimiser = torch.optim.Adam(network.parameters(), 1.0)
    for _ in range(60):
        optimiser.zero_grad()
        outputs, _ = network(inputs, dt)
        (outputs - 3).square().mean().backward()
        optimiser.step()
    for rows, polarity in ((network.between, circuit.polarity), (network.sensory, circuit.sensory_polarity)):
        numbers = {name: one.detach().numpy() for name, one in rows.numbers().items()}
        assert (numbers["weight"] > 0).all() and (np.sign(numbers["reversal"]) == polarity).all()
    assert torch.isfinite(network(inputs, dt)[0]).all()
