"""The causal skeleton that every model here comes down to: A, B, C and D, with names and in Hz.

Row = target, column = source, in every matrix. Connections that a user lists are (source, target) pairs, or a boolean array.

Lives here: the container, connection lists, and the Gaussian over a coupling that a model's posterior implies.
Does not live here: how a coupling is estimated (`inference`), derived (`reduction`) or asked (`causal`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ltc_causal.core import html
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.errors import InputError, finite_array, known_name, unique_names

Connections: TypeAlias = Sequence[tuple[str, str]] | NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Coupling:
    """dx/dt = (A + sum_k u_k B[k] + sum_l x_l D[l]) x + C u, x the regions' neuronal activity as deviation from rest.

    A : shape (region, region), Hz. Intrinsic coupling; the diagonal is the true self-coupling (negative where it decays)
    B : shape (input, region, region), Hz per unit of input. What input k adds to each coupling
    C : shape (region, input), Hz per unit of input. What each input drives
    D : shape (region, region, region), Hz per unit of activity. What the activity of region l adds to each coupling (gating)
    regions, inputs : names

    `D` is the gating matrix of a nonlinear DCM (Stephan et al. 2008, eq. 4), not the second derivative of the flow, which is
    D[l]_ij + D[j]_il.
    """

    A: NDArray[np.float64]
    B: NDArray[np.float64]
    C: NDArray[np.float64]
    regions: tuple[str, ...]
    inputs: tuple[str, ...]
    D: NDArray[np.float64] = field(default=None)  # pyright: ignore[reportAssignmentType] - zeros unless given

    def __post_init__(self):
        regions = unique_names("Coupling.regions", self.regions)
        inputs = unique_names("Coupling.inputs", self.inputs)
        n, m = len(regions), len(inputs)
        D = np.broadcast_to(0.0, (n, n, n)) if self.D is None else self.D  # of hundreds of regions, real zeros would take gigabytes
        shapes = {"A": (self.A, (n, n)), "B": (self.B, (m, n, n)), "C": (self.C, (n, m)), "D": (D, (n, n, n))}
        for name, (value, shape) in shapes.items():
            array = value if value is D and self.D is None else finite_array(f"Coupling.{name}", value, len(shape), str(shape))
            if array.shape != shape:
                raise InputError(f"Coupling.{name} must have shape {shape} for {n} regions and {m} inputs, got {array.shape}.")
            object.__setattr__(self, name, array)
        object.__setattr__(self, "regions", regions)
        object.__setattr__(self, "inputs", inputs)

    def __repr__(self) -> str:
        counts = ", ".join(f"{np.count_nonzero(getattr(self, name))} of {name}" for name in "ABCD")
        return f"Coupling({', '.join(self.regions)}; inputs {', '.join(self.inputs) or 'none'}; entries: {counts})"

    def __str__(self) -> str:
        return self.to_frame().to_string()

    def _repr_html_(self) -> str:
        return html.card("Coupling", [("regions", html.listed(self.regions)), ("inputs", html.listed(self.inputs))], self.to_frame())

    def input_vector(self, inputs: Mapping[str, float] | None) -> NDArray[np.float64]:
        """Input values by position from {name: value}; inputs that are not named are 0."""
        return named_vector("input", inputs, self.inputs)

    def at(self, inputs: Mapping[str, float] | None = None, state: Mapping[str, float] | None = None) -> NDArray[np.float64]:
        """The coupling A + sum_k u_k B[k] + sum_l x_l D[l] in force under inputs and activity given by name, shape (region, region), Hz."""
        u = self.input_vector(inputs)
        x = named_vector("region", state, self.regions)
        return self.A + np.tensordot(u, self.B, 1) + np.tensordot(x, self.D, 1)

    def edge(self, source: str, target: str, inputs: Mapping[str, float] | None = None) -> float:
        """Strength in Hz of source -> target: of a region's coupling (under the inputs given), or of what an input drives."""
        i = known_name("region", target, self.regions, "this coupling")
        if source in self.inputs:
            return float(self.C[i, self.inputs.index(source)])
        return float(self.at(inputs)[i, known_name("region", source, self.regions, "this coupling")])

    def to_frame(self) -> pd.DataFrame:
        """One row a nonzero entry: matrix, source, target, by (the input or region that modulates), value, unit."""
        rows = []
        for matrix, entry, names in nonzero_entries(self):
            rows.append({"matrix": matrix, **names, "value": float(getattr(self, matrix)[entry]), "unit": "Hz"})
        return pd.DataFrame(rows, columns=["matrix", "source", "target", "by", "value", "unit"])


def edge_name(matrix: str, source: str, target: str, by: str = "") -> str:
    """The name of one entry: `A[V1->V5]`, `B[motion: V1->V5]`, `C[photic->V1]`, `D[SPC: V1->V5]`."""
    return f"{matrix}[{by}: {source}->{target}]" if by else f"{matrix}[{source}->{target}]"


def split_edge_name(name: str) -> tuple[str, str, str, str]:
    """Matrix, source, target and what modulates (empty for A and C) of an entry's name; `edge_name` the other way round."""
    by, _, pair = name[2:-1].rpartition(": ")
    source, _, target = pair.partition("->")
    return name[0], source, target, by


def is_self_connection(name: str) -> bool:
    """Whether an entry's name is that of a region's coupling to itself, or of what changes it."""
    matrix, source, target, _ = split_edge_name(name)
    return matrix != "C" and source == target


def connection_name(key: str | Sequence[str], inputs: Sequence[str]) -> str:
    """A connection's name from a name, or from a (source, target) pair, which stands for A of two regions or C of an input and a region."""
    if isinstance(key, str) or len(key) != 2:
        return str(key)
    source, target = key
    return edge_name("C" if source in inputs else "A", source, target)


def entry_names(coupling: "Coupling", matrix: str, entry: tuple[int, ...]) -> dict[str, str]:
    """Source, target and modulating name (empty for A and C) of the entry of a matrix at an index."""
    regions, inputs = coupling.regions, coupling.inputs
    match matrix, entry:
        case "A", (i, j):
            return {"source": regions[j], "target": regions[i], "by": ""}
        case "C", (i, k):
            return {"source": inputs[k], "target": regions[i], "by": ""}
        case "B", (k, i, j):
            return {"source": regions[j], "target": regions[i], "by": inputs[k]}
        case "D", (l, i, j):
            return {"source": regions[j], "target": regions[i], "by": regions[l]}
    raise InputError(f"There is no entry {entry} in matrix {matrix!r}: the matrices are A, B, C and D.")


def nonzero_entries(coupling: "Coupling"):
    """Yield (matrix, index, names) for every entry that is not zero, in the order A, B, C, D, each column by column."""
    for matrix in "ABCD":
        values = getattr(coupling, matrix)
        for entry in sorted(map(tuple, np.argwhere(values)), key=lambda e: (e[:-2], e[-1], e[-2])):
            entry = tuple(int(i) for i in entry)
            yield matrix, entry, entry_names(coupling, matrix, entry)


def named_vector(kind: str, values: Mapping[str, float] | None, names: Sequence[str]) -> NDArray[np.float64]:
    """{name: value} as a vector in the order of `names`, 0 where a name is absent; raises `InputError` for an unknown one."""
    vector = np.zeros(len(names))
    for name, value in (values or {}).items():
        vector[known_name(kind, name, names, "the values given")] = value
    return vector


def connection_mask(what: str, connections: Connections, sources: Sequence[str], targets: Sequence[str]) -> NDArray[np.bool_]:
    """A boolean array (target, source) from (source, target) pairs, or from such an array itself.

    Raises `InputError` for an unknown name, a pair that is not one, or an array of another shape or type.
    """
    shape = (len(targets), len(sources))
    if isinstance(connections, np.ndarray):
        if connections.shape != shape:
            raise InputError(f"{what} as an array must have shape {shape} (target, source), got {connections.shape}.")
        if not np.isin(connections, (0, 1)).all():
            raise InputError(f"{what} as an array must hold only True and False (row = target): connection strengths are not given here.")
        return connections.astype(bool)
    mask = np.zeros(shape, dtype=bool)
    for pair in connections:
        if isinstance(pair, str) or len(pair) != 2:
            raise InputError(f"{what} must list (source, target) pairs, got {pair!r}.")
        source, target = pair
        mask[known_name("target", target, targets, what), known_name("source", source, sources, what)] = True
    return mask


def connection_masks(
    what: str, kind: str, connections: Mapping[str, Connections] | NDArray[np.bool_], by: Sequence[str], regions: Sequence[str]
) -> NDArray[np.bool_]:
    """Boolean arrays (by, target, source) from {name: connections}, each as `connection_mask` takes them, or from such an array.

    Raises `InputError` as `connection_mask` does, and for an unknown name or what is neither.
    """
    shape = (len(by), len(regions), len(regions))
    if isinstance(connections, np.ndarray):
        if connections.shape != shape:
            raise InputError(f"{what} as an array must have shape {shape} ({kind}, target, source), got {connections.shape}.")
        return np.array([connection_mask(what, part, regions, regions) for part in connections], dtype=bool).reshape(shape)
    if not isinstance(connections, Mapping):
        raise InputError(f"{what} must give the connections of each {kind} as {{{kind}: [(source, target), ...]}}, got {connections!r}.")
    mask = np.zeros(shape, dtype=bool)
    for name, listed in connections.items():
        mask[known_name(kind, name, by, what)] = connection_mask(f"{what}[{name!r}]", listed, regions, regions)
    return mask


@runtime_checkable
class ParametersAreCoupling(Protocol):
    """A model whose parameters are its coupling, up to factors: nothing is to be differentiated."""

    def coupling_gaussian(self, posterior: Gaussian) -> Gaussian:
        """The same distribution in Hz, under the names of the connections."""
        ...


def coupling_posterior(model, posterior: Gaussian, state: ArrayLike | None = None, inputs: ArrayLike | None = None) -> Gaussian:
    """The Gaussian over a model's coupling in Hz, by the delta method, from one over its parameters.

    model : has `coupling(theta, state, inputs)` and `edges` (see `core.model.HasCoupling`)
    posterior : over the model's parameters
    state, inputs : operating point, shapes (region,) and (input,); None is rest

    mean = c(m), cov = G S G', G the derivative of c at m, exact by a complex step (Squire and Trapp 1998).
    """
    if isinstance(model, ParametersAreCoupling):
        return model.coupling_gaussian(posterior)
    step = 1e-30
    centre = posterior.mean
    columns = []
    for parameter in range(len(centre)):
        shifted = centre.astype(complex)
        shifted[parameter] += 1j * step
        columns.append(model.edge_values(shifted, state, inputs).imag / step)
    G = np.array(columns).T
    return Gaussian(model.edge_names, model.edge_values(centre, state, inputs).real, G @ posterior.cov @ G.T)
