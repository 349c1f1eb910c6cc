"""Which units a network has and what is connected: lists of synapses, of the inputs that gate them, and of the ways in.

A synapse is one entry of a list, so that absent ones cost nothing and have no parameters; two with the same source and target lie beside each
other.

Lives here: the lists, and their making from masks or from a `SynapticNetwork`. Does not live here: any number (`liquid`).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ltc_causal.models.synaptic import SynapticNetwork

Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Wiring:
    """The connections of a network.

    units : names, the regions first; n_region : how many of them are regions, the others being hidden
    inputs : names
    layer, target, source : shape (synapse,); the layer numbers those between the same two units from 0
    gates : shape (gate, 2), the input and the synapse that it gates
    drives, senses : shape (..., 2), the input and the unit that it drives linearly or through a sensory synapse
    """

    units: tuple[str, ...]
    n_region: int
    inputs: tuple[str, ...]
    layer: Places
    target: Places
    source: Places
    gates: Places
    drives: Places
    senses: Places

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the units that are regions."""
        return self.units[: self.n_region]

    @property
    def n_layer(self) -> int:
        """The most synapses that lie beside each other, at least 1."""
        return int(self.layer.max(initial=0)) + 1

    @cached_property
    def incidence(self) -> NDArray[np.float64]:
        """1 where a synapse ends, shape (unit, synapse)."""
        return (np.arange(len(self.units))[:, None] == self.target).astype(float)

    @property
    def beside(self) -> Places:
        """How many synapses each one's source and target have between them, shape (synapse,)."""
        pairs = self.target * len(self.units) + self.source
        return (pairs[:, None] == pairs).sum(axis=1)

    @classmethod
    def of_masks(
        cls,
        units: tuple[str, ...],
        n_region: int,
        inputs: tuple[str, ...],
        synapses: NDArray,
        gated: NDArray,
        driven: NDArray,
        sensed: NDArray,
    ) -> "Wiring":
        """From boolean arrays (layer, target, source), (input, layer, target, source), and twice (unit, input).

        A gate without its synapse is left out.
        """
        layer, target, source = np.argwhere(synapses).T
        gates = np.argwhere(gated[:, layer, target, source])
        return cls(units, n_region, inputs, layer, target, source, gates, np.argwhere(driven.T), np.argwhere(sensed.T))

    @classmethod
    def of_network(cls, network: SynapticNetwork, hidden: int, gated: bool) -> "Wiring":
        """The synapses, gates and ways in of a network, and so many hidden units joined to everything and to one another.

        gated : whether every input gates every synapse of a hidden unit
        """
        n, m, U = len(network.regions), len(network.inputs), len(network.regions) + hidden
        synapses = np.zeros((len(network.weight), U, U), dtype=bool)
        synapses[:, :n, :n] = network.weight != 0
        added = ~np.eye(U, dtype=bool)
        added[:n, :n] = False
        synapses[0] |= added
        gates = np.zeros((m, *synapses.shape), dtype=bool)
        gates[:, :, :n, :n] = network.input_gating.transpose(1, 0, 2, 3) != 0
        gates[:, 0] |= added & gated
        driven, sensed = np.ones((U, m), dtype=bool), np.zeros((U, m), dtype=bool)
        driven[:n], sensed[:n] = network.drive != 0, network.sensory_weight != 0
        return cls.of_masks(with_hidden(network.regions, hidden), n, network.inputs, synapses, gates, driven, sensed)

    def dense(self, of_synapses: NDArray) -> NDArray:
        """Values of synapses (..., synapse) as arrays (..., layer, target, source)."""
        n = len(self.units)
        array = np.zeros((*of_synapses.shape[:-1], self.n_layer, n, n))
        array[..., self.layer, self.target, self.source] = of_synapses
        return array

    def names(self, group: str) -> tuple[str, ...]:
        """Names of a group's parameters: `weight[V1->V5]`, `gating[motion: V1->V5]`, `drive[photic->V1]`, `leak[V1]`, `decay`."""
        if group in ("decay", "epsilon"):
            return (group,)
        if group in ("leak", "transit"):
            return tuple(f"{group}[{name}]" for name in (self.units if group == "leak" else self.regions))
        if group == "gating":
            return tuple(f"gating[{self.inputs[k]}: {self._synapse(s)}]" for k, s in self.gates)
        if group == "drive" or group.startswith("sensory"):
            places = self.drives if group == "drive" else self.senses
            return tuple(f"{group}[{self.inputs[k]}->{self.units[i]}]" for k, i in places)
        return tuple(f"{group}[{self._synapse(s)}]" for s in range(len(self.target)))

    def _synapse(self, s: int) -> str:
        beside = f" ({self.layer[s] + 1})" if self.layer[s] else ""
        return f"{self.units[self.source[s]]}->{self.units[self.target[s]]}{beside}"


def with_hidden(regions: tuple[str, ...], hidden: int) -> tuple[str, ...]:
    """The names of all units."""
    return (*regions, *(f"hidden{number}" for number in range(1, hidden + 1)))
