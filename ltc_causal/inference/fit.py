"""One verb: fit a model to a recording.

Lives here: `fit`. Does not live here: the methods (`laplace`).
"""

import time
from typing import TypeVar

import numpy as np

from ltc_causal.core.data import Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.model import GenerativeModel
from ltc_causal.core.result import Fit
from ltc_causal.errors import InputError
from ltc_causal.inference import laplace
from ltc_causal.inference.laplace import VariationalLaplace

Model = TypeVar("Model", bound=GenerativeModel)


def fit(model: Model, recording: Recording, method: VariationalLaplace | None = None, *, start: Gaussian | Fit | None = None) -> Fit:
    """Fit a model to one recording.

    model : anything with a prior and a prediction, such as `DCM`
    recording : holds the model's regions and inputs by name, others may be there too
    method : how; variational Laplace with exact derivatives unless given
    start : begin at this distribution's (or fit's) mean instead of the prior mean; parameters are matched by name, so that a liquid model
        can start from a bilinear one's fit

    A model may have several starts of its own (`model.starts`); the ascent that ends at the highest free energy is returned.

    Raises `InputError` if the recording lacks a region or an input, or if the start shares no parameter with the model. A fit that did not
    converge is returned with the reason as its `status`.
    """
    if not isinstance(recording, Recording):
        raise InputError(
            f"fit needs a Recording as its second argument, got {type(recording).__name__}: build one from TimeSeries and Inputs."
        )
    began = time.perf_counter()
    method = method or VariationalLaplace()
    recording = recording.select(model.regions)
    features = model.features(recording)
    ascents = [laplace.ascend(model, features, method, mean) for mean in _start_means(model, start)]
    ascent = max(ascents, key=lambda one: one.free_energy)
    posterior = laplace.posterior(model, ascent)
    noise = Gaussian(tuple(model.regions), ascent.point.h, np.diag(ascent.log_precision_variance))
    X = features.confounds
    explained = X @ np.linalg.lstsq(X, features.values - ascent.prediction, rcond=None)[0] / features.scale
    # What `features` subtracted before scaling is part of what the confounds explain.
    confounds = explained + recording.series.values - features.values / features.scale
    return Fit(
        model, recording, posterior, ascent.free_energy, noise, ascent.prediction / features.scale, confounds, ascent.status, ascent.history,
        ascent.gradient_norm, time.perf_counter() - began,
    )  # fmt: skip


def _start_means(model: GenerativeModel, start: Gaussian | Fit | None) -> list[np.ndarray]:
    """The model's own starts, each with what the given start knows in place of its own values; every one once."""
    if start is None:
        return list(model.starts)
    given = start.posterior if isinstance(start, Fit) else start
    shared = [name for name in model.prior.names if name in given.names]
    if not shared:
        raise InputError(
            f"The start has none of the model's parameters ({list(model.prior.names[:3])}, ...): start from a fit of a related model."
        )
    means = [mean.copy() for mean in model.starts]
    for mean in means:
        for name in shared:
            mean[model.prior.index(name)] = given.mean[given.index(name)]
    return list({mean.tobytes(): mean for mean in means}.values())
