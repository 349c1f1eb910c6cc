"""What comes out: fits.

Lives here: the frozen results and what they say of themselves in words and tables.
Does not live here: how a fit went (`ascent`), effects (`effect`), predictions (`prediction`), reductions (`reduction`); how results are
computed, drawn (`plotting`) or stored (`io`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ltc_causal.core import html
from ltc_causal.core.ascent import Approximation, Attempt, History, Status
from ltc_causal.core.coupling import Coupling, coupling_posterior, split_edge_name
from ltc_causal.core.data import Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.errors import InputError

if TYPE_CHECKING:
    from ltc_causal.core.diagnosis import Diagnosis

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Session:
    """One recording as a fit explains it: signal = prediction + confounds + residuals.

    recording : what was fitted, of the model's regions
    prediction : shape (time, region), the signal at the posterior mean without confounds, in the recording's units
    confounds : shape (time, region), the fitted contribution of the confounds, in the recording's units
    noise : posterior of the log-precision of each region's noise, in the model's units
    scale : the factor from the recording's units to the model's
    """

    recording: Recording
    prediction: Array
    confounds: Array
    noise: Gaussian
    scale: float = 1.0

    @property
    def residuals(self) -> Array:
        """Signal minus prediction minus confounds, shape (time, region), in the recording's units."""
        return self.recording.series.values - self.prediction - self.confounds

    @property
    def variance_explained(self) -> Array:
        """As `Fit.variance_explained`, of this session."""
        return share_explained([self])


def share_explained(sessions: Sequence[Session]) -> Array:
    """One minus the residuals' sum of squares over that of the signal without confounds, each about its session's mean, shape (region,)."""
    unexplained = sum(len(one.residuals) * one.residuals.var(axis=0) for one in sessions)
    total = sum(len(one.residuals) * (one.recording.series.values - one.confounds).var(axis=0) for one in sessions)
    return np.asarray(1 - unexplained / total)


@dataclass(frozen=True, eq=False)
class Fit:
    """A model fitted to one session or more of a subject: the parameters are shared, noise and confounds are each session's own.

    model : what was fitted
    sessions : to what, and how each is explained; `recording`, `prediction`, `confounds`, `residuals` and `noise` are those of the only one
    posterior : Gaussian over the model's parameters
    free_energy : nats; a lower bound on (Laplace approximation of) the log evidence, higher is better
    status, history : how the fit ended and went
    gradient_norm : sqrt(g' Cov g) of the free energy's gradient in the parameters at the end, the confounds at their optimum: about how many
        posterior sd the end lies from the maximum at its noise level
    seconds : wall time
    seed : of the starting points, None where nothing was random
    starts : every start and where it led
    approximation : how far the bilinear approximation of a true-flow model was off, None for other models
    inclusion : of a sparse model, the posterior probability that each parameter's connection is there, in the order of the parameters
    """

    model: Any
    sessions: tuple[Session, ...]
    posterior: Gaussian
    free_energy: float
    status: Status
    history: History
    gradient_norm: float
    seconds: float
    seed: int | None = None
    starts: tuple[Attempt, ...] = ()
    approximation: Approximation | None = None
    inclusion: Array | None = None

    def session(self, index: int) -> Session:
        """One of the sessions, counted from 0; raises `InputError` if there are not so many."""
        if not 0 <= index < len(self.sessions):
            raise InputError(f"This fit has {len(self.sessions)} session(s), counted from 0, but session {index!r} was asked for.")
        return self.sessions[index]

    def _only(self, what: str) -> Session:
        if len(self.sessions) != 1:
            raise InputError(f"This fit has {len(self.sessions)} sessions, each with its own {what}: use fit.sessions[k].{what}.")
        return self.sessions[0]

    @property
    def recording(self) -> Recording:
        """What was fitted; raises `InputError` if there are several sessions, as the next four do."""
        return self._only("recording").recording

    @property
    def prediction(self) -> Array:
        """See `Session`."""
        return self._only("prediction").prediction

    @property
    def confounds(self) -> Array:
        """See `Session`."""
        return self._only("confounds").confounds

    @property
    def residuals(self) -> Array:
        """See `Session`."""
        return self._only("residuals").residuals

    @property
    def noise(self) -> Gaussian:
        """See `Session`."""
        return self._only("noise").noise

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
    def variance_explained(self) -> Array:
        """Share of each region's signal variance (confounds removed, all sessions) that the prediction explains, shape (region,)."""
        return share_explained(self.sessions)

    def distance(self, other: "Fit | Gaussian") -> float:
        """How far another fit's posterior mean lies from this one's, in this one's posterior sd: the largest over the parameters of both.

        `lc.fit(model, recording, lc.VariationalLaplace(path="fixed_point")).distance(fit)` is how far a fit stopped from the fixed point.
        """
        return largest_shift(self.posterior, other.posterior if isinstance(other, Fit) else other)[0]

    def to_frame(self, probability: float = 0.9) -> pd.DataFrame:
        """One row a connection in Hz: matrix, source, target, by, mean, sd, lower, upper, probability_positive, unit."""
        return coupling_frame(self.coupling_posterior, probability, self.coupling_unit)

    @property
    def coupling_unit(self) -> str:
        """Of A, B, C and D: Hz, unless the model says that its data tell no time."""
        return getattr(self.model, "coupling_unit", "Hz")

    def parameters_frame(self, probability: float = 0.9) -> pd.DataFrame:
        """One row a parameter in the model's own scale: mean, sd, lower, upper, prior_mean, prior_sd."""
        lower, upper = self.posterior.interval(probability)
        return pd.DataFrame(
            {
                "parameter": self.posterior.names, "mean": self.posterior.mean, "sd": self.posterior.sd, "lower": lower, "upper": upper,
                "prior_mean": self.prior.mean, "prior_sd": self.prior.sd,
            }
        )  # fmt: skip

    def starts_frame(self) -> pd.DataFrame:
        """One row a start: start, free_energy, status, iterations, distance (of its end from the one kept, in posterior sd)."""
        rows = [(one.start, one.free_energy, one.status.name, one.iterations, one.distance) for one in self.starts]
        return pd.DataFrame(rows, columns=["start", "free_energy", "status", "iterations", "distance"])

    def diagnose(self) -> "Diagnosis":
        """What to look at before this fit is believed, each with a number and a sentence of advice; print it."""
        from ltc_causal.core.diagnosis import diagnose  # here, because it reads fits

        return diagnose(self)

    def summary(self, probability: float = 0.9) -> str:
        """Status, free energy, variance explained and the coupling in Hz with intervals, as text."""
        table = self.to_frame(probability).drop(columns="unit").to_string(index=False, float_format=lambda value: f"{value:.3f}")
        explained = ", ".join(
            f"{region} {100 * share:.0f} %" for region, share in zip(self.model.regions, self.variance_explained, strict=True)
        )
        several = [f"{len(self.sessions)} sessions, each with its own noise and confounds."] if len(self.sessions) > 1 else []
        return "\n".join(
            [
                f"{self.model.describe()}",
                *several,
                f"{self.status}",
                f"Free energy {self.free_energy:.2f} nats{self._effort()}.",
                *([f"{self.approximation}"] if self.approximation else []),
                f"Variance explained: {explained}.",
                f"Coupling in {self.coupling_unit}, {100 * probability:g} % intervals (self-connections are decay rates, hence negative):",
                table,
            ]
        )

    def _effort(self) -> str:
        """What the fit took, as far as it is known: a file of another program may not say."""
        iterations = f" after {len(self.history)} iterations" if len(self.history) else ""
        seconds = f" in {self.seconds:.2f} s" if np.isfinite(self.seconds) else ""
        best = f", the best of {len(self.starts)} starts" if len(self.starts) > 1 else ""
        return iterations + seconds + best

    def __repr__(self) -> str:
        return f"Fit({self.model!r}: free energy {self.free_energy:.2f}, {self.status.name.lower().replace('_', ' ')})"

    def _repr_html_(self) -> str:
        explained = dict(zip(self.model.regions, self.variance_explained.tolist(), strict=True))
        facts = {
            "model": self.model.describe(), "status": self.status, "free energy": f"{self.free_energy:.2f} nats{self._effort()}",
            "variance explained": html.listed([f"{region} {100 * share:.0f} %" for region, share in explained.items()]),
        }  # fmt: skip
        note = f"Coupling in {self.coupling_unit}, 90 % intervals; self-connections are decay rates, hence negative."
        return html.card("Fit", facts.items(), self.to_frame().drop(columns="unit"), note=note)

    def __str__(self) -> str:
        return self.summary()


def largest_shift(posterior: Gaussian, other: Gaussian) -> tuple[float, str]:
    """Largest difference of means in sd of the first, over the free parameters that both have; and the parameter's name.

    Raises `InputError` if there is none.
    """
    names = [name for name, free in zip(posterior.names, posterior.free, strict=True) if free and name in other.names]
    if not names:
        raise InputError("The two distributions have no free parameter in common: compare fits of related models.")
    here, there = posterior.marginal(names), other.marginal(names)
    shift = np.abs(here.mean - there.mean) / here.sd
    return float(shift.max()), names[int(np.argmax(shift))]


def coupling_frame(posterior: Gaussian, probability: float = 0.9, unit: str = "Hz") -> pd.DataFrame:
    """A Gaussian over coupling entries as a table, one row an entry."""
    lower, upper = posterior.interval(probability)
    rows = [split_edge_name(name) for name in posterior.names]
    frame = pd.DataFrame(rows, columns=["matrix", "source", "target", "by"])
    frame["mean"], frame["sd"], frame["lower"], frame["upper"] = posterior.mean, posterior.sd, lower, upper
    frame["probability_positive"] = [posterior.probability(name) for name in posterior.names]
    frame["unit"] = unit
    return frame
