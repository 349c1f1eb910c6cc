"""How far a reduction can be trusted: what it leaves of the model's flow along the model's own course.

Lives here: the residual and the sentence that it is put in. Does not live here: how a reduction is derived (`linearise`).
"""

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.coupling import Coupling
from ltc_causal.core.data import Inputs
from ltc_causal.core.model import DynamicalSystem
from ltc_causal.core.result import Certificate
from ltc_causal.models.simulate import neuronal_course

Array = NDArray[np.float64]

# In our own simulations of Taylor reductions of liquid networks (6-20 seeds a setting) the error of the reduced model's course was about
# .35 rho of the course's size, and below .49 rho in 95 % of the cases.
USUAL_SHARE, LARGE_SHARE = 0.35, 0.49
EXACT = 1e-9  # below this a residual is rounding


def certify(system: DynamicalSystem, inputs: Inputs, coupling: Coupling, state: Array, point: Array, in_words: str) -> Certificate:
    """Compare a model's flow with its expansion about an operating point, along the model's own course under the inputs.

    system : the model at one set of parameters (one draw)
    inputs : as the model uses them
    coupling : Taylor coefficients at the operating point
    state, point : the operating point, activity (region,) and inputs (input,); in_words : the same, for the reader

    r = F(x, u) - F_reduced(x, u), taken as each input bin begins; rho = rms(r) / rms(F) over time and regions.
    """
    n, u = len(state), inputs.values
    whole = neuronal_course(system, inputs)[:, :, 0]
    F = np.array([system.flow(x_now[:, None], u_now)[:n, 0] for x_now, u_now in zip(whole, u, strict=True)])
    x = whole[:, :n]  # the regions' activity; what else the model has, the reduction has not
    kinds = whole.shape[1] // n  # a second population is at its region's level where the expansion is taken
    F_point = system.flow(np.tile(state, kinds)[:, None], point)[:n, 0]
    r = F - expansion(coupling, F_point, x - state, u - point)
    rho, by_region = _ratio(r.ravel(), F.ravel()), np.array([_ratio(r[:, i], F[:, i]) for i in range(x.shape[1])])
    return Certificate(rho, by_region, _range(x), _range(u), in_words, _verdict(rho, in_words))


def expansion(coupling: Coupling, constant: Array, dx: Array, du: Array) -> Array:
    """F0 + (A + sum_k du_k B[k] + sum_l dx_l D[l]) dx + C du, from deviations of shapes (time, region) and (time, input)."""
    A = coupling.A + np.tensordot(du, coupling.B, 1) + np.tensordot(dx, coupling.D, 1)
    return constant + np.einsum("tij,tj->ti", A, dx) + du @ coupling.C.T


def _range(values: Array) -> Array:
    return np.stack([values.min(axis=0), values.max(axis=0)], axis=1)


def _ratio(r: Array, F: Array) -> float:
    """rms(r) / rms(F); 0 where nothing moved, NaN where the course left the model's bounds."""
    size = np.linalg.norm(F)
    return 0.0 if size == 0 else float(np.linalg.norm(r) / size)


def _verdict(rho: float, in_words: str) -> str:
    where = f"the Taylor reduction at {in_words}"
    if not np.isfinite(rho):
        return f"No judgement of {where}: at the posterior mean the model's own course leaves its bounds, so the fit itself is in doubt."
    if rho < EXACT:
        return f"Exact: {where} is the model's own flow (rho = {rho:.1g})."
    if rho > 1:
        return f"Do not use {where} here: rho = {rho:.2f}, its error exceeds the flow itself, so the course runs where it does not hold."
    return (
        f"rho = {rho:.3g}: {where} leaves {100 * rho:.2g} % of the flow along this recording unexplained; over other, simulated networks "
        f"the course erred by about {USUAL_SHARE} rho (95 % below {LARGE_SHARE} rho), which here would be {100 * USUAL_SHARE * rho:.2g} % "
        f"({100 * LARGE_SHARE * rho:.2g} %)."
    )
