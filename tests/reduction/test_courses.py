"""Many interventions in one integration: each column is the run that one gives by itself, for every kind, window and course."""

from dataclasses import replace

import numpy as np
import pytest
from liquid_systems import liquid_source

import ltc_causal as lc
from ltc_causal.models.intervened import under, window_edges
from ltc_causal.models.simulate import run_segments, segments
from ltc_causal.reduction.courses import courses

SOURCE = liquid_source(3, n_bin=100)
SYSTEM = replace(SOURCE.system, transit=None)  # without haemodynamics, which such activity would leave
N_BIN = 100
WAVE = np.sin(np.arange(N_BIN) / 9)
TRIED = [
    [],
    [lc.Clamp("b", 0.4)],
    [lc.Clamp("a", WAVE)],
    [lc.Cut("a", "b"), lc.Cut("d", "b"), lc.Cut("c", "a"), lc.SetInput("v", 0.0)],
    [lc.SetInput("u", 1.0, start=3.1, stop=9.33), lc.Clamp("c", -0.2, start=5.05)],
    [lc.SetInput("w", WAVE, stop=12.0)],
]


def alone(do):
    """Activity in every bin, by the integrator of predictions."""
    inputs = SOURCE.course_inputs
    reads = np.repeat(np.arange(N_BIN)[:, None], 4, axis=1)
    course = [under(one, do, SOURCE.removed_means, inputs.dt) for one in segments(SYSTEM, inputs, reads, window_edges(do, inputs.dt))]
    return run_segments(SYSTEM, course, reads, inputs.dt).neuronal[:, :, 0]


def test_each_column_is_the_run_by_itself():
    together = courses(SYSTEM, SOURCE.start, SOURCE.course_inputs, TRIED, SOURCE.removed_means, 1)
    assert together.shape == (N_BIN, 4, len(TRIED))
    for column, do in enumerate(TRIED):
        # Other runs' windows end steps of this one too, which moves it by what the steps leave.
        assert np.abs(together[:, :, column] - alone(do)).max() < 1e-5, do


@pytest.mark.parametrize("stride", [2, 7])
def test_a_longer_stride_reads_fewer_moments_and_all_changes_of_inputs(stride):
    every, few = (courses(SYSTEM, SOURCE.start, SOURCE.course_inputs, TRIED[:2], SOURCE.removed_means, s) for s in (1, stride))
    changes = np.flatnonzero((np.diff(SOURCE.course_inputs.values, axis=0) != 0).any(axis=1)) + 1
    reads = np.union1d(np.arange(0, N_BIN, stride), changes)
    assert len(few) == len(reads) < N_BIN and np.allclose(few, every[reads], atol=5e-3)


def test_a_run_that_explodes_leaves_the_others_alone():
    wild = [lc.SetInput("u", 1e5)]
    together = courses(SYSTEM, SOURCE.start, SOURCE.course_inputs, [[], wild], SOURCE.removed_means, 1)
    assert np.isnan(together[-1, :, 1]).all() and np.abs(together[:, :, 0] - alone([])).max() < 1e-5
