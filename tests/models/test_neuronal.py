"""Neuronal flows: their Taylor coefficients against a complex step, and the limits in which they are one another."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltc_causal.models import neuronal, taylor
from ltc_causal.models.neuronal import Weights


def _weights(seed, kappa=0.0, gating=False, per_edge=False, n=3, m=2):
    rng = np.random.default_rng(seed)
    A, B, C = 0.4 * rng.standard_normal((n, n)), 0.3 * rng.standard_normal((m, n, n)), rng.standard_normal((n, m))
    D = 0.5 * rng.standard_normal((n, n, n)) if gating else None
    if not per_edge:
        return Weights(A, B, C, D, kappa)
    return Weights(A, B, C, D, kappa * np.exp(rng.standard_normal((n, n))), rng.standard_normal((n, n)), 0.4 * rng.standard_normal((n, n)))


def _flow(weights, x, u):
    """The flow as the module's first lines state it, term by term; complex arguments pass through."""
    n, m = weights.C.shape
    D = np.zeros((n, n, n)) if weights.D is None else weights.D
    kappa, tau, lam = (np.broadcast_to(value, (n, n)) for value in (weights.kappa, weights.tau, weights.lambda_))
    rates = []
    for i in range(n):
        s = weights.A[i, i] + sum(u[k] * weights.B[k, i, i] for k in range(m)) + sum(x[l] * D[l, i, i] for l in range(n))
        rate = -0.5 * np.exp(s) * x[i] + sum(weights.C[i, k] * u[k] for k in range(m)) / 16
        for j in range(n):
            if i != j:
                w = weights.A[i, j] + sum(u[k] * weights.B[k, i, j] for k in range(m)) + sum(x[l] * D[l, i, j] for l in range(n))
                a = w * x[j]
                if kappa[i, j]:
                    a = (np.tanh(kappa[i, j] * a - tau[i, j]) + np.tanh(tau[i, j])) * np.cosh(tau[i, j]) ** 2 / kappa[i, j]
                rate = rate + a * (1 - lam[i, j] * x[i])
        rates.append(rate)
    return np.array(rates)


seeds = st.integers(0, 2**31)
kappas = st.sampled_from([0.0, 0.3, 2.0])
KINDS = [(0.0, False, False), (1.2, False, False), (0.0, True, False), (0.7, True, False), (0.7, False, True), (0.7, True, True)]


@given(seed=seeds, kind=st.sampled_from(KINDS))
def test_taylor_coefficients_are_the_derivatives_of_the_flow(seed, kind):
    rng = np.random.default_rng(seed)
    weights, x, u, d = _weights(seed, *kind), rng.standard_normal(3), rng.standard_normal(2), 1e-5
    A, B, C, D = taylor.taylor(weights, x, u)

    def gradients(x, u):
        in_x = np.array([_flow(weights, x + 1e-30j * e, u).imag / 1e-30 for e in np.eye(3)]).T
        in_u = np.array([_flow(weights, x, u + 1e-30j * e).imag / 1e-30 for e in np.eye(2)]).T
        return in_x, in_u

    size = max(1.0, np.abs(A).max(), np.abs(D).max())
    np.testing.assert_allclose(A, gradients(x, u)[0], rtol=1e-11, atol=1e-12 * size)
    np.testing.assert_allclose(C, gradients(x, u)[1], rtol=1e-11, atol=1e-12 * size)
    for k, e in enumerate(np.eye(2)):
        np.testing.assert_allclose(B[k], (gradients(x, u + d * e)[0] - gradients(x, u - d * e)[0]) / (2 * d), rtol=1e-6, atol=1e-7 * size)
    for l, e in enumerate(np.eye(3)):
        second = (gradients(x + d * e, u)[0] - gradients(x - d * e, u)[0]) / (2 * d)
        np.testing.assert_allclose(D[l] + D[:, :, l].T, second, rtol=1e-6, atol=1e-7 * size)


@given(seed=seeds)
def test_at_rest_gating_is_the_models_own(seed):
    """Of all D with the same symmetric part, the one of the parameters: Hz off the diagonal, J_i times the parameter on it."""
    weights = _weights(seed, gating=True)
    D = taylor.taylor(weights, np.zeros(3), np.zeros(2))[3]
    own = -0.5 * np.exp(np.diag(weights.A))
    expected = weights.D * np.where(np.eye(3), own[:, None], 1.0)
    np.testing.assert_allclose(D, expected, rtol=1e-13, atol=1e-14)


def test_a_two_state_models_coupling_has_its_equilibria():
    """With the inhibitory populations at their regions' level, activity settles where the whole system does, and moves there with the input."""
    rng = np.random.default_rng(5)
    A = 0.3 * rng.standard_normal((3, 3))
    A[0, 2] = -np.inf
    B = np.where(np.isinf(A), 0.0, 0.2 * rng.standard_normal((2, 3, 3)))
    weights, u, d = Weights(A, B, rng.standard_normal((3, 2)), two_state=True), np.array([0.7, -0.4]), 1e-6
    N = neuronal.network(weights, u[None])[0]
    coupling, modulation, C, D = taylor.taylor(weights, np.zeros(3), u)
    np.testing.assert_allclose(-np.linalg.solve(coupling, C @ u), -np.linalg.solve(N[:, :6], N[:, 6])[:3], rtol=1e-12)
    assert coupling[0, 2] == 0 and not D.any()
    for k, e in enumerate(np.eye(2)):
        difference = (taylor.taylor(weights, np.zeros(3), u + d * e)[0] - taylor.taylor(weights, np.zeros(3), u - d * e)[0]) / (2 * d)
        np.testing.assert_allclose(modulation[k], difference, atol=1e-9)


@given(seed=seeds)
def test_at_rest_a_liquid_flow_has_the_coupling_of_its_bilinear_twin(seed):
    liquid, bilinear = _weights(seed, 1.3), _weights(seed)
    for ours, theirs in zip(
        taylor.taylor(liquid, np.zeros(3), np.zeros(2)), taylor.taylor(bilinear, np.zeros(3), np.zeros(2)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-14, atol=1e-14)


def test_the_error_of_the_bilinear_flow_is_quadratic_in_kappa():
    """|tanh(kappa a)/kappa - a| = kappa^2 |a|^3 / 3 to leading order."""
    a = np.array([0.2, -0.5])
    for kappa in (0.02, 0.1):
        np.testing.assert_allclose(a - neuronal.synapse(a, kappa), kappa**2 * a**3 / 3, rtol=0.01)


@pytest.mark.parametrize("two_state", [False, True])
@pytest.mark.parametrize("modulation", ["log", "linear", "spm"])
def test_network_and_its_slopes_agree(modulation, two_state):
    weights, d = replace(_weights(3), two_state=two_state), 1e-6
    values = np.array([[0.0, 0.0], [1.0, 0.0], [0.4, -0.7]])
    entries = [("A", (-1, 0, 1)), ("A", (-1, 2, 2)), ("B", (1, 0, 2)), ("B", (0, 1, 1)), ("C", (-1, 2, 1)), ("-", (-1, -1, -1))]
    matrix, entry = np.array([e[0] for e in entries]), np.array([e[1] for e in entries])
    exact = "linear" if modulation == "spm" else modulation
    slots = neuronal.Slots.of(matrix, entry, values, 3, two_state)
    row, column = slots.row, slots.column
    coefficient = slots.slopes(weights, neuronal.network(weights, values, exact), exact)
    assert row[-1] == column[-1] == -1
    tolerance = 1e-3 if modulation == "spm" else 1e-8  # SPM's own difference is a few 1e-4 off the derivative
    for p, (kind, (k, i, j)) in enumerate(entries[:-1]):

        def moved(step, kind=kind, at=(k, i, j)):
            A, B, C = weights.A.copy(), weights.B.copy(), weights.C.copy()
            {"A": A, "B": B, "C": C}[kind][at if kind == "B" else at[1:]] += step
            return neuronal.network(Weights(A, B, C, two_state=two_state), values, modulation)

        difference = (moved(d) - moved(-d)) / (2 * d)
        expected = np.zeros_like(difference)
        expected[:, row[p], column[p]] = coefficient[:, p]
        np.testing.assert_allclose(difference, expected, atol=tolerance)
