"""The liquid network's fused step over whole sequences, compiled (`numerics.liquid_steps`), as functions that torch differentiates.

The same in torch operations stands beside each. It is what a second derivative goes through, so that there is nothing that the compiled
functions cannot do; forward-mode derivatives, `torch.func` and `torch.export` do not come here at all (`can_run`).

Lives here: `open_synapses`, `course`, their twins in torch, lanes of sequences. Does not live here: the network (`ltc`), other solvers (`solvers`).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd import Function, forward_ad

from ltc_causal.networks.sequence import Tensor
from ltc_causal.numerics import liquid_steps
from ltc_causal.numerics.lanes import lanes_of
from ltc_causal.numerics.liquid_steps import LOG2


class Listed(NamedTuple):
    """Synapses in the order of their targets: where those of each target begin (target + 1,), and source and target of each (synapse,)."""

    first: NDArray[np.int64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]

    @property
    def units(self) -> int:
        """How many targets there are, with synapses or without."""
        return len(self.first) - 1


class Openings(NamedTuple):
    """The numbers of listed synapses, each (synapse,): s = 1 / (1 + 2^(slope x + offset)), n = sum drive s, d = sum weight s."""

    slope: Tensor
    offset: Tensor
    drive: Tensor
    weight: Tensor


def can_run(tensors: Sequence[Tensor]) -> bool:
    """Whether these are plain numbers in this machine's memory, of one type that is compiled for, and not within a transformation of torch."""
    like = tensors[0]
    if like.dtype not in (torch.float32, torch.float64) or torch.compiler.is_compiling() or torch.jit.is_tracing():  # pyright: ignore[reportPrivateImportUsage]
        return False
    try:
        plain = all(one.device.type == "cpu" and one.dtype == like.dtype and one.data_ptr() >= 0 for one in tensors)
    except RuntimeError:  # what torch.func and fake tensors wrap has no memory of its own
        return False
    return plain and all(forward_ad.unpack_dual(one).tangent is None for one in tensors)


# --- lanes ----------------------------------------------------------------------------------------------------------------------------


def lanes_in(dtype: torch.dtype) -> int:
    """How many sequences lie side by side."""
    return lanes_of(str(dtype).removeprefix("torch."))


def to_lanes(x: Tensor) -> Tensor:
    """Sequences side by side: (batch, ...) to (block, ..., lane), the last block filled up with zeros."""
    lanes = lanes_in(x.dtype)
    blocks = -(-len(x) // lanes)
    if blocks * lanes > len(x):
        x = torch.cat([x, x.new_zeros(blocks * lanes - len(x), *x.shape[1:])])
    return x.reshape(blocks, lanes, *x.shape[1:]).movedim(1, -1).contiguous()


def from_lanes(x: Tensor, batch: int) -> Tensor:
    """The other way."""
    return x.movedim(-1, 1).flatten(0, 1)[:batch]


# --- synapses -------------------------------------------------------------------------------------------------------------------------


def open_synapses(listed: Listed, x: Tensor, openings: Openings, n0: Tensor, d0: Tensor) -> tuple[Tensor, Tensor]:
    """n0 + sum drive s and d0 + sum weight s at each target, shape (block, time, target, lane).

    x : sources, shape (block, time, source, lane); n0, d0 : shape (target,)
    """
    return _Open.apply(listed, x, *openings, n0, d0)  # pyright: ignore[reportReturnType]


class _Open(Function):
    @staticmethod
    def forward(ctx: Any, listed: Listed, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        ctx.listed = listed
        ctx.save_for_backward(*tensors)
        x, slope, offset, drive, weight, n0, d0 = _arrays(tensors)
        rows = x.reshape(-1, *x.shape[2:])
        n, d = (np.empty((len(rows), len(n0), x.shape[3]), x.dtype) for _ in range(2))
        liquid_steps.open_synapses(rows, (listed.first, listed.source, slope, offset, drive, weight), n0, d0, n, d)
        shape = (*x.shape[:2], len(n0), x.shape[3])
        return torch.from_numpy(n.reshape(shape)), torch.from_numpy(d.reshape(shape))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple:
        if torch.is_grad_enabled():
            return None, *_through_torch(ctx, gradients, lambda x, *rest: open_in_torch(ctx.listed, x, Openings(*rest[:4]), *rest[4:]))
        x, *numbers, _, _ = _arrays(ctx.saved_tensors)
        by_n, by_d = (one.reshape(-1, *one.shape[2:]) for one in _arrays(gradients))
        by_x, by_synapse = np.zeros_like(x), np.zeros((len(numbers[0]), 4, x.shape[3]), x.dtype)
        rows = (one.reshape(-1, *x.shape[2:]) for one in (x, by_x))
        source, to = rows
        liquid_steps.open_synapses_back(source, (ctx.listed.first, ctx.listed.source, *numbers), by_n, by_d, to, by_synapse)
        return None, torch.from_numpy(by_x), *_summed(by_synapse), *(torch.from_numpy(one).sum((0, 2)) for one in (by_n, by_d))


def open_in_torch(listed: Listed, x: Tensor, openings: Openings, n0: Tensor, d0: Tensor) -> tuple[Tensor, Tensor]:
    """`open_synapses` by torch operations."""
    slope, offset, drive, weight = (one.unsqueeze(1) for one in openings)
    s = torch.sigmoid(-LOG2 * (slope * x[:, :, torch.from_numpy(listed.source)] + offset))
    target = torch.from_numpy(listed.target)
    base = (one.unsqueeze(1).expand(*x.shape[:2], -1, x.shape[3]) for one in (n0, d0))
    n, d = (one.index_add(2, target, gain * s) for one, gain in zip(base, (drive, weight), strict=True))
    return n, d


# --- the course -----------------------------------------------------------------------------------------------------------------------


def course(listed: Listed, unfolds: int, h: Tensor, n0: Tensor, d0: Tensor, capacitance: Tensor, v: Tensor, openings: Openings) -> Tensor:
    """States after every step, shape (block, time, unit, lane).

    h : seconds of a substep, of which a step has `unfolds`, shape (block, time, lane); where it is 0 the state stays
    n0, d0 : n and d without the synapses between units, shape (block, time, unit, lane); v : the initial state, shape (block, unit, lane)
    """
    tensors = (h, n0, d0, capacitance, v, *openings)
    kept = torch.is_grad_enabled() and any(one.requires_grad for one in tensors)
    return _Course.apply(listed, unfolds, kept, *tensors)  # pyright: ignore[reportReturnType]


class _Course(Function):
    @staticmethod
    def forward(ctx: Any, listed: Listed, unfolds: int, kept: bool, *tensors: Tensor) -> Tensor:
        ctx.listed, ctx.unfolds = listed, unfolds
        ctx.save_for_backward(*tensors)
        h, n0, d0, c, start, *numbers = _arrays(tensors)
        blocks, time, units, lanes = n0.shape
        substeps = unfolds * (time if kept else 1)
        hidden, ctx.substeps = np.empty_like(n0), []
        for block in range(blocks):
            v, r = np.empty((substeps + 1, units, lanes), h.dtype), np.empty((substeps, units, lanes), h.dtype)
            v[0] = start[block]
            synapses = (listed.first, listed.source, *numbers)
            liquid_steps.course(h[block], n0[block], d0[block], c, synapses, unfolds, kept, v, r, hidden[block])
            if kept:
                ctx.substeps.append((v, r))
        return torch.from_numpy(hidden)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple:
        if torch.is_grad_enabled():
            twin = _through_torch(
                ctx, gradients, lambda *all_: course_in_torch(ctx.listed, ctx.unfolds, *all_[:5], openings=Openings(*all_[5:]))
            )
            return None, None, None, *twin
        h, n0, d0, c, start, *numbers = _arrays(ctx.saved_tensors)
        (by_hidden,) = _arrays(gradients)
        by_h, by_n, by_d, by_start = (np.zeros_like(one) for one in (h, n0, d0, start))
        by_c, by_synapse = np.zeros(n0.shape[2:], h.dtype), np.zeros((len(numbers[0]), 4, h.shape[2]), h.dtype)
        synapses = (ctx.listed.first, ctx.listed.source, *numbers)
        for block, (v, r) in enumerate(ctx.substeps):
            by_v = np.zeros((2, *start.shape[1:]), h.dtype)
            liquid_steps.course_back(
                h[block], c, synapses, ctx.unfolds, v, r, by_hidden[block], by_v, by_n[block], by_d[block], by_h[block], by_c, by_synapse
            )
            by_start[block] = by_v[0]
        by_h /= np.where(h == 0, np.inf, h)  # no time passes there: no derivative, as where torch's own loop leaves the step out
        by_c = by_c.sum(1, dtype=np.float64).astype(h.dtype)
        return None, None, None, *map(torch.from_numpy, (by_h, by_n, by_d, by_c, by_start)), *_summed(by_synapse)


def course_in_torch(
    listed: Listed, unfolds: int, h: Tensor, n0: Tensor, d0: Tensor, capacitance: Tensor, v: Tensor, openings: Openings
) -> Tensor:
    """`course` by torch operations."""
    slope, offset, drive, weight = (one.unsqueeze(1) for one in openings)
    source, target = torch.from_numpy(listed.source), torch.from_numpy(listed.target)
    hidden = []
    for seconds, n_in, d_in in zip(h.unsqueeze(2).unbind(1), n0.unbind(1), d0.unbind(1), strict=True):
        for _ in range(unfolds):
            s = torch.sigmoid(-LOG2 * (slope * v[:, source] + offset))
            n, d = n_in.index_add(1, target, drive * s), d_in.index_add(1, target, weight * s)
            v = v + seconds * (n - d * v) / (capacitance.unsqueeze(1) + seconds * d)
        hidden.append(v)
    return torch.stack(hidden, 1)


# --- one sequence ---------------------------------------------------------------------------------------------------------------------


class Across(NamedTuple):
    """Synapses by rows of targets: first (row + 1,) and source (entry,) as in `liquid_steps.course_across`, and where each synapse's numbers go."""

    first: NDArray[np.int64]
    source: NDArray[np.int64]
    place: NDArray[np.int64]

    @classmethod
    def of(cls, listed: Listed, lanes: int) -> "Across":
        """For rows of so many lanes."""
        row, n_source = listed.target // lanes, int(listed.source.max(initial=0)) + 1
        pairs, entry = np.unique(row * n_source + listed.source, return_inverse=True)
        first = np.searchsorted(pairs, n_source * np.arange(-(-listed.units // lanes) + 1))
        return cls(first, pairs % n_source, entry * lanes + listed.target % lanes)

    def spread(self, numbers: NDArray, lanes: int) -> NDArray:
        """Numbers of synapses as those of entries, shape (entry, lane), 0 where there is no synapse."""
        found = np.zeros(len(self.source) * lanes, numbers.dtype)
        found[self.place] = numbers
        return found.reshape(-1, lanes)


def course_across(
    across: Across, unfolds: int, h: Tensor, n0: Tensor, d0: Tensor, capacitance: Tensor, v: Tensor, openings: Openings
) -> Tensor:
    """States after every step, shape (batch, time, unit), without a gradient; for few sequences, one after the other.

    h : shape (batch, time); n0, d0 : shape (batch, time, unit); v : shape (batch, unit)
    """
    seconds, n, d, c, start, *numbers = _arrays((h, n0, d0, capacitance, v, *openings))
    lanes, units = lanes_of(seconds.dtype), n.shape[-1]
    width = (len(across.first) - 1) * lanes
    entries = across.first, across.source, *(across.spread(one, lanes) for one in numbers)
    n, d, c, start = (_filled_up(one, width) for one in (n, d, c, start))
    hidden = np.empty_like(n)
    for one, begin in enumerate(start):
        states = np.stack([begin, begin])
        liquid_steps.course_across(seconds[one], n[one], d[one], c, entries, unfolds, states, hidden[one])
    return torch.from_numpy(hidden[..., :units])


def _filled_up(x: NDArray, width: int) -> NDArray:
    """Units that only fill a row up: with 1, as nothing may be divided by zero."""
    if x.shape[-1] == width:
        return x
    filled = np.ones((*x.shape[:-1], width), x.dtype)
    filled[..., : x.shape[-1]] = x
    return filled


# --- small things ---------------------------------------------------------------------------------------------------------------------


def _arrays(tensors: Sequence[Tensor]) -> list[NDArray]:
    return [one.detach().contiguous().numpy() for one in tensors]


def _summed(by_synapse: NDArray) -> tuple[Tensor, ...]:
    """Gradients in slope, offset, drive and weight, from those of each lane."""
    return tuple(torch.from_numpy(one) for one in by_synapse.sum(2, dtype=np.float64).astype(by_synapse.dtype).T.copy())


def _through_torch(ctx: Any, gradients: Sequence[Tensor], twin: Callable[..., Any]) -> list[Tensor | None]:
    """The gradients of a function by its twin, so that they can be differentiated again."""
    tensors = ctx.saved_tensors
    wanted = [one for one in tensors if one.requires_grad]
    found = iter(torch.autograd.grad(twin(*tensors), wanted, gradients, create_graph=True, allow_unused=True))
    return [next(found) if one.requires_grad else None for one in tensors]
