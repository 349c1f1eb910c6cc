"""The ascent to the fixed point: the parameters at which the gradient is zero, at log-precisions whose own gradient is zero there.

Where SPM's path ends depends on how it went; this point does not, as long as the starts lie below the same maximum. Each step is a damped
Gauss-Newton step in p (Marquardt 1963; the damping follows Nielsen 1999), in the metric of the prior, with the confounds at their optimum
throughout; it is kept if the log joint density rises at the noise level from which it was taken. Then the noise level is found anew, to
the last digits. Near the end the steps also learn the curvature that Gauss and Newton leave out: where a model explains its data badly,
that is as large as the rest, and without it the steps overshoot for ever.

Lives here: that ascent. Does not live here: what it shares with SPM's path (`design`, `noise`).
"""

from typing import NamedTuple

import numpy as np

from ltc_causal.core.result import History, Status
from ltc_causal.inference.design import CONFOUND_PRECISION, Array, Ascent, Design, Point, Sums, evaluate, nowhere
from ltc_causal.inference.noise import Level, gradient, gradient_norm, noise_level, precisions, with_best_confounds

NOISE_UPDATES, NOISE_GAIN = 64, 1e-22  # the noise level is found to rounding
GRADIENT_TOLERANCE = 1e-7  # nats per posterior sd
ROUNDING = 1e-12  # of the log joint density: smaller losses are none
NEAR = 1.0  # nats per posterior sd: beyond it the curvature changes from step to step
LEAST_ANGLE = 1e-8  # between a correction and its step: below it the correction is not to be trusted
LEAST_CORRECTION = -0.9  # of the curvature
DAMPING_AT_START, DAMPING_MOST, RISE, LEAST_FALL = 1.0, 1e12, 5.0, 1 / 4
DAMPING_NEAR = 1e-4  # with which an ascent begins near its end


class _Place(NamedTuple):
    """A point with the noise level that belongs to it, and its confounds at their optimum."""

    point: Point
    sums: Sums
    predictions: tuple[Array, ...]
    level: Level
    gradient: Array
    norm: float


class _Trial(NamedTuple):
    """Where a step led: the place, and what it gained and how the gradient changed at the noise level from which it was taken."""

    place: _Place
    gain: float
    fall: Array


def climb(d: Design, point: Point, max_iterations: int, is_near: bool, tolerance: float = GRADIENT_TOLERANCE) -> Ascent:
    """From a point to the fixed point above it, until the gradient is within the tolerance (nats per posterior sd)."""
    place = _visit(d, point)
    if place is None:
        return nowhere(d, point)
    damping = DAMPING_NEAR if is_near else DAMPING_AT_START
    missing = np.zeros_like(place.level.cov)
    records, status = [], Status.MAXIMUM_ITERATIONS
    for _ in range(max_iterations):
        information = place.level.information
        missing = _trusted(missing, information)
        bend = information + missing
        step = np.asarray(np.linalg.solve(bend + damping * np.diag(d.precision), place.gradient), dtype=np.float64)
        promised = float(step @ place.gradient - 0.5 * step @ bend @ step)
        negligible = ROUNDING * abs(place.level.free_energy)
        trial = _tried(d, place, step)
        accepted = trial is not None and trial.gain > -negligible
        seen = place if trial is None else trial.place
        records.append((seen.level.free_energy, np.sqrt(d.precision @ step**2), promised, accepted, seen.norm))
        if trial is not None and accepted:
            place = trial.place
            missing = _learnt(missing, step, trial.fall - information @ step) if place.norm < NEAR else np.zeros_like(missing)
            # Close to the end the gain is rounding, and says nothing of the damping.
            ratio = trial.gain / promised if promised > negligible else 1.0
            damping *= max(LEAST_FALL, 1 - (2 * ratio - 1) ** 3)
        else:
            damping *= RISE
        if place.norm < tolerance or damping > DAMPING_MOST:
            status = Status.CONVERGED if place.norm < tolerance else Status.STALLED
            break
    level = place.level
    return Ascent(
        place.point, level.free_energy, level.cov, -1 / level.curvature, place.predictions, status, History.of(records), place.norm
    )


def _visit(d: Design, point: Point) -> _Place | None:
    found = evaluate(d, point.p, point.beta)
    return None if found is None else _with_its_noise(d, *with_best_confounds(d, point, found[0]), found[1])


def _tried(d: Design, place: _Place, step: Array) -> _Trial | None:
    """None where the step leads to an unstable point."""
    point = place.point._replace(p=place.point.p + step)
    found = evaluate(d, point.p, point.beta)
    if found is None:
        return None
    point, sums = with_best_confounds(d, point, found[0])
    reached = _with_its_noise(d, point, sums, found[1])
    if reached is None:
        return None
    gain = _log_joint(d, point, sums) - _log_joint(d, place.point, place.sums)
    return _Trial(reached, gain, place.gradient - gradient(d, point, sums))


def _with_its_noise(d: Design, point: Point, sums: Sums, predictions: tuple[Array, ...]) -> _Place | None:
    level = noise_level(d, point, sums, NOISE_UPDATES, NOISE_GAIN)
    if level is None:
        return None
    point, sums = with_best_confounds(d, point._replace(h=level.h), sums)
    return _Place(point, sums, predictions, level, gradient(d, point, sums), gradient_norm(d, point, sums, level.cov))


def _learnt(missing: Array, step: Array, surplus: Array) -> Array:
    """What Gauss and Newton leave out of the curvature, as far as the steps show it: a symmetric correction of rank one (Davidon 1959)."""
    rest = surplus - missing @ step
    size = rest @ step
    if abs(size) <= LEAST_ANGLE * np.linalg.norm(rest) * np.linalg.norm(step):
        return missing
    return missing + np.outer(rest, rest) / size


def _trusted(missing: Array, information: Array) -> Array:
    """The correction, or none if it would all but cancel the curvature: then it was learnt elsewhere, and is learnt anew."""
    if not missing.any():
        return missing
    try:
        L = np.linalg.cholesky(information)
        relative = np.linalg.solve(L, np.linalg.solve(L, missing).T)
        trusted = np.linalg.eigvalsh(relative)[0] > LEAST_CORRECTION
    except np.linalg.LinAlgError:  # singular to rounding
        trusted = False
    return missing if trusted else np.zeros_like(missing)


def _log_joint(d: Design, point: Point, sums: Sums) -> float:
    """What depends on (p, beta) of the log joint density of data and parameters at the point's noise level."""
    squares = precisions(point.h) @ sums.ee + d.precision @ point.p**2 + CONFOUND_PRECISION * (point.beta**2).sum()
    return float(-0.5 * squares)
