"""How a state moves through one step while its input is constant: one method object each.

A balanced system is C dv/dt = n(v) - d(v) v with d > 0, as membranes and leaky units are; any other has only its flow dv/dt.

Lives here: the fused and the exponential step (balanced systems), Runge-Kutta in fixed and in chosen steps (any flow).
Does not live here: any system (`ltc`, `baselines`).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeAlias

import torch

from ltc_causal.errors import InputError, positive
from ltc_causal.networks.sequence import whole

Tensor = torch.Tensor
Flow: TypeAlias = Callable[[Tensor], Tensor]
Balance: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]

EPSILON = 1e-8  # in the fused step's denominator, as ncps has it


class Solver(Protocol):
    """Moves v (batch, unit) on by dt (batch, 1), in seconds."""

    def advance(self, balance: Balance, capacitance: Tensor, v: Tensor, dt: Tensor) -> Tensor:
        """The state at the end of the step; balance(v) gives n and d."""
        ...


class FlowSolver(Solver, Protocol):
    """A solver that needs no balance."""

    def follow(self, flow: Flow, v: Tensor, dt: Tensor) -> Tensor:
        """The state at the end of the step."""
        ...


@dataclass(frozen=True)
class Fused:
    """Linearly implicit Euler, `unfolds` times a step: v <- (C v / h + n(v)) / (C / h + d(v)), h = dt / unfolds (Hasani et al. 2021, eq. 3).

    First order and stable for every dt; the new state is a mean of the old one and of the equilibrium, so it stays in their hull.
    """

    unfolds: int = 6

    def __post_init__(self):
        whole("Fused unfolds", self.unfolds)

    def advance(self, balance: Balance, capacitance: Tensor, v: Tensor, dt: Tensor) -> Tensor:
        """See `Solver`."""
        c = capacitance * self.unfolds / dt
        for _ in range(self.unfolds):
            n, d = balance(v)
            v = (c * v + n) / (c + d + EPSILON)
        return v


@dataclass(frozen=True)
class Exponential:
    """n and d frozen over each of `substeps`: v <- n/d + (v - n/d) exp(-d h / C). Exact where n and d depend on the input alone.

    First order otherwise, and stable; the state stays in the hull as with `Fused`.
    """

    substeps: int = 1

    def __post_init__(self):
        whole("Exponential substeps", self.substeps)

    def advance(self, balance: Balance, capacitance: Tensor, v: Tensor, dt: Tensor) -> Tensor:
        """See `Solver`."""
        h = dt / self.substeps
        for _ in range(self.substeps):
            n, d = balance(v)
            # v plus a share of the way, not a difference of large terms: exact for short steps too.
            v = v - torch.expm1(-d * h / capacitance) * (n / d - v)
        return v


@dataclass(frozen=True)
class RungeKutta:
    """Classical fourth-order steps, `substeps` of them; they do not keep a stiff state in its hull."""

    substeps: int = 1

    def __post_init__(self):
        whole("RungeKutta substeps", self.substeps)

    def advance(self, balance: Balance, capacitance: Tensor, v: Tensor, dt: Tensor) -> Tensor:
        """See `Solver`."""
        return self.follow(_flow(balance, capacitance), v, dt)

    def follow(self, flow: Flow, v: Tensor, dt: Tensor) -> Tensor:
        """See `FlowSolver`."""
        h = dt / self.substeps
        for _ in range(self.substeps):
            k1 = flow(v)
            k2 = flow(v + h / 2 * k1)
            k3 = flow(v + h / 2 * k2)
            k4 = flow(v + h * k3)
            v = v + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return v


# Dormand & Prince 1980: stages, fifth-order weights, and those minus the fourth-order ones
_STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
_SAFETY, _SHORTEST, _LONGEST = 0.9, 0.2, 5.0  # of a step from one to the next


@dataclass(frozen=True)
class Adaptive:
    """Dormand-Prince 5(4), steps chosen so that the error of each is below atol + rtol |v|: a check on the others.

    All sequences of a batch take the same share of their dt at a time. Not for `torch.export` or `torch.vmap`, as its steps depend on values.
    """

    rtol: float = 1e-6
    atol: float = 1e-8
    most_steps: int = 10_000

    def __post_init__(self):
        positive("Adaptive rtol", self.rtol, "the state's size")
        positive("Adaptive atol", self.atol, "the state's units")
        whole("Adaptive most_steps", self.most_steps)

    def advance(self, balance: Balance, capacitance: Tensor, v: Tensor, dt: Tensor) -> Tensor:
        """See `Solver`."""
        return self.follow(_flow(balance, capacitance), v, dt)

    def follow(self, flow: Flow, v: Tensor, dt: Tensor) -> Tensor:
        """See `FlowSolver`; raises `InputError` where `most_steps` were not enough."""
        done, step = 0.0, 1.0  # shares of dt
        first = flow(v)
        for _ in range(self.most_steps):
            step = min(step, 1.0 - done)
            end, last, error = _dormand_prince(flow, v, first, dt * step)
            excess = float((error.detach().abs() / (self.atol + self.rtol * torch.maximum(v.abs(), end.abs()).detach())).max())
            if excess <= 1:
                v, first, done = end, last, done + step
                if done >= 1 - 1e-12:
                    return v
            step *= min(_LONGEST, max(_SHORTEST, _SAFETY * max(excess, 1e-12) ** -0.2)) if excess == excess else _SHORTEST
        raise InputError(f"Adaptive took {self.most_steps} steps within one sample: loosen rtol and atol, or allow most_steps.")


def _dormand_prince(flow: Flow, v: Tensor, first: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The end of a step, the flow there (the next step's first stage), and the error's estimate."""
    rates, at = [first], v
    for row in _STAGES:
        at = v + h * _combined(row, rates)
        rates.append(flow(at))
    return at, rates[-1], h * _combined(_ERROR, rates)


def _combined(weights: Sequence[float], rates: Sequence[Tensor]) -> Tensor:
    return torch.stack([weight * rate for weight, rate in zip(weights, rates, strict=True) if weight]).sum(0)


def _flow(balance: Balance, capacitance: Tensor) -> Flow:
    def flow(v: Tensor) -> Tensor:
        n, d = balance(v)
        return (n - d * v) / capacitance

    return flow


KINDS = {kind.__name__: kind for kind in (Fused, Exponential, RungeKutta, Adaptive)}


def settings_of(solver: Any) -> dict[str, Any]:
    """A solver as what a JSON file holds; `solver_of` reads it."""
    return {"kind": type(solver).__name__, **asdict(solver)}


def solver_of(settings: Any) -> Any:
    """A solver from its settings, or the solver itself; raises `InputError` if it is neither."""
    if isinstance(settings, dict) and settings.get("kind") in KINDS:
        return KINDS[settings["kind"]](**{name: value for name, value in settings.items() if name != "kind"})
    if type(settings) in KINDS.values():
        return settings
    raise InputError(f"A solver is one of {', '.join(f'{name}()' for name in KINDS)}, got {settings!r}.")
