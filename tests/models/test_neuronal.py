"""Neuronal flows: their Taylor coefficients against a complex step, and the limits in which they are one another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltc_causal.models import neuronal
from ltc_causal.models.neuronal import Weights


def _weights(seed, kappa=0.0, n=3, m=2):
    rng = np.random.default_rng(seed)
    return Weights(0.4 * rng.standard_normal((n, n)), 0.3 * rng.standard_normal((m, n, n)), rng.standard_normal((n, m)), kappa)


def _flow(weights, x, u):
    """The flow as the module's first lines state it, term by term; complex arguments pass through."""
    n = len(x)
    rates = []
    for i in range(n):
        s = weights.A[i, i] + sum(u[k] * weights.B[k, i, i] for k in range(len(u)))
        rate = -0.5 * np.exp(s) * x[i] + sum(weights.C[i, k] * u[k] for k in range(len(u))) / 16
        for j in range(n):
            if i != j:
                a = (weights.A[i, j] + sum(u[k] * weights.B[k, i, j] for k in range(len(u)))) * x[j]
                rate = rate + (np.tanh(weights.kappa * a) / weights.kappa if weights.kappa else a)
        rates.append(rate)
    return np.array(rates)


seeds = st.integers(0, 2**31)
kappas = st.sampled_from([0.0, 0.3, 2.0])


@given(seed=seeds, kappa=kappas)
def test_taylor_coefficients_are_the_derivatives_of_the_flow(seed, kappa):
    rng = np.random.default_rng(seed)
    weights, x, u, d = _weights(seed, kappa), rng.standard_normal(3), rng.standard_normal(2), 1e-5
    A, B, C, D = neuronal.taylor(weights, x, u)

    def gradients(x, u):
        in_x = np.array([_flow(weights, x + 1e-30j * e, u).imag / 1e-30 for e in np.eye(3)]).T
        in_u = np.array([_flow(weights, x, u + 1e-30j * e).imag / 1e-30 for e in np.eye(2)]).T
        return in_x, in_u

    np.testing.assert_allclose(A, gradients(x, u)[0], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(C, gradients(x, u)[1], rtol=1e-12, atol=1e-13)
    for k, e in enumerate(np.eye(2)):
        np.testing.assert_allclose(B[k], (gradients(x, u + d * e)[0] - gradients(x, u - d * e)[0]) / (2 * d), atol=1e-8)
    for l, e in enumerate(np.eye(3)):
        second = (gradients(x + d * e, u)[0] - gradients(x - d * e, u)[0]) / (2 * d)
        np.testing.assert_allclose(D[l] + D[:, :, l].T, second, atol=1e-8)


@given(seed=seeds)
def test_at_rest_a_liquid_flow_has_the_coupling_of_its_bilinear_twin(seed):
    liquid, bilinear = _weights(seed, 1.3), _weights(seed)
    for ours, theirs in zip(
        neuronal.taylor(liquid, np.zeros(3), np.zeros(2)), neuronal.taylor(bilinear, np.zeros(3), np.zeros(2)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-14, atol=1e-14)


def test_the_error_of_the_bilinear_flow_is_quadratic_in_kappa():
    """|tanh(kappa a)/kappa - a| = kappa^2 |a|^3 / 3 to leading order."""
    a = np.array([0.2, -0.5])
    for kappa in (0.02, 0.1):
        np.testing.assert_allclose(a - neuronal.synapse(a, kappa), kappa**2 * a**3 / 3, rtol=0.01)


@pytest.mark.parametrize("self_modulation", ["log", "linear", "spm"])
def test_network_and_its_slopes_agree(self_modulation):
    weights, d = _weights(3), 1e-6
    values = np.array([[0.0, 0.0], [1.0, 0.0], [0.4, -0.7]])
    entries = [("A", (-1, 0, 1)), ("A", (-1, 2, 2)), ("B", (1, 0, 2)), ("B", (0, 1, 1)), ("C", (-1, 2, 1)), ("-", (-1, -1, -1))]
    matrix, entry = np.array([e[0] for e in entries]), np.array([e[1] for e in entries])
    row, column, coefficient = neuronal.network_slopes(
        weights, values, matrix, entry, "linear" if self_modulation == "spm" else self_modulation
    )
    assert row[-1] == column[-1] == -1
    tolerance = 1e-3 if self_modulation == "spm" else 1e-8  # SPM's own difference is a few 1e-4 off the derivative
    for p, (kind, (k, i, j)) in enumerate(entries[:-1]):

        def moved(step, kind=kind, at=(k, i, j)):
            A, B, C = weights.A.copy(), weights.B.copy(), weights.C.copy()
            {"A": A, "B": B, "C": C}[kind][at if kind == "B" else at[1:]] += step
            return neuronal.network(Weights(A, B, C), values, self_modulation)

        difference = (moved(d) - moved(-d)) / (2 * d)
        expected = np.zeros_like(difference)
        expected[:, row[p], column[p]] = coefficient[:, p]
        np.testing.assert_allclose(difference, expected, atol=tolerance)
