"""A system under interventions: a wrapper with the same interface, and the segments of a run in which each is in force.

Lives here: what SetInput, Clamp and Cut do to a flow, their checks against a model, their windows. Does not live here: the interventions
as values (`core.intervention`), what is asked with them (`ltc_causal.causal`, `ltc_causal.reduction`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.data import Inputs
from ltc_causal.core.intervention import Clamp, Course, Cut, Intervention, SetInput
from ltc_causal.core.model import DynamicalSystem
from ltc_causal.errors import InputError, known_name
from ltc_causal.models.simulate import Segment

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Intervened:
    """A dynamical system of which some parts are taken out of its own hands; everything else is the system's.

    system : the system wrapped
    set_inputs : {index of an input: value}, in the model's own centring
    clamped : indices of regions whose activity is held: their own equation is dropped
    cuts : {index of a target: indices of the sources that it no longer sees}
    """

    system: DynamicalSystem
    set_inputs: Mapping[int, float]
    clamped: Sequence[int]
    cuts: Mapping[int, Sequence[int]]

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions."""
        return self.system.regions

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return self.system.inputs

    @property
    def n_draw(self) -> int:
        """Number of draws."""
        return self.system.n_draw

    def initial_state(self) -> tuple[Array, Array]:
        """Neuronal and observation states at rest."""
        return self.system.initial_state()

    def flow(self, x: Array, u: Array) -> Array:
        """dx/dt, shape (unit, draw): the system's, except that a cut target sees its source at rest and a clamped region stands still."""
        u = u.copy()
        for k, value in self.set_inputs.items():
            u[k] = value
        rate = self.system.flow(x, u)
        for target, sources in self.cuts.items():
            seen = x.copy()
            seen[sources] = 0.0
            rate[target] = self.system.flow(seen, u)[target]
        rate[list(self.clamped)] = 0.0
        return rate

    def observation_flow(self, h: Array, x: Array) -> Array:
        """dh/dt: untouched, an intervention acts on activity and is seen through the usual haemodynamics."""
        return self.system.observation_flow(h, x)

    def observe(self, x: Array, h: Array) -> Array:
        """The signal in the model's units, shape (region, draw)."""
        return self.system.observe(x, h)


def checked_interventions(
    do: Sequence[Intervention], regions: Sequence[str], inputs: Sequence[str], n_bin: int, udt: float
) -> tuple[Intervention, ...]:
    """The interventions as a tuple.

    Raises `InputError` for an unknown name, a region where an input belongs (or the other way round), a course of the wrong length, a
    window after the run's end, and two interventions that set the same thing at the same time.
    """
    if isinstance(do, Intervention):
        raise InputError(f"do must be a list of interventions, got a single {type(do).__name__}: write do=[{type(do).__name__}(...)].")
    if not isinstance(do, Sequence):
        raise InputError(f"do must be a list of SetInput, Clamp and Cut, got {type(do).__name__}: write do=[Cut(source, target)].")
    do = tuple(do)
    for one in do:
        _check_names(one, regions, inputs)
        if one.start >= n_bin * udt:
            raise InputError(f"The intervention '{one}' starts after the run's end at {n_bin * udt:g} s: let it start earlier.")
        if not isinstance(one, Cut) and np.shape(one.value) not in ((), (n_bin,)):
            raise InputError(
                f"The course of '{one}' must be one number or {n_bin} values, one a bin of the input grid, got {np.size(one.value)}."
            )
    for i, one in enumerate(do):
        for other in do[:i]:
            if _sets(one) == _sets(other) and one.start < other.stop and other.start < one.stop:
                raise InputError(f"'{other}' and '{one}' set the same thing at the same time: give them windows that do not overlap.")
    return do


def _sets(one: Intervention) -> tuple[str, ...]:
    match one:
        case SetInput():
            return "input", one.name
        case Clamp():
            return "region", one.region
        case Cut():
            return "connection", one.source, one.target


def _check_names(one: Intervention, regions: Sequence[str], inputs: Sequence[str]) -> None:
    match one:
        case SetInput():
            if one.name in regions and one.name not in inputs:
                raise InputError(f"SetInput({one.name!r}) names a region: to hold its activity use Clamp({one.name!r}, value).")
            known_name("input", one.name, inputs, "SetInput")
        case Clamp():
            if one.region in inputs and one.region not in regions:
                raise InputError(f"Clamp({one.region!r}) names an input: to change its course use SetInput({one.region!r}, value).")
            known_name("region", one.region, regions, "Clamp")
        case Cut():
            if one.source in inputs and one.source not in regions:
                raise InputError(
                    f"Cut({one.source!r}, {one.target!r}) names an input as source: to silence it use SetInput({one.source!r}, 0)."
                )
            known_name("region", one.source, regions, "Cut")
            known_name("region", one.target, regions, "Cut")
        case _:
            raise InputError(
                f"do must list SetInput, Clamp or Cut, got {one!r}: BOLD itself cannot be set, since it is an effect of activity."
            )


def removed_means(given: Inputs, prepared: Inputs) -> dict[str, float]:
    """What the model subtracted from each of its inputs: nothing, or the mean over the recording."""
    return {name: float((given.column(name) - prepared.column(name)).mean()) for name in prepared.names}


def window_edges(do: Sequence[Intervention], udt: float) -> list[float]:
    """Where, in bins, a window opens or closes or a course given bin by bin changes."""
    edges = []
    for one in do:
        edges += [_bins(one.start, udt), _bins(one.stop, udt)]
        if not isinstance(one, Cut) and np.ndim(one.value) == 1:
            edges += (np.flatnonzero(np.diff(one.value)) + 1).tolist()
    return edges


def _bins(seconds: float, udt: float) -> float:
    """A time in bins; a time that rounding alone keeps off a bin's border is put there."""
    bins = seconds / udt
    return float(np.round(bins)) if np.isfinite(bins) and abs(bins - np.round(bins)) < 1e-6 else bins


def under(segment: Segment, do: Sequence[Intervention], removed_means: Mapping[str, float], udt: float) -> Segment:
    """The segment with the interventions in force during it; the segment itself where there are none.

    removed_means : what the model subtracts from each input before it uses it
    """
    active = [one for one in do if _bins(one.start, udt) <= segment.start < _bins(one.stop, udt)]
    if not active:
        return segment
    regions, inputs = list(segment.system.regions), list(segment.system.inputs)
    set_inputs, held, cuts = {}, {}, {}
    for one in active:
        match one:
            case SetInput():
                set_inputs[inputs.index(one.name)] = _value(one.value, segment) - removed_means[one.name]
            case Clamp():
                held[regions.index(one.region)] = _value(one.value, segment)
            case Cut():
                cuts.setdefault(regions.index(one.target), []).append(regions.index(one.source))
    return replace(segment, system=Intervened(segment.system, set_inputs, tuple(held), cuts), held=held)


def _value(course: Course, segment: Segment) -> float:
    values = np.asarray(course, dtype=float)
    return float(values if values.ndim == 0 else values[int(segment.start)])
