"""The case study of interventions on the system that comes with it: the lesson holds, and the truth lies inside the bands."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

STUDY = Path(__file__).parents[2] / "case_studies" / "interventions"
sys.path.insert(0, str(STUDY))
import networks  # noqa: E402  # pyright: ignore[reportMissingImports]
import run as study  # noqa: E402  # pyright: ignore[reportMissingImports]
import systems  # noqa: E402  # pyright: ignore[reportMissingImports]
from prediction import Source, score  # noqa: E402  # pyright: ignore[reportMissingImports]


class TrueNetwork:
    """tau_i x_i' = -x_i + sum_j (W_ij + sum_k u_k B_ijk) tanh(x_j) + sum_k C_ik u_k, as the system was simulated; its rest is 0."""

    n_draw = 1

    def __init__(self, regions, inputs, told):
        self.regions, self.inputs = regions, inputs
        self.tau, self.W, self.B, self.C = (np.array(told[name]) for name in ("tau", "W", "B", "C"))

    def initial_state(self):
        return np.zeros((len(self.regions), 1)), np.zeros((0, len(self.regions), 1))

    def flow(self, x, u):
        return (-x + (self.W + self.B @ u) @ np.tanh(x) + (self.C @ u)[:, None]) / self.tau[:, None]

    def observation_flow(self, h, x):
        return np.zeros_like(h)

    def observe(self, x, h):
        return x


@pytest.mark.slow
def test_a_structured_fit_predicts_interventions_and_a_random_one_does_not(tmp_path):
    training, _ = systems.read(STUDY / "data" / "neural_tanh1.npz")
    with np.errstate(over="ignore", invalid="ignore"):
        table = study.study(STUDY / "data" / "neural_tanh1.npz", [study.MEASURED, study.RANDOM], tmp_path)
    kinds = table.groupby(["method", "kind"])["error"].mean().unstack()
    assert kinds.loc[study.MEASURED].mean() < 0.35
    assert kinds.loc[study.RANDOM].mean() > 0.6
    assert kinds.loc[study.RANDOM, "new_input"] < 0.3  # it fits, and predicts what is like the training data
    assert kinds.loc[study.RANDOM, ["cut", "lesion"]].mean() > 0.9
    held = table.groupby("method")["held"].mean()
    assert 0.7 < held[study.MEASURED] < 1.0
    again = networks.saved(tmp_path / "activity" / f"{training.name}.npz", lambda: pytest.fail("fitted again"))
    assert len(networks.believed(again)) >= 1


def test_the_truth_scores_no_error():
    """Replayed by the stored equations, the experiments are predicted to a hundredth: the interventions mean what the file means by them."""
    training, tests = systems.read(STUDY / "data" / "neural_tanh1.npz")
    with np.load(STUDY / "data" / "neural_tanh1.npz") as file:
        true = TrueNetwork(training.regions, training.inputs, json.loads(str(file["truth_parameters_json"])))
    source = Source(true, 1.0, -training.rest)
    for test in tests:
        found, _ = score([source], test, False)
        assert found.error < 0.02, test.name
