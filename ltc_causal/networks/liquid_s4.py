"""Liquid structured state spaces (Hasani et al. 2023), the exact recurrence and the paper's kernels as networks of their own.

For each channel with input u, in the eigenbasis of A (states x complex), A and B discretised by the bilinear rule with step h,

    LiquidS4   x_k = (A_ + B_ u_k) x_{k-1} + B_ u_k                                   dx/dt = (A + B u) x + B u
    KernelS4   x_k = A_ x_{k-1} + B_ u_k + sum_{p=2..degree} B_^p u_k ... u_{k-p+1}   "kb": products of consecutive inputs, no others
               and y gets their sums without A_ for p >= 2 instead                    "pb"
    both       y_k = 2 Re(C x_k) + D u_k

The kernels keep, of the terms that the recurrence has at each degree, those of consecutive inputs. KernelS4 of degree 1 is S4D (Gu et al. 2022):
at random inputs of size 1 and the parameters' beginning it is 12.4 % off the recurrence, and the kernels of degree 2 and 3 are 12.3 % off.
A_ and B_ are those of h dt: no time leaves x as it is. Around a channel's recurrence stand a norm before it, and after it GELU, a gated mixing
of channels and the residual, as in S4.

Lives here: both networks, the scan. Does not live here: Fourier transforms (the kernels are recurrences, so state and irregular time are exact).
"""

import math

import torch
from torch import nn
from torch.nn.functional import gelu, glu, softplus

from ltc_causal.errors import one_of
from ltc_causal.networks.sequence import Clock, SequenceNetwork, State, Tensor, linear, whole

SHORTEST, LONGEST = 1e-3, 1e-1  # of h at the beginning, evenly in its logarithm


def scan(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """x_k = a_k x_{k-1} + b_k for all k at once, time along dimension 1, from x (without that dimension), in log2(time) rounds.

    Each round joins every step with the stretch before it: (a, b) after (a', b') is (a a', a b' + b) (Blelloch 1990).
    """
    b = torch.cat([(a[:, :1] * x.unsqueeze(1) + b[:, :1]), b[:, 1:]], 1)
    reach = 1
    while reach < b.shape[1]:
        b = torch.cat([b[:, :reach], a[:, reach:] * b[:, :-reach] + b[:, reach:]], 1)
        a = torch.cat([a[:, :reach], a[:, reach:] * a[:, :-reach]], 1)
        reach *= 2
    return b


class Channels(nn.Module):
    """A, B, C, D and h of so many channels; complex numbers as pairs of real ones, A in the left half plane.

    The beginning is S4D-Lin (Gu et al. 2022): A = -1/2 + i pi n, B = 1.
    """

    def __init__(self, width: int, n_state: int, generator: torch.Generator):
        super().__init__()
        spread = torch.rand(width, generator=generator) * math.log(LONGEST / SHORTEST) + math.log(SHORTEST)
        self.log_step = nn.Parameter(spread)
        self.decay = nn.Parameter(torch.full((width, n_state), 0.5).expm1().log())
        self.frequency = nn.Parameter((math.pi * torch.arange(n_state)).expand(width, n_state).clone())
        ones = torch.stack([torch.ones(width, n_state), torch.zeros(width, n_state)], -1)
        self.B = nn.Parameter(ones)
        self.C = nn.Parameter(torch.randn(width, n_state, 2, generator=generator) / math.sqrt(2))
        self.D = nn.Parameter(torch.randn(width, generator=generator))

    def discrete(self, dt: Tensor) -> tuple[Tensor, Tensor]:
        """A_ and B_ of each step, shape (batch, time, channel, state); dt : shape (batch, time)."""
        A = torch.complex(-softplus(self.decay), self.frequency)
        h = dt[:, :, None, None] * self.log_step.exp()[:, None]
        left = 1 / (1 - h / 2 * A)
        return left * (1 + h / 2 * A), left * h * torch.view_as_complex(self.B)

    def read(self, x: Tensor, u: Tensor) -> Tensor:
        """y, shape (batch, time, channel)."""
        return 2 * (x * torch.view_as_complex(self.C)).sum(-1).real + self.D * u


class _Stack(SequenceNetwork):
    """Blocks of channels between a linear map in and one out."""

    parts: int  # tensors of state a block

    def __init__(self, n_input: int, width: int, n_output: int, n_state: int, layers: int, seed: int):
        super().__init__()
        sizes = {"n_input": n_input, "width": width, "n_output": n_output, "n_state": n_state, "layers": layers}
        for name, value in sizes.items():
            whole(f"{type(self).__name__} {name}", value)
        self.n_input, self.n_output, self.width, self.n_state = n_input, n_output, width, n_state
        self.settings = {**sizes, "seed": seed}
        generator = torch.Generator().manual_seed(seed)
        self.encoder = linear(n_input, width, generator)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers + 1))
        self.channels = nn.ModuleList(Channels(width, n_state, generator) for _ in range(layers))
        self.mixers = nn.ModuleList(linear(width, 2 * width, generator) for _ in range(layers))
        self.decoder = linear(width, n_output, generator)

    def recurrence(self, channels: Channels, u: Tensor, clock: Clock, state: State) -> tuple[Tensor, State]:
        """Outputs y of a block's channels, and their last state."""
        raise NotImplementedError

    def course(self, inputs: Tensor, clock: Clock, state: State) -> tuple[Tensor, State]:
        """What leaves the last block."""
        hidden, after = self.encoder(inputs), []
        for number, (norm, channels, mixer) in enumerate(zip(self.norms, self.channels, self.mixers, strict=False)):
            before = state[number * self.parts : (number + 1) * self.parts]
            y, last = self.recurrence(channels, norm(hidden), clock, before)  # pyright: ignore[reportArgumentType] - ModuleList forgets its type
            hidden, after = hidden + glu(mixer(gelu(y)), -1), [*after, *last]
        return hidden, tuple(after)

    def read(self, hidden: Tensor) -> Tensor:
        """A linear map of the last block, normed."""
        return self.decoder(self.norms[-1](hidden))

    def _rest(self, inputs: Tensor, *shape: int) -> Tensor:
        return torch.zeros(len(inputs), self.width, *shape, dtype=torch.complex(inputs, inputs).dtype, device=inputs.device)


def _elapsed(clock: Clock) -> Tensor:
    """The clock's dt with its zeros, at which A_ = 1 and B_ = 0 without a case of its own."""
    return clock.dt if clock.still is None else torch.where(clock.still, torch.zeros_like(clock.dt), clock.dt)


class LiquidS4(_Stack):
    """The exact recurrence, by a scan. n_state : complex states a channel (half of what S4 counts)."""

    parts = 1

    def __init__(self, n_input: int, width: int, n_output: int, n_state: int = 8, layers: int = 1, seed: int = 0):
        super().__init__(n_input, width, n_output, n_state, layers, seed)

    def initial_state(self, inputs: Tensor) -> State:
        """Zero x of every block."""
        return (self._rest(inputs, self.n_state),) * len(self.channels)

    def recurrence(self, channels: Channels, u: Tensor, clock: Clock, state: State) -> tuple[Tensor, State]:
        """See `_Stack`."""
        A, B = channels.discrete(_elapsed(clock))
        driven = B * u.unsqueeze(-1)
        x = scan(A + driven, driven, state[0])
        return channels.read(x, u), (x[:, -1],)


class KernelS4(_Stack):
    """The paper's kernels, kind "kb" or "pb", of a degree; degree 1 is plain S4D, without a liquid part."""

    def __init__(
        self, n_input: int, width: int, n_output: int, kind: str = "kb", degree: int = 2, n_state: int = 8, layers: int = 1, seed: int = 0
    ):
        super().__init__(n_input, width, n_output, n_state, layers, seed)
        one_of("KernelS4 kind", kind, ("kb", "pb"))
        self.kind, self.degree, self.parts = kind, whole("KernelS4 degree", degree), 3
        self.settings |= {"kind": kind, "degree": degree}

    def initial_state(self, inputs: Tensor) -> State:
        """Zero x and sums without A_, and the last inputs of every block."""
        earlier = inputs.new_zeros(len(inputs), self.degree - 1, self.width)
        return (self._rest(inputs, self.n_state), self._rest(inputs, self.n_state), earlier) * len(self.channels)

    def recurrence(self, channels: Channels, u: Tensor, clock: Clock, state: State) -> tuple[Tensor, State]:
        """See `_Stack`."""
        elapsed = _elapsed(clock)
        A, B = channels.discrete(elapsed)
        x, sums, earlier = state
        linear_part = B * u.unsqueeze(-1)
        products, last = _products(u, earlier, self.degree, clock)
        liquid = sum((B ** (p + 2) * one.unsqueeze(-1) for p, one in enumerate(products)), torch.zeros_like(linear_part))
        if self.kind == "kb":
            x = scan(A, linear_part + liquid, x)
            return channels.read(x, u), (x[:, -1], sums, last)
        x, added = scan(A, linear_part, x), sums.unsqueeze(1) + liquid.cumsum(1)
        return channels.read(x + added, u), (x[:, -1], added[:, -1], last)


def _products(u: Tensor, earlier: Tensor, degree: int, clock: Clock) -> tuple[list[Tensor], Tensor]:
    """u_k u_{k-1}, u_k u_{k-1} u_{k-2}, ... up to the degree, and the last inputs for the next stretch; steps without time are passed over."""
    if degree == 1:
        return [], earlier
    time = u.shape[1]
    whole = torch.cat([earlier, u], 1)
    moves = torch.ones(u.shape[:2], dtype=torch.bool, device=u.device) if clock.still is None else ~clock.still
    # Where the p-th input before each one lies: inputs are numbered as they come, and found again by their number.
    number = moves.cumsum(1) + degree - 2
    slots = torch.zeros(len(u), time + degree, dtype=torch.long, device=u.device)
    slots[:, : degree - 1] = torch.arange(degree - 1, device=u.device)
    places = torch.arange(degree - 1, time + degree - 1, device=u.device).expand(len(u), time)
    slots = slots.scatter(1, torch.where(moves, number, torch.full_like(number, time + degree - 1)), places)
    product, products = u, []
    for back in range(1, degree):
        at = slots.gather(1, (number - back).clamp(min=0)).unsqueeze(2).expand_as(u)
        product = product * whole.gather(1, at)
        products.append(product)
    newest = number[:, -1:] + torch.arange(2 - degree, 1, device=u.device)
    last = slots.gather(1, newest).unsqueeze(2).expand(-1, -1, u.shape[2])
    return products, whole.gather(1, last)
