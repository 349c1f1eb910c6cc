"""Observe and intervene: the course that a fitted model predicts, usual or under do(), with the posterior's uncertainty.

Lives here: `predict`. Does not live here: what an intervention does to a system (`intervened`), how a system is integrated
(`models.simulate`), how good a prediction was.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.intervention import Intervention
from ltc_causal.core.result import Fit, Prediction
from ltc_causal.core.trained import TrainedNetwork
from ltc_causal.errors import InputError, one_of
from ltc_causal.models.intervened import checked_interventions, removed_means, under, window_edges
from ltc_causal.models.simulate import run_segments, segments
from ltc_causal.numerics.schedule import sample_bins

Array = NDArray[np.float64]


def predict(
    fit: Fit | TrainedNetwork,
    do: Sequence[Intervention] = (),
    *,
    draws: int = 200,
    seed: int = 0,
    probability: float = 0.9,
    quantity: str = "bold",
    session: int = 0,
) -> Prediction:
    """The course of every region over a session's scans: the usual one, or under the interventions `do` (Pearl 2009, ch. 3).

    do : SetInput, Clamp and Cut, each in force during its own window [start, stop)
    fit : of a model; or a trained network, whose posterior is an ensemble
    draws : how many parameter sets are drawn from the posterior; the same seed gives the same ones with and without `do`, so that
        differences between two predictions are paired
    probability : of the band between `lower` and `upper`
    quantity : "bold", in the recording's units and without confounds, or "neuronal", activity as deviation from rest
    session : whose inputs and scans, of a fit of several

    The model's own flow is integrated (for flow="bilinear" its expansion about rest) by the fourth-order Runge-Kutta method, in steps of at
    most 0.5 s, none across the border of a window. At the posterior mean the usual course is `fit.prediction`, to about 1e-5 of it; the
    mean over draws differs from that by the model's nonlinearity in its parameters.

    Values of SetInput are in the units of the recording's inputs: a model that centres its inputs goes on to subtract the means of the
    recording as it was. Draws that leave the model's bounds are set aside and counted in `unstable`; where none stays, the course is NaN.

    Raises `InputError` for an unknown name, a course of the wrong length, or two interventions on the same thing at the same time.
    """
    if not isinstance(fit, Fit | TrainedNetwork):
        raise InputError(f"predict needs a fit or a trained network, got {type(fit).__name__}: ask the model that it came from.")
    one_of("predict(quantity)", quantity, ("bold", "neuronal"))
    if draws < 2 or not 0 < probability < 1:
        raise InputError(
            f"predict needs at least 2 draws and a probability between 0 and 1, got draws={draws!r}, probability={probability!r}."
        )
    model = fit.model
    explained = fit.session(session)
    recording = explained.recording.select(model.regions)
    inputs = model.prepared_inputs(recording.inputs)
    do = checked_interventions(do, model.regions, inputs.names, len(inputs.values), inputs.dt)

    system = model.system(fit.posterior.sample(draws, seed), recording.echo_time)
    reads = sample_bins(len(inputs.values), len(recording.series.values), recording.delays, inputs.dt)
    means = removed_means(recording.inputs, inputs)
    course = [under(segment, do, means, inputs.dt) for segment in segments(system, inputs, reads, window_edges(do, inputs.dt))]
    neuronal, observed, stable = run_segments(system, course, reads, inputs.dt)

    values = neuronal if quantity == "neuronal" else observed / explained.scale
    values[..., ~stable] = np.nan
    mean, lower, upper = _band(values[..., stable], probability)
    return Prediction(
        recording.series.times,
        model.regions,
        mean,
        lower,
        upper,
        np.moveaxis(values, -1, 0),
        do,
        quantity,
        probability,
        int((~stable).sum()),
    )


def _band(values: Array, probability: float) -> tuple[Array, Array, Array]:
    """Mean and central quantiles over the last axis; NaN where it is empty."""
    if not values.shape[-1]:
        empty = np.full(values.shape[:-1], np.nan)
        return empty, empty, empty
    lower, upper = np.quantile(values, [(1 - probability) / 2, (1 + probability) / 2], axis=-1)
    return values.mean(axis=-1), lower, upper
