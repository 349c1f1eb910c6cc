"""The solution of a network that is fitted as a whole, in the form that regressions have.

Lives here: `solve_network`. Does not live here: the fits (`network`, `sparse_network`) and their widening (`honest`).
"""

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.regression import NetworkProblem, RegionSolution
from ltc_causal.inference.checkpoint import Arrays, Parts
from ltc_causal.inference.honest import MOST_REPLICATES, replicates_of, widening
from ltc_causal.inference.indicators import Indicators
from ltc_causal.inference.network import NetworkFit, estimate, groups_of, spectra_of
from ltc_causal.inference.sparse_network import SparseFit, estimate_sparse
from ltc_causal.numerics.whittle import Network, shares

Array = NDArray[np.float64]

FLUCTUATING = 0.1  # share of the signal's power that the regions' own fluctuations must have, so that they tell which connections there are


def parts_of_network(problem: NetworkProblem, replicates: int | None) -> int:
    """How many parts there are at most: the fit and the simulations."""
    return 1 + (MOST_REPLICATES if replicates is None else replicates)


def solve_network(
    problem: NetworkProblem, replicates: int | None, seed: int, rounds: int, run: Parts
) -> tuple[list[RegionSolution], Array, Callable[[int, NDArray[np.int64]], Array], int, list[float]]:
    """Each region's solution, W, the covariance of a region's connections, and the free energy (as the only candidate's)."""
    if problem.sparse:
        found = _sparse_of(
            run.map(["fit"], lambda _: _arrays_of_sparse(estimate_sparse(problem, problem.signal, seed, rounds)))[0], problem
        )
        _warn_if_still(problem, found.whole)
    else:
        found = _fit_of(run.map(["fit"], lambda _: _arrays_of(estimate(problem, problem.signal)))[0])
    count = replicates_of(problem, found, replicates)
    run.total = 1 + count
    factor = widening(problem, found, count, seed, rounds, run)
    if isinstance(found, SparseFit):
        regions, W, covariance = _regions_of_sparse(problem, found)
        F = found.free_energy
    else:
        regions, W, covariance, F = _regions_of(problem, found), found.network.W, found.covariance_of, found.free_energy
    return regions, W, lambda region, columns: factor**2 * covariance(region, columns), 0, [F]


def _warn_if_still(problem: NetworkProblem, found: NetworkFit) -> None:
    if not problem.driven.shape[1]:
        return
    own = shares(spectra_of(problem, problem.signal), found.network)
    if own < FLUCTUATING:
        warnings.warn(
            f"The regions' own fluctuations make up {100 * own:.0f} % of the signal, and a few inputs alone cannot tell which connections there "
            "are: in simulated tasks of 6 regions without fluctuations, 90 % intervals held 66 % of the true connections. Fit without sparse.",
            stacklevel=6,
        )


def _regions_of(problem: NetworkProblem, found: NetworkFit) -> list[RegionSolution]:
    """The noise precision of each scan is dt / r, of which ln r is uncertain: a Gamma of that spread."""
    variances, r = found.noise_variances(), np.exp(found.network.log_r)
    regions = []
    for region, weights in enumerate(found.network.W):
        there = np.ones(len(weights))
        a, precision = 1 / variances[region], problem.dt / r[region]
        regions.append(
            RegionSolution(weights, there, there, precision, a, a / precision, found.free_energy / len(r), found.steps, found.converged)
        )
    return regions


def _regions_of_sparse(
    problem: NetworkProblem, found: SparseFit
) -> tuple[list[RegionSolution], Array, Callable[[int, NDArray[np.int64]], Array]]:
    W, z, variance = (found.filled(name) for name in ("mean", "probability", "variance"))
    regions = [
        replace(one, mean=W[region], indicator=z[region], converged=one.converged and found.settled)
        for region, one in enumerate(_regions_of(problem, found.whole))
    ]
    return regions, W, lambda region, columns: np.diag(variance[region, columns])


# --- as plain arrays, for files -------------------------------------------------------------------------------------------------------


def _arrays_of(found: NetworkFit) -> Arrays:
    network = found.network
    arrays = {
        "W": network.W, "log_q": network.log_q, "log_r": network.log_r, "log_b": np.array(network.log_b), "mask": found.mask,
        "spreads": np.array(found.spreads), "ending": np.array([found.free_energy, found.steps, found.converged]),
    }  # fmt: skip
    return arrays | {f"covariance_{number}": cov for number, cov in enumerate(found.covariances)}


def _fit_of(arrays: Arrays) -> NetworkFit:
    network = Network(arrays["W"], arrays["log_q"], arrays["log_r"], float(arrays["log_b"]))
    mask = arrays["mask"].astype(bool)
    groups = groups_of(mask)
    F, steps, converged = arrays["ending"]
    A, C = arrays["spreads"]
    covariances = [arrays[f"covariance_{number}"] for number in range(len(groups))]
    return NetworkFit(network, mask, groups, covariances, (float(A), float(C)), float(F), int(steps), bool(converged))


def _arrays_of_sparse(found: SparseFit) -> Arrays:
    arrays = _arrays_of(found.whole) | {"rounds": np.array([found.share, found.rounds, found.settled])}
    for region, one in enumerate(found.indicators):
        arrays |= {f"indicators_{name}_{region}": value for name, value in one._asdict().items()}
    return arrays


def _sparse_of(arrays: Arrays, problem: NetworkProblem) -> SparseFit:
    columns = [np.flatnonzero(row) for row in problem.allowed]
    found = [Indicators(*(arrays[f"indicators_{name}_{region}"] for name in Indicators._fields)) for region in range(problem.n_region)]
    share, rounds, settled = arrays["rounds"]
    return SparseFit(_fit_of(arrays), columns, found, float(share), int(rounds), bool(settled))
