"""The case study of resting networks on a world of its own: loops, skewed sources, regions' own haemodynamics left out."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "case_studies" / "resting_networks"))
import run  # noqa: E402  # pyright: ignore[reportMissingImports]


@pytest.mark.slow
def test_directions_beat_the_rules(tmp_path):
    rng = np.random.default_rng(0)
    graph = np.zeros((5, 5), bool)  # file: row = source
    graph[[0, 1, 2, 3, 2], [1, 2, 1, 4, 3]] = True
    bold = []
    for _ in range(12):
        W = np.where(graph, rng.uniform(0.3, 0.5, graph.shape), 0.0).T
        e = rng.gamma(1.5, size=(300, 5))
        bold.append(e @ np.linalg.inv(np.eye(5) - W).T)
    np.savez(tmp_path / "netsim_made.npz", bold=np.array(bold), adj=graph.astype(np.int8), TR=2.0)
    table, _ = run.study(tmp_path / "netsim_made.npz", None)
    means = table.groupby("method")["AP"].mean()
    assert means[run.OURS] > 0.98
    assert means[run.OURS] >= means.drop(run.OURS).max()
    assert means["partial_correlation"] < 0.9
