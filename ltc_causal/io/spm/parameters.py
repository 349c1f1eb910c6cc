"""SPM's vector of parameters: every entry of A, B, C, D and of the haemodynamics, column by column, the fixed ones among them.

Both programs have the parameters on the same scale, so that translating is only a matter of places: SPM keeps an entry for each connection
that could be, this package one for each that is in the model.

Lives here: the layout and both directions. Does not live here: the files (`read`, `write`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.coupling import edge_name
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.errors import InputError
from ltc_causal.io.spm.values import numbers, size

Array = NDArray[np.float64]
Layout = dict[str, list[str]]  # the names of each field's entries, column by column


def layout(regions: Sequence[str], inputs: Sequence[str], gating: bool = False) -> Layout:
    """The names of all entries, field by field in SPM's order.

    gating : whether D has entries (n x n x n), or is n x n x 0 as in a bilinear model
    """
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


def shapes(n: int, m: int, gating: bool = False) -> dict[str, tuple[int, ...]]:
    """The size of each field for n regions and m inputs."""
    return {
        "A": (n, n), "B": (n, n, m), "C": (n, m), "D": (n, n, n if gating else 0), "transit": (n, 1), "decay": (1, 1), "epsilon": (1, 1),
    }  # fmt: skip


def flat(what: str, fields: Mapping[str, Any], regions: Sequence[str], inputs: Sequence[str]) -> dict[str, float]:
    """The value of every entry by name, in the order of the fields given, which is that of the covariance.

    Raises `InputError` if a field is missing, unknown, or of another size than the model's.
    """
    gating = numbers(f"{what}.D", fields["D"]).size > 0 if "D" in fields else False
    names = layout(regions, inputs, gating)
    missing = [field for field in names if field not in fields and field != "D"]
    if missing:
        raise InputError(f"{what} lacks the field(s) {missing}, which every bilinear model estimated by SPM12 has: estimate it again.")
    values: dict[str, float] = {}
    for field, value in fields.items():
        entries = numbers(f"{what}.{field}", value)
        if entries.size != len(names.get(field, ())):
            raise InputError(
                f"{what}.{field} has the size {size(entries)}, which no bilinear one-state model of {len(regions)} regions and "
                f"{len(inputs)} inputs has: estimate the model again with a current SPM, or check what wrote the file."
            )
        values.update(zip(names.get(field, ()), entries.ravel(order="F").tolist(), strict=True))
    return values


def picked(values: Mapping[str, float], covariance: Array, names: Sequence[str]) -> Gaussian:
    """The distribution of the named parameters out of SPM's vector and covariance.

    Raises `InputError` if the covariance is not one of the whole vector.
    """
    if covariance.shape != (len(values), len(values)):
        raise InputError(f"The covariance of {len(values)} parameters has the size {size(covariance)}: check what wrote the file.")
    position = {name: place for place, name in enumerate(values)}
    keep = [position[name] for name in names]
    cov = covariance[np.ix_(keep, keep)]
    return Gaussian(tuple(names), np.array([values[name] for name in names]), (cov + cov.T) / 2)


def spread(gaussian: Gaussian, regions: Sequence[str], inputs: Sequence[str]) -> tuple[Array, Array]:
    """Mean and covariance over SPM's whole vector; entries that are not in the model are fixed at zero.

    Raises `InputError` if a parameter has no place in SPM's vector.
    """
    places = {name: place for place, name in enumerate(name for names in layout(regions, inputs).values() for name in names)}
    strange = [name for name in gaussian.names if name not in places]
    if strange:
        raise InputError(f"The parameter(s) {strange} have no place in an SPM file: write a bilinear model.")
    at = [places[name] for name in gaussian.names]
    mean, cov = np.zeros(len(places)), np.zeros((len(places), len(places)))
    mean[at] = gaussian.mean
    cov[np.ix_(at, at)] = gaussian.cov
    return mean, cov


def unflat(vector: Array, n: int, m: int) -> dict[str, Array]:
    """A vector over SPM's entries as its fields."""
    fields, start = {}, 0
    for field, shape in shapes(n, m).items():
        stop = start + int(np.prod(shape))
        fields[field] = vector[start:stop].reshape(shape, order="F")
        start = stop
    return fields
