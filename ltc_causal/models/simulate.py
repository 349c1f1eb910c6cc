"""What a model does from given parameters: courses of its states, and recordings made from them.

Lives here: the cutting of a run into segments, their integration, `simulate`. Does not live here: the equations (`neuronal`,
`haemodynamics`), the Runge-Kutta step (`numerics.rk4`), interventions (`causal.predict`, which alters segments).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ltc_causal.core.data import Inputs, Recording, TimeSeries
from ltc_causal.core.model import DynamicalSystem, Simulable
from ltc_causal.errors import InputError, finite_array, known_name, positive
from ltc_causal.models.true_flow import MAX_STEP
from ltc_causal.numerics.rk4 import runge_kutta
from ltc_causal.numerics.schedule import sample_bins

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Segment:
    """A stretch of time in which neither the inputs nor the system change.

    start, stop : in bins of the input grid, not necessarily whole
    inputs : shape (input,)
    system : in force during the segment
    held : {index of a region: activity}, set as the segment begins; the system's flow must keep it there
    """

    start: float
    stop: float
    inputs: Array
    system: DynamicalSystem
    held: Mapping[int, float] = field(default_factory=dict)


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
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Integrate the segments one after another, from rest, and read each region when `reads` says.

    system : says how the run starts and how the signal is read; what drives it is each segment's own system
    reads : shape (scan, region), in bins (see `numerics.schedule.sample_bins`)
    udt : seconds a bin

    Returns neuronal states and observed signal, each of shape (scan, region, draw), and which draws stayed stable, shape (draw,).
    A reading at a segment's border belongs to the segment that begins there.
    """
    x, h = system.initial_state()
    n_unit = len(x)
    y = np.concatenate([x, h.reshape(-1, system.n_draw)])
    neuronal = np.full((*reads.shape, system.n_draw), np.nan)
    observed = np.full_like(neuronal, np.nan)
    read_after = np.searchsorted([segment.start for segment in course], reads)
    for number, segment in enumerate(course):
        for region, activity in segment.held.items():
            y[region] = np.where(np.isnan(y[region]), np.nan, activity)
        _read(system, y, n_unit, read_after == number, neuronal, observed)
        y = runge_kutta(_joint_flow(segment, n_unit), y, (segment.stop - segment.start) * udt, max_step)
    _read(system, y, n_unit, read_after == len(course), neuronal, observed)
    return neuronal, observed, ~np.isnan(y[0])  # a draw that left the bounds is NaN in every state


def _joint_flow(segment: Segment, n_unit: int):
    """Neuronal and observation flow as one function of y, shape (unit + observation state of each region, draw): regions' activity first."""
    n = len(segment.system.regions)

    def flow(y: Array) -> Array:
        rate = np.empty_like(y)
        rate[:n_unit] = segment.system.flow(y[:n_unit], segment.inputs)
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
    """The usual course of a system from rest, as `run_segments` returns it.

    inputs : as the model uses them (`model.prepared_inputs`), covering the scans
    delays : shape (region,), seconds from a scan's onset to the reading of the region
    max_step : seconds
    """
    reads = sample_bins(len(inputs.values), n_scan, delays, inputs.dt)
    return run_segments(system, segments(system, inputs, reads), reads, inputs.dt, max_step)


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
