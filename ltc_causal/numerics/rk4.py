"""The classical Runge-Kutta method on arrays whose last axis is a set of independent draws.

Lives here: the stepper and its rule for a draw that explodes. Does not live here: what the states mean, nor when they are read
(`models.simulate`).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LARGEST_STATE = 1e3  # dimensionless; no state of any model here comes near it unless it explodes


def runge_kutta(flow: Callable[[Array], Array], y: Array, duration: float, max_step: float, largest: float = LARGEST_STATE) -> Array:
    """Advance y' = flow(y) by `duration`, in equal steps no longer than `max_step`.

    y : shape (..., draw); the draws do not see one another
    duration, max_step : in the time unit of the flow

    A draw in which a state becomes larger than `largest` in absolute value, or is not finite, is frozen at NaN; the others go on.
    Fourth order (Kutta 1901): the error falls with the fourth power of the step.
    """
    return runge_kutta_in_time(lambda _, y: flow(y), y, 0.0, duration, max_step, largest)


def runge_kutta_in_time(
    flow: Callable[[float, Array], Array], y: Array, start: float, duration: float, max_step: float, largest: float = LARGEST_STATE
) -> Array:
    """The same for y' = flow(t, y), from the time `start` on."""
    n_step = max(1, int(np.ceil(duration / max_step * (1 - 1e-12))))
    h = duration / n_step
    # Overflow is expected in draws that explode, and is dealt with by freezing them.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for number in range(n_step):
            t = start + number * h
            k1 = flow(t, y)
            k2 = flow(t + h / 2, y + (h / 2) * k1)
            k3 = flow(t + h / 2, y + (h / 2) * k2)
            k4 = flow(t + h, y + h * k3)
            y = y + (h / 6) * (k1 + 2 * (k2 + k3) + k4)
            if not np.abs(y).max() <= largest:  # true for NaN as well
                y = _freeze_exploded(y, largest)
    return y


def _freeze_exploded(y: Array, largest: float) -> Array:
    inside = (np.abs(y) <= largest).all(axis=tuple(range(y.ndim - 1)))
    return np.where(inside, y, np.nan)
