"""Which connections a DCM has, and the same DCM with fewer of them.

Lives here: connections by name, `drop_connections`. Does not live here: which of them to drop (`pruning`).
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ltc_causal.core.coupling import edge_name, entry_names
from ltc_causal.errors import InputError, known_name
from ltc_causal.models.dcm import DCM

MASKS = {"A": "intrinsic", "B": "modulatory", "C": "driving", "D": "gating"}


def connections(model: DCM) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Matrix and index of every connection by its name, self-connections included, in the order A, B, C, D."""
    coupling = model.coupling(model.prior.mean)  # has the names of regions and inputs
    found = {}
    for matrix, field in MASKS.items():
        for entry in np.argwhere(getattr(model, field)):
            index = tuple(int(i) for i in entry)
            found[edge_name(matrix, **entry_names(coupling, matrix, index))] = matrix, index
    return found


def drop_connections(model: DCM, names: Iterable[str]) -> DCM:
    """The same DCM without these connections: they are absent, hence 0 in every matrix, whatever their prior's mean.

    names : as in `model.edge_names`; what was stated of the other parameters' prior stays

    Raises `InputError` for an unknown connection, for a self-connection of A, which every region has, and where nothing is left to drive.
    """
    known = connections(model)
    masks = {field: getattr(model, field).copy() for field in MASKS.values()}
    for name in names:
        known_name("connection", name, tuple(known), "the model")
        matrix, index = known[name]
        if matrix == "A" and index[0] == index[1]:
            raise InputError(f"{name} is a self-connection, and every region decays: drop another connection.")
        masks[MASKS[matrix]][index] = False
    smaller = replace(model, **masks, prior=None)
    return replace(smaller, prior=_what_remains(model, smaller))


def _what_remains(model: DCM, smaller: DCM) -> Any:
    """What was stated of the prior of the parameters that are left: where it differs from the usual one, or all of it if they correlate."""
    prior, usual = model.prior.marginal(smaller.prior.names), smaller.prior
    if np.count_nonzero(prior.cov - np.diag(np.diag(prior.cov))):
        return prior
    stated = zip(prior.names, prior.mean, prior.sd, usual.mean, usual.sd, strict=True)
    return {name: (mean, sd) for name, mean, sd, usual_mean, usual_sd in stated if (mean, sd) != (usual_mean, usual_sd)}
