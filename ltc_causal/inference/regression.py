"""Inversion of a linear model of many regions: the method, and the Fit that it gives.

Lives here: `Regression` and `fit_regression`. Does not live here: how a region is regressed (`conjugate`, `sparse`, `smoothed`), how a network is
fitted as a whole (`network`, `sparse_network`, `honest`), how a run goes on where it was stopped (`checkpoint`).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

from ltc_causal.core.ascent import Attempt, History, Status
from ltc_causal.core.blocks import Blocks
from ltc_causal.core.data import Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.regression import NetworkProblem, RegionSolution, RegressionModel, RegressionProblem, SmoothedProblem
from ltc_causal.core.result import Fit, Session
from ltc_causal.errors import InputError
from ltc_causal.inference.checkpoint import Parts, parts
from ltc_causal.inference.conjugate import covariance, ridge
from ltc_causal.inference.smoothed import parts_of_smoothed, smoothed
from ltc_causal.inference.sparse import sparse_regions
from ltc_causal.inference.whole import parts_of_network, solve_network
from ltc_causal.numerics.least_squares import fitted

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Regression:
    """Bayesian regression, region by region; at rest, and of a sparse corrected model, of the network as a whole.

    restarts : of a sparse TAPAS model's sweeps over the indicators, each in a random order; 1 is one start in the columns' own order
    replicates : simulated data sets by which the corrected variant's intervals are made honest; None for as many as hold about 2000 connections
        (250 of a network as a whole)
    rounds : of a sparse corrected model, how often at most the network of likely connections is fitted anew; less is quicker and rougher
    seed : of the orders, of the indicators' draws and of the simulations
    workers : threads; numbers do not depend on it
    progress : called with (done, of how many) after each part of the run; True for a line on stderr
    folder : where each part is kept as soon as it is done, so that a run that was stopped goes on where it was and ends the same; delete it
        afterwards. A part is a region (of each candidate sparsity, or of each simulated data set), or a step of a fit as a whole
    """

    restarts: int = 1
    replicates: int | None = None
    rounds: int = 6
    seed: int = 0
    workers: int = 1
    progress: Callable[[int, int], object] | bool | None = None
    folder: str | Path | None = None

    def __post_init__(self):
        for name, least in (("restarts", 1), ("rounds", 1), ("workers", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise InputError(f"Regression({name}) must be a whole number of at least {least}, got {value!r}.")
        if self.replicates is not None and (not isinstance(self.replicates, int) or self.replicates < 0):
            raise InputError(f"Regression(replicates) must be None or a whole number from 0, got {self.replicates!r}.")

    def parts(self, problem: Any, total: int) -> Parts:
        """What of a run is there already, and how the rest is done."""
        words = repr(("regression, 1", self.restarts, self.replicates, self.rounds, self.seed))
        return parts(self.folder, problem, words, self.workers, self.progress, total)


class Solved(NamedTuple):
    """Every region's solution, the weights (region, column), their covariance of a region's columns, which candidate won, and all free energies."""

    regions: list[RegionSolution]
    weights: Array
    covariance: Callable[[int, NDArray[np.int64]], Array]
    chosen: int
    free_energies: list[float]
    sparse: bool


def fit_regression(model: RegressionModel, recordings: Sequence[Recording], method: Regression) -> Fit:
    """The fit of one recording; raises `InputError` for several, whose regressions would differ."""
    began = time.perf_counter()
    if len(recordings) != 1:
        raise InputError(f"A regression DCM is fitted to one recording, got {len(recordings)}: fit each, and compare or average the fits.")
    recording = recordings[0].select(model.regions)
    problem = model.regression(recording)
    solved = _solved(problem, method)
    posterior, inclusion = _posterior(model, solved)
    F = solved.free_energies[solved.chosen]
    status = Status.CONVERGED if all(one.converged for one in solved.regions) else Status.MAXIMUM_ITERATIONS
    candidates = getattr(model, "sparsity", ()) if isinstance(problem, RegressionProblem) and problem.inclusion else ()
    starts = tuple(
        Attempt(f"sparsity {p:g}", energy, status, 0, np.nan)
        for p, energy in zip(candidates, solved.free_energies, strict=bool(candidates))
    )
    history = History.of([(F, 0.0, 0.0, True, np.nan)])
    return Fit(
        model, (_session(model, recording, posterior, solved),), posterior, F, status, history, np.nan, time.perf_counter() - began, method.seed,
        starts, inclusion=inclusion if solved.sparse else None,
    )  # fmt: skip


def _solved(problem: RegressionProblem | SmoothedProblem | NetworkProblem, method: Regression) -> Solved:
    if isinstance(problem, SmoothedProblem):
        return _solve_smoothed(problem, method)
    if isinstance(problem, NetworkProblem):
        run = method.parts(problem, parts_of_network(problem, method.replicates))
        return Solved(*solve_network(problem, method.replicates, method.seed, method.rounds, run), sparse=problem.sparse)
    return _solve(problem, method)


def _solve(problem: RegressionProblem, method: Regression) -> Solved:
    energies, best, chosen = [], [], 0
    candidates = max(len(problem.inclusion), 1)
    run = method.parts(problem, candidates * problem.n_region)
    for candidate in range(candidates):
        if problem.inclusion:
            regions = sparse_regions(problem, candidate, method.restarts, method.seed, run)
        else:
            regions = ridge(problem, run)
        energies.append(sum(one.free_energy for one in regions))
        if energies[-1] == max(energies):
            best, chosen = regions, candidate
    weights = np.array([one.mean for one in best])
    return Solved(
        best, weights, lambda region, columns: covariance(problem, region, best[region], columns), chosen, energies, bool(problem.inclusion)
    )


def _solve_smoothed(problem: SmoothedProblem, method: Regression) -> Solved:
    run = method.parts(problem, parts_of_smoothed(problem, method.replicates))
    found = smoothed(problem, method.replicates, method.seed, run)
    regions = [replace(one, rate=one.rate * noise) for one, noise in zip(found.regions, found.noise, strict=True)]
    return Solved(
        regions, found.mean, lambda region, columns: found.widening**2 * found.covariance_of(region, columns), 0, [found.free_energy], False
    )


def _posterior(model: RegressionModel, solved: Solved) -> tuple[Gaussian, Array]:
    n = len(model.regions)
    where = [model.parameters_of(region) for region in range(n)]
    mean = np.zeros(len(model.edge_names))
    scale = model.driving_scale
    inclusion = np.ones(len(mean))
    for (positions, columns), weights, one in zip(where, solved.weights, solved.regions, strict=True):
        mean[positions], inclusion[positions] = weights[columns], one.indicator[columns]
    driving = np.array([name.startswith("C") for name in model.edge_names])
    mean[driving] *= scale

    def block(region: int) -> Array:
        return solved.covariance(region, where[region][1])

    cov: Any = Blocks([positions for positions, _ in where], block)
    return Gaussian(model.edge_names, mean, cov), inclusion


def _session(model: RegressionModel, recording: Recording, posterior: Gaussian, solved: Solved) -> Session:
    a = np.array([one.shape for one in solved.regions])
    b = np.array([one.rate for one in solved.regions])
    noise = Gaussian(tuple(model.regions), digamma(a) - np.log(b), np.diag(polygamma(1, a)))
    explained = model.explained(posterior.mean, recording)
    confounds = fitted(recording.confounds, recording.series.values - explained)
    return Session(recording, explained, confounds, noise)
