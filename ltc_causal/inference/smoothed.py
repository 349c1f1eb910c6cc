"""Regression on signals that were measured with noise, and intervals that take that into account.

dy/dt = A y + C u* + (d/dt - A) e with e the measurement noise: least squares on y itself is drawn towards zero by e. So

1. each region's signal is projected on what a linear network can answer to the inputs (`response_basis`); what is left is noise
2. the rate of change of the measured signal is regressed on the projected signals and on the inputs, each frequency weighted by the inverse of
   the noise that stands in it, w^2 sigma_i^2 + sum_j A_ij^2 sigma_j^2, with one spread of A and one of C for the whole network, both found
   from the data (two rounds)
3. networks are drawn from that posterior, recordings simulated from them with the noise found, and fitted in the same way; the posterior's
   standard deviations are multiplied by what it takes for their 90 % intervals to hold 92 % of the connections drawn (two rounds)

The first two steps are two-stage least squares with the inputs as instruments (Theil 1953); the third is a parametric bootstrap.

Lives here: `smoothed`. Does not live here: the regressions themselves (`conjugate`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.blocks import root
from ltc_causal.core.regression import RegionSolution, RegressionProblem, SmoothedProblem
from ltc_causal.inference.checkpoint import Parts
from ltc_causal.inference.conjugate import covariance, ridge
from ltc_causal.numerics import response_basis as basis
from ltc_causal.numerics.spectral_regression import real_rows

Array = NDArray[np.float64]

ROUNDS = 2  # of weights and spreads, and of simulations
SPREAD = (4.0, 1.0)  # precision of A (1/Hz^2) and of C at the start
LEAST_SPREAD = (0.2, 2e-3)  # what two connections more add to the sums of squares, so that a network of few connections has a spread
SLOWEST = 0.05  # 1/s, of the simulated networks' modes
CONNECTIONS = 2000  # simulated altogether in a round, so that the share in their intervals is known to about a percent
MOST_REPLICATES = 24
AIM = 0.92  # of the simulated networks inside 90 % intervals: what simulations share with the fit (basis, white noise) they cannot show
NINETY = 1.6448536269514722  # half-width of a central 90 % interval, in sd


class Frame(NamedTuple):
    """What does not depend on the signal: the problem, the window and its slope, the projection (scan, scan) by its factors, the inputs' spectra."""

    problem: SmoothedProblem
    w: Array
    slope: Array
    columns: Array
    solve: Array
    driven: NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class Smoothed:
    """Weights (region, column) over A then C and their sd; each region's solution, and its regression on request."""

    mean: Array
    sd: Array
    regions: list[RegionSolution]
    problem_of: Callable[[int], RegressionProblem]
    noise: Array
    free_energy: float
    widening: float = 1.0

    def covariance_of(self, region: int, columns: NDArray[np.int64]) -> Array:
        """Of some of a region's columns, not widened."""
        return covariance(self.problem_of(region), 0, self.regions[region], columns)


def smoothed(problem: SmoothedProblem, replicates: int | None, seed: int, run: Parts) -> Smoothed:
    """The three steps.

    replicates : simulated recordings a round; None for as many as hold about 2000 connections, at most 24; 0 leaves the intervals as they are
    """
    frame = _frame(problem)
    found = _estimate(frame, problem.signal, run, "fit")
    count = _replicates(problem, replicates)
    rng = np.random.default_rng(seed)
    for number in range(ROUNDS if count else 0):
        roots = [_root(found, region, problem) for region in range(problem.n_region)]
        z = np.concatenate([_deviation(frame, found, roots, rng, run, f"simulated-{number}-{copy}") for copy in range(count)])
        found = replace(found, widening=max(float(np.quantile(np.abs(z), AIM)) / NINETY, 1.0))
    return found


def _replicates(problem: SmoothedProblem, replicates: int | None) -> int:
    if replicates is not None:
        return replicates
    return int(np.clip(-(-CONNECTIONS // int(problem.intrinsic.sum())), 1, MOST_REPLICATES))


def parts_of_smoothed(problem: SmoothedProblem, replicates: int | None) -> int:
    """How many regressions of one region there are in all."""
    return ROUNDS * problem.n_region * (1 + ROUNDS * _replicates(problem, replicates))


def _frame(problem: SmoothedProblem) -> Frame:
    n = len(problem.signal)
    w, slope = basis.window(n, problem.dt)
    columns = np.concatenate([problem.confounds, basis.responses(problem.driven, problem.dt)], axis=1)
    solve = np.linalg.pinv(columns, rcond=1e-8).astype(float)
    return Frame(problem, w, slope, columns, solve, np.fft.rfft(problem.driven * w, axis=0))


def _estimate(frame: Frame, y: Array, run: Parts, stage: str) -> Smoothed:
    """Steps 1 and 2."""
    problem, n_confound = frame.problem, frame.problem.confounds.shape[1]
    weights = frame.solve @ y
    explained = frame.columns @ weights
    noise = ((y - explained) ** 2).sum(axis=0) / (len(y) - len(weights))
    confounds = problem.confounds @ weights[:n_confound]
    _, target = basis.rate_of_change(y - confounds, frame.w, frame.slope, problem.dt)
    S = np.fft.rfft((explained - confounds) * frame.w, axis=0)
    X = np.concatenate([S, frame.driven], axis=1)
    n = problem.n_region
    A, spread = np.diag(np.full(n, problem.self_mean)), SPREAD
    found: Smoothed | None = None
    alone = [[region] for region in range(n)]
    for number in range(ROUNDS):
        scale = _weights(frame, A, noise)
        problem_of = _problems(frame, X, target, scale, spread)
        regions = run.regions(f"{stage}-{number}", alone, lambda some, of=problem_of: ridge(of(some[0])))
        found = _collected(regions, problem_of, noise, problem, scale)
        A, spread = found.mean[:, :n], _spreads(found, problem)
    assert found is not None
    return found


def _weights(frame: Frame, A: Array, noise: Array) -> Array:
    """Expected amplitude of the noise in the rate of change, shape (frequency, region)."""
    rate = 2 * np.pi * np.fft.rfftfreq(len(frame.w), frame.problem.dt)[:, None]
    return np.sqrt((rate**2 * noise + A**2 @ noise) * (frame.w**2).sum())


def _problems(frame: Frame, X: Any, target: Any, scale: Array, spread: tuple[float, float]) -> Callable[[int], RegressionProblem]:
    """Each region's regression, made when asked for: rows weighted, frequency 0 left out."""
    problem = frame.problem
    n, m = problem.n_region, problem.driven.shape[1]

    def one(region: int) -> RegressionProblem:
        last = np.array([len(scale) - 1])
        by = scale[:, region, None]
        rows = real_rows(X / by, target[:, region, None] / by, last, len(frame.w))
        mean, precision = np.zeros((1, n + m)), np.full((1, n + m), np.inf)
        precision[0, :n][problem.intrinsic[region]] = spread[0]
        precision[0, n:][problem.driving[region]] = spread[1]
        mean[0, region], precision[0, region] = problem.self_mean, 1 / problem.self_sd**2
        ends = rows.ends - 1
        return RegressionProblem(rows.design[1:], rows.target[1:], ends, ends.astype(float), mean, precision)

    return one


def _collected(
    regions: list[RegionSolution], problem_of: Callable[[int], RegressionProblem], noise: Array, problem: SmoothedProblem, scale: Array
) -> Smoothed:
    n, m = problem.n_region, problem.driven.shape[1]
    paired = scale[1:-1] if len(problem.signal) % 2 == 0 else scale[1:]
    log_weights = 2 * np.log(paired).sum() + (np.log(scale[-1]).sum() if len(problem.signal) % 2 == 0 else 0.0)
    found = Smoothed(
        np.array([one.mean for one in regions]), np.zeros((n, n + m)), regions, problem_of, noise,
        sum(one.free_energy for one in regions) - float(log_weights),
    )  # fmt: skip
    for region in range(n):
        there = _columns(problem, region)
        found.sd[region, there] = np.sqrt(np.diag(found.covariance_of(region, there)))
    return found


def _columns(problem: SmoothedProblem, region: int) -> NDArray[np.int64]:
    return np.flatnonzero(np.concatenate([problem.intrinsic[region], problem.driving[region]]))


def _spreads(found: Smoothed, problem: SmoothedProblem) -> tuple[float, float]:
    """Precisions of A (between regions) and of C at which the weights found are most likely (MacKay 1992)."""
    n = problem.n_region
    squares = found.mean**2 + found.sd**2
    between = problem.intrinsic & ~np.eye(n, dtype=bool)
    sums = [(between.sum(), squares[:, :n][between].sum()), (problem.driving.sum(), squares[:, n:][problem.driving].sum())]
    A, C = ((count + 2) / (total + least) for (count, total), least in zip(sums, LEAST_SPREAD, strict=True))
    return float(A), float(C)


def _root(found: Smoothed, region: int, problem: SmoothedProblem) -> Array:
    return root(found.covariance_of(region, _columns(problem, region)))


def _deviation(frame: Frame, found: Smoothed, roots: list[Array], rng: np.random.Generator, run: Parts, stage: str) -> Array:
    """Step 3, one simulated recording: (found - drawn)/sd of A's connections."""
    problem, n = frame.problem, frame.problem.n_region
    drawn = found.mean.copy()
    for region, R in enumerate(roots):
        drawn[region, _columns(problem, region)] += found.widening * (R @ rng.standard_normal(len(R)))
    A = basis.stable(drawn[:, :n], SLOWEST)
    signal = basis.network_response(A, drawn[:, n:], problem.driven, problem.dt)
    y = signal + np.sqrt(found.noise) * rng.standard_normal(signal.shape)
    again = _estimate(frame, y, run, stage)
    some = problem.intrinsic
    return ((again.mean[:, :n] - A) / np.where(again.sd[:, :n] > 0, again.sd[:, :n], 1.0))[some]
