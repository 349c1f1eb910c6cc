"""The trained numbers of a list of synapses, and the sums over them that a membrane needs.

The sums are what a network spends its time on. Synapses lie in rows, one a target that has any, padded to the longest; sources lie along the
first axis and sequences along the last, so that picking sources copies whole lines and both sums are one product of matrices.

Lives here: `Synapses`, `Rows`. Does not live here: the network (`ltc`), which synapses there are (`circuit`).
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import pad, softplus

from ltc_causal.networks.compiled import Across, Listed, Openings, lanes_in
from ltc_causal.networks.sequence import Tensor, uniform
from ltc_causal.numerics.liquid_steps import LOG2

# Where the parameters begin (ncps 1.0.1); the weight before softplus
WEIGHT, SLOPE, THRESHOLD = (0.001, 1.0), (3.0, 8.0), (0.3, 0.8)
UNIT_SIZE = float(np.log(np.expm1(1.0)))  # softplus of it is 1: the size of a reversal potential at the beginning


class Rows(NamedTuple):
    """Synapses in rows, at given parameters: s = sigmoid(slope x + offset).

    slope, offset : shape (row, place, 1); sums : shape (row, 2, place), w e and w; source : shape (row, place), None for all in order
    slot : shape (target,), the row of each target, the number of rows where it has none; None where every target has its row
    """

    slope: Tensor
    offset: Tensor
    sums: Tensor
    source: Tensor | None
    slot: Tensor | None

    def open(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Sums over the synapses of each target, of w s e and of w s, shape (..., target), at sources x (..., source)."""
        columns = x.reshape(-1, x.shape[-1]).t()
        at = columns if self.source is None else columns[self.source]
        sums = self.sums @ torch.sigmoid(torch.addcmul(self.offset, self.slope, at))
        if self.slot is not None:
            sums = pad(sums, (0, 0, 0, 0, 0, 1))[self.slot]
        # unbind, not a permuted view: its gradient comes back contiguous, and the product's gradient is then twice as fast.
        n, d = sums.unbind(1)
        shape = (*x.shape[:-1], len(sums))
        return n.t().reshape(shape), d.t().reshape(shape)


class Synapses(nn.Module):
    """A list of synapses.

    weight, size : before softplus, of w and |e|; slope, threshold : sigma and mu; each of shape (synapse,)
    """

    polarity: Tensor
    place: Tensor
    source: Tensor | None
    slot: Tensor | None
    order: Tensor | None

    def __init__(self, target: NDArray, source: NDArray, polarity: NDArray, n_target: int, n_source: int, generator: torch.Generator):
        super().__init__()
        count, places = len(target), _places(target, source)
        self._across: dict[int, Across] = {}
        order = np.lexsort((source, target))
        self.listed = Listed(
            np.searchsorted(target[order], np.arange(n_target + 1)), source[order].astype(np.int64), target[order].astype(np.int64)
        )
        self.weight, self.slope = uniform(count, *WEIGHT, generator), uniform(count, *SLOPE, generator)
        self.threshold, self.size = uniform(count, *THRESHOLD, generator), nn.Parameter(torch.full((count,), UNIT_SIZE))
        occupied = np.unique(target)
        slot = np.full(n_target, len(occupied))
        slot[occupied] = np.arange(len(occupied))
        # Buffers, so that they go where the network goes; they are the circuit's and not in the state.
        self.register_buffer("polarity", torch.tensor(polarity, dtype=torch.get_default_dtype()), persistent=False)
        self.register_buffer("place", torch.from_numpy(places), persistent=False)
        self.register_buffer(
            "source", None if count == n_target * n_source else torch.from_numpy(np.append(source, 0)[places]), persistent=False
        )
        self.register_buffer("order", None if (order == np.arange(count)).all() else torch.from_numpy(order), persistent=False)
        self.register_buffer("slot", None if len(occupied) == n_target else torch.from_numpy(slot), persistent=False)

    def numbers(self) -> dict[str, Tensor]:
        """w, sigma, mu and e of each synapse, shape (synapse,), by the names weight, slope, threshold and reversal."""
        e = self.polarity * softplus(self.size)
        return {"weight": softplus(self.weight), "slope": self.slope, "threshold": self.threshold, "reversal": e}

    def openings(self) -> Openings:
        """The same as compiled code takes them, in the order of `listed`."""
        w, sigma, mu, e = self.numbers().values()
        slope = sigma * (-1 / LOG2)
        found = slope, -slope * mu, w * e, w
        return Openings(*(found if self.order is None else (one[self.order] for one in found)))

    def across(self, dtype: torch.dtype) -> Across:
        """The same for one sequence at a time."""
        lanes = lanes_in(dtype)
        if lanes not in self._across:
            self._across[lanes] = Across.of(self.listed, lanes)
        return self._across[lanes]

    def better_across(self, inputs: Tensor) -> bool:
        """Whether sequences, shape (batch, ...), are run sooner one by one, which gives no gradient."""
        if torch.is_grad_enabled():
            return False
        blocks = -(-len(inputs) // lanes_in(inputs.dtype))
        return len(inputs) * len(self.across(inputs.dtype).source) < blocks * len(self.listed.source)

    def rows(self) -> Rows:
        """The same in rows; a place without a synapse has weight 0."""
        w, sigma, mu, e = self.numbers().values()
        slope, offset, weight, drive = (pad(one, (0, 1))[self.place] for one in (sigma, -sigma * mu, w, w * e))
        return Rows(slope.unsqueeze(-1), offset.unsqueeze(-1), torch.stack([drive, weight], 1), self.source, self.slot)


def _places(target: NDArray, source: NDArray) -> NDArray[np.int64]:
    """Which synapse lies at each place, shape (row, place), sources in order; the number of synapses where none does."""
    _, row, counts = np.unique(target, return_inverse=True, return_counts=True)
    place = np.full((len(counts), int(counts.max(initial=1))), len(target))
    order = np.lexsort((source, row))
    place[row[order], np.arange(len(target)) - np.repeat(np.cumsum(counts) - counts, counts)] = order
    return place
