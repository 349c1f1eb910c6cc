"""What training on sequences minimises: the mean loss of a batch; and the loss of what is held out, looked at now and then.

Lives here: the loss, the batches, networks as vectors of parameters. Does not live here: the steps (`gradient`), networks. This file imports
torch.
"""

import copy
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.func import functional_call
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from ltc_causal.core.sequences import Sequences
from ltc_causal.errors import InputError

Array = NDArray[np.float64]
Tensor = torch.Tensor

AT_ONCE = 256  # sequences at a time, where no gradient is needed
LOOKS = 5  # the least number of looks at the held-out part within the patience


class FlatNetwork:
    """A network of the interface of `networks.sequence`, its parameters one vector; what the loop sees of a model."""

    def __init__(self, network: Any):
        if not all(callable(getattr(network, name, None)) for name in ("trajectory", "redrawn")):
            raise InputError(
                f"GradientTraining on Sequences needs a network such as LTC or CfC, got {type(network).__name__}: build one of ltc_causal.networks."
            )
        self.network = network

    @property
    def identity(self) -> str:
        """A digest of the network's kind, settings and parameters."""
        text = json.dumps([type(self.network).__name__, self.network.settings], sort_keys=True)
        return hashlib.sha256(text.encode() + self._vector(self.network).tobytes()).hexdigest()[:16]

    def starts(self, count: int, seed: int) -> Array:
        """The network as it is, then others of the same settings drawn with the seeds that follow."""
        others = [self._vector(self.network.redrawn(seed + number)) for number in range(1, count)]
        return np.stack([self._vector(self.network), *others])

    def _vector(self, network: Any) -> Array:
        return np.concatenate([one.numpy(force=True).ravel() for one in network.parameters()]).astype(np.float64)

    def cut(self, theta: Tensor) -> dict[str, Tensor]:
        """A vector of parameters by name."""
        parameters = dict(self.network.named_parameters())
        pieces = theta.split([one.numel() for one in parameters.values()])
        return {name: piece.view_as(one).to(one) for (name, one), piece in zip(parameters.items(), pieces, strict=True)}

    def at(self, theta: Array) -> Any:
        """A network of its own with these parameters."""
        network = copy.deepcopy(self.network)
        with torch.no_grad():
            for name, one in self.cut(torch.tensor(theta)).items():
                network.get_parameter(name).copy_(one)
        return network


class Batch:
    """Some sequences as tensors where the network is."""

    def __init__(self, data: Sequences, like: Tensor):
        self.task, self.at_end, self.observed = (
            data.task,
            data.at_end,
            None if data.observed is None else torch.tensor(data.observed).to(like.device),
        )
        self.inputs, self.dt = torch.tensor(np.where(np.isfinite(data.inputs), data.inputs, 0)).to(like), torch.tensor(data.dt).to(like)
        targets = torch.tensor(data.targets).to(like.device)
        self.targets = targets.long() if self.task == "classes" else targets.to(like.dtype)
        shape = targets.shape if self.task == "classes" else targets.shape[:-1]
        self.weight = (torch.ones(shape) if data.weight is None else torch.tensor(data.weight)).to(like)

    def loss(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """The weighted sum of the targets' losses, and the sum of the weights."""
        outputs = outputs[:, -1] if self.at_end else outputs
        if self.task == "classes":
            each = cross_entropy(outputs.movedim(-1, 1), self.targets, reduction="none")
        elif self.task == "events":
            each = binary_cross_entropy_with_logits(outputs, self.targets, reduction="none").mean(-1)
        else:
            each = (outputs - self.targets).square().mean(-1)
        return (self.weight * each).sum(), self.weight.sum()


@dataclass(frozen=True, eq=False)
class SequenceProblem:
    """A network and what it is trained on; `held_out` is what it is judged by, all of `training` where nothing is held out.

    size : sequences a batch; every : steps between two looks at what is held out; seed : of the order of sequences
    """

    model: FlatNetwork
    training: Sequences
    held_out: Sequences
    size: int
    every: int
    seed: int

    holds_out = True  # the loop keeps a start's best by what is held out, here always

    @classmethod
    def of(
        cls, network: Any, data: Sequences, validation: float | Sequences, batch: int | None, patience: int, seed: int
    ) -> "SequenceProblem":
        """Raises `InputError` for a network of other sizes than the data's, and for data too few to hold some out."""
        model = FlatNetwork(network)
        if isinstance(validation, Sequences):
            training, held_out = data, validation
        else:
            end = len(data) - round(validation * len(data))
            training, held_out = data[:end], data[end:] if end < len(data) else data
        for one in (training, held_out):
            _check_sizes(network, one, data.task)
        size = min(batch or len(training), len(training))
        epoch = -(-len(training) // size)
        return cls(model, training, held_out, size, min(epoch, max(1, patience // LOOKS)), seed)

    @property
    def identity(self) -> str:
        """A short digest of the data."""
        digest = hashlib.sha256()
        for data in (self.training, self.held_out):
            for one in (data.inputs, data.targets, data.dt, data.observed, data.weight):
                digest.update(b"none" if one is None else np.ascontiguousarray(one).tobytes())
        return digest.hexdigest()[:16]

    def objective(self, theta: Tensor, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The batch's loss, twice, what is held out (not a number between looks), and which starts have a finite loss; each of shape (r,)."""
        like = next(self.model.network.parameters())
        batch = Batch(self.training[self._places(step)], like)
        losses = torch.stack([_quotient(*self._loss(row, batch)) for row in theta]).to(theta)
        judged = torch.full_like(losses, torch.nan).detach()
        if step % self.every == 0:
            judged = torch.tensor([self.loss(row, self.held_out) for row in theta.detach()], dtype=theta.dtype)
        return losses, losses.detach(), judged, torch.isfinite(losses.detach())

    def loss(self, theta: Tensor, data: Sequences) -> float:
        """The mean loss on some data, batch by batch, without a gradient."""
        like, total, weight = next(self.model.network.parameters()), 0.0, 0.0
        with torch.no_grad():
            for part in _parts(data):
                one, share = self._loss(theta, Batch(part, like))
                total, weight = total + float(one), weight + float(share)
        return total / weight

    def _loss(self, theta: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        outputs, _ = functional_call(self.model.network, self.model.cut(theta), (batch.inputs, batch.dt, None, batch.observed))
        return batch.loss(outputs)

    def _places(self, step: int) -> NDArray[np.int64]:
        """The sequences of a step's batch: each epoch in an order of its own, the last batch filled up from the front."""
        count = len(self.training)
        epoch, number = divmod(step, -(-count // self.size))
        order = np.random.default_rng([self.seed, epoch]).permutation(count)
        return np.take(order, np.arange(number * self.size, (number + 1) * self.size), mode="wrap")


def _parts(data: Sequences) -> Iterator[Sequences]:
    return (data[first : first + AT_ONCE] for first in range(0, len(data), AT_ONCE))


def _quotient(total: Tensor, weight: Tensor) -> Tensor:
    return total / weight.clamp(min=torch.finfo(weight.dtype).tiny)  # a batch without any target says nothing


def _check_sizes(network: Any, data: Sequences, task: str) -> None:
    if len(data) == 0:
        raise InputError(
            "No sequence is left to train on or to judge by: give more, or hold out another share (GradientTraining(validation=...))."
        )
    if data.inputs.shape[2] != network.n_input:
        raise InputError(f"The network takes {network.n_input} inputs, the Sequences have {data.inputs.shape[2]}: build it with that many.")
    if data.task != task:
        raise InputError(f"The Sequences trained on have {task} as targets, those held out {data.task}: give both the same dtype.")
    wanted = int(data.targets.max()) + 1 if task == "classes" else data.targets.shape[-1]
    if (task == "classes" and wanted > network.n_output) or (task != "classes" and wanted != network.n_output):
        raise InputError(f"The network has {network.n_output} outputs, the Sequences' {task} need {wanted}: build it with that many.")


def learning_rates(value: float | Sequence[float]) -> tuple[float, ...]:
    """The rates to be tried, one or several."""
    return tuple(float(one) for one in value) if isinstance(value, list | tuple) else (float(value),)  # pyright: ignore[reportArgumentType]
