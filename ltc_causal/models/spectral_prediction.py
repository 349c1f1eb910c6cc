"""The cross-spectra of regions at rest: a linear network driven by its own fluctuations, seen through haemodynamics, and noise.

    G(f) = S N S^* + E,   S_ij = h_i(f) [(2 pi i f - J)^-1]_ij / 16
    N(f) = e^a1 g(f, e^a2) in every region,   E(f) = g(f, e^b2 / 2) (diag(e^c) + e^b1 in every entry),   g(f, x) = f^-x / sum over a grid

J is the network's Jacobian in Hz and h_i the haemodynamics' expansion about rest. Friston et al. 2014 (NeuroImage 94:396), in the form of
SPM's `spm_csd_fmri_mtf`. All derivatives are exact: that of the resolvent is (2 pi i f - J)^-1 dJ (2 pi i f - J)^-1.

Lives here: these equations. Does not live here: parameters by name (`spectral_dcm`), what an autoregression makes of G (`numerics.spectral_refit`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ltc_causal.models import haemodynamics
from ltc_causal.models.neuronal import INPUT_SCALE

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


class Resting(NamedTuple):
    """One set of parameters.

    J : (region, region), Hz; transit : (region,); decay, epsilon : numbers, as in `haemodynamics`
    fluctuations, noise : a and b, log amplitude and log exponent; own : c, (region,), log amplitude of each region's own noise
    """

    J: Array
    transit: Array
    decay: float
    epsilon: float
    fluctuations: Array
    noise: Array
    own: Array


def blood_response(omega: Array, at: Resting, echo_time: float) -> tuple[Complex, Complex]:
    """h_i at angular frequencies in 1/s, shape (frequency, region); and its logarithm's derivatives in transit_i, decay and epsilon.

    The states follow one another, so that the resolvent is a product: signal and inflow, then volume, then deoxyhaemoglobin.
    """
    H = haemodynamics.rest_expansion(at.transit, at.decay)
    s = 1j * omega[:, None]
    inflow = H[:, 1, 0] / (s * (s - H[:, 0, 0]) - H[:, 0, 1] * H[:, 1, 0])
    volume = H[:, 2, 1] * inflow / (s - H[:, 2, 2])
    oxygen = (H[:, 3, 1] * inflow + H[:, 3, 2] * volume) / (s - H[:, 3, 3])
    k1, k2, k3 = haemodynamics.signal_coefficients(at.epsilon, echo_time)
    by_volume, by_oxygen = haemodynamics.VOLUME_FRACTION * (k2 - k3), -haemodynamics.VOLUME_FRACTION * (k1 + k2)
    h = by_volume * volume + by_oxygen * oxygen
    # A longer transit divides the rates of volume and deoxyhaemoglobin; what they receive and what they lose.
    d_volume = -volume * (1 + H[:, 2, 2] / (s - H[:, 2, 2]))
    d_oxygen = -oxygen * (1 + H[:, 3, 3] / (s - H[:, 3, 3])) + H[:, 3, 2] * d_volume / (s - H[:, 3, 3])
    d_transit = by_volume * d_volume + by_oxygen * d_oxygen
    d_decay = h * H[:, 0, 0] * s / (s * (s - H[:, 0, 0]) - H[:, 0, 1] * H[:, 1, 0])
    # k2 = e^epsilon r0 E0 TE and k3 = 1 - e^epsilon.
    d_epsilon = haemodynamics.VOLUME_FRACTION * ((k2 + 1 - k3) * volume - k2 * oxygen)
    return h, np.stack([d_transit, d_decay, d_epsilon], axis=-1) / h[..., None]


def power_law(frequencies: Array, exponent: float, grid: Array) -> tuple[Array, Array]:
    """g(f, x), and the derivative of its logarithm in log x."""
    weights = grid**-exponent
    g = frequencies**-exponent / weights.sum()
    return g, -exponent * (np.log(frequencies) - weights @ np.log(grid) / weights.sum())


def driven_and_noise(at: Resting, frequencies: Array, grid: Array, echo_time: float) -> tuple[Complex, Array]:
    """S N S^* and E at frequencies in Hz, both (frequency, region, region)."""
    h, _ = blood_response(2 * np.pi * frequencies, at, echo_time)
    S = h[:, :, None] * _resolvent(at, frequencies) / INPUT_SCALE
    g, _ = power_law(frequencies, np.exp(at.fluctuations[1]), grid)
    e, _ = power_law(frequencies, np.exp(at.noise[1]) / 2, grid)
    driven = (np.exp(at.fluctuations[0]) * g)[:, None, None] * (S @ _adjoint(S))
    return driven, e[:, None, None] * (np.diag(np.exp(at.own)) + np.exp(at.noise[0]))


def spectra_and_tangents(
    at: Resting, frequencies: Array, grid: Array, echo_time: float, row: NDArray[np.int64], column: NDArray[np.int64], slope: Array
) -> tuple[Complex, Complex]:
    """G, shape (frequency, region, region), and its derivative, shape (frequency, region, parameter, region).

    grid : the frequencies over which g sums to 1
    row, column, slope : of each parameter of J, the entry that it moves, and by how much
    The parameters are those of J, then transit of each region, decay, epsilon, a1, a2, b1, b2, and c of each region.
    """
    n, n_edge = len(at.J), len(row)
    h, dh = blood_response(2 * np.pi * frequencies, at, echo_time)
    R = _resolvent(at, frequencies)
    U = h[:, :, None] * R
    S = U / INPUT_SCALE
    g, dg = power_law(frequencies, np.exp(at.fluctuations[1]), grid)
    e, de = power_law(frequencies, np.exp(at.noise[1]) / 2, grid)
    N = np.exp(at.fluctuations[0]) * g
    driven = N[:, None, None] * (S @ _adjoint(S))
    noise = e[:, None, None] * (np.diag(np.exp(at.own)) + np.exp(at.noise[0]))

    dG = np.zeros((len(frequencies), n, n_edge + 2 * n + 6, n), dtype=complex)
    transit = n_edge + np.arange(n)
    decay, epsilon, a1, a2, b1, b2 = n_edge + n + np.arange(6)
    own, region = n_edge + n + 6 + np.arange(n), np.arange(n)
    # One side of S N dS^* + dS N S^*; the other is its adjoint.
    right = N[:, None, None] / INPUT_SCALE * (R @ _adjoint(S))
    np.multiply(U[:, :, row, None], (slope[:, None] * right[:, column])[:, None], out=dG[:, :, :n_edge])
    dG[:, region, transit] = dh[:, :, 0, None] * driven
    dG[:, :, decay], dG[:, :, epsilon] = dh[:, :, 1, None] * driven, dh[:, :, 2, None] * driven
    blood = dG[:, :, :a1]
    blood += blood.conj().transpose(0, 3, 2, 1)
    dG[:, :, a1], dG[:, :, a2] = driven, dg[:, None, None] * driven
    dG[:, :, b1], dG[:, :, b2] = (np.exp(at.noise[0]) * e)[:, None, None], de[:, None, None] * noise
    dG[:, region, own, region] = np.exp(at.own) * e[:, None]
    return driven + noise, dG


def _resolvent(at: Resting, frequencies: Array) -> Complex:
    rates = 2j * np.pi * frequencies[:, None, None] * np.eye(len(at.J)) - at.J
    return np.asarray(np.linalg.inv(rates), dtype=np.complex128)


def _adjoint(S: Complex) -> Complex:
    return S.conj().transpose(0, 2, 1)
