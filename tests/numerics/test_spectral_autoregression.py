"""Autoregressions against the textbook's own matrices, and their spectra against closed forms."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ltc_causal.numerics.spectral_autoregression import Autoregression, autoregression, spectrum
from ltc_causal.numerics.spectral_refit import refit, refitted, refitted_and_tangents


def whole_matrices(y, order):
    """The variational updates of Penny and Roberts 2002 with every Kronecker product written out."""
    n_time, n = y.shape
    X = np.concatenate([y[order - lag : n_time - lag] for lag in range(1, order + 1)], axis=1)
    target = y[order:]
    ml = np.linalg.lstsq(X, target, rcond=None)[0]
    C = (target - X @ ml).T @ (target - X @ ml) / n_time
    cov, w, last = np.kron(C, np.linalg.inv(X.T @ X)), ml, np.zeros_like(ml)
    k, s = ml.size, X.shape[1]
    for count in range(32):
        if count >= 2 and np.linalg.norm(w - last) / k < 1e-4:
            break
        alpha = (k / 2 + 0.001) / (0.5 * w.ravel() @ w.ravel() + 0.5 * np.trace(cov) + 1 / 1000)
        omega = np.array([[np.trace(cov[i * s : i * s + s, j * s : j * s + s] @ X.T @ X) for j in range(n)] for i in range(n)])
        e = target - X @ w
        data = np.kron(n_time * np.linalg.inv(e.T @ e + omega), X.T @ X)
        cov = np.linalg.inv(data + alpha * np.eye(k))
        last, w = w, (cov @ data @ ml.T.ravel()).reshape(n, -1).T
    return np.array([w[lag * n : lag * n + n].T for lag in range(order)]), C


@given(st.integers(1, 3), st.integers(1, 4), st.integers(0, 2**31))
def test_regression_is_the_textbooks(n, order, seed):
    y = np.random.default_rng(seed).normal(size=(60, n)).cumsum(axis=0)
    y -= y.mean(axis=0)
    coefficients, innovations = whole_matrices(y, order)
    found = autoregression(y, order)
    np.testing.assert_allclose(found.coefficients, coefficients, atol=1e-8)
    np.testing.assert_allclose(found.innovations, innovations, rtol=1e-9, atol=1e-12)


def test_regression_finds_the_process_that_made_the_series():
    A = np.array([[0.6, -0.2], [0.3, 0.4]])
    rng = np.random.default_rng(0)
    y = np.zeros((20_000, 2))
    for t in range(1, len(y)):
        y[t] = A @ y[t - 1] + rng.normal(size=2)
    found = autoregression(y, 2)
    np.testing.assert_allclose(found.coefficients, [A, np.zeros((2, 2))], atol=0.03)
    np.testing.assert_allclose(found.innovations, np.eye(2), atol=0.03)


def test_spectrum_of_one_series_is_the_closed_form():
    f, rate, a, v = np.linspace(0.01, 0.24, 9), 0.5, 0.7, 2.0
    G = spectrum(Autoregression(np.array([[[a]]]), np.array([[v]])), f, rate)
    w = 2 * np.pi * f / rate
    np.testing.assert_allclose(G[:, 0, 0], 2 / rate * v / (1 - 2 * a * np.cos(w) + a**2), rtol=1e-12)


def test_spectrum_adds_up_to_the_covariance():
    """Over all frequencies, of a process whose covariance solves P = A P A' + C."""
    A, C = np.array([[0.5, -0.3], [0.2, 0.6]]), np.array([[1.0, 0.3], [0.3, 2.0]])
    P = np.linalg.solve(np.eye(4) - np.kron(A, A), C.ravel()).reshape(2, 2)
    n = 512
    f = (np.arange(n) + 0.5) / n * 0.25
    G = spectrum(Autoregression(A[None], C), f, 0.5)
    np.testing.assert_allclose(G.real.mean(axis=0) * 0.25, P, rtol=1e-6)


def test_refitted_spectrum_of_one_autoregressive_series_is_itself():
    """On a grid whose frequencies are whole bins, fine enough that its missing zero does not matter."""
    f = np.arange(1, 2001) / 2000 * 0.25
    G = spectrum(Autoregression(np.array([[[0.5]], [[-0.3]]]), np.eye(1)), f, 0.5)
    np.testing.assert_allclose(refitted(refit(f, 7), G), G, rtol=0.02)


def test_refitted_spectrum_of_two_series_is_not_itself():
    """SPM regresses on the future and transposes: a finding of `docs/spectral-dcm.md`, to be noticed if it ever changes."""
    f = np.arange(1, 2001) / 2000 * 0.25
    G = spectrum(Autoregression(np.array([[[0.5, 0.0], [0.6, 0.3]]]), np.eye(2)), f, 0.5)
    R = refitted(refit(f, 7), G)
    assert np.linalg.norm(R - G) / np.linalg.norm(G) > 0.3
    np.testing.assert_allclose(np.linalg.det(R).real, np.linalg.det(G).real, rtol=0.05)  # which transposition leaves as it is


@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**31))
def test_tangents_of_the_refit_are_its_differences(n, n_parameter, seed):
    rng = np.random.default_rng(seed)
    f = np.linspace(1 / 128, 1 / 8, 32)
    root = rng.normal(size=(32, n, n + 2)) + 1j * rng.normal(size=(32, n, n + 2))
    G = root @ root.conj().transpose(0, 2, 1)
    dG = rng.normal(size=(32, n, n_parameter, n)) + 1j * rng.normal(size=(32, n, n_parameter, n))
    dG = dG + dG.conj().transpose(0, 3, 2, 1)
    step, h = refit(f, 5), 1e-5
    found, tangents = refitted_and_tangents(step, G, dG)
    np.testing.assert_allclose(found, refitted(step, G), rtol=1e-12)
    for p in range(n_parameter):
        difference = (refitted(step, G + h * dG[:, :, p]) - refitted(step, G - h * dG[:, :, p])) / (2 * h)
        np.testing.assert_allclose(tangents[:, :, p], difference, atol=1e-6 * np.abs(difference).max())
