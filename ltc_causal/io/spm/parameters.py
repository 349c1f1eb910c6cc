"""SPM's vector of parameters: every entry of A, B, C, D and of the haemodynamics, column by column, the fixed ones among them.

Both programs have the parameters on the same scale, so that translating is only a matter of places: SPM keeps an entry for each connection
that could be, this package one for each that is in the model.

Lives here: the layout and both directions. Does not live here: the files (`read`, `write`), which priors a file states (`priors`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.coupling import edge_name
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.errors import InputError
from ltc_causal.io.spm.values import numbers, size
from ltc_causal.models.dcm import DCM

Array = NDArray[np.float64]
Layout = dict[str, list[str]]  # the names of each field's entries, column by column

ABSENT = -32.0  # A of a connection that a two-state model does not have: a logarithm


def layout(model: DCM, gating: bool | None = None) -> Layout:
    """The names of all entries, field by field in SPM's order.

    gating : whether D has entries (n x n x n) or is n x n x 0; by default as SPM has it for this kind of model
    """
    regions, inputs = model.regions, model.inputs
    gating = model.neuronal == "nonlinear" if gating is None else gating
    pairs = [(source, target) for source in regions for target in regions]
    return {
        "A": [edge_name("A", *pair) for pair in pairs],
        "B": [edge_name("B", *pair, name) for name in inputs for pair in pairs],
        "C": [edge_name("C", name, region) for name in inputs for region in regions],
        "D": [edge_name("D", *pair, name) for name in regions for pair in pairs] if gating else [],
        "transit": [f"transit[{region}]" for region in regions],
        "decay": ["decay"],
        "epsilon": ["epsilon"],
    }


def shapes(model: DCM) -> dict[str, tuple[int, ...]]:
    """The size of each field."""
    n, m = len(model.regions), len(model.inputs)
    gates = n if model.neuronal == "nonlinear" else 0
    return {"A": (n, n), "B": (n, n, m), "C": (n, m), "D": (n, n, gates), "transit": (n, 1), "decay": (1, 1), "epsilon": (1, 1)}


def flat(what: str, fields: Mapping[str, Any], model: DCM) -> dict[str, float]:
    """The value of every entry by name, in the order of the fields given, which is that of the covariance.

    Raises `InputError` if a field is missing, unknown, or of another size than the model's.
    """
    gating = numbers(f"{what}.D", fields["D"]).size > 0 if "D" in fields else False
    names = layout(model, gating)
    missing = [field for field in names if field not in fields and field != "D"]
    if missing:
        raise InputError(f"{what} lacks the field(s) {missing}, which every DCM estimated by SPM12 has: estimate it again.")
    values: dict[str, float] = {}
    for field, value in fields.items():
        entries = numbers(f"{what}.{field}", value)
        if entries.size != len(names.get(field, ())):
            raise InputError(
                f"{what}.{field} has the size {size(entries)}, which no {model.neuronal} model of {len(model.regions)} regions and "
                f"{len(model.inputs)} inputs has: estimate the model again with a current SPM, or check what wrote the file."
            )
        values.update(zip(names.get(field, ()), entries.ravel(order="F").tolist(), strict=True))
    return values


def picked(values: Mapping[str, float], covariance: Array, names: Sequence[str]) -> Gaussian:
    """The distribution of the named parameters out of SPM's vector and covariance.

    Raises `InputError` if the covariance is not one of the whole vector, or if that lacks one of the names.
    """
    if covariance.shape != (len(values), len(values)):
        raise InputError(f"The covariance of {len(values)} parameters has the size {size(covariance)}: check what wrote the file.")
    position = {name: place for place, name in enumerate(values)}
    if missing := [name for name in names if name not in position]:
        raise InputError(f"The estimate has no place for the parameter(s) {missing} of the model: estimate the model again.")
    keep = [position[name] for name in names]
    cov = covariance[np.ix_(keep, keep)]
    return Gaussian(tuple(names), np.array([values[name] for name in names]), (cov + cov.T) / 2)


def absent(name: str, model: DCM) -> float:
    """The value at which SPM fixes an entry that is not in the model."""
    return ABSENT if model.neuronal == "two_state" and name.startswith("A[") else 0.0


def spread(gaussian: Gaussian, model: DCM) -> tuple[Array, Array]:
    """Mean and covariance over SPM's whole vector; entries that are not in the model are fixed."""
    places = {name: place for place, name in enumerate(name for names in layout(model).values() for name in names)}
    at = [places[name] for name in gaussian.names]
    mean, cov = np.array([absent(name, model) for name in places]), np.zeros((len(places), len(places)))
    mean[at] = gaussian.mean
    cov[np.ix_(at, at)] = gaussian.cov
    return mean, cov


def unflat(vector: Array, model: DCM) -> dict[str, Array]:
    """A vector over SPM's entries as its fields."""
    fields, start = {}, 0
    for field, shape in shapes(model).items():
        stop = start + int(np.prod(shape))
        fields[field] = vector[start:stop].reshape(shape, order="F")
        start = stop
    return fields
