"""A DCM some of whose populations are not measured: Wilson and Cowan's regions each have an inhibitory one.

Lives here: a wrapper that gives `lc.fit` and the interventions what they ask of a model, and shows them the measured regions alone. Does not
live here: any equation; the populations are regions of the DCM inside.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ltc_causal as lc

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PartlyMeasured:
    """A model of activity whose last regions are unmeasured.

    inner : a DCM of all populations, measured ones first; count : how many are measured
    """

    inner: lc.DCM
    count: int
    approximation = None

    def __getattr__(self, name: str) -> Any:
        """Prior, noise, starts, inputs, weights, coupling and names are those of the whole."""
        if name.startswith("_") or name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    @property
    def regions(self) -> tuple[str, ...]:
        """The measured ones."""
        return tuple(self.inner.regions[: self.count])

    def with_neuronal(self, kind: str, per_edge: tuple[str, ...] = ()) -> "PartlyMeasured":
        """The same connections under another neuronal model."""
        return replace(self, inner=self.inner.with_neuronal(kind, per_edge))

    def features(self, recording: lc.Recording) -> Any:
        """The recording as the DCM inside predicts it, the unmeasured ones' part (a stand-in) left out again."""
        series, hidden = recording.series, len(self.inner.regions) - self.count
        values = np.hstack([series.values, np.repeat(np.arange(len(series.values), dtype=float)[:, None], hidden, axis=1)])
        whole = lc.TimeSeries(values, series.dt, tuple(self.inner.regions))
        features = self.inner.features(replace(recording, series=whole, delays=np.zeros(len(self.inner.regions))))
        return replace(features, values=np.ascontiguousarray(features.values[:, : self.count]))

    def predict(self, theta: Array, features: Any, differences: str = "exact") -> tuple[Array, bool]:
        """Activity of the measured regions, and whether it stayed within bounds."""
        values, stable = self.inner.predict(theta, features, differences)
        return np.ascontiguousarray(values[:, : self.count]), stable

    def linearise(self, theta: Array, features: Any) -> tuple[Array, Array, bool]:
        """`predict` and its derivative."""
        values, jacobian, stable = self.inner.linearise(theta, features)
        return np.ascontiguousarray(values[:, : self.count]), np.ascontiguousarray(jacobian[:, : self.count]), stable

    def system(self, theta: Array, echo_time: float = 0.04) -> "MeasuredSystem":
        """The whole system, its measured regions first."""
        return MeasuredSystem(self.inner.system(theta, echo_time), self.regions)


@dataclass(frozen=True, eq=False)
class MeasuredSystem:
    """All populations' flow, under the names of the measured ones."""

    whole: Any
    regions: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return self.whole.inputs

    @property
    def n_draw(self) -> int:
        """Number of draws."""
        return self.whole.n_draw

    def initial_state(self) -> tuple[Array, Array]:
        """Rest."""
        return self.whole.initial_state()[0], np.zeros((0, len(self.regions), self.n_draw))

    def flow(self, x: Array, u: Array) -> Array:
        """dx/dt of all populations."""
        return self.whole.flow(x, u)

    def observation_flow(self, h: Array, x: Array) -> Array:
        """Nothing: activity is measured as it is."""
        return np.zeros_like(h)

    def observe(self, x: Array, h: Array) -> Array:
        """Activity of the measured regions."""
        return x[: len(self.regions)]
