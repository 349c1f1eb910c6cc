"""A linear network whose connections may be there or not.

In rounds: the network of the connections that are likely is fitted as a whole (`network`); about it the likelihood of each region's connections,
likely or not, is a Gaussian; indicators are sampled from that (`indicators`), with the share of connections that there are and their spread found
from all regions together; those that come out likely are the next round's. It ends when they no longer change.

A strength is that of a connection if it is there; whether it is there is the indicator's affair. So the intervals of weak connections do not shrink
to zero with their probability.

Lives here: the rounds. Does not live here: honest intervals (`widening`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.regression import NetworkProblem
from ltc_causal.inference.indicators import Indicators, indicators
from ltc_causal.inference.network import Ascent, NetworkFit, estimate, first_guess, region_groups, spectra_of
from ltc_causal.numerics.whittle import log_likelihood

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LIKELY = 0.5  # probability from which a connection is in the network that is fitted as a whole
SHARE, LEAST_SHARE = 0.1, 1.0  # of connections there are, at the start; what is added to either side of the count
INNER, SWEEPS = 2, 500


@dataclass(frozen=True, eq=False)
class SparseFit:
    """What is found: the network of likely connections, and of each region what its indicators say of `columns`, those it may have."""

    whole: NetworkFit
    columns: list[NDArray[np.int64]]
    indicators: list[Indicators]
    share: float
    rounds: int
    settled: bool

    @property
    def free_energy(self) -> float:
        """Of the network of likely connections, and of their being those, in nats."""
        n = len(self.columns)
        between = sum(int(((columns < n) & (columns != region)).sum()) for region, columns in enumerate(self.columns))
        there = int(self.whole.mask[:, :n].sum()) - n
        return self.whole.free_energy + float(there * np.log(self.share) + (between - there) * np.log1p(-self.share))

    def filled(self, name: str) -> Array:
        """One of the indicators' vectors as a matrix (region, region + input), 0 where no connection may be."""
        matrix = np.zeros(self.whole.mask.shape)
        for region, (columns, one) in enumerate(zip(self.columns, self.indicators, strict=True)):
            matrix[region, columns] = getattr(one, name)
        return matrix


def estimate_sparse(problem: NetworkProblem, y: Array, seed: int, rounds: int) -> SparseFit:
    """The rounds, at most so many."""
    n, allowed = problem.n_region, problem.allowed
    certain = allowed.copy()
    certain[:, :n] &= np.eye(n, dtype=bool)
    mask, share, whole = certain, SHARE, None
    seen: list[Mask] = []
    columns = [np.flatnonzero(row) for row in allowed]
    found: list[Indicators] = []
    settled = False
    for number in range(rounds):
        whole = estimate(problem, y, mask, whole)
        found, share = _sampled(problem, y, whole, certain, columns, share, (seed, number))
        probability = np.zeros(allowed.shape)
        for region, one in enumerate(found):
            probability[region, columns[region]] = one.probability
        seen.append(mask)
        mask = certain | (probability > LIKELY)
        settled = any(np.array_equal(mask, other) for other in seen)
        if settled:
            break
    assert whole is not None
    return SparseFit(whole, columns, found, share, number + 1, settled)


def _sampled(
    problem: NetworkProblem,
    y: Array,
    whole: NetworkFit,
    certain: Mask,
    columns: list[NDArray[np.int64]],
    share: float,
    seed: tuple[int, int],
) -> tuple[list[Indicators], float]:
    """Indicators about a network, and the share of connections that there are."""
    spectra = spectra_of(problem, y)
    _, slopes = log_likelihood(spectra, whole.network)
    ascent = Ascent(problem, spectra, problem.allowed, first_guess(problem, spectra), whole.spreads)
    curvatures, _ = ascent.curvatures(whole.network, region_groups(problem.allowed))
    mean, precision = ascent.prior_W
    slab = whole.spreads[0]
    found: list[Indicators] = []
    for inner in range(INNER):
        found = []
        for region, (some, total) in enumerate(zip(columns, curvatures, strict=True)):
            k = len(some)
            # ln q and ln r of the region are not known either.
            K = total[:k, :k] - total[:k, k:] @ np.linalg.solve(total[k:, k:], total[k:, :k])
            K[np.diag_indices(k)] -= precision[region, some]
            h = slopes.W[region, some] + K @ whole.network.W[region, some]
            free = ~certain[region, some]
            L = np.where(free, slab, precision[region, some])
            odds = np.where(free, np.log(share) - np.log1p(-share), np.inf)
            found.append(indicators(K, h, mean[region, some], L, odds, SWEEPS, (*seed, inner, region)))
        free = [~certain[region, some] for region, some in enumerate(columns)]
        z = np.concatenate([one.probability[there] for one, there in zip(found, free, strict=True)])
        squares = np.concatenate([(one.mean**2 + one.variance)[there] for one, there in zip(found, free, strict=True)])
        share = float((z.sum() + LEAST_SHARE) / (len(z) + 2 * LEAST_SHARE))
        slab = float((z.sum() + 2) / ((z * squares).sum() + 0.2))
    return found, share
