"""How good a prediction was, against what was then observed.

Lives here: `score`, `score_table` and their result. Does not live here: the prediction (`predict`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ltc_causal.core.data import Recording, TimeSeries
from ltc_causal.core.intervention import Clamp
from ltc_causal.core.prediction import Prediction, band
from ltc_causal.errors import InputError, finite_array, known_name, one_of
from ltc_causal.numerics.least_squares import fitted

Array = NDArray[np.float64]
Observed: TypeAlias = Recording | TimeSeries | ArrayLike
Baseline: TypeAlias = Prediction | Recording | TimeSeries | ArrayLike | None

ROUNDING = 1e-13
MEASURES = ("error", "correlation", "coverage", "sign_agreement")


@dataclass(frozen=True)
class Score:
    """How good a prediction was, over all regions and times at once.

    With d_o and d_p the observed and the predicted change from the baseline,

        error = |d_o - d_p|^2 / |d_o|^2, so that 0 is perfect, 1 as good as "nothing changes", and 1 - error an R^2 against no change.

    correlation : of d_o and d_p
    coverage : share of what was observed that lies within the prediction's band, which holds no noise of measurement
    sign_agreement : share of the points where both changes are other than zero at which they have the same sign
    p_value : of error and correlation alike, how often an observation that has nothing to do with the prediction does as well (see `score`)
    null_error, null_sign_agreement : means over these, what is to be expected by chance
    probability : of the band; count : of points
    regions : that were scored
    by_region : the four measures of each region, a row a region
    """

    error: float
    correlation: float
    coverage: float
    sign_agreement: float
    p_value: float
    null_error: float
    null_sign_agreement: float
    probability: float
    count: int
    regions: tuple[str, ...]
    by_region: pd.DataFrame = field(repr=False, compare=False)

    def row(self) -> dict[str, Any]:
        """The numbers, by name."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("regions", "by_region")}

    def to_frame(self) -> pd.DataFrame:
        """The four measures, a row a region, and of all together in a last row."""
        whole = pd.DataFrame([{"region": "all", **{name: getattr(self, name) for name in MEASURES}}])
        return pd.concat([self.by_region, whole], ignore_index=True)

    def __str__(self) -> str:
        return (
            f"Error {self.error:.3f} of that of no change (by chance {self.null_error:.3f}), correlation {self.correlation:.3f}, p = "
            f"{self.p_value:.3g}; signs agree in {100 * self.sign_agreement:.0f} % (by chance {100 * self.null_sign_agreement:.0f} %); "
            f"{100 * self.coverage:.0f} % within the {100 * self.probability:g} % band; {self.count} points of {', '.join(self.regions)}."
        )


def score(
    prediction: Prediction,
    observed: Observed,
    baseline: Baseline = None,
    *,
    regions: Sequence[str] | None = None,
    permutations: int = 999,
    null: str = "shift",
    seed: int | np.random.Generator = 0,
) -> Score:
    """Judge a prediction by what was observed under the intervention.

    observed : shape (time, region), in the prediction's times and units; regions of a TimeSeries or Recording are found by name, an array has
        the prediction's own. A Recording's confounds are projected out of it and of everything that it is compared with
    baseline : what stands for "nothing changes", as `observed` or another prediction; unless given the prediction's own usual course
    regions : that are scored; unless given all but those that the prediction itself clamps
    permutations : how many times the observed change is moved against the predicted one
    null : how: "shift" in a circle along time, all regions together, which keeps both courses' smoothness and the regions' correlation (of T
        times there are T - 1 shifts, and no more are made); "rows" freely, for rows that are no time course but exchangeable items
    seed : of the permutations

    p_value = (1 + times that it does at least as well) / (1 + times), by error or by correlation: both go with sum(d_o d_p) (North et al. 2002).

    Raises `InputError` for shapes or regions that do not match, a prediction without any stable draw, or an observation that is the baseline.
    """
    if not np.isfinite(prediction.mean).all():
        raise InputError("The prediction has no stable draw, so there is nothing to score: weaken the intervention or predict otherwise.")
    chosen = _chosen(prediction, regions)
    columns = [known_name("region", region, prediction.regions, "score(regions)") for region in chosen]
    confounds = observed.confounds if isinstance(observed, Recording) else np.zeros((len(prediction.times), 0))
    seen = _values("observed", observed, prediction)[:, columns]
    if baseline is None and prediction.usual is None:
        raise InputError("score needs a baseline, since the prediction is itself a usual course: give what stands for no change.")
    before = _values("baseline", prediction.usual if baseline is None else baseline, prediction)[:, columns]

    stable = prediction.draws[np.isfinite(prediction.draws).all(axis=(1, 2))][:, :, columns]
    if confounds.shape[1]:
        seen, before = _without(confounds, seen), _without(confounds, before)
        mean, lower, upper = band(np.array([_without(confounds, draw) for draw in stable]), prediction.probability)
    else:
        mean, lower, upper = (part[:, columns] for part in (prediction.mean, prediction.lower, prediction.upper))
    inside = (seen >= lower) & (seen <= upper)
    d_o, d_p = (_beyond_rounding(values - before, max(np.abs(values).max(), np.abs(before).max())) for values in (seen, mean))
    if not d_o.any():
        raise InputError("What was observed is the baseline itself, so there is no change to score a prediction by: give another baseline.")
    null_products, null_signs = _null(d_o, d_p, permutations, null, np.random.default_rng(seed))
    product, size = float((d_o * d_p).sum()), float((d_o**2).sum())
    at_least = null_products >= product - 1e-12 * np.sqrt(size * (d_p**2).sum())
    by_region = [{"region": region, **_measures(d_o[:, i], d_p[:, i], inside[:, i])} for i, region in enumerate(chosen)]
    return Score(
        **_measures(d_o, d_p, inside),
        p_value=float((1 + at_least.sum()) / (1 + len(at_least))),
        null_error=float(1 + ((d_p**2).sum() - 2 * null_products.mean()) / size),
        null_sign_agreement=float(null_signs.mean()),
        probability=prediction.probability,
        count=d_o.size,
        regions=chosen,
        by_region=pd.DataFrame(by_region),
    )


def score_table(
    predictions: Mapping[str, Prediction],
    observed: Observed | Mapping[str, Observed],
    baseline: Baseline | Mapping[str, Baseline] = None,
    **settings: Any,
) -> pd.DataFrame:
    """One row a prediction: name, and the numbers of its `Score`.

    observed, baseline : one for all, or {name: its own}
    settings : as of `score`

    Raises `InputError` as `score` does, or if one of the names has no observation.
    """
    rows = []
    for name, prediction in predictions.items():
        its, before = (_of(name, what) for what in (observed, baseline))
        rows.append({"name": name, **score(prediction, its, before, **settings).row()})
    return pd.DataFrame(rows)


def _of(name: str, one_or_many: Any) -> Any:
    if not isinstance(one_or_many, Mapping):
        return one_or_many
    known_name("name", name, list(one_or_many), "score_table")
    return one_or_many[name]


def _chosen(prediction: Prediction, regions: Sequence[str] | None) -> tuple[str, ...]:
    clamped = {one.region for one in prediction.do if isinstance(one, Clamp)}
    chosen = tuple(region for region in prediction.regions if region not in clamped) if regions is None else tuple(regions)
    if not chosen:
        raise InputError("Every region is clamped by the prediction itself, so there is none to score: name regions=.")
    return chosen


def _values(what: str, given: Any, prediction: Prediction) -> Array:
    """Values in the prediction's regions, shape (time, region)."""
    if isinstance(given, Prediction):
        values, regions = given.mean, given.regions
    elif isinstance(given, Recording | TimeSeries):
        series = given.series if isinstance(given, Recording) else given
        if abs(series.dt * (len(prediction.times) - 1) - np.ptp(prediction.times)) > 0.5 * series.dt:
            raise InputError(f"score({what}) has a sample every {series.dt:g} s, the prediction other times: compare the same moments.")
        values, regions = series.values, series.regions
    else:
        values, regions = finite_array(f"score({what})", given, 2, "(time, region)"), prediction.regions
    if len(values) != len(prediction.times) or values.shape[1] != len(regions):
        raise InputError(
            f"score({what}) has shape {values.shape}, but the prediction {len(prediction.times)} times of {len(prediction.regions)} regions: "
            "give the same."
        )
    return values[:, [known_name("region", region, regions, f"score({what})") for region in prediction.regions]]


def _beyond_rounding(change: Array, size: float) -> Array:
    """A change, zero where it is only the rounding of values of that size: rounding has a sign."""
    return np.where(np.abs(change) > ROUNDING * size, change, 0.0)


def _without(confounds: Array, values: Array) -> Array:
    return values - fitted(confounds, values)


def _measures(d_o: Array, d_p: Array, inside: NDArray[np.bool_]) -> dict[str, float]:
    """The four measures; not a number where nothing changed."""
    size = float((d_o**2).sum())
    a, b = d_o - d_o.mean(), d_p - d_p.mean()
    spread = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return {
        "error": float(((d_o - d_p) ** 2).sum()) / size if size else np.nan,
        "correlation": float((a * b).sum()) / spread if spread else np.nan,
        "coverage": float(inside.mean()),
        "sign_agreement": _sign_agreement(d_o, d_p),
    }


def _sign_agreement(d_o: Array, d_p: Array) -> float:
    signs = np.sign(d_o) * np.sign(d_p)
    return float((signs[signs != 0] > 0).mean()) if signs.any() else np.nan


def _null(d_o: Array, d_p: Array, permutations: int, null: str, rng: np.random.Generator) -> tuple[Array, Array]:
    """sum(d_o d_p) and the agreement of signs with the observed change moved."""
    n = len(d_o)
    if one_of("score(null)", null, ("shift", "rows")) == "shift":
        shifts = rng.permutation(np.arange(1, n))[:permutations]
        moved = [np.roll(d_o, shift, axis=0) for shift in shifts.tolist()]
    else:
        moved = [d_o[rng.permutation(n)] for _ in range(permutations)]
    if not moved:
        raise InputError(f"score needs permutations >= 1 and at least two times, got {permutations} and {n}.")
    return np.array([(one * d_p).sum() for one in moved]), np.array([_sign_agreement(one, d_p) for one in moved])
