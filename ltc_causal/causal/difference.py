"""What an intervention changes: two predictions of one fit, draw by draw.

Lives here: the paired difference. Does not live here: the predictions (`predict`), their plots (`ltc_causal.plotting`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.result import Prediction
from ltc_causal.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Difference:
    """Intervened minus usual, draw by draw (both predictions used the same parameters for the same draw).

    draws : shape (draw, time, region); only draws that stayed stable in both
    mean, lower, upper : shape (time, region); the band holds the predictions' probability
    """

    draws: Array
    mean: Array
    lower: Array
    upper: Array


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
    tail = (1 - usual.probability) / 2
    lower, upper = np.quantile(draws, [tail, 1 - tail], axis=0)
    return Difference(draws, draws.mean(axis=0), lower, upper)
