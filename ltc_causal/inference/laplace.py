"""Variational Laplace: a Gaussian posterior under Gaussian priors, with the noise level estimated beside it.

    y_c = f_c(theta) + X0 beta_c + e_c,   e_c ~ N(0, I / (exp(h_c) + exp(-32))),   theta ~ N(m, S),   beta ~ N(0, 1e8),   h_c ~ N(hE, hC)

for each channel c, a region in a session (Friston et al. 2007).

Lives here: the method object, and SPM's path (expectation, maximisation, a regularised Newton step), followed step by step. Does not live
here: the path to the fixed point (`fixed_point`); any model, since all that is seen of one is `core.model.GenerativeModel`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.result import History, Status
from ltc_causal.errors import InputError, one_of
from ltc_causal.inference import fixed_point
from ltc_causal.inference.design import Array, Ascent, Design, Point, Sums, evaluate, nowhere, parameters, start
from ltc_causal.inference.noise import Level, gradient_norm, noise_level
from ltc_causal.inference.steps import Bend, bend_at, exponential_step, moved

NOISE_UPDATES, NOISE_GAIN = 8, 1e-2  # at most so many updates of the noise per iteration; nats, smaller predicted gains end them
TIME_AT_START, TIME_MOST, TIME_RISE, TIME_FALL = -4.0, 4.0, 0.5, 2.0  # log integration time of a step, and how it moves
GAIN_TOLERANCE, CALM_STEPS = 1e-1, 4  # nats; so many steps in a row must promise less
UNSEEN = 2  # points that are kept whatever their free energy
RETRIES = 4  # shorter steps tried when a prediction is unstable
STALLED_GRADIENT = 0.25  # times the root of the number of parameters, nats per posterior sd; a converged ascent ends far below
NEAR_TOLERANCE = 1e-2  # nats per posterior sd, at which an ascent that began near its end may stop
UNINFORMED = 1.0  # nats from prior to posterior, all parameters together


@dataclass(frozen=True)
class VariationalLaplace:
    """Variational Laplace.

    path : "spm", the ascent that SPM takes, which ends when its steps promise little and so depends on where it began (it goes on where SPM
        would end too early, with steps still taken and the gradient above STALLED_GRADIENT; with SPM's differences it does not); or "fixed_point", on to
        the point where the gradient is zero at the noise level that belongs to it
    differences : "exact" derivatives, or "spm" to imitate SPM's forward differences (slow; for comparing with SPM to many digits)
    max_iterations : an ascent ends there, and says so
    starts : begin at so many points: the model's own (all of them, be they more), then draws from the prior; the highest free energy wins
    seed : of these draws
    """

    path: str = "spm"
    differences: str = "exact"
    max_iterations: int = 128
    starts: int = 1
    seed: int = 0

    def __post_init__(self):
        one_of("VariationalLaplace.path", self.path, ("spm", "fixed_point"))
        one_of("VariationalLaplace.differences", self.differences, ("exact", "spm"))
        for name in ("max_iterations", "starts"):
            if not isinstance(getattr(self, name), int | np.integer) or getattr(self, name) < 1:
                raise InputError(f"VariationalLaplace.{name} must be a whole number of at least 1, got {getattr(self, name)!r}.")


def ascend(d: Design, theta: Array, method: VariationalLaplace, near: Point | None = None) -> Ascent:
    """Climb from a parameter vector along the method's path; a status of convergence is then checked against what the path cannot see.

    near : begin there instead, because a model that predicts almost the same ended there; SPM's path, made for the way from afar, then
        gives way to the one to the fixed point, which ends early
    """
    point = start(d, theta) if near is None else near
    # A course that runs away overflows: that is found, and answered with a shorter step, so no warning is due.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if method.path == "fixed_point":
            ascent = fixed_point.climb(d, point, method.max_iterations, is_near=near is not None)
        elif near is not None:
            ascent = fixed_point.climb(d, point, method.max_iterations, is_near=True, tolerance=NEAR_TOLERANCE)
        else:
            ascent = _climb(d, point, method.max_iterations)
    return ascent._replace(status=_checked(d, ascent))


def _checked(d: Design, ascent: Ascent) -> Status:
    if ascent.status is not Status.CONVERGED:
        return ascent.status
    # SPM's differences go on with an overflown course, which must not count as an answer.
    if d.differences == "spm" and not _is_stable(d, ascent.point):
        return Status.DIVERGED
    if not ascent.gradient_norm < _stalled(d):
        return Status.STALLED
    return Status.CONVERGED if information_gained(d, ascent) >= UNINFORMED else Status.NOT_INFORMED


def _stalled(d: Design) -> float:
    """Gradient norm beyond which an ascent has not arrived: a quarter of a posterior sd in every parameter."""
    return STALLED_GRADIENT * float(np.sqrt(len(d.precision)))


def _is_stable(d: Design, point: Point) -> bool:
    theta = parameters(d, point.p)
    return all(d.model.predict(theta, features, d.differences)[1] for features in d.features)


def information_gained(d: Design, ascent: Ascent) -> float:
    """Kullback-Leibler divergence of the posterior over all parameters from their prior, in nats."""
    return nats_gained(ascent.point.p, ascent.cov, d.precision)


def nats_gained(p: Array, cov: Array, precision: Array) -> float:
    """Kullback-Leibler divergence of N(p, cov) from N(0, 1 / precision), independent coordinates, in nats."""
    log_det = np.linalg.slogdet(cov)[1] + np.log(precision).sum()
    return float(0.5 * (precision @ np.diag(cov) + precision @ p**2 - len(p) - log_det))


class _Place(NamedTuple):
    """A point that was visited: its log-precisions are still those that it was visited with."""

    point: Point
    sums: Sums
    predictions: tuple[Array, ...]
    level: Level


class _Kept(NamedTuple):
    """What is known of the best point so far; its log-precisions are those found there."""

    point: Point
    predictions: tuple[Array, ...]
    level: Level
    bend: Bend
    norm: float


def _visit(d: Design, point: Point) -> _Place | None:
    """Predict and differentiate, and estimate the noise; None where the model is unstable."""
    found = evaluate(d, point.p, point.beta)
    if found is None:
        return None
    level = noise_level(d, point, found[0], NOISE_UPDATES, NOISE_GAIN)
    return None if level is None else _Place(point, *found, level)


def _climb(d: Design, point: Point, max_iterations: int) -> Ascent:
    """SPM's loop: visit a point, keep it or go back, step."""
    kept: _Kept | None = None
    time, calm, status = TIME_AT_START, 0, Status.MAXIMUM_ITERATIONS
    records = []
    for iteration in range(max_iterations):
        place = _visit(d, point)
        for _ in range(RETRIES):
            if place is not None or kept is None:
                break
            time = min(time - TIME_FALL, TIME_AT_START)
            place = _visit(d, moved(kept.point, exponential_step(kept.bend, time)))
        if place is None:
            status = Status.DIVERGED
            break
        here = place.point._replace(h=place.level.h)
        norm = gradient_norm(d, here, place.sums, place.level.cov)
        energy = place.level.free_energy
        # The first points are kept unseen: the noise level is still settling, and free energies do not yet compare.
        accepted = kept is None or energy > kept.level.free_energy or iteration < UNSEEN
        if kept is None or accepted:
            bend = bend_at(d, place.point, place.sums, place.level.used, place.level.log_det)
            kept = _Kept(here, place.predictions, place.level, bend, norm)
            time = min(time + TIME_RISE, TIME_MOST)
        else:
            time = min(time - TIME_FALL, TIME_AT_START)
        step = exponential_step(kept.bend, time)
        point, gain = moved(kept.point, step), step[2]
        records.append((energy, np.sqrt(d.precision @ step[0] ** 2), gain, accepted, norm))
        calm = calm + 1 if gain < GAIN_TOLERANCE else 0
        # SPM ends here even if its steps promise little only because they are short, as they are in the beginning. Where every step was
        # refused there is nothing to wait for.
        refused = not any(kept_ for *_, kept_, _ in records[-CALM_STEPS:])
        if calm >= CALM_STEPS and (kept.norm < _stalled(d) or refused or d.differences == "spm"):
            status = Status.CONVERGED
            break
    if kept is None:
        return nowhere(d, point)
    level = kept.level
    return Ascent(kept.point, level.free_energy, level.cov, -1 / level.curvature, kept.predictions, status, History.of(records), kept.norm)


def posterior(d: Design, ascent: Ascent) -> Gaussian:
    """The Gaussian over all parameters, the fixed ones at their prior mean."""
    prior = d.model.prior
    cov = np.zeros_like(prior.cov)
    inner = (ascent.cov + ascent.cov.T) / 2
    cov[np.ix_(prior.free, prior.free)] = inner if d.basis is None else d.basis @ inner @ d.basis.T
    return Gaussian(prior.names, parameters(d, ascent.point.p), cov)
