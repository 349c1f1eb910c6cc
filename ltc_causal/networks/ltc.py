"""The liquid time-constant network: leaky membranes joined by sigmoid synapses with reversal potentials.

    cm_i dv_i/dt = gl_i (vl_i - v_i) + sum_j w_ij s_ij(v_j) (e_ij - v_i) + the same over inputs u_k,  s(x) = sigmoid(sigma (x - mu)),
    u = input_weight x + input_bias,  output = output_weight v + output_bias over the first units

(Lechner et al. 2020; Hasani et al. 2021; symbols as in ncps). Capacitance cm, leak gl, weights w and sizes |e| of reversal potentials are
softplus of what is trained, hence above zero; the sign of e is the circuit's and is not trained.

Lives here: `LTC`. Does not live here: circuits (`circuit`), sums over synapses (`synapses`), steps (`solvers`), currents (`interpret`).
"""

from typing import Any

import torch
from torch import nn
from torch.nn.functional import softplus

from ltc_causal.networks import compiled
from ltc_causal.networks.circuit import Circuit
from ltc_causal.networks.lstm import MemoryCell
from ltc_causal.networks.sequence import Clock, SequenceNetwork, State, Tensor, step_by_step, uniform
from ltc_causal.networks.solvers import EPSILON, Fused, Solver, settings_of, solver_of
from ltc_causal.networks.synapses import Synapses

LEAK, REST, CAPACITANCE = (0.001, 1.0), (-0.2, 0.2), (0.4, 0.6)  # where they begin (ncps 1.0.1); leak and capacitance before softplus


class LTC(SequenceNetwork):
    """The network of the module's first lines on a circuit.

    circuit : which synapses there are (`Circuit.full`, `.sparse`, `.policy`)
    solver : how a step is taken; `Fused(6)`, as ncps, is part of the model: more unfolds are nearer to the equation and give other outputs
    mixed_memory : a memory cell before the membranes
    seed : of the parameters' beginning
    """

    def __init__(
        self, circuit: Circuit | dict[str, Any], solver: Solver | dict[str, Any] | None = None, mixed_memory: bool = False, seed: int = 0
    ):
        super().__init__()
        self.compiled = True
        circuit = Circuit.of_settings(circuit) if isinstance(circuit, dict) else circuit
        self.circuit, self.solver = circuit, solver_of(Fused() if solver is None else solver)
        self.settings = {"circuit": circuit.settings(), "solver": settings_of(self.solver), "mixed_memory": mixed_memory, "seed": seed}
        n, self.n_input, self.n_output = len(circuit.units), len(circuit.inputs), circuit.n_output
        generator = torch.Generator().manual_seed(seed)
        self.leak, self.rest, self.capacitance = (uniform(n, *bounds, generator) for bounds in (LEAK, REST, CAPACITANCE))
        self.between = Synapses(circuit.target, circuit.source, circuit.polarity, n, n, generator)
        sensory = circuit.sensory_target, circuit.sensory_source, circuit.sensory_polarity
        self.sensory = Synapses(*sensory, n, self.n_input, generator)
        self.input_weight, self.input_bias = nn.Parameter(torch.ones(self.n_input)), nn.Parameter(torch.zeros(self.n_input))
        self.output_weight, self.output_bias = nn.Parameter(torch.ones(self.n_output)), nn.Parameter(torch.zeros(self.n_output))
        self.memory = MemoryCell(self.n_input, n, generator) if mixed_memory else None

    def membranes(self) -> tuple[Tensor, Tensor, Tensor]:
        """gl, vl and cm, each of shape (unit,)."""
        return softplus(self.leak), self.rest, softplus(self.capacitance)

    def mapped(self, inputs: Tensor) -> Tensor:
        """u, what the sensory synapses see."""
        return inputs * self.input_weight + self.input_bias

    def initial_state(self, inputs: Tensor) -> State:
        """Zero v, and the memory cell's c if there is one."""
        return (inputs.new_zeros(len(inputs), len(self.circuit.units)),) * (2 if self.memory else 1)

    def course(self, inputs: Tensor, clock: Clock, state: State) -> tuple[Tensor, State]:
        """Potentials v after every step, shape (batch, time, unit)."""
        if (
            self.compiled
            and self.memory is None
            and isinstance(self.solver, Fused)
            and compiled.can_run((inputs, clock.dt, *state, *self.parameters()))
        ):
            return self._compiled_course(inputs, clock, state[0], self.solver.unfolds)
        leak, rest, capacitance = self.membranes()
        between = self.between.rows()
        # What the inputs open does not depend on the state: for all steps at once.
        n_in, d_in = self.sensory.rows().open(self.mapped(inputs))
        drive: tuple[Tensor, ...] = (n_in + leak * rest, d_in + leak)
        if self.memory is not None:
            drive = (*drive, self.memory.input_map(inputs))

        def advance(at: tuple[Tensor, ...], dt: Tensor, before: State) -> State:
            v, *memory = before
            if self.memory is not None:
                v, c = self.memory.advance(at[2], v, memory[0])
                memory = [c]

            def balance(v: Tensor) -> tuple[Tensor, Tensor]:
                n, d = between.open(v)
                return n + at[0], d + at[1]

            return (self.solver.advance(balance, capacitance, v, dt), *memory)

        return step_by_step(advance, drive, clock, state)

    def _compiled_course(self, inputs: Tensor, clock: Clock, v: Tensor, unfolds: int) -> tuple[Tensor, State]:
        leak, rest, capacitance = self.membranes()
        h = clock.dt / unfolds
        h = h if clock.still is None else torch.where(clock.still, torch.zeros_like(h), h)
        u, sensory, between = self.mapped(inputs), self.sensory, self.between
        pull = sensory.openings(), leak * rest, leak + EPSILON
        if between.better_across(u):
            # Each step of each sequence is a lane of its own to the sensory synapses.
            lanes = compiled.to_lanes(u.flatten(0, 1).unsqueeze(1))
            n0, d0 = (
                compiled.from_lanes(one, u.shape[0] * u.shape[1]).reshape(*u.shape[:2], -1)
                for one in compiled.open_synapses(sensory.listed, lanes, *pull)
            )
            hidden = compiled.course_across(between.across(u.dtype), unfolds, h, n0, d0, capacitance, v, between.openings())
        else:
            n0, d0 = compiled.open_synapses(sensory.listed, compiled.to_lanes(u), *pull)
            h, v = compiled.to_lanes(h), compiled.to_lanes(v)
            hidden = compiled.course(between.listed, unfolds, h, n0, d0, capacitance, v, between.openings())
            hidden = compiled.from_lanes(hidden, len(inputs))
        return hidden, (hidden[:, -1],)

    def read(self, hidden: Tensor) -> Tensor:
        """Outputs of the first units, shape (batch, time, output)."""
        return hidden[..., : self.n_output] * self.output_weight + self.output_bias

    def hull(self) -> tuple[Tensor, Tensor]:
        """The least and the largest of vl and of the reversal potentials at each unit, shape (unit,): v, once between them, stays there."""
        low = high = self.rest
        for synapses, target in ((self.between, self.circuit.target), (self.sensory, self.circuit.sensory_target)):
            e, place = synapses.numbers()["reversal"], torch.tensor(target, device=low.device)
            low, high = low.scatter_reduce(0, place, e, "amin"), high.scatter_reduce(0, place, e, "amax")
        return low, high
