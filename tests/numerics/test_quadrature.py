"""The rules against integrals in closed form."""

import numpy as np
import pytest

from ltc_causal.numerics import quadrature


@pytest.mark.parametrize("which", range(len(quadrature.ORDERS)))
def test_integrates_as_far_as_it_is_said_to_reach(which):
    order, z = quadrature.ORDERS[which], quadrature.REACH[which]
    nodes, weights = quadrature.NODES[which, :order], quadrature.WEIGHTS[which, :order]
    for rate in (-z, 1j * z):
        # Against the largest value, since e^-z is nearly nothing over most of the interval.
        assert abs(weights @ np.exp(rate * nodes) - np.expm1(rate) / rate) <= 1e-14 + 2 * quadrature.TOLERANCE
    np.testing.assert_allclose(nodes + nodes[::-1], 1, rtol=1e-15)


def test_the_smallest_rule_that_reaches_is_taken():
    assert [quadrature.rule(z) for z in (0.0, *quadrature.REACH)] == [0, *range(len(quadrature.ORDERS))]
    assert quadrature.rule(quadrature.REACH[0] * 1.001) == 1
