"""Training of a network by gradient: several starts side by side, early stopping on a held-out part, resumable.

With R the residuals of the part trained on (T scans, n regions; confounds projected out), v_i the signal's variance in region i, and theta
counted from the network's start in steps of its own,

    J(theta) = log(mean_i sum_t R_ti^2 / (T v_i)) + ||theta||^2 / (n T),

2 / (n T) times the negative log posterior of a noise that is the same share of every region's signal, under theta ~ N(0, 1): what the data do not
inform stays at the start. Steps are those of Adam (Kingma & Ba 2015), each start with a gradient, a clip and a learning rate of its own.

On sequences (`core.sequences`) the same steps go down the mean loss of a batch, and a start is looked at on what is held out now and then.

Lives here: `GradientTraining`, its state and loop. Does not live here: the objectives (`training_problem`, `sequence_problem`), the file
(`training_file`), networks.
This file imports torch.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ltc_causal.core.data import Recording
from ltc_causal.core.sequences import SequenceFit, Sequences
from ltc_causal.core.trained import Ensemble, TrainedNetwork, TrainingHistory, TrainingStatus
from ltc_causal.errors import InputError, positive
from ltc_causal.inference import training_file
from ltc_causal.inference.sequence_problem import SequenceProblem, learning_rates
from ltc_causal.inference.training_problem import Problem

Array = NDArray[np.float64]
AnyProblem: TypeAlias = Problem | SequenceProblem

MOMENTUM, SECOND_MOMENT, TINY = 0.9, 0.99, 1e-8  # of Adam; the second moment's memory is short since the steps are few
LAST_RATE = 0.05  # share of the learning rate that is left at the last step, along half a cosine
IMPROVES = 1e-3  # relative; less is no improvement that patience counts
MOST_FAILURES = 8  # courses out of bounds in a row, each of which halves a start's learning rate, before it is given up


@dataclass(frozen=True, eq=False)
class GradientTraining:
    """How a network is trained; `lc.fit(network, recording, lc.GradientTraining(...))`, or on `Sequences`.

    steps : the most of them
    learning_rate : of the first step, in the network's own steps (see `LiquidNetwork`); falls along half a cosine. Of several, each start is
        trained with each, and the best by the held-out part comes first
    restarts : starts, side by side; the first is the network's own, the others are drawn about it (on sequences, with the seeds that follow)
    patience : steps without improvement after which a start is over
    validation : share of each recording, at its end, that is held out: the best step by it is kept. 0 trains on everything. What the network
        was started from should not have seen that part either, or the start itself looks best. Of `Sequences`, the share of the last ones, or
        the held-out ones themselves
    batch : sequences a step; None for all. Recordings are always taken whole
    clip : largest norm of a start's gradient
    points : how many the posterior has besides the ends of the starts, for bands and draws (see `Problem.points`); 0 for none
    seed : of the restarts
    checkpoint : a file, written whole or not at all, from which a training that was cut short goes on to the same result
    save_every : steps between writings
    progress : called after each step with its number and the best share not explained so far
    """

    steps: int = 500
    learning_rate: float | Sequence[float] = 0.03
    restarts: int = 4
    patience: int = 100
    validation: float | Sequences = 0.2
    batch: int | None = None
    clip: float = 1.0
    points: int = 100
    seed: int = 0
    checkpoint: str | Path | None = None
    save_every: int = 25
    progress: Callable[[int, float], None] | None = field(default=None, repr=False)

    def __post_init__(self):
        for name in ("steps", "restarts", "patience", "save_every"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InputError(f"GradientTraining {name} must be a whole number of at least 1, got {value!r}.")
        for name in ("points", "seed"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 0:
                raise InputError(f"GradientTraining {name} must be a whole number of at least 0, got {getattr(self, name)!r}.")
        if self.batch is not None and (not isinstance(self.batch, int) or self.batch < 1):
            raise InputError(
                f"GradientTraining batch must be a whole number of sequences of at least 1, or None for all, got {self.batch!r}."
            )
        for rate in self.learning_rate if isinstance(self.learning_rate, list | tuple) else [self.learning_rate]:
            positive("GradientTraining learning_rate", rate, "steps of a parameter")  # pyright: ignore[reportArgumentType]
        positive("GradientTraining clip", self.clip, "gradient norm")
        if not isinstance(self.validation, Sequences) and not 0 <= self.validation <= 0.5:
            raise InputError(f"GradientTraining validation is the share of the run held out, from 0 to 0.5, got {self.validation!r}.")

    def train(self, model: Any, data: Sequence[Recording] | Sequences) -> TrainedNetwork | SequenceFit:
        """Train a network on one recording, on several sessions of one subject, or on sequences; `fit` calls it.

        Raises `InputError` for a model that cannot be trained, data that do not fit it, a held-out part too short for its confounds, and a
        checkpoint of another training.
        """
        began = time.perf_counter()
        if isinstance(data, Sequences):
            sequences = SequenceProblem.of(model, data, self.validation, self.batch, self.patience, self.seed)
            return _sequence_fit(sequences, self, run(sequences, self), began)
        if isinstance(self.validation, Sequences):
            raise InputError("Recordings are held out by their share: give GradientTraining(validation=) a number from 0 to 0.5.")
        if not callable(getattr(model, "signal", None)) or not callable(getattr(model, "starts", None)):
            raise InputError(
                f"GradientTraining needs a network such as LiquidNetwork, got {type(model).__name__}: fit it with VariationalLaplace."
            )
        problem = Problem.of(model, data, self.validation)
        state = run(problem, self)
        return _result(problem, self, state, time.perf_counter() - began)

    def rates(self) -> Array:
        """The learning rate of each start; those of one rate stand together."""
        return np.repeat(learning_rates(self.learning_rate), self.restarts)

    def identity(self, problem: AnyProblem) -> dict[str, Any]:
        """What a checkpoint must agree in to be gone on from."""
        aside = ("checkpoint", "save_every", "progress", "points")
        settings = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in aside}
        if isinstance(self.validation, Sequences):
            settings["validation"] = "given"  # the data's digest knows them
        return {**settings, "network": problem.model.identity, "data": problem.identity}


@dataclass(frozen=True, eq=False)
class State:
    """All that the next step needs; r counts starts.

    theta, momentum, second : (r, parameter), where a start is, and Adam's moments
    good : (r, parameter), the last place within bounds, to go back to
    best, best_score, best_step : (r, ...), the best place yet, its share not explained (held out if there is such a part), when it was
    factor, failures, since : (r,), what failures took off the learning rate, how many there were in a row, Adam's steps since the last
    over : (r,), whether a start is over
    history : (step, 4, r), see `TrainingHistory`
    """

    theta: Array
    momentum: Array
    second: Array
    good: Array
    best: Array
    best_score: Array
    best_step: Array
    factor: Array
    failures: Array
    since: Array
    over: Array
    history: Array

    @classmethod
    def begin(cls, theta: Array) -> "State":
        """Before the first step."""
        R, none = len(theta), np.zeros_like(theta)
        zero = np.zeros(R)
        return cls(theta, none, none, none, none, np.full(R, np.inf), zero, np.ones(R), zero, zero, zero, np.zeros((0, 4, R)))

    @property
    def step(self) -> int:
        """How many were taken."""
        return len(self.history)


def run(problem: AnyProblem, method: GradientTraining) -> State:
    """From the beginning or the checkpoint to the last step."""
    state, last = _begin(problem, method), method.steps
    while state.step < last and not state.over.all():
        state = step(problem, method, state)
        if method.checkpoint and (state.step % method.save_every == 0 or state.step == last or state.over.all()):
            training_file.write(method.checkpoint, vars(state), method.identity(problem))
        if method.progress:
            method.progress(state.step, float(state.best_score.min()))
    return state


def _begin(problem: AnyProblem, method: GradientTraining) -> State:
    if method.checkpoint and Path(method.checkpoint).exists():
        return State(**training_file.read(method.checkpoint, method.identity(problem), [f.name for f in fields(State)]))
    starts = problem.model.starts(method.restarts, method.seed)
    return State.begin(np.tile(starts, (len(method.rates()) // method.restarts, 1)))


def step(problem: AnyProblem, method: GradientTraining, state: State) -> State:
    """Look at every start where it is, keep it if it is its best, and move it."""
    training, validation, gradient, stable = _look(problem, state)
    state = _kept(state, method, validation if problem.holds_out else training, stable)
    norm = np.linalg.norm(gradient, axis=1)
    rate = method.rates() * (LAST_RATE + (1 - LAST_RATE) * (1 + np.cos(np.pi * state.step / method.steps)) / 2) * state.factor
    gradient = gradient * np.minimum(1.0, method.clip / np.maximum(norm, TINY))[:, None]
    moves = stable & (state.over == 0)
    row = np.where(moves, [training, validation, norm, rate], np.nan)
    return replace(_moved(state, gradient, rate, stable, moves), history=np.concatenate([state.history, row[None]]))


def _look(problem: AnyProblem, state: State) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """Losses trained on and held out (shares not explained), the objective's gradient, and which starts are within bounds.

    What is over is not looked at: not a number.
    """
    going = state.over == 0
    at = torch.tensor(state.theta[going], requires_grad=True)
    objective, training, validation, stable = problem.objective(at, state.step)
    (gradient,) = torch.autograd.grad(objective.sum(), at)
    within = stable.numpy() & np.isfinite(gradient.numpy()).all(axis=1) & np.isfinite(objective.detach().numpy())
    losses = np.full((2, len(going)), np.nan)
    losses[:, going] = training.numpy(), validation.numpy()
    slopes, found = np.zeros_like(state.theta), np.zeros(len(going), dtype=bool)
    slopes[going], found[going] = np.where(within[:, None], gradient.numpy(), 0.0), within
    return losses[0], losses[1], slopes, found


def _kept(state: State, method: GradientTraining, score: Array, stable: NDArray[np.bool_]) -> State:
    """With what a look showed: better places, failures, and which starts are over."""
    going = state.over == 0
    better = going & stable & (score < state.best_score * (1 - IMPROVES))
    failures = np.where(stable, 0.0, state.failures + going)
    best_step = np.where(better, state.step, state.best_step)
    over = ~going | (failures > MOST_FAILURES) | (state.step - best_step >= method.patience)
    return replace(
        state,
        best=np.where(better[:, None], state.theta, state.best),
        best_score=np.where(better, score, state.best_score),
        best_step=best_step,
        good=np.where((going & stable)[:, None], state.theta, state.good),
        failures=failures,
        factor=np.where(stable | ~going, state.factor, state.factor / 2),
        over=over.astype(float),
    )


def _moved(state: State, gradient: Array, rate: Array, stable: NDArray[np.bool_], moves: NDArray[np.bool_]) -> State:
    """One step of Adam for the starts that move; back to half-way to the last good place, with fresh moments, for those out of bounds."""
    since = np.where(stable, state.since + 1, 0.0)
    momentum = np.where(stable[:, None], MOMENTUM * state.momentum + (1 - MOMENTUM) * gradient, 0.0)
    second = np.where(stable[:, None], SECOND_MOMENT * state.second + (1 - SECOND_MOMENT) * gradient**2, 0.0)
    count = np.maximum(since, 1)[:, None]
    direction = momentum / (1 - MOMENTUM**count) / (np.sqrt(second / (1 - SECOND_MOMENT**count)) + TINY)
    theta = np.where(moves[:, None], state.theta - rate[:, None] * direction, state.theta)
    lost = ~stable & (state.over == 0)
    theta = np.where(lost[:, None], (theta + state.good) / 2, theta)
    return replace(state, theta=theta, momentum=momentum, second=second, since=since)


# --- the result -----------------------------------------------------------------------------------------------------------------------


def _result(problem: Problem, method: GradientTraining, state: State, seconds: float) -> TrainedNetwork:
    order = np.argsort(state.best_score, kind="stable")
    members, score = state.best[order], state.best_score[order]
    found = np.isfinite(score) if np.isfinite(score).any() else np.arange(len(score)) == 0
    members, score = members[found], score[found]
    weights = problem.weights(score)
    rng = np.random.default_rng([method.seed, state.step])
    counts = rng.multinomial(method.points, weights) if np.isfinite(score[0]) else np.zeros(len(weights), dtype=int)
    points = [problem.points(member, count, rng) for member, count in zip(members, counts, strict=True) if count]
    ensemble = Ensemble(problem.model.prior.names, members, weights, np.concatenate([np.zeros((0, members.shape[1])), *points]))
    validation = 1 - score if problem.holds_out else np.full(len(score), np.nan)
    history = TrainingHistory(*state.history.transpose(1, 0, 2))
    return TrainedNetwork(
        problem.model, problem.sessions(members[0]), ensemble, _status(state), history, validation, seconds, method.seed
    )  # fmt: skip


def _sequence_fit(problem: SequenceProblem, method: GradientTraining, state: State, began: float) -> SequenceFit:
    order = np.argsort(state.best_score, kind="stable")
    seeds = [problem.model.network.settings["seed"], *range(method.seed + 1, method.seed + method.restarts)]
    starts = pd.DataFrame(
        {
            "seed": np.resize(seeds, len(order)),
            "learning_rate": method.rates(),
            "loss": state.best_score,
            "step": state.best_step.astype(int),
        }
    )
    networks = tuple(problem.model.at(state.best[k] if np.isfinite(state.best_score[k]) else state.theta[k]) for k in order)
    history = TrainingHistory(*state.history.transpose(1, 0, 2))
    return SequenceFit(networks, starts.iloc[order].reset_index(drop=True), _status(state), history, time.perf_counter() - began)


def _status(state: State) -> TrainingStatus:
    if not np.isfinite(state.best_score).any():
        return TrainingStatus.DIVERGED
    return TrainingStatus.CONVERGED if state.over.all() else TrainingStatus.MAXIMUM_ITERATIONS
