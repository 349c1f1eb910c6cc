"""Gauss-Legendre rules of a few orders, and how far each reaches.

Lives here: nodes, weights, and the error bound that chooses among them. Does not live here: what is integrated (`propagators`).
"""

from math import lgamma, log

import numba
import numpy as np

ORDERS = np.array([4, 8, 12, 16])  # multiples of four, so that sums over nodes fill the blocks of `cascade`
TOLERANCE = 1e-13  # of the integral, by the bound below, which is seldom reached


def _reach(order: int) -> float:
    """The largest z for which z^2q (q!)^4 / ((2q + 1) ((2q)!)^3), the error on [0, 1] where the 2q-th derivative is z^2q, is within bounds."""
    log_constant = 4 * lgamma(order + 1) - log(2 * order + 1) - 3 * lgamma(2 * order + 1)
    return float(np.exp((log(TOLERANCE) - log_constant) / (2 * order)))


REACH = np.array([_reach(int(order)) for order in ORDERS])
_RULES = [np.polynomial.legendre.leggauss(int(order)) for order in ORDERS]
# On [0, 1], ascending, hence symmetric: node q and node (order - 1 - q) add up to 1.
NODES = np.array([np.pad((x + 1) / 2, (0, ORDERS[-1] - len(x))) for x, _ in _RULES])
WEIGHTS = np.array([np.pad(w / 2, (0, ORDERS[-1] - len(w))) for _, w in _RULES])


@numba.njit(cache=True)
def rule(z):
    """Which of ORDERS integrates a function on [0, 1] whose derivatives grow by z each; the largest, if none does."""
    which = 0
    while which < len(ORDERS) - 1 and not z <= REACH[which]:
        which += 1
    return which
