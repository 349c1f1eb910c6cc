"""One model fitted to many subjects, side by side, on one machine or a cluster.

A subject that fails is reported and the others go on. With a folder, each finished subject is a file there at once, whole or absent, and a call that
was stopped or killed goes on where it was.

Lives here: `fit_many` and what it gives. Does not live here: handing out (`hand_out`), what is made of the fits (`ltc_causal.group`).
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from threadpoolctl import threadpool_limits

from ltc_causal.core.data import Recording
from ltc_causal.errors import InputError
from ltc_causal.experiments.hand_out import hand_out
from ltc_causal.inference.fit import fit
from ltc_causal.io.archive import load, read_header, save

Source: TypeAlias = Recording | Sequence[Recording] | Callable[[], Recording | Sequence[Recording]]

KEY = "made_from"  # the tag of a fit file that says what it was made from
SAFE = re.compile(r"[\w][\w.\-]*")
AHEAD = 4  # subjects handed out for each worker
WORKERS_GONE = "Its worker died (out of memory, or killed) each time that it was tried: fit this subject alone to see why."
EXECUTOR_GONE = (
    "The executor broke down before this subject was done: call again with a new one, subjects whose files are there are not fitted again."
)
KILLED = "KilledWorker"  # what dask calls a task whose workers died, some of them for another's sake
OTHER_FILE = "is of another model, recording or method: choose another folder, or delete it"


@dataclass(frozen=True, eq=False)
class Fits(Mapping[str, Any]):
    """{subject: fit} of the subjects that could be fitted, in the order in which they were given; with a folder, read from there when asked for.

    failures : {subject: why there is no fit}
    folder : where the fits are, None if in memory
    """

    names: tuple[str, ...]
    failures: Mapping[str, str]
    folder: Path | None
    _held: Mapping[str, Any] = field(repr=False)

    def __getitem__(self, name: str) -> Any:
        if name in self.failures:
            raise InputError(f"Subject {name!r} has no fit: {self.failures[name]}")
        if name not in self._held:
            raise KeyError(name)
        held = self._held[name]
        return load(held) if isinstance(held, Path) else held

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        lines = [f"{len(self.names) + len(self.failures)} subjects: {len(self.names)} fitted, {len(self.failures)} failed."]
        return "\n".join([*lines, *(f"{name}: {why}" for name, why in self.failures.items())])


def fit_many(
    model: Any,
    recordings: Mapping[str, Source] | Sequence[Source],
    method: Any = None,
    *,
    executor: Executor | None = None,
    folder: str | Path | None = None,
    workers: int | None = None,
    ahead: int | None = None,
    replace: bool = False,
    progress: Callable[[str], object] | None = None,
) -> Fits:
    """Fit a model to each subject.

    recordings : {subject: recording} or a list (subjects are then "1", "2", ...). A subject's recording, or list of sessions, or a function of no
        argument that reads them, which then happens where the subject is fitted, so that no more than a few are in memory
    method : as of `fit`
    executor : any of concurrent.futures, such as a cluster's (of dask `client.get_executor()`); processes on this machine unless given
    folder : where each finished fit is written as <subject>.fit; on a cluster one that all its machines see. Subjects whose file is there and was
        made from the same model, recording and method are not fitted again. Without it the fits are held in memory and lost with it
    workers : processes of this machine, as many as there are cores unless given; not with an executor of your own
    ahead : subjects handed out at once; 4 for each worker unless given
    replace : fit a subject again whose file is of something else, and replace the file
    progress : called with a sentence for each subject

    Each worker computes with one thread. Results depend neither on the number of workers nor on their order. If a process of this machine dies,
    the subjects that were under way are tried again, one at a time; the one that takes its process with it is reported as failed. A cluster tries
    them again itself.

    Raises `InputError` for subjects' names that cannot be file names, and for a folder that holds a subject's fit of something else (unless
    `replace`).
    """
    if isinstance(recordings, Recording):
        raise InputError("fit_many needs several subjects' recordings, got a single Recording: give {subject: recording}, or use fit.")
    given = recordings if isinstance(recordings, Mapping) else {str(number): one for number, one in enumerate(recordings, start=1)}
    for name in given:
        if not isinstance(name, str) or not SAFE.fullmatch(name):
            raise InputError(f"The subject {name!r} cannot be a file's name: use letters, digits, points, hyphens and underscores.")
    if executor is not None and workers is not None:
        raise InputError("fit_many takes the number of workers or an executor, which has its own: leave one out.")
    place = None if folder is None else Path(folder).absolute()  # workers may stand in another folder
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
    tasks = (_Task(name, source, None if place is None else place / f"{name}.fit") for name, source in given.items())
    tell = progress or (lambda sentence: None)
    workforce = executor or _processes(workers)
    many = ahead or AHEAD * _hands(workforce)
    work = partial(_fit_one, model=model, method=method, replace=replace, parent=os.getpid())
    outcomes: dict[str, _Outcome] = {}
    killed: list[_Task] = []
    with threadpool_limits(limits=1):  # for executors whose workers are threads of this process
        for lot, at_once in ((tasks, many), (killed, 1)):
            for task, result in hand_out(work, lot, workforce, at_once, None if executor else partial(_processes, workers)):
                if type(result).__name__ == KILLED and lot is not killed:
                    killed.append(task)  # again at the end, alone
                    continue
                outcomes[task.name] = outcome = _outcome(task, result, executor is None)
                tell(f"{len(outcomes)} of {len(given)}, {task.name}: {outcome.failure or outcome.words}")
    failures = {name: outcomes[name].failure for name in given if outcomes[name].failure}
    held = {name: outcomes[name].fit for name in given if name not in failures}
    return Fits(tuple(held), failures, place, held)


@dataclass(frozen=True, eq=False)
class _Task:
    name: str
    source: Source
    path: Path | None


@dataclass(frozen=True, eq=False)
class _Outcome:
    """A fit, or the file that holds it, or why there is neither."""

    fit: Any = None
    failure: str = ""
    other_file: bool = False
    words: str = ""


def _processes(workers: int | None) -> Executor:
    """Processes of this machine; new ones where the last broke down."""
    from joblib.externals.loky import get_reusable_executor  # here, because other executors do without it

    return get_reusable_executor(max_workers=workers or os.cpu_count())


def _hands(executor: Executor) -> int:
    """How many subjects an executor computes at once, as far as it says."""
    most, client = getattr(executor, "_max_workers", None), getattr(executor, "_client", None)
    if most is None and client is not None:  # dask's
        most = sum(client.ncores().values())
    return most or os.cpu_count() or 1


def _outcome(task: _Task, result: Any, own: bool) -> _Outcome:
    """What became of a subject, from what came back from its worker.

    Raises `InputError` where its file is of something else.
    """
    if isinstance(result, BrokenExecutor):
        return _Outcome(failure=WORKERS_GONE if own else EXECUTOR_GONE)
    if type(result).__name__ == KILLED:
        return _Outcome(failure=WORKERS_GONE)
    if isinstance(result, Exception):  # on its way to or from the worker
        return _Outcome(failure=_in_words(result))
    if result.other_file:
        raise InputError(f"{task.path} {OTHER_FILE}.")
    return result


def _fit_one(task: _Task, model: Any, method: Any, replace: bool, parent: int) -> _Outcome:
    """In a worker: read, look whether it is done, fit, write. Whatever goes wrong with this subject is its outcome."""
    if os.getpid() != parent:
        threadpool_limits(limits=1)
    try:
        recording = task.source() if callable(task.source) else task.source
        if task.path is None:
            result = fit(model, recording, method)
            return _Outcome(result, words=_ending(result))
        key = _key(model, recording, method)
        known = _made_from(task.path)
        if known is not None and (known == key or not replace):
            return _Outcome(task.path, other_file=known != key, words="was there")
        result = fit(model, recording, method)
        save(result, task.path, {KEY: key})
        return _Outcome(task.path, words=_ending(result))
    except Exception as error:
        return _Outcome(failure=_in_words(error))


def _ending(result: Any) -> str:
    return result.status.name.lower().replace("_", " ")


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"


def _made_from(path: Path) -> str | None:
    """What the fit in a file was made from; None if there is none that can be read."""
    try:
        return str(read_header(path).get("tags", {}).get(KEY)) if path.exists() else None
    except InputError:
        return None


def _key(model: Any, recording: Recording | Sequence[Recording], method: Any) -> str:
    """A fingerprint of all that a fit depends on but the package's version."""
    spec = model.to_spec() if hasattr(model, "to_spec") else repr(model)
    digest = hashlib.sha256(json.dumps([spec, repr(method)], sort_keys=True, default=str).encode())
    for one in [recording] if isinstance(recording, Recording) else recording:
        words = [one.series.dt, one.series.regions, one.series.unit, one.inputs.dt, one.inputs.names, one.echo_time]
        digest.update(json.dumps(words).encode())
        for values in (one.series.values, one.inputs.values, one.confounds, one.delays):
            digest.update(repr(None if values is None else values.shape).encode())
            digest.update(b"" if values is None else values.tobytes())
    return digest.hexdigest()
