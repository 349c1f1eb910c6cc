"""To a file and back; and networks of ncps, written out here by its published layout and formulas, with the same outputs."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sequence_networks import KINDS, generic, sequence

import ltc_causal as lc
from ltc_causal.networks.files import load_network, save_network
from ltc_causal.networks.ncps import cfc_from_ncps, ltc_from_ncps


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_survives_its_file(kind, tmp_path):
    network, (inputs, dt) = generic(KINDS[kind]()), sequence()
    save_network(network, tmp_path / "net.safetensors")
    again = load_network(tmp_path / "net.safetensors")
    assert type(again) is type(network) and again.settings == network.settings
    assert torch.equal(again(inputs, dt)[0], network(inputs, dt)[0])
    save_network(network.float(), tmp_path / "net.safetensors")
    assert next(load_network(tmp_path / "net.safetensors").parameters()).dtype == torch.float32


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text").write_text("no network")
    save_file({"a": torch.ones(2)}, tmp_path / "tensors")
    for name in ("text", "tensors", "absent"):
        with pytest.raises(lc.InputError, match="cannot be read as a network saved by save_network"):
            load_network(tmp_path / name)
    with pytest.raises(lc.InputError, match="one of LTC, CfC"):
        save_network(torch.nn.Linear(2, 2), tmp_path / "linear")


# --- ncps -----------------------------------------------------------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log1p(np.exp(x))


def ncps_ltc(n_input=3, units=7, motor=2, memory=False, seed=0):
    """A state dict in ncps' layout with a random mask, reversal potentials moved off the mask's signs by training."""
    rng = np.random.default_rng(seed)
    mask, sensory = (rng.random((units, units)) < 0.5) * 1.0, (rng.random((n_input, units)) < 0.6) * 1.0
    state = {"gleak": rng.random(units), "vleak": rng.uniform(-0.2, 0.2, units), "cm": rng.uniform(0.4, 0.6, units)}
    for prefix, one in (("", mask), ("sensory_", sensory)):
        state |= {f"{prefix}sparsity_mask": one, f"{prefix}w": rng.random(one.shape), f"{prefix}sigma": rng.uniform(3, 8, one.shape)}
        state |= {f"{prefix}mu": rng.uniform(0.3, 0.8, one.shape), f"{prefix}erev": rng.normal(0, 1, one.shape)}
    state |= {"input_w": rng.normal(1, 0.1, n_input), "input_b": rng.normal(0, 0.1, n_input)}
    state |= {"output_w": rng.normal(1, 0.1, motor), "output_b": rng.normal(0, 0.1, motor)}
    state = {f"rnn_cell.{name}": one for name, one in state.items()}
    if memory:
        shapes = {"input_map.weight": (4 * units, n_input), "input_map.bias": (4 * units,), "recurrent_map.weight": (4 * units, units)}
        state |= {f"lstm.{name}": rng.normal(0, 0.3, shape) for name, shape in shapes.items()}
    return state


def lstm_step(state, x, h, c):
    z = x @ state["lstm.input_map.weight"].T + state["lstm.input_map.bias"] + h @ state["lstm.recurrent_map.weight"].T
    a, i, f, o = np.split(z, 4)
    c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(a)
    return sigmoid(o) * np.tanh(c), c


def ncps_ltc_outputs(state, inputs, dt, unfolds, positive):
    s = {name.removeprefix("rnn_cell."): one for name, one in state.items()}
    h, c, outputs = np.zeros(len(s["gleak"])), np.zeros(len(s["gleak"])), []
    for x, time in zip(inputs, dt, strict=True):
        if "lstm.input_map.bias" in state:
            h, c = lstm_step(state, x, h, c)
        u = x * s["input_w"] + s["input_b"]
        g = positive(s["sensory_w"]) * sigmoid(s["sensory_sigma"] * (u[:, None] - s["sensory_mu"])) * s["sensory_sparsity_mask"]
        N, D = (g * s["sensory_erev"]).sum(0), g.sum(0)
        cm, gl = positive(s["cm"]) / (time / unfolds), positive(s["gleak"])
        for _ in range(unfolds):
            a = positive(s["w"]) * sigmoid(s["sigma"] * (h[:, None] - s["mu"])) * s["sparsity_mask"]
            h = (cm * h + gl * s["vleak"] + (a * s["erev"]).sum(0) + N) / (cm + gl + a.sum(0) + D + 1e-8)
        outputs.append(h[: len(s["output_w"])] * s["output_w"] + s["output_b"])
    return np.array(outputs)


def tensors(state, dtype=torch.float64):
    return {name: torch.tensor(one, dtype=dtype) for name, one in state.items()}


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_an_ncps_ltc_gives_the_same_outputs(memory, implicit, dtype, tolerance):
    state, (inputs, dt) = ncps_ltc(memory=memory), sequence(2, 20)
    network = ltc_from_ncps(tensors(state, dtype), unfolds=4, implicit_constraints=implicit)
    outputs = network(inputs, dt)[0].detach().numpy()
    for row in range(2):
        expected = ncps_ltc_outputs(state, inputs[row].numpy(), dt[row].numpy(), 4, softplus if implicit else lambda x: x)
        np.testing.assert_allclose(outputs[row], expected, rtol=0, atol=tolerance)
    masks = state["rnn_cell.sparsity_mask"].sum(), state["rnn_cell.sensory_sparsity_mask"].sum()
    assert (len(network.between.weight), len(network.sensory.weight)) == masks


def test_a_bare_cell_and_a_negative_weight():
    state = {name.removeprefix("rnn_cell."): one for name, one in ncps_ltc().items()}
    inputs, _ = sequence(1, 3)
    torch.testing.assert_close(ltc_from_ncps(tensors(state))(inputs)[0], ltc_from_ncps(tensors(ncps_ltc()))(inputs)[0])
    state["w"] = state["w"] - 0.5
    with pytest.raises(lc.InputError, match="w is negative at .* implicit_param_constraints"):
        ltc_from_ncps(tensors(state), implicit_constraints=False)
    with pytest.raises(lc.InputError, match="no 'ff1.weight'"):
        cfc_from_ncps(tensors(state))


def ncps_cfc(mode, layers, projection, memory, n_input=3, units=4, width=6, seed=0):
    rng = np.random.default_rng(seed)
    state, n = {}, n_input + units
    for k in range(layers):
        state |= {
            f"rnn_cell.backbone.{2 * k}.weight": rng.normal(0, 0.4, (width, n)),
            f"rnn_cell.backbone.{2 * k}.bias": rng.normal(0, 0.4, width),
        }
        n = width
    for name in ("ff1",) if mode == "pure" else ("ff1", "ff2", "time_a", "time_b"):
        state |= {f"rnn_cell.{name}.weight": rng.normal(0, 0.4, (units, n)), f"rnn_cell.{name}.bias": rng.normal(0, 0.4, units)}
    if mode == "pure":
        state |= {"rnn_cell.w_tau": rng.normal(0, 1, (1, units)), "rnn_cell.A": rng.normal(1, 0.2, (1, units))}
        state["rnn_cell.w_tau"][0, 0] = 0  # where ncps begins, and stays
    if projection:
        state |= {"fc.weight": rng.normal(0, 0.4, (2, units)), "fc.bias": rng.normal(0, 0.4, 2)}
    if memory:
        shapes = {"input_map.weight": (4 * units, n_input), "input_map.bias": (4 * units,), "recurrent_map.weight": (4 * units, units)}
        state |= {f"lstm.{name}": rng.normal(0, 0.3, shape) for name, shape in shapes.items()}
    return state


def ncps_cfc_outputs(state, inputs, dt, mode):
    s = {name.removeprefix("rnn_cell."): one for name, one in state.items()}
    h, c, outputs = np.zeros(len(s["ff1.bias"])), np.zeros(len(s["ff1.bias"])), []
    for x, time in zip(inputs, dt, strict=True):
        if "lstm.input_map.bias" in state:
            h, c = lstm_step(state, x, h, c)
        z, k = np.concatenate([x, h]), 0
        while f"backbone.{k}.weight" in s:
            z, k = 1.7159 * np.tanh(0.666 * (s[f"backbone.{k}.weight"] @ z + s[f"backbone.{k}.bias"])), k + 2
        heads = [s[f"{name}.weight"] @ z + s[f"{name}.bias"] for name in ("ff1", "ff2", "time_a", "time_b") if f"{name}.bias" in s]
        if mode == "pure":
            h = -s["A"][0] * np.exp(-time * (np.abs(s["w_tau"][0]) + np.abs(heads[0]))) * heads[0] + s["A"][0]
        else:
            share = sigmoid(heads[2] * time + heads[3])
            h = np.tanh(heads[0]) * (1 - share if mode == "default" else 1) + share * np.tanh(heads[1])
        outputs.append(s["fc.weight"] @ h + s["fc.bias"] if "fc.weight" in s else h)
    return np.array(outputs)


@pytest.mark.parametrize("mode", ["default", "no_gate", "pure"])
@pytest.mark.parametrize("layers, projection, memory", [(1, False, False), (2, True, True), (0, False, True)])
def test_an_ncps_cfc_gives_the_same_outputs(mode, layers, projection, memory):
    state, (inputs, dt) = ncps_cfc(mode, layers, projection, memory), sequence(2, 20)
    outputs = cfc_from_ncps(tensors(state), mode)(inputs, dt)[0].detach().numpy()
    for row in range(2):
        np.testing.assert_allclose(outputs[row], ncps_cfc_outputs(state, inputs[row].numpy(), dt[row].numpy(), mode), rtol=0, atol=1e-10)
