"""Many subjects over a cluster of dask workers: the numbers of one machine; a worker that is killed loses nothing; nothing is fitted twice."""

import os
import signal

import made
import numpy as np
import pytest
from dask.distributed import Client, LocalCluster

import ltc_causal as lc
from ltc_causal.experiments.fit_many import _hands, fit_many

MODEL = made.model().with_flow("bilinear")
RECORDINGS = {f"sub-{k}": made.simulated(k, 40) for k in range(6)}


# No page to look at, any free port, and nothing outside this machine.
SETTINGS: dict = {
    "threads_per_worker": 1,
    "host": "127.0.0.1",
    "dashboard_address": "127.0.0.1:0",
    "scheduler_kwargs": {"dashboard": False},
}


@pytest.fixture(scope="module")
def client():
    with LocalCluster(n_workers=2, processes=True, **SETTINGS) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def alone():
    return {name: lc.fit(MODEL, recording) for name, recording in RECORDINGS.items()}


def same(fits, others):
    """To rounding: code that a process compiled and code that it found compiled differ by that."""
    assert list(fits) == list(others)
    for name, fit in fits.items():
        np.testing.assert_allclose(fit.posterior.mean, others[name].posterior.mean, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(fit.posterior.cov, others[name].posterior.cov, rtol=1e-8, atol=1e-12)
        assert fit.free_energy == pytest.approx(others[name].free_energy, abs=1e-9)


def test_a_cluster_gives_what_processes_and_one_by_one_do(client, alone):
    fits = fit_many(MODEL, RECORDINGS, executor=client.get_executor())
    same(fits, alone)
    same(fits, fit_many(MODEL, RECORDINGS, workers=2))
    assert _hands(client.get_executor()) == 2


def reader(folder, name, dies):
    """Reads a recording where it is fitted, says so, and kills its worker as often as it is told to."""
    recording, log = RECORDINGS[name], folder / f"{name}.log"

    def read():
        with log.open("a") as file:
            file.write("read\n")
        if len(log.read_text().splitlines()) <= dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return recording

    return read


def test_a_worker_that_is_killed_loses_nothing_and_what_is_finished_is_not_fitted_again(client, alone, tmp_path, monkeypatch):
    given = {name: reader(tmp_path, name, dies=int(name == "sub-3")) for name in RECORDINGS}
    monkeypatch.chdir(tmp_path)  # the workers stand elsewhere
    fits = fit_many(MODEL, given, executor=client.get_executor(), folder="fits", ahead=2)
    same(fits, alone)
    assert not fits.failures
    reads = {name: len((tmp_path / f"{name}.log").read_text().splitlines()) for name in RECORDINGS}
    assert reads["sub-3"] >= 2 and sum(reads.values()) <= len(RECORDINGS) + 2
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "fits").glob("*.fit")}
    told = []
    same(fit_many(MODEL, RECORDINGS, executor=client.get_executor(), folder="fits", progress=told.append), alone)
    assert len(told) == 6 and all(sentence.endswith("was there") for sentence in told)
    assert times == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "fits").glob("*.fit")}


def test_a_cluster_that_is_lost_is_reported(alone):
    """Closed while subjects are under way: they are failures with a sentence, not an exception."""
    here = {key: value for key, value in SETTINGS.items() if key != "host"}  # a thread of this process
    with LocalCluster(n_workers=1, processes=False, **here) as cluster, Client(cluster) as client:

        def close(_):
            client.close()

        fits = fit_many(MODEL, RECORDINGS, executor=client.get_executor(), ahead=3, progress=close)
    assert 1 <= len(fits) < 6 and "call again" in fits.failures["sub-5"] and len(fits) + len(fits.failures) == 6
