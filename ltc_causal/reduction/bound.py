"""The model and its reduction side by side along one run, with a bound on how far they can come apart.

With e = x_reduced - x_model and r = F_model - F_reduced at the model's state, exactly

    de/dt = J e - r,   J the reduced model's Jacobian half-way between the two states: A + sum_k u_k B[k] where nothing gates,

so in any norm ||e||_P = ||P^-1 e||, with mu_P(J) the largest eigenvalue of the Hermitian part of P^-1 J P (logarithmic norm; Dahlquist 1958),

    ||e(t)||_P <= b(t),   db/dt = mu_P(J) b + ||r||_P,   b(0) = 0,   that is   b = int exp(int mu_P) ||r||_P,   and   ||e|| <= ||P|| b.

Of several P the least ||P|| b is taken at each moment: the eigenvectors of the reduced model's A, in whose metric its slowest mode sets the
pace; the metric x' Q x in which A contracts, A'Q + QA = -I (Lyapunov), which serves where eigenvectors are nearly parallel; and the plain norm.

Lives here: the joint integration, the logarithmic norm. Does not live here: what is concluded (`certificate`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_continuous_lyapunov

from ltc_causal.core.model import DynamicalSystem
from ltc_causal.models.intervened import Intervened
from ltc_causal.models.simulate import Segment
from ltc_causal.models.true_flow import MAX_STEP
from ltc_causal.numerics.rk4 import LARGEST_STATE, runge_kutta

Array = NDArray[np.float64]

WORST_CONDITION = 1e6  # of the eigenvectors; beyond it they are no metric to measure in, and the plain norm is taken
LOST = 1e12  # where a bound is given up as infinite


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a joint run leaves, as each of its segments begins.

    bins : when, in bins, shape (segment,)
    model, reduced : activity, shape (segment, region); NaN once the model has left its bounds, infinite once the reduced one has
    flow, residual : F_model and r, shape (segment, region)
    inputs : in force, shape (segment, input)
    bound : on ||x_reduced - x_model|| over the regions, shape (segment,)
    """

    bins: Array
    model: Array
    reduced: Array
    flow: Array
    residual: Array
    inputs: Array
    bound: Array


def logarithmic_norm(J: NDArray) -> float:
    """The largest eigenvalue of (J + J^H) / 2: how fast the norm of a solution of de/dt = J e can grow, 1/s."""
    return float(np.linalg.eigvalsh((J + J.conj().T) / 2)[-1]) if len(J) else 0.0


def jacobian(system: DynamicalSystem, x: Array, u: Array) -> Array:
    """dF/dx of a reduced model, shape (region, region), exact by central differences since its flow is quadratic in x."""
    n = len(x)
    rate = system.flow(x[:, None] + np.concatenate([np.eye(n), -np.eye(n)], axis=1), u)
    return (rate[:, :n] - rate[:, n:]) / 2


def run_together(model: Sequence[Segment], reduced: Sequence[Segment], start: Array, udt: float, gates: bool) -> Comparison:
    """Run a model and its reduction through the same segments (those of the reduction with its own system), from the same start.

    start : the model's units, shape (unit,), the regions first
    udt : seconds a bin
    gates : whether the reduced flow is other than linear in the state
    """
    n, U, rows = len(reduced[0].system.regions), len(start), []
    metrics, step = _metrics(reduced, n), None
    y = np.concatenate([start, start[:n], np.zeros(len(metrics))])[:, None]
    for one, other in zip(model, reduced, strict=True):
        for region, activity in one.held.items():
            y[[region, U + region]] = activity
        step = _Joint(one, other, U, n, metrics, gates, step)
        rows.append((one.start, *step.look(y)))
        # Overflow is a course that explodes; it is frozen there.
        with np.errstate(over="ignore", invalid="ignore"):
            y = runge_kutta(step, y, (one.stop - one.start) * udt, MAX_STEP, np.inf)
    return Comparison(*(np.array(column) for column in zip(*rows, strict=True)))


class Metric(NamedTuple):
    """The norm ||W x|| with W = P^-1, among the regions that are free; `size` is ||P||, so that ||x|| <= size ||W x||."""

    W: NDArray
    P: NDArray
    size: float

    @classmethod
    def of(cls, W: NDArray) -> "Metric":
        """From W, shape (free region, free region)."""
        P = np.linalg.inv(W)
        return cls(W, P, float(np.linalg.norm(P, 2)) if len(P) else 0.0)

    def growth(self, J: Array) -> float:
        """mu_P(J), 1/s."""
        return logarithmic_norm(self.W @ J @ self.P)


def _metrics(reduced: Sequence[Segment], n: int) -> list[Metric]:
    """Those that are tried; only the plain norm where a region is held for a part of the run, since it never grows as one is taken out."""
    free = _free(reduced[0], n)
    found = [Metric.of(np.eye(len(free)))]
    if not len(free) or any(set(segment.held) != set(reduced[0].held) for segment in reduced):
        return found
    system = reduced[0].system
    A = jacobian(system, np.zeros(n), np.zeros(len(system.inputs)))[np.ix_(free, free)]
    values, vectors = (np.asarray(part) for part in np.linalg.eig(A))
    if np.linalg.cond(vectors) < WORST_CONDITION:
        found.append(Metric.of(np.linalg.inv(vectors)))
    if np.real(values).max() < 0:
        found.append(Metric.of(np.linalg.cholesky(solve_continuous_lyapunov(A.T, -np.eye(len(free)))).T))
    return found


def _free(segment: Segment, n: int) -> NDArray[np.int64]:
    return np.array([region for region in range(n) if region not in segment.held], dtype=int)


class _Joint:
    """The flow of [model's units, reduced regions, a bound for each metric] during one segment."""

    def __init__(
        self, model: Segment, reduced: Segment, units: int, n: int, metrics: Sequence[Metric], gates: bool, before: "_Joint | None" = None
    ):
        self.model, self.reduced = model, reduced
        self.U, self.n, self.free = units, n, _free(model, n)
        self.metrics = [one if len(one.W) == len(self.free) else Metric.of(np.eye(len(self.free))) for one in metrics]
        self.W = np.array([metric.W for metric in self.metrics])
        if before is not None and reduced.system is before.reduced.system and np.array_equal(reduced.inputs, before.reduced.inputs):
            self.growth = before.growth  # an eigenvalue problem for each metric, which many segments share
        else:
            self.growth = None if gates else self._growth(np.zeros(n))

    def _growth(self, x: Array) -> Array:
        J = jacobian(self.reduced.system, x, self.reduced.inputs)[np.ix_(self.free, self.free)]
        return np.array([metric.growth(J) for metric in self.metrics])

    def flows(self, x: Array, z: Array) -> tuple[Array, Array, Array]:
        """The model's flow at its state, and the reduced one's there and at its own."""
        F = self.model.system.flow(x[:, None], self.model.inputs)[:, 0]
        both = self.reduced.system.flow(np.array([x[: self.n], z]).T, self.reduced.inputs)
        return F, both[:, 0], both[:, 1]

    def _split(self, y: Array) -> tuple[Array, Array, Array]:
        return y[: self.U, 0], y[self.U : self.U + self.n, 0], y[self.U + self.n :, 0]

    def __call__(self, y: Array) -> Array:
        x, z, b = self._split(y)
        if not np.abs(x).max() <= LARGEST_STATE:  # the model's own course is gone
            return np.full_like(y, np.nan)
        F, there, own = self.flows(x, z)
        rate = np.zeros_like(y)
        rate[: self.U, 0] = F
        if np.abs(z).max() <= LARGEST_STATE:
            rate[self.U : self.U + self.n, 0] = own
            growth = self._growth((x[: self.n] + z) / 2) if self.growth is None else self.growth
            size = np.sqrt((np.abs(self.W @ (F[: self.n] - there)[self.free]) ** 2).sum(axis=1))
            rate[self.U + self.n :, 0] = np.where(b < LOST, growth * b + size, 0.0)
        return rate

    def look(self, y: Array) -> tuple[Array, ...]:
        """The fields of `Comparison` but its first."""
        x, z, b = self._split(y)
        inside = bool(np.isfinite(x).all())
        F, there, _ = self.flows(x, z) if inside else (np.full(self.U, np.nan), np.full(self.n, np.nan), None)
        lost = inside and not np.abs(z).max() <= LARGEST_STATE
        limits = [np.inf if lost or one >= LOST else metric.size * one for metric, one in zip(self.metrics, b, strict=True)]
        regions = slice(self.n)
        reduced = np.full(self.n, np.inf) if lost else z.copy()
        return (
            x[regions].copy(), reduced, F[regions], F[regions] - there, inputs_in_force(self.model), np.asarray(min(limits)),
        )  # fmt: skip


def inputs_in_force(segment: Segment) -> Array:
    """The inputs that act during a segment, those set by an intervention included, shape (input,)."""
    u = segment.inputs.copy()
    if isinstance(segment.system, Intervened):
        for k, value in segment.system.set_inputs.items():
            u[k] = value
    return u
