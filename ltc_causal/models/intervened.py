"""A system under interventions: a wrapper with the same interface, and the segments of a run in which each is in force.

Lives here: what each kind of do() does to a flow, and when. Does not live here: the interventions as values (`core.intervention`), their
checks against a model (`intervention_checks`), what is asked with them (`ltc_causal.causal`, `ltc_causal.reduction`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.data import Inputs
from ltc_causal.core.intervention import Clamp, Course, Cut, Drive, Intervention, Lesion, Policy, Pulse, Scale, SetInput, SetParameter
from ltc_causal.core.model import DynamicalSystem, HasConnections
from ltc_causal.errors import InputError
from ltc_causal.models.intervention_checks import checked_interventions as checked_interventions  # noqa: PLC0414 - where readers look for it
from ltc_causal.models.simulate import Segment

Array = NDArray[np.float64]
Connection = Cut | Scale | Lesion


@dataclass(frozen=True, eq=False)
class Intervened:
    """A dynamical system of which some parts are taken out of its own hands; everything else is the system's.

    system : the system wrapped
    set_inputs : {index of an input: value}, in the model's own centring
    clamped : indices of regions whose activity is held: their own equation is dropped
    views : (rows, {index of a source: factor}): the equations of these rows see the source's deviation from rest times the factor
    driven : {index of a region: what is added to its flow, in activity per second}
    rest : shape (unit, draw), what deviations are counted from; None for zero
    """

    system: DynamicalSystem
    set_inputs: Mapping[int, float] = field(default_factory=dict)
    clamped: Sequence[int] = ()
    views: Sequence[tuple[Sequence[int], Mapping[int, float]]] = ()
    driven: Mapping[int, float] = field(default_factory=dict)
    rest: Array | None = None

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

    @property
    def cuts(self) -> dict[int, list[int]]:
        """{index of a row: sources that it sees at rest}."""
        unseen = [(row, source) for rows, view in self.views for source, factor in view.items() if factor == 0 for row in rows]
        return {row: [source for other, source in unseen if other == row] for row, _ in unseen}

    def initial_state(self) -> tuple[Array, Array]:
        """Neuronal and observation states at rest."""
        return self.system.initial_state()

    def flow(self, x: Array, u: Array) -> Array:
        """dx/dt, shape (unit, draw): the system's, but for views, drives, and clamped regions, which stand still."""
        if self.set_inputs:
            u = u.copy()
            u[list(self.set_inputs)] = list(self.set_inputs.values())
        rate = self.system.flow(x, u)
        for rows, view in self.views:
            seen = x.copy()
            for source, factor in view.items():
                rest = 0.0 if self.rest is None else self.rest[source]
                seen[source] = rest + factor * (x[source] - rest)
            rate[list(rows)] = self.system.flow(seen, u)[list(rows)]
        for region, value in self.driven.items():
            rate[region] += value
        rate[list(self.clamped)] = 0.0
        return rate

    def observation_flow(self, h: Array, x: Array) -> Array:
        """dh/dt: untouched, an intervention acts on activity and is seen through the haemodynamics."""
        return self.system.observation_flow(h, x)

    def observe(self, x: Array, h: Array) -> Array:
        """The signal in the model's units, shape (region, draw)."""
        return self.system.observe(x, h)


@dataclass(frozen=True, eq=False)
class Acting:
    """Interventions bound to one run of one system.

    do : as `checked_interventions` gives them
    removed_means : what the model subtracts from each input before it uses it
    udt : seconds a bin
    rest : of the system, shape (unit, draw); None for zero
    altered : gives the system with parameters set; None where there are none
    """

    do: Sequence[Intervention]
    removed_means: Mapping[str, float]
    udt: float
    rest: Array | None = None
    altered: Callable[[Sequence[SetParameter]], DynamicalSystem] | None = None
    _systems: dict = field(default_factory=dict)

    def on(self, segment: Segment) -> Segment:
        """The segment with the interventions in force during it; the segment itself where there are none."""
        active = [one for one in self.do if self._in_force(one, segment)]
        if not active:
            return segment
        regions = list(segment.system.regions)
        clamps = {regions.index(one.region): one.value for one in active if isinstance(one, Clamp)}
        drives = [(regions.index(one.region), one.value) for one in active if isinstance(one, Drive)]
        free = [(region, value) for region, value in drives if region not in clamps]
        driven: dict[int, float] = {}
        for region, value in free:
            if not callable(value):
                driven[region] = driven.get(region, 0.0) + _value(value, segment)
        connections = [one for one in active if isinstance(one, Connection)]
        system = Intervened(
            self._system(segment.system, active),
            self._set_inputs(segment, active),
            tuple(clamps),
            _views(segment.system, connections, 0 if self.rest is None else len(self.rest)),
            driven,
            self.rest,
        )
        return replace(
            segment,
            system=system,
            held={region: _value(value, segment) for region, value in clamps.items() if not callable(value)},
            jumps=_jumps(regions, [one for one in active if isinstance(one, Pulse)]),
            held_by={region: value for region, value in clamps.items() if callable(value)},
            driven_by=tuple((region, value) for region, value in free if callable(value)),
        )

    def _in_force(self, one: Intervention, segment: Segment) -> bool:
        if isinstance(one, Pulse):
            return bins(one.at, self.udt) == segment.start
        return bins(one.start, self.udt) <= segment.start < bins(one.stop, self.udt)

    def _set_inputs(self, segment: Segment, active: Iterable[Intervention]) -> dict[int, float]:
        inputs = list(segment.system.inputs)
        return {
            inputs.index(one.name): _value(one.value, segment) - self.removed_means[one.name] for one in active if isinstance(one, SetInput)
        }

    def _system(self, system: DynamicalSystem, active: Sequence[Intervention]) -> DynamicalSystem:
        """The system with parameters set and strengths scaled, made once for each set of interventions."""
        changes = [one for one in active if isinstance(one, SetParameter) or (isinstance(one, Connection) and one.tonic)]
        key = tuple(id(one) for one in changes)
        if key not in self._systems:
            parameters = [one for one in changes if isinstance(one, SetParameter)]
            changed = self.altered(parameters) if parameters and self.altered else system
            for one in changes:
                if isinstance(one, Connection):
                    changed = _scaled(changed, one)
            self._systems[key] = changed
        return self._systems[key]


def _scaled(system: DynamicalSystem, one: Connection) -> DynamicalSystem:
    """The system with the strength of one connection multiplied, or of all out of a region."""
    if not isinstance(system, HasConnections):
        raise InputError(
            f"'{one}' needs a system that knows its connections one by one, which a {type(system).__name__} does not: use tonic=False."
        )
    regions = system.regions
    if isinstance(one, Lesion):
        return system.with_scaled(regions.index(one.region), None, 0.0)
    return system.with_scaled(regions.index(one.source), regions.index(one.target), _factor(one))


def _factor(one: Connection) -> float:
    return one.factor if isinstance(one, Scale) else 0.0


def _views(system: DynamicalSystem, connections: Iterable[Connection], n_unit: int) -> tuple[tuple[tuple[int, ...], dict[int, float]], ...]:
    """Which rows see which sources otherwise; rows that see alike together. Several on one connection multiply."""
    factors: dict[int, dict[int, float]] = {}
    for one in connections:
        if one.tonic or _factor(one) == 1.0:
            continue
        source = system.regions.index(one.region if isinstance(one, Lesion) else one.source)
        for row in _others(system, source, n_unit) if isinstance(one, Lesion) else (system.regions.index(one.target),):
            view = factors.setdefault(row, {})
            view[source] = view.get(source, 1.0) * _factor(one)
    alike: dict[tuple, list[int]] = {}
    for row, view in sorted(factors.items()):
        alike.setdefault(tuple(sorted(view.items())), []).append(row)
    return tuple((tuple(rows), dict(view)) for view, rows in alike.items())


def _others(system: DynamicalSystem, region: int, n_unit: int) -> list[int]:
    """All units that are not a region's own."""
    own = system.own_units(region) if isinstance(system, HasConnections) else (region,)
    return [row for row in range(n_unit) if row not in own]


def _jumps(regions: list[str], pulses: Iterable[Pulse]) -> dict[int, tuple[float, float]]:
    jumps: dict[int, tuple[float, float]] = {}
    for one in pulses:
        region = regions.index(one.region)
        jumps[region] = (0.0, one.to) if one.to is not None else (1.0, jumps.get(region, (1.0, 0.0))[1] + (one.by or 0.0))
    return jumps


def under(segment: Segment, do: Sequence[Intervention], removed_means: Mapping[str, float], udt: float) -> Segment:
    """The segment under interventions that a model and its reduction have in common; the segment itself where none is in force.

    Raises `InputError` for others than SetInput, Clamp (but for a function) and Cut (tonic=False): what they do is not told by A, B, C and D.
    """
    for one in do:
        if (
            not isinstance(one, SetInput | Clamp | Cut)
            or (isinstance(one, Clamp) and callable(one.value))
            or (isinstance(one, Cut) and one.tonic)
        ):
            raise InputError(
                f"A reduction is judged under SetInput, Clamp (to a number or a series) and Cut (tonic=False) alone, got '{one}': ask predict "
                "with the model itself."
            )
    return Acting(do, removed_means, udt).on(segment)


def removed_means(given: Inputs, prepared: Inputs) -> dict[str, float]:
    """What the model subtracted from each of its inputs: nothing, or the mean over the recording."""
    return {name: float((given.column(name) - prepared.column(name)).mean()) for name in prepared.names}


def window_edges(do: Sequence[Intervention], udt: float, n_bin: int = 0) -> list[float]:
    """Where, in bins, a window opens or closes, a course given bin by bin changes, or a function is asked.

    n_bin : of the run; a function is asked as often as the input grid is fine
    """
    edges = []
    for one in do:
        if isinstance(one, Pulse):
            edges.append(bins(one.at, udt))
            continue
        first, last = bins(one.start, udt), bins(one.stop, udt)
        edges += [first, last]
        if isinstance(one, SetInput | Clamp | Drive):
            if callable(one.value):
                edges += [edge for edge in range(n_bin) if first < edge < last]
            elif np.ndim(one.value) == 1:
                edges += (np.flatnonzero(np.diff(one.value)) + 1).tolist()  # pyright: ignore[reportArgumentType]
    return edges


def bins(seconds: float, udt: float) -> float:
    """A time in bins; a time that rounding alone keeps off a bin's border is put there."""
    count = seconds / udt
    return float(np.round(count)) if np.isfinite(count) and abs(count - np.round(count)) < 1e-6 else count


def _value(course: Course | Policy, segment: Segment) -> float:
    values = np.asarray(course, dtype=float)
    return float(values if values.ndim == 0 else values[int(segment.start)])
