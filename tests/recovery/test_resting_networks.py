"""The case study of resting networks on a world of its own: loops, skewed sources, regions' own haemodynamics left out."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

# Under a name of its own: other studies have a run.py too.
SPEC = spec_from_file_location("resting_networks", Path(__file__).parents[2] / "case_studies" / "resting_networks" / "run.py")
assert SPEC is not None and SPEC.loader is not None
run = module_from_spec(SPEC)
SPEC.loader.exec_module(run)


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
