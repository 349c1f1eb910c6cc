"""Neuronal flows: how activity in one region makes activity in another change, and how inputs and regions change that.

With s_i = A_ii + sum_k u_k B^k_ii, w_ij = A_ij + sum_k u_k B^k_ij, J_i = -SELF_RATE e^{s_i} Hz and all parameters on SPM's scale,

    bilinear    dx_i/dt = J_i x_i + sum_{j != i} w_ij x_j + sum_k C_ik u_k / INPUT_SCALE
    nonlinear   the same with s_i + sum_l x_l D^l_ii in place of s_i and w_ij + sum_l x_l D^l_ij in place of w_ij
    liquid      dx_i/dt = J_i x_i + sum_{j != i} phi(a_ij) (1 - lambda_ij x_i) + ...,  a_ij = (w_ij + sum_l x_l D^l_ij) x_j,
                phi(a) = (tanh(kappa_ij a - tau_ij) + tanh tau_ij) / (kappa_ij sech^2 tau_ij), so that phi(0) = 0 and phi'(0) = 1
    two_state   with K_ij = e^{w_ij} / 8 for the connections that exist, and an inhibitory population z_i beside each x_i,
                dx_i/dt = -x_i / 2 - K_ii z_i + sum_{j != i} K_ij x_j + sum_k C_ik u_k / INPUT_SCALE,   dz_i/dt = x_i - z_i

Bilinear: Friston et al. 2003, eq. 3, with SPM's log self-inhibition. Nonlinear: Stephan et al. 2008, eq. 4. Two-state: Marreiros et al.
2008, in SPM's form. Liquid: a liquid time-constant network (Hasani et al. 2021, eq. 1) in the coordinates of a DCM: kappa is a synapse's
saturation, tau its threshold, 1 / lambda its reversal potential; kappa -> 0 at tau = lambda = 0 is the bilinear (or nonlinear) flow.

Lives here: parameters as matrices, the linear network that they make under an input, and the flow. Does not live here: names and priors
(`parameters`), Taylor coefficients (`taylor`), integration (`true_flow`, `numerics`).
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ltc_causal.models.haemodynamics import DIFFERENCE_STEP

SELF_RATE = 0.5  # Hz, decay of a region without its log self-inhibition
INPUT_SCALE = 16.0  # SPM's C is in sixteenths of Hz per unit of input
TWO_STATE_SCALE = 0.125  # Hz, a connection of the two-state model at log strength 0
INHIBITORY_RATE = 1.0  # Hz, of the inhibitory population of the two-state model, excited by its region and decaying
NEURONAL = ("bilinear", "nonlinear", "two_state", "liquid")


@dataclass(frozen=True, eq=False)
class Weights:
    """One set of neuronal parameters as matrices, on the parameters' own scale (complex ones pass through).

    A : (region, region), the diagonal a log self-inhibition; all entries logarithms if two_state, -inf where there is no connection
    B : (input, region, region); C : (region, input), sixteenths of Hz
    D : (gating region, target, source); None where no region gates
    kappa, tau, lambda_ : saturation per Hz, threshold and inverse reversal potential of the synapses; numbers or (region, region)
    """

    A: NDArray
    B: NDArray
    C: NDArray
    D: NDArray | None = None
    kappa: NDArray | complex | float = 0.0
    tau: NDArray | float = 0.0
    lambda_: NDArray | float = 0.0
    two_state: bool = False

    def between(self, u: NDArray) -> NDArray:
        """w_ij under each input, shape (..., region, region), with a zero diagonal."""
        w = self.A + np.tensordot(u, self.B, 1)
        n = len(self.A)
        w[..., np.arange(n), np.arange(n)] = 0.0
        return w


def network(weights: Weights, values: NDArray, modulation: str = "log") -> NDArray:
    """Rates and drive of the linear part under each input value, shape (value, unit, unit + 1): the last column is the drive.

    values : (value, input)
    modulation : how an input acts inside an exponential: "log" as the flow states, "linear" expanded to first order in the input (SPM's
        bilinear expansion), "spm" the same by a forward difference of step e^-8
    """
    expand = 0 if modulation == "log" else 1 if modulation == "linear" else 2
    return _network(weights.A, weights.B, weights.C, np.asarray(values, dtype=float), weights.two_state, expand)


@numba.njit(cache=True)
def _exponential(a, b, u, expand):
    """exp(a + sum_k u_k b_k), or its expansion in the input: to first order (1), or by SPM's difference (2)."""
    change = 0.0 * a
    for k in range(len(u)):
        step = b[k] if expand < 2 else np.expm1(DIFFERENCE_STEP * b[k]) / DIFFERENCE_STEP
        change += u[k] * step
    return np.exp(a + change) if expand == 0 else np.exp(a) * (1.0 + change)


@numba.njit(cache=True)
def _network(A, B, C, values, two_state, expand):
    n, m = C.shape
    U = 2 * n if two_state else n
    N = np.zeros((len(values), U, U + 1), A.dtype)
    for v in range(len(values)):
        u = values[v]
        for i in range(n):
            for j in range(n):
                if two_state and A[i, j].real == -np.inf:
                    continue
                if two_state:
                    N[v, i, n + i if i == j else j] = (
                        (-1.0 if i == j else 1.0) * TWO_STATE_SCALE * _exponential(A[i, j], B[:, i, j], u, expand)
                    )
                elif i == j:
                    N[v, i, i] = -SELF_RATE * _exponential(A[i, i], B[:, i, i], u, expand)
                else:
                    N[v, i, j] = A[i, j]
                    for k in range(m):
                        N[v, i, j] += u[k] * B[k, i, j]
            if two_state:
                N[v, i, i], N[v, n + i, i], N[v, n + i, n + i] = -SELF_RATE, INHIBITORY_RATE, -INHIBITORY_RATE
            for k in range(m):
                N[v, i, U] += u[k] * C[i, k] / INPUT_SCALE
    return N


@dataclass(frozen=True, eq=False)
class Slots:
    """Which entry of `network` each parameter moves, and by how much under each input value as far as that is fixed.

    row, column : (parameter,), -1 where it moves none
    fixed : (value, parameter), the slopes that do not depend on the parameters
    own, by_input : positions of the parameters inside an exponential, A and D, and B
    inputs : (value, parameter of by_input), what each of these is multiplied by
    """

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    fixed: NDArray[np.float64]
    own: NDArray[np.int64]
    by_input: NDArray[np.int64]
    inputs: NDArray[np.float64]

    @classmethod
    def of(cls, matrix: NDArray, entry: NDArray, values: NDArray, n: int, two_state: bool) -> "Slots":
        """The slots of parameters of a model of n regions under input values (value, input).

        matrix : (parameter,) characters "A", "B", "C", "D", or another for a parameter that moves none
        entry : (parameter, 3), (input, target, source) of B; (region, target, source) of D; (-1, target, source) of A; (-1, target, input) of C
        """
        k, i, j = entry.T
        driving, modulatory = matrix == "C", matrix == "B"
        between = modulatory | (matrix == "A") | (matrix == "D")
        logarithmic = between & (two_state | (i == j))
        inhibitory = between & (i == j) & two_state
        row = np.where(driving | between, i, -1)
        column = np.where(driving, n * (1 + two_state), np.where(inhibitory, n + i, np.where(between, j, -1)))
        fixed = np.zeros((len(values), len(matrix)))
        fixed[:, between] = 1.0
        fixed[:, modulatory] = values[:, k[modulatory]]
        fixed[:, driving] = values[:, j[driving]] / INPUT_SCALE
        by_input = np.flatnonzero(logarithmic & modulatory)
        return cls(row, column, fixed, np.flatnonzero(logarithmic & ~modulatory), by_input, values[:, k[by_input]])

    def slopes(self, weights: Weights, N: NDArray, modulation: str) -> NDArray:
        """What each parameter moves at these weights, whose `network` is N, shape (value, parameter).

        Of a gating parameter, what it moves per unit activity of the gating region.
        """
        slopes, own, by_input = self.fixed.copy(), self.own, self.by_input
        slopes[:, own] = N[:, self.row[own], self.column[own]]
        if len(by_input):
            if modulation != "log":
                # Expanded to first order in the input, what an input adds does not depend on the input itself.
                N = network(weights, np.zeros((1, weights.C.shape[1])), modulation)
            slopes[:, by_input] = self.inputs * N[:, self.row[by_input], self.column[by_input]]
        return slopes


def synapse(a: NDArray, kappa: NDArray | float, tau: NDArray | float = 0.0) -> NDArray:
    """Transmission phi(a) (see the module's first lines); a itself where kappa is 0."""
    if np.all(kappa == 0):
        return a
    T = np.tanh(tau)
    return (np.tanh(kappa * a - tau) + T) / (kappa * (1 - T**2))
