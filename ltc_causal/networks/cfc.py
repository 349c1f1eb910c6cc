"""The closed-form continuous-time cell (Hasani et al. 2022): a gated recurrent network that is told the time between samples.

With z = backbone([u, h]) and heads linear in z, as in ncps,

    default   h <- tanh(g) (1 - s) + tanh(f) s,   s = sigmoid(a dt + b)
    no_gate   h <- tanh(g) + tanh(f) s
    pure      h <- A - A exp(-dt (w + |g|)) g,          w = softplus(rate)

None of them is a solution of the liquid network's equation, and none composes: two steps of dt/2 are not one of dt. The pure form at dt = 0
would be A (1 - g) and not h; here, as in every network, no time leaves the state as it is.

Lives here: `CfC`. Does not live here: the equation and its exact step (`ltc`, `solvers.Exponential`).
"""

import torch
from torch import nn
from torch.nn.functional import softplus

from ltc_causal.errors import one_of
from ltc_causal.networks.lstm import MemoryCell
from ltc_causal.networks.sequence import Clock, SequenceNetwork, State, Tensor, linear, step_by_step, whole

HEADS = {"default": 4, "no_gate": 4, "pure": 1}


class LeCunTanh(nn.Module):
    """1.7159 tanh(0.666 x), as ncps has it (LeCun et al. 1998 with 2/3)."""

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise."""
        return 1.7159 * torch.tanh(0.666 * x)


ACTIVATIONS = {"lecun_tanh": LeCunTanh, "tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


class CfC(SequenceNetwork):
    """The cell of the module's first lines.

    n_input, units : sizes; n_output : a linear map of the state comes out; None for the state itself
    mode : "default", "no_gate" or "pure"
    backbone_units, backbone_layers : of z; no layers for z = [u, h]
    activation : of the backbone
    mixed_memory : a memory cell before it
    seed : of the parameters' beginning
    """

    def __init__(
        self,
        n_input: int,
        units: int,
        n_output: int | None = None,
        mode: str = "default",
        backbone_units: int = 128,
        backbone_layers: int = 1,
        activation: str = "lecun_tanh",
        mixed_memory: bool = False,
        seed: int = 0,
    ):
        super().__init__()
        self.settings = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        one_of("CfC mode", mode, tuple(HEADS))
        one_of("CfC activation", activation, tuple(ACTIVATIONS))
        for name, value, least in (
            ("n_input", n_input, 1),
            ("units", units, 1),
            ("n_output", n_output or 1, 1),
            ("backbone_layers", backbone_layers, 0),
        ):
            whole(f"CfC {name}", value, least)
        generator = torch.Generator().manual_seed(seed)
        self.n_input, self.units, self.n_output, self.mode = n_input, units, n_output or units, mode
        width = backbone_units if backbone_layers else HEADS[mode] * units
        # The first layer acts on [u, h]; its two halves stand apart, so that the inputs' half is one product for all steps.
        self.from_input, self.from_state = linear(n_input, width, generator), linear(units, width, generator, bias=False)
        self._redraw(n_input + units)
        self.act = ACTIVATIONS[activation]()
        self.deeper = nn.ModuleList(linear(width, width, generator) for _ in range(backbone_layers - 1))
        self.heads = linear(width, HEADS[mode] * units, generator) if backbone_layers else None
        if mode == "pure":
            # Not |rate| from 0 on, as ncps: its gradient there is 0, so it would never move.
            self.rate, self.asymptote = nn.Parameter(torch.zeros(units)), nn.Parameter(torch.ones(units))
        self.memory = MemoryCell(n_input, units, generator) if mixed_memory else None
        self.projection = linear(units, n_output, generator) if n_output else None

    def _redraw(self, fan_in: int) -> None:
        """Bring both halves to the size that a single layer on [u, h] begins with."""
        for half in (self.from_input, self.from_state):
            for one in half.parameters():
                one.data.mul_((half.in_features / fan_in) ** 0.5)

    def initial_state(self, inputs: Tensor) -> State:
        """Zero h, and the memory cell's c if there is one."""
        return (inputs.new_zeros(len(inputs), self.units),) * (2 if self.memory else 1)

    def course(self, inputs: Tensor, clock: Clock, state: State) -> tuple[Tensor, State]:
        """States h after every step, shape (batch, time, unit)."""
        drive: tuple[Tensor, ...] = (self.from_input(inputs),)
        if self.memory is not None:
            drive = (*drive, self.memory.input_map(inputs))

        def advance(at: tuple[Tensor, ...], dt: Tensor, before: State) -> State:
            h, *memory = before
            if self.memory is not None:
                h, c = self.memory.advance(at[1], h, memory[0])
                memory = [c]
            return (self._next(self._headed(at[0] + self.from_state(h)), dt), *memory)

        return step_by_step(advance, drive, clock, state)

    def _headed(self, z: Tensor) -> Tensor:
        """All heads side by side, from the first layer's sum."""
        if self.heads is None:
            return z
        z = self.act(z)
        for layer in self.deeper:
            z = self.act(layer(z))
        return self.heads(z)

    def _next(self, heads: Tensor, dt: Tensor) -> Tensor:
        if self.mode == "pure":
            return self.asymptote - self.asymptote * torch.exp(-dt * (softplus(self.rate) + heads.abs())) * heads
        g, f, a, b = heads.chunk(4, 1)
        s = torch.sigmoid(a * dt + b)
        g, f = torch.tanh(g), torch.tanh(f)
        return g + s * (f - g) if self.mode == "default" else g + s * f

    def read(self, hidden: Tensor) -> Tensor:
        """The states, or their linear map."""
        return hidden if self.projection is None else self.projection(hidden)
