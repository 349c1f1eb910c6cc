"""A covariance of independent blocks, for models of so many parameters that the whole matrix would not fit in memory.

Lives here: `Blocks`. Does not live here: the distribution (`gaussian`), how a block is found (`inference`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.errors import InputError

Array = NDArray[np.float64]

LARGEST = 6000  # parameters whose whole covariance is made on request: 288 MB


@dataclass(frozen=True, eq=False)
class Blocks:
    """A symmetric matrix that is zero between blocks; it can be indexed with `np.ix_`, and turned into an array where that is small.

    positions : for each block the rows (and columns) it stands in; together they are 0 to n - 1
    block : gives the k-th block, shape (its positions, its positions); asked for again each time, so that nothing large is kept
    """

    positions: Sequence[NDArray[np.int64]]
    block: Callable[[int], Array]

    @cached_property
    def shape(self) -> tuple[int, int]:
        """(n, n)."""
        n = sum(len(rows) for rows in self.positions)
        return n, n

    ndim = 2

    def __len__(self) -> int:
        return self.shape[0]

    def __matmul__(self, other: Array) -> Array:
        """The product with a vector or matrix, block by block."""
        result = np.zeros((self.shape[0], *np.shape(other)[1:]), dtype=np.result_type(other, float))
        for number, rows in enumerate(self.positions):
            result[rows] = self.block(number) @ other[rows]
        return result

    @cached_property
    def _where(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of each row, its block and its place in that."""
        owner, place = np.empty(self.shape[0], dtype=np.int64), np.empty(self.shape[0], dtype=np.int64)
        for number, rows in enumerate(self.positions):
            owner[rows], place[rows] = number, np.arange(len(rows))
        return owner, place

    @cached_property
    def _diagonal(self) -> Array:
        values = np.empty(self.shape[0])
        for number, rows in enumerate(self.positions):
            values[rows] = np.diag(self.block(number))
        return values

    def diagonal(self) -> Array:
        """The variances, shape (n,)."""
        return self._diagonal

    def __getitem__(self, index: Any) -> Array:
        """The dense part `[np.ix_(rows, columns)]`."""
        rows, columns = (np.ravel(part) for part in index)
        if len(rows) == 1 and np.array_equal(rows, columns):  # what a graph asks of every edge
            return self.diagonal()[rows][:, None]
        owner, place = self._where
        result = np.zeros((len(rows), len(columns)))
        for number in np.intersect1d(owner[rows], owner[columns]):
            some, others = np.flatnonzero(owner[rows] == number), np.flatnonzero(owner[columns] == number)
            result[np.ix_(some, others)] = self.block(number)[np.ix_(place[rows[some]], place[columns[others]])]
        return result

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        n = self.shape[0]
        if n > LARGEST:
            raise InputError(
                f"The covariance of {n} parameters would take {8 * n * n / 1e9:.0f} GB: ask for marginal(names) or sd, or for a subsystem's."
            )
        return self[np.ix_(np.arange(n), np.arange(n))]

    def scaled(self, factors: Array) -> "Blocks":
        """The covariance of the same quantities times the factors, shape (n,)."""
        positions, block = self.positions, self.block
        return Blocks(positions, lambda number: np.outer(factors[positions[number]], factors[positions[number]]) * block(number))

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draws of mean zero, shape (n, parameter)."""
        draws = np.empty((n, self.shape[0]))
        for number, rows in enumerate(self.positions):
            draws[:, rows] = rng.standard_normal((n, len(rows))) @ _quick_root(self.block(number)).T
        return draws


def _quick_root(cov: Array) -> Array:
    """As `root`, by a Cholesky factor where there is one: of hundreds of blocks, eigenvectors take their time."""
    variances = np.diag(cov)
    if np.count_nonzero(cov) == np.count_nonzero(variances):
        return np.diag(np.sqrt(variances))
    try:
        return np.asarray(np.linalg.cholesky(cov), dtype=float)
    except np.linalg.LinAlgError:
        return root(cov)


def root(cov: Array) -> Array:
    """R with R R' = cov; rows of zero variance are zero."""
    values, vectors = np.linalg.eigh(cov)
    result = vectors * np.sqrt(np.clip(values, 0, None))
    result[np.diag(cov) == 0] = 0.0
    return result
