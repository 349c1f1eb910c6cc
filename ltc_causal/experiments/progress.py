"""How far a study has come, told to whoever watches.

Lives here: what a runner says and the two listeners. Does not live here: the log file (`runner`).
"""

from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.status import Status


class Progress(Protocol):
    """Told of every step of a study, in order."""

    def start(self, step: str) -> None:
        """Hear that a step begins."""
        ...

    def done(self, outcome: str) -> None:
        """Hear that the step has ended, and how."""
        ...

    def close(self) -> None:
        """Hear that nothing follows."""
        ...


class Silent:
    """Says nothing."""

    def start(self, step: str) -> None:
        """Say nothing."""

    def done(self, outcome: str) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Say nothing."""


class Terminal:
    """One line a step on stderr, with a spinner while it lasts (none where stderr is a file)."""

    def __init__(self):
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._status: Status | None = None

    def start(self, step: str) -> None:
        """Spin beside the step's name."""
        self.close()
        self._status = self._console.status(f"{escape(step)} …")
        self._status.start()

    def done(self, outcome: str) -> None:
        """Leave a line that stays."""
        self.close()
        self._console.print(f"[green]✓[/green] {escape(outcome)}")

    def close(self) -> None:
        """Stop spinning."""
        if self._status is not None:
            self._status.stop()
            self._status = None
