"""The courses of one system under several interventions, each tried by itself, in one integration.

All runs advance together as columns of one state: the system is asked once per step for all that share their inputs, cut connections being
further columns that see a source at rest.

Lives here: `courses`. Does not live here: what an intervention does (`models.intervened`), what is concluded (`certificate`).
"""

from collections.abc import Mapping, Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.data import Inputs
from ltc_causal.core.intervention import Intervention
from ltc_causal.core.model import DynamicalSystem
from ltc_causal.models.intervened import Intervened, under, window_edges
from ltc_causal.models.simulate import Segment, segments
from ltc_causal.models.true_flow import MAX_STEP
from ltc_causal.numerics.rk4 import runge_kutta
from ltc_causal.reduction.bound import inputs_in_force

Array = NDArray[np.float64]


def courses(
    system: DynamicalSystem, start: Array, inputs: Inputs, tried: Sequence[Sequence[Intervention]], means: Mapping[str, float], stride: int
) -> Array:
    """Activity wherever an input changes and every `stride` bins, shape (time, region, list of interventions); NaN once it left the bounds.

    system : of one set of parameters
    start : shape (unit,)
    tried : lists of interventions, those of a list in force together
    means : what was subtracted from each input
    """
    n = len(system.regions)
    reads = {one.start for one in segments(system, inputs, np.arange(0, len(inputs.values), stride))}
    edges = [edge for do in tried for edge in window_edges(do, inputs.dt)]
    y = np.repeat(start[:, None], len(tried), axis=1)
    course = []
    # What is in force changes at the ends of a stretch only; within it the steps end where the course is read.
    for stretch in segments(system, inputs, np.zeros(0, dtype=np.int64), edges):
        runs = [under(stretch, do, means, inputs.dt) for do in tried]
        for column, run in enumerate(runs):
            for region, activity in run.held.items():
                y[region, column] = activity
        flow = _Columns(system, runs)
        stops = sorted({stretch.start, stretch.stop} | {read for read in reads if stretch.start < read < stretch.stop})
        for begin, end in zip(stops[:-1], stops[1:], strict=True):
            if begin in reads:
                course.append(y[:n].copy())
            y = runge_kutta(flow, y, (end - begin) * inputs.dt, MAX_STEP)
    return np.array(course)


class _Columns:
    """The flow of a system in several columns, each as its own segment says."""

    def __init__(self, system: DynamicalSystem, runs: Sequence[Segment]):
        altered = [(column, run.system) for column, run in enumerate(runs) if isinstance(run.system, Intervened)]
        held = [(region, column) for column, one in altered for region in one.clamped]
        cuts = [(target, sources, column) for column, one in altered for target, sources in one.cuts.items()]
        silent = [(source, len(runs) + place) for place, (_, sources, _) in enumerate(cuts) for source in sources]
        self.n_run, self.held, self.silent = len(runs), _places(held), _places(silent)
        self.cuts = _places([(target, column) for target, _, column in cuts])
        self.columns = np.concatenate([np.arange(len(runs)), self.cuts[1]])
        inputs = np.array([inputs_in_force(run) for run in runs])[self.columns]
        levels, group = np.unique(inputs, axis=0, return_inverse=True)
        # A copy for each input, since systems keep what belongs to the last input that they were asked for.
        self.groups = [(copy(system), u, np.flatnonzero(group.ravel() == level)) for level, u in enumerate(levels)]

    def __call__(self, y: Array) -> Array:
        x = y[:, self.columns]
        x[self.silent] = 0.0
        rate = np.empty_like(x)
        for system, u, columns in self.groups:
            rate[:, columns] = system.flow(x[:, columns], u)
        targets = self.cuts[0]
        rate[self.cuts] = rate[targets, self.n_run + np.arange(len(targets))]
        rate[self.held] = 0.0
        return rate[:, : self.n_run]


def _places(pairs: Sequence[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of (row, column) pairs."""
    rows, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return rows, columns
