"""What comes out: fits, reductions, predictions, effects; and how a fit ended.

Lives here: the frozen results and what they say of themselves in words and tables.
Does not live here: how they are computed, drawn (`plotting`) or stored (`io`).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ltc_causal.core.coupling import Coupling, coupling_posterior
from ltc_causal.core.data import Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.intervention import Intervention

Array = NDArray[np.float64]


class Status(Enum):
    """How a fit ended; the value is the sentence that the user sees."""

    CONVERGED = "Converged: the last steps promised less than the tolerance in free energy."
    MAXIMUM_ITERATIONS = (
        "Not converged: the maximum number of iterations was reached while the free energy still rose; allow more iterations "
        "(VariationalLaplace(max_iterations=...)) or start elsewhere."
    )
    DIVERGED = (
        "Not converged: no stable prediction was found near the start, so the result is not usable; check the scale of the inputs and of the "
        "signal, and start from weaker couplings."
    )
    STALLED = "Not converged: the steps became too small while the gradient of the free energy is still large; start elsewhere and compare the free energies."
    UNKNOWN = "The file that this fit was read from does not say whether the ascent converged: fit the model again to know."

    @property
    def ok(self) -> bool:
        """Whether the result can be used as it is."""
        return self is Status.CONVERGED

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, eq=False)
class History:
    """The course of an ascent, one entry an iteration.

    free_energy : nats
    step : norm of the step taken, in prior standard deviations
    predicted_gain : what the gradient promised of that step, in nats
    accepted : whether the point was kept
    """

    free_energy: Array
    step: Array
    predicted_gain: Array
    accepted: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.free_energy)


@dataclass(frozen=True, eq=False)
class Fit:
    """A model fitted to a recording.

    model, recording : what was fitted to what
    posterior : Gaussian over the model's parameters
    free_energy : nats; a lower bound on (Laplace approximation of) the log evidence, higher is better
    noise : posterior of the log-precision of each region's noise, in the model's units
    prediction : shape (time, region), the signal at the posterior mean without confounds, in the recording's units
    confounds : shape (time, region), the fitted contribution of the confounds, in the recording's units
    status, history : how the fit ended and went
    gradient_norm : norm of the free energy's gradient at the end, computed apart from the ascent, in nats per posterior sd
    seconds : wall time
    seed : of the starting point, None where nothing was random
    """

    model: Any
    recording: Recording
    posterior: Gaussian
    free_energy: float
    noise: Gaussian
    prediction: Array
    confounds: Array
    status: Status
    history: History
    gradient_norm: float
    seconds: float
    seed: int | None = None

    @property
    def prior(self) -> Gaussian:
        """What was known of the parameters before the data."""
        return self.model.prior

    @property
    def coupling(self) -> Coupling:
        """A, B, C (D) in Hz at the posterior mean, about rest."""
        return self.model.coupling(self.posterior.mean)

    @property
    def coupling_posterior(self) -> Gaussian:
        """Gaussian over the coupling's entries in Hz, about rest, by the delta method."""
        return coupling_posterior(self.model, self.posterior)

    @property
    def residuals(self) -> Array:
        """Signal minus prediction minus confounds, shape (time, region), in the recording's units."""
        return self.recording.series.values - self.prediction - self.confounds

    @property
    def variance_explained(self) -> Array:
        """Share of each region's signal variance (confounds removed) that the prediction explains, shape (region,)."""
        signal = self.recording.series.values - self.confounds
        return 1 - self.residuals.var(axis=0) / signal.var(axis=0)

    def to_frame(self, probability: float = 0.9) -> pd.DataFrame:
        """One row a connection in Hz: matrix, source, target, by, mean, sd, lower, upper, probability_positive, unit."""
        return coupling_frame(self.coupling_posterior, probability)

    def parameters_frame(self, probability: float = 0.9) -> pd.DataFrame:
        """One row a parameter in the model's own scale: mean, sd, lower, upper, prior_mean, prior_sd."""
        lower, upper = self.posterior.interval(probability)
        return pd.DataFrame(
            {
                "parameter": self.posterior.names, "mean": self.posterior.mean, "sd": self.posterior.sd, "lower": lower, "upper": upper,
                "prior_mean": self.prior.mean, "prior_sd": self.prior.sd,
            }
        )  # fmt: skip

    def summary(self, probability: float = 0.9) -> str:
        """Status, free energy, variance explained and the coupling in Hz with intervals, as text."""
        table = self.to_frame(probability).drop(columns="unit").to_string(index=False, float_format=lambda value: f"{value:.3f}")
        explained = ", ".join(
            f"{region} {100 * share:.0f} %" for region, share in zip(self.recording.regions, self.variance_explained, strict=True)
        )
        return "\n".join(
            [
                f"{self.model.describe()}",
                f"{self.status}",
                f"Free energy {self.free_energy:.2f} nats after {len(self.history)} iterations in {self.seconds:.2f} s.",
                f"Variance explained: {explained}.",
                f"Coupling in Hz, {100 * probability:g} % intervals (self-connections are decay rates, hence negative):",
                table,
            ]
        )

    def __str__(self) -> str:
        return self.summary()


def coupling_frame(posterior: Gaussian, probability: float = 0.9) -> pd.DataFrame:
    """A Gaussian over coupling entries as a table, one row an entry."""
    lower, upper = posterior.interval(probability)
    rows = [_split_edge_name(name) for name in posterior.names]
    frame = pd.DataFrame(rows, columns=["matrix", "source", "target", "by"])
    frame["mean"], frame["sd"], frame["lower"], frame["upper"] = posterior.mean, posterior.sd, lower, upper
    frame["probability_positive"] = [posterior.probability(name) for name in posterior.names]
    frame["unit"] = "Hz"
    return frame


def _split_edge_name(name: str) -> tuple[str, str, str, str]:
    matrix, inside = name[0], name[2:-1]
    by, _, pair = inside.rpartition(": ")
    source, _, target = pair.partition("->")
    return matrix, source, target, by


@dataclass(frozen=True, eq=False)
class Certificate:
    """How far a reduction can be trusted.

    residual : rho = ||F_model - F_reduced|| / ||F_model|| along the model's own course (root mean squares over time and regions); 0 is exact
    residual_by_region : the same for each region, shape (region,)
    state_range : smallest and largest activity visited, shape (region, 2)
    input_range : smallest and largest input, shape (input, 2)
    operating_point : where the Taylor expansion was taken, in words
    verdict : the same in one sentence
    """

    residual: float
    residual_by_region: Array
    state_range: Array
    input_range: Array
    operating_point: str
    verdict: str

    def __str__(self) -> str:
        return self.verdict


@dataclass(frozen=True, eq=False)
class Reduction:
    """A model reduced to A, B, C, D.

    coupling : at the posterior mean, Hz
    posterior : Gaussian over its entries
    certificate : how far to trust it
    """

    coupling: Coupling
    posterior: Gaussian
    certificate: Certificate

    def to_frame(self, probability: float = 0.9) -> pd.DataFrame:
        """One row a connection in Hz with interval, as `Fit.to_frame`."""
        return coupling_frame(self.posterior, probability)


@dataclass(frozen=True, eq=False)
class Prediction:
    """The course that a fitted model predicts, usual or under intervention, with the posterior's uncertainty.

    times : seconds, shape (time,)
    regions : names
    mean, lower, upper : shape (time, region), over the draws that stayed stable; lower and upper bound the central `probability`
    draws : shape (draw, time, region); unstable draws are NaN
    do : the interventions, none for the usual course
    quantity : "bold" (in the recording's units) or "neuronal" (deviation from rest)
    probability : of the band
    unstable : how many draws left the model's bounds and were set aside
    """

    times: Array
    regions: tuple[str, ...]
    mean: Array
    lower: Array
    upper: Array
    draws: Array
    do: tuple[Intervention, ...]
    quantity: str
    probability: float
    unstable: int

    def describe(self) -> str:
        """The interventions in words."""
        return "; ".join(str(intervention) for intervention in self.do) or "usual course"

    def to_frame(self) -> pd.DataFrame:
        """Long table: time, region, mean, lower, upper."""
        n_time, n_region = self.mean.shape
        return pd.DataFrame(
            {
                "time": np.repeat(self.times, n_region), "region": list(self.regions) * n_time,
                "mean": self.mean.ravel(), "lower": self.lower.ravel(), "upper": self.upper.ravel(),
            }
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Effect:
    """A causal effect with uncertainty, or the reason why there is none.

    value : None where there is no equilibrium
    sd, lower, upper : over the draws; None where there is no value, or no uncertainty to draw from
    probability_positive : share of the draws above zero
    unit : of the effect
    status : one sentence
    unstable : share of posterior draws without a stable equilibrium, which are set aside
    """

    source: str
    target: str
    value: float | None
    sd: float | None
    lower: float | None
    upper: float | None
    probability_positive: float | None
    unit: str
    status: str
    unstable: float

    def __str__(self) -> str:
        if self.value is None:
            return f"Total effect {self.source} -> {self.target}: no number. {self.status}"
        interval = "" if self.lower is None else f" [{self.lower:.3f}, {self.upper:.3f}], P(> 0) = {self.probability_positive:.3f}"
        return f"Total effect {self.source} -> {self.target}: {self.value:.3f} {self.unit}{interval}. {self.status}"
