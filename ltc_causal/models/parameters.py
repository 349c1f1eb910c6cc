"""A DCM's parameters: their order and names, their default priors, and what each of them moves in the flow.

Order: connections A, B, C, D (each column by column, as SPM has them), transit of each region, decay, epsilon, then the synapses of a liquid
model. All on SPM's scale.

Lives here: `Layout`. Does not live here: the numbers of the priors (`priors`), the equations (`neuronal`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.coupling import connection_name, edge_name
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.errors import InputError, known_name
from ltc_causal.models import priors
from ltc_causal.models.neuronal import Slots, Weights

SYNAPTIC = {
    "kappa": "log_kappa",
    "tau": "tau",
    "lambda": "lambda",
}  # what a liquid model's synapses may have of their own, and its parameter
NOTHING, NETWORK, GATING, KAPPA, TAU, LAMBDA = range(6)


class Moves(NamedTuple):
    """What each free parameter moves in the flow, for the compiled integrators.

    kind : (parameter,), NOTHING ... LAMBDA
    row, column : the entry of the network (or synapse) moved, -1 for none; a row of -1 with kind KAPPA is every synapse
    gate : the region whose activity multiplies it, for kind GATING
    coefficient : (input value, parameter), by how much the entry moves
    chain : the region whose transit this is, the number of regions for decay, -1 otherwise
    """

    kind: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    gate: NDArray[np.int64]
    coefficient: NDArray[np.float64]
    chain: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Layout:
    """The parameters of a DCM.

    masks : boolean arrays "A" (target, source), "B" (input, target, source), "C" (target, input), "D" (gating region, target, source)
    neuronal : kind of model; per_edge : which of SYNAPTIC each connection of a liquid model has of its own
    blood : whether there are haemodynamics
    """

    regions: tuple[str, ...]
    inputs: tuple[str, ...]
    masks: Mapping[str, NDArray[np.bool_]]
    neuronal: str
    per_edge: tuple[str, ...] = ()
    blood: bool = True

    @cached_property
    def edges(self) -> list[tuple[str, tuple[int, int, int]]]:
        """Matrix and (input, gating region or -1, target, source) of every connection."""
        edges = []
        for matrix in "ABCD":
            mask = self.masks[matrix]
            mask = mask[None] if mask.ndim == 2 else mask
            first = matrix in "BD"
            edges += [(matrix, (int(k) if first else -1, int(i), int(j))) for k, j, i in np.argwhere(mask.transpose(0, 2, 1))]
        return edges

    @cached_property
    def edge_names(self) -> tuple[str, ...]:
        """Names of the connections."""
        names = []
        for matrix, (k, i, j) in self.edges:
            by = {"B": self.inputs, "D": self.regions}.get(matrix, ("",))[k]
            names.append(edge_name(matrix, (self.inputs if matrix == "C" else self.regions)[j], self.regions[i], by))
        return tuple(names)

    @cached_property
    def synapses(self) -> list[tuple[int, int]]:
        """(target, source) of every connection between regions, column by column."""
        present = self.masks["A"] | self.masks["B"].any(axis=0) | self.masks["D"].any(axis=0)
        return [(int(i), int(j)) for j, i in np.argwhere(present.T) if i != j]

    @cached_property
    def _synaptic(self) -> list[tuple[str, str, int, int]]:
        """Name, kind, target and source of each synaptic parameter; the one saturation of all synapses has no place."""
        if self.neuronal != "liquid":
            return []
        listed = [] if "kappa" in self.per_edge else [("log_kappa", "kappa", -1, -1)]
        for kind in self.per_edge:
            listed += [(f"{SYNAPTIC[kind]}[{self.regions[j]}->{self.regions[i]}]", kind, i, j) for i, j in self.synapses]
        return listed

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all parameters."""
        haemodynamic = [*(f"transit[{region}]" for region in self.regions), "decay", "epsilon"] if self.blood else []
        return (*self.edge_names, *haemodynamic, *(name for name, *_ in self._synaptic))

    @property
    def _first_synaptic(self) -> int:
        """Position of the first synaptic parameter."""
        return len(self.names) - len(self._synaptic)

    def default_prior(self) -> Gaussian:
        """The usual prior of this kind of model."""
        of_matrix = priors.TWO_STATE if self.neuronal == "two_state" else priors.ONE_STATE
        of_synapse = {"kappa": priors.SATURATION, "tau": priors.THRESHOLD, "lambda": priors.REVERSAL}
        moments = [of_matrix[matrix] for matrix, _ in self.edges]
        moments += [priors.HAEMODYNAMIC] * (self._first_synaptic - len(self.edges))
        moments += [of_synapse[kind] for _, kind, _, _ in self._synaptic]
        mean, variance = np.array(moments).T
        return Gaussian(self.names, mean, np.diag(variance))

    def is_default(self, prior: Gaussian) -> bool:
        """Whether a prior over these parameters is the usual one."""
        default = self.default_prior()
        return np.array_equal(default.mean, prior.mean) and np.array_equal(default.cov, prior.cov)

    def stated_prior(self, stated: Any) -> Gaussian:
        """The prior that a user states: a Gaussian over all parameters, or {connection or parameter: (mean, sd)} over some."""
        if isinstance(stated, Gaussian):
            if stated.names != self.names:
                raise InputError(
                    "DCM.prior as a Gaussian must be over the model's own parameters in their order: change DCM(...).prior of the same "
                    "connections, or give {name: (mean, sd)}; to change the kind of model use with_neuronal."
                )
            return stated
        default = self.default_prior()
        mean, sd = default.mean.copy(), default.sd.copy()
        seen: dict[int, Any] = {}
        for key, value in (stated or {}).items():
            at = known_name("parameter", connection_name(key, self.inputs), self.names, "DCM.prior")
            if at in seen:
                raise InputError(f"DCM.prior states {self.names[at]!r} twice, as {seen[at]!r} and as {key!r}: leave one of them out.")
            seen[at] = key
            mean[at], sd[at] = _moments(self.names[at], value)
        return Gaussian(self.names, mean, np.diag(sd**2))

    @cached_property
    def _flat(self) -> tuple[NDArray, NDArray, dict[str, tuple[slice, tuple[int, ...]]]]:
        """All matrices laid one after another: what is there without connections, each connection's place, and each matrix's slice and shape."""
        n, m = len(self.regions), len(self.inputs)
        shapes = {"A": (n, n), "B": (m, n, n), "C": (n, m), "D": (n, n, n) if self.masks["D"].any() else (0, n, n)}
        slices, first = {}, 0
        for matrix, shape in shapes.items():
            slices[matrix] = slice(first, first + int(np.prod(shape))), shape
            first += int(np.prod(shape))
        empty = np.zeros(first)
        if self.neuronal == "two_state":
            empty[slices["A"][0]] = -np.inf
        places = [
            slices[matrix][0].start + np.ravel_multi_index(entry if matrix in "BD" else entry[1:], shapes[matrix])
            for matrix, entry in self.edges
        ]
        return empty, np.array(places, dtype=int), slices

    def weights(self, theta: NDArray) -> Weights:
        """The neuronal parameters as matrices; theta of shape (parameter,), real or complex."""
        empty, places, slices = self._flat
        flat = empty.astype(theta.dtype)
        flat[places] = theta[: len(places)]
        A, B, C, D = (flat[at].reshape(shape) for at, shape in slices.values())
        return Weights(A, B, C, D if len(D) else None, *self._synaptic_weights(theta), self.neuronal == "two_state")

    def _synaptic_weights(self, theta: NDArray) -> tuple[Any, Any, Any]:
        if not self._synaptic:
            return 0.0, 0.0, 0.0
        n = len(self.regions)
        values: dict[str, Any] = {"kappa": 0.0, "tau": 0.0, "lambda": 0.0}
        for value, (_, kind, i, j) in zip(theta[self._first_synaptic :], self._synaptic, strict=True):
            value = np.exp(value) if kind == "kappa" else value
            if i < 0:
                values[kind] = value
            else:
                if np.ndim(values[kind]) == 0:
                    values[kind] = np.full((n, n), 1.0 if kind == "kappa" else 0.0, dtype=theta.dtype)
                values[kind][i, j] = value
        return values["kappa"], values["tau"], values["lambda"]

    def haemodynamics(self, theta: NDArray) -> tuple[Any, Any, Any]:
        """Transit (..., region), decay and epsilon (...) of theta (..., parameter); None and zeros where there are none."""
        if not self.blood:
            return None, 0.0, 0.0
        first, n = len(self.edges), len(self.regions)
        return theta[..., first : first + n], theta[..., first + n], theta[..., first + n + 1]

    def slots(self, values: NDArray, free: NDArray[np.bool_]) -> tuple[Slots, Moves]:
        """The network's entries that the free parameters move under each input value (value, input); and their moves, slopes still missing."""
        matrix, entry, kind, chain = (part[free] for part in self._fixed_moves)
        slots = Slots.of(matrix, entry, values, len(self.regions), self.neuronal == "two_state")
        synaptic = kind >= KAPPA
        row, column = np.where(synaptic, entry[:, 1], slots.row), np.where(synaptic, entry[:, 2], slots.column)
        slots.fixed[:, synaptic] = 1.0
        return slots, Moves(kind, row, column, np.where(kind == GATING, entry[:, 0], -1), slots.fixed, chain)

    @cached_property
    def _fixed_moves(self) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        n, first = len(self.regions), len(self.edges)
        matrix = np.full(len(self.names), "-")
        entry, kind, chain = np.full((len(self.names), 3), -1), np.full(len(self.names), NOTHING), np.full(len(self.names), -1)
        for p, (of, place) in enumerate(self.edges):
            matrix[p], entry[p], kind[p] = of, place, GATING if of == "D" else NETWORK
        if self.blood:
            chain[first : first + n + 1] = np.arange(n + 1)
        for p, (_, of, i, j) in enumerate(self._synaptic, self._first_synaptic):
            entry[p], kind[p] = (-1, i, j), {"kappa": KAPPA, "tau": TAU, "lambda": LAMBDA}[of]
        return matrix, entry, kind, chain


def _moments(name: str, value: Any) -> tuple[float, float]:
    """(mean, sd) of one parameter; raises `InputError` for anything else."""
    try:
        mean, sd = (float(number) for number in value)
    except (TypeError, ValueError):
        raise InputError(f"DCM.prior of {name!r} must be (mean, sd), got {value!r}: give an sd of 0 to fix it.") from None
    if not (np.isfinite(mean) and np.isfinite(sd) and sd >= 0):
        raise InputError(f"DCM.prior of {name!r} must be a finite mean and an sd of at least 0, got {value!r}: give an sd of 0 to fix it.")
    return mean, sd
