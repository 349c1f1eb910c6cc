"""What may be wrong with a recording, found out by trying.

Would the model explain it better if the inputs came earlier, the scans took half as long, two inputs had each other's name?

Lives here: `doctor`, the suspicions and what is said of them. Does not live here: what a fit says of itself (`core.diagnosis`).
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.data import Inputs, Recording, TimeSeries
from ltc_causal.core.diagnosis import Diagnosis, Finding, Level
from ltc_causal.core.result import Fit
from ltc_causal.errors import InputError
from ltc_causal.inference.fit import fit as fit_model

Array = NDArray[np.float64]

SHIFTS = (-8.0, -6.0, -4.0, -2.0, 2.0, 4.0, 6.0, 8.0)  # seconds
PACES = (0.5, 2 / 3, 0.75, 1.5, 2.0)  # factors on the seconds a scan
GAIN = (3.0, 10.0)  # nats; (look, bad): the usual word for strong, and beyond what the best of thirty tries reaches by chance
NOTHING = (5.0, 3.0)  # nats that the inputs explain
SPIKE = (6.0, 8.0)  # robust sds of a residual
DRIFT, DRIFT_PERIOD = (0.30, 0.45), 128.0  # share of the residuals' variance in periods longer than so many seconds
COMMON = (0.30, 0.50)  # mean correlation of the regions' residuals
TWINS = (0.95, 0.98)  # correlation of two regions' signals


class Suspicion(NamedTuple):
    """A recording as it would be if something had gone wrong, and what is said if the model likes it better."""

    name: str
    recording: Recording
    advice: str


def doctor(fit: Fit, session: int = 0) -> Diagnosis:
    """Look for mistakes in a recording that no fit can tell of itself, by fitting again under each suspicion.

    fit : of a model with variational Laplace (a DCM); its bilinear approximation is refitted where it has one, some thirty times
    session : which recording of several is looked at

    Tried are inputs that come up to 8 s earlier or later, scans that take half to twice as long, two inputs or two regions with each other's name, a
    region with its sign turned, and no inputs at all. A suspicion is reported if the free energy gains more than 3 nats by it, and only the one that
    gains most can be bad. Beside these: spikes, drifts and noise common to all regions in the residuals, and regions that are each other's copy.

    The findings of `fit.diagnose()` come first. Raises `InputError` for a fit that was not made by variational Laplace.
    """
    if not isinstance(fit, Fit) or not hasattr(type(fit.model), "linearise"):
        raise InputError(f"doctor needs a fit of a DCM by variational Laplace, got {type(getattr(fit, 'model', fit)).__name__}.")
    mistakes, symptoms = _suspicions(fit, session), _residuals(fit, session)
    if any(finding.level is Level.BAD and finding.name != "inputs" for finding in mistakes):
        # With a mistake found, what is left over may be its doing: to be looked at again once it is mended.
        symptoms = [_at_most_a_look(finding) for finding in symptoms]
        mistakes = [_at_most_a_look(finding) if finding.name == "inputs" else finding for finding in mistakes]
    return Diagnosis((*fit.diagnose().findings, *mistakes, *symptoms))


def _at_most_a_look(finding: Finding) -> Finding:
    return replace(finding, level=Level.LOOK) if finding.level is Level.BAD else finding


def _suspicions(fit: Fit, session: int) -> list[Finding]:
    """What each suspicion would gain; the one that gains most may be bad, others that gain are worth a look."""
    model = fit.model.approximation or fit.model
    recording = fit.session(session).recording.select(model.regions)

    def energy(one: Recording) -> float:
        found = fit_model(model, one)
        return found.free_energy if np.isfinite(found.free_energy) else -np.inf

    usual = energy(recording)
    still = replace(recording, inputs=replace(recording.inputs, values=np.zeros_like(recording.inputs.values)))
    tried = [(one, energy(one.recording) - usual) for one in _tried(recording)]
    best = max((gain for _, gain in tried), default=0.0)
    findings = [_of_inputs(usual - energy(still))]
    for kind in dict.fromkeys(one.name for one, _ in tried):
        one, gain = max(((one, gain) for one, gain in tried if one.name == kind), key=lambda pair: pair[1])
        findings.append(_of_suspicion(one, gain, gain == best))
    return findings


def _of_inputs(gain: float) -> Finding:
    if gain >= NOTHING[0]:
        return Finding("inputs", gain, "nats", Level.FINE, "The inputs explain something.")
    level = Level.LOOK if gain >= NOTHING[1] else Level.BAD
    return Finding(
        "inputs",
        gain,
        "nats",
        level,
        "The inputs explain next to nothing: is this the right run, are the onsets in seconds, is it the right region?",
    )


def _of_suspicion(one: Suspicion, gain: float, is_best: bool) -> Finding:
    if not gain > GAIN[0]:
        return Finding(one.name, gain, "nats", Level.FINE, "As recorded, it is explained best.")
    level = Level.BAD if is_best and gain > GAIN[1] else Level.LOOK
    return Finding(one.name, gain, "nats", level, one.advice)


def _tried(recording: Recording) -> Iterator[Suspicion]:
    inputs, series = recording.inputs, recording.series
    for seconds in SHIFTS:
        when = "earlier" if seconds < 0 else "later"
        yield Suspicion(
            "timing of the inputs", replace(recording, inputs=_shifted(inputs, seconds)),
            f"The data fit better if the inputs come {abs(seconds):g} s {when}: check the onsets' zero, dropped first scans, slice timing.",
        )  # fmt: skip
    for factor in PACES:
        slower = _paced(recording, factor)
        yield Suspicion(
            "seconds a scan", slower,
            f"The data fit better with a scan every {slower.series.dt:.3g} s in place of {series.dt:.3g} s: check the repetition time.",
        )  # fmt: skip
    for a, b in combinations(range(len(inputs.names)), 2):
        yield Suspicion(
            "names of the inputs", replace(recording, inputs=replace(inputs, values=_exchanged(inputs.values, a, b))),
            f"The data fit better if {inputs.names[a]} and {inputs.names[b]} change names: check the order of the columns.",
        )  # fmt: skip
    for a, b in combinations(range(len(series.regions)), 2):
        yield Suspicion(
            "names of the regions", _with_values(recording, _exchanged(series.values, a, b)),
            f"The data fit better if {series.regions[a]} and {series.regions[b]} change names: check the order of the columns.",
        )  # fmt: skip
    for a, region in enumerate(series.regions):
        turned = series.values.copy()
        turned[:, a] *= -1
        yield Suspicion(
            "sign of a region", _with_values(recording, turned),
            f"The data fit better with the sign of {region} turned: a first eigenvariate has no sign of its own.",
        )  # fmt: skip


def _shifted(inputs: Inputs, seconds: float) -> Inputs:
    """Inputs that come so much later, zeros where nothing is known."""
    bins = int(round(seconds / inputs.dt))
    values = np.zeros_like(inputs.values)
    if bins >= 0:
        values[bins:] = inputs.values[: len(values) - bins]
    else:
        values[:bins] = inputs.values[-bins:]
    return replace(inputs, values=values)


def _paced(recording: Recording, factor: float) -> Recording:
    """As if scans took so much longer, and the inputs were at their seconds: cut short, or silent after their end."""
    dt, inputs = recording.series.dt * factor, recording.inputs
    wanted = int(round(len(recording.series.values) * dt / inputs.dt))
    values = np.zeros((wanted, inputs.values.shape[1]))
    values[: len(inputs.values)] = inputs.values[:wanted]
    series = replace(recording.series, dt=dt)
    # The grid must divide the run: the bin is stretched by what rounding took.
    inputs = Inputs(values, series.duration / wanted, inputs.names)
    return Recording(series, inputs, recording.confounds, recording.echo_time, np.minimum(recording.delays * factor, dt))


def _exchanged(values: Array, a: int, b: int) -> Array:
    order = list(range(values.shape[1]))
    order[a], order[b] = b, a
    return values[:, order]


def _with_values(recording: Recording, values: Array) -> Recording:
    series = recording.series
    return replace(recording, series=TimeSeries(values, series.dt, series.regions, series.unit))


# --- what is left over --------------------------------------------------------------------------------------------------------------


def _residuals(fit: Fit, session: int) -> list[Finding]:
    explained = fit.session(session)
    series = explained.recording.select(fit.model.regions).series
    residuals = series.values - explained.prediction - explained.confounds
    return [_spikes(residuals, series), _drift(residuals, series), _common(residuals), _twins(series)]


def _graded(name: str, value: float, unit: str, limits: tuple[float, float], fine: str, advice: str) -> Finding:
    level = Level.FINE if value < limits[0] else Level.LOOK if value < limits[1] else Level.BAD
    return Finding(name, value, unit, level, fine if level is Level.FINE else advice)


def _spikes(residuals: Array, series: TimeSeries) -> Finding:
    sizes = np.abs(residuals - np.median(residuals, axis=0))
    sizes = sizes / np.maximum(1.4826 * np.median(sizes, axis=0), np.finfo(float).tiny)
    scan, region = np.unravel_index(int(np.argmax(sizes)), sizes.shape)
    count = int((sizes > SPIKE[0]).any(axis=1).sum())
    advice = (
        f"{count} scan(s) stand out, most of all {series.regions[region]} at {series.times[scan]:g} s: give each a confound of its own, "
        "or look for motion there."
    )
    return _graded("spikes", float(sizes.max()), "robust sds", SPIKE, "No scan stands out.", advice)


def _drift(residuals: Array, series: TimeSeries) -> Finding:
    power = np.abs(np.fft.rfft(residuals - residuals.mean(axis=0), axis=0)[1:]) ** 2
    slow = np.fft.rfftfreq(len(residuals), series.dt)[1:] < 1 / DRIFT_PERIOD
    # White noise has its share there too, which is none of a drift's.
    share = power[slow].sum(axis=0) / power.sum(axis=0) - slow.mean()
    worst = int(np.argmax(share))
    advice = f"{series.regions[worst]} drifts: add slow cosines to the confounds (periods longer than {DRIFT_PERIOD:g} s)."
    return _graded("drift", float(max(share[worst], 0.0)), "of the residual variance", DRIFT, "No slow drift is left over.", advice)


def _common(residuals: Array) -> Finding:
    n = residuals.shape[1]
    correlation = 0.0 if n < 2 else float((np.corrcoef(residuals.T).sum() - n) / (n * (n - 1)))
    advice = "What is left over is the same in all regions (motion, breathing, the scanner): add it to the confounds."
    return _graded("common noise", correlation, "mean correlation", COMMON, "Regions' residuals are their own.", advice)


def _twins(series: TimeSeries) -> Finding:
    r = np.abs(np.corrcoef(series.values.T)) if series.values.shape[1] > 1 else np.zeros((1, 1))
    np.fill_diagonal(r, 0.0)
    a, b = np.unravel_index(int(np.argmax(r)), r.shape)
    advice = f"{series.regions[a]} and {series.regions[b]} are almost the same signal: check their masks, or keep one."
    return _graded("copies", float(r.max()), "correlation", TWINS, "Regions are not each other's copy.", advice)
