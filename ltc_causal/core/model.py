"""What the parts of the toolkit ask of a model: Protocols, each as narrow as its one reader.

Lives here: the contracts. Does not live here: any model (`models`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.coupling import Coupling
from ltc_causal.core.data import Inputs, Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.errors import finite_array, positive

Array = NDArray[np.float64]


@dataclass(frozen=True)
class NoisePrior:
    """Gaussian prior on the log-precision of each region's observation noise (-2 times the logarithm of its sd), in the model's units."""

    mean: float = 6.0
    variance: float = 1.0 / 128.0

    def __post_init__(self):
        object.__setattr__(self, "mean", float(finite_array("NoisePrior.mean", self.mean, 0, "()")))
        object.__setattr__(self, "variance", positive("NoisePrior.variance", self.variance, "squared log-precision"))


@dataclass(frozen=True, eq=False)
class Features:
    """What a model makes of a recording before it is fitted.

    values : shape (time, region), what is to be predicted, in the model's units
    confounds : shape (time, confound), free weights per region
    scale : the factor that took the recording's units to the model's
    plan : the model's own time plan (when to read which region), opaque to everybody else
    """

    values: Array
    confounds: Array
    scale: float
    plan: Any


@runtime_checkable
class GenerativeModel(Protocol):
    """What variational Laplace sees: y = prediction(theta) + confounds + noise, for each of the regions."""

    @property
    def regions(self) -> Sequence[str]: ...

    @property
    def prior(self) -> Gaussian: ...

    @property
    def noise(self) -> NoisePrior: ...

    @property
    def starts(self) -> Sequence[Array]:
        """Parameter vectors to begin at; more than one where the free energy is known to have several maxima."""
        ...

    @property
    def approximation(self) -> "GenerativeModel | None":
        """A cheaper approximation over the same parameters, whose error a fit reports; None where there is none."""
        ...

    def features(self, recording: Recording) -> Features:
        """One recording as the model predicts it; several sessions of one subject are then brought to the smallest of their scales."""
        ...

    def predict(self, theta: Array, features: Features, differences: str = "exact") -> tuple[Array, bool]:
        """Prediction, shape (time, region), and whether every state stayed finite and within bounds."""
        ...

    def linearise(self, theta: Array, features: Features) -> tuple[Array, Array, bool]:
        """Prediction, its derivative of shape (time, region, parameter), and whether the integration was stable."""
        ...


@runtime_checkable
class HasCoupling(Protocol):
    """What graphs and reductions see."""

    @property
    def edge_names(self) -> tuple[str, ...]: ...

    def edge_values(self, theta: NDArray, state: Array | None = None, inputs: Array | None = None) -> NDArray:
        """The coupling's entries in Hz in the order of `edge_names`; complex theta gives complex entries."""
        ...

    def coupling(self, theta: Array, state: Array | None = None, inputs: Array | None = None) -> Coupling:
        """Taylor coefficients A, B, C, D of the neuronal flow at an operating point (rest unless given)."""
        ...


@runtime_checkable
class DynamicalSystem(Protocol):
    """A model at given parameters, as simulation and interventions see it. Everything is vectorised over draws (last axis).

    Neuronal states x have shape (unit, draw), the regions' activities first and after them whatever other populations or hidden units the
    model has; inputs u have shape (input,). An observed system also carries observation states h of shape (state, region, draw), the
    haemodynamics; none (state = 0) where activity itself is observed. An intervention acts on x and never on h.
    """

    @property
    def regions(self) -> tuple[str, ...]: ...

    @property
    def inputs(self) -> tuple[str, ...]: ...

    @property
    def n_draw(self) -> int: ...

    def initial_state(self) -> tuple[Array, Array]:
        """Neuronal and observation states at rest."""
        ...

    def flow(self, x: Array, u: Array) -> Array:
        """dx/dt, shape (unit, draw), in 1/s."""
        ...

    def observation_flow(self, h: Array, x: Array) -> Array:
        """dh/dt, shape (state, region, draw), in 1/s."""
        ...

    def observe(self, x: Array, h: Array) -> Array:
        """The signal in the model's units, shape (region, draw)."""
        ...


@runtime_checkable
class HasConnections(Protocol):
    """A system that knows its connections one by one, as an intervention on a connection's strength asks."""

    def with_scaled(self, source: int, target: int | None, factor: float) -> DynamicalSystem:
        """The system with the strength of source -> target multiplied; of all connections out of the source where target is None."""
        ...

    def own_units(self, region: int) -> tuple[int, ...]:
        """The rows of x that are the region's own populations, itself first."""
        ...


@runtime_checkable
class Expandable(Protocol):
    """What a Taylor reduction asks of a system that is no DCM: its own exact A, B, C and D."""

    def coupling(self, state: Mapping[str, float] | None = None, inputs: Mapping[str, float] | None = None) -> Coupling:
        """Taylor coefficients of the flow at a state and inputs given by name."""
        ...


@runtime_checkable
class HasRemark(Protocol):
    """A system that knows something that the reader of its reduction must know."""

    @property
    def remark(self) -> str:
        """The sentence; empty where there is nothing to say."""
        ...


@runtime_checkable
class Trainable(Protocol):
    """What training by gradient sees: a network of many parameter sets at once; r counts them, and tensors are torch's."""

    @property
    def regions(self) -> Sequence[str]: ...

    @property
    def prior(self) -> Gaussian:
        """Names of the parameters theta, which are counted so that N(0, 1) is what is thought likely."""
        ...

    @property
    def identity(self) -> str:
        """A digest that two networks share only if a theta means the same in both."""
        ...

    def starts(self, count: int, seed: int) -> Array:
        """Where to begin, shape (count, parameter)."""
        ...

    def features(self, recording: Recording) -> Features:
        """One recording as the network predicts it."""
        ...

    def signal(self, theta: Any, features: Features) -> tuple[Any, Any]:
        """The prediction, a differentiable tensor (r, time, region), of theta (r, parameter), and which stayed within bounds, (r,)."""
        ...

    def predict(self, theta: Array, features: Features) -> tuple[Array, NDArray[np.bool_]]:
        """The same in numpy."""
        ...


class Simulable(Protocol):
    """What simulation and interventions ask of a model."""

    regions: tuple[str, ...]
    inputs: tuple[str, ...]

    @property
    def prior(self) -> Gaussian: ...

    def system(self, theta: Array, echo_time: float = 0.04) -> DynamicalSystem:
        """The system at parameters of shape (draw, parameter)."""
        ...

    def prepared_inputs(self, inputs: Inputs) -> Inputs:
        """The inputs as the model uses them: its own, in its order, centred if it says so."""
        ...
