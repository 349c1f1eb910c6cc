"""What this very recording would have been, had something else been done.

Lives here: `counterfactual`. Does not live here: the course under an intervention whatever was measured (`predict`).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ltc_causal.causal.predict import predict
from ltc_causal.core.intervention import Intervention
from ltc_causal.core.prediction import Prediction, band
from ltc_causal.core.result import Fit
from ltc_causal.core.trained import TrainedNetwork
from ltc_causal.errors import InputError


def counterfactual(
    fit: Fit | TrainedNetwork,
    do: Sequence[Intervention] = (),
    *,
    draws: int = 200,
    seed: int = 0,
    probability: float = 0.9,
    session: int = 0,
) -> Prediction:
    """The signal of a fitted session as it would have been under the interventions `do` (Pearl 2009, section 7.1).

    In every draw theta of the posterior

        abduction    e = y - g(theta)                 what the model leaves of the data: confounds and noise
        action       g -> g_do
        prediction   y_do = g_do(theta) + e = y + (g_do(theta) - g(theta))

    since the neuronal model has no noise of its own and starts at rest. With an empty `do` it is the recording to the last bit. Its band is the
    uncertainty of the effect alone, as the noise is that of the recording; its `usual` is the recording itself.

    fit, do, draws, seed, probability, session : as of `predict`

    Raises `InputError` as `predict` does.
    """
    if not isinstance(fit, Fit | TrainedNetwork):
        raise InputError(f"counterfactual needs a fit, since it starts from a recording, got {type(fit).__name__}: use predict.")
    foreseen = predict(fit, do, draws=draws, seed=seed, probability=probability, session=session)
    y = fit.session(session).recording.select(fit.model.regions).series.values
    change = foreseen.draws - (foreseen.usual or foreseen).draws
    kept = np.isfinite(change).all(axis=(1, 2))
    mean, lower, upper = (y + part for part in band(change[kept], probability))
    recorded = replace(
        foreseen, mean=y, lower=y, upper=y, draws=np.broadcast_to(y, change.shape), do=(), unstable=0, usual=None, remarks=()
    )
    return replace(
        foreseen, mean=mean, lower=lower, upper=upper, draws=y + change, unstable=int((~kept).sum()), usual=recorded, kind="counterfactual"
    )
