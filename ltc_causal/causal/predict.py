"""Observe and intervene: the course that a fitted model predicts, usual or under do(), with the posterior's uncertainty.

Lives here: `predict`. Does not live here: what an intervention does to a system (`models.intervened`), how a system is integrated
(`models.simulate`), what of a recording stays as it was (`counterfactual`), how good a prediction was (`score`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.causal import remarks
from ltc_causal.core.data import Inputs
from ltc_causal.core.intervention import Intervention, SetParameter
from ltc_causal.core.model import DynamicalSystem, HasConnections
from ltc_causal.core.prediction import Prediction, band
from ltc_causal.core.result import Fit
from ltc_causal.core.trained import TrainedNetwork
from ltc_causal.errors import InputError, known_name, one_of
from ltc_causal.models.intervened import Acting, checked_interventions, removed_means, window_edges
from ltc_causal.models.simulate import Run, run_segments, segments
from ltc_causal.numerics.schedule import sample_bins

Array = NDArray[np.float64]


def predict(
    source: Fit | TrainedNetwork | DynamicalSystem,
    do: Sequence[Intervention] = (),
    *,
    inputs: Inputs | None = None,
    draws: int = 200,
    seed: int = 0,
    probability: float = 0.9,
    quantity: str | None = None,
    session: int = 0,
) -> Prediction:
    """The course of every region over a session's scans: the usual one, or under the interventions `do` (Pearl 2009, ch. 3).

    source : a fit of a model; a trained network, whose posterior is an ensemble; or a system at given parameters (such as
        `lc.SynapticNetwork`), which needs `inputs`, is read as each of their bins begins, and whose draws are its own
    do : any of SetInput, Clamp, Pulse, Drive, Cut, Scale, Lesion and SetParameter together, each in force during its own window [start, stop)
    inputs : a design other than the recording's, of any length; scans go on at the recording's pace, and `do` acts on top
    draws : how many parameter sets are drawn from the posterior; the same seed gives the same ones with and without `do`, so that
        differences between two predictions are paired
    probability : of the band between `lower` and `upper`
    quantity : "bold", in the recording's units and without confounds, or "neuronal", activity as deviation from rest; unless given "bold" of a
        fit and "neuronal" of a system
    session : whose inputs and scans, of a fit of several

    The model's own flow is integrated (for flow="bilinear" its expansion about rest) by the fourth-order Runge-Kutta method, in steps of at
    most 0.5 s, none across the border of a window, from rest and with everything in force at every stage of every step. At the posterior mean
    the usual course is `fit.prediction`, to about 1e-5 of it; the mean over draws differs from that by the model's nonlinearity in its
    parameters. The result's `usual` is the course without `do` in the very same steps, so that where `do` has no effect, the effect is 0.

    Values of SetInput are in the units of the recording's inputs: a model that centres its inputs goes on to subtract the means of the
    recording as it was. Draws that leave the model's bounds are set aside and counted in `unstable`; where none stays, the course is NaN.
    Leaving the range of inputs or activity that the model was fitted on is said in `remarks`, and so is an intervention without effect.

    Raises `InputError` for an unknown name, a course of the wrong length, or two interventions on the same thing at the same time.
    """
    if not 0 < probability < 1:
        raise InputError(f"predict needs a probability between 0 and 1, got {probability!r}.")
    fitted = _fitted_scene(source, _drawn(source, draws, seed), session) if isinstance(source, Fit | TrainedNetwork) else None
    scene = _system_scene(source, inputs) if fitted is None else fitted if inputs is None else fitted.with_inputs(inputs)
    quantity = ("neuronal" if fitted is None else "bold") if quantity is None else quantity
    one_of("predict(quantity)", quantity, ("bold", "neuronal"))
    do = checked_interventions(do, scene.system.regions, scene.inputs.names, len(scene.inputs.values), scene.inputs.dt, scene.parameters)

    edges = window_edges(do, scene.inputs.dt, len(scene.inputs.values))
    run, usual = scene.run(do, edges), scene.run((), edges) if do else None
    said = [*scene.remarks(do), *remarks.run_away(run, usual)]
    if fitted is not None and (do or inputs is not None):
        reference = usual if usual is not None and inputs is None else fitted.run((), ())
        said += remarks.beyond_inputs(fitted.given, scene.given, do)
        said += remarks.beyond_states(scene.system.regions, reference, run)
    if fitted is None and quantity == "bold" and np.isnan(run.observed[..., run.stable]).all() and run.stable.any():
        raise InputError(f"A {type(source).__name__} has no signal to predict: ask for quantity='neuronal'.")
    before = None if usual is None else scene.prediction(usual, quantity, probability)
    return replace(scene.prediction(run, quantity, probability), do=do, usual=before, remarks=tuple(said))


def signal_under(fit: Fit, theta: Array, do: Sequence[Intervention], session: int) -> tuple[Array, bool]:
    """What a session would have measured under interventions at each of some parameter vectors.

    theta : shape (draw, parameter)

    Returns the signal in the model's units, shape (time, region, draw), and whether all of them stayed within the model's bounds. Raises as
    `predict`.
    """
    scene = _fitted_scene(fit, theta, session)
    do = checked_interventions(do, scene.system.regions, scene.inputs.names, len(scene.inputs.values), scene.inputs.dt, scene.parameters)
    run = scene.run(do, window_edges(do, scene.inputs.dt, len(scene.inputs.values)))
    return run.observed, bool(run.stable.all())


@dataclass(frozen=True, eq=False)
class _Scene:
    """A system, and the run along which it is asked.

    given, inputs : as the experimenter counts them, and as the system does; means : the difference
    reads : shape (scan, region), in bins; times : seconds, shape (scan,)
    scale : from the recording's units to the system's
    scan, delays : seconds a scan, and into it when each region is read
    parameters, altered : names of what SetParameter may set, and the system with it set
    """

    system: DynamicalSystem
    given: Inputs
    inputs: Inputs
    means: dict[str, float]
    reads: NDArray[np.int64]
    times: Array
    scale: float = 1.0
    scan: float = 0.0
    delays: Any = None
    parameters: Sequence[str] | None = None
    altered: Callable[[Sequence[SetParameter]], DynamicalSystem] | None = None

    def run(self, do: Sequence[Intervention], edges: Sequence[float]) -> Run:
        """Integrate under the interventions, cut at their edges and at every reading."""
        acting = Acting(do, self.means, self.inputs.dt, self.system.initial_state()[0], self.altered)
        course = [acting.on(segment) for segment in segments(self.system, self.inputs, self.reads, edges)]
        return run_segments(self.system, course, self.reads, self.inputs.dt)

    def prediction(self, run: Run, quantity: str, probability: float) -> Prediction:
        """A run in the recording's units, with bands."""
        values = np.moveaxis(run.neuronal if quantity == "neuronal" else run.observed / self.scale, -1, 0)
        values[~run.stable] = np.nan
        bands = band(values[run.stable], probability)
        return Prediction(self.times, tuple(self.system.regions), *bands, values, (), quantity, probability, int((~run.stable).sum()))

    def remarks(self, do: Sequence[Intervention]) -> list[str]:
        """What is to be said of the interventions themselves."""
        system, rest = self.system, self.system.initial_state()[0]
        own = [system.own_units(i) if isinstance(system, HasConnections) else (i,) for i in range(len(system.regions))]
        return [*remarks.without_effect(system, rest, do), *remarks.by_hidden_units(len(rest), sum(map(len, own)), do)]

    def with_inputs(self, inputs: Inputs) -> "_Scene":
        """The same under another design, less the means of the old one; whole scans of it."""
        chosen = _named(inputs, self.inputs.names)
        if not chosen.dt <= self.scan <= chosen.duration + 0.5 * chosen.dt:
            raise InputError(
                f"predict(inputs) covers {chosen.duration:g} s in bins of {chosen.dt:g} s, but a scan takes {self.scan:g} s: give at least one "
                "scan, in bins no longer than it."
            )
        n_scan = int((chosen.duration + 0.5 * chosen.dt) / self.scan)
        given = replace(chosen, values=chosen.values[: int(round(n_scan * self.scan / chosen.dt))])
        used = replace(given, values=given.values - [self.means[name] for name in given.names])
        reads = sample_bins(len(used.values), n_scan, self.delays, used.dt)
        return replace(self, given=given, inputs=used, reads=reads, times=np.arange(n_scan) * self.scan)


def _drawn(source: Fit | TrainedNetwork, draws: int, seed: int) -> Array:
    if draws < 2:
        raise InputError(f"predict needs at least 2 draws, got draws={draws!r}.")
    return source.posterior.sample(draws, seed)


def _fitted_scene(fit: Fit | TrainedNetwork, theta: Array, session: int) -> _Scene:
    """The recording of a session, and the model at some parameter vectors, shape (draw, parameter)."""
    model, explained = fit.model, fit.session(session)
    recording = explained.recording.select(model.regions)
    series, given = recording.series, recording.inputs
    inputs = model.prepared_inputs(given)

    def altered(changes: Sequence[SetParameter]) -> DynamicalSystem:
        changed = theta.copy()
        for one in changes:
            column = known_name("parameter", one.name, fit.posterior.names, "SetParameter")
            changed[:, column] = _set(one, theta[:, column])
        return model.system(changed, recording.echo_time)

    reads = sample_bins(len(inputs.values), len(series.values), recording.delays, inputs.dt)
    system, means = model.system(theta, recording.echo_time), removed_means(given, inputs)
    return _Scene(
        system, given.select(inputs.names), inputs, means, reads, series.times, explained.scale, series.dt, recording.delays,
        fit.posterior.names, altered,
    )  # fmt: skip


def _set(one: SetParameter, drawn: Array) -> Array:
    """The values of a parameter, one a draw."""
    value = np.asarray(one.value(drawn) if callable(one.value) else one.value, dtype=float)
    if value.shape not in ((), drawn.shape) or not np.isfinite(value).all():
        raise InputError(f"'{one}' must give a finite number, or one a draw, shape {drawn.shape}; got shape {value.shape}.")
    return np.broadcast_to(value, drawn.shape)


def _system_scene(system: Any, inputs: Inputs | None) -> _Scene:
    """A system by itself, read as each bin of its inputs begins."""
    if not isinstance(system, DynamicalSystem):
        raise InputError(
            f"predict needs a fit, a trained network or a system with its inputs, got {type(system).__name__}: ask the model that it came from."
        )
    if inputs is None:
        raise InputError(f"The prediction of a {type(system).__name__} needs inputs=, since it has no recording.")
    chosen = _named(inputs, system.inputs)
    reads = np.repeat(np.arange(len(chosen.values))[:, None], len(system.regions), axis=1)
    return _Scene(system, chosen, chosen, dict.fromkeys(chosen.names, 0.0), reads, chosen.times)


def _named(inputs: Any, names: Sequence[str]) -> Inputs:
    if not isinstance(inputs, Inputs):
        raise InputError(f"predict(inputs) must be an Inputs, got {type(inputs).__name__}: make one with its dt and names.")
    return inputs.select(names)
