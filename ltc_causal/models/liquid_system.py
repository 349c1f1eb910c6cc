"""A liquid network at given parameters, as simulation and interventions see it: numpy, vectorised over draws.

The flow of `models.synaptic` on lists of synapses, hidden units after the regions, rest at zero.

Lives here: `LiquidSystem`, a `core.model.DynamicalSystem`. Does not live here: the parameters (`liquid`), gradients (`liquid_course`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.coupling import Coupling
from ltc_causal.errors import InputError
from ltc_causal.models import haemodynamics
from ltc_causal.models.synaptic import SynapticNetwork, logistic
from ltc_causal.models.wiring import Wiring

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LiquidSystem:
    """dx/dt of a network for many draws at once (last axis), and dh/dt of its regions.

    wiring : the connections
    values : {group: (entry, draw)}, in the units of `SynapticNetwork`, with "bias" (unit, draw); "transit" (region, draw), "decay" and
        "epsilon" (1, draw) where BOLD is observed
    echo_time : seconds; None where activity is observed
    """

    wiring: Wiring
    values: Mapping[str, Array]
    echo_time: float | None

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions."""
        return self.wiring.regions

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return self.wiring.inputs

    @property
    def n_draw(self) -> int:
        """Number of draws."""
        return self.values["leak"].shape[1]

    @property
    def remark(self) -> str:
        """What a reader of its reduction must know: where no input gates a synapse B is zero, by construction or nearly so."""
        if len(self.wiring.gates):
            return ""
        if len(self.wiring.units) == self.wiring.n_region:
            return self.network().remark
        return (
            "No synapse of this network is gated by an input, so that an input modulates a connection only by way of hidden units: give "
            "it gates where modulation is in question."
        )

    def initial_state(self) -> tuple[Array, Array]:
        """Rest: zeros of shapes (unit, draw) and (4, region, draw), or (0, region, draw) where activity is observed."""
        states = 0 if self.echo_time is None else haemodynamics.N_STATE
        return np.zeros((len(self.wiring.units), self.n_draw)), np.zeros((states, len(self.regions), self.n_draw))

    def flow(self, x: Array, u: Array) -> Array:
        """dx/dt in 1/s, shape (unit, draw), from states (unit, draw) and inputs (input,)."""
        gate, drive, leak = self._under(tuple(u))
        target, source, p = self.wiring.target, self.wiring.source, self.values
        current = p["weight"] * logistic(gate * (x[source] - p["threshold"])) * (p["reversal"] - x[target])
        return self.wiring.incidence @ current + drive - leak * x

    def _under(self, u: tuple[float, ...]) -> tuple[Array, Array, Array]:
        """Slopes in force, drive and leak under an input; the last one asked for is kept, since the stages of a step share it."""
        cached = self.__dict__.get("_last")
        if cached is not None and cached[0] == u:
            return cached[1]
        p, level = self.values, np.array(u)
        gate, drive, leak = p["slope"].copy(), p["bias"].copy(), p["leak"].copy()
        k, s = self.wiring.gates.T
        np.add.at(gate, s, level[k, None] * p["gating"])
        k, i = self.wiring.drives.T
        np.add.at(drive, i, level[k, None] * p["drive"])
        k, i = self.wiring.senses.T
        open_ = p["sensory_weight"] * logistic(p["sensory_slope"] * (level[k, None] - p["sensory_threshold"]))
        np.add.at(drive, i, open_ * p["sensory_reversal"])
        np.add.at(leak, i, open_)
        object.__setattr__(self, "_last", (u, (gate, drive, leak)))
        return gate, drive, leak

    def with_scaled(self, source: int, target: int | None, factor: float) -> "LiquidSystem":
        """The same with the weights of the synapses between two units (or of all out of one) multiplied; the bias stays."""
        wiring, weight = self.wiring, self.values["weight"].copy()
        weight[(wiring.source == source) & (wiring.target != source if target is None else wiring.target == target)] *= factor
        return replace(self, values={**self.values, "weight": weight})

    def own_units(self, region: int) -> tuple[int, ...]:
        """The region alone: hidden units are shared."""
        return (region,)

    def observation_flow(self, h: Array, x: Array) -> Array:
        """dh/dt in 1/s, of h's shape, from the regions' activity."""
        if self.echo_time is None:
            return np.zeros_like(h)
        return haemodynamics.flow(h, x[: len(self.regions)], self.values["transit"], self.values["decay"])

    def observe(self, x: Array, h: Array) -> Array:
        """BOLD in percent, or activity, shape (region, draw)."""
        if self.echo_time is None:
            return x[: len(self.regions)]
        return haemodynamics.bold(h[2], h[3], self.values["epsilon"], self.echo_time)

    def network(self, draw: int = 0) -> SynapticNetwork:
        """One draw as a network of all units, hidden ones included."""
        wiring, p = self.wiring, {name: values[:, draw] for name, values in self.values.items()}
        U, m = len(wiring.units), len(wiring.inputs)
        gating = np.zeros((m, len(wiring.target)))
        gating[tuple(wiring.gates.T)] = p["gating"]
        ways_in = {name: np.zeros((U, m)) for name in ("drive", *(name for name in p if name.startswith("sensory")))}
        for name, matrix in ways_in.items():
            k, i = (wiring.drives if name == "drive" else wiring.senses).T
            matrix[i, k] = p[name]
        synapses = {name: wiring.dense(p[name]) for name in ("weight", "slope", "threshold", "reversal")}
        return SynapticNetwork(
            wiring.units,
            wiring.inputs,
            p["leak"],
            bias=p["bias"],
            input_gating=np.moveaxis(wiring.dense(gating), 0, 1),
            **synapses,
            **ways_in,
        )

    def coupling(self, state: Mapping[str, float] | None = None, inputs: Mapping[str, float] | None = None) -> Coupling:
        """Exact A, B, C and D of a network without hidden units, at a state and inputs given by name.

        Raises `InputError` if it has hidden units, whose meaning for the regions only a projection knows.
        """
        if len(self.wiring.units) > self.wiring.n_region:
            raise InputError("A network with hidden units has no coupling of its regions alone: use reduce_to_dcm(..., Projection()).")
        return self.network().coupling(state, inputs)
