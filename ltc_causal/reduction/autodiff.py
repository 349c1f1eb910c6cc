"""A, B, C and D of any flow written in torch, by automatic differentiation.

Lives here: `coupling_of`. Does not live here: the networks (`models`), their closed forms where there are some (`models.synaptic`).
This file imports torch, and nothing else of the package imports this file.
"""

from collections.abc import Callable, Sequence
from itertools import chain

import torch
from numpy.typing import ArrayLike
from torch.func import jacrev

from ltc_causal.core.coupling import Coupling
from ltc_causal.errors import InputError, finite_array, unique_names


def coupling_of(
    flow: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    state: ArrayLike,
    inputs: ArrayLike,
    regions: Sequence[str],
    input_names: Sequence[str],
) -> Coupling:
    """Taylor coefficients of dx/dt = flow(x, u) in Hz at an operating point, row = target.

    flow : a function or torch module of x (region,) and u (input,) that returns dx/dt (region,) in 1/s; it is not changed
    state, inputs : the operating point, shapes (region,) and (input,)
    regions, input_names : names, in the order of x and u

    A = dF/dx, B[k] = d2F/dx du_k, C = dF/du. D is half the second derivative d2F_i/dx_l dx_j: autodifferentiation sees a flow, not which
    of two regions gates the other's connection, so each gets half (D[l]_ij + D[j]_il is the second derivative). Computed in the module's own
    precision, and in float64 where it has no parameters: convert a network with `.double()` for derivatives to 1e-12.

    Raises `InputError` if the sizes do not fit or the flow returns anything else than one rate a region.
    """
    regions, input_names = unique_names("coupling_of regions", regions), unique_names("coupling_of input_names", input_names)
    like = _parameter(flow)
    x = _point("state", state, len(regions), like)
    u = _point("inputs", inputs, len(input_names), like)
    rate = flow(x, u)
    if not (isinstance(rate, torch.Tensor) and rate.shape == x.shape):
        got = tuple(rate.shape) if isinstance(rate, torch.Tensor) else type(rate).__name__
        raise InputError(
            f"coupling_of needs a flow that returns one rate for each of the {len(x)} regions, shape ({len(x)},), got {got}: "
            "wrap it in a function that does."
        )
    slope = jacrev(flow, argnums=0)
    A, C = slope(x, u), jacrev(flow, argnums=1)(x, u)
    B, H = jacrev(slope, argnums=1)(x, u), jacrev(slope, argnums=0)(x, u)
    A, B, C, D = (value.detach().double().cpu().numpy() for value in (A, B.permute(2, 0, 1), C, H.permute(2, 0, 1) / 2))
    return Coupling(A, B, C, regions, input_names, D)


def _parameter(flow: Callable) -> torch.Tensor:
    """A tensor of the flow's own precision and device: its first floating-point parameter or buffer, if it is a module with one."""
    if isinstance(flow, torch.nn.Module):
        for value in chain(flow.parameters(), flow.buffers()):
            if value.is_floating_point():
                return value
    return torch.zeros((), dtype=torch.float64)


def _point(what: str, values: ArrayLike, count: int, like: torch.Tensor) -> torch.Tensor:
    vector = finite_array(f"coupling_of {what}", values, 1, f"({count},)")
    if len(vector) != count:
        raise InputError(f"coupling_of {what} must hold {count} values, one a name, got {len(vector)}.")
    return torch.tensor(vector, dtype=like.dtype, device=like.device)
