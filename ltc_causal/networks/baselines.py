"""The networks that liquid ones are to beat, behind the same interface.

    CTRNN       dx/dt = -x / tau + tanh(W x + U u + b)                      (Funahashi & Nakamura 1993)
    NeuralODE   dx/dt = f(x, u), f of one hidden layer                      (Chen et al. 2018)
    ODERNN      dx/dt = f(x) between samples, a GRU step at each            (Rubanova et al. 2019)
    LSTM, GRU   steps that know no time, unless sees_dt gives it to them as one input more ("RNN-dt")

Lives here: these five. Does not live here: liquid networks (`ltc`, `cfc`, `liquid_s4`), solvers.
"""

from typing import Any

import torch
from torch import nn
from torch.nn.functional import softplus

from ltc_causal.errors import InputError
from ltc_causal.networks.lstm import MemoryCell
from ltc_causal.networks.sequence import Clock, SequenceNetwork, State, Tensor, linear, step_by_step, whole
from ltc_causal.networks.solvers import FlowSolver, Fused, RungeKutta, Solver, settings_of, solver_of


class _Recurrent(SequenceNetwork):
    """A hidden state of `units`, and a linear map of it that comes out."""

    def __init__(self, n_input: int, units: int, n_output: int, seed: int, generator: torch.Generator):
        super().__init__()
        self.n_input, self.units, self.n_output = (
            whole(f"{type(self).__name__} {name}", value)
            for name, value in (("n_input", n_input), ("units", units), ("n_output", n_output))
        )
        self.settings = {"n_input": n_input, "units": units, "n_output": n_output, "seed": seed}
        self.projection = linear(units, n_output, generator)

    def initial_state(self, inputs: Tensor) -> State:
        """Zero."""
        return (inputs.new_zeros(len(inputs), self.units),)

    def read(self, hidden: Tensor) -> Tensor:
        """A linear map of the hidden state."""
        return self.projection(hidden)


class CTRNN(_Recurrent):
    """Leaky units; tau = softplus(trained) seconds, 1 at the beginning. solver : any."""

    def __init__(self, n_input: int, units: int, n_output: int, solver: Solver | dict[str, Any] | None = None, seed: int = 0):
        generator = torch.Generator().manual_seed(seed)
        super().__init__(n_input, units, n_output, seed, generator)
        self.solver = solver_of(Fused() if solver is None else solver)
        self.settings["solver"] = settings_of(self.solver)
        self.from_input, self.from_state = linear(n_input, units, generator), linear(units, units, generator, bias=False)
        self.tau = nn.Parameter(torch.full((units,), 1.0).expm1().log())

    def course(self, inputs: Tensor, clock: Clock, state: State) -> tuple[Tensor, State]:
        """States x after every step."""
        tau = softplus(self.tau)

        def advance(at: tuple[Tensor, ...], dt: Tensor, before: State) -> State:
            def balance(x: Tensor) -> tuple[Tensor, Tensor]:
                # tau dx/dt = tau tanh(...) - x
                return tau * torch.tanh(at[0] + self.from_state(x)), torch.ones_like(x)

            return (self.solver.advance(balance, tau, before[0], dt),)

        return step_by_step(advance, (self.from_input(inputs),), clock, state)


class _Field(nn.Module):
    """f = B tanh(A x + drive), of as many hidden units as there are in x."""

    def __init__(self, units: int, generator: torch.Generator, bias: bool):
        super().__init__()
        self.inner, self.outer = linear(units, units, generator, bias), linear(units, units, generator)

    def forward(self, x: Tensor, drive: Tensor | None = None) -> Tensor:
        """dx/dt."""
        a = self.inner(x)
        return self.outer(torch.tanh(a if drive is None else a + drive))


class NeuralODE(_Recurrent):
    """An ordinary differential equation driven by the input in force. solver : `RungeKutta` or `Adaptive`."""

    def __init__(self, n_input: int, units: int, n_output: int, solver: FlowSolver | dict[str, Any] | None = None, seed: int = 0):
        generator = torch.Generator().manual_seed(seed)
        super().__init__(n_input, units, n_output, seed, generator)
        self.solver = _flow_solver(solver)
        self.settings["solver"] = settings_of(self.solver)
        self.from_input, self.field = linear(n_input, units, generator), _Field(units, generator, bias=False)

    def course(self, inputs: Tensor, clock: Clock, state: State) -> tuple[Tensor, State]:
        """States x after every step."""

        def advance(at: tuple[Tensor, ...], dt: Tensor, before: State) -> State:
            return (self.solver.follow(lambda x: self.field(x, at[0]), before[0], dt),)

        return step_by_step(advance, (self.from_input(inputs),), clock, state)


class _GatedCell(nn.Module):
    """The gated recurrent unit as torch has it (Cho et al. 2014, the reset gate after the product)."""

    def __init__(self, n_input: int, units: int, generator: torch.Generator):
        super().__init__()
        self.input_map, self.recurrent_map = linear(n_input, 3 * units, generator), linear(units, 3 * units, generator, bias=False)
        self.reset_bias = nn.Parameter(torch.zeros(units))

    def advance(self, mapped: Tensor, h: Tensor) -> Tensor:
        """The state h after a step; mapped : input_map(x)."""
        r_in, z_in, n_in = mapped.chunk(3, 1)
        r_h, z_h, n_h = self.recurrent_map(h).chunk(3, 1)
        z = torch.sigmoid(z_in + z_h)
        n = torch.tanh(n_in + torch.sigmoid(r_in + r_h) * (n_h + self.reset_bias))
        return n + z * (h - n)


class ODERNN(_Recurrent):
    """The state follows an equation without input for dt, then a gated step takes the sample in. solver : `RungeKutta` or `Adaptive`."""

    def __init__(self, n_input: int, units: int, n_output: int, solver: FlowSolver | dict[str, Any] | None = None, seed: int = 0):
        generator = torch.Generator().manual_seed(seed)
        super().__init__(n_input, units, n_output, seed, generator)
        self.solver = _flow_solver(solver)
        self.settings["solver"] = settings_of(self.solver)
        self.field, self.cell = _Field(units, generator, bias=True), _GatedCell(n_input, units, generator)

    def course(self, inputs: Tensor, clock: Clock, state: State) -> tuple[Tensor, State]:
        """States x after every sample."""

        def advance(at: tuple[Tensor, ...], dt: Tensor, before: State) -> State:
            return (self.cell.advance(at[0], self.solver.follow(self.field, before[0], dt)),)

        return step_by_step(advance, (self.cell.input_map(inputs),), clock, state)


class GRU(_Recurrent):
    """Gated recurrent units. sees_dt : whether dt is one input more."""

    def __init__(self, n_input: int, units: int, n_output: int, sees_dt: bool = False, seed: int = 0):
        generator = torch.Generator().manual_seed(seed)
        super().__init__(n_input, units, n_output, seed, generator)
        self.settings["sees_dt"] = self.sees_dt = sees_dt
        self.cell = _GatedCell(n_input + sees_dt, units, generator)

    def course(self, inputs: Tensor, clock: Clock, state: State) -> tuple[Tensor, State]:
        """States h after every step."""
        mapped = self.cell.input_map(_with_dt(inputs, clock) if self.sees_dt else inputs)
        return step_by_step(lambda at, dt, before: (self.cell.advance(at[0], before[0]),), (mapped,), clock, state)


class LSTM(_Recurrent):
    """Memory cells. sees_dt : whether dt is one input more."""

    def __init__(self, n_input: int, units: int, n_output: int, sees_dt: bool = False, seed: int = 0):
        generator = torch.Generator().manual_seed(seed)
        super().__init__(n_input, units, n_output, seed, generator)
        self.settings["sees_dt"] = self.sees_dt = sees_dt
        self.cell = MemoryCell(n_input + sees_dt, units, generator)

    def initial_state(self, inputs: Tensor) -> State:
        """Both h and c, zero."""
        return (inputs.new_zeros(len(inputs), self.units),) * 2

    def course(self, inputs: Tensor, clock: Clock, state: State) -> tuple[Tensor, State]:
        """States h after every step."""
        mapped = self.cell.input_map(_with_dt(inputs, clock) if self.sees_dt else inputs)
        return step_by_step(lambda at, dt, before: self.cell.advance(at[0], *before), (mapped,), clock, state)


def _with_dt(inputs: Tensor, clock: Clock) -> Tensor:
    return torch.cat([inputs, clock.dt.unsqueeze(2)], 2)


def _flow_solver(solver: Any) -> FlowSolver:
    found = solver_of(RungeKutta() if solver is None else solver)
    if not hasattr(found, "follow"):
        raise InputError(f"This network has only a flow: its solver is RungeKutta() or Adaptive(), got {found!r}.")
    return found
