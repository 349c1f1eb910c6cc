"""A spectral DCM's parameters: those of a DCM without inputs, and the amplitudes and exponents of its fluctuations and noise.

Order: A column by column, transit of each region, decay, epsilon, log_kappa of a liquid model, then SPM's a, b and c.

Lives here: their names, places and usual prior. Does not live here: what they do (`spectral_prediction`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.coupling import connection_name
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.errors import InputError, known_name
from ltc_causal.models.parameters import Layout

SPECTRAL = 1.0 / 64.0  # prior variance of log amplitudes and log exponents, SPM's; their means are 0
OPEN_AMPLITUDE = 1.0  # the same of log amplitudes, where they are left to the data
SHARED = ("fluctuations[log_amplitude]", "fluctuations[log_exponent]", "noise[log_amplitude]", "noise[log_exponent]")
SATURATION = "log_kappa"


@dataclass(frozen=True, eq=False)
class SpectralLayout:
    """The parameters of a spectral DCM.

    intrinsic : (target, source), which connections there are
    neuronal : "bilinear" or "liquid"
    open_amplitudes : whether the prior of amplitudes is wide
    """

    regions: tuple[str, ...]
    intrinsic: NDArray[np.bool_]
    neuronal: str
    open_amplitudes: bool

    @cached_property
    def network(self) -> Layout:
        """The parameters that a DCM without inputs has, which come first."""
        n = len(self.regions)
        nothing = {"B": np.zeros((0, n, n), bool), "C": np.zeros((n, 0), bool), "D": np.zeros((n, n, n), bool)}
        return Layout(self.regions, (), {"A": self.intrinsic, **nothing}, self.neuronal)

    @property
    def first_spectral(self) -> int:
        """Position of the first parameter of fluctuations and noise."""
        return len(self.network.names)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all parameters."""
        return (*self.network.names, *SHARED, *(f"noise[{region}]" for region in self.regions))

    @cached_property
    def entries(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Target and source of each connection."""
        source, target = np.nonzero(self.intrinsic.T)
        return target, source

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """Which parameters spectra depend on."""
        return np.array([name != SATURATION for name in self.names])

    def stated_prior(self, stated: Any) -> Gaussian:
        """The prior that a user states: a Gaussian over all parameters, or {connection or parameter: (mean, sd)} over some."""
        if isinstance(stated, Gaussian):
            if stated.names != self.names:
                raise InputError(
                    "SpectralDCM.prior as a Gaussian must be over the model's own parameters in their order: give {name: (mean, sd)}."
                )
            return stated
        if not isinstance(stated, Mapping):
            raise InputError(f"SpectralDCM.prior must be {{connection: (mean, sd)}} or a Gaussian, got {stated!r}.")
        mean, sd = self._usual()
        for key, value in stated.items():
            at = self._place(key, "SpectralDCM.prior")
            mean[at], sd[at] = _moments(self.names[at], value)
        return Gaussian(self.names, mean, np.diag(sd**2))

    def stated_values(self, stated: Mapping[Any, float], otherwise: NDArray[np.float64]) -> NDArray[np.float64]:
        """A parameter vector from {connection or parameter: value}."""
        theta = otherwise.copy()
        for key, value in stated.items():
            theta[self._place(key, "the parameters given")] = value
        return theta

    def _place(self, key: Any, where: str) -> int:
        return known_name("parameter", connection_name(key, ()), self.names, where)

    def _usual(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        network, amplitude = self.network.default_prior(), OPEN_AMPLITUDE if self.open_amplitudes else SPECTRAL
        spectral = [amplitude, SPECTRAL] * 2 + [amplitude] * len(self.regions)
        return np.concatenate([network.mean, np.zeros(len(spectral))]), np.concatenate([network.sd, np.sqrt(spectral)])


def _moments(name: str, value: Any) -> tuple[float, float]:
    """(mean, sd) of one parameter; raises `InputError` for anything else."""
    try:
        mean, sd = (float(number) for number in value)
    except (TypeError, ValueError):
        mean, sd = np.nan, np.nan
    if not (np.isfinite(mean) and np.isfinite(sd) and sd >= 0):
        raise InputError(
            f"SpectralDCM.prior of {name!r} must be (mean, sd), finite and with an sd of at least 0, got {value!r}: give an sd of 0 to fix it."
        )
    return mean, sd
