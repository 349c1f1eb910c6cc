"""Effects over time: the course after an impulse, or from the onset of a sustained change.

Lives here: `effect_curve`, its peak, latency and half-time. Does not live here: where the course ends (`effects`), frequencies
(`control`), courses of the nonlinear model itself (`predict`).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from ltc_causal.causal.effects import settled, unit_of
from ltc_causal.causal.local import (
    Local,
    Part,
    Route,
    Settings,
    effect,
    has_path,
    informed,
    local,
    no_path,
    route,
    status_of,
    summary,
    usable,
)
from ltc_causal.causal.source import Source
from ltc_causal.core.effect import Effect, EffectCurve, EffectStatus
from ltc_causal.errors import InputError, one_of, positive

Array = NDArray[np.float64]

TIME_CONSTANTS = 8.0  # of the slowest mode, the horizon unless one is given: e^-8 of it is left
POINTS = 401  # on the time grid
KINDS = ("impulse", "step", "clamp")


def effect_curve(
    source_object: Source,
    source: str,
    target: str,
    kind: str = "impulse",
    *,
    horizon: float | None = None,
    inputs: Mapping[str, float] | None = None,
    state: Mapping[str, float] | None = None,
    holding: Sequence[str] = (),
    draws: int = 1000,
    seed: int | np.random.Generator = 0,
    probability: float = 0.9,
) -> EffectCurve:
    """The course in time of an effect, linearised about an operating point.

    kind : of what happens at time 0, A and C the Jacobian's, c = e_j for a region and C_j for an input:

        "impulse"  the region's activity (or what the input drives) is kicked by c:    e^{At} c
        "step"     a unit of drive, or of the input, sets in and stays:                A^-1 (e^{At} - I) c
        "clamp"    the region is held at 1 from then on: as "step", of the rest R with c = A_Rj

    horizon : seconds; 8 time constants of the slowest mode at the mean coupling unless given
    holding : regions held where they are. With all others held, the clamp's course is A_ij (e^{A_ii t} - 1) / A_ii

    The course is worked out exactly on a grid of 401 times; peaks are refined by a parabola, half-times by a straight line. The area under
    an impulse's course and the end of a step's are the same number, `total`. All else as in `effects.total_effect`; draws without a stable
    equilibrium are set aside and counted, and if the mean has none, there is no course.

    Raises `InputError` for an unknown name or kind, or for an input that is to be clamped.
    """
    one_of("effect_curve(kind)", kind, KINDS)
    at = local(source_object, Settings(inputs, state, draws, seed, probability))
    if kind == "clamp" and source in at.coupling.inputs:
        raise InputError(f"effect_curve cannot clamp the input {source!r}, which follows its own course: ask for kind='step'.")
    way = route(at, source, target, holding, drive=kind != "clamp")
    seconds = _horizon(at, way) if horizon is None else positive("effect_curve(horizon)", horizon, "seconds")
    times = np.linspace(0.0, seconds, POINTS)
    unit = {"impulse": "activity per unit impulse", "step": unit_of(way), "clamp": unit_of(way)}[kind]

    def course(part: Part) -> Array:
        return courses(part, times, kind)

    reachable = has_path(at, way)
    value, drawn = (course(way.part(linear)) if reachable else np.zeros((len(linear.A), POINTS)) for linear in (at.mean, at.drawn))
    kept = np.isfinite(drawn[:, -1])
    unstable = float(np.mean(~kept))
    known = bool(np.isfinite(value[0, -1]))
    status = status_of(at, known, unstable, not (known and reachable) or informed(at, way, course))
    total = effect(at, way, settled, "Area under" if kind == "impulse" else "Final effect", unit_of(way))
    marks = [_marks(times, some, settled(way.part(linear)), kind) for some, linear in ((value, at.mean), (drawn, at.drawn))]
    peak, latency, half = (
        _mark(at, way, mean[0], some, name, its_unit, status, unstable)
        for mean, some, name, its_unit in zip(*marks, ("Peak", "Latency", "Half-time"), (unit, "s", "s"), strict=True)
    )
    if not reachable:
        status = EffectStatus.NO_PATH
        peak, total = (no_path(at, way, one.kind, one.unit) for one in (peak, total))
    return EffectCurve(
        source, target, times, value[0], *_band(drawn[kept], probability), drawn, peak, latency, half, total, kind, unit, status, unstable
    )  # fmt: skip


def courses(part: Part, times: Array, kind: str) -> Array:
    """The target's course in each draw, shape (draw, time), NaN where what remains is not stable; `times` are evenly spaced from 0.

    Of the augmented system z' = A z + c s, s' = 0 (Van Loan 1978), so that a step needs no inverse.
    """
    result = np.full((len(part.A), len(times)), np.nan)
    fine = usable(part.A, part.c)
    if not fine.any():
        return result
    A, c = part.A[fine], part.c[fine]
    n = A.shape[1]
    M = np.zeros((len(A), n + 1, n + 1))
    M[:, :n, :n] = A
    z = np.zeros((len(A), n + 1))
    if kind == "impulse":
        z[:, :n] = c
    else:
        M[:, :n, n], z[:, n] = c, 1.0
    onward = expm(M * (times[1] - times[0]))
    some = np.empty((len(A), len(times)))
    for step in range(len(times)):
        some[:, step] = z[:, part.place]
        z = (onward @ z[..., None])[..., 0]
    result[fine] = some
    return result


def _horizon(at: Local, way: Route) -> float:
    slowest = float(np.linalg.eigvals(way.part(at.mean).A).real.max())
    return TIME_CONSTANTS / abs(slowest) if slowest else TIME_CONSTANTS


def _band(drawn: Array, probability: float) -> tuple[Array, Array, Array, Array]:
    """Mean, sd and interval over draws, shape (time,) each; NaN where there are none."""
    if not len(drawn):
        nowhere = np.full(drawn.shape[1], np.nan)
        return nowhere, nowhere, nowhere, nowhere
    tail = (1 - probability) / 2
    lower, upper = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return drawn.mean(axis=0), drawn.std(axis=0, ddof=1) if len(drawn) > 1 else np.zeros(drawn.shape[1]), lower, upper


def _marks(times: Array, course: Array, final: Array, kind: str) -> tuple[Array, Array, Array]:
    """Peak, latency and half-time of each draw, shape (draw,); NaN where the course has none within its horizon."""
    peak, latency = _peaks(times, course)
    if kind == "impulse":
        after = np.where(times[None] >= latency[:, None], np.abs(course), np.inf)
        return peak, latency, _first_below(times, after, np.abs(peak) / 2) - latency
    return peak, latency, _first_below(times, -course * np.sign(final)[:, None], -np.abs(final) / 2)


def _peaks(times: Array, course: Array) -> tuple[Array, Array]:
    """Value and time of the largest deviation; a course still at its largest as the horizon ends has no peak."""
    rows = np.arange(len(course))
    size = np.where(np.isfinite(course), np.abs(course), 0.0)
    top = size.argmax(axis=1)
    peak, latency = course[rows, top], times[top]
    inner = (top > 0) & (top < len(times) - 1)
    before, at, after = (course[rows, np.clip(top + shift, 0, len(times) - 1)] for shift in (-1, 0, 1))
    bend = np.where(inner, before - 2 * at + after, 1.0)
    shift = np.where(inner, 0.5 * (before - after) / np.where(bend == 0, 1.0, bend), 0.0)
    peak = peak - np.where(inner, 0.25 * (before - after) * shift, 0.0)
    none = (top == len(times) - 1) | ~(size[rows, top] > 0)
    return np.where(none, np.nan, peak), np.where(none, np.nan, latency + shift * (times[1] - times[0]))


def _first_below(times: Array, course: Array, level: Array) -> Array:
    """When a course first is at or below a level, by straight lines between the times; NaN if never."""
    below = course <= level[:, None]
    first = below.argmax(axis=1)
    rows, last = np.arange(len(course)), np.maximum(first - 1, 0)
    high, low = course[rows, last], course[rows, first]
    with np.errstate(invalid="ignore"):
        share = np.where(np.isfinite(high) & (high > low), (high - level) / np.where(high > low, high - low, 1.0), 1.0)
    when = times[last] + share * (times[first] - times[last])
    return np.where(below.any(axis=1), when, np.nan)


def _mark(at: Local, way: Route, value: float, drawn: Array, kind: str, unit: str, status: EffectStatus, unstable: float) -> Effect:
    missing = np.isnan(value) and status is not EffectStatus.NO_EQUILIBRIUM
    return summary(at, way.names, float(value), drawn, kind, unit, EffectStatus.NOT_REACHED if missing else status, unstable)
