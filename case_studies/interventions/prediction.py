"""What the fitted models say of an experiment that never took place, and how wrong that is.

Lives here: courses of an ensemble under interventions, their bands, the score. Does not live here: the models, what an intervention does to
a system (`ltc_causal.models.intervened`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from systems import BIN, KINDS, TR, Test

import ltc_causal as lc
from ltc_causal.models.intervened import Acting, window_edges
from ltc_causal.models.simulate import run_segments, segments
from ltc_causal.numerics.schedule import sample_bins

Array = NDArray[np.float64]
DRAWS = 60  # of each model
PROBABILITY = 0.9
ROUNDING = 1e-6  # of the stored truth, in its units


@dataclass(frozen=True, eq=False)
class Source:
    """A system at many parameters, and the unit that it counts activity in.

    system : its last axis counts draws
    unit : its activity per unit of measured activity (the haemodynamic gain for models of BOLD)
    silence : (region,), where activity lies that reaches nobody, in measured units: what is cut or lesioned is seen there
    """

    system: Any
    unit: float
    silence: Array


def effect(sources: Sequence[Source], test: Test, bold: bool) -> Array:
    """The effect of an intervention, (time, region, draw), all sources' draws side by side; NaN for draws that left the bounds."""
    parts = []
    for source in sources:
        changed = course(source, test.u, test.do, bold)
        usual = 0.0 if test.base_u is None else course(source, test.base_u, [], bold)
        parts.append(changed - usual)
    return np.concatenate(parts, axis=-1)


def course(source: Source, u: Array, do: Sequence[Any], bold: bool) -> Array:
    """60 s from rest: activity at each bin's start and the end, (301, region, draw), or BOLD at each scan, (31, region, draw)."""
    system, n_scan, dt = source.system, 31 if bold else 301, TR if bold else BIN
    n_bin = round(n_scan * dt / BIN)
    inputs = lc.Inputs(np.vstack([u, np.repeat(u[-1:], n_bin - len(u), axis=0)]), BIN, system.inputs)
    reads = sample_bins(n_bin, n_scan, np.zeros(len(system.regions)), BIN)
    do = [_in_unit(one, source.unit) for one in do]
    rest = np.zeros((len(system.initial_state()[0]), 1))
    rest[: len(source.silence), 0] = source.silence * source.unit
    acting = Acting(do, {}, BIN, rest)
    cut = [acting.on(segment) for segment in segments(system, inputs, reads, window_edges(do, BIN))]
    run = run_segments(system, cut, reads, BIN)
    values = run.observed if bold else run.neuronal / source.unit
    values[..., ~run.stable] = np.nan
    return values


def _in_unit(one: Any, unit: float) -> Any:
    match one:
        case lc.Drive():
            return lc.Drive(one.region, one.value * unit, one.start, one.stop)
        case lc.Clamp():
            return lc.Clamp(one.region, one.value * unit, one.start, one.stop)
    return one


@dataclass(frozen=True)
class Score:
    """One experiment: rms of the error over rms of the true effect (1: predicting no effect), and the share of the truth in the band."""

    kind: str
    name: str
    error: float
    held: float
    r: float


def score(sources: Sequence[Source], test: Test, bold: bool) -> tuple[Score, Array]:
    """The score, and (3, time, region): the median over draws, which explosions do not move, and the band."""
    truth = (test.bold_effect if bold else test.effect)[:, test.scored]
    draws = effect(sources, test, bold)
    draws = draws[..., ~np.isnan(draws).any(axis=(0, 1))]
    tail = (1 - PROBABILITY) / 2
    middle, lower, upper = np.quantile(draws, [0.5, tail, 1 - tail], axis=-1) if draws.shape[-1] else np.zeros((3, *draws.shape[:2]))
    found = middle[:, test.scored]
    inside = (lower[:, test.scored] - ROUNDING <= truth) & (truth <= upper[:, test.scored] + ROUNDING)
    error = float(np.sqrt(np.mean((found - truth) ** 2) / np.mean(truth**2)))
    r = float(np.corrcoef(found.ravel(), truth.ravel())[0, 1]) if found.std() > 0 else 0.0
    return Score(test.kind, test.name, error, float(inside.mean()), r), np.stack([middle, lower, upper])


def by_kind(scores: Sequence[Score], what: str = "error") -> dict[str, float]:
    """Mean of the two instances of each kind, and of all kinds."""
    kinds = {kind: float(np.mean([getattr(one, what) for one in scores if one.kind == kind])) for kind in KINDS}
    return kinds | {"all": float(np.mean(list(kinds.values())))}
