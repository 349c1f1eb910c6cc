"""Networks trained in ncps (1.0.1, torch) as ours, by its formulas: from a state dict alone, ncps need not be installed.

ncps keeps synapses as dense (source, target) matrices beside a mask; what the mask leaves out is left out here. A reversal potential's sign
becomes the circuit's polarity, also where training had flipped it.

Lives here: `ltc_from_ncps`, `cfc_from_ncps`. Does not live here: our own files (`files`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ltc_causal.errors import InputError, one_of
from ltc_causal.networks.cfc import CfC
from ltc_causal.networks.circuit import Circuit
from ltc_causal.networks.ltc import LTC
from ltc_causal.networks.sequence import Tensor
from ltc_causal.networks.solvers import Fused
from ltc_causal.networks.synapses import Synapses

SMALLEST = 1e-12  # what stands for a weight of exactly 0, which softplus does not reach
MAPPED = {"input_w": "input_weight", "input_b": "input_bias", "output_w": "output_weight", "output_b": "output_bias"}
GATES = ("input_map.weight", "input_map.bias", "recurrent_map.weight")


def ltc_from_ncps(state: Mapping[str, Tensor], unfolds: int = 6, implicit_constraints: bool = True) -> LTC:
    """An `ncps.torch.LTC` or `LTCCell`.

    state : its `state_dict()`
    unfolds : its ode_unfolds
    implicit_constraints : its implicit_param_constraints, whether what it trained goes through softplus; True for LTC, False for LTCCell
        unless it was told otherwise

    Raises `InputError` if the state is not of such a network, or if it holds a negative weight, leak or capacitance without that constraint.
    """
    cell, memory = _parts(state, "w")
    named = {name: _wanted(cell, name) for name in ("gleak", "vleak", "cm", "sparsity_mask", "sensory_sparsity_mask")}
    signs = []
    for prefix in ("", "sensory_"):
        mask, reversal = named[f"{prefix}sparsity_mask"], _wanted(cell, f"{prefix}erev")
        signs.append(np.where(mask.numpy(force=True) != 0, np.where(reversal.numpy(force=True) < 0, -1, 1), 0).T)
    n_output = len(cell["output_w"]) if "output_w" in cell else len(named["gleak"])
    network = LTC(Circuit.of_matrices(signs[0], signs[1], n_output), Fused(unfolds), mixed_memory=bool(memory)).to(named["gleak"].dtype)
    raw = (lambda _, x: x) if implicit_constraints else _before_softplus
    with torch.no_grad():
        network.leak.copy_(raw("gleak", named["gleak"]))
        network.rest.copy_(named["vleak"])
        network.capacitance.copy_(raw("cm", named["cm"]))
        circuit = network.circuit
        _copy_synapses(network.between, cell, "", circuit.target, circuit.source, raw)
        _copy_synapses(network.sensory, cell, "sensory_", circuit.sensory_target, circuit.sensory_source, raw)
        for theirs, ours in MAPPED.items():
            if theirs in cell:
                getattr(network, ours).copy_(cell[theirs])
        _copy_memory(network.memory, memory)
    return network


def cfc_from_ncps(state: Mapping[str, Tensor], mode: str = "default", activation: str = "lecun_tanh") -> CfC:
    """An `ncps.torch.CfC` or `CfCCell` without a wiring, from its `state_dict()`; its mode and the backbone's activation are not in there.

    Raises `InputError` if the state is not of such a network or of another mode.
    """
    one_of("cfc_from_ncps mode", mode, ("default", "no_gate", "pure"))
    cell, memory = _parts(state, "ff1.weight")
    layers = sorted({int(name.split(".")[1]) for name in cell if name.startswith("backbone.")})
    stack = [(_wanted(cell, f"backbone.{k}.weight"), _wanted(cell, f"backbone.{k}.bias")) for k in layers]
    names = ("ff1",) if mode == "pure" else ("ff1", "ff2", "time_a", "time_b")
    heads = [torch.cat([_wanted(cell, f"{name}.{kind}") for name in names]) for kind in ("weight", "bias")]
    units = len(cell["ff1.weight"])
    first, bias = stack[0] if stack else heads
    projection = state.get("fc.weight")
    network = CfC(
        first.shape[1] - units,
        units,
        None if projection is None else len(projection),
        mode,
        len(first) if stack else 0,
        len(stack),
        activation,
        bool(memory),
    ).to(first.dtype)
    with torch.no_grad():
        network.from_input.weight.copy_(first[:, : network.n_input])
        network.from_input.bias.copy_(bias)
        network.from_state.weight.copy_(first[:, network.n_input :])
        for layer, (weight, shift) in zip(network.deeper, stack[1:], strict=True):
            layer.load_state_dict({"weight": weight, "bias": shift})
        if network.heads is not None:
            network.heads.load_state_dict({"weight": heads[0], "bias": heads[1]})
        if mode == "pure":
            network.rate.copy_(_before_softplus("|w_tau|", _wanted(cell, "w_tau").abs())[0])
            network.asymptote.copy_(_wanted(cell, "A")[0])
        if network.projection is not None and projection is not None:
            network.projection.load_state_dict({"weight": projection, "bias": _wanted(state, "fc.bias")})
        _copy_memory(network.memory, memory)
    return network


def _parts(state: Mapping[str, Tensor], known_by: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The cell's entries and those of the memory before it, without their prefixes."""
    prefix = "rnn_cell." if f"rnn_cell.{known_by}" in state else ""
    cell = {name[len(prefix) :]: one for name, one in state.items() if name.startswith(prefix)}
    _wanted(cell, known_by)
    return cell, {name[len("lstm.") :]: one for name, one in state.items() if name.startswith("lstm.")}


def _wanted(entries: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in entries:
        raise InputError(f"The state dict has no {name!r} (it has {list(entries)[:4]}, ...): give that of an ncps network of this kind.")
    return entries[name].detach().cpu()


def _copy_synapses(rows: Synapses, cell: Mapping[str, Tensor], prefix: str, target: Any, source: Any, raw: Any) -> None:
    places = torch.from_numpy(source.copy()), torch.from_numpy(target.copy())
    listed = {name: _wanted(cell, prefix + name)[places] for name in ("w", "sigma", "mu", "erev")}
    rows.weight.copy_(raw(f"{prefix}w", listed["w"]))
    rows.slope.copy_(listed["sigma"])
    rows.threshold.copy_(listed["mu"])
    rows.size.copy_(_before_softplus("|erev|", listed["erev"].abs()))


def _copy_memory(memory: Any, entries: Mapping[str, Tensor]) -> None:
    if memory is not None:
        memory.load_state_dict({name: _wanted(entries, name) for name in GATES})


def _before_softplus(name: str, values: Tensor) -> Tensor:
    """What softplus makes these values of, in float64; raises `InputError` if one is negative."""
    if (values < 0).any():
        raise InputError(
            f"{name} is negative at {int((values < 0).sum())} places, which no membrane has: was the network trained with implicit_param_constraints=True?"
        )
    values = values.double().clamp(min=SMALLEST)
    return values + torch.log(-torch.expm1(-values))
