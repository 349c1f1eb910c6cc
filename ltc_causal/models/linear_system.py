"""A linear network under linear haemodynamics, for simulation and interventions on what a regression found.

Lives here: `LinearSystem`, a `core.model.DynamicalSystem`. Does not live here: stepping (`simulate`), what is fitted (`regression_dcm`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from ltc_causal.core.coupling import Coupling
from ltc_causal.models import haemodynamics

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LinearSystem:
    """dx/dt = (A + sum_k u_k B[k]) x + C u, seen through the balloon model's expansion about rest; many draws at once (last axis).

    A, B, C : (region, region, draw), (input, region, region, draw), (region, input, draw), in Hz
    delayed : whether each region's activity first passes through a stage of 1 Hz, as in TAPAS's response function
    """

    regions: tuple[str, ...]
    inputs: tuple[str, ...]
    A: Array
    B: Array
    C: Array
    echo_time: float
    delayed: bool

    @property
    def n_draw(self) -> int:
        """Number of draws."""
        return self.A.shape[-1]

    def initial_state(self) -> tuple[Array, Array]:
        """Rest."""
        n = len(self.regions)
        return np.zeros((n, self.n_draw)), np.zeros((haemodynamics.N_STATE + self.delayed, n, self.n_draw))

    def flow(self, x: Array, u: Array) -> Array:
        """dx/dt in 1/s, shape (region, draw)."""
        A = self.A + np.tensordot(u, self.B, 1) if self.B.any() else self.A
        return np.einsum("ijd,jd->id", A, x) + np.einsum("ikd,k->id", self.C, u)

    def observation_flow(self, h: Array, x: Array) -> Array:
        """dh/dt in 1/s, of h's shape; the stage of 1 Hz, if any, comes last."""
        blood = np.einsum("sc,cid->sid", _expansion(), h[: haemodynamics.N_STATE])
        blood[0] += h[-1] if self.delayed else x
        return np.concatenate([blood, (x - h[-1])[None]]) if self.delayed else blood

    def observe(self, x: Array, h: Array) -> Array:
        """BOLD in percent, shape (region, draw), to first order in the states."""
        return np.tensordot(signal_slopes(self.echo_time), h[: haemodynamics.N_STATE], 1)

    def coupling(self, state=None, inputs=None) -> Coupling:
        """A, B and C of the first draw; the same everywhere, since the flow is linear."""
        return Coupling(self.A[..., 0], self.B[..., 0], self.C[..., 0], self.regions, self.inputs)


def _expansion() -> Array:
    return haemodynamics.rest_expansion(np.zeros(1), 0.0)[0]


def signal_slopes(echo_time: float) -> Array:
    """Derivative of the signal in (s, log f, log v, log q) at rest, in percent."""
    k1, k2, k3 = haemodynamics.signal_coefficients(0.0, echo_time)
    volume = haemodynamics.VOLUME_FRACTION
    return np.array([0.0, 0.0, volume * (k2 - k3), -volume * (k1 + k2)])


def response(n: int, dt: float, echo_time: float) -> Array:
    """Signal of one region after k = 0, 1, ... bins to an activity of 1 during the first bin, shape (n,), exact."""
    H = _expansion()
    held = np.zeros((5, 5))
    held[:4, :4], held[0, 4] = H, 1.0
    step, x = expm(H * dt), expm(held * dt)[:4, 4]
    slopes, h = signal_slopes(echo_time), np.zeros(n)
    for k in range(1, n):
        h[k] = slopes @ x
        x = step @ x
    return h


def transfer(omega: Array, echo_time: float) -> NDArray[np.complex128]:
    """The same in the frequency domain: signal per activity at angular frequencies in 1/s, shape of `omega`."""
    H = _expansion()
    driven = np.zeros(4)
    driven[0] = 1.0
    there = np.linalg.solve(1j * omega[:, None, None] * np.eye(4) - H, np.broadcast_to(driven[:, None], (len(omega), 4, 1)))
    return there[:, :, 0] @ signal_slopes(echo_time)
