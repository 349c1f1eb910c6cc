"""A group's parameters as coupling in Hz, by the delta method.

Lives here: the derivative of a model's coupling, and what follows from it for expectations, spreads and differences. Does not live here: the
group's parameters (`peb`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.coupling import Coupling, ParametersAreCoupling
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.group import GroupCoupling, GroupDifference
from ltc_causal.errors import InputError

Array = NDArray[np.float64]

COMPLEX_STEP = 1e-30


def in_hertz(model: Any, mean: Array, root: Array) -> tuple[tuple[str, ...], Array, Array]:
    """Names and values of the coupling's entries about rest at parameters `mean`, and the derivative times `root`, shape (entry, column).

    The derivative is exact, by a complex step (Squire and Trapp 1998), or that of a model whose parameters are its coupling.

    Raises `InputError` if the model has no coupling.
    """
    if isinstance(model, ParametersAreCoupling):
        nothing = np.zeros((len(mean), len(mean)))
        here = model.coupling_gaussian(Gaussian(model.prior.names, mean, nothing))  # pyright: ignore[reportAttributeAccessIssue]
        shifted = [model.coupling_gaussian(Gaussian(model.prior.names, mean + column, nothing)).mean for column in root.T]  # pyright: ignore[reportAttributeAccessIssue]
        return here.names, here.mean, np.array(shifted).reshape(-1, len(here.mean)).T - here.mean[:, None]
    if not hasattr(model, "edge_values"):
        raise InputError(f"A {type(model).__name__} has no coupling in Hz: ask the group for its parameters instead (to_frame).")
    moved = [model.edge_values(mean + 1j * COMPLEX_STEP * column).imag / COMPLEX_STEP for column in root.T]
    values = np.real(model.edge_values(mean))
    return tuple(model.edge_names), values, np.array(moved).reshape(-1, len(values)).T


def group_coupling(model: Any, expected: Gaussian, between: Array, at: Mapping[str, Any], n_subject: int) -> GroupCoupling:
    """The coupling at a Gaussian over all of the model's parameters, and its spread between subjects of covariance `between`."""
    names, values, G = in_hertz(model, expected.mean, np.eye(len(expected.mean)))
    posterior = Gaussian(names, values, _symmetric(G @ expected.cov @ G.T))
    return GroupCoupling(model.coupling(expected.mean), posterior, _symmetric(G @ between @ G.T), dict(at), n_subject)


def group_difference(
    model: Any, means: tuple[Array, Array], roots: tuple[Array, Array], first: Mapping[str, Any], second: Mapping[str, Any]
) -> GroupDifference:
    """Second minus first, where both means move by their roots times the same standard normal variables."""
    (names, a, along_a), (_, b, along_b) = (in_hertz(model, mean, root) for mean, root in zip(means, roots, strict=True))
    G = along_b - along_a
    here, there = (model.coupling(mean) for mean in means)
    parts = {name: getattr(there, name) - getattr(here, name) for name in "ABCD"}
    coupling = Coupling(regions=here.regions, inputs=here.inputs, **parts)
    return GroupDifference(coupling, Gaussian(names, b - a, _symmetric(G @ G.T)), dict(first), dict(second))


def _symmetric(matrix: Array) -> Array:
    return (matrix + matrix.T) / 2
