"""Spectral DCM: a network at rest, known by its cross-spectra, which its regions' own fluctuations make.

Friston et al. 2014 (NeuroImage 94:396) and Razi et al. 2015 (NeuroImage 106:1). Variants, and how they differ: `docs/spectral-dcm.md`.

Lives here: the model and what it makes of a recording. Does not live here: the equations (`spectral_prediction`), parameters by name
(`spectral_parameters`), inversion (`inference.spectral`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.coupling import Coupling, connection_mask
from ltc_causal.core.data import Inputs, Recording, TimeSeries
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.model import NoisePrior
from ltc_causal.core.result import Session
from ltc_causal.core.spectra import CrossSpectra, SpectralFeatures
from ltc_causal.errors import InputError, known_name, one_of, read_only, unique_names
from ltc_causal.models import spectral_prediction as prediction
from ltc_causal.models.neuronal import SELF_RATE, Weights
from ltc_causal.models.specification import plain
from ltc_causal.models.spectral_features import N_FREQUENCY, grid, resting_signal, spectral_features
from ltc_causal.models.spectral_parameters import SpectralLayout
from ltc_causal.models.spectral_simulation import rest_series
from ltc_causal.models.system import DCMSystem
from ltc_causal.numerics.spectral_refit import refitted, refitted_and_tangents

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

VARIANTS, KINDS = ("corrected", "spm"), ("bilinear", "liquid")
SPM_ORDER = 8
SPM_NOISE = NoisePrior(mean=8.0, variance=1.0 / 128.0)  # of the spectra's errors
KNOWN_NOISE = NoisePrior(mean=0.0, variance=1e-12)  # where their covariance is known
MOST_REGIONS = 20  # memory grows with their fourth power: a fit of 20 takes about 1 GB
UNSTABLE = "The network of these parameters is unstable, so that it has no spectra: give weaker connections."


@dataclass(frozen=True, eq=False)
class SpectralDCM:
    """A dynamic causal model of fMRI at rest, without inputs: dx/dt = J x + fluctuations, J_ii = -exp(A_ii) / 2 Hz.

    regions : names, in the order of every matrix; they must be in the recording
    intrinsic : connections between regions (A), as (source, target) pairs or a boolean array (target, source); None for all. Every region has
        a self-connection besides
    variant : "corrected" for Whittle's likelihood of the periodogram, whose intervals are nearly honest; "spm" for what SPM computes, faults
        included
    order : of the autoregression by which the spectra are estimated (variant="spm")
    neuronal : "bilinear", or "liquid" for saturating synapses. Spectra at rest are those of the flow's expansion about rest, where both are the
        same: log_kappa keeps its prior, the other parameters and the free energy do not change, and only interventions that lead far from rest
        see the saturation
    prior : {connection or parameter: (mean, sd)} for what differs from the usual prior, a connection by its name or as a (source, target) pair;
        an sd of 0 fixes it. Or a Gaussian over all parameters. After birth the attribute is that Gaussian. The usual one is SPM's; but in the
        corrected variant log amplitudes have an sd of 1, since an amplitude depends on the signal's units
    noise : prior of the log-precision of the spectra's errors (variant="spm")

    Parameters, on SPM's scale: A, transit of each region, decay, epsilon, (log_kappa,) then the fluctuations' and the observation noise's log
    amplitude and log exponent (SPM's a and b), and each region's own noise (c). `coupling` gives Hz.
    """

    regions: Sequence[str]
    intrinsic: Any = None  # a boolean array from birth on
    variant: str = "corrected"
    order: int = SPM_ORDER
    neuronal: str = "bilinear"
    prior: Any = None  # a Gaussian from birth on
    noise: Any = None  # a NoisePrior from birth on

    def __post_init__(self):
        regions = unique_names("SpectralDCM regions", self.regions)
        if not regions:
            raise InputError("A SpectralDCM needs at least one region: name it.")
        if len(regions) > MOST_REGIONS:
            raise InputError(
                f"A SpectralDCM has at most {MOST_REGIONS} regions, got {len(regions)}: fit an lc.RegressionDCM, or choose regions of interest."
            )
        one_of("SpectralDCM variant", self.variant, VARIANTS)
        one_of("SpectralDCM neuronal", self.neuronal, KINDS)
        if not isinstance(self.order, int) or not 2 <= self.order < N_FREQUENCY:
            raise InputError(f"SpectralDCM order must be a whole number from 2 to {N_FREQUENCY - 1}, got {self.order!r}.")
        self._check_noise()
        n = len(regions)
        listed = np.ones((n, n), dtype=bool) if self.intrinsic is None else self.intrinsic
        intrinsic = connection_mask("SpectralDCM intrinsic", listed, regions, regions)
        np.fill_diagonal(intrinsic, True)
        object.__setattr__(self, "regions", regions)
        object.__setattr__(self, "intrinsic", read_only(intrinsic))
        object.__setattr__(self, "prior", self._layout.stated_prior({} if self.prior is None else self.prior))

    def _check_noise(self) -> None:
        noise = self.noise or (SPM_NOISE if self.variant == "spm" else KNOWN_NOISE)
        if not isinstance(noise, NoisePrior):
            raise InputError(f"SpectralDCM.noise must be a NoisePrior, got {noise!r}: write NoisePrior(mean, variance).")
        if self.variant != "spm" and (noise != KNOWN_NOISE or self.order != SPM_ORDER):
            raise InputError("SpectralDCM noise and order are there with variant='spm' only: the corrected variant knows how spectra err.")
        object.__setattr__(self, "noise", noise)

    # --- in words -------------------------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"SpectralDCM({self.describe()})"

    def describe(self) -> str:
        """One line: kind, regions, number of free parameters."""
        kind = "Spectral DCM" if self.neuronal == "bilinear" else "Spectral liquid DCM"
        said = f"{kind} at rest of {', '.join(self.regions)}; {int(self.prior.free.sum())} parameters, variant {self.variant!r}."
        return said + (" At rest saturation (log_kappa) has no effect, and keeps its prior." if self.silent else "")

    def to_spec(self) -> dict[str, Any]:
        """The model as plain JSON values; `SpectralDCM.from_spec` reads it."""
        words = {f.name: plain(getattr(self, f.name)) for f in fields(self) if f.name not in ("prior", "noise")}
        usual = self._layout.stated_prior({})
        same = np.array_equal(usual.mean, self.prior.mean) and np.array_equal(usual.cov, self.prior.cov)
        prior = None if same else {"mean": self.prior.mean.tolist(), "cov": self.prior.cov.tolist()}
        return {**words, "prior": prior, "noise": asdict(self.noise)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "SpectralDCM":
        """The model of `to_spec`."""
        known = [f.name for f in fields(cls)]
        for name in spec:
            known_name("SpectralDCM field", name, known, "the model specification")
        values = {**spec, "intrinsic": np.array(spec["intrinsic"], dtype=bool), "noise": NoisePrior(**spec["noise"])}
        prior = values.pop("prior")
        usual = cls(**values)
        return (
            usual if prior is None else replace(usual, prior=Gaussian(usual.prior.names, np.array(prior["mean"]), np.array(prior["cov"])))
        )

    # --- parameters -----------------------------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> tuple[str, ...]:
        """None: nothing is done to a brain at rest."""
        return ()

    @property
    def flow(self) -> str:
        """How interventions are integrated: a liquid network by its true flow, else the expansion about rest that was fitted."""
        return "true" if self.neuronal == "liquid" else "bilinear"

    @cached_property
    def _layout(self) -> SpectralLayout:
        return SpectralLayout(tuple(self.regions), self.intrinsic, self.neuronal, self.variant != "spm")

    @property
    def silent(self) -> tuple[str, ...]:
        """Free parameters that no spectrum at rest depends on."""
        return ("log_kappa",) if self.neuronal == "liquid" and self.prior.free[self.prior.index("log_kappa")] else ()

    @property
    def starts(self) -> tuple[Array, ...]:
        """The prior mean."""
        return (self.prior.mean,)

    @property
    def edge_names(self) -> tuple[str, ...]:
        """Names of the connections, in the order of `edge_values` and of the first parameters."""
        return self._layout.network.edge_names

    def edge_values(self, theta: NDArray, state: NDArray | None = None, inputs: NDArray | None = None) -> NDArray:
        """The connections in Hz in the order of `edge_names`, about rest."""
        self._check_rest(state)
        target, source = self._layout.entries
        values = theta[: len(target)]
        return np.where(target == source, -SELF_RATE * np.exp(values), values)

    def coupling(self, theta: NDArray, state: NDArray | None = None, inputs: NDArray | None = None) -> Coupling:
        """A in Hz, about rest."""
        n = len(self.regions)
        self._check_rest(state)
        return Coupling(self._jacobian(theta), np.zeros((0, n, n)), np.zeros((n, 0)), tuple(self.regions), ())

    def _check_rest(self, state: NDArray | None) -> None:
        if self.neuronal == "liquid" and state is not None and np.any(state):
            raise InputError("A liquid SpectralDCM is known about rest only: leave the state out, or reduce its system (lc.reduce_to_dcm).")

    def _jacobian(self, theta: NDArray) -> NDArray:
        J = np.zeros((len(self.regions),) * 2, dtype=theta.dtype)
        J[self._layout.entries] = self.edge_values(theta)
        return J

    def weights(self, theta: NDArray) -> Weights:
        """The neuronal parameters as matrices."""
        return self._layout.network.weights(theta)

    def haemodynamic_parameters(self, theta: NDArray) -> tuple[Any, Any, Any]:
        """Transit (..., region), decay and epsilon (...) of theta (..., parameter)."""
        return self._layout.network.haemodynamics(theta)

    def system(self, theta: NDArray, echo_time: float = 0.04) -> DCMSystem:
        """The model at parameters of shape (draw, parameter), for interventions; its fluctuations are left out, so that it rests without them."""
        return DCMSystem.of(self, np.atleast_2d(np.asarray(theta, dtype=float)), echo_time)

    def prepared_inputs(self, inputs: Inputs) -> Inputs:
        """None of them."""
        return inputs.select(())

    # --- features -------------------------------------------------------------------------------------------------------------------

    def spectral_features(self, recordings: Sequence[Recording]) -> list[SpectralFeatures]:
        """Cross-spectra of recordings at rest, all signals scaled by one factor to a standard deviation of a quarter.

        Confounds and means are removed from the signals first. Raises `InputError` for inputs that vary, too few scans, or scans too slow.
        """
        return spectral_features([one.select(self.regions) for one in recordings], self.order if self.variant == "spm" else None)

    # --- prediction -----------------------------------------------------------------------------------------------------------------

    def _resting(self, theta: Array) -> prediction.Resting:
        transit, decay, epsilon = self.haemodynamic_parameters(theta)
        a, b, own = np.split(theta[self._layout.first_spectral :], [2, 4])
        return prediction.Resting(self._jacobian(theta), transit, decay, epsilon, a, b, own)

    def predict(self, theta: Array, features: SpectralFeatures) -> tuple[Complex, bool]:
        """Cross-spectra of the scaled signal, and whether the network is stable; without that there are none."""
        at, plan = self._resting(theta), features.plan
        driven, noise = prediction.driven_and_noise(at, plan.frequencies, plan.grid, plan.echo_time)
        G = driven + noise
        return (G if plan.refit is None else refitted(plan.refit, G)), _is_stable(at.J)

    def linearise(self, theta: Array, features: SpectralFeatures) -> tuple[Complex, Complex, bool]:
        """`predict`, and its exact derivative in the parameters that are free and not silent, (frequency, region, parameter, region)."""
        at, plan = self._resting(theta), features.plan
        target, source = self._layout.entries
        slope = np.where(target == source, at.J[target, source], 1.0)
        G, dG = prediction.spectra_and_tangents(at, plan.frequencies, plan.grid, plan.echo_time, target, source, slope)
        if not self._moving.all():
            dG = dG[:, :, self._moving]
        if plan.refit is not None:
            G, dG = refitted_and_tangents(plan.refit, G, dG)
        return G, dG, _is_stable(at.J)

    @cached_property
    def _moving(self) -> NDArray[np.bool_]:
        """Which of the parameters that spectra depend on are free."""
        return self.prior.free[self._layout.seen]

    def measured_spectra(self, recording: Recording) -> CrossSpectra:
        """What the model is fitted to, in the recording's units."""
        features = self.spectral_features([recording])[0]
        return CrossSpectra(features.plan.frequencies, features.measured / features.scale**2, tuple(self.regions))

    def predicted_spectra(self, theta: Array, recording: Recording) -> CrossSpectra:
        """The same as parameters predict it; raises `InputError` for an unstable network."""
        features = self.spectral_features([recording])[0]
        G, stable = self.predict(theta, features)
        if not stable:
            raise InputError(UNSTABLE)
        return CrossSpectra(features.plan.frequencies, G / features.scale**2, tuple(self.regions))

    def simulate(self, theta: Any, n_scan: int, dt: float, echo_time: float = 0.04, seed: int | np.random.Generator = 0) -> Recording:
        """A recording at rest: Gaussian, stationary, with exactly the spectra of its parameters, the signal in units of the scaled one.

        theta : all parameters, or {connection or parameter: value} for those that differ from the prior mean
        Raises `InputError` for an unstable network.
        """
        at = self._resting(
            self._layout.stated_values(theta, self.prior.mean) if isinstance(theta, Mapping) else np.asarray(theta, dtype=float)
        )
        if not _is_stable(at.J):
            raise InputError(UNSTABLE)
        driven, noise = rest_series(at, n_scan, dt, grid(n_scan, dt), echo_time, seed)
        series = TimeSeries(driven + noise, dt, tuple(self.regions))
        return Recording(series, Inputs(np.zeros((n_scan, 0)), dt, ()), echo_time=echo_time)

    def session(self, posterior: Gaussian, recording: Recording, features: SpectralFeatures) -> Session:
        """A recording as the posterior mean splits it: prediction is the part that the network makes, residuals are observation noise.

        By Wiener's filter: the network's share of the model's cross-spectra, (S N S^*) (S N S^* + E)^-1, times the signal, at all its
        frequencies. The noise's log-precision is minus the logarithm of its variance over these.
        """
        signal, dt = resting_signal(recording) * features.scale, recording.series.dt
        frequencies = np.asarray(np.fft.rfftfreq(len(signal), dt)[1:], dtype=np.float64)
        at, plan = self._resting(posterior.mean), features.plan
        driven, noise = prediction.driven_and_noise(at, frequencies, plan.grid, plan.echo_time)
        transform = np.fft.rfft(signal, axis=0)[1:, :, None]
        share = driven @ np.linalg.solve(driven + noise, transform)
        explained = np.fft.irfft(np.concatenate([np.zeros((1, signal.shape[1])), share[:, :, 0]]), len(signal), axis=0)
        confounds = recording.series.values - signal / features.scale
        variance = np.einsum("fii->i", noise) * (frequencies[1] - frequencies[0])
        own = np.exp(at.own) / (np.exp(at.own) + np.exp(at.noise[0]))
        spread = posterior.cov.diagonal()[-len(own) :] * own**2
        level = Gaussian(tuple(self.regions), -np.log(variance), np.diag(spread))
        return Session(recording, explained / features.scale, confounds, level, features.scale)


def _is_stable(J: Array) -> bool:
    return bool(np.linalg.eigvals(J).real.max() < 0)
