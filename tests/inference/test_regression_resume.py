"""Long regressions: stopped and resumed, on more threads, told how far they are; always the same result."""

import numpy as np
import pytest
from regression_networks import network, resting_network

import ltc_causal as lc
from ltc_causal.inference.regression import Regression
from ltc_causal.models.regression_dcm import RegressionDCM

TASK, REST = network(6, 200, 1.0, 2, 5.0, 0.35, seed=3), resting_network(6, 200, 1.0, 5.0, 0.35, seed=3)
CASES = {
    "ridge of TAPAS": (TASK, {"variant": "tapas15"}, {}),
    "sparse of TAPAS": (TASK, {"variant": "tapas15", "sparse": True, "sparsity": (0.2, 0.4)}, {"restarts": 2}),
    "corrected": (TASK, {}, {"replicates": 2}),
    "at rest": (REST, {}, {"replicates": 2}),
    "sparse at rest": (REST, {"sparse": True}, {"replicates": 2, "rounds": 2}),
}


class Stopped(Exception):
    pass


def fitted(case, **options):
    truth, model, method = CASES[case]
    return lc.fit(
        RegressionDCM(truth.recording.regions, truth.recording.inputs.names, **model), truth.recording, Regression(**method, **options)
    )


def same(one, other):
    return (
        np.array_equal(one.posterior.mean, other.posterior.mean)
        and np.array_equal(one.posterior.sd, other.posterior.sd)
        and one.free_energy == other.free_energy
        and one.status is other.status
        and (one.inclusion is None or np.array_equal(one.inclusion, other.inclusion))
    )


@pytest.mark.parametrize("case", CASES)
def test_stopped_and_resumed_is_the_same(case, tmp_path):
    whole = fitted(case)

    def stop(done, total):
        if done == 2:
            raise Stopped

    folder = tmp_path / "parts"
    with pytest.raises(Stopped):
        fitted(case, folder=folder, progress=stop) if case != "ridge of TAPAS" else fitted(case, folder=folder, progress=_at_once)
    made = set(folder.rglob("*.npz"))
    before = {path: path.stat().st_mtime_ns for path in made}
    assert made and same(fitted(case, folder=folder), whole)
    assert all(path.stat().st_mtime_ns == before[path] for path in made)  # found, not made again
    assert same(fitted(case, folder=folder, workers=2), whole)


def _at_once(done, total):
    raise Stopped


@pytest.mark.parametrize("case", CASES)
def test_threads_change_nothing(case):
    assert same(fitted(case), fitted(case, workers=3))


@pytest.mark.parametrize("case", CASES)
def test_progress_ends_at_its_total(case, capsys):
    told = []
    fitted(case, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] or case == "ridge of TAPAS"
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    fitted(case, progress=True)
    assert "Regression: " in capsys.readouterr().err


def test_a_damaged_part_is_made_again(tmp_path):
    whole = fitted("corrected", folder=tmp_path / "parts")
    victim = sorted((tmp_path / "parts").rglob("*.npz"))[0]
    victim.write_bytes(victim.read_bytes()[:40])
    assert same(fitted("corrected", folder=tmp_path / "parts"), whole)


def test_a_folder_of_something_else_is_refused(tmp_path):
    fitted("corrected", folder=tmp_path / "parts")
    with pytest.raises(lc.InputError, match="another model"):
        fitted("ridge of TAPAS", folder=tmp_path / "parts")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("important")
    with pytest.raises(lc.InputError, match="not empty"):
        fitted("corrected", folder=tmp_path / "mine")


@pytest.mark.parametrize("options", [{"workers": 0}, {"rounds": 0}, {"replicates": -1}, {"restarts": 1.5}])
def test_what_a_method_cannot_be(options):
    with pytest.raises(lc.InputError, match=next(iter(options))):
        Regression(**options)
