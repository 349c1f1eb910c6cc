"""Cross-spectra of regions at rest, as data and as a model predicts them.

Lives here: these containers, and what inversion asks of a model of them. Does not live here: how they are estimated
(`numerics.spectral_autoregression`), predicted (`models.spectral_dcm`) or fitted (`inference.spectral`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.data import Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.model import NoisePrior
from ltc_causal.core.result import Session

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class CrossSpectra:
    """Cross-spectral densities G_ij(f), the mean of x_i(f) x_j(f)^*: spectra on the diagonal.

    frequencies : (frequency,), Hz
    values : (frequency, region, region), complex, Hermitian; in the signal's units squared per Hz
    regions : names
    """

    frequencies: Array
    values: Complex
    regions: tuple[str, ...]

    def coherence(self) -> Array:
        """|G_ij|^2 / (G_ii G_jj), shape (frequency, region, region)."""
        power = np.einsum("fii->fi", self.values).real
        return np.abs(self.values) ** 2 / (power[:, :, None] * power[:, None])


@dataclass(frozen=True, eq=False)
class SpectralFeatures:
    """One recording as a spectral model predicts it.

    measured : (frequency, region, region), cross-spectra of the scaled signal
    weights : (frequency, entry, entry), complex and triangular W: W^* W is the precision of the errors, row by row, but for one factor. None
        where it is that of the predicted spectra, with the factor 1
    averages : (frequency,), how many ordinates of a periodogram each measured one averages, where the weights are None
    scale : the factor that took the recording's units to the model's
    plan : the model's own
    """

    measured: Complex
    weights: Any
    averages: Any
    scale: float
    plan: Any


@runtime_checkable
class SpectralModel(Protocol):
    """What the inversion of cross-spectra asks of a model."""

    @property
    def regions(self) -> Sequence[str]:  # noqa: D102 - as everywhere
        ...

    @property
    def prior(self) -> Gaussian:  # noqa: D102
        ...

    @property
    def noise(self) -> NoisePrior:
        """Prior of the log-precision of the spectra's errors, the factor that `SpectralFeatures.weights` lack."""
        ...

    @property
    def silent(self) -> tuple[str, ...]:
        """Free parameters that no spectrum depends on: their posterior is their prior."""
        ...

    def spectral_features(self, recordings: Sequence[Recording]) -> list[SpectralFeatures]:
        """The recordings' cross-spectra, all on one scale."""
        ...

    def predict(self, theta: Array, features: SpectralFeatures) -> tuple[Complex, bool]:
        """Predicted cross-spectra, and whether the network is stable, without which there are none."""
        ...

    def linearise(self, theta: Array, features: SpectralFeatures) -> tuple[Complex, Complex, bool]:
        """The same with their derivative, (frequency, region, parameter, region), in the parameters that are free and not silent."""
        ...

    def session(self, posterior: Gaussian, recording: Recording, features: SpectralFeatures) -> Session:
        """What a posterior says of a recording."""
        ...
