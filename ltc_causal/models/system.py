"""A DCM at given parameters, as simulation and interventions see it: flows vectorised over draws.

Lives here: `DCMSystem`, a `core.model.DynamicalSystem`. Does not live here: stepping (`numerics`), the intervened system (`causal`).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.errors import InputError
from ltc_causal.models import haemodynamics, neuronal

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DCMSystem:
    """dx/dt and dh/dt of a DCM for many parameter draws at once (last axis).

    The first neuronal states are the regions' activities; a two-state model's inhibitory populations follow.

    A, B, C, D : (region, region, draw), (input, region, region, draw), (region, input, draw), (region, region, region, draw) on the
        parameters' own scale; D is None where no region gates
    kappa, tau, lambda_ : (region, region, draw) or zero, the synapses of a liquid model
    transit : (region, draw), None where activity itself is observed; decay, epsilon : (draw,)
    two_state : whether each region has an inhibitory population
    linear : whether the flow is the expansion about rest (flow="bilinear")
    rest : (region, 4, 4, draw), the haemodynamics' expansion, used when linear
    """

    regions: tuple[str, ...]
    inputs: tuple[str, ...]
    n_draw: int
    A: Array
    B: Array
    C: Array
    D: Array | None
    kappa: Array
    tau: Array
    lambda_: Array
    transit: Array | None
    decay: Array
    epsilon: Array
    echo_time: float
    two_state: bool
    linear: bool
    rest: Array

    @classmethod
    def of(cls, model: Any, theta: Array, echo_time: float) -> "DCMSystem":
        """The system of a DCM at parameters of shape (draw, parameter)."""
        each = [model.weights(draw) for draw in theta]
        transit, decay, epsilon = model.haemodynamic_parameters(theta)
        blood = transit is not None
        rest = [haemodynamics.rest_expansion(t, d) for t, d in zip(transit, decay, strict=True)] if blood else [np.zeros((0, 4, 4))]

        def over_draws(name: str) -> Array:
            return np.stack([getattr(weights, name) for weights in each], axis=-1).astype(float)

        D = None if each[0].D is None else over_draws("D")
        A, B, C, kappa, tau, lambda_ = (over_draws(name) for name in ("A", "B", "C", "kappa", "tau", "lambda_"))
        return cls(
            tuple(model.regions), tuple(model.inputs), len(theta), A, B, C, D, kappa, tau, lambda_, transit.T if blood else None, decay, epsilon,
            echo_time, each[0].two_state, model.flow == "bilinear", np.stack(rest, axis=-1),
        )  # fmt: skip

    def initial_state(self) -> tuple[Array, Array]:
        """Rest: zeros of shapes (unit, draw) and (4, region, draw), or (0, region, draw) without haemodynamics."""
        n = len(self.regions)
        states = 0 if self.transit is None else haemodynamics.N_STATE
        return np.zeros((n * (1 + self.two_state), self.n_draw)), np.zeros((states, n, self.n_draw))

    def flow(self, x: Array, u: Array) -> Array:
        """dx/dt in 1/s, shape (unit, draw), from neuronal states x and inputs u (input,)."""
        between, own, drive = self._under(tuple(u))
        if self.two_state:
            x, z = np.split(x, 2)
            rates = (between * x[None]).sum(axis=1) - neuronal.SELF_RATE * x - own * z + drive
            return np.concatenate([rates, neuronal.INHIBITORY_RATE * (x - z)])
        if self.D is not None:
            gain = np.einsum("lijd,ld->ijd", self.D, x)
            diagonal = np.arange(len(x))
            own = own * np.exp(gain[diagonal, diagonal])
            gain[diagonal, diagonal] = 0.0
            between = between + gain
        synaptic = between * x[None]
        if self.kappa.any():
            synaptic = neuronal.synapse(synaptic, self.kappa, self.tau)
        if self.lambda_.any():
            synaptic = synaptic * (1 - self.lambda_ * x[:, None])
        return own * x + synaptic.sum(axis=1) + drive

    def _under(self, u: tuple[float, ...]) -> tuple[Array, Array, Array]:
        """Couplings between regions, self-rates (of a two-state model: self-inhibition) and drive under an input.

        The last input asked for is kept, since the stages of a step share it.
        """
        cached = self.__dict__.get("_last")
        if cached is not None and cached[0] == u:
            return cached[1]
        values = np.array(u)
        diagonal = np.arange(len(self.regions))
        change = np.tensordot(values, self.B, 1)
        if self.two_state:
            w = neuronal.TWO_STATE_SCALE * (np.exp(self.A) * (1 + change) if self.linear else np.exp(self.A + change))
            own = w[diagonal, diagonal]
        else:
            w = self.A + change
            rest, moved = self.A[diagonal, diagonal], change[diagonal, diagonal]
            own = -neuronal.SELF_RATE * (np.exp(rest) * (1 + moved) if self.linear else np.exp(rest + moved))
        w[diagonal, diagonal] = 0.0
        drive = np.einsum("ikd,k->id", self.C, values) / neuronal.INPUT_SCALE
        object.__setattr__(self, "_last", (u, (w, own, drive)))
        return w, own, drive

    def with_scaled(self, source: int, target: int | None, factor: float) -> "DCMSystem":
        """The same with A, B and D of a connection (or of all out of a region) multiplied; of a two-state model K, which stays positive."""
        rows = [i for i in range(len(self.regions)) if i != source] if target is None else [target]
        A, B, D = self.A.copy(), self.B.copy(), None if self.D is None else self.D.copy()
        if self.two_state:
            if factor < 0:
                raise InputError(
                    f"A two-state model's connections are positive, so their strength cannot be scaled by {factor:g}: use tonic=False."
                )
            A[rows, source] += np.log(factor) if factor else -np.inf
        else:
            A[rows, source] *= factor
            B[:, rows, source] *= factor
            if D is not None:
                D[:, rows, source] *= factor
        return replace(self, A=A, B=B, D=D)

    def own_units(self, region: int) -> tuple[int, ...]:
        """The region, and in a two-state model its inhibitory population."""
        return (region, region + len(self.regions)) if self.two_state else (region,)

    def observation_flow(self, h: Array, x: Array) -> Array:
        """dh/dt in 1/s, of h's shape."""
        if self.transit is None:
            return np.zeros_like(h)
        if self.linear:
            rates = np.einsum("iscd,cid->sid", self.rest, h)
            rates[0] += x
            return rates
        return haemodynamics.flow(h, x, self.transit, self.decay)

    def observe(self, x: Array, h: Array) -> Array:
        """BOLD in percent, or activity, shape (region, draw)."""
        if self.transit is None:
            return x[: len(self.regions)]
        return haemodynamics.bold(h[2], h[3], self.epsilon, self.echo_time)
