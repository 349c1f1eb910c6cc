"""Sequences with what is to be said of them, and a network trained to say it.

Lives here: the data and the result of supervised training. Does not live here: recordings of regions (`data`), the training itself
(`inference.gradient`), networks.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ltc_causal.core.trained import TrainingHistory, TrainingStatus
from ltc_causal.errors import InputError, read_only

TASKS = {"f": "values", "i": "classes", "u": "classes", "b": "events"}  # by the kind of the targets' dtype


@dataclass(frozen=True, eq=False)
class Sequences:
    """Inputs over time, and targets at each step or one for the whole; arrays are kept in the precision they come in.

    inputs : shape (sequence, time, input)
    targets : what `task` says by their dtype. Floats: values (sequence, time, output), squared error. Whole numbers: classes from 0
        (sequence, time), cross-entropy of outputs as logits. Booleans: events (sequence, time, output), the same of each output by itself.
        Without the time axis they are judged after the last step
    dt : seconds between samples, as the networks take it: a number, (time,) or (sequence, time); 0 pads a short sequence
    observed : shape of inputs, False where a value is missing; None if none is
    weight : of each target in the mean, (sequence, time) or (sequence,), 0 where there is none; None for 1
    """

    inputs: NDArray
    targets: NDArray
    dt: NDArray | float = 1.0
    observed: NDArray | None = None
    weight: NDArray | None = None

    def __post_init__(self):
        for name in ("inputs", "targets", "dt", "observed", "weight"):
            value = getattr(self, name)
            # A view: the caller's own array stays writeable.
            object.__setattr__(self, name, None if value is None else read_only(np.asarray(value).view()))
        self._check_inputs()
        self._check_targets()

    def _check_inputs(self) -> None:
        x, observed, dt = self.inputs, self.observed, np.asarray(self.dt)
        if x.ndim != 3 or x.dtype.kind != "f" or 0 in x.shape:
            raise InputError(f"Sequences.inputs must be floats of shape (sequence, time, input), none of them 0, got {x.dtype} {x.shape}.")
        if observed is not None and (observed.dtype != bool or observed.shape != x.shape):
            raise InputError(f"Sequences.observed must be booleans of the inputs' shape {x.shape}, got {observed.dtype} {observed.shape}.")
        wrong = ~np.isfinite(x) if observed is None else ~np.isfinite(x) & observed
        if wrong.any():
            raise InputError(
                f"Sequences.inputs are NaN or infinite at {int(wrong.sum())} places, the first at {tuple(np.argwhere(wrong)[0].tolist())}: "
                "say which are missing (observed=)."
            )
        if dt.shape not in ((), x.shape[1:2], x.shape[:2]) or not (np.isfinite(dt).all() and (dt >= 0).all()):
            raise InputError(
                f"Sequences.dt must be finite and not negative, of shape (), {x.shape[1:2]} or {x.shape[:2]}, got shape {dt.shape}."
            )

    def _check_targets(self) -> None:
        y, lead = self.targets, self.inputs.shape[:2]
        if y.dtype.kind not in TASKS:
            raise InputError(f"Sequences.targets must be floats, whole numbers or booleans, got {y.dtype}.")
        shape = y.shape if self.task == "classes" else y.shape[:-1]
        if shape not in (lead, lead[:1]):
            output = "" if self.task == "classes" else ", output"
            raise InputError(
                f"Sequences.targets are {self.task} and must have shape ({lead[0]}, {lead[1]}{output}) or ({lead[0]}{output or ','}), got {y.shape}."
            )
        if self.task == "classes" and y.min() < 0 or self.task == "values" and not np.isfinite(y).all():
            raise InputError("Sequences.targets must be finite, and classes counted from 0: give a target that is missing the weight 0.")
        if self.weight is not None:
            w = self.weight
            if w.shape != shape or not (np.isfinite(w).all() and (w >= 0).all() and w.any()):
                raise InputError(
                    f"Sequences.weight must have shape {shape}, be finite, not negative and not 0 throughout, got shape {w.shape}."
                )

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def task(self) -> str:
        """What the targets are: "values", "classes" or "events"."""
        return TASKS[self.targets.dtype.kind]

    @property
    def at_end(self) -> bool:
        """Whether a sequence has one target, after its last step."""
        return self.targets.ndim == (1 if self.task == "classes" else 2)

    def __getitem__(self, which: Any) -> "Sequences":
        """Some of the sequences, by a slice, positions or booleans."""
        if isinstance(which, int | np.integer):
            which = [which]
        dt = np.asarray(self.dt)
        observed, weight = (None if one is None else one[which] for one in (self.observed, self.weight))
        return replace(
            self,
            inputs=self.inputs[which],
            targets=self.targets[which],
            dt=dt[which] if dt.ndim == 2 else dt,
            observed=observed,
            weight=weight,
        )


@dataclass(frozen=True, eq=False)
class SequenceFit:
    """Networks trained on sequences, one a start, the best first.

    networks : each at its best step
    starts : one row a network: seed, learning_rate, loss (held out, or of all where nothing was held out) and step, when that was
    status, history : how training ended and went; the history's columns are the starts in the order of their seeds, its shares losses
    seconds : wall time
    """

    networks: tuple[Any, ...]
    starts: pd.DataFrame
    status: TrainingStatus
    history: TrainingHistory
    seconds: float

    @property
    def network(self) -> Any:
        """The best one."""
        return self.networks[0]

    def predict(self, data: Sequences) -> NDArray:
        """The best network's outputs, shape (sequence, time, output) or, where targets stand at the end, (sequence, output)."""
        outputs = self.network.predict(data.inputs, data.dt, data.observed)
        return outputs[:, -1] if data.at_end else outputs

    def summary(self) -> str:
        """What was trained, how it ended and how well it does, as text."""
        best, count = self.starts.iloc[0], sum(one.numel() for one in self.network.parameters())
        return "\n".join(
            [
                f"{type(self.network).__name__} with {count} parameters.",
                str(self.status),
                f"{len(self.networks)} start(s), {len(self.history)} steps, {self.seconds:.2f} s.",
                f"Best loss {best.loss:.4g}: seed {best.seed:.0f}, learning rate {best.learning_rate:g}, step {best.step:.0f}.",
            ]
        )

    def __str__(self) -> str:
        return self.summary()
