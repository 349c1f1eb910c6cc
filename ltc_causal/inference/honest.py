"""Intervals that hold what they say: by how much to widen them, found by simulation.

Networks are drawn from the posterior, recordings simulated from them, and fitted in the same way; the posterior's sds are multiplied by what it
takes for 90 % intervals to hold `AIM` of the connections drawn (a parametric bootstrap). Of a sparse network only those that the drawn
network has are counted: a strength is that of a connection that is there.

Lives here: `widening`. Does not live here: the fits (`network`, `sparse_network`).
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.regression import NetworkProblem
from ltc_causal.inference.checkpoint import Parts
from ltc_causal.inference.network import SLOWEST, NetworkFit, estimate
from ltc_causal.inference.sparse_network import SparseFit, estimate_sparse
from ltc_causal.numerics import response_basis as basis
from ltc_causal.numerics.whittle import Network, fluctuations

Array = NDArray[np.float64]

CONNECTIONS = 250  # simulated altogether, so that the share in their intervals is known to about two percent
MOST_REPLICATES = 24
AIM = 0.90
NINETY = 1.6448536269514722  # half-width of a central 90 % interval, in sd


def replicates_of(problem: NetworkProblem, found: NetworkFit | SparseFit, replicates: int | None) -> int:
    """How many recordings to simulate; None for as many as hold about 250 connections, at most 24."""
    if replicates is not None:
        return replicates
    mask = found.mask if isinstance(found, NetworkFit) else found.whole.mask
    return int(np.clip(-(-CONNECTIONS // mask[:, : problem.n_region].sum()), 1, MOST_REPLICATES))


def widening(problem: NetworkProblem, found: NetworkFit | SparseFit, replicates: int, seed: int, rounds: int, run: Parts) -> float:
    """The factor, at least 1.

    replicates : simulated recordings; 0 for a factor of 1
    rounds : of a sparse fit
    """
    if not replicates:
        return 1.0
    at_once = replace(problem, delays=np.zeros(problem.n_region))
    names = [f"simulated/{number}" for number in range(replicates)]
    z = np.concatenate([one["z"] for one in run.map(names, lambda number: {"z": _deviation(at_once, found, (seed, number), rounds)})])
    return max(float(np.quantile(np.abs(z), AIM)) / NINETY, 1.0)


def _deviation(problem: NetworkProblem, found: NetworkFit | SparseFit, seed: tuple[int, int], rounds: int) -> Array:
    """One simulated recording: (found - drawn)/sd of A's connections."""
    rng, n = np.random.default_rng(seed), problem.n_region
    drawn = found.drawn(rng) if isinstance(found, NetworkFit) else _drawn(found)
    W = drawn.W.copy()
    W[:, :n] = basis.stable(W[:, :n], 2 * SLOWEST)
    drawn = drawn._replace(W=W)
    y = simulated(problem, drawn, rng)
    if isinstance(found, NetworkFit):
        again = estimate(problem, y, found.mask, found)
        mean, sd, some = again.network.W, again.sd, found.mask[:, :n]
    else:
        sparse = estimate_sparse(problem, y, seed[1], rounds)
        mean, sd = sparse.filled("mean"), np.sqrt(sparse.filled("variance"))
        some = problem.intrinsic & (W[:, :n] != 0)
    return ((mean - W)[:, :n] / np.where(sd > 0, sd, 1.0)[:, :n])[some]


def _drawn(found: SparseFit) -> Network:
    return found.whole.network._replace(W=found.filled("last"))


def simulated(problem: NetworkProblem, network: Network, rng: np.random.Generator) -> Array:
    """A recording of the network under the problem's inputs, without confounds, shape (scan, region)."""
    n = len(problem.signal)
    y = fluctuations(network, problem.transfer, n, problem.dt, rng)
    if problem.driven.shape[1]:
        y = y + basis.network_response(network.A, network.C, problem.driven, problem.dt)
    return y + np.sqrt(np.exp(network.log_r) / problem.dt) * rng.standard_normal(y.shape)
