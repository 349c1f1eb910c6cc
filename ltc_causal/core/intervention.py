"""Interventions: what one does to a system, as values.

Lives here: the kinds of do(), each with its window. Does not live here: their effect on a system (`models.intervened`), what is asked with
them (`ltc_causal.causal`).

An intervention acts on the neuronal system; the signal is read through the haemodynamics. BOLD itself cannot be set: it is an effect of
activity, not a cause.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ltc_causal.errors import InputError, finite_array

Array: TypeAlias = NDArray[np.float64]
Course: TypeAlias = float | Array | Sequence[float]
Policy: TypeAlias = Callable[[float, Mapping[str, Array]], Any]


def _check_window(start: float, stop: float) -> None:
    if not (start >= 0 and stop > start):
        raise InputError(f"An intervention's window must have 0 <= start < stop in seconds, got start={start!r}, stop={stop!r}.")


def _number(what: str, value: float) -> float:
    return float(finite_array(what, value, 0, "()"))


def _checked_course(what: str, value: Course) -> float | Array:
    return _number(what, value) if np.ndim(value) == 0 else finite_array(what, value, 1, "(bin,)")  # pyright: ignore[reportArgumentType]


def _checked_pair(kind: str, source: str, target: str, instead: str) -> None:
    if source == target:
        raise InputError(f"{kind}({source!r}, {target!r}) names a self-connection, which is the region's own decay: {instead}")


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
        if callable(self.value):
            raise InputError(f"SetInput({self.name!r}).value cannot be a function: give its values on the input grid, one a bin.")
        object.__setattr__(self, "value", _checked_course(f"SetInput({self.name!r}).value", self.value))

    def __str__(self) -> str:
        return f"{self.name} set to {_course_text(self.value)}{_window_text(self.start, self.stop)}"


@dataclass(frozen=True, eq=False)
class Clamp:
    """do(x_region(t) := value): the activity of a region is held; every arrow into it is cut, its own decay included.

    value : neuronal activity as the model counts it (a fitted one as deviation from rest): a number, one value a bin of the input grid, or
        a function of time in seconds and of {region: activity (draw,)} over the regions that no function holds (a dynamic policy;
        Rubenstein et al. 2018), which gives a number or (draw,) and is asked at every stage of every step
    start, stop : seconds

    The limit of a stiff controller k (x - value), k -> infinity (Mooij, Janzing and Schoelkopf 2013).
    """

    region: str
    value: Course | Policy = 0.0
    start: float = 0.0
    stop: float = np.inf

    def __post_init__(self):
        _check_window(self.start, self.stop)
        if not callable(self.value):
            object.__setattr__(self, "value", _checked_course(f"Clamp({self.region!r}).value", self.value))

    def __str__(self) -> str:
        return f"{self.region} clamped at {_course_text(self.value)}{_window_text(self.start, self.stop)}"


@dataclass(frozen=True, eq=False)
class Pulse:
    """x_region(at+) := x_region(at-) + by, or := to: activity jumps once; no arrow is cut, and the system takes it from there.

    by, to : activity as of `Clamp`; one of the two
    at : seconds
    """

    region: str
    by: float | None = None
    to: float | None = None
    at: float = 0.0

    def __post_init__(self):
        if (self.by is None) == (self.to is None):
            raise InputError(f"Pulse({self.region!r}) needs by= (how far activity jumps) or to= (where it lands), one of the two.")
        if not 0 <= self.at < np.inf:
            raise InputError(f"Pulse({self.region!r}).at must be a time in seconds of at least 0, got {self.at!r}.")
        for name in ("by", "to"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _number(f"Pulse({self.region!r}).{name}", getattr(self, name)))

    @property
    def start(self) -> float:
        """When it happens, seconds."""
        return self.at

    def __str__(self) -> str:
        what = f"raised by {self.by:g}" if self.by is not None else f"put at {self.to:g}"
        return f"{self.region} {what} at {self.at:g} s"


@dataclass(frozen=True, eq=False)
class Drive:
    """dx_region/dt gains s(t): a region is driven from outside. No arrow is cut; where the region is clamped it changes nothing.

    value : s in activity per second: a number, one value a bin of the input grid, or a function as of `Clamp`, which sees every region
    start, stop : seconds
    """

    region: str
    value: Course | Policy
    start: float = 0.0
    stop: float = np.inf

    def __post_init__(self):
        _check_window(self.start, self.stop)
        if not callable(self.value):
            object.__setattr__(self, "value", _checked_course(f"Drive({self.region!r}).value", self.value))

    def __str__(self) -> str:
        return f"{self.region} driven by {_course_text(self.value)}{_window_text(self.start, self.stop)}"


@dataclass(frozen=True, eq=False)
class Cut:
    """The connection source -> target carries nothing.

    start, stop : seconds
    tonic : what goes with it. False: the target sees the source at rest, in its whole equation, so that what the source carries while at
        rest goes on. True: the connection's strength is 0 (a synapse that is not there), so that this tonic part goes as well, while the
        source may still gate other connections into the target. The two agree where nothing is carried at rest and nothing gates
    """

    source: str
    target: str
    start: float = 0.0
    stop: float = np.inf
    tonic: bool = False

    def __post_init__(self):
        _check_window(self.start, self.stop)
        _checked_pair("Cut", self.source, self.target, "use Clamp to silence a region.")

    def __str__(self) -> str:
        return f"{self.source} → {self.target} cut{_tonic_text(self.tonic)}{_window_text(self.start, self.stop)}"


@dataclass(frozen=True, eq=False)
class Scale:
    """The connection source -> target carries `factor` times as much; a factor of 0 is `Cut`, one of 1 changes nothing, -1 turns its sign.

    start, stop : seconds
    tonic : as of `Cut`. False: the target sees the source's deviation from rest times the factor. True: the strength is multiplied
    """

    source: str
    target: str
    factor: float
    start: float = 0.0
    stop: float = np.inf
    tonic: bool = False

    def __post_init__(self):
        _check_window(self.start, self.stop)
        _checked_pair("Scale", self.source, self.target, "use SetParameter to change it.")
        object.__setattr__(self, "factor", _number(f"Scale({self.source!r}, {self.target!r}).factor", self.factor))

    def __str__(self) -> str:
        return f"{self.source} → {self.target} scaled by {self.factor:g}{_tonic_text(self.tonic)}{_window_text(self.start, self.stop)}"


@dataclass(frozen=True, eq=False)
class Lesion:
    """Every connection out of a region is cut: the others do not hear it, while its own activity goes on (`Clamp` at 0 stops that too).

    start, stop : seconds
    tonic : as of `Cut`
    """

    region: str
    start: float = 0.0
    stop: float = np.inf
    tonic: bool = False

    def __post_init__(self):
        _check_window(self.start, self.stop)

    def __str__(self) -> str:
        return f"{self.region} lesioned{_tonic_text(self.tonic)}{_window_text(self.start, self.stop)}"


@dataclass(frozen=True, eq=False)
class SetParameter:
    """theta_name := value in every posterior draw, the other parameters staying as drawn.

    name : as in `model.prior.names`
    value : on the scale of the prior (self-connections of a DCM: not Hz); or a function of the drawn values (draw,), which gives as many
    start, stop : seconds
    """

    name: str
    value: float | Callable[[Array], Any]
    start: float = 0.0
    stop: float = np.inf

    def __post_init__(self):
        _check_window(self.start, self.stop)
        if not callable(self.value):
            object.__setattr__(self, "value", _number(f"SetParameter({self.name!r}).value", self.value))

    def __str__(self) -> str:
        value = "a function of its own value" if callable(self.value) else f"{self.value:g}"
        return f"{self.name} set to {value}{_window_text(self.start, self.stop)}"


Intervention: TypeAlias = SetInput | Clamp | Pulse | Drive | Cut | Scale | Lesion | SetParameter


def _course_text(value: Course | Policy) -> str:
    if callable(value):
        return "a function of time and state"
    return f"{value:g}" if isinstance(value, float) else "a given course"


def _tonic_text(tonic: bool) -> str:
    return " with its tonic part" if tonic else ""


def _window_text(start: float, stop: float) -> str:
    if start == 0 and np.isinf(stop):
        return ""
    return f" from {start:g} s" + ("" if np.isinf(stop) else f" to {stop:g} s")
