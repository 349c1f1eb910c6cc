"""The fit of a network of skewed sources: maximum of the joint density, a Gaussian posterior around it, and the prior's width by evidence.

Scans follow one another slowly, so that a recording is worth fewer independent samples than it has: the likelihood is weighted by that share,
by the regions' autocorrelations (Bartlett 1946). The width of the connections' common prior is where the evidence is stationary: the mean of
their second moments under the posterior (MacKay 1992, eq. 2.21).

Lives here: that fit. Does not live here: the likelihood (`numerics.skewed_sources`), the model (`models.source_network`).
"""

import time
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ltc_causal.core.ascent import History, Status
from ltc_causal.core.data import Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.result import Fit, Session
from ltc_causal.core.sources import Standardised
from ltc_causal.inference.laplace import UNINFORMED, nats_gained
from ltc_causal.numerics import skewed_sources as sources

Array = NDArray[np.float64]

MOST_WIDTHS, SAME_WIDTH = 30, 1e-3  # rounds of the prior's width, and the relative change that ends them
NARROWEST = 1e-3  # of the prior's width: below it no connection is left
SMALL_GRADIENT = 1e-3  # nats per posterior sd
MOST_ITERATIONS, LARGE = 5000, 1e12
NEGLIGIBLE_CORRELATION = 0.05  # of scans: later ones are noise of the estimate


class _Peak(NamedTuple):
    theta: Array
    log_joint: float  # without the prior's norm
    cov: Array
    norm: float


def independent_share(z: Array) -> float:
    """How many independent samples a scan is worth for second moments, 1 / (1 + 2 sum of squared autocorrelations); mean over regions."""
    n_time = len(z)
    spectrum = np.abs(np.fft.rfft(z, 2 * n_time, axis=0)) ** 2
    correlation = np.fft.irfft(spectrum, axis=0)[:n_time]
    correlation = correlation / correlation[0]
    worth = []
    for course in correlation.T:
        small = np.flatnonzero(course < NEGLIGIBLE_CORRELATION)
        worth.append(1 + 2 * (course[1 : small[0] if len(small) else n_time] ** 2).sum())
    return float(1 / np.mean(worth))


def fit_sources(model: Any, recording: Recording) -> Fit:
    """The model over a recording; where it left its prior's width open, the fit's model states the one that was found."""
    began = time.perf_counter()
    recording = recording.select(model.regions)
    data = model.standardised(recording)
    z = data.z
    share, given = independent_share(z), model.prior_sd is not None
    model = model.with_width_of_its_prior()
    theta = _start(z)
    records = []
    while True:
        precision = 1 / np.diag(model.prior.cov)
        peak = _peak(z, share, precision, theta)
        records.append((_free_energy(peak, precision), _distance(peak, theta, precision), 0.0, True, peak.norm))
        theta, width = peak.theta, _width(peak, len(model.edge_names))
        settled = given or abs(width / model.prior_sd - 1) < SAME_WIDTH
        if settled or len(records) == MOST_WIDTHS:
            break
        model = replace(model, prior_sd=width)
    posterior = Gaussian(model.prior.names, peak.theta, peak.cov)
    session = _session(recording, data, peak.theta, share)
    seconds = time.perf_counter() - began
    status = _status(peak, model.prior, settled)
    return Fit(model, (session,), posterior, records[-1][0], status, History.of(records), peak.norm, seconds)


def _start(z: Array) -> Array:
    """No connections; sources of the signals' own width and lean."""
    n = z.shape[1]
    lean = np.clip((z**3).mean(axis=0) / 2, -1, 1)
    return np.concatenate([np.zeros(n * (n - 1)), np.full(n, -0.5), np.zeros(n), lean])


def _peak(z: Array, share: float, precision: Array, theta: Array) -> _Peak:
    """The maximum of the joint density above a start, and the curvature there."""

    def loss(theta: Array) -> tuple[float, Array]:
        value, gradient = sources.value_and_gradient(theta, z)
        if not np.isfinite(value):
            return LARGE, gradient
        return float(0.5 * precision @ theta**2) - share * value, precision * theta - share * gradient

    # Along a path through networks without equilibrium the line search turns back: their loss is large.
    found = minimize(loss, theta, jac=True, method="L-BFGS-B", options={"maxiter": MOST_ITERATIONS, "ftol": 1e-14, "gtol": 1e-8})
    information = np.diag(precision) - share * sources.hessian(found.x, z)
    values, vectors = np.linalg.eigh(information)
    # The prior is the least that is known: elsewhere the joint density is not concave, and the Gaussian a bound.
    cov = (vectors / np.maximum(values, precision.min())) @ vectors.T
    gradient = loss(found.x)[1]
    return _Peak(found.x, -float(found.fun), (cov + cov.T) / 2, float(np.sqrt(gradient @ cov @ gradient)))


def _free_energy(peak: _Peak, precision: Array) -> float:
    """Log evidence by Laplace's approximation, nats."""
    return peak.log_joint + 0.5 * (np.log(precision).sum() + np.linalg.slogdet(peak.cov)[1])


def _width(peak: _Peak, n_edge: int) -> float:
    second_moment = (peak.theta[:n_edge] ** 2 + np.diag(peak.cov)[:n_edge]).mean()
    return float(np.sqrt(max(second_moment, NARROWEST**2)))


def _distance(peak: _Peak, start: Array, precision: Array) -> float:
    return float(np.sqrt(precision @ (peak.theta - start) ** 2))


def _status(peak: _Peak, prior: Gaussian, settled: bool) -> Status:
    if not settled:
        return Status.MAXIMUM_ITERATIONS
    if not peak.norm < SMALL_GRADIENT:
        return Status.STALLED
    gained = nats_gained(peak.theta, peak.cov, 1 / np.diag(prior.cov))
    return Status.CONVERGED if gained >= UNINFORMED else Status.NOT_INFORMED


def _session(recording: Recording, data: Standardised, theta: Array, share: float) -> Session:
    """What each region receives from the others is its prediction, and its own source is the rest."""
    z = data.z
    B, *_ = sources.split(theta, z.shape[1])
    precision = -2 * np.log((z - z @ B.T).std(axis=0))
    noise = Gaussian(tuple(recording.regions), precision, np.eye(z.shape[1]) * 2 / (share * len(z)))
    return Session(recording, (z @ B.T) * data.scale, data.confounds, noise)
