"""A model that is a linear regression of each region, as its inversion sees it.

Lives here: the problem and the Protocol. Does not live here: how it is posed (`models.regression_dcm`) or solved (`inference.conjugate`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.data import Recording
from ltc_causal.core.gaussian import Gaussian

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RegressionProblem:
    """target_r = design m_r + noise for each region r on its own, over the first ends[r] rows.

    design : shape (row, column), shared by all regions
    target : shape (row, region)
    ends, counts : shape (region,), rows that a region uses, and how many measurements they count as
    prior_mean, prior_precision : shape (region, column); an infinite precision leaves the column out
    inclusion : for each candidate of the sparsity, prior probabilities that a column is there, shape (region, column); none without sparsity
    shape, rate : of the Gamma prior on each noise precision
    ratio : what TAPAS 1.4 divides its counts by, None for all else
    """

    design: Array
    target: Array
    ends: NDArray[np.int64]
    counts: Array
    prior_mean: Array
    prior_precision: Array
    inclusion: tuple[Array, ...] = ()
    shape: float = 2.0
    rate: float = 1.0
    ratio: float | None = None

    @property
    def n_region(self) -> int:
        """Number of regions."""
        return self.target.shape[1]


@dataclass(frozen=True, eq=False)
class SmoothedProblem:
    """dy/dt = A s + C u* for each region, y measured with white noise, s the signal without noise: to be regressed on an estimate of s.

    signal : y, shape (scan, region)
    driven : u*, the inputs seen through the haemodynamics, shape (scan, input)
    confounds : shape (scan, confound); dt : seconds between scans
    intrinsic, driving : which connections there may be, shapes (region, region) and (region, input)
    self_mean, self_sd : of the prior of self-connections, in Hz
    """

    signal: Array
    driven: Array
    confounds: Array
    dt: float
    intrinsic: NDArray[np.bool_]
    driving: NDArray[np.bool_]
    self_mean: float
    self_sd: float

    @property
    def n_region(self) -> int:
        """Number of regions."""
        return self.signal.shape[1]


@dataclass(frozen=True, eq=False)
class NetworkProblem:
    """dx/dt = A x + C u + w, y = h * x + noise: of w it is known only that it fluctuates in each region by itself. To be fitted as a whole.

    signal : y, shape (scan, region); confounds : shape (scan, confound); dt : seconds between scans
    delays : shape (region,), seconds from a scan's time until the region is read
    driven : h * u when the regions are read on average, the inputs seen through the haemodynamics, shape (scan, input); no column at rest
    transfer : h at angular frequencies in 1/s, complex
    intrinsic, driving : which connections there may be, shapes (region, region) and (region, input)
    self_mean, self_sd : of the prior of self-connections, in Hz
    sparse : whether each connection between regions has an indicator, the probability that it is there
    """

    signal: Array
    confounds: Array
    dt: float
    delays: Array
    driven: Array
    transfer: Callable[[Array], NDArray[np.complex128]]
    intrinsic: NDArray[np.bool_]
    driving: NDArray[np.bool_]
    self_mean: float
    self_sd: float
    sparse: bool = False

    @property
    def n_region(self) -> int:
        """Number of regions."""
        return self.signal.shape[1]

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """Intrinsic and driving side by side, shape (region, region + input)."""
        return np.concatenate([self.intrinsic, self.driving], axis=1)


@dataclass(frozen=True, eq=False)
class RegionSolution:
    """What is found for one region.

    mean : shape (column,), 0 where a column is absent
    indicator : shape (column,), posterior probability that a column is there
    scaled : shape (column,), the indicators by which the precision is built (all 1 without sparsity)
    precision : posterior mean of the noise precision in the last covariance; shape, rate : of its Gamma posterior
    free_energy : nats; passes : how many; converged : whether the free energy had come to rest
    """

    mean: Array
    indicator: Array
    scaled: Array
    precision: float
    shape: float
    rate: float
    free_energy: float
    passes: int
    converged: bool


@runtime_checkable
class RegressionModel(Protocol):
    """What the inversion by regression asks of a model."""

    @property
    def regions(self) -> Any:  # noqa: D102 - as everywhere
        ...

    @property
    def prior(self) -> Gaussian:  # noqa: D102
        ...

    @property
    def edge_names(self) -> tuple[str, ...]:  # noqa: D102
        ...

    @property
    def driving_scale(self) -> float:
        """By what the weights of inputs are multiplied to become parameters; their covariance is not (see the model)."""
        ...

    def parameters_of(self, region: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where a region's connections stand among the parameters, and in the design."""
        ...

    def regression(self, recording: Recording) -> "RegressionProblem | SmoothedProblem | NetworkProblem":
        """What a recording poses."""
        ...

    def explained(self, theta: Array, recording: Recording) -> Array:
        """What the regressions say of the signal, shape (scan, region)."""
        ...
