"""What a model does from given parameters: courses of its states, and recordings made from them.

Lives here: the cutting of a run into segments, their integration, `simulate`. Does not live here: the equations (`neuronal`,
`haemodynamics`), the Runge-Kutta step (`numerics.rk4`), interventions (`intervened`, which alters segments).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ltc_causal.core.data import Inputs, Recording, TimeSeries
from ltc_causal.core.intervention import Policy
from ltc_causal.core.model import DynamicalSystem, Simulable
from ltc_causal.errors import InputError, finite_array, known_name, positive
from ltc_causal.models.true_flow import MAX_STEP
from ltc_causal.numerics.rk4 import runge_kutta, runge_kutta_in_time
from ltc_causal.numerics.schedule import sample_bins

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Segment:
    """A stretch of time in which neither the inputs nor the system change, but for what functions of time and state do.

    start, stop : in bins of the input grid, not necessarily whole
    inputs : shape (input,)
    system : in force during the segment
    held : {index of a region: activity}, set as the segment begins; the system's flow must keep it there
    jumps : {index of a region: (factor, term)}, as the segment begins x := factor x + term
    held_by : {index of a region: function}, which gives its activity at every moment; the system's flow must keep it where it is
    driven_by : (index of a region, function), which adds to its flow at every moment
    """

    start: float
    stop: float
    inputs: Array
    system: DynamicalSystem
    held: Mapping[int, float] = field(default_factory=dict)
    jumps: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    held_by: Mapping[int, Policy] = field(default_factory=dict)
    driven_by: Sequence[tuple[int, Policy]] = ()

    def seen(self, t: float, y: Array) -> Array:
        """The states as everything sees them at t seconds: y, with the regions that functions hold where these put them."""
        if not self.held_by:
            return y
        free = {name: y[i] for i, name in enumerate(self.system.regions) if i not in self.held_by}
        y = y.copy()
        for region, policy in self.held_by.items():
            y[region] = _kept_gone(y[region], _asked(policy, t, free, y.shape[-1], self.system.regions[region]))
        return y


def _kept_gone(before: Array, value: Array | float) -> Array:
    """The value, except in draws that have left the bounds."""
    return np.where(np.isnan(before), np.nan, value)


def _asked(policy: Policy, t: float, state: Mapping[str, Array], n_draw: int, region: str) -> Array:
    """A policy's value, shape (draw,)."""
    try:
        value = np.asarray(policy(t, state), dtype=float)
    except KeyError as error:
        raise InputError(
            f"The function given for {region!r} asks for {error.args[0]!r}, but it sees the activity of {list(state)} only: regions that "
            "functions hold are not among them."
        ) from None
    if value.shape not in ((), (n_draw,)):
        raise InputError(
            f"The function given for {region!r} must return a number or one value a draw, shape ({n_draw},), got shape {value.shape}."
        )
    return np.broadcast_to(value, (n_draw,))


@dataclass(frozen=True, eq=False)
class Run:
    """What an integration leaves.

    neuronal, observed : activity and signal when read, shape (scan, region, draw)
    stable : shape (draw,), whether all states stayed within bounds
    lowest, highest : activity over the whole run, wherever a segment begins, shape (region, draw)
    """

    neuronal: Array
    observed: Array
    stable: NDArray[np.bool_]
    lowest: Array
    highest: Array


def segments(system: DynamicalSystem, inputs: Inputs, reads: NDArray[np.int64], breaks: Iterable[float] = ()) -> list[Segment]:
    """Cut a run wherever an input changes, a region is read, or at one of the `breaks` (in bins)."""
    n_bin = len(inputs.values)
    changes = np.flatnonzero((np.diff(inputs.values, axis=0) != 0).any(axis=1)) + 1
    inside = [edge for edge in breaks if 0 < edge < n_bin]
    edges = np.unique(np.concatenate([[0], changes, np.ravel(reads), inside, [n_bin]]))
    return [
        Segment(start, stop, inputs.values[int(start)], system) for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]


def run_segments(
    system: DynamicalSystem, course: Sequence[Segment], reads: NDArray[np.int64], udt: float, max_step: float = MAX_STEP
) -> Run:
    """Integrate the segments one after another, from rest, and read each region when `reads` says.

    system : says how the run starts; what drives it, and how the signal is read, is each segment's own system
    reads : shape (scan, region), in bins (see `numerics.schedule.sample_bins`)
    udt : seconds a bin

    A reading at a segment's border belongs to the segment that begins there.
    """
    x, h = system.initial_state()
    n_unit, n = len(x), len(system.regions)
    y = np.concatenate([x, h.reshape(-1, system.n_draw)])
    neuronal = np.full((*reads.shape, system.n_draw), np.nan)
    observed = np.full_like(neuronal, np.nan)
    lowest, highest = y[:n].copy(), y[:n].copy()
    read_after = np.searchsorted([segment.start for segment in course], reads)
    for number, segment in enumerate(course):
        y = _begun(segment, y, segment.start * udt)
        lowest, highest = np.fmin(lowest, y[:n]), np.fmax(highest, y[:n])
        _read(segment.system, y, n_unit, read_after == number, neuronal, observed)
        y = runge_kutta_in_time(_joint_flow(segment, n_unit), y, segment.start * udt, (segment.stop - segment.start) * udt, max_step)
        y = segment.seen(segment.stop * udt, y)
    _read(course[-1].system, y, n_unit, read_after == len(course), neuronal, observed)
    stable = ~np.isnan(y[0])  # a draw that left the bounds is NaN in every state
    return Run(neuronal, observed, stable, np.fmin(lowest, y[:n]), np.fmax(highest, y[:n]))


def _begun(segment: Segment, y: Array, t: float) -> Array:
    """The states as a segment begins: what it holds and what it makes jump."""
    for region, activity in segment.held.items():
        y[region] = _kept_gone(y[region], activity)
    for region, (factor, term) in segment.jumps.items():
        y[region] = factor * y[region] + term
    return segment.seen(t, y)


def _joint_flow(segment: Segment, n_unit: int):
    """Neuronal and observation flow as one function of t and y, shape (unit + observation state of each region, draw): activity first."""
    regions = segment.system.regions
    n = len(regions)

    def flow(t: float, y: Array) -> Array:
        y = segment.seen(t, y)
        rate = np.empty_like(y)
        rate[:n_unit] = segment.system.flow(y[:n_unit], segment.inputs)
        for region, policy in segment.driven_by:
            rate[region] += _asked(policy, t, dict(zip(regions, y, strict=False)), y.shape[-1], regions[region])
        rate[n_unit:] = segment.system.observation_flow(_observation(y, n_unit, n), y[:n]).reshape(-1, y.shape[-1])
        return rate

    return flow


def _observation(y: Array, n_unit: int, n_region: int) -> Array:
    """The observation states within y, shape (state, region, draw)."""
    return y[n_unit:].reshape((len(y) - n_unit) // n_region, n_region, y.shape[-1])


def _read(system: DynamicalSystem, y: Array, n_unit: int, due: NDArray[np.bool_], neuronal: Array, observed: Array) -> None:
    if due.any():
        scans, regions = np.nonzero(due)
        neuronal[scans, regions] = y[regions]
        observed[scans, regions] = system.observe(y[:n_unit], _observation(y, n_unit, len(system.regions)))[regions]


def simulate_states(
    system: DynamicalSystem, inputs: Inputs, n_scan: int, delays: ArrayLike, max_step: float = MAX_STEP
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """The usual course of a system from rest: activity and signal, each of shape (scan, region, draw), and which draws stayed stable.

    inputs : as the model uses them (`model.prepared_inputs`), covering the scans
    delays : shape (region,), seconds from a scan's onset to the reading of the region
    max_step : seconds
    """
    reads = sample_bins(len(inputs.values), n_scan, delays, inputs.dt)
    run = run_segments(system, segments(system, inputs, reads), reads, inputs.dt, max_step)
    return run.neuronal, run.observed, run.stable


def neuronal_course(system: DynamicalSystem, inputs: Inputs, max_step: float = MAX_STEP) -> Array:
    """Neuronal states as each input bin begins, without haemodynamics, shape (bin, region, draw); NaN once a draw has left the bounds."""
    x = system.initial_state()[0]
    course = np.empty((len(inputs.values), *x.shape))
    for bin, u in enumerate(inputs.values):
        course[bin] = x
        x = runge_kutta(lambda x, u=u: system.flow(x, u), x, inputs.dt, max_step)
    return course


def simulate(
    model: Simulable,
    parameters: Mapping[str, float] | ArrayLike,
    inputs: Inputs,
    *,
    dt: float,
    n_scan: int | None = None,
    snr: float | None = None,
    seed: int | np.random.Generator = 0,
    delays: ArrayLike | None = None,
    echo_time: float = 0.04,
    unit: str = "% signal change",
) -> Recording:
    """A recording made from known parameters: the model's flow, read scan by scan, with noise.

    A model with flow="bilinear" is simulated by its expansion about rest: for ground truth choose flow="true".

    parameters : {name: value} over `model.prior.names` (the others stay at their prior mean), or all of them, shape (parameter,); in the
        scale of the prior, which for self-connections is not Hz (see the model)
    inputs : as the experimenter records them; the model centres them if it says so
    dt : seconds between scans; n_scan : how many, by default as many as the inputs cover
    snr : in each region sd(signal) / sd(noise), the noise white and Gaussian; None for none
    delays : shape (region,), seconds from a scan's onset to the reading of each region; None for half a scan
    echo_time : seconds

    Raises `InputError` for an unknown parameter, grids that do not fit, or parameters under which the states leave the model's bounds.
    """
    theta = _full_parameters(model, parameters)
    n_scan = int(round(inputs.duration / positive("simulate(dt)", dt, "seconds"))) if n_scan is None else n_scan
    # A recording with a stand-in for the signal: grids, delays and echo time are checked where they always are, and before the long part.
    frame = Recording(TimeSeries(_ramp(n_scan, model), dt, model.regions, unit), inputs, echo_time=echo_time, delays=delays)
    system = model.system(theta[None], frame.echo_time)
    _, observed, stable = simulate_states(system, model.prepared_inputs(inputs), n_scan, frame.delays)
    if not stable[0]:
        raise InputError(
            "The simulation left the model's bounds under these parameters: give weaker couplings or inputs, or stronger self-connections."
        )
    signal = observed[:, :, 0]
    if snr is not None:
        sd = signal.std(axis=0) / positive("simulate(snr)", snr, "signal sd per noise sd")
        signal = signal + sd * np.random.default_rng(seed).standard_normal(signal.shape)
    return replace(frame, series=replace(frame.series, values=signal))


def _ramp(n_scan: int, model: Simulable) -> Array:
    return np.repeat(np.arange(n_scan, dtype=float)[:, None], len(model.regions), axis=1)


def _full_parameters(model: Simulable, parameters: Mapping[str, float] | ArrayLike) -> Array:
    prior = model.prior
    if not isinstance(parameters, Mapping):
        theta = finite_array("simulate(parameters)", parameters, 1, "(parameter,)")
        if theta.shape != prior.mean.shape:
            raise InputError(
                f"simulate(parameters) must hold {len(prior.mean)} values, one for each of model.prior.names, got {len(theta)}."
            )
        return theta
    theta = prior.mean.copy()
    for name, value in parameters.items():
        theta[known_name("parameter", name, prior.names, "the model")] = finite_array(f"Parameter {name!r}", value, 0, "()")
    return theta
