"""The synaptic network and its A, B, C and D as expressions, to be read and to be checked against.

The coupling is found by differentiating the expression of the flow, not from the closed form of `models.synaptic`: two ways to one result.

Lives here: the expressions. Does not live here: numbers (`models.synaptic`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray

from ltc_causal.models.synaptic import SynapticNetwork, logistic, shapes

LETTERS = {
    "leak": "g", "bias": "b", "weight": "w", "slope": "gamma", "threshold": "mu", "reversal": "E",
    "sensory_weight": "ws", "sensory_slope": "gs", "sensory_threshold": "ms", "sensory_reversal": "Es", "drive": "Cl",
    "input_gating": "beta", "region_gating": "delta",
}  # fmt: skip


class s(sympy.Function):
    """The logistic function, left as a letter so that expressions stay short; its derivative is s (1 - s)."""

    def fdiff(self, argindex=1):
        """Return the derivative in the argument."""
        return self * (1 - self)


@dataclass(frozen=True, eq=False)
class SymbolicFlow:
    """The flow of a synaptic network as expressions.

    x, u : symbols x1, x2, ... of the regions and u1, u2, ... of the inputs
    parameters : {name in `SynapticNetwork`: array of symbols}, indices in the order of the array's axes (w12 is from region 2 to region 1);
        0 for what was left out
    flow : array of one expression a region
    gating : array (region l, target i, source j), the part of d2F_i/dx_l dx_j that is l's own gating of j -> i
    """

    x: NDArray
    u: NDArray
    parameters: dict[str, NDArray]
    flow: NDArray
    gating: NDArray

    @cached_property
    def coupling(self) -> "SymbolicCoupling":
        """A, B, C and D at any point, in the same symbols."""
        A, C = _slopes(self.flow, self.x), _slopes(self.flow, self.u)
        B = _slopes(A, self.u).transpose(2, 0, 1)
        H = _slopes(A, self.x).transpose(2, 0, 1)
        return SymbolicCoupling(A, B, C, (H + self.gating - self.gating.transpose(2, 1, 0)) / 2, self)

    def evaluate(self, expressions: NDArray, network: SynapticNetwork, x: ArrayLike, u: ArrayLike) -> NDArray[np.float64]:
        """The expressions' values with a network's numbers at x (region,) and u (input,), in their own shape."""
        symbols, numbers = [*self.x, *self.u], [*np.ravel(x), *np.ravel(u)]
        for name, array in self.parameters.items():
            for symbol, number in zip(array.ravel(), np.ravel(getattr(network, name)), strict=True):
                if symbol != 0:
                    symbols.append(symbol)
                    numbers.append(number)
        compiled = _compiled(tuple(symbols), tuple(expressions.ravel()))
        return np.array(compiled(*numbers), dtype=float).reshape(expressions.shape)


@dataclass(frozen=True, eq=False)
class SymbolicCoupling:
    """A (n, n), B (m, n, n), C (n, m) and D (n, n, n) as arrays of expressions, in the conventions of `core.coupling.Coupling`."""

    A: NDArray
    B: NDArray
    C: NDArray
    D: NDArray
    flow: SymbolicFlow

    def evaluate(self, network: SynapticNetwork, x: ArrayLike, u: ArrayLike) -> tuple[NDArray[np.float64], ...]:
        """A, B, C and D as numbers."""
        A, B, C, D = (self.flow.evaluate(matrix, network, x, u) for matrix in (self.A, self.B, self.C, self.D))
        return A, B, C, D


def symbolic_flow(n: int, m: int, parallel: int = 1, without: Sequence[str] = ()) -> SymbolicFlow:
    """The flow of the first lines of `models.synaptic` for n regions, m inputs and `parallel` synapses beside each other.

    without : names of `SynapticNetwork`'s parameters to leave out, such as "region_gating" or "sensory_weight", for shorter expressions
    """
    x, u = _symbols("x", (n,)), _symbols("u", (m,))
    P = {name: _symbols(LETTERS[name], shape) for name, shape in shapes(n, m, parallel).items()}
    P |= {name: np.full(P[name].shape, sympy.Integer(0)) for name in without}
    flow, gating = np.full(n, sympy.Integer(0)), np.full((n, n, n), sympy.Integer(0))
    for i in range(n):
        flow[i] = -P["leak"][i] * x[i] + P["bias"][i] + sum(P["drive"][i, k] * u[k] for k in range(m))
        for k in range(m):
            open_ = s(P["sensory_slope"][i, k] * (u[k] - P["sensory_threshold"][i, k]))
            flow[i] += P["sensory_weight"][i, k] * open_ * (P["sensory_reversal"][i, k] - x[i])
        for p, j in np.ndindex(parallel, n):
            w, V = P["weight"][p, i, j], P["reversal"][p, i, j] - x[i]
            G = P["slope"][p, i, j] + P["input_gating"][p, :, i, j] @ u + P["region_gating"][p, :, i, j] @ x
            open_: Any = s(G * (x[j] - P["threshold"][p, i, j]))
            flow[i] += w * open_ * V
            for l in range(n):
                gating[l, i, j] += w * open_ * (1 - open_) * (V * P["region_gating"][p, l, i, j] - (G if l == i else 0))
    return SymbolicFlow(x, u, P, flow, gating)


@lru_cache(maxsize=32)
def _compiled(symbols: tuple, expressions: tuple) -> Any:
    return sympy.lambdify(symbols, list(expressions), modules=[{"s": logistic}, "numpy"], cse=True)


def symbolic_coupling(n: int, m: int, parallel: int = 1, without: Sequence[str] = ()) -> SymbolicCoupling:
    """A, B, C and D of `symbolic_flow`, by differentiation."""
    return symbolic_flow(n, m, parallel, without).coupling


def _symbols(letter: str, shape: tuple[int, ...]) -> NDArray:
    """Real symbols, letter and one-based index; an axis of parallel synapses of length 1 is not shown."""
    array = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        shown = index[1:] if len(shape) > 2 and shape[0] == 1 else index
        array[index] = sympy.Symbol(letter + "".join(str(one + 1) for one in shown), real=True)
    return array


def _slopes(expressions: NDArray, symbols: NDArray) -> NDArray:
    """Derivatives, the symbols on a new last axis."""
    slopes: Any = [[sympy.diff(expression, symbol) for symbol in symbols] for expression in expressions.ravel()]
    return np.array(slopes, dtype=object).reshape(*expressions.shape, len(symbols))
