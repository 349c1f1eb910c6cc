"""A memory cell (Hochreiter & Schmidhuber 1997), alone or before a liquid cell that then keeps a long memory ("mixed memory").

Lives here: `MemoryCell`. Does not live here: the network around it (`baselines`, `ltc`, `cfc`).
"""

import torch
from torch import nn

from ltc_causal.networks.sequence import Tensor, linear

FORGET_BIAS = 1.0  # so that a new cell remembers (as in ncps)


class MemoryCell(nn.Module):
    """z = input_map(x) + recurrent_map(h), cut into candidate a and gates i, f, o; c <- sig(f + 1) c + sig(i) tanh(a); h <- sig(o) tanh(c)."""

    def __init__(self, n_input: int, units: int, generator: torch.Generator):
        super().__init__()
        self.input_map = linear(n_input, 4 * units, generator)
        self.recurrent_map = linear(units, 4 * units, generator, bias=False)

    def advance(self, mapped: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """States h and c after a step; mapped : input_map(x), shape (batch, 4 unit)."""
        a, i, f, o = (mapped + self.recurrent_map(h)).chunk(4, 1)
        c = torch.sigmoid(f + FORGET_BIAS) * c + torch.sigmoid(i) * torch.tanh(a)
        return torch.sigmoid(o) * torch.tanh(c), c
