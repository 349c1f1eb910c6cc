"""Which unit a synapse leaves and which it enters, and whether it excites or inhibits: the wiring of a network.

A circuit is a list of synapses, so that absent ones cost nothing and have no parameters; it is frozen, so that two networks may share one.
Output units come first.

Lives here: `Circuit` and its kinds (full, sparse, neural circuit policy). Does not live here: any trained number (`ltc`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ltc_causal.errors import InputError, read_only, unique_names

Places = NDArray[np.int64]
EXCITING = (1, 1, -1)  # two of three synapses excite where a circuit is not layered (as in ncps)
LISTS = ("target", "source", "polarity", "sensory_target", "sensory_source", "sensory_polarity")


@dataclass(frozen=True, eq=False)
class Circuit:
    """Synapses between units, and from inputs to units.

    units, inputs : names; the first `n_output` units are read
    target, source : shape (synapse,), positions of units
    polarity : shape (synapse,), 1 for a synapse that excites and -1 for one that inhibits
    sensory_target, sensory_source, sensory_polarity : shape (sensory synapse,), from inputs (source) to units (target)
    """

    units: tuple[str, ...]
    inputs: tuple[str, ...]
    n_output: int
    target: Places
    source: Places
    polarity: Places
    sensory_target: Places
    sensory_source: Places
    sensory_polarity: Places

    def __post_init__(self):
        object.__setattr__(self, "units", unique_names("Circuit.units", self.units))
        object.__setattr__(self, "inputs", unique_names("Circuit.inputs", self.inputs))
        _count("n_output", self.n_output, len(self.units))
        for prefix, sources in (("", self.units), ("sensory_", self.inputs)):
            lists = [self._list(prefix + name) for name in ("target", "source", "polarity")]
            self._check(prefix, *lists, n_source=len(sources))
            for name, values in zip(("target", "source", "polarity"), lists, strict=True):
                object.__setattr__(self, prefix + name, values)

    def _list(self, name: str) -> Places:
        values = np.asarray(getattr(self, name))
        if values.ndim != 1 or (values.size and not np.issubdtype(values.dtype, np.integer)):
            raise InputError(f"Circuit.{name} must be a list of whole numbers, one a synapse, got {values!r}.")
        return read_only(values.astype(np.int64))

    def _check(self, prefix: str, target: Places, source: Places, polarity: Places, n_source: int) -> None:
        if not len(target) == len(source) == len(polarity):
            raise InputError(
                f"Circuit.{prefix}target, {prefix}source and {prefix}polarity must be equally long, got {len(target)}, {len(source)} and {len(polarity)}."
            )
        for name, places, count in ((f"{prefix}target", target, len(self.units)), (f"{prefix}source", source, n_source)):
            if len(places) and not (0 <= places.min() and places.max() < count):
                raise InputError(f"Circuit.{name} must hold positions from 0 to {count - 1}, got {places.min()} to {places.max()}.")
        if not np.isin(polarity, (-1, 1)).all():
            raise InputError(f"Circuit.{prefix}polarity must be 1 or -1 for each synapse: leave out the synapses that are absent.")
        if len(np.unique(target * n_source + source)) < len(target):
            raise InputError(f"A Circuit holds at most one synapse from a source to a target: a pair in its {prefix}synapses is repeated.")

    @property
    def idle(self) -> tuple[str, ...]:
        """Units and inputs from which no path leads to an output, so that their parameters would be dead."""
        reaches = np.zeros(len(self.units), dtype=bool)
        reaches[: self.n_output] = True
        for _ in self.units:
            reaches[self.source[reaches[self.target]]] = True
        heard = np.zeros(len(self.inputs), dtype=bool)
        heard[self.sensory_source[reaches[self.sensory_target]]] = True
        return tuple(name for name, one in zip((*self.units, *self.inputs), (*reaches, *heard), strict=True) if not one)

    def synapse_names(self) -> tuple[str, ...]:
        """`source->target` of each synapse between units."""
        return tuple(f"{self.units[j]}->{self.units[i]}" for i, j in zip(self.target, self.source, strict=True))

    def sensory_names(self) -> tuple[str, ...]:
        """`input->target` of each sensory synapse."""
        return tuple(f"{self.inputs[k]}->{self.units[i]}" for i, k in zip(self.sensory_target, self.sensory_source, strict=True))

    def settings(self) -> dict[str, Any]:
        """The circuit as what a JSON file holds; `Circuit.of_settings` reads it."""
        named = {"units": list(self.units), "inputs": list(self.inputs), "n_output": self.n_output}
        return named | {name: getattr(self, name).tolist() for name in LISTS}

    @classmethod
    def of_settings(cls, settings: dict[str, Any]) -> "Circuit":
        """The circuit that `settings` described."""
        lists = {name: np.array(settings[name], dtype=np.int64) for name in LISTS}
        return cls(tuple(settings["units"]), tuple(settings["inputs"]), settings["n_output"], **lists)

    # --- kinds ----------------------------------------------------------------------------------------------------------------------

    @classmethod
    def of_matrices(
        cls, between: ArrayLike, sensory: ArrayLike, n_output: int, units: Sequence[str] = (), inputs: Sequence[str] = ()
    ) -> "Circuit":
        """From polarities in matrices, rows targets: `between` (unit, unit), `sensory` (unit, input), each entry 1, -1, or 0 for no synapse."""
        W, S = np.asarray(between), np.asarray(sensory)
        if W.ndim != 2 or S.ndim != 2 or not len(W) == W.shape[1] == len(S):
            raise InputError(f"A circuit's matrices must have shapes (unit, unit) and (unit, input), got {W.shape} and {S.shape}.")
        (target, source), (to, k) = np.nonzero(W), np.nonzero(S)
        units = units or [f"unit{i + 1}" for i in range(len(W))]
        inputs = inputs or [f"input{i + 1}" for i in range(S.shape[1])]
        signs = np.sign(W).astype(np.int64), np.sign(S).astype(np.int64)
        return cls(tuple(units), tuple(inputs), n_output, target, source, signs[0][target, source], to, k, signs[1][to, k])

    @classmethod
    def full(cls, n_input: int, units: int, n_output: int | None = None, seed: int = 0) -> "Circuit":
        """Every unit to every unit, itself too, and every input to every unit; two of three synapses excite."""
        _count("n_input", n_input)
        _count("units", units)
        rng = np.random.default_rng(seed)
        return cls.of_matrices(rng.choice(EXCITING, (units, units)), rng.choice(EXCITING, (units, n_input)), n_output or units)

    @classmethod
    def sparse(cls, n_input: int, units: int, n_output: int | None = None, density: float = 0.5, seed: int = 0) -> "Circuit":
        """A random share of all synapses; what would lie idle gets one synapse more."""
        if not 0 < density <= 1:
            raise InputError(f"Circuit density is the share of synapses that are there, above 0 and up to 1, got {density!r}.")
        rng, whole = np.random.default_rng(seed), cls.full(n_input, units, n_output, seed)
        kept = np.zeros(units * units), np.zeros(units * n_input)
        for one in kept:
            one[rng.choice(one.size, max(1, round(density * one.size)), replace=False)] = 1
        between, sensory = kept[0].reshape(units, units), kept[1].reshape(units, n_input)
        signs = rng.choice(EXCITING, (units, units)), rng.choice(EXCITING, (units, n_input))
        while idle := cls.of_matrices(between, sensory, whole.n_output).idle:
            if idle[0] in whole.units:
                between[rng.integers(whole.n_output), whole.units.index(idle[0])] = 1
            else:
                sensory[rng.integers(units), whole.inputs.index(idle[0])] = 1
        return cls.of_matrices(between * signs[0], sensory * signs[1], whole.n_output)

    @classmethod
    def policy(cls, n_input: int, units: int, n_output: int, density: float = 0.5, seed: int = 0) -> "Circuit":
        """A neural circuit policy of so many units, its layers and fan-outs by the rule of ncps' AutoNCP."""
        if units < n_output + 3:
            raise InputError(f"A circuit policy of {n_output} outputs needs at least {n_output + 3} units, got {units}: give more.")
        if not 0 < density <= 1:
            raise InputError(f"Circuit density is the share of synapses that are there, above 0 and up to 1, got {density!r}.")
        command = max(int(0.4 * (units - n_output)), 1)
        inter = units - n_output - command
        fans = [max(int(share), 1) for share in (inter * density, command * density, 2 * command * density, command * density)]
        return cls.neural_circuit_policy(n_input, inter, command, n_output, *fans, seed=seed)

    @classmethod
    def neural_circuit_policy(
        cls,
        n_input: int,
        inter: int,
        command: int,
        motor: int,
        sensory_fanout: int,
        inter_fanout: int,
        recurrent_command: int,
        motor_fanin: int,
        seed: int = 0,
    ) -> "Circuit":
        """Four layers: inputs to inter units, to command units, which are joined among themselves, to motor units (Lechner et al. 2020).

        Each input reaches `sensory_fanout` inter units and each inter unit `inter_fanout` command units; `recurrent_command` synapses join
        command units; each motor unit hears `motor_fanin` command units. A unit that would be left out gets an average fan-in.
        """
        for name, count in (("n_input", n_input), ("inter", inter), ("command", command), ("motor", motor)):
            _count(name, count)
        for name, count, most in (
            ("sensory_fanout", sensory_fanout, inter),
            ("inter_fanout", inter_fanout, command),
            ("recurrent_command", recurrent_command, command * command),
            ("motor_fanin", motor_fanin, command),
        ):
            _count(name, count, most)
        rng = np.random.default_rng(seed)
        sensory = _fan_out(rng, n_input, inter, sensory_fanout)
        onward = _fan_out(rng, inter, command, inter_fanout)
        recurrent = np.zeros(command * command)
        recurrent[rng.choice(recurrent.size, recurrent_command, replace=False)] = 1
        to_motor = _fan_out(rng, motor, command, motor_fanin).T
        c, i = motor, motor + command
        between, ways_in = np.zeros((i + inter, i + inter)), np.zeros((i + inter, n_input))
        between[:c, c:i], between[c:i, c:i], between[c:i, i:], ways_in[i:] = to_motor, recurrent.reshape(command, command), onward, sensory
        signs = rng.choice((-1, 1), between.shape), rng.choice((-1, 1), ways_in.shape)
        layers = (("motor", motor), ("command", command), ("inter", inter))
        names = [f"{layer}{number + 1}" for layer, count in layers for number in range(count)]
        return cls.of_matrices(between * signs[0], ways_in * signs[1], motor, names)


def _fan_out(rng: np.random.Generator, sources: int, targets: int, fan_out: int) -> NDArray[np.float64]:
    """1 where a source reaches a target, shape (target, source); each source reaches `fan_out`, and no target is left out."""
    reached = np.zeros((targets, sources))
    for j in range(sources):
        reached[rng.choice(targets, fan_out, replace=False), j] = 1
    average = int(np.clip(sources * fan_out // targets, 1, sources))
    for i in np.flatnonzero(reached.sum(axis=1) == 0):
        reached[i, rng.choice(sources, average, replace=False)] = 1
    return reached


def _count(name: str, value: int, most: int | None = None) -> None:
    if not isinstance(value, int | np.integer) or value < 1 or (most is not None and value > most):
        raise InputError(f"A circuit's {name} must be a whole number from 1{'' if most is None else f' to {most}'}, got {value!r}.")
