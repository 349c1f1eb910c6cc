"""The integral of a decay against closed forms and the eigendecomposition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltc_causal.numerics.krylov import decay_integral


def by_eigenvectors(values, vectors, b, t):
    return vectors @ (-np.expm1(-t * values) / values * (vectors.T @ b))


def problem(seed, size, log_condition, time):
    """Eigenvalues that cover their range evenly or at random, a vector, and a time in units of their geometric mean."""
    rng = np.random.default_rng(seed)
    spread = np.linspace(0, log_condition, size) if seed % 2 else np.concatenate([[0, log_condition], rng.uniform(0, log_condition, size)])
    values = np.exp(spread - spread.mean() + rng.normal(0, 3))
    b = rng.standard_normal(len(values)) * values ** rng.choice([0, 0.5, 1])
    return rng, values, b, np.exp(time - np.log(values).mean())


problems = {
    "seed": st.integers(0, 10**6),
    "size": st.integers(1, 300),
    "log_condition": st.floats(0, 12 * np.log(10)),
    "time": st.floats(-4, 4),
}


@given(**problems)
def test_a_diagonal_matrix_decays_entry_by_entry(seed, size, log_condition, time):
    _, values, b, t = problem(seed, size, log_condition, time)
    expected = -np.expm1(-t * values) / values * b
    found = decay_integral(np.diag(values), b, t)
    assert np.linalg.norm(found - expected) <= 1e-12 * np.linalg.norm(expected)


@given(**problems)
def test_any_matrix_agrees_with_its_eigendecomposition(seed, size, log_condition, time):
    rng, values, b, t = problem(seed, min(size, 100), log_condition, time)
    vectors = np.linalg.qr(rng.standard_normal((len(values), len(values))))[0]
    A = (vectors * values) @ vectors.T
    b = vectors @ b
    A = (A + A.T) / 2
    expected = by_eigenvectors(*np.linalg.eigh(A), b, t)
    found = decay_integral(np.triu(A), b, t)  # the rest is not read
    # Rounding moves eigenvalues by as much as the largest one's last digits, in either way to the result.
    assert np.linalg.norm(found - expected) <= (1e-12 + 1e-14 * t * values.max()) * np.linalg.norm(expected)


def test_no_vector_and_an_eigenvector():
    values, vectors = np.linalg.eigh(np.array([[2.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 4.0]]))
    A = (vectors * values) @ vectors.T
    np.testing.assert_array_equal(decay_integral(A, np.zeros(3), 1.0), 0)
    for value, vector in zip(values, vectors.T, strict=True):
        np.testing.assert_allclose(decay_integral(A, vector, 0.7), -np.expm1(-0.7 * value) / value * vector, atol=1e-14)


def test_what_does_not_decay_is_refused():
    with pytest.raises(np.linalg.LinAlgError):
        decay_integral(np.diag([1.0, -100.0]), np.ones(2), 1.0)
