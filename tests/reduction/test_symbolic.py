"""The expressions: equal to the numbers at random points, and to the formulas that theory states."""

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import ltc_causal as lc
from ltc_causal.models.synaptic import SynapticNetwork, shapes
from ltc_causal.reduction.symbolic import s

SYMBOLIC = {parallel: lc.symbolic_coupling(2, 2, parallel) for parallel in (1, 2)}
PLAIN = lc.symbolic_coupling(3, 2, without=["region_gating", "input_gating"])


def network(rng, n, m, parallel, without=()):
    values = {name: rng.standard_normal(shape) for name, shape in shapes(n, m, parallel).items() if name not in without}
    return SynapticNetwork(tuple("abc"[:n]), tuple("uvw"[:m]), **values)


def agree(symbolic, net, x, u):
    n, m = len(x), len(u)
    assert np.allclose(symbolic.flow.evaluate(symbolic.flow.flow, net, x, u), net.flow(x[:, None], u)[:, 0], rtol=1e-12, atol=1e-13)
    c = net.coupling(x, u)
    for matrix, found in zip("ABCD", symbolic.evaluate(net, x, u), strict=True):
        assert np.allclose(found, getattr(c, matrix), rtol=1e-10, atol=1e-12), (matrix, n, m)


@given(seed=st.integers(0, 2**31), parallel=st.sampled_from([1, 2]))
def test_expressions_are_the_numbers(seed, parallel):
    """Found by differentiating the expression of the flow; `D` in full, so that also its split into gating and gated agrees."""
    rng = np.random.default_rng(seed)
    agree(SYMBOLIC[parallel], network(rng, 2, 2, parallel), rng.standard_normal(2), rng.standard_normal(2))


def test_more_regions_and_parts_left_out():
    rng = np.random.default_rng(1)
    net = network(rng, 3, 2, 1, without=["region_gating", "input_gating"])
    agree(PLAIN, net, rng.standard_normal(3), rng.standard_normal(2))


def test_a_standard_cell_has_no_modulation_between_regions_as_an_identity():
    between = ~np.eye(3, dtype=bool)
    assert all(entry == 0 for entry in PLAIN.B[:, between].ravel())
    assert all(entry != 0 for entry in PLAIN.B[:, ~between].ravel())


def test_the_stated_formulas():
    """A_12 = w s' G V and B_12 = w V beta (s' + s'' a), with s' and s'' in terms of s."""
    x, u = sympy.symbols("x1 x2", real=True), sympy.Symbol("u1", real=True)
    w, g, mu, E, beta = (sympy.Symbol(name, real=True) for name in ("w12", "gamma12", "mu12", "E12", "beta112"))
    c = lc.symbolic_coupling(2, 1, without=["region_gating"])
    G, V = g + beta * u, E - x[0]
    a = G * (x[1] - mu)
    s1 = s(a) * (1 - s(a))
    s2 = s1 * (1 - 2 * s(a))
    assert sympy.expand(c.A[0, 1] - w * s1 * G * V) == 0
    assert sympy.expand(c.B[0, 0, 1] - w * V * beta * (s1 + s2 * a)) == 0


@pytest.mark.parametrize(("function", "argument"), [(s, 0.3), (s, -2.0)])
def test_the_gate_differentiates_as_the_logistic_function(function, argument):
    z = sympy.Symbol("z")
    logistic = 1 / (1 + sympy.exp(-z))
    for order in (1, 2, 3):
        mine = sympy.diff(function(z), z, order).replace(s, lambda at: 1 / (1 + sympy.exp(-at)))
        assert float(mine.subs(z, argument)) == pytest.approx(float(sympy.diff(logistic, z, order).subs(z, argument)))
