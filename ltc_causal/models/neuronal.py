"""Neuronal flows: how activity in one region makes activity in another change, and how inputs change that.

With s_i = A_ii + sum_k u_k B^k_ii, w_ij = A_ij + sum_k u_k B^k_ij and all parameters on SPM's scale,

    bilinear   dx_i/dt = J_i x_i + sum_{j != i} w_ij x_j            + sum_k C_ik u_k / INPUT_SCALE
    liquid     dx_i/dt = J_i x_i + sum_{j != i} tanh(kappa w_ij x_j) / kappa + sum_k C_ik u_k / INPUT_SCALE

J_i = -SELF_RATE e^{s_i} Hz. Bilinear: Friston et al. 2003, eq. 3, with the log self-inhibition of SPM. Liquid: a liquid time-constant network
(Hasani et al. 2021, eq. 1) in the coordinates of a DCM; kappa -> 0 is the bilinear flow.

Lives here: the flows, their coefficients under an input, and their Taylor coefficients in Hz. Does not live here: names and priors
(`dcm`, `priors`), integration (`true_flow`, `numerics`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltc_causal.models.haemodynamics import DIFFERENCE_STEP

SELF_RATE = 0.5  # Hz, decay of a region without its log self-inhibition
INPUT_SCALE = 16.0  # SPM's C is in sixteenths of Hz per unit of input
NEURONAL = ("bilinear", "liquid")


@dataclass(frozen=True, eq=False)
class Weights:
    """One set of neuronal parameters as matrices, on the parameters' own scale (complex ones pass through).

    A : (region, region), the diagonal a log self-inhibition
    B : (input, region, region); C : (region, input), sixteenths of Hz
    kappa : saturation of the liquid flow per Hz; 0 for the bilinear flow
    """

    A: NDArray
    B: NDArray
    C: NDArray
    kappa: complex | float = 0.0

    def self_rate(self, u: NDArray) -> NDArray:
        """J_i under each input, shape (..., region), from u of shape (..., input)."""
        return -SELF_RATE * np.exp(np.diagonal(self.A) + u @ np.diagonal(self.B, axis1=1, axis2=2))

    def between(self, u: NDArray) -> NDArray:
        """w_ij under each input, shape (..., region, region), with a zero diagonal."""
        w = self.A + np.tensordot(u, self.B, 1)
        n = len(self.A)
        w[..., np.arange(n), np.arange(n)] = 0.0
        return w


def network(weights: Weights, values: NDArray, self_modulation: str = "log") -> NDArray:
    """Rates and drive under each input value, shape (value, region, region + 1): the last column is the drive.

    values : (value, input)
    self_modulation : how an input acts on a self-connection: "log" inside the exponential (the flow as stated), "linear" expanded to
        first order in the input (SPM's bilinear expansion), "spm" the same by a forward difference of step e^-8
    """
    n = len(weights.A)
    N = np.zeros((len(values), n, n + 1))
    N[:, :, :n] = weights.between(values)
    N[:, np.arange(n), np.arange(n)] = _self_rates(weights, values, self_modulation)
    N[:, :, n] = values @ weights.C.T / INPUT_SCALE
    return N


def _self_rates(weights: Weights, values: NDArray, self_modulation: str) -> NDArray:
    if self_modulation == "log":
        return weights.self_rate(values)
    at_rest = -SELF_RATE * np.exp(np.diagonal(weights.A))
    change = np.diagonal(weights.B, axis1=1, axis2=2)
    if self_modulation == "spm":
        change = np.expm1(DIFFERENCE_STEP * change) / DIFFERENCE_STEP
    return at_rest * (1 + values @ change)


def network_slopes(
    weights: Weights, values: NDArray, matrix: NDArray, entry: NDArray, self_modulation: str
) -> tuple[NDArray, NDArray, NDArray]:
    """Which entry of `network` each parameter moves, and by how much under each input value.

    matrix : (parameter,) characters "A", "B", "C", or another for a parameter that moves none
    entry : (parameter, 3), (input, target, source) of B; (-1, target, source) of A; (-1, target, input) of C

    Returns row and column, shape (parameter,), -1 where none, and coefficient, shape (value, parameter).
    """
    n = len(weights.A)
    at_rest = -SELF_RATE * np.exp(np.diagonal(weights.A))
    now = _self_rates(weights, values, self_modulation)
    by_modulation = now if self_modulation == "log" else np.broadcast_to(at_rest, now.shape)
    row, column = np.full(len(matrix), -1), np.full(len(matrix), -1)
    coefficient = np.zeros((len(values), len(matrix)))
    for p, (kind, (k, i, j)) in enumerate(zip(matrix, entry, strict=True)):
        if kind not in "ABC":
            continue
        row[p], column[p] = i, n if kind == "C" else j
        if kind == "C":
            coefficient[:, p] = values[:, j] / INPUT_SCALE
        elif kind == "A":
            coefficient[:, p] = now[:, i] if i == j else 1.0
        else:
            coefficient[:, p] = values[:, k] * (by_modulation[:, i] if i == j else 1.0)
    return row, column, coefficient


def synapse(a: NDArray, kappa: NDArray | float) -> NDArray:
    """Saturating transmission tanh(kappa a) / kappa; a itself for kappa 0."""
    return a if np.all(kappa == 0) else np.tanh(kappa * a) / kappa


def taylor(weights: Weights, x: NDArray, u: NDArray, self_modulation: str = "log") -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """A (n, n), B (m, n, n), C (n, m) and D (n, n, n) of the flow at activity x and inputs u, in Hz.

    A_ij = dF_i/dx_j, B^k_ij = d2F_i/dx_j du_k, C_ik = dF_i/du_k, and D^l_ij = d2F_i/dx_j dx_l / 2, the gating that gives the same flow.
    All at (x, u): the expansion around that point is in the deviations from it.
    """
    n, m = weights.C.shape
    diagonal = np.arange(n)
    J, w, kappa = _self_rates(weights, u[None], self_modulation)[0], weights.between(u), weights.kappa
    slope, curvature, a = np.ones_like(w), np.zeros_like(w), w * x
    if np.any(kappa != 0):
        t = np.tanh(kappa * a)
        slope, curvature = 1 - t**2, -2 * kappa * t * (1 - t**2)
    by_modulation = J if self_modulation == "log" else -SELF_RATE * np.exp(np.diagonal(weights.A))
    B_self = by_modulation * np.diagonal(weights.B, axis1=1, axis2=2)
    B_between = weights.B.copy()
    B_between[:, diagonal, diagonal] = 0.0
    A = slope * w
    A[diagonal, diagonal] = J
    B = B_between * (slope + curvature * a)
    B[:, diagonal, diagonal] = B_self
    C = weights.C / INPUT_SCALE + np.einsum("kij,ij,j->ik", B_between, slope, x) + (B_self * x).T
    D = np.zeros((n, n, n), dtype=A.dtype)
    for j in range(n):
        D[j, :, j] = curvature[:, j] * w[:, j] ** 2 / 2
    return A, B, C, D
