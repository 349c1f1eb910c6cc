"""The likelihood of a network's spectra against the density written out, finite differences, and traces of finite differences."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from ltc_causal.numerics import whittle
from ltc_causal.numerics.whittle import Group, Network, Spectra

N, BANDS, COUNT, INPUTS = 4, 12, 3, 2
STEP = 1e-6


@pytest.fixture
def made(monkeypatch):
    """A network and spectra, cut into several chunks."""
    monkeypatch.setattr(whittle, "CHUNK", 150)
    rng = np.random.default_rng(0)

    def drawn(*shape):
        return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)

    A = -0.5 * np.eye(N) + 0.1 * rng.standard_normal((N, N))
    W = np.concatenate([A, rng.standard_normal((N, INPUTS))], axis=1)
    network = Network(W, rng.standard_normal(N), rng.standard_normal(N) - 2, 0.3)
    omega, power = np.linspace(0.05, 2, BANDS), np.exp(-np.linspace(0, 3, BANDS))
    return network, Spectra(drawn(BANDS, COUNT, N), drawn(BANDS, COUNT, N), drawn(BANDS, COUNT, INPUTS), omega, power)


def moments(network, spectra):
    """Mean (band, frequency, region) and covariance (band, region, region), frequency by frequency from the equations."""
    means, covs = [], []
    for D, U, omega, power in zip(spectra.D, spectra.U, spectra.omega, spectra.power, strict=True):
        G = np.linalg.inv(1j * omega * np.eye(N) - network.A)
        c = 1 / (1 + (omega / np.exp(network.log_b)) ** 2)
        means.append([G @ (network.C @ u + d) for u, d in zip(U, D, strict=True)])
        covs.append(power * c * G @ np.diag(np.exp(network.log_q)) @ G.conj().T + np.diag(np.exp(network.log_r)))
    return np.array(means), np.array(covs)


def moved(network, parameter, step):
    kind, index = parameter
    if kind == "log_b":
        return network._replace(log_b=network.log_b + step)
    values = getattr(network, kind).copy()
    values[index] += step
    return network._replace(**{kind: values})


PARAMETERS = [("W", (0, 1)), ("W", (2, 2)), ("W", (3, 4)), ("W", (0, 5)), ("log_q", 1), ("log_r", 2), ("log_b", None)]


def test_value_is_the_complex_gaussian_density(made):
    network, spectra = made
    expected = 0.0
    for Y, mean, S in zip(spectra.Y, *moments(network, spectra), strict=True):
        both = np.block([[S.real, -S.imag], [S.imag, S.real]]) / 2  # of real and imaginary parts
        for y, m in zip(Y, mean, strict=True):
            expected += multivariate_normal.logpdf(np.concatenate([(y - m).real, (y - m).imag]), np.zeros(2 * N), both)
    constant = -BANDS * COUNT * N * np.log(np.pi)
    assert whittle.log_likelihood(spectra, network)[0] + constant == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("parameter", PARAMETERS, ids=str)
def test_slopes(made, parameter):
    network, spectra = made
    up, down = (whittle.log_likelihood(spectra, moved(network, parameter, sign * STEP))[0] for sign in (1, -1))
    slopes = whittle.log_likelihood(spectra, network)[1]
    kind, index = parameter
    found = slopes.log_b if kind == "log_b" else getattr(slopes, kind)[index]
    assert found == pytest.approx((up - down) / (2 * STEP), rel=1e-6)


def test_information_is_that_of_the_formula(made):
    network, spectra = made
    target, source = np.array([0, 2, 3, 1, 0, 3]), np.array([1, 2, 0, 1, 4, 5])
    found, b = whittle.information(spectra, network, [Group(target, source, np.arange(N))])
    parameters = [("W", place) for place in zip(target, source, strict=True)]
    parameters += [("log_q", k) for k in range(N)] + [("log_r", k) for k in range(N)] + [("log_b", None)]
    slopes = []
    for parameter in parameters:
        up, down = (moments(moved(network, parameter, sign * STEP), spectra) for sign in (1, -1))
        slopes.append([(one - other) / (2 * STEP) for one, other in zip(up, down, strict=True)])
    M = np.linalg.inv(moments(network, spectra)[1])
    expected = np.array(
        [
            [
                COUNT * np.einsum("fij,fjk,fkl,fli->", M, dS, M, other).real + 2 * np.einsum("fki,fij,fkj->", dm.conj(), M, also).real
                for also, other in slopes
            ]
            for dm, dS in slopes
        ]
    )
    assert np.abs(found[0] - expected[:-1, :-1]).max() < 1e-7 * np.abs(expected).max()
    assert b == pytest.approx(COUNT * np.einsum("fij,fjk,fkl,fli->", M, slopes[-1][1], M, slopes[-1][1]).real, rel=1e-7)


def test_fluctuations_have_the_spectrum_that_the_likelihood_has(made):
    """Averaged periodograms of a long simulated run against |h|^2 c G q G'."""
    network, _ = made
    n, dt = 2**15, 0.5

    def transfer(omega):
        return 1 / (1 + 1j * omega)

    y = whittle.fluctuations(network._replace(W=network.A), transfer, n, dt, np.random.default_rng(1))
    pieces = y.reshape(64, -1, N) * np.hanning(n // 64)[:, None]
    Y = np.fft.rfft(pieces, axis=1) * np.sqrt(dt / (np.hanning(n // 64) ** 2).sum())
    omega = 2 * np.pi * np.fft.rfftfreq(n // 64, dt)[5:60]
    found = np.einsum("kfi,kfj->fij", Y, Y.conj())[5:60] / 64
    G = np.linalg.inv(1j * omega[:, None, None] * np.eye(N) - network.A)
    expected = G @ np.diag(np.exp(network.log_q)) @ G.conj().transpose(0, 2, 1)
    expected *= (np.abs(transfer(omega)) ** 2 / (1 + (omega / np.exp(network.log_b)) ** 2))[:, None, None]
    ratio = np.linalg.norm(found - expected, axis=(1, 2)) / np.linalg.norm(expected, axis=(1, 2))
    assert ratio.mean() < 0.2
    assert np.einsum("fii->i", found).real == pytest.approx(np.einsum("fii->i", expected).real, rel=0.08)
