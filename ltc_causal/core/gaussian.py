"""A Gaussian over named parameters: the one form that priors and posteriors have here.

Lives here: the container and what can be read off it. Does not live here: how a posterior is found (`inference`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from ltc_causal.core.blocks import Blocks, root
from ltc_causal.errors import InputError, finite_array, known_name, read_only, unique_names


@dataclass(frozen=True, eq=False)
class Gaussian:
    """theta ~ N(mean, cov). A parameter of variance zero is fixed at its mean.

    names : one a parameter
    mean : shape (parameter,)
    cov : shape (parameter, parameter), symmetric, no negative variance; or `Blocks`, which behave as such an array
    """

    names: tuple[str, ...]
    mean: NDArray[np.float64]
    cov: NDArray[np.float64]

    def __post_init__(self):
        object.__setattr__(self, "names", unique_names("Gaussian.names", self.names))
        mean = finite_array("Gaussian.mean", self.mean, 1, "(parameter,)")
        n = len(self.names)
        cov = self.cov if isinstance(self.cov, Blocks) else finite_array("Gaussian.cov", self.cov, 2, "(parameter, parameter)")
        if mean.shape != (n,) or cov.shape != (n, n):
            raise InputError(
                f"A Gaussian of {n} names needs a mean of shape ({n},) and a cov of shape ({n}, {n}), got {mean.shape} and {cov.shape}."
            )
        object.__setattr__(self, "mean", mean)
        if isinstance(cov, Blocks):
            return
        if n and np.diag(cov).min() < 0:
            raise InputError(
                f"The variance of parameter {self.names[int(np.argmin(np.diag(cov)))]!r} is negative: give a covariance matrix."
            )
        if n and np.abs(cov - cov.T).max() > 1e-8 * max(np.abs(cov).max(), 1e-300):
            raise InputError("Gaussian.cov is not symmetric: give a covariance matrix.")
        object.__setattr__(self, "cov", read_only((cov + cov.T) / 2))

    def __repr__(self) -> str:
        return f"Gaussian({len(self.names)} parameters, {int(self.free.sum())} of them free: {', '.join(self.names[:3])}{', ...' * (len(self.names) > 3)})"

    @property
    def sd(self) -> NDArray[np.float64]:
        """Standard deviations, shape (parameter,)."""
        return np.sqrt(self.cov.diagonal())

    @cached_property
    def free(self) -> NDArray[np.bool_]:
        """True for a parameter that can vary, shape (parameter,)."""
        return read_only(self.cov.diagonal() > 0)

    @property
    def correlation(self) -> NDArray[np.float64]:
        """Correlations of the free parameters, shape (free, free)."""
        sd = self.sd[self.free]
        return self.cov[np.ix_(self.free, self.free)] / np.outer(sd, sd)

    def index(self, name: str) -> int:
        """Position of a parameter; raises `InputError` naming the nearest one if it is unknown."""
        position = self._positions.get(name)
        return known_name("parameter", name, self.names, "this distribution") if position is None else position

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def interval(self, probability: float = 0.9) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper end of each parameter's central interval of that probability, each of shape (parameter,)."""
        if not 0 < probability < 1:
            raise InputError(f"An interval's probability lies between 0 and 1, got {probability!r}.")
        half = float(ndtri((1 + probability) / 2)) * self.sd
        return self.mean - half, self.mean + half

    def probability(self, name: str, above: float = 0.0) -> float:
        """P(parameter > above)."""
        i = self.index(name)
        variance = float(self.cov.diagonal()[i])
        if variance == 0:
            return float(self.mean[i] > above)
        return float(ndtr((self.mean[i] - above) / np.sqrt(variance)))

    def marginal(self, names: Sequence[str]) -> "Gaussian":
        """The joint distribution of some of the parameters."""
        keep = [self.index(name) for name in names]
        return Gaussian(tuple(names), self.mean[keep], self.cov[np.ix_(keep, keep)])

    def sample(self, n: int, seed: int | np.random.Generator = 0) -> NDArray[np.float64]:
        """Draws, shape (n, parameter); fixed parameters stay at their mean."""
        rng = np.random.default_rng(seed)
        if isinstance(self.cov, Blocks):
            return self.mean + self.cov.draw(n, rng)
        return self.mean + rng.standard_normal((n, len(self.mean))) @ self._root.T

    @cached_property
    def _root(self) -> NDArray[np.float64]:
        return root(self.cov)
