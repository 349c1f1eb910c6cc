"""A reduced model as a system that can be run and intervened on, and its flow as a linear function of its coefficients.

Lives here: `Expansion`, `Terms`. Does not live here: where coefficients come from (`linearise`, `project`, `refit`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.coupling import Coupling, edge_name, entry_names

Array = NDArray[np.float64]

ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Expansion:
    """dx/dt = F0 + (A + sum_k du_k B[k] + sum_l dx_l D[l]) dx + C du about a point; a `core.model.DynamicalSystem` observed as it is.

    coupling : A, B, C, D in Hz
    constant : F0, shape (region,)
    state, point : where dx and du are counted from, shapes (region,) and (input,)
    """

    coupling: Coupling
    constant: Array
    state: Array
    point: Array
    n_draw = 1

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions."""
        return self.coupling.regions

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return self.coupling.inputs

    @cached_property
    def gates(self) -> bool:
        """Whether the flow is other than linear in the state."""
        return bool(self.coupling.D.any())

    def initial_state(self) -> tuple[Array, Array]:
        """The point of the expansion, shape (region, 1), and no observation states."""
        return self.state[:, None].copy(), np.zeros((0, len(self.state), 1))

    def flow(self, x: Array, u: Array) -> Array:
        """dx/dt in 1/s, shape (region, draw), from states (region, draw) and inputs (input,)."""
        dx = x - self.state[:, None]
        M, drive = self._under(tuple(u))
        rate = M @ dx + drive
        return rate + np.einsum("lij,ld,jd->id", self.coupling.D, dx, dx) if self.gates else rate

    def _under(self, u: tuple[float, ...]) -> tuple[Array, Array]:
        """Coupling and drive under an input; the last one asked for is kept, since the stages of a step share it."""
        cached = self.__dict__.get("_last")
        if cached is not None and cached[0] == u:
            return cached[1]
        du = np.array(u) - self.point
        found = self.coupling.A + np.tensordot(du, self.coupling.B, 1), (self.constant + self.coupling.C @ du)[:, None]
        object.__setattr__(self, "_last", (u, found))
        return found

    def observation_flow(self, h: Array, x: Array) -> Array:
        """Nothing: activity itself is observed."""
        return np.zeros_like(h)

    def observe(self, x: Array, h: Array) -> Array:
        """Activity, shape (region, draw)."""
        return x


@dataclass(frozen=True, eq=False)
class Terms:
    """Which coefficients a reduction has, and the flow as their linear function: F_i = sum_q beta_iq Phi_q.

    Phi = [1, dx, du, du (x) dx, dx (x) dx], beta of shape (region, column): the constant, then row i of A, C, every B[k] and every D[l].

    regions, inputs : names
    mask : shape (region, column), the coefficients that are not zero by construction
    """

    regions: tuple[str, ...]
    inputs: tuple[str, ...]
    mask: NDArray[np.bool_]

    @classmethod
    def full(cls, regions: Sequence[str], inputs: Sequence[str]) -> "Terms":
        """Every coefficient but the gating ones (D)."""
        n, m = len(regions), len(inputs)
        mask = np.ones((n, 1 + n + m + m * n + n * n), dtype=bool)
        mask[:, 1 + n + m + m * n :] = False
        return cls(tuple(regions), tuple(inputs), mask)

    @classmethod
    def named(cls, regions: Sequence[str], inputs: Sequence[str], names: Sequence[str]) -> "Terms":
        """Those entries that are named, as `edge_name` names them, and the constants."""
        every, wanted = cls.full(regions, inputs), set(names)
        mask = np.zeros_like(every.mask)
        mask[:, 0] = True
        for (row, column), name in every._all_names:
            mask[row, column] = name in wanted
        return cls(every.regions, every.inputs, mask)

    @cached_property
    def _all_names(self) -> list[tuple[tuple[int, int], str]]:
        """(place in beta, name) of every entry, A, B, C and D, in the order of a fit's edges (column by column)."""
        n, m = len(self.regions), len(self.inputs)
        blank = Coupling(np.zeros((n, n)), np.zeros((m, n, n)), np.zeros((n, m)), self.regions, self.inputs)
        first = {"A": 1, "C": 1 + n, "B": 1 + n + m, "D": 1 + n + m + m * n}
        named = []
        for matrix in "ABCD":
            values = getattr(blank, matrix)
            for index in sorted(np.ndindex(*values.shape), key=lambda e: (e[:-2], e[-1], e[-2])):
                column = first[matrix] + index[-1] + (index[0] * n if len(index) == 3 else 0)
                named.append(((index[-2], column), edge_name(matrix, **entry_names(blank, matrix, index))))
        return named

    def with_gating(self, D: Array) -> "Terms":
        """The same and the gating coefficients of D, shape (region, region, region), that are not zero beside the largest."""
        n = len(self.regions)
        mask, gates = self.mask.copy(), np.abs(D) > ROUNDING * np.abs(D).max()
        mask[:, -n * n :] |= gates.transpose(1, 0, 2).reshape(n, -1)
        return replace(self, mask=mask)

    @cached_property
    def _kept(self) -> list[tuple[tuple[int, int], str]]:
        return [(place, name) for place, name in self._all_names if self.mask[place]]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the entries of A, B, C and D that are not zero by construction."""
        return tuple(name for _, name in self._kept)

    def values(self, beta: Array) -> Array:
        """The entries of `names`, shape (..., entry), from coefficients of shape (..., region, column)."""
        rows, columns = np.array([place for place, _ in self._kept]).T
        return beta[..., rows, columns]

    def regressors(self, dx: Array, du: Array) -> Array:
        """Phi, shape (time, column), from deviations of shapes (time, region) and (time, input)."""
        N = len(dx)
        products = [np.einsum("tk,tj->tkj", left, dx).reshape(N, -1) for left in (du, dx)]
        return np.concatenate([np.ones((N, 1)), dx, du, *products], axis=1)

    def sizes(self, Phi: Array) -> Array:
        """Mean square of each column's kind (1, dx, du, du (x) dx, dx (x) dx), shape (column,)."""
        n, m = len(self.regions), len(self.inputs)
        squares = (Phi**2).mean(axis=0)
        kinds = np.repeat(np.arange(5), (1, n, m, m * n, n * n))
        return np.array([squares[kinds == kind].mean() for kind in range(5)])[kinds]

    def coupling(self, beta: Array) -> tuple[Coupling, Array]:
        """A, B, C, D and the constant F0 of coefficients of shape (region, column)."""
        n, m = len(self.regions), len(self.inputs)
        constant, A, C, B, D = np.split(beta, np.cumsum([1, n, m, m * n]), axis=1)
        whole = [part.reshape(n, -1, n).transpose(1, 0, 2) for part in (B, D)]
        return Coupling(A, whole[0], C, self.regions, self.inputs, whole[1]), constant[:, 0]

    def coefficients(self, coupling: Coupling, constant: Array) -> Array:
        """The inverse of `coupling`; entries outside the mask are dropped."""
        n = len(self.regions)
        whole = [part.transpose(1, 0, 2).reshape(n, -1) for part in (coupling.B, coupling.D)]
        beta = np.concatenate([constant[:, None], coupling.A, coupling.C, *whole], axis=1)
        return np.where(self.mask, beta, 0.0)
