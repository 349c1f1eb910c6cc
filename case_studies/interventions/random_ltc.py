"""The networks that this study warns of: raw liquid networks that begin at random and are trained until they fit.

Lives here: their training and their draws. Does not live here: `lc.LiquidNetwork`.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from systems import Training

import ltc_causal as lc

Array = NDArray[np.float64]
STEPS, STARTS = 300, 3


def train(training: Training, folder: Path, seed: int = 0, steps: int = STEPS) -> Any:
    """Gated liquid networks of all regions, fully connected, trained by gradient on the measured activity from `STARTS` random starts."""
    network = lc.LiquidNetwork(
        training.regions, training.inputs, observation="activity", size=float(training.x.std(axis=0).mean()) * 2, seed=seed
    )
    folder.mkdir(parents=True, exist_ok=True)
    method = lc.GradientTraining(
        steps=steps, restarts=STARTS, learning_rate=0.1, seed=seed, points=0, checkpoint=folder / f"{training.name}.raw"
    )
    return lc.fit(network, training.states(5), method)


def draws(trained: Any) -> Array:
    """Each start's end as one draw, shape (start, parameter)."""
    return np.asarray(trained.posterior.members)


def explained(trained: Any) -> float:
    """Share of the signal's variance that the best start explains, mean over regions."""
    return float(trained.variance_explained.mean())
