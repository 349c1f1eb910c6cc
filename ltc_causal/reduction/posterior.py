"""From a fit's posterior to that of the reduced coupling: by the delta method and by draws, and whether the two agree.

Lives here: the parameter sets to reduce at, what is made of the results, the sentence of comparison. Does not live here: a reduction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kurtosis, skew

from ltc_causal.core.coupling import Coupling
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.errors import InputError

Array = NDArray[np.float64]

FEWEST_DRAWS = 20
STEP = 0.01  # posterior sd, of the central differences behind the delta method
BEYOND_CHANCE = 4.0  # Monte Carlo standard errors
SKEWED = 1.0  # a skewness at which a distribution is plainly not Gaussian


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a method makes of a source; the fields are those of `core.reduction.Reduction` but its certificate."""

    coupling: Coupling
    posterior: Gaussian
    constant: Array
    state: Array
    inputs: Array
    draws: Array | None = None
    note: str = ""


def checked_draws(draws: int, least: int = FEWEST_DRAWS) -> int:
    """`draws`; raises `InputError` unless it is a whole number of at least `least`."""
    if not isinstance(draws, int | np.integer) or draws < least:
        raise InputError(f"The draws of a reduction must be a whole number of at least {least}, got {draws!r}.")
    return int(draws)


def parameter_sets(posterior: Gaussian, draws: int, seed: Any) -> Array:
    """The mean, `draws` draws, and the mean a small step up and down in every free parameter; shape (set, parameter)."""
    steps = STEP * np.diag(posterior.sd)[posterior.free]
    return np.concatenate([posterior.mean[None], posterior.sample(draws, seed), posterior.mean + steps, posterior.mean - steps])


def by_draws(names: tuple[str, ...], values: Array, posterior: Gaussian, draws: int) -> tuple[Gaussian, Array, str]:
    """The Gaussian over the entries, mean as reduced at the posterior mean and covariance over the draws; the draws; and the comparison.

    values : shape (set, entry), the entries for each of `parameter_sets`, NaN where the model was unstable
    """
    mean, drawn = values[0], values[1 : 1 + draws]
    up, down = np.split(values[1 + draws :], 2)
    G = ((up - down) / (2 * STEP * posterior.sd[posterior.free][:, None])).T
    cov = posterior.cov[np.ix_(posterior.free, posterior.free)]
    sd = np.sqrt(np.einsum("ep,pq,eq->e", G, cov, G))
    stable = drawn[np.isfinite(drawn).all(axis=1)]
    if len(stable) < FEWEST_DRAWS:
        raise InputError(
            f"Only {len(stable)} of {draws} posterior draws gave a course that stays within bounds, too few for a posterior: "
            "fit a model that is stable, or use Taylor, which needs no course."
        )
    spread = np.cov(stable.T, ddof=1).reshape(len(names), len(names))
    return Gaussian(names, mean, spread), drawn, comparison(names, mean, sd, drawn)


def draw_by_draw(entries: Callable[[Array], Array], posterior: Gaussian, draws: int, seed: Any) -> Array:
    """The entries at each of some draws, shape (draw, entry)."""
    return np.array([entries(theta) for theta in posterior.sample(draws, seed)])


def comparison(names: tuple[str, ...], mean: Array, sd: Array, draws: Array) -> str:
    """Whether draws confirm the delta method's mean and sd within Monte Carlo error; and if not, where and why.

    The standard error of a sample's sd is sd sqrt((k + 2) / 4N), k its excess kurtosis.
    """
    stable = draws[np.isfinite(draws).all(axis=1)]
    N, aside = len(stable), len(draws) - len(stable)
    set_aside = f" {aside} draws left the model's bounds and were set aside." if aside else ""
    moving = np.flatnonzero((sd > 1e-12) & (stable.std(axis=0) > 1e-12))
    if not len(moving):
        return f"Neither the delta method nor {N} draws give the coupling any uncertainty.{set_aside}"
    one, spread = stable[:, moving], stable[:, moving].std(axis=0, ddof=1)
    off_mean = np.abs(one.mean(axis=0) - mean[moving]) / (spread / np.sqrt(N))
    off_sd = np.abs(spread - sd[moving]) / (spread * np.sqrt((np.maximum(kurtosis(one), -1.0) + 2) / (4 * N)))
    off = np.maximum(off_mean, off_sd)
    worst = int(np.argmax(off))
    if off[worst] <= BEYOND_CHANCE:
        return f"The delta method and {N} draws agree within Monte Carlo error.{set_aside}"
    skewness = float(skew(one[:, worst]))
    why = (
        f"because its draws are skewed (skewness {skewness:.1f})"
        if abs(skewness) > SKEWED
        else "because it is curved over the width of the posterior"
    )
    return (
        f"The delta method and {N} draws differ beyond Monte Carlo error, most of all in {names[moving[worst]]} (mean "
        f"{mean[moving[worst]]:.3g} and {one[:, worst].mean():.3g}, sd {sd[moving[worst]]:.2g} and {spread[worst]:.2g}), {why}: read intervals "
        f"off the draws.{set_aside}"
    )
