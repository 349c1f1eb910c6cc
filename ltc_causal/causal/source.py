"""What a causal question is asked of: a coupling, and the Gaussian over its entries where there is one.

Lives here: reading Fit, TrainedNetwork, Reduction and Coupling alike; draws of whole couplings. Does not live here: the questions.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.coupling import Coupling, edge_name, entry_names
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.reduction import Reduction
from ltc_causal.core.result import Fit
from ltc_causal.core.trained import TrainedNetwork
from ltc_causal.errors import InputError

Array = NDArray[np.float64]
Source: TypeAlias = Fit | TrainedNetwork | Reduction | Coupling
Entry: TypeAlias = tuple[str, tuple[int, ...]]


def read_source(source: Source) -> tuple[Coupling, Gaussian | None]:
    """The coupling in Hz at the posterior mean, and the Gaussian over its entries (None for a bare coupling)."""
    match source:
        case Fit():
            return source.coupling, source.coupling_posterior
        case Reduction():
            return source.coupling, source.posterior
        case TrainedNetwork():  # of its regions alone; with hidden units it says that it must be reduced first
            return source.coupling, None
        case Coupling():
            return source, None
    raise InputError(f"A causal question needs a Fit, a Reduction or a Coupling, got {type(source).__name__}: fit a model first.")


def constant_of(source: Source, n_region: int) -> Array:
    """What drives the regions without any input, F0 of a reduction, shape (region,); zero of all else."""
    return source.constant if isinstance(source, Reduction) else np.zeros(n_region)


def entries(coupling: Coupling, posterior: Gaussian | None) -> dict[Entry, str]:
    """{(matrix, index): name} of the connections there are: all that the posterior names, or else all that are not zero."""
    known = {}
    named = set(posterior.names) if posterior else set()
    letters = {name[0] for name in named}
    for matrix in "ABCD":
        values = getattr(coupling, matrix)
        if matrix not in letters and not values.any():  # the cube of the regions is long to go through
            continue
        for index in np.ndindex(*values.shape):
            name = edge_name(matrix, **entry_names(coupling, matrix, index))
            if values[index] != 0 or name in named:
                known[matrix, index] = name
    return known


def draw_couplings(coupling: Coupling, posterior: Gaussian, draws: int, seed: int | np.random.Generator) -> dict[str, Array]:
    """Draws of A, B, C and D, each of the matrix's shape behind an axis of draws; entries that the posterior does not name are fixed."""
    return stacked(coupling, posterior, posterior.sample(draws, seed))


def stacked(coupling: Coupling, posterior: Gaussian, values: Array) -> dict[str, Array]:
    """A, B, C and D with the posterior's entries at these values, shape (draw, entry); a matrix of which it names none is a read-only view."""
    columns = dict(zip(posterior.names, values.T, strict=True))
    moved = [(matrix, index, name) for (matrix, index), name in entries(coupling, posterior).items() if name in columns]
    stacks = {}
    for matrix in "ABCD":
        fixed = getattr(coupling, matrix)
        stacks[matrix] = np.broadcast_to(fixed, (len(values), *fixed.shape))
        if any(matrix == one for one, _, _ in moved):
            stacks[matrix] = stacks[matrix].copy()
    for matrix, index, name in moved:
        stacks[matrix][(slice(None), *index)] = columns[name]
    return stacks
