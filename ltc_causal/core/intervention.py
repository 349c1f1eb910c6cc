"""Interventions: what one does to a system, as values.

Lives here: the kinds of do(), each with its window. Does not live here: their effect on a system (`causal.predict`).

An intervention acts on the neuronal system; the signal is read through the unchanged haemodynamics. BOLD itself cannot be set: it is
an effect of activity, not a cause.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ltc_causal.errors import InputError, finite_array

Course: TypeAlias = float | NDArray[np.float64] | Sequence[float]


def _check_window(start: float, stop: float) -> None:
    if not (start >= 0 and stop > start):
        raise InputError(f"An intervention's window must have 0 <= start < stop in seconds, got start={start!r}, stop={stop!r}.")


def _checked_course(what: str, value: Course) -> float | NDArray[np.float64]:
    if np.ndim(value) == 0:
        return float(finite_array(what, value, 0, "()"))
    return finite_array(what, value, 1, "(bin,)")


@dataclass(frozen=True, eq=False)
class SetInput:
    """do(u_name(t) := value): an experimental input follows another course. No arrow is cut, inputs have no causes here.

    value : a number, or one value a bin of the input grid
    start, stop : seconds; outside the window the input keeps its usual course
    """

    name: str
    value: Course = 0.0
    start: float = 0.0
    stop: float = np.inf

    def __post_init__(self):
        _check_window(self.start, self.stop)
        object.__setattr__(self, "value", _checked_course(f"SetInput({self.name!r}).value", self.value))

    def __str__(self) -> str:
        return f"{self.name} set to {_course_text(self.value)}{_window_text(self.start, self.stop)}"


@dataclass(frozen=True, eq=False)
class Clamp:
    """do(x_region(t) := value): the activity of a region is held; every arrow into it is cut, its own decay included.

    value : neuronal activity as deviation from rest: a number, or one value a bin of the input grid
    start, stop : seconds

    The limit of a stiff controller k (x - value), k -> infinity (Mooij, Janzing and Schoelkopf 2013).
    """

    region: str
    value: Course = 0.0
    start: float = 0.0
    stop: float = np.inf

    def __post_init__(self):
        _check_window(self.start, self.stop)
        object.__setattr__(self, "value", _checked_course(f"Clamp({self.region!r}).value", self.value))

    def __str__(self) -> str:
        return f"{self.region} clamped at {_course_text(self.value)}{_window_text(self.start, self.stop)}"


@dataclass(frozen=True, eq=False)
class Cut:
    """The connection source -> target carries nothing: the target sees the source at rest, whatever modulates the connection.

    start, stop : seconds
    """

    source: str
    target: str
    start: float = 0.0
    stop: float = np.inf

    def __post_init__(self):
        _check_window(self.start, self.stop)
        if self.source == self.target:
            raise InputError(
                f"Cut({self.source!r}, {self.target!r}) names a self-connection, which is the region's own decay: use Clamp to silence a region."
            )

    def __str__(self) -> str:
        return f"{self.source} → {self.target} cut{_window_text(self.start, self.stop)}"


Intervention: TypeAlias = SetInput | Clamp | Cut


def _course_text(value: Course) -> str:
    return f"{value:g}" if isinstance(value, float) else "a given course"


def _window_text(start: float, stop: float) -> str:
    if start == 0 and np.isinf(stop):
        return ""
    return f" from {start:g} s" + ("" if np.isinf(stop) else f" to {stop:g} s")
