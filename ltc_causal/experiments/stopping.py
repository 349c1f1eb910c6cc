"""Ctrl-C that is never lost.

Python drops an exception that is raised while it runs a destructor, KeyboardInterrupt included, and compiled code turns it into another
one. So the signal is also remembered, and asked for between the steps of a study.

Lives here: that memory. Does not live here: what is done when a run stops (`runner`, `cli`).
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Stop:
    """Whether the user has asked to stop."""

    def __init__(self):
        self.asked = False

    def check(self) -> None:
        """Raise KeyboardInterrupt if the user has asked to stop and that was lost on the way."""
        if self.asked:
            raise KeyboardInterrupt


@contextmanager
def remembered_interrupt() -> Iterator[Stop]:
    """Within it Ctrl-C raises KeyboardInterrupt, and whatever is raised after it becomes one; nothing outside the main thread.

    (Python has signals in the main thread only.)
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number, frame):
        stop.asked = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    except Exception as error:
        if stop.asked:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)
