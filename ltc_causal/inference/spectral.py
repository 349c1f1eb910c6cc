"""Inversion of cross-spectra: variational Laplace's loop on spectra whose errors are made independent.

    vec e ~ CN(0, (e^h W^* W)^-1),   e = measured - predicted spectra

W e, real parts and then imaginary ones, is one channel of the ordinary problem (a Hermitian matrix has as many real numbers as entries, which
is how SPM counts them too). Where W is fixed, h is estimated, and the free energy lacks log |W|, which is added. Where W belongs to the predicted
spectra, h = 0, and the loop's gradient and curvature are the gradient and the Fisher information of Whittle's likelihood: its steps are those of
Fisher scoring (Osborne 1992). One more number then stands for what its deviance is beyond the squares of W e, so that the loop compares points
by that likelihood.

Lives here: this problem and its Fit. Does not live here: the loop (`laplace`), any model, since all that is seen of one is
`core.spectra.SpectralModel`.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.ascent import Attempt, History, Status
from ltc_causal.core.data import Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.model import Features
from ltc_causal.core.result import Fit, largest_shift
from ltc_causal.core.spectra import SpectralFeatures, SpectralModel
from ltc_causal.errors import InputError
from ltc_causal.inference import laplace
from ltc_causal.inference.design import Ascent, Design, design, parameters
from ltc_causal.inference.laplace import VariationalLaplace
from ltc_causal.numerics.spectral_errors import sampling_weights, whittle

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

ROOM = 100.0  # nats an entry that a deviance may lie below the squares before the number that stands for the rest ends at zero


class Channel:
    """A spectral model as the ordinary loop sees it: one channel, real, of independent errors about zero data."""

    approximation = None

    def __init__(self, model: SpectralModel):
        self.model, self.noise, self.regions = model, model.noise, ("spectra",)
        prior = model.prior
        silent = np.isin(prior.names, model.silent)
        self.prior = Gaussian(prior.names, prior.mean, np.where(silent | silent[:, None], 0.0, prior.cov))

    def predict(self, theta: Array, features: Features, differences: str = "exact") -> tuple[Array, bool]:
        """Minus the errors of this channel, shape (2 * entries + 1, 1), and whether the network is stable."""
        spectra, stable = self.model.predict(theta, features.plan)
        return self._errors(features.plan, spectra, stable)[0], stable

    def linearise(self, theta: Array, features: Features) -> tuple[Array, Array, bool]:
        """The same with the derivative for W as it is, shape (2 * entries + 1, 1, free parameter)."""
        spectra, tangents, stable = self.model.linearise(theta, features.plan)
        errors, W = self._errors(features.plan, spectra, stable)
        by_entry = tangents.transpose(0, 1, 3, 2).reshape(len(spectra), -1, tangents.shape[2])
        jacobian = np.zeros((len(errors), 1, tangents.shape[2]))
        jacobian[:-1, 0] = _real(W @ by_entry).reshape(-1, tangents.shape[2])
        return errors, jacobian, stable

    @staticmethod
    def _errors(features: SpectralFeatures, spectra: Complex, stable: bool) -> tuple[Array, Complex]:
        e, K = (spectra - features.measured).reshape(len(spectra), -1, 1), features.averages
        result = np.zeros((2 * e.size + 1, 1))
        W = features.weights
        if K is not None:
            # Of an unstable network spectra mean nothing: the loop turns back.
            W = sampling_weights(spectra if stable else np.zeros_like(spectra) + np.eye(spectra.shape[1]), K)
        result[:-1, 0] = _real(W @ e).ravel()
        if K is not None and stable:
            deviance = -2 * whittle(spectra, features.measured, K)
            result[-1] = np.sqrt(max(ROOM * e.size + deviance - np.vdot(result, result), 0.0))
        return result, W


def _real(values: Complex) -> Array:
    return np.stack([values.real, values.imag])


def spectral_design(model: SpectralModel, features: Sequence[SpectralFeatures], differences: str) -> Design:
    """The problem that the loop solves; a session is a channel, without confounds."""
    rows = [2 * one.measured.size + 1 for one in features]
    channels = [Features(np.zeros((n, 1)), np.zeros((n, 1)), one.scale, one) for n, one in zip(rows, features, strict=True)]
    channel: Any = Channel(model)
    counts = np.array([float(one.measured.size) for one in features])
    return design(channel, channels, differences)._replace(n_time=counts, n_padding=len(features))


def fit_spectra(
    model: SpectralModel, recordings: Sequence[Recording], method: VariationalLaplace, starts: Mapping[str, Array], seed: int | None
) -> Fit:
    """The fit of one recording or several sessions, which share all parameters; from the start that leads highest."""
    began = time.perf_counter()
    recordings = [one.select(model.regions) for one in recordings]
    features = model.spectral_features(recordings)
    known = features[0].averages is not None
    if known and method.differences != "exact":
        raise InputError("VariationalLaplace(differences='spm') imitates SPM: use it with SpectralDCM(variant='spm').")
    d = spectral_design(model, features, method.differences)
    ascents = [_climb(d, theta, method) for theta in starts.values()]
    best = max(ascents, key=lambda one: one.free_energy)
    posterior = _posterior(model, best)
    sessions = tuple(model.session(posterior, *pair) for pair in zip(recordings, features, strict=True))
    tried = tuple(
        Attempt(words, one.free_energy, one.status, len(one.history), _distance(model, one, posterior, one is best))
        for words, one in zip(starts, ascents, strict=True)
    )
    return Fit(
        model,
        sessions,
        posterior,
        best.free_energy,
        best.status,
        best.history,
        best.gradient_norm,
        time.perf_counter() - began,
        seed,
        tried,
    )


def _climb(d: Design, theta: Array, method: VariationalLaplace) -> "Climb":
    """Where a start leads, with the free energy of the spectra themselves."""
    ascent = laplace.ascend(d, theta, method)
    energy = ascent.free_energy
    if np.isfinite(energy):
        features = [one.plan for one in d.features]
        energy = (
            _whittle_free_energy(d, ascent) if features[0].averages is not None else energy + sum(_log_weights(one) for one in features)
        )
    shift = energy - ascent.free_energy if np.isfinite(energy) else 0.0
    history = replace(ascent.history, free_energy=ascent.history.free_energy + shift)
    return Climb(laplace.posterior(d, ascent), energy, ascent.status, history, ascent.gradient_norm)


def _log_weights(features: SpectralFeatures) -> float:
    return float(np.log(np.abs(np.einsum("fii->fi", features.weights))).sum())


def _whittle_free_energy(d: Design, ascent: Ascent) -> float:
    """Laplace's approximation with Whittle's likelihood, in nats and up to a constant of the data."""
    p, energy = ascent.point.p, 0.0
    for one in d.features:
        spectra = d.model.model.predict(parameters(d, p), one.plan)[0]  # pyright: ignore[reportAttributeAccessIssue] - a Channel
        energy += whittle(spectra, one.plan.measured, one.plan.averages)
    return energy - 0.5 * float(d.precision @ p**2) + 0.5 * float(np.linalg.slogdet(ascent.cov)[1] + np.log(d.precision).sum())


class Climb(NamedTuple):
    """As `Ascent`: the Gaussian over the loop's parameters, and how it was found."""

    found: Gaussian
    free_energy: float
    status: Status
    history: History
    gradient_norm: float


def _posterior(model: SpectralModel, climb: Climb) -> Gaussian:
    """Silent parameters keep their prior, which must be independent of the others."""
    found, prior = climb.found, model.prior
    silent = np.isin(prior.names, model.silent)
    return Gaussian(prior.names, found.mean, np.where(silent | silent[:, None], prior.cov, found.cov))


def _distance(model: SpectralModel, climb: Climb, kept: Gaussian, same: bool) -> float:
    if same:
        return 0.0
    return largest_shift(kept, _posterior(model, climb))[0] if np.isfinite(climb.free_energy) else np.inf
