"""A causal effect with its uncertainty, or the reason why there is none.

Lives here: the frozen results, what they say of themselves in words and tables. Does not live here: how an effect is worked out
(`ltc_causal.causal`).
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


class EffectStatus(Enum):
    """Whether an effect is a number, and what must be known of it; the value is the sentence that the user sees."""

    OK = "The system is stable, at the mean coupling and in every draw."
    NO_PATH = "There is no directed path, so the effect is exactly zero."
    UNSTABLE_DRAWS = "Some draws of the coupling had no stable equilibrium and were set aside, so the uncertainty is that of the others."
    NOT_INFORMED = "The data hardly narrowed this effect: what is known of it is what the prior says."
    NO_EQUILIBRIUM = "The system that remains has no stable equilibrium at the mean coupling; ask predict for the course in time."
    NOT_REACHED = "The course has no such point within its horizon."
    NOT_CONTROLLABLE = "The regions driven cannot bring the others there, whatever the energy."

    @property
    def ok(self) -> bool:
        """Whether the number can be used as it is."""
        return self in (EffectStatus.OK, EffectStatus.NO_PATH)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, eq=False)
class Effect:
    """A causal effect with uncertainty, or the reason why there is none.

    source, target : names
    value : at the mean coupling; None where there is none
    sd, lower, upper : over the draws; None where there is no value, or no uncertainty to draw from
    probability_positive : share of the draws above zero
    unit : of the effect
    status : whether it can be used, and why not
    unstable : share of posterior draws without a stable equilibrium, which are set aside
    kind, note : what effect it is, and how it is meant, in words
    draws : shape (draw,), the same draws for every effect asked with one seed, so that effects can be compared draw by draw; not a number
        where a draw was set aside; None where there is no uncertainty
    """

    source: str
    target: str
    value: float | None
    sd: float | None
    lower: float | None
    upper: float | None
    probability_positive: float | None
    unit: str
    status: EffectStatus
    unstable: float
    kind: str = "Total effect"
    note: str = ""
    draws: Array | None = field(default=None, repr=False)

    @property
    def mean(self) -> float | None:
        """Over the draws; the value at the mean coupling differs from it by the effect's nonlinearity in the coupling."""
        return None if self.draws is None else float(np.nanmean(self.draws))

    def row(self) -> dict[str, Any]:
        """The effect as one row of a table, the status in words."""
        names = ("source", "target", "value", "sd", "lower", "upper", "probability_positive", "unit")
        return {**{name: getattr(self, name) for name in names}, "status": self.sentence, "unstable": self.unstable}

    @property
    def sentence(self) -> str:
        """How the effect is meant, and its status where that is more than OK."""
        parts = [self.note] if self.value is not None and self.note else []
        if self.status is not EffectStatus.OK:
            parts.append(str(self.status))
        if self.unstable:
            parts.append(f"{100 * self.unstable:.1f} % of the draws had no stable equilibrium and were set aside.")
        return " ".join(parts)

    def __str__(self) -> str:
        name = f"{self.kind} {self.source} -> {self.target}"
        if self.value is None:
            return f"{name}: no number. {self.sentence}"
        interval = "" if self.lower is None else f" [{self.lower:.3f}, {self.upper:.3f}], P(> 0) = {self.probability_positive:.3f}"
        return f"{name}: {self.value:.3f} {self.unit}{interval}. {self.sentence}".rstrip()


@dataclass(frozen=True, eq=False)
class Mediation:
    """A total effect, what of it goes by the mediators (indirect), and what passes them by (direct): total = direct + indirect.

    All three are from the same draws, so that they add up in each.
    """

    total: Effect
    direct: Effect
    indirect: Effect

    def to_frame(self) -> pd.DataFrame:
        """One row a part: part, and what `Effect.row` gives."""
        return pd.DataFrame([{"part": part, **getattr(self, part).row()} for part in ("total", "direct", "indirect")])

    def __str__(self) -> str:
        return "\n".join(str(part) for part in (self.total, self.direct, self.indirect))


@dataclass(frozen=True, eq=False)
class EffectCurve:
    """The course of an effect in time after an impulse, or from the onset of a sustained change.

    times : seconds, shape (time,)
    value : at the mean coupling, shape (time,); NaN where there is no stable equilibrium
    mean, sd, lower, upper : over the draws, shape (time,); equal to the value, and zero, where there is no uncertainty
    draws : shape (draw, time), not a number where a draw was set aside; the mean coupling alone where there is no uncertainty
    peak, latency : the largest deviation, and its time in seconds
    half_time : seconds. After an impulse, from the peak until half of it is left; under a sustained change, until half of the final value
    total : the area under the course after an impulse; the final value under a sustained change
    kind, unit, status, unstable : as of `Effect`
    """

    source: str
    target: str
    times: Array
    value: Array
    mean: Array
    sd: Array
    lower: Array
    upper: Array
    draws: Array = field(repr=False)
    peak: Effect
    latency: Effect
    half_time: Effect
    total: Effect
    kind: str
    unit: str
    status: EffectStatus
    unstable: float

    def to_frame(self) -> pd.DataFrame:
        """One row a time: time, value, mean, sd, lower, upper."""
        names = ("value", "mean", "sd", "lower", "upper")
        return pd.DataFrame({"time": self.times, **{name: getattr(self, name) for name in names}})

    def __str__(self) -> str:
        return "\n".join(str(part) for part in (self.peak, self.latency, self.half_time, self.total))


@dataclass(frozen=True, eq=False)
class TransferFunction:
    """How much of a sinusoidal drive of each frequency arrives, and how late: H = gain e^(i phase).

    frequencies : Hz, shape (frequency,)
    value : complex, at the mean coupling, shape (frequency,); NaN where there is no stable equilibrium
    gain, gain_lower, gain_upper : shape (frequency,), in `unit`
    phase, phase_lower, phase_upper : radians, shape (frequency,), negative where the target lags
    draws : complex, shape (draw, frequency), not a number where a draw was set aside
    """

    source: str
    target: str
    frequencies: Array
    value: NDArray[np.complex128]
    gain_lower: Array
    gain_upper: Array
    phase: Array
    phase_lower: Array
    phase_upper: Array
    draws: NDArray[np.complex128] = field(repr=False)
    unit: str
    status: EffectStatus
    unstable: float

    @property
    def gain(self) -> Array:
        """Size of the response to a sinusoid of size 1, shape (frequency,)."""
        return np.abs(self.value)

    @property
    def delay(self) -> Array:
        """The phase as a lag in seconds, shape (frequency,); that of frequency 0 is not a number."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.frequencies > 0, -np.unwrap(self.phase) / (2 * np.pi * self.frequencies), np.nan)

    def to_frame(self) -> pd.DataFrame:
        """One row a frequency: frequency, gain and phase, each with its interval."""
        names = ("gain", "gain_lower", "gain_upper", "phase", "phase_lower", "phase_upper")
        return pd.DataFrame({"frequency": self.frequencies, **{name: getattr(self, name) for name in names}})
