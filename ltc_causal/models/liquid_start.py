"""Where a liquid network begins, and how large a step of each of its parameters is.

Hidden units joined to a network that is given begin without any effect on it: their synapses onto regions have a slope of zero, so that they let
through a constant, which the bias takes away, and a conductance, by which the region's leak is lessened. Their slopes' gradients are not zero.

Lives here: numbers by group, as the wiring has their places. Does not live here: what the groups are made into (`liquid`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltc_causal.errors import InputError, finite_array
from ltc_causal.models.priors import HAEMODYNAMIC
from ltc_causal.models.synaptic import ZERO_FLOW, SynapticNetwork
from ltc_causal.models.wiring import Wiring

Array = NDArray[np.float64]
Groups = dict[str, Array]

POSITIVE = ("leak", "weight", "reversal", "sensory_weight", "sensory_reversal")  # of a reversal potential, its distance from rest
# What theta = 1 is. Wider ones, as far as the data do not inform them, make most draws of a posterior unstable.
COUPLING = 0.25  # Hz, what a slope changes of a coupling at rest
MODULATION = 0.5  # Hz per unit of input, what a gate does
SHIFT = 0.5  # what a threshold changes of the argument of a sigmoid that couples by 1 Hz
SHARE = 0.3  # of leaks, weights and reversal potentials, in the argument of their softplus
DRIVE = 0.25  # share of the activity's size, 1/s per unit of input, of a drive where none is known
BRAKE = 0.3  # share of a region's leak that the synapses of hidden units take over


@dataclass(frozen=True, eq=False)
class Start:
    """Start and step of each parameter, {group: (entry,)}; see `liquid` for what is made of them."""

    values: Groups
    steps: Groups

    def with_haemodynamics(self, regions: Sequence[str], given: Mapping[str, float]) -> "Start":
        """The same with transit, decay and epsilon, at 0 or where given by name."""
        names = {"transit": [f"transit[{region}]" for region in regions], "decay": ["decay"], "epsilon": ["epsilon"]}
        values = {group: np.array([float(given.get(name, HAEMODYNAMIC[0])) for name in listed]) for group, listed in names.items()}
        steps = {group: np.full(len(listed), HAEMODYNAMIC[1] ** 0.5) for group, listed in names.items()}
        return Start({**self.values, **values}, {**self.steps, **steps})


def at_random(wiring: Wiring, size: float, seed: int) -> Start:
    """A raw network: decays of about 1 Hz, synapses of either sign, gates and drives on both sides of zero."""
    rng = np.random.default_rng(seed)
    S, U, Q, W = len(wiring.target), len(wiring.units), len(wiring.gates), len(wiring.senses)
    inflow = np.maximum(np.bincount(wiring.target, minlength=U), 1)[wiring.target]
    values = {
        "leak": rng.uniform(0.5, 1.5, U), "weight": rng.uniform(0.5, 1.5, S) / inflow**0.5, "slope": rng.standard_normal(S) / size,
        "threshold": 0.3 * size * rng.standard_normal(S), "reversal": size * _signs(rng, S), "gating": 0.5 * rng.standard_normal(Q) / size,
        "drive": DRIVE * size * rng.standard_normal(len(wiring.drives)), "sensory_weight": rng.uniform(0.1, 0.5, W), "sensory_slope": np.full(W, 2.0),
        "sensory_threshold": np.full(W, 0.5), "sensory_reversal": size * _signs(rng, W),
    }  # fmt: skip
    return Start(values, _steps(wiring, values, size))


def around_network(wiring: Wiring, network: SynapticNetwork, size: float, seed: int) -> Start:
    """The given network, with hidden units that do nothing yet.

    Raises `InputError` where it cannot be trained: a leak or weight that is not above zero, a reversal potential at rest, gating by regions, or
    a rest that is not zero.
    """
    _check_rest(network)
    n, first = len(network.regions), at_random(wiring, size, seed).values
    own = (wiring.target < n) & (wiring.source < n)
    place = (wiring.layer[own], wiring.target[own], wiring.source[own])
    gating = np.zeros((len(network.inputs), len(own)))
    gating[:, own] = network.input_gating[place[0], :, place[1], place[2]].T
    values = dict(first)
    for name in ("weight", "slope", "threshold", "reversal"):
        values[name] = first[name].copy()
        values[name][own] = getattr(network, name)[place]
    values["gating"] = gating[tuple(wiring.gates.T)]
    values["drive"] = _at_regions(network.drive, wiring.drives, first["drive"])
    for name in ("sensory_weight", "sensory_slope", "sensory_threshold", "sensory_reversal"):
        values[name] = _at_regions(getattr(network, name), wiring.senses, first[name])
    values["leak"][:n] = network.leak
    _attach_hidden(wiring, values, n)
    _check_signs(wiring, values)
    return Start(values, _steps(wiring, values, size))


def _attach_hidden(wiring: Wiring, values: Groups, n: int) -> None:
    onto_region = (wiring.target < n) & (wiring.source >= n)
    values["threshold"][wiring.source >= n] = 0.0
    values["slope"][onto_region] = 0.0
    targets = wiring.target[onto_region]
    share = BRAKE * values["leak"][targets] / np.bincount(targets, minlength=n)[targets] if len(targets) else np.zeros(0)
    values["weight"][onto_region] = 2 * share  # half of it is open at rest
    np.subtract.at(values["leak"], targets, share)


def _steps(wiring: Wiring, values: Groups, size: float) -> Groups:
    """How far theta = 1 is from the start; of the groups that are `POSITIVE`, in the argument of their softplus."""
    # A synapse makes weight * slope * reversal / 4 Hz of coupling, for the slope of the sigmoid at its steepest.
    strength = values["weight"] * np.abs(values["reversal"]) / 4 * wiring.beside
    drives = values["drive"]
    drive = max(DRIVE * size, 0.5 * float(np.sqrt((drives**2).mean()))) if len(drives) else 1.0
    steps = {
        "slope": COUPLING / strength, "threshold": SHIFT * strength, "gating": MODULATION / strength[wiring.gates[:, 1]],
        "drive": np.full(len(drives), drive), "sensory_slope": np.ones(len(wiring.senses)), "sensory_threshold": np.full(len(wiring.senses), 0.5),
    }  # fmt: skip
    return {name: steps.get(name, np.full(len(value), SHARE)) for name, value in values.items()}


def _check_rest(network: SynapticNetwork) -> None:
    if network.region_gating.any():
        raise InputError(
            "A LiquidNetwork has no gating by regions, which its hidden units can do: start from a network without region_gating."
        )
    rate = network.flow(np.zeros((len(network.regions), 1)), np.zeros(len(network.inputs)))[:, 0]
    largest = (np.abs(network.weight * network.reversal)).sum((0, 2)) + np.abs(network.bias)
    if (np.abs(rate) > 1e3 * ZERO_FLOW * (largest + 1)).any():
        raise InputError("A LiquidNetwork starts from a network whose rest is at zero: give network.about_rest().")


def _check_signs(wiring: Wiring, values: Groups) -> None:
    for group in POSITIVE:
        bad = (np.abs(values[group]) == 0) if "reversal" in group else values[group] <= 0
        if bad.any():
            name = wiring.names(group)[int(np.argmax(bad))]
            raise InputError(
                f"A LiquidNetwork keeps leaks and weights above zero and reversal potentials off rest, but the start's {name} is "
                f"{values[group][bad][0]:.3g}: choose another reversal in to_synaptic."
            )


def _at_regions(matrix: Array, places: NDArray, otherwise: Array) -> Array:
    """Entries of a matrix (region, input) at places (input, unit), others where the unit is hidden."""
    k, i = places.T
    inside = i < len(matrix)
    return finite_array("start", np.where(inside, matrix[np.where(inside, i, 0), k], otherwise), 1, "(place,)").copy()


def _signs(rng: np.random.Generator, count: int) -> Array:
    return rng.choice([-1.0, 1.0], count)
