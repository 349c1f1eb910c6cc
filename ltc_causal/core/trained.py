"""What training by gradient gives: a network, an ensemble of its parameters, and how it went.

Lives here: these results. Does not live here: the training (`inference.gradient`), fits with a free energy (`result`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ltc_causal.core.coupling import Coupling
from ltc_causal.core.data import Recording
from ltc_causal.core.result import Session, share_explained
from ltc_causal.errors import InputError, finite_array

Array = NDArray[np.float64]


class TrainingStatus(Enum):
    """How training ended; the value is the sentence that the user sees."""

    CONVERGED = "Converged: no start improved any more, on the held-out part if there is one, within the patience."
    MAXIMUM_ITERATIONS = "Not converged: all steps were taken while a start still improved; allow more (GradientTraining(steps=...))."
    DIVERGED = (
        "Not converged: no start gave a course within bounds, so the result is not usable; check the scale of the inputs and of the signal, "
        "start from weaker couplings, or take shorter steps (max_step)."
    )

    @property
    def ok(self) -> bool:
        """Whether the result can be used as it is."""
        return self is TrainingStatus.CONVERGED

    @property
    def converged(self) -> bool:
        """Whether training came to its end."""
        return self is TrainingStatus.CONVERGED

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, eq=False)
class TrainingHistory:
    """The course of training, one row a step, one column a start; not a number where a start was over or out of bounds.

    training, validation : share of the signal that is not explained, on the part trained on and on the one held out
    gradient_norm : of the objective, before it is clipped
    learning_rate : in force, with what a start's failures have taken off it
    """

    training: Array
    validation: Array
    gradient_norm: Array
    learning_rate: Array

    def __len__(self) -> int:
        return len(self.training)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """What is known of a network's parameters after training: the end of each start, and points about them that the data allow as well.

    names : one a parameter
    members : shape (member, parameter), the best first
    weights : shape (member,), adding up to 1
    points : shape (point, parameter), as many about each member as its weight says; none where the members are all there is
    """

    names: tuple[str, ...]
    members: Array
    weights: Array
    points: Array

    def __post_init__(self):
        for name in ("members", "points"):
            object.__setattr__(self, name, finite_array(f"Ensemble.{name}", getattr(self, name), 2, "(..., parameter)"))
        object.__setattr__(self, "weights", finite_array("Ensemble.weights", self.weights, 1, "(member,)"))
        if self.members.shape != (len(self.weights), len(self.names)) or self.points.shape[1:] != self.members.shape[1:]:
            raise InputError(
                f"An Ensemble of {len(self.weights)} members of {len(self.names)} parameters got members {self.members.shape} and points "
                f"{self.points.shape}."
            )

    @property
    def mean(self) -> Array:
        """The best member: between members lies nothing that was fitted."""
        return self.members[0]

    def sample(self, n: int, seed: int | np.random.Generator = 0) -> Array:
        """Draws, shape (n, parameter): points in a random order, over again if there are fewer; or members, by weight."""
        rng = np.random.default_rng(seed)
        if len(self.points):
            return self.points[np.resize(rng.permutation(len(self.points)), n)]
        return self.members[rng.choice(len(self.weights), n, p=self.weights)]


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network trained on one recording or more of a subject. Observe, intervene and reduce as with a `Fit`; it has no free energy.

    model : what was trained
    sessions : to what, and how each is explained at the best member
    posterior : `Ensemble` over the network's parameters
    status, history : how training ended and went
    validation : share of the held-out part's signal that each member explains, shape (member,); not a number where nothing was held out
    seconds : wall time; seed : of the starts
    """

    model: Any
    sessions: tuple[Session, ...]
    posterior: Ensemble
    status: TrainingStatus
    history: TrainingHistory
    validation: Array
    seconds: float
    seed: int

    @property
    def theta(self) -> Array:
        """The best member's parameters, shape (parameter,)."""
        return self.posterior.mean

    def session(self, index: int) -> Session:
        """One of the sessions, counted from 0; raises `InputError` if there are not so many."""
        if not 0 <= index < len(self.sessions):
            raise InputError(f"This training had {len(self.sessions)} session(s), counted from 0, but session {index!r} was asked for.")
        return self.sessions[index]

    @property
    def recording(self) -> Recording:
        """The first session's; use `session(k)` where there are several."""
        return self.sessions[0].recording

    @property
    def prediction(self) -> Array:
        """The first session's."""
        return self.sessions[0].prediction

    def system(self, draws: int = 0, seed: int = 0) -> Any:
        """The best member as a dynamical system, or so many draws from the ensemble."""
        theta = self.posterior.sample(draws, seed) if draws else self.theta[None]
        return self.model.system(theta, self.recording.echo_time)

    @property
    def coupling(self) -> Coupling:
        """A, B, C and D of the best member at rest, in Hz; raises `InputError` where there are hidden units: project it (`reduce_to_dcm`)."""
        return self.system().coupling()

    @property
    def variance_explained(self) -> Array:
        """Share of each region's signal variance (confounds removed, all sessions) that the best member explains, shape (region,)."""
        return share_explained(self.sessions)

    def members_frame(self) -> pd.DataFrame:
        """One row a member: weight, and share of the held-out signal that it explains."""
        return pd.DataFrame({"weight": self.posterior.weights, "validation": self.validation})

    def summary(self) -> str:
        """What was trained, how it ended and how much it explains, as text."""
        regions: Sequence[str] = self.model.regions
        explained = ", ".join(f"{region} {100 * share:.0f} %" for region, share in zip(regions, self.variance_explained, strict=True))
        held_out = "" if np.isnan(self.validation[0]) else f" Held-out part: {100 * self.validation[0]:.0f} %."
        return "\n".join(
            [
                self.model.describe(),
                str(self.status),
                f"{len(self.posterior.weights)} start(s), {len(self.history)} steps, {self.seconds:.2f} s.",
                f"Variance explained: {explained}.{held_out}",
            ]
        )

    def __str__(self) -> str:
        return self.summary()


@runtime_checkable
class Training(Protocol):
    """A method of `fit` that trains a network instead of finding a posterior by a free energy."""

    def train(self, model: Any, data: Any) -> Any:
        """Train a network on one recording or several sessions of one subject (`TrainedNetwork`), or on sequences (`SequenceFit`)."""
        ...
