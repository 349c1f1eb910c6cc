"""A few regions out of a regression DCM of many, as a DCM that can say more of them: bilinear, nonlinear, two-state or liquid.

Lives here: `subsystem`, and what is left out by it. Does not live here: the models (`models`), the fits (`inference`).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from ltc_causal.core.data import Recording
from ltc_causal.core.result import Fit
from ltc_causal.errors import InputError, known_name, one_of, unique_names
from ltc_causal.models.dcm import DCM, KINDS
from ltc_causal.models.regression_dcm import RegressionDCM

Array = NDArray[np.float64]

DRIVING_SCALE = 16.0  # parameters of a DCM's C per Hz
SLOWEST, WEAKEST_SD = -0.05, 0.01  # Hz, of a self-connection that a DCM can start from; of a connection's prior
NAMED = 3  # of what is left out, in the warning


@dataclass(frozen=True, eq=False)
class Subsystem:
    """What a few regions of a large network can be fitted with: `lc.fit(sub.model, sub.recording, start=sub.start)`.

    model : a DCM of these regions, with the connections that the large fit finds likely
    recording : of these regions
    start : {parameter: value} where the large fit puts the model's connections
    left_out : one row a likely connection from another region into these: source, target, mean and sd (Hz), probability of its sign, and share,
        that of all that comes in to the target from other regions (|A| times the sd of the source's signal), strongest first
    """

    model: DCM
    recording: Recording
    start: dict[str, float]
    left_out: pd.DataFrame

    @property
    def share_left_out(self) -> float:
        """Of all that comes in to these regions from others, in or out, how much comes in over what is left out; averaged over them."""
        return float(np.sum(self.left_out["share"].to_numpy())) / len(self.model.regions)

    def __str__(self) -> str:
        return f"{self.model.describe()} {self.remark}"

    @property
    def remark(self) -> str:
        """One sentence on what is left out."""
        if self.left_out.empty:
            return "No likely connection comes in from the regions left out."
        strongest = self.left_out.head(NAMED)[["source", "target", "mean"]].to_numpy()
        named = ", ".join(f"{source} -> {target} ({mean:+.2f} Hz)" for source, target, mean in strongest)
        return (
            f"{len(self.left_out)} likely connections from other regions are left out, {100 * self.share_left_out:.0f} % of what comes in to these "
            f"from others; the strongest are {named}. Their common causes will look like connections: add these regions, or read with care."
        )


def subsystem(
    fit: Fit, regions: Sequence[str], *, neuronal: str = "liquid", probability: float = 0.95, as_prior: bool = False
) -> Subsystem:
    """From a regression DCM of many regions to a small DCM of some of them, with its structure and where to start from the large fit.

    fit : of a RegressionDCM with inputs
    regions : names of those that are kept, in the order in which the small model has them
    neuronal : of the small model, as in `DCM`
    probability : of a connection's sign (of a sparse fit, of its being there) from which it is in the small model; inputs none of whose
        connections is as likely keep their most probable one
    as_prior : whether the small model's prior is the large fit's posterior, sd by sd. Only for another recording than the large fit's: for the same
        one it would count the data twice, so it has the usual prior unless this is set

    Warns what is left out. Raises `InputError` for the fit of another model or of one at rest, and for an unknown region.
    """
    model = fit.model
    if not isinstance(model, RegressionDCM):
        raise InputError(
            f"subsystem needs the fit of a RegressionDCM, got one of a {type(model).__name__}: fit a DCM of these regions directly."
        )
    if not model.inputs:
        raise InputError(
            "subsystem needs inputs to drive the small DCM, but this fit is of a run at rest: fit its regions by a model of rest."
        )
    one_of("subsystem(neuronal)", neuronal, tuple(KINDS))
    if not 0 < probability < 1:
        raise InputError(f"subsystem(probability) must lie between 0 and 1, got {probability!r}.")
    chosen = unique_names("subsystem(regions)", regions)
    kept = np.array([known_name("region", region, model.regions, "the large model") for region in chosen], dtype=int)
    if not len(kept):
        raise InputError("subsystem needs at least one region: name those to keep.")
    moments = _Moments.of(fit, model)
    small = _model(model, moments, kept, chosen, neuronal, probability)
    recording = fit.recording.select(chosen)
    stated = _parameters(small, moments, model, float(small.features(recording).scale))
    start = {name: mean for name, (mean, _) in stated.items()}
    if as_prior:
        small = DCM(
            chosen, small.inputs, small.intrinsic, driving=small.driving, neuronal=neuronal,
            prior={name: (mean, max(sd, WEAKEST_SD)) for name, (mean, sd) in stated.items()},
        )  # fmt: skip
    result = Subsystem(small, recording, start, _left_out(fit, moments, kept, probability))
    if len(result.left_out):
        warnings.warn(f"subsystem: {result.remark}", stacklevel=2)
    return result


@dataclass(frozen=True, eq=False)
class _Moments:
    """Of A (region, region) and C (region, input) in Hz: mean, sd, and how likely each is to be there or to have its sign."""

    A: Array
    A_sd: Array
    A_likely: Array
    C: Array
    C_sd: Array
    C_likely: Array

    @classmethod
    def of(cls, fit: Fit, model: RegressionDCM) -> "_Moments":
        posterior = fit.coupling_posterior
        likely = fit.inclusion if fit.inclusion is not None else ndtr(np.abs(posterior.mean) / np.maximum(posterior.sd, 1e-300))
        parts: list[Array] = []
        for mask, letter in ((model.parameter_masks["A"], "A"), (model.parameter_masks["C"], "C")):
            own = np.array([name.startswith(letter) for name in posterior.names])
            for values in (posterior.mean, posterior.sd, likely):
                matrix = np.zeros(mask.shape)
                matrix.T[mask.T] = values[own]
                parts.append(matrix)
        return cls(*parts)


def _model(
    model: RegressionDCM, moments: _Moments, kept: NDArray[np.int64], regions: tuple[str, ...], neuronal: str, probability: float
) -> DCM:
    intrinsic = moments.A_likely[np.ix_(kept, kept)] >= probability
    likely = moments.C_likely[kept]
    driving = likely >= probability
    for k in np.flatnonzero(~driving.any(axis=0) & (likely > 0).any(axis=0)):
        driving[np.argmax(likely[:, k]), k] = True
    used = np.atleast_1d(driving.any(axis=0))
    if not used.any():
        raise InputError(
            f"No input of the large model may drive any of {list(regions)}, so that a DCM of these alone stays flat: add regions that are driven."
        )
    inputs = tuple(name for name, one in zip(model.inputs, used, strict=True) if one)
    return DCM(regions, inputs, intrinsic, driving=driving[:, used], neuronal=neuronal)


def _parameters(small: DCM, moments: _Moments, model: RegressionDCM, scale: float) -> dict[str, tuple[float, float]]:
    """{parameter: (mean, sd)} of the small model's connections on its own scale, for signals that it multiplies by `scale`."""
    if small.neuronal == "two_state":
        return {}  # its connections are logarithms of another system's
    rows = [model.regions.index(region) for region in small.regions]
    columns = [model.inputs.index(name) for name in small.inputs]
    found = {}
    for i, row in enumerate(rows):
        for j, column in enumerate(rows):
            mean, sd = moments.A[row, column], moments.A_sd[row, column]
            if i == j:
                own = min(mean, SLOWEST)
                found[f"A[{small.regions[j]}->{small.regions[i]}]"] = float(np.log(-2 * own)), float(sd / -own)
            elif small.intrinsic[i, j]:
                found[f"A[{small.regions[j]}->{small.regions[i]}]"] = float(mean), float(sd)
        for k, column in enumerate(columns):
            if small.driving[i, k]:
                factor = DRIVING_SCALE * scale
                found[f"C[{small.inputs[k]}->{small.regions[i]}]"] = (
                    float(factor * moments.C[row, column]), float(factor * moments.C_sd[row, column]),
                )  # fmt: skip
    return found


def _left_out(fit: Fit, moments: _Moments, kept: NDArray[np.int64], probability: float) -> pd.DataFrame:
    regions = fit.model.regions
    others = np.setdiff1d(np.arange(len(regions)), kept)
    likely = moments.A_likely >= probability
    np.fill_diagonal(likely, False)
    incoming = np.where(likely, np.abs(moments.A), 0.0) * fit.recording.series.values.std(axis=0)
    rows = [
        (regions[j], regions[i], moments.A[i, j], moments.A_sd[i, j], moments.A_likely[i, j], incoming[i, j] / incoming[i].sum())
        for i in kept
        for j in others
        if likely[i, j]
    ]
    frame = pd.DataFrame(rows, columns=["source", "target", "mean", "sd", "probability", "share"])
    return frame.sort_values("share", ascending=False, ignore_index=True)
