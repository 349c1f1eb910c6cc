"""What goes on inside a liquid network along a run: the current through each synapse, and each unit's time constant with its bounds.

Lives here: reading a trained network. Does not live here: its reduction to A, B and C (`reduction`), its training.
"""

from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
import torch
from numpy.typing import NDArray

from ltc_causal.networks.ltc import LTC
from ltc_causal.networks.sequence import State, Tensor

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Currents:
    """w s (e - v) of every synapse after each step, as it enters the target: cm dv/dt is their sum and the leak's.

    names, sensory_names : `source->target`; between : shape (batch, time, synapse); sensory : shape (batch, time, sensory synapse)
    leak : gl (vl - v), shape (batch, time, unit)
    potentials : v, shape (batch, time, unit)
    """

    names: tuple[str, ...]
    sensory_names: tuple[str, ...]
    between: Array
    sensory: Array
    leak: Array
    potentials: Array


@dataclass(frozen=True, eq=False)
class TimeConstants:
    """How fast each unit is, and the range that its synapses allow (Hasani et al. 2021, theorem 1), in seconds.

        tau / (1 + tau W) <= tau_sys = cm / (gl + sum w s) <= tau,  tau = cm / gl,  W = sum w / cm

    units : names; along : tau_sys after each step, shape (batch, time, unit); shortest, longest : shape (unit,)
    """

    units: tuple[str, ...]
    along: Array
    shortest: Array
    longest: Array


@torch.no_grad()
def currents(
    network: LTC, inputs: Tensor, dt: Tensor | float | None = None, state: State | None = None, observed: Tensor | None = None
) -> Currents:
    """The currents along a run; arguments as of the network itself."""
    v, u = _along(network, inputs, dt, state, observed)
    circuit, listed = network.circuit, []
    for synapses, source, target, x in (
        (network.between, circuit.source, circuit.target, v),
        (network.sensory, circuit.sensory_source, circuit.sensory_target, u),
    ):
        w, sigma, mu, e = synapses.numbers().values()
        listed.append(w * torch.sigmoid(sigma * (x[..., torch.tensor(source)] - mu)) * (e - v[..., torch.tensor(target)]))
    leak, rest, _ = network.membranes()
    return Currents(
        circuit.synapse_names(), circuit.sensory_names(), *(one.double().numpy(force=True) for one in (*listed, leak * (rest - v), v))
    )


@torch.no_grad()
def time_constants(
    network: LTC, inputs: Tensor, dt: Tensor | float | None = None, state: State | None = None, observed: Tensor | None = None
) -> TimeConstants:
    """The time constants along a run; arguments as of the network itself."""
    v, u = _along(network, inputs, dt, state, observed)
    leak, _, capacitance = network.membranes()
    most = torch.zeros_like(leak)
    for synapses, target in ((network.between, network.circuit.target), (network.sensory, network.circuit.sensory_target)):
        most = most.index_add(0, torch.tensor(target, device=leak.device), synapses.numbers()["weight"])
    along = capacitance / (leak + network.between.rows().open(v)[1] + network.sensory.rows().open(u)[1])
    arrays = (one.double().numpy(force=True) for one in (along, capacitance / (leak + most), capacitance / leak))
    return TimeConstants(network.circuit.units, *arrays)


def graph(network: LTC) -> nx.DiGraph:
    """The network's wiring as a `networkx.DiGraph`: nodes with their kind (region or input), edges with weight and reversal potential.

    An edge's weight is w / cm in Hz, what its synapse adds to the target's rate when fully open, with the sign of its polarity.
    """
    circuit, found = network.circuit, nx.DiGraph()
    found.add_nodes_from(circuit.units, kind="region")
    found.add_nodes_from(circuit.inputs, kind="input")
    capacitance = network.membranes()[2].numpy(force=True)
    lists = (network.between, circuit.source, circuit.target, circuit.units), (
        network.sensory, circuit.sensory_source, circuit.sensory_target, circuit.inputs,
    )  # fmt: skip
    for rows, sources, targets, names in lists:
        numbers = {name: one.numpy(force=True) for name, one in rows.numbers().items()}
        for s, (j, i) in enumerate(zip(sources, targets, strict=True)):
            weight, reversal = float(numbers["weight"][s] / capacitance[i]), float(numbers["reversal"][s])
            found.add_edge(names[j], circuit.units[i], weight=float(np.copysign(weight, reversal)), reversal=reversal)
    return found


def _along(network: LTC, *run: Any) -> tuple[Tensor, Tensor]:
    """Potentials after each step, and what the sensory synapses saw in it."""
    inputs, v, _ = network.trajectory(*run)
    return v, network.mapped(inputs)
