"""One verb: fit a model to what was recorded of one subject.

Lives here: `fit`, and what it makes of an ascent's end. Does not live here: the methods (`laplace`).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, overload

import numpy as np

from ltc_causal.core.coupling import connection_name
from ltc_causal.core.data import Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.model import Features, GenerativeModel, Trainable
from ltc_causal.core.regression import RegressionModel
from ltc_causal.core.result import Approximation, Attempt, Fit, Session, largest_shift
from ltc_causal.core.sequences import SequenceFit, Sequences
from ltc_causal.core.spectra import SpectralModel
from ltc_causal.core.trained import TrainedNetwork, Training
from ltc_causal.errors import InputError, known_name
from ltc_causal.inference import laplace
from ltc_causal.inference.design import Array, Ascent, Design, design
from ltc_causal.inference.laplace import VariationalLaplace
from ltc_causal.inference.regression import Regression, fit_regression
from ltc_causal.inference.sources import fit_sources
from ltc_causal.inference.spectral import fit_spectra
from ltc_causal.numerics.least_squares import fitted

Start: TypeAlias = Gaussian | Fit | Mapping[str | tuple[str, str], float]


@overload
def fit(
    model: GenerativeModel | SpectralModel,
    recording: Recording | Sequence[Recording],
    method: VariationalLaplace | None = None,
    *,
    start: Start | None = None,
) -> Fit: ...
@overload
def fit(model: RegressionModel, recording: Recording | Sequence[Recording], method: Regression | None = None) -> Fit: ...
@overload
def fit(model: Trainable, recording: Recording | Sequence[Recording], method: Training) -> TrainedNetwork: ...
@overload
def fit(model: Any, recording: Sequences, method: Training) -> SequenceFit: ...
def fit(
    model: Any,
    recording: Recording | Sequence[Recording] | Sequences,
    method: VariationalLaplace | Regression | Training | None = None,
    *,
    start: Start | None = None,
) -> Fit | TrainedNetwork | SequenceFit:
    """Fit a model to one recording, or to several sessions of one subject.

    model : anything with a prior and a prediction, such as `DCM`
    recording : holds the model's regions and inputs by name, others may be there too. Several are sessions of one subject: they share all of
        the model's parameters, and each has its own noise and confounds. They may differ in length, inputs, delays and echo time; all are
        scaled by one factor, the smallest that any of them asks for
    method : how; variational Laplace with exact derivatives unless given. A network is fitted by `GradientTraining`,
        a regression DCM by `Regression` (its default)
    start : begin at this distribution's (or fit's) mean instead of the prior mean; parameters are matched by name, so that a liquid model
        can start from a bilinear one's fit. Or {parameter: value} (for connections of A and C also
        {(source, target): value}), and the prior mean for the others

    A model may have several starts of its own (`model.starts`), and `VariationalLaplace(starts=...)` adds some; the ascent that ends at the
    highest free energy is returned, and `fit.starts` tells of all. A model with a cheaper approximation (the true flow's bilinear one) is
    climbed by way of that one's end, unless a start is given.

    Raises `InputError` if a recording lacks a region or an input, if the start shares no parameter with the model, or if it names one that
    the model has not. A fit that did not converge is returned with the reason as its `status`.
    """
    began = time.perf_counter()
    if hasattr(type(model), "regression"):
        return _regressed(model, _recordings(recording), method, start)
    if hasattr(type(model), "standardised"):
        return _of_sources(model, _recordings(recording), method, start)
    method = method or VariationalLaplace()
    if not isinstance(method, VariationalLaplace):
        return _trained(model, recording if isinstance(recording, Sequences) else _recordings(recording), method, start)
    if isinstance(model, Recording | list | tuple):
        raise InputError("fit takes the model first and the recording second: write lc.fit(model, recording).")
    if hasattr(type(model), "spectral_features"):
        named = _starts(model, start, method)
        return fit_spectra(model, _recordings(recording), method, named, method.seed if len(model.starts) < method.starts else None)
    # Not isinstance of the protocol: up to Python 3.11 that computes every property of the model.
    if not hasattr(type(model), "linearise"):
        raise InputError(
            f"A {type(model).__name__} has no prediction for variational Laplace: fit it with lc.GradientTraining() if it is a network."
        )
    recordings = [one.select(model.regions) for one in _recordings(recording)]
    d = design(model, _on_one_scale([model.features(one) for one in recordings]), method.differences)
    named = _starts(model, start, method)
    cheap = _approximate(d, recordings)
    climbs = [_climbed(d, cheap if start is None else None, theta, method) for theta in named.values()]
    ascents = [ascent for ascent, _ in climbs]
    best, nearby = max(climbs, key=lambda one: one[0].free_energy)
    posterior = laplace.posterior(d, best)
    distances = [0.0 if one is best else _distance(d, one, posterior) for one in ascents]
    starts = tuple(
        Attempt(words, one.free_energy, one.status, len(one.history), distance)
        for words, one, distance in zip(named, ascents, distances, strict=True)
    )
    approximation = None if cheap is None or not np.isfinite(best.free_energy) else _approximation(cheap, best, nearby, posterior)
    seed = method.seed if len(model.starts) < method.starts else None
    return Fit(
        model, _sessions(d, recordings, best), posterior, best.free_energy, best.status, best.history, best.gradient_norm,
        time.perf_counter() - began, seed, starts, approximation,
    )  # fmt: skip


def _regressed(model: Any, recordings: list[Recording], method: Any, start: Start | None) -> Fit:
    if not isinstance(method, Regression | None):
        raise InputError(f"A {type(model).__name__} is fitted by Regression(), its default, got {method!r}: leave the method out.")
    if start is not None:
        raise InputError("A regression has no starting point: leave out fit(start=).")
    return fit_regression(model, recordings, method or Regression())


def _of_sources(model: Any, recordings: list[Recording], method: Any, start: Start | None) -> Fit:
    if method is not None or start is not None:
        raise InputError(f"A {type(model).__name__} has one way to be fitted, and one place to begin: leave out method and start.")
    if len(recordings) != 1:
        raise InputError(f"A {type(model).__name__} is fitted to one recording, got {len(recordings)}: fit each.")
    return fit_sources(model, recordings[0])


def _trained(model: Any, data: list[Recording] | Sequences, method: Any, start: Start | None) -> TrainedNetwork | SequenceFit:
    if not isinstance(method, Training):
        raise InputError(f"fit's method must be VariationalLaplace() or GradientTraining(), got {method!r}.")
    if start is not None:
        raise InputError("A network begins where it was built to: leave out fit(start=), and build it with LiquidNetwork.started_from.")
    return method.train(model, data)


def _recordings(given: Any | Sequence[Recording]) -> list[Recording]:
    recordings: list[Recording] = list(given) if isinstance(given, list | tuple) else [given]  # pyright: ignore[reportAssignmentType] - checked below
    if not recordings:
        raise InputError("fit got an empty list of recordings: give at least one session.")
    for one in recordings:
        if not isinstance(one, Recording):
            raise InputError(
                f"fit needs a Recording or a list of them as its second argument, got {type(one).__name__}: "
                "build one from TimeSeries and Inputs."
            )
    return recordings


def _on_one_scale(features: list[Features]) -> list[Features]:
    """Sessions of one subject in the same units: the smallest factor of all."""
    scale = min(one.scale for one in features)
    return [_at_scale(one, scale) for one in features]


def _starts(model: GenerativeModel, start: Start | None, method: VariationalLaplace) -> dict[str, Array]:
    """Where to begin, in words and numbers: the model's own starts with what the given one knows in place of their values, then draws."""
    given = _start_values(model, start)
    own: dict[bytes, Array] = {}
    for theta in model.starts:
        theta = theta.copy()
        for name, value in given.items():
            theta[model.prior.index(name)] = value
        own.setdefault(theta.tobytes(), theta)
    words = "given" if given else "the model's own"
    starts = {f"{words}, {number}" if len(own) > 1 else words: theta for number, theta in enumerate(own.values(), start=1)}
    draws = max(method.starts - len(model.starts), 0)
    if draws:
        starts |= {f"drawn, {number}": theta for number, theta in enumerate(model.prior.sample(draws, method.seed), start=1)}
    return starts


def _start_values(model: GenerativeModel, start: Start | None) -> dict[str, float]:
    """What a start says of the model's free parameters, by name."""
    names = model.prior.names
    if start is None:
        return {}
    if isinstance(start, Mapping):
        named = {connection_name(key, getattr(model, "inputs", ())): value for key, value in start.items()}
        for name in named:
            known_name("parameter", name, names, "the start")
        return {name: _number(name, value) for name, value in named.items()}
    given = start.posterior if isinstance(start, Fit) else start
    if not isinstance(given, Gaussian):
        raise InputError(f"A start is a fit, a Gaussian or {{parameter: value}}, got {type(start).__name__}: give one of these.")
    shared = {name: float(given.mean[given.index(name)]) for name in names if name in given.names}
    if not shared:
        raise InputError(f"The start has none of the model's parameters ({list(names[:3])}, ...): start from a fit of a related model.")
    return shared


def _number(name: str, value: float) -> float:
    if not isinstance(value, int | float | np.number) or not np.isfinite(value):
        raise InputError(f"The start of {name!r} must be a finite number, got {value!r}.")
    return float(value)


def _sessions(d: Design, recordings: list[Recording], ascent: Ascent) -> tuple[Session, ...]:
    """What the fit says of each recording, in its units."""
    n = len(d.model.regions)
    sessions = []
    for number, (recording, features, prediction) in enumerate(zip(recordings, d.features, ascent.predictions, strict=True)):
        own = slice(n * number, n * number + n)
        noise = Gaussian(tuple(d.model.regions), ascent.point.h[own], np.diag(ascent.log_precision_variance[own]))
        X = features.confounds
        explained = fitted(X, features.values - prediction) / features.scale
        # What `features` subtracted before scaling is part of what the confounds explain.
        confounds = explained + recording.series.values - features.values / features.scale
        sessions.append(Session(recording, prediction / features.scale, confounds, noise, features.scale))
    return tuple(sessions)


def _distance(d: Design, ascent: Ascent, kept: Gaussian) -> float:
    """Of an ascent's end from the one that is kept, in posterior sd; infinite where it has none."""
    return largest_shift(kept, laplace.posterior(d, ascent))[0] if np.isfinite(ascent.free_energy) else np.inf


def _approximate(d: Design, recordings: list[Recording]) -> Design | None:
    """The same problem for the model's cheaper approximation, if it has one."""
    model = d.model.approximation
    if model is None:
        return None
    return design(model, [_at_scale(model.features(one), d.features[0].scale) for one in recordings], "exact")


def _climbed(d: Design, cheap: Design | None, theta: Array, method: VariationalLaplace) -> tuple[Ascent, Ascent | None]:
    """The ascent from a start, by way of the approximation's end if there is one; and that end.

    Most of the way is then climbed in cheap steps. Where that way leads nowhere, the ascent begins at the start itself.
    """
    if cheap is None or method.differences != "exact":
        return laplace.ascend(d, theta, method), None
    nearby = laplace.ascend(cheap, theta, method)
    if np.isfinite(nearby.free_energy):
        ascent = laplace.ascend(d, theta, method, near=nearby.point)
        if np.isfinite(ascent.free_energy):
            return ascent, nearby
    return laplace.ascend(d, theta, method), None


def _approximation(cheap: Design, ascent: Ascent, nearby: Ascent | None, posterior: Gaussian) -> Approximation:
    """How far the model's approximation is off.

    Its ascent begins close by, so it is short, and goes to the fixed point, so that the shift is not one of paths.
    """
    predicted = np.concatenate(ascent.predictions)
    change = np.concatenate([cheap.model.predict(posterior.mean, one)[0] for one in cheap.features]) - predicted
    bold = np.linalg.norm(change) / np.linalg.norm(predicted) if predicted.any() else 0.0
    other = laplace.ascend(cheap, posterior.mean, VariationalLaplace(path="fixed_point"), (nearby or ascent).point)
    shift, worst = largest_shift(posterior, laplace.posterior(cheap, other))
    return Approximation(float(bold), shift, worst, other.status.converged)


def _at_scale(features: Features, scale: float) -> Features:
    return features if features.scale == scale else replace(features, values=features.values * (scale / features.scale), scale=scale)
