"""A gated liquid network with hidden units, to be fitted by gradient to activity or, through the haemodynamics, to BOLD.

The flow is that of `models.synaptic`, hidden units after the regions. Every parameter is counted from where the network starts, in steps of its
own size, so that theta = 0 is the start and theta ~ N(0, 1) what is thought likely around it:

    leak, weights, |reversal potentials|   start * softplus(theta SHARE) / softplus(0), hence above zero; a synapse keeps its sign
    slopes, gating                         start + theta * what makes COUPLING or MODULATION Hz of coupling at rest
    thresholds, drives, sensory slopes ... start + theta * size
    transit, decay, epsilon                start + theta / 16, the usual prior of a DCM

The bias is none of them: b = -(what the synapses let in at x = u = 0), so that rest is zero exactly, as a DCM counts activity.

Lives here: `LiquidNetwork`, its parameters, its signal in torch. Does not live here: the connections (`wiring`), the start of each number
(`liquid_start`), courses and gradients (`liquid_course`), simulation (`liquid_system`), training (`inference.gradient`). This file imports torch.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ltc_causal.core.coupling import connection_mask
from ltc_causal.core.data import Inputs, Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.model import Features
from ltc_causal.errors import InputError, finite_array, known_name, one_of, positive, unique_names
from ltc_causal.models import blood
from ltc_causal.models.liquid_course import Constants, Plan, course
from ltc_causal.models.liquid_start import POSITIVE, Start, around_network, at_random
from ltc_causal.models.liquid_system import LiquidSystem
from ltc_causal.models.synaptic import SynapticNetwork
from ltc_causal.models.true_flow import MAX_STEP
from ltc_causal.models.wiring import Wiring, with_hidden
from ltc_causal.numerics.schedule import cut_into_steps, sample_bins

Array = NDArray[np.float64]
Tensor = torch.Tensor

SIGNAL_RANGE = 4.0  # BOLD is scaled down if its range exceeds this, as a DCM does
BOLD_SIZE = 0.25  # of activity
AT_RANDOM, NEAR_START = 1.0, 0.3  # sd of theta of the second start and the following ones


@dataclass(frozen=True, eq=False)
class LiquidNetwork:
    """A network of gated synapses between regions and hidden units; raw, or started from another one.

    regions, inputs : names
    hidden : how many hidden units; each is joined to every unit, and driven by every input
    intrinsic : synapses between regions, as (source, target) pairs or a boolean array (target, source); None for all of them
    modulatory : {input: pairs}, which synapses between regions an input gates; None for all of them
    driving : (input, region) pairs; None for all of them
    sensory : (input, region) pairs that come in through a sigmoid synapse besides
    gated : whether inputs gate synapses; the standard network has gated=False and cannot modulate a connection
    start : a network to start from, of these regions and inputs, rest at zero (`to_synaptic(...).network` of a fitted DCM). It says what is
        connected, so that the five above are about hidden units alone, which begin without any effect on the regions
    parameters : {name: value}, of which "transit[region]", "decay" and "epsilon" are taken as the start of the haemodynamics
    observation : "bold" or "activity"
    size : of activity, in its units, for what begins at random; None for 1, or 0.25 under BOLD, whose balloon bursts below about -0.3
    seed : of what begins at random
    max_step : seconds, of the integration
    """

    regions: Sequence[str]
    inputs: Sequence[str]
    hidden: int = 0
    intrinsic: Any = None
    modulatory: Any = None
    driving: Any = None
    sensory: Any = ()
    gated: bool = True
    start: SynapticNetwork | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    observation: str = "bold"
    size: float | None = None  # a number from birth on
    seed: int = 0
    max_step: float = MAX_STEP
    wiring: Wiring = field(init=False, repr=False)
    _begin: Start = field(init=False, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "regions", unique_names("LiquidNetwork regions", self.regions))
        object.__setattr__(self, "inputs", unique_names("LiquidNetwork inputs", self.inputs))
        one_of("LiquidNetwork observation", self.observation, ("bold", "activity"))
        if not isinstance(self.hidden, int) or self.hidden < 0:
            raise InputError(f"LiquidNetwork hidden must be a whole number of units of at least 0, got {self.hidden!r}.")
        if self.size is None:
            object.__setattr__(self, "size", BOLD_SIZE if self.observation == "bold" else 1.0)
        for name, unit in (("size", "activity"), ("max_step", "seconds")):
            object.__setattr__(self, name, positive(f"LiquidNetwork {name}", getattr(self, name), unit))
        units = unique_names("The units of a LiquidNetwork", with_hidden(tuple(self.regions), self.hidden))
        if self.start is not None:
            self._check_start(self.start)
        object.__setattr__(
            self, "wiring", self._wired(units) if self.start is None else Wiring.of_network(self.start, self.hidden, self.gated)
        )
        object.__setattr__(self, "_begin", self._beginning())

    @classmethod
    def started_from(cls, network: SynapticNetwork, hidden: int = 0, **options: Any) -> "LiquidNetwork":
        """A network that begins as this one, such as `lc.to_synaptic(lc.to_liquid(fit)).network`."""
        return cls(network.regions, network.inputs, hidden, start=network, **options)

    def _check_start(self, start: SynapticNetwork) -> None:
        if (start.regions, start.inputs) != (self.regions, self.inputs):
            raise InputError(
                f"The start has regions {list(start.regions)} and inputs {list(start.inputs)}, the LiquidNetwork others: name the same, in that order."
            )
        if self.intrinsic is not None or self.modulatory is not None or self.driving is not None or len(self.sensory):
            raise InputError(
                "A LiquidNetwork with a start is connected as the start is: leave out intrinsic, modulatory, driving and sensory."
            )

    def _wired(self, units: tuple[str, ...]) -> Wiring:
        """All of the hidden units' connections, and those asked for among the regions."""
        n, U, m, regions = len(self.regions), len(units), len(self.inputs), tuple(self.regions)
        synapses, driven, sensed = ~np.eye(U, dtype=bool), np.ones((U, m), dtype=bool), np.zeros((U, m), dtype=bool)
        gates = np.full((m, U, U), self.gated)
        if self.intrinsic is not None:
            synapses[:n, :n] &= connection_mask("LiquidNetwork intrinsic", self.intrinsic, regions, regions)
        if self.modulatory is not None:
            gates[:, :n, :n] = False
            for name, pairs in self.modulatory.items():
                k = known_name("input", name, self.inputs, "LiquidNetwork modulatory")
                gates[k, :n, :n] = connection_mask(f"LiquidNetwork modulatory[{name!r}]", pairs, regions, regions)
        if self.driving is not None:
            driven[:n] = connection_mask("LiquidNetwork driving", self.driving, self.inputs, regions)
        sensed[:n] = connection_mask("LiquidNetwork sensory", self.sensory, self.inputs, regions)
        return Wiring.of_masks(units, n, tuple(self.inputs), synapses[None], gates[:, None], driven, sensed)

    def _beginning(self) -> Start:
        if self.start is None:
            begin = at_random(self.wiring, float(self.size or 0), self.seed)
        else:
            begin = around_network(self.wiring, self.start, float(self.size or 0), self.seed)
        return begin.with_haemodynamics(self.regions, self.parameters) if self.observation == "bold" else begin

    # --- parameters -----------------------------------------------------------------------------------------------------------------

    @cached_property
    def _slices(self) -> dict[str, slice]:
        """Where each group of parameters stands in theta."""
        ends = np.cumsum([len(values) for values in self._begin.values.values()]).tolist()
        return {name: slice(first, end) for name, first, end in zip(self._begin.values, [0, *ends[:-1]], ends, strict=True)}

    @cached_property
    def prior(self) -> Gaussian:
        """Where theta is thought to lie: N(0, 1) for each parameter, in its own steps from the start (see the module's first lines)."""
        names = tuple(name for group in self._slices for name in self.wiring.names(group))
        return Gaussian(names, np.zeros(len(names)), np.eye(len(names)))

    @property
    def identity(self) -> str:
        """A short digest of everything that gives theta its meaning; two networks of the same digest are the same."""
        digest = hashlib.sha256(repr((self.prior.names, self.observation, self.max_step)).encode())
        for values in (*self._begin.values.values(), *self._begin.steps.values(), self.wiring.target, self.wiring.source):
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()[:16]

    def starts(self, count: int, seed: int) -> Array:
        """Where to begin, shape (count, parameter): the start itself, then draws around it."""
        spread = AT_RANDOM if self.start is None else NEAR_START
        theta = spread * np.random.default_rng(seed).standard_normal((count, len(self.prior.names)))
        theta[0] = 0.0
        return theta

    def values(self, theta: Tensor) -> dict[str, Tensor]:
        """{group: (..., entry)} in the units of `SynapticNetwork` and `haemodynamics`, from theta (..., parameter)."""
        values = {}
        for group, place in self._slices.items():
            start, step = torch.from_numpy(self._begin.values[group]), torch.from_numpy(self._begin.steps[group])
            raw = theta[..., place]
            values[group] = start * torch.nn.functional.softplus(step * raw) / math.log(2.0) if group in POSITIVE else start + step * raw
        values["bias"] = self._bias(values)
        return values

    def _bias(self, values: Mapping[str, Tensor]) -> Tensor:
        """What takes away all that comes in at rest, (..., unit)."""
        at_rest = torch.sigmoid(-values["slope"] * values["threshold"]) * values["weight"] * values["reversal"]
        sensed = (
            torch.sigmoid(-values["sensory_slope"] * values["sensory_threshold"]) * values["sensory_weight"] * values["sensory_reversal"]
        )
        bias = torch.zeros_like(values["leak"])
        bias = bias.index_add(-1, torch.from_numpy(self.wiring.target), -at_rest)
        return bias.index_add(-1, torch.from_numpy(self.wiring.senses[:, 1].copy()), -sensed)

    def constants(self, theta: Tensor, inputs: Array) -> Constants:
        """The flow under each of some input values (value, input), of theta (r, parameter)."""
        p, u = self.values(theta), torch.from_numpy(inputs)
        gate = _added(p["slope"], u, self.wiring.gates, p["gating"][:, None])
        k, i = torch.from_numpy(self.wiring.senses.T.copy())
        open_ = p["sensory_weight"][:, None] * torch.sigmoid(
            p["sensory_slope"][:, None] * (u[:, k] - p["sensory_threshold"][:, None])
        )  # (r, value, sense)
        drive = _added(p["bias"], u, self.wiring.drives, p["drive"][:, None]).index_add(2, i, open_ * p["sensory_reversal"][:, None])
        leak = p["leak"][:, None].expand(-1, len(u), -1).contiguous().index_add(2, i, open_)
        if self.observation == "bold":
            signal_decay, inverse_tau = blood.rates(p["transit"], p["decay"])
        else:
            signal_decay, inverse_tau = theta.new_zeros(len(theta), 1), theta.new_zeros(len(theta), 0)
        return Constants(gate, drive, leak, p["weight"], p["threshold"], p["reversal"], signal_decay, inverse_tau)

    # --- signal ---------------------------------------------------------------------------------------------------------------------

    def prepared_inputs(self, inputs: Inputs) -> Inputs:
        """The network's inputs in its order."""
        return inputs.select(self.inputs)

    def features(self, recording: Recording) -> Features:
        """The recording as the network predicts it: its regions, mean removed, BOLD scaled to a range of at most 4; and the plan."""
        recording = recording.select(self.regions)
        values = recording.series.values - recording.series.values.mean(axis=0)
        scale = float(SIGNAL_RANGE / max(np.ptp(values), SIGNAL_RANGE)) if self.observation == "bold" else 1.0
        inputs = self.prepared_inputs(recording.inputs)
        bins = sample_bins(len(inputs.values), len(values), recording.delays, inputs.dt)
        steps = cut_into_steps(inputs.values, inputs.dt, bins)
        return Features(values * scale, recording.confounds, scale, Plan.of(steps, self.max_step, recording.echo_time))

    def signal(self, theta: Tensor, features: Features) -> tuple[Tensor, Tensor]:
        """The predicted signal, shape (r, time, region), of theta (r, parameter), and which stayed within bounds; differentiable once."""
        plan: Plan = features.plan
        states, stable = course(self.constants(theta, plan.inputs), self.wiring.target, self.wiring.source, plan)
        return self.read(states, theta, plan), stable

    def read(self, states: Tensor, theta: Tensor, plan: Plan) -> Tensor:
        """The signal of a course of states (r, step + 1, state), shape (r, time, region)."""
        read, U, n = torch.from_numpy(plan.read), len(self.wiring.units), len(self.regions)
        region = torch.arange(n)
        if self.observation == "activity":
            return states[:, read, region]
        epsilon = self.values(theta)["epsilon"][:, :, None]
        return blood.bold(states[:, read, U + 2 * n + region], states[:, read, U + 3 * n + region], epsilon, plan.echo_time)

    def predict(self, theta: Array, features: Features) -> tuple[Array, NDArray[np.bool_]]:
        """`signal` in numpy, of theta (r, parameter)."""
        with torch.no_grad():
            signal, stable = self.signal(torch.tensor(finite_array("theta", theta, 2, "(draw, parameter)")), features)
        return signal.numpy(), stable.numpy()

    def system(self, theta: Array | None = None, echo_time: float = 0.04) -> LiquidSystem:
        """The network at parameters of shape (draw, parameter), at its start unless given, for simulation, interventions and reductions."""
        theta = np.zeros((1, len(self.prior.names))) if theta is None else np.atleast_2d(np.asarray(theta, dtype=float))
        values = {name: value.numpy().T.copy() for name, value in self.values(torch.tensor(theta)).items()}
        return LiquidSystem(self.wiring, values, echo_time if self.observation == "bold" else None)

    def describe(self) -> str:
        """One line: kind, regions, inputs, number of parameters."""
        kind = "Gated liquid network" if len(self.wiring.gates) else "Liquid network without gates"
        hidden = f" and {self.hidden} hidden unit(s)" if self.hidden else ""
        return f"{kind} of {', '.join(self.regions)}{hidden} with inputs {', '.join(self.inputs)}; {len(self.prior.names)} parameters."


def _added(base: Tensor, u: Tensor, places: NDArray, weights: Tensor) -> Tensor:
    """The base (r, entry) under each input value, plus u_k times a weight (r, 1, place) at every place (k, entry)."""
    k, at = torch.from_numpy(places.T.copy())
    return base[:, None].expand(-1, len(u), -1).contiguous().index_add(2, at, weights * u[:, k])
