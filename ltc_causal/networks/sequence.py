"""What every network on sequences shares: one interface, irregular time, missing values, and the loop over steps.

    outputs, state = network(inputs, dt=None, state=None, observed=None)

Lives here: `SequenceNetwork`, the checks of what comes in, the loop. Does not live here: any network.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from ltc_causal.errors import InputError

Tensor = torch.Tensor
State: TypeAlias = tuple[Tensor, ...]


class Clock(NamedTuple):
    """The time that passes at each step.

    dt : shape (batch, time), above zero everywhere (1 where none passes, so that nothing divides by zero, not even in a gradient)
    still : shape (batch, time), where no time passes and the state stays as it is; None where there is no such step
    """

    dt: Tensor
    still: Tensor | None


class SequenceNetwork(nn.Module, ABC):
    """A network that reads a sequence step by step; n_input, n_output and `settings` (its constructor's arguments) describe it."""

    n_input: int
    n_output: int
    settings: dict[str, Any]

    @abstractmethod
    def initial_state(self, inputs: Tensor) -> State:
        """The state before the first step: tensors (batch, ...), of the dtype and device of inputs (batch, time, input)."""

    @abstractmethod
    def course(self, inputs: Tensor, clock: Clock, state: State) -> tuple[Tensor, State]:
        """What `read` reads, shape (batch, time, ...), and the last state; inputs are complete and the clock is checked."""

    @abstractmethod
    def read(self, hidden: Tensor) -> Tensor:
        """Outputs, shape (batch, time, output)."""

    def forward(
        self, inputs: Tensor, dt: Tensor | float | None = None, state: State | None = None, observed: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Outputs (batch, time, output), and the state from which a next stretch goes on.

        inputs : shape (batch, time, input)
        dt : time that passes at each step with the input of that step, in seconds: a number, (time,) or (batch, time); 1 unless given. Where it
            is 0 the state stays as it is and the input is not looked at, so short sequences are padded with dt = 0
        state : what an earlier call returned; rest unless given. Its last part is the input in force, for `observed`
        observed : shape (batch, time, input), False where a value is missing: the last one observed stays in force, 0 before the first

        Raises `InputError` for other shapes, for a negative dt, and for inputs that are not finite where they are observed. Within
        `torch.export` and `torch.vmap`, where values cannot be looked at, only shapes are checked.
        """
        _, hidden, after = self.trajectory(inputs, dt, state, observed)
        return self.read(hidden), after

    def trajectory(
        self, inputs: Tensor, dt: Tensor | float | None = None, state: State | None = None, observed: Tensor | None = None
    ) -> tuple[Tensor, Tensor, State]:
        """The inputs in force, what `read` reads after every step (of an `LTC`, its potentials), and the last state; arguments as of `forward`."""
        inputs = self._shaped(inputs)
        clock = _clock(dt, inputs)
        before = self._before(inputs, state)
        seen = _seen(inputs, observed, clock)
        _check_finite(inputs, seen)
        inputs = _carried_forward(inputs, seen, before[-1])
        hidden, after = self.course(inputs, clock, before[:-1])
        return inputs, hidden, (*after, inputs[:, -1])

    @torch.no_grad()
    def predict(
        self, inputs: ArrayLike, dt: ArrayLike | float | None = None, observed: ArrayLike | None = None, at_once: int = 256
    ) -> NDArray:
        """Outputs of arrays as an array, without a gradient; arguments as of `forward`, `at_once` sequences at a time."""
        x, seen = np.asarray(inputs), None if observed is None else torch.tensor(np.asarray(observed))
        times = None if dt is None else torch.tensor(np.asarray(dt, dtype=np.float64))
        device, outputs = next(self.parameters()).device, []
        for first in range(0, len(x), at_once):
            rows = slice(first, first + at_once)
            some_dt = times[rows] if times is not None and times.ndim == 2 else times
            some_seen = None if seen is None else seen[rows].to(device)
            outputs.append(self(torch.tensor(x[rows]), some_dt, observed=some_seen)[0].numpy(force=True))
        return np.concatenate(outputs)

    def redrawn(self, seed: int) -> Self:
        """A network of the same settings whose parameters begin elsewhere."""
        like = next(self.parameters())
        return type(self)(**{**self.settings, "seed": seed}).to(like)

    def _shaped(self, inputs: Tensor) -> Tensor:
        if not isinstance(inputs, Tensor) or inputs.ndim != 3 or inputs.shape[2] != self.n_input or inputs.shape[1] == 0:
            shape = tuple(inputs.shape) if isinstance(inputs, Tensor) else type(inputs).__name__
            raise InputError(f"inputs must be a tensor of shape (batch, time, {self.n_input}) with at least one step, got {shape}.")
        return inputs.to(next(self.parameters()))

    def _before(self, inputs: Tensor, state: State | None) -> State:
        rest = (*self.initial_state(inputs), torch.zeros_like(inputs[:, 0]))
        if state is None:
            return rest
        shapes = [tuple(one.shape) for one in rest]
        if not isinstance(state, tuple | list) or [tuple(one.shape) for one in state] != shapes:
            raise InputError(
                f"state must be what an earlier call of this network returned, tensors of shapes {shapes}: pass it on unchanged."
            )
        return tuple(one.to(like) for one, like in zip(state, rest, strict=True))


def step_by_step(
    advance: Callable[[tuple[Tensor, ...], Tensor, State], State], drive: tuple[Tensor, ...], clock: Clock, state: State
) -> tuple[Tensor, State]:
    """The first part of the state after every step, shape (batch, time, unit), and the last state.

    advance : (drive at a step, dt (batch, 1), state) -> state; drive : tensors (batch, time, ...), all that depends on the inputs alone
    """
    # unbind, not slices: the gradient of a slice is an array of the whole sequence.
    drives = zip(*(one.unbind(1) for one in drive), strict=True)
    times = clock.dt.unsqueeze(2).unbind(1)
    still = [None] * len(times) if clock.still is None else clock.still.unsqueeze(2).unbind(1)
    hidden = []
    for at, dt, stays in zip(drives, times, still, strict=True):
        moved = advance(at, dt, state)
        state = moved if stays is None else tuple(torch.where(stays, old, new) for old, new in zip(state, moved, strict=True))
        hidden.append(state[0])
    return torch.stack(hidden, 1), state


def whole(name: str, value: int, least: int = 1) -> int:
    """`value`; raises `InputError` unless it is a whole number of at least `least`."""
    if not isinstance(value, int) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    return value


def uniform(shape: tuple[int, ...] | int, low: float, high: float, generator: torch.Generator) -> nn.Parameter:
    """A parameter drawn evenly between two bounds."""
    return nn.Parameter(low + (high - low) * torch.rand(shape, generator=generator))


def linear(n_in: int, n_out: int, generator: torch.Generator, bias: bool = True) -> nn.Linear:
    """A linear map, drawn as torch does: evenly up to 1 / sqrt(n_in)."""
    # On the meta device first, so that torch's global generator is left alone.
    layer = nn.Linear(n_in, n_out, bias, device="meta").to_empty(device="cpu")
    bound = n_in**-0.5
    for one in layer.parameters():
        one.data.copy_(uniform(tuple(one.shape), -bound, bound, generator).data)
    return layer


def can_be_looked_at(values: Tensor) -> bool:
    """Whether a check may depend on the numbers: not while a graph is recorded, nor for one of many within `torch.vmap`."""
    if torch.compiler.is_compiling():
        return False
    try:
        bool((values == values).all())
    except RuntimeError:  # vmap refuses to make one truth of many
        return False
    return True


# --- what comes in --------------------------------------------------------------------------------------------------------------------


def _clock(dt: Tensor | float | None, inputs: Tensor) -> Clock:
    batch, time = inputs.shape[:2]
    if dt is None:
        return Clock(inputs.new_ones(()).expand(batch, time), None)
    passed = torch.as_tensor(dt, dtype=inputs.dtype, device=inputs.device)
    if passed.shape not in ((), (time,), (batch, time)):
        raise InputError(f"dt must be a number or have shape ({time},) or ({batch}, {time}), got {tuple(passed.shape)}.")
    passed = passed.expand(batch, time)
    still = passed == 0
    if can_be_looked_at(passed):
        wrong = ~(torch.isfinite(passed) & (passed >= 0))
        if wrong.any():
            raise InputError(
                f"dt must be finite and not negative, but it is {passed[wrong][0].item():g} at (batch, time) = {_first(wrong)}: sort the samples by time."
            )
        if not still.any():
            return Clock(passed, None)
    return Clock(torch.where(still, torch.ones_like(passed), passed), still)


def _seen(inputs: Tensor, observed: Tensor | None, clock: Clock) -> Tensor | None:
    """Which values come into force, or None for all."""
    if observed is not None and (observed.dtype != torch.bool or observed.shape != inputs.shape):
        raise InputError(
            f"observed must be a boolean tensor of the shape of inputs {tuple(inputs.shape)}, got {observed.dtype} {tuple(observed.shape)}."
        )
    if clock.still is None:
        return observed
    moves = ~clock.still.unsqueeze(2).expand_as(inputs)
    return moves if observed is None else observed & moves


def _check_finite(inputs: Tensor, seen: Tensor | None) -> None:
    if not can_be_looked_at(inputs):
        return
    wrong = ~torch.isfinite(inputs)
    wrong = wrong if seen is None else wrong & seen
    if wrong.any():
        raise InputError(
            f"inputs are NaN or infinite at {int(wrong.sum())} places, the first at (batch, time, input) = {_first(wrong)}: "
            "say which values are missing (observed=), or fill them in."
        )


def _carried_forward(inputs: Tensor, seen: Tensor | None, before: Tensor) -> Tensor:
    """Each missing value replaced by the last one seen, shape (batch, time, input)."""
    if seen is None:
        return inputs
    steps = torch.arange(1, inputs.shape[1] + 1, device=inputs.device)[:, None]
    last = torch.where(seen, steps, torch.zeros_like(steps)).cummax(1).values
    known = torch.where(seen, inputs, torch.zeros_like(inputs))
    return torch.cat([before.unsqueeze(1), known], 1).gather(1, last)


def _first(where: Tensor) -> tuple[int, ...]:
    return tuple(where.nonzero()[0].tolist())
