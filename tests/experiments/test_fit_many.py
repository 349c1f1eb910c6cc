"""Many subjects: the same as one by one, whatever the executor; failures and dead workers cost nobody else; finished subjects stay."""

import os
import signal
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from dataclasses import replace

import made
import numpy as np
import pytest

import ltc_causal as lc
from ltc_causal.experiments.fit_many import fit_many

MODEL = made.model().with_flow("bilinear")
RECORDINGS = {f"sub-{k}": made.simulated(k, 40) for k in range(6)}
ALONE = {name: lc.fit(MODEL, recording) for name, recording in RECORDINGS.items()}


def same(fits, names=tuple(RECORDINGS)):
    """Whether these are the fits made one by one, to rounding: code that a process compiled and code that it found compiled differ by that."""
    assert list(fits) == list(names)
    for name, fit in fits.items():
        np.testing.assert_allclose(fit.posterior.mean, ALONE[name].posterior.mean, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(fit.posterior.cov, ALONE[name].posterior.cov, rtol=1e-8, atol=1e-12)
        assert fit.free_energy == pytest.approx(ALONE[name].free_energy, abs=1e-9)


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_give_what_one_by_one_does(workers):
    fits = fit_many(MODEL, RECORDINGS, workers=workers)
    same(fits)
    assert not fits.failures and "6 fitted, 0 failed" in str(fits)


@pytest.mark.parametrize("ahead", [None, 1])
def test_threads_give_what_one_by_one_does(ahead):
    told = []
    with ThreadPoolExecutor(2) as executor:
        fits = fit_many(MODEL, list(RECORDINGS.values()), executor=executor, ahead=ahead, progress=told.append)
    assert list(fits) == ["1", "2", "3", "4", "5", "6"]
    same({f"sub-{int(name) - 1}": fit for name, fit in fits.items()})
    assert len(told) == 6 and told[-1].startswith("6 of 6, ") and told[0].endswith("converged")


def test_sessions_and_methods_are_passed_on():
    sessions = [RECORDINGS["sub-0"], RECORDINGS["sub-1"]]
    method = lc.VariationalLaplace(path="fixed_point")
    found = fit_many(MODEL, {"two": sessions}, method, workers=1)["two"]
    assert found.free_energy == pytest.approx(lc.fit(MODEL, sessions, method).free_energy, abs=1e-9) and len(found.sessions) == 2


def test_a_subject_that_fails_is_reported_and_the_others_go_on(tmp_path):
    missing = replace(RECORDINGS["sub-1"], inputs=RECORDINGS["sub-1"].inputs.select(["photic"]))

    def unreadable():
        raise OSError("no such disk")

    given = {**RECORDINGS, "sub-1": missing, "sub-3": unreadable}
    fits = fit_many(MODEL, given, folder=tmp_path, workers=2)
    same(fits, ["sub-0", "sub-2", "sub-4", "sub-5"])
    assert "attention" in fits.failures["sub-1"] and fits.failures["sub-3"] == "OSError: no such disk"
    assert "sub-3: OSError: no such disk" in str(fits)
    with pytest.raises(lc.InputError, match="'sub-3' has no fit: OSError"):
        fits["sub-3"]
    with pytest.raises(KeyError):
        fits["sub-9"]


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path):
    def stop(sentence):
        if sentence.startswith("2 of"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_many(MODEL, RECORDINGS, folder=tmp_path, workers=1, ahead=1, progress=stop)
    times = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.fit")}
    assert 2 <= len(times) <= 3
    told = []
    fits = fit_many(MODEL, RECORDINGS, folder=tmp_path, workers=1, progress=told.append)
    same(fits)
    assert sum(sentence.endswith("was there") for sentence in told) == len(times)
    assert all((tmp_path / name).stat().st_mtime_ns == time for name, time in times.items())
    same(lc_loaded(tmp_path))


def lc_loaded(folder):
    return {name: lc.load(folder / f"{name}.fit") for name in RECORDINGS}


def test_a_worker_that_is_killed_loses_nothing(tmp_path):
    def reader(name):
        recording, log, died = RECORDINGS[name], tmp_path / f"{name}.log", tmp_path / "died"

        def read():
            with log.open("a") as file:
                file.write("read\n")
            if name == "sub-3" and not died.exists():
                died.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return recording

        return read

    fits = fit_many(MODEL, {name: reader(name) for name in RECORDINGS}, folder=tmp_path / "fits", workers=2, ahead=2)
    same(fits)
    assert not fits.failures and (tmp_path / "died").exists()
    reads = {name: len((tmp_path / f"{name}.log").read_text().splitlines()) for name in RECORDINGS}
    assert reads["sub-3"] == 2
    # Two were under way when it died; nothing else was read twice.
    assert sum(reads.values()) <= len(RECORDINGS) + 2


def test_a_subject_that_kills_its_worker_each_time_is_the_only_one_lost(tmp_path):
    def deadly():
        os.kill(os.getpid(), signal.SIGKILL)

    fits = fit_many(MODEL, {**RECORDINGS, "sub-2": deadly}, folder=tmp_path, workers=2)
    same(fits, [name for name in RECORDINGS if name != "sub-2"])
    assert set(fits.failures) == {"sub-2"} and "worker died" in fits.failures["sub-2"]


class Broken(Executor):
    """Breaks down when the fourth subject is handed in."""

    _max_workers = 1

    def __init__(self):
        self.count = 0

    def submit(self, fn, /, *args, **kwargs):
        self.count += 1
        future = Future()
        if self.count == 4:
            raise BrokenExecutor
        future.set_result(fn(*args, **kwargs))
        return future


def test_an_executor_of_the_users_that_breaks_is_reported(tmp_path):
    fits = fit_many(MODEL, RECORDINGS, executor=Broken(), folder=tmp_path, ahead=1)
    same(fits, ["sub-0", "sub-1", "sub-2"])
    assert set(fits.failures) == {"sub-3", "sub-4", "sub-5"} and "call again" in fits.failures["sub-4"]
    same(fit_many(MODEL, RECORDINGS, workers=1, folder=tmp_path))


class KilledWorker(Exception):
    """As dask names what it gives for a task whose workers died."""


class Cluster(Executor):
    """Loses two subjects that were under way together; one of them kills its worker whenever it is tried."""

    _max_workers = 2

    def __init__(self):
        self.tried = []

    def submit(self, fn, /, task):
        self.tried.append(task.name)
        future = Future()
        if task.name == "sub-2" or (task.name == "sub-3" and self.tried.count("sub-3") == 1):
            future.set_exception(KilledWorker(task.name))
        else:
            future.set_result(fn(task))
        return future


def test_who_died_beside_a_deadly_subject_on_a_cluster_is_tried_again():
    cluster = Cluster()
    fits = fit_many(MODEL, RECORDINGS, executor=cluster)
    same(fits, [name for name in RECORDINGS if name != "sub-2"])
    assert set(fits.failures) == {"sub-2"} and "worker died" in fits.failures["sub-2"]
    assert cluster.tried[:6] == list(RECORDINGS) and sorted(cluster.tried[6:]) == ["sub-2", "sub-3"]


def test_files_of_something_else_are_replaced_if_that_is_asked_for(tmp_path):
    one = {"sub-0": RECORDINGS["sub-0"]}
    fit_many(MODEL, {"sub-0": RECORDINGS["sub-1"]}, folder=tmp_path, workers=1)
    same(fit_many(MODEL, one, folder=tmp_path, workers=1, replace=True), ["sub-0"])
    moment = (tmp_path / "sub-0.fit").stat().st_mtime_ns
    fit_many(MODEL, one, folder=tmp_path, workers=1, replace=True)
    assert (tmp_path / "sub-0.fit").stat().st_mtime_ns == moment


def test_workers_compute_with_one_thread(tmp_path):
    def threads():
        from threadpoolctl import threadpool_info

        (tmp_path / "threads").write_text(str({one["num_threads"] for one in threadpool_info()}))
        return RECORDINGS["sub-0"]

    fit_many(MODEL, {"sub-0": threads}, workers=1)
    assert (tmp_path / "threads").read_text() == "{1}"


@pytest.mark.parametrize(
    "change",
    [
        {"model": made.model()},
        {"method": lc.VariationalLaplace(path="fixed_point")},
        {"recordings": {"sub-0": RECORDINGS["sub-1"]}},
    ],
)
def test_a_folder_with_fits_of_something_else_is_refused(tmp_path, change):
    usual = {"model": MODEL, "recordings": {"sub-0": RECORDINGS["sub-0"]}}
    fit_many(**usual, folder=tmp_path, workers=1)
    with pytest.raises(lc.InputError, match="sub-0.fit is of another model, recording or method"):
        fit_many(**{**usual, **change}, folder=tmp_path, workers=1)


def test_a_damaged_file_is_fitted_again(tmp_path):
    one = {"sub-0": RECORDINGS["sub-0"]}
    fit_many(MODEL, one, folder=tmp_path, workers=1)
    (tmp_path / "sub-0.fit").write_bytes(b"cut short")
    same(fit_many(MODEL, one, folder=tmp_path, workers=1), ["sub-0"])


def test_bad_input_is_said_in_a_sentence():
    with pytest.raises(lc.InputError, match="got a single Recording"):
        fit_many(MODEL, RECORDINGS["sub-0"])
    with pytest.raises(lc.InputError, match="'../x' cannot be a file's name"):
        fit_many(MODEL, {"../x": RECORDINGS["sub-0"]})
    with ThreadPoolExecutor(1) as executor, pytest.raises(lc.InputError, match="leave one out"):
        fit_many(MODEL, RECORDINGS, executor=executor, workers=2)
