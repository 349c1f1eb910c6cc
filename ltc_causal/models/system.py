"""A DCM at given parameters, as simulation and interventions see it: flows vectorised over draws.

Lives here: `DCMSystem`, a `core.model.DynamicalSystem`. Does not live here: stepping (`numerics`), the intervened system (`causal`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.models import haemodynamics, neuronal

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DCMSystem:
    """dx/dt and dh/dt of a DCM for many parameter draws at once (last axis).

    A, B, C : (region, region, draw), (input, region, region, draw), (region, input, draw), on the parameters' own scale
    kappa : (draw,), zeros for the bilinear flow
    transit : (region, draw); decay, epsilon : (draw,)
    linear : whether the flow is the expansion about rest (flow="bilinear")
    rest : (region, 4, 4, draw), the haemodynamics' expansion, used when linear
    """

    regions: tuple[str, ...]
    inputs: tuple[str, ...]
    n_draw: int
    A: Array
    B: Array
    C: Array
    kappa: Array
    transit: Array
    decay: Array
    epsilon: Array
    echo_time: float
    linear: bool
    rest: Array

    @classmethod
    def of(cls, model: Any, theta: Array, echo_time: float) -> "DCMSystem":
        """The system of a DCM at parameters of shape (draw, parameter)."""
        each = [model.weights(draw) for draw in theta]
        transit, decay, epsilon = model.haemodynamic_parameters(theta)
        rest = np.stack([haemodynamics.rest_expansion(t, d) for t, d in zip(transit, decay, strict=True)], axis=-1)
        A, B, C = (np.stack([getattr(weights, name) for weights in each], axis=-1) for name in "ABC")
        kappa = np.array([weights.kappa for weights in each], dtype=float)
        return cls(
            tuple(model.regions), tuple(model.inputs), len(theta), A, B, C, kappa, transit.T, decay, epsilon, echo_time,
            model.flow == "bilinear", rest,
        )  # fmt: skip

    def initial_state(self) -> tuple[Array, Array]:
        """Rest: zeros of shapes (region, draw) and (4, region, draw)."""
        n = len(self.regions)
        return np.zeros((n, self.n_draw)), np.zeros((haemodynamics.N_STATE, n, self.n_draw))

    def flow(self, x: Array, u: Array) -> Array:
        """dx/dt in 1/s, shape (region, draw), from activity x and inputs u (input,)."""
        between, self_rate, drive = self._under(tuple(u))
        synaptic = between * x[None]
        if self.kappa.any():
            synaptic = neuronal.synapse(synaptic, self.kappa)
        return self_rate * x + synaptic.sum(axis=1) + drive

    def _under(self, u: tuple[float, ...]) -> tuple[Array, Array, Array]:
        """Couplings between regions, self-rates and drive under an input; the last one asked for is kept, since steps share it."""
        cached = self.__dict__.get("_last")
        if cached is not None and cached[0] == u:
            return cached[1]
        values = np.array(u)
        n = len(self.regions)
        diagonal = np.arange(n)
        w = self.A + np.tensordot(values, self.B, 1)
        own_A, own_B = self.A[diagonal, diagonal], np.tensordot(values, self.B[:, diagonal, diagonal], 1)
        if self.linear:
            self_rate = -neuronal.SELF_RATE * np.exp(own_A) * (1 + own_B)
        else:
            self_rate = -neuronal.SELF_RATE * np.exp(own_A + own_B)
        w[diagonal, diagonal] = 0.0
        drive = np.einsum("ikd,k->id", self.C, values) / neuronal.INPUT_SCALE
        object.__setattr__(self, "_last", (u, (w, self_rate, drive)))
        return w, self_rate, drive

    def observation_flow(self, h: Array, x: Array) -> Array:
        """dh/dt in 1/s, shape (4, region, draw)."""
        if self.linear:
            rates = np.einsum("iscd,cid->sid", self.rest, h)
            rates[0] += x
            return rates
        return haemodynamics.flow(h, x, self.transit, self.decay)

    def observe(self, h: Array) -> Array:
        """BOLD in percent, shape (region, draw)."""
        return haemodynamics.bold(h[2], h[3], self.epsilon, self.echo_time)
