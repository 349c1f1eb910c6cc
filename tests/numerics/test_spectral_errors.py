"""How estimated spectra err: against simulated ones, and Whittle's likelihood against its gradient."""

import numpy as np

from ltc_causal.numerics.spectral_errors import periodogram, sampling_weights, spm_weights, whittle


def hermitian(rng, n_f=3, n=3):
    root = rng.normal(size=(n_f, n, n + 1)) + 1j * rng.normal(size=(n_f, n, n + 1))
    return root @ root.conj().transpose(0, 2, 1)


def test_periodogram_of_white_noise_is_flat_and_on_the_scale_of_one_sided_densities():
    rng, dt = np.random.default_rng(0), 2.0
    cov = np.array([[2.0, 0.5], [0.5, 1.0]])
    y = rng.normal(size=(20_000, 2)) @ np.linalg.cholesky(cov).T
    frequencies, G, averages = periodogram(y, dt, 0.01, 0.2, 8)
    assert averages.sum() == np.count_nonzero((np.fft.rfftfreq(len(y), dt) >= 0.01) & (np.fft.rfftfreq(len(y), dt) <= 0.2))
    np.testing.assert_allclose(G, np.broadcast_to(2 * dt * cov, G.shape), atol=0.4)
    np.testing.assert_allclose(G.mean(axis=0), 2 * dt * cov, atol=0.1)
    assert 0.01 < frequencies[0] < frequencies[-1] < 0.2


def test_weights_are_the_inverse_covariance_of_averaged_periodograms():
    """Of 20,000 simulated averages of five ordinates: W e has the unit covariance."""
    rng, K = np.random.default_rng(1), 5
    G = hermitian(rng, 1, 2)
    root = np.linalg.cholesky(G[0])
    z = (rng.normal(size=(20_000, K, 2)) + 1j * rng.normal(size=(20_000, K, 2))) / np.sqrt(2) @ root.T
    e = np.einsum("ski,skj->sij", z, z.conj()).reshape(-1, 4) / K - G.reshape(4)
    white = e @ sampling_weights(G, np.array([float(K)]))[0].T
    np.testing.assert_allclose(white.T @ white.conj() / len(white), np.eye(4), atol=0.05)


def test_spms_weights_are_those_of_its_covariance():
    rng = np.random.default_rng(2)
    G = hermitian(rng, 2, 2)
    W = spm_weights(G)
    Q = np.array([[[G[f, a // 2, b // 2] * G[f, a % 2, b % 2] for b in range(4)] for a in range(4)] for f in range(2)])
    Q = Q + np.abs(Q).sum(axis=1).max() / 32 * np.eye(4)
    np.testing.assert_allclose(W.conj().transpose(0, 2, 1) @ W @ Q, np.broadcast_to(np.eye(4), Q.shape), atol=1e-10)


def test_least_squares_with_the_predictions_weights_has_whittles_gradient():
    rng, h = np.random.default_rng(3), 1e-6
    G, measured, averages = hermitian(rng), hermitian(rng), np.array([3.0, 5.0, 8.0])
    W = sampling_weights(G, averages)
    for _ in range(5):
        direction = rng.normal(size=G.shape) + 1j * rng.normal(size=G.shape)
        direction = direction + direction.conj().transpose(0, 2, 1)
        slope = (whittle(G + h * direction, measured, averages) - whittle(G - h * direction, measured, averages)) / (2 * h)
        e, d = ((W @ values.reshape(3, -1, 1)).ravel() for values in (measured - G, direction))
        np.testing.assert_allclose(np.vdot(d, e).real, slope, rtol=1e-6)
