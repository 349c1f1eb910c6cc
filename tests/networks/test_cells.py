"""CfC and the networks to beat, each against a second source: formulas in numpy, torch's own cells, scipy's integration."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from sequence_networks import generic, sequence

import ltc_causal as lc
from ltc_causal.networks.baselines import CTRNN, GRU, LSTM, ODERNN, NeuralODE
from ltc_causal.networks.cfc import CfC
from ltc_causal.networks.solvers import Adaptive, Exponential, Fused, RungeKutta


def numbers(network):
    return {name: one.detach().numpy() for name, one in network.named_parameters()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log1p(np.exp(x))


@pytest.mark.parametrize("mode", ["default", "no_gate", "pure"])
@pytest.mark.parametrize("layers", [0, 1, 3])
def test_cfc_is_its_formula(mode, layers):
    """Each head as a map of its own on [u, h] or its backbone, one step at a time."""
    network, (inputs, dt) = generic(CfC(3, 4, mode=mode, backbone_units=6, backbone_layers=layers)), sequence(2, 5)
    outputs, _ = network(inputs, dt)
    p = numbers(network)
    first = np.concatenate([p["from_input.weight"], p["from_state.weight"]], 1), p["from_input.bias"]
    stack = [first, *[(p[f"deeper.{k}.weight"], p[f"deeper.{k}.bias"]) for k in range(layers - 1)]] if layers else []
    W, b = (p["heads.weight"], p["heads.bias"]) if layers else first
    for row in range(2):
        h = np.zeros(4)
        for step in range(5):
            z, time = np.concatenate([inputs[row, step].numpy(), h]), float(dt[row, step])
            for weight, bias in stack:
                z = 1.7159 * np.tanh(0.666 * (weight @ z + bias))
            heads = [W[4 * k : 4 * k + 4] @ z + b[4 * k : 4 * k + 4] for k in range(len(W) // 4)]
            if mode == "pure":
                h = -p["asymptote"] * np.exp(-time * (softplus(p["rate"]) + np.abs(heads[0]))) * heads[0] + p["asymptote"]
            else:
                g, f, share = np.tanh(heads[0]), np.tanh(heads[1]), sigmoid(heads[2] * time + heads[3])
                h = g * (1 - share) + f * share if mode == "default" else g + share * f
            np.testing.assert_allclose(outputs[row, step].detach(), h, rtol=1e-12, atol=1e-13)


def test_mixed_memory_is_a_memory_cell_then_the_cell():
    """The memory cell's h is what the closed-form cell takes as its state; against the two apart."""
    network, (inputs, dt) = generic(CfC(3, 4, backbone_units=6, mixed_memory=True)), sequence(2, 5)
    p = numbers(network)
    plain = CfC(3, 4, backbone_units=6).double()
    plain.load_state_dict({name: one for name, one in network.state_dict().items() if not name.startswith("memory")})
    h = c = np.zeros((2, 4))
    for step in range(5):
        x = inputs[:, step].numpy()
        z = x @ p["memory.input_map.weight"].T + p["memory.input_map.bias"] + h @ p["memory.recurrent_map.weight"].T
        a, i, f, o = np.split(z, 4, axis=1)
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(a)
        h = sigmoid(o) * np.tanh(c)
        after, _ = plain(inputs[:, step : step + 1], dt[:, step : step + 1], (torch.tensor(h), inputs[:, 0]))
        h = after[:, 0].detach().numpy()
    np.testing.assert_allclose(network(inputs, dt)[0][:, -1].detach(), h, rtol=1e-12, atol=1e-13)


def test_lstm_and_gru_are_torchs():
    """The same weights in torch.nn, whose gates stand in another order; the forget gate's bias is 1 more here."""
    inputs, dt = sequence(3, 6)
    lstm, gru = generic(LSTM(3, 5, 2)), generic(GRU(3, 5, 2, sees_dt=True))
    theirs = torch.nn.LSTM(3, 5, batch_first=True).double()
    i_f_g_o = torch.cat([torch.arange(5) + 5 * k for k in (1, 2, 0, 3)])
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(lstm.cell.input_map.weight[i_f_g_o])
        theirs.weight_hh_l0.copy_(lstm.cell.recurrent_map.weight[i_f_g_o])
        theirs.bias_ih_l0.copy_(lstm.cell.input_map.bias[i_f_g_o])
        theirs.bias_hh_l0.zero_()[5:10] += 1
    torch.testing.assert_close(lstm(inputs)[0], lstm.projection(theirs(inputs)[0]), rtol=1e-12, atol=1e-13)
    theirs = torch.nn.GRU(4, 5, batch_first=True).double()
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(gru.cell.input_map.weight)
        theirs.weight_hh_l0.copy_(gru.cell.recurrent_map.weight)
        theirs.bias_ih_l0.copy_(gru.cell.input_map.bias)
        theirs.bias_hh_l0.zero_()[10:] += gru.cell.reset_bias
    seen = torch.cat([inputs, dt[..., None]], 2)
    torch.testing.assert_close(gru(inputs, dt)[0], gru.projection(theirs(seen)[0]), rtol=1e-12, atol=1e-13)


def integrated(flow, inputs, dt, x, sample=lambda x, u: x):
    """The last state of one sequence by scipy; sample : what happens at each sample after its stretch of time."""
    for u, time in zip(inputs.numpy(), dt.tolist(), strict=True):
        x = sample(solve_ivp(lambda _, x, u=u: flow(x, u), (0, time), x, "DOP853", rtol=1e-11, atol=1e-13).y[:, -1], u)
    return x


@pytest.mark.parametrize(
    "solver, tolerance", [(Adaptive(1e-9, 1e-11), 1e-7), (RungeKutta(20), 1e-6), (Fused(300), 3e-3), (Exponential(300), 3e-3)]
)
def test_ct_rnn_follows_its_equation(solver, tolerance):
    network, (inputs, dt) = generic(CTRNN(3, 5, 2, solver)), sequence(2, 4)
    p, (_, (x, _)) = numbers(network), (None, network(inputs, dt)[1])

    def flow(x, u):
        drive = p["from_input.weight"] @ u + p["from_input.bias"]
        return -x / softplus(p["tau"]) + np.tanh(p["from_state.weight"] @ x + drive)

    for row in range(2):
        np.testing.assert_allclose(x[row].detach(), integrated(flow, inputs[row], dt[row], np.zeros(5)), rtol=0, atol=tolerance)


def test_neural_ode_and_ode_rnn_follow_their_equations():
    inputs, dt = sequence(2, 4)
    node, odernn = generic(NeuralODE(3, 5, 2, Adaptive(1e-9, 1e-11))), generic(ODERNN(3, 5, 2, Adaptive(1e-9, 1e-11)))
    p, q = numbers(node), numbers(odernn)

    def driven(x, u):
        inner = p["field.inner.weight"] @ x + p["from_input.weight"] @ u + p["from_input.bias"]
        return p["field.outer.weight"] @ np.tanh(inner) + p["field.outer.bias"]

    def alone(x, u):
        return q["field.outer.weight"] @ np.tanh(q["field.inner.weight"] @ x + q["field.inner.bias"]) + q["field.outer.bias"]

    def sample(x, u):
        mapped = torch.tensor(q["cell.input_map.weight"] @ u + q["cell.input_map.bias"])[None]
        return odernn.cell.advance(mapped, torch.tensor(x)[None])[0].detach().numpy()

    states = [network(inputs, dt)[1][0].detach() for network in (node, odernn)]
    for row in range(2):
        expected = integrated(driven, inputs[row], dt[row], np.zeros(5)), integrated(alone, inputs[row], dt[row], np.zeros(5), sample)
        for state, one in zip(states, expected, strict=True):
            np.testing.assert_allclose(state[row], one, rtol=1e-7, atol=1e-8)


WRONG = {
    "CfC mode must be one of": lambda: CfC(3, 4, mode="gate"),
    "CfC units must be a whole number of at least 1, got 0": lambda: CfC(3, 0),
    "LSTM n_output must be a whole number": lambda: LSTM(3, 4, 0),
    "its solver is RungeKutta.. or Adaptive.., got Fused": lambda: NeuralODE(3, 4, 2, Fused()),
    "A solver is one of Fused.., .*got 'euler'": lambda: CTRNN(3, 4, 2, "euler"),
    "Fused unfolds must be a whole number of at least 1, got 0": lambda: Fused(0),
    "Adaptive took 2 steps within one sample": lambda: NeuralODE(3, 4, 2, Adaptive(1e-12, 1e-12, 2))(
        torch.randn(1, 1, 3, generator=torch.Generator().manual_seed(0)), 9.0
    ),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_wrong_settings_are_named(sentence):
    with pytest.raises(lc.InputError, match=sentence):
        WRONG[sentence]()
