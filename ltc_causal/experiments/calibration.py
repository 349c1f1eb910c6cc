"""Simulation-based calibration: draw truths, simulate recordings, fit them, and see where the truths lie in the posteriors.

Lives here: `calibrate`. Does not live here: the result and its tests (`core.calibration`), its figure (`plotting.calibration`).
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import lfilter
from threadpoolctl import threadpool_limits

from ltc_causal.core.calibration import Calibration
from ltc_causal.core.data import Inputs, Recording, TimeSeries
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.model import NoisePrior
from ltc_causal.errors import InputError, positive
from ltc_causal.inference.fit import fit
from ltc_causal.inference.laplace import VariationalLaplace
from ltc_causal.models.simulate import simulate_states

Array = NDArray[np.float64]
Sampler: TypeAlias = Callable[[np.random.Generator], ArrayLike]

FEWEST = 10  # runs; coverage of fewer says nothing
BATCH = 50  # draws simulated at once; fixed, so that the first truths do not depend on how many are asked for
GIVE_UP = 20  # draws per wanted recording, after which the truths are called unusable
BREAKDOWN = (InputError, ArithmeticError, np.linalg.LinAlgError)  # a fit that ends in one of these has failed, and is counted


@dataclass(frozen=True, eq=False)
class _Design:
    """What all simulated recordings have in common, and what is done with them."""

    model: Any
    frame: Recording
    noise: NoisePrior
    autocorrelation: float
    largest_range: float
    keep_scaled: bool


@dataclass
class _Counts:
    unstable: int = 0
    set_aside: int = 0
    scaled: int = 0


def calibrate(
    model: Any,
    inputs: Inputs,
    *,
    dt: float,
    n: int = 100,
    seed: int = 0,
    n_scan: int | None = None,
    truth: Gaussian | Sampler | None = None,
    noise: NoisePrior | None = None,
    autocorrelation: float = 0.0,
    method: VariationalLaplace | None = None,
    largest_range: float = np.inf,
    keep_scaled: bool = False,
    delays: ArrayLike | None = None,
    echo_time: float = 0.04,
    n_jobs: int = 1,
) -> Calibration:
    """Simulation-based calibration (Talts et al. 2018) of a model and a method of fitting it, for one experimental design.

    model : can be fitted and simulated (`core.model.GenerativeModel` and `Simulable`), such as `DCM`
    inputs, dt, n_scan, delays, echo_time : the design, as in `simulate`
    n : recordings to fit
    truth : where true parameters come from: the model's prior unless given; a Gaussian over some of its parameters (the others come from
        the prior, independently) or a function of a `numpy.random.Generator` that returns all of them, shape (parameter,)
    noise : prior that the log-precision of each region's simulated noise comes from, in the model's units; the model's own unless given
    autocorrelation : of the simulated noise from one scan to the next, AR(1) of the same variance; 0 for white noise
    method : of fitting
    largest_range : recordings whose values span more are set aside, in the model's units (for BOLD percent)
    keep_scaled : also fit recordings that the model scales down (a DCM those of a range above 4). By default they are set aside, since
        parameters of scaled data are not those of the simulation
    n_jobs : processes. The result does not depend on it. A script that asks for more than one needs `if __name__ == "__main__":`

    With truths and noise from the priors, ranks are uniform if and only if posteriors are right. Setting recordings aside, and leaving out
    fits that did not converge, does not change that, because both depend on the data alone; draws whose simulation is unstable have no
    data, are replaced and counted, and the truths are then those of the prior truncated to stable systems.

    Raises `InputError` for fewer than 10 runs, truths that the model does not know, or truths of which hardly any gives a recording.
    """
    if n < FEWEST or n_jobs < 1:
        raise InputError(f"calibrate needs at least {FEWEST} runs and one process, got n={n!r} and n_jobs={n_jobs!r}.")
    if not isinstance(inputs, Inputs):
        raise InputError(f"calibrate needs Inputs as its second argument, got {type(inputs).__name__}: give recording.inputs.")
    if not abs(autocorrelation) < 1:
        raise InputError(f"calibrate(autocorrelation) must lie between -1 and 1, got {autocorrelation!r}.")
    n_scan = int(round(inputs.duration / positive("calibrate(dt)", dt, "seconds"))) if n_scan is None else n_scan
    stand_in = np.repeat(np.arange(n_scan, dtype=float)[:, None], len(model.regions), axis=1)
    frame = Recording(TimeSeries(stand_in, dt, model.regions), inputs, echo_time=echo_time, delays=delays)
    design = _Design(model, frame, noise or model.noise, autocorrelation, largest_range, keep_scaled)
    counts = _Counts()
    drawn = list(_recordings(design, _sampler(model, truth), n, np.random.default_rng(seed), counts))
    results = _fit_all(drawn, model, method, n_jobs)
    kept = [(theta, *result) for (theta, _), result in zip(drawn, results, strict=True) if result is not None]
    if len(kept) < n / 2:
        raise InputError(
            f"Only {len(kept)} of {n} fits converged, too few to judge: give narrower truths (truth=...) or check one fit alone."
        )
    theta, mean, sd, distance = (np.array(column) for column in zip(*kept, strict=True))
    free = model.prior.free
    names = tuple(name for name, is_free in zip(model.prior.names, free, strict=True) if is_free)
    return Calibration(
        names, theta[:, free], mean, sd, distance, _source(truth), _is_exact(design, truth), counts.unstable,
        counts.set_aside, n - len(kept), counts.scaled, seed,
    )  # fmt: skip


def _is_exact(design: _Design, truth: Gaussian | Sampler | None) -> bool:
    return truth is None and design.noise == design.model.noise and design.autocorrelation == 0


def _source(truth: Gaussian | Sampler | None) -> str:
    if truth is None:
        return "the model's prior"
    return "a given Gaussian" if isinstance(truth, Gaussian) else "a given sampler"


def _sampler(model: Any, truth: Gaussian | Sampler | None) -> Callable[[np.random.Generator], Array]:
    """A function that draws one full parameter vector."""
    prior = model.prior
    if truth is None:
        return lambda rng: prior.sample(1, rng)[0]
    if isinstance(truth, Gaussian):
        places = [prior.index(name) for name in truth.names]
        return lambda rng: _replaced(prior.sample(1, rng)[0], places, truth.sample(1, rng)[0])
    return lambda rng: _checked(truth(rng), prior)


def _replaced(theta: Array, places: list[int], values: Array) -> Array:
    theta[places] = values
    return theta


def _checked(values: ArrayLike, prior: Gaussian) -> Array:
    theta = np.asarray(values, dtype=float)
    if theta.shape != prior.mean.shape or not np.isfinite(theta).all():
        raise InputError(
            f"calibrate(truth) must return {len(prior.mean)} finite numbers, one for each of model.prior.names, got shape {theta.shape}."
        )
    return theta


def _recordings(
    design: _Design, draw: Callable[[np.random.Generator], Array], n: int, rng: np.random.Generator, counts: _Counts
) -> Iterator[tuple[Array, Recording]]:
    """Yield n truths and their recordings; what was rejected on the way is counted."""
    found = 0
    for _ in range(0, GIVE_UP * n, BATCH):
        theta = np.array([draw(rng) for _ in range(BATCH)])
        signals, stable = _signals(design, theta)
        noises = [_noise(design, rng) for _ in theta]  # for every draw, so that the stream does not depend on which are stable
        for number in range(BATCH):
            recording = _accepted(design, signals[..., number] + noises[number], bool(stable[number]), counts)
            if recording is not None:
                yield theta[number], recording
                found += 1
            if found == n:
                return
    raise InputError(
        f"Only {found} of {GIVE_UP * n} draws gave a usable recording ({counts.unstable} were unstable, {counts.set_aside} set aside for their "
        "range): give narrower truths (truth=...) or weaker inputs."
    )


def _signals(design: _Design, theta: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Noiseless signals, shape (time, region, draw), and which draws stayed finite and within bounds."""
    frame = design.frame
    system = design.model.system(theta, frame.echo_time)
    with np.errstate(over="ignore", invalid="ignore"):
        _, observed, stable = simulate_states(system, design.model.prepared_inputs(frame.inputs), len(frame.series.values), frame.delays)
    return observed, stable & np.isfinite(observed).all(axis=(0, 1))


def _noise(design: _Design, rng: np.random.Generator) -> Array:
    """Noise whose log-precision comes from its prior, region by region."""
    shape, r = design.frame.series.values.shape, design.autocorrelation
    log_precision = design.noise.mean + np.sqrt(design.noise.variance) * rng.standard_normal(shape[1])
    white = rng.standard_normal(shape)
    white[1:] *= np.sqrt(1 - r**2)  # the first scan has the variance that all have
    return np.exp(-log_precision / 2) * lfilter([1.0], [1.0, -r], white, axis=0)


def _accepted(design: _Design, values: Array, stable: bool, counts: _Counts) -> Recording | None:
    if not stable:
        counts.unstable += 1
        return None
    series = TimeSeries(values, design.frame.series.dt, design.frame.regions)
    frame = design.frame
    recording = Recording(series, frame.inputs, frame.confounds, frame.echo_time, frame.delays)
    scaled = design.model.features(recording).scale != 1
    if np.ptp(values) > design.largest_range or (scaled and not design.keep_scaled):
        counts.set_aside += 1
        return None
    counts.scaled += scaled
    return recording


def _fit_all(drawn: list[tuple[Array, Recording]], model: Any, method: VariationalLaplace | None, n_jobs: int) -> list[tuple | None]:
    arguments = (*zip(*drawn, strict=True), repeat(model), repeat(method))
    if n_jobs == 1:
        return list(map(_posterior, *arguments))
    # Started afresh rather than forked: a forked process can hang in the threads of a numerical library.
    with ProcessPoolExecutor(n_jobs, mp_context=get_context("spawn")) as pool:
        return list(pool.map(_posterior, *arguments, chunksize=max(1, len(drawn) // (4 * n_jobs))))


def _posterior(theta: Array, recording: Recording, model: Any, method: VariationalLaplace | None) -> tuple[Array, Array, float] | None:
    """Mean, sd and the truth's squared distance over the free parameters; None if the fit failed."""
    try:
        with threadpool_limits(1):  # one thread, so that rounding does not depend on the machine's load
            found = fit(model, recording, method)
    except BREAKDOWN:
        return None
    if not found.status.converged:
        return None
    free = model.prior.free
    mean, cov = found.posterior.mean[free], found.posterior.cov[np.ix_(free, free)]
    deviation = theta[free] - mean
    return mean, np.sqrt(np.diag(cov)), float(deviation @ np.linalg.solve(cov, deviation))
