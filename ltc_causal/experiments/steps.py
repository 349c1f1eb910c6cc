"""A run in a folder: each step told to the log and to whoever watches, and a stop by the user kept.

Lives here: the folder, the log, the steps. Does not live here: what the steps are (`runner`, `group_runner`).
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ltc_causal.errors import InputError
from ltc_causal.experiments.progress import Progress
from ltc_causal.experiments.stopping import Stop, remembered_interrupt
from ltc_causal.io.archive import package_version


def make_folder(folder: Path) -> None:
    """Make the output folder; raises `InputError` if it cannot be made or written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The output folder {folder} cannot be made ({error.strerror}): choose another with --out.") from None
    if not os.access(folder, os.W_OK):
        raise InputError(f"The output folder {folder} cannot be written to: choose another with --out.")


class Steps:
    """Tells the log and the watcher of every step."""

    def __init__(self, log: logging.Logger, progress: Progress, stop: Stop):
        self._log = log
        self._progress = progress
        self._stop = stop

    def note(self, text: str) -> None:
        """Something that took no time."""
        self._log.info(text)
        self._progress.done(text)

    def say(self, doing: str) -> None:
        """How far the step at hand has come."""
        self._stop.check()
        self._log.info("%s", doing)
        self._progress.start(doing)

    @contextmanager
    def step(self, doing: str, done: str) -> Iterator[list[str]]:
        """Something that takes time; the list that is given takes a word on how it ended."""
        self._stop.check()
        self._log.info("%s", doing)
        self._progress.start(doing)
        outcome: list[str] = []
        yield outcome
        self._stop.check()
        text = f"{done}: {'; '.join(outcome)}" if outcome else done
        self._log.info(text)
        self._progress.done(text)


@contextmanager
def logged(path: Path, progress: Progress) -> Iterator[Steps]:
    """Steps with a log file that grows from run to run; it also keeps how a run was stopped."""
    # A logger of its own, in no hierarchy: two studies in one process do not write into each other's log.
    log = logging.Logger("ltc_causal.run", logging.INFO)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.info("Run started, ltc_causal %s", package_version())
    try:
        with remembered_interrupt() as stop:
            yield Steps(log, progress, stop)
        log.info("Run finished")
    except KeyboardInterrupt:
        log.warning("Run stopped by the user")
        raise
    except Exception as error:
        log.error("Run failed: %s: %s", type(error).__name__, error)
        raise
    finally:
        progress.close()
        handler.close()
