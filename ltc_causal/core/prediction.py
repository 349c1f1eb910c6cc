"""Predictions: the course that a model foresees, usual or under intervention, and what an intervention changes.

Lives here: the frozen results, the difference of two of them, what they say of themselves in words and tables. Does not live here: how they
are computed (`causal.predict`, `causal.counterfactual`), judged (`causal.score`) or drawn (`plotting`).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ltc_causal.core import html
from ltc_causal.core.intervention import Intervention
from ltc_causal.errors import InputError

Array = NDArray[np.float64]

QUANTITIES = {"bold": "signal", "neuronal": "activity"}


@dataclass(frozen=True, eq=False)
class Difference:
    """Intervened minus usual, draw by draw (both predictions used the same parameters for the same draw).

    draws : shape (draw, time, region); only draws that stayed stable in both
    mean, lower, upper : shape (time, region); the band holds the predictions' probability
    times, regions, probability : as of `Prediction`
    """

    draws: Array
    mean: Array
    lower: Array
    upper: Array
    times: Array
    regions: tuple[str, ...]
    probability: float

    def by_region(self) -> pd.DataFrame:
        """One row a region: the change averaged over the run with its interval, and the largest mean change and its time.

        mean_change, lower, upper, probability_positive : over draws; largest_change, at_seconds : of the mean over draws
        """
        over_run = self.draws.mean(axis=1)
        lower, upper = band(over_run, self.probability)[1:]
        peak = np.abs(self.mean).argmax(axis=0)
        return pd.DataFrame(
            {
                "region": self.regions, "mean_change": self.mean.mean(axis=0), "lower": lower, "upper": upper,
                "probability_positive": (over_run > 0).mean(axis=0), "largest_change": self.mean[peak, np.arange(len(peak))],
                "at_seconds": self.times[peak],
            }
        )  # fmt: skip

    def to_frame(self) -> pd.DataFrame:
        """Long table: time, region, mean, lower, upper."""
        return _long(self.times, self.regions, self.mean, self.lower, self.upper)

    def __repr__(self) -> str:
        return f"Difference({', '.join(self.regions)}; {len(self.times)} times, {len(self.draws)} draws)"


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
    usual : without the interventions and from the same draws; None where this is the usual course itself
    remarks : sentences that a reader must know
    kind : "prediction", or "counterfactual", which keeps what the model left unexplained in the recording
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
    usual: "Prediction | None" = None
    remarks: tuple[str, ...] = ()
    kind: str = "prediction"

    def describe(self) -> str:
        """The interventions in words."""
        return "; ".join(str(intervention) for intervention in self.do) or "usual course"

    @cached_property
    def effect(self) -> Difference:
        """What the interventions change: this minus `usual`, with bands of the paired draws; raises `InputError` where no draw stayed stable."""
        return difference(self.usual or self, self)

    def to_frame(self) -> pd.DataFrame:
        """Long table: time, region, mean, lower, upper."""
        return _long(self.times, self.regions, self.mean, self.lower, self.upper)

    def summary(self) -> str:
        """What was predicted, a row a region, and the remarks, as text."""
        sentence, table = self._by_region()
        lines = [f"{self._heading()}, {self._extent()}.", *([sentence] if sentence else []), *([] if table is None else [_table(table)])]
        return "\n".join([*lines, *(f"Remark: {remark}" for remark in self.remarks)])

    def _by_region(self) -> tuple[str, pd.DataFrame | None]:
        """A row a region, of the course or of what changes, and a sentence before it; no rows where there is no course."""
        if self.unstable == len(self.draws):
            return "No draw stayed within the model's bounds, so there is no course.", None
        if self.usual is None:
            parts = {"mean": self.mean.mean(axis=0), "lowest": self.mean.min(axis=0), "highest": self.mean.max(axis=0)}
            return "", pd.DataFrame({"region": self.regions, **parts})
        sentence = f"Change against the course without them, {100 * self.probability:g} % intervals of the same draws:"
        return sentence, self.effect.by_region()

    def _extent(self) -> str:
        return f"{len(self.times)} times to {self.times[-1]:g} s, {len(self.draws)} draws"

    def _repr_html_(self) -> str:
        sentence, table = self._by_region()
        facts = [("extent", self._extent()), *([("table", sentence.rstrip(":"))] if sentence else [])]
        return html.card(self._heading(), facts, *([] if table is None else [table]), note=" ".join(self.remarks))

    def _heading(self) -> str:
        return f"{self.kind.capitalize()} of {QUANTITIES.get(self.quantity, self.quantity)}, {self.describe()}"

    def __repr__(self) -> str:
        remarks = f", {len(self.remarks)} remark(s): see summary()" if self.remarks else ""
        return f"<{self._heading()}; {', '.join(self.regions)}; {len(self.times)} times, {len(self.draws)} draws, {self.unstable} unstable{remarks}>"

    def __str__(self) -> str:
        return self.summary()


def difference(usual: Prediction, intervened: Prediction) -> Difference:
    """The paired difference of two predictions.

    Raises `InputError` if they were not drawn alike, or if no draw stayed stable in both.
    """
    if usual.draws.shape != intervened.draws.shape or usual.quantity != intervened.quantity:
        raise InputError(
            f"The predictions do not pair: draws of shape {usual.draws.shape} ({usual.quantity}) and {intervened.draws.shape} "
            f"({intervened.quantity}); predict both with the same fit, draws, seed and quantity."
        )
    draws = intervened.draws - usual.draws
    draws = draws[np.isfinite(draws).all(axis=(1, 2))]
    if not len(draws):
        raise InputError(
            f"No posterior draw stayed stable under '{intervened.describe()}', so there is no difference to show: weaken the intervention."
        )
    return Difference(draws, *band(draws, usual.probability), intervened.times, intervened.regions, usual.probability)


def band(draws: Array, probability: float) -> tuple[Array, Array, Array]:
    """Mean and central quantiles over the first axis; NaN where it is empty."""
    if not len(draws):
        empty = np.full(draws.shape[1:], np.nan)
        return empty, empty, empty
    lower, upper = np.quantile(draws, [(1 - probability) / 2, (1 + probability) / 2], axis=0)
    return draws.mean(axis=0), lower, upper


def _long(times: Array, regions: tuple[str, ...], mean: Array, lower: Array, upper: Array) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "time": np.repeat(times, len(regions)), "region": list(regions) * len(times),
            "mean": mean.ravel(), "lower": lower.ravel(), "upper": upper.ravel(),
        }
    )  # fmt: skip


def _table(frame: pd.DataFrame) -> str:
    return frame.to_string(index=False, float_format=lambda value: f"{value:.3f}")
