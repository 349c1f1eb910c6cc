"""From neuronal activity to BOLD: the balloon model and the signal equation, with derivatives.

States per region, h = (s, log f, log v, log q): vasodilatory signal, inflow, venous volume, deoxyhaemoglobin, all relative to rest (0):

    ds/dt   = x - SIGNAL_DECAY e^decay s - AUTOREGULATION (f - 1)
    df/dt   = s
    tau dv/dt = f - v^(1/GRUBB),   tau = TRANSIT_TIME e^transit
    tau dq/dt = f (1 - (1 - E0)^(1/f)) / E0 - v^(1/GRUBB) q / v
    y = V0 [k1 (1 - q) + k2 (1 - q/v) + k3 (1 - v)],   k1 = 4.3 theta0 E0 TE,   k2 = e^epsilon r0 E0 TE,   k3 = 1 - e^epsilon

Friston et al. 2000 (eqs 1-8), Stephan et al. 2007 (eqs 5-13, "revised coefficients"), with the constants that SPM uses.
Lives here: these equations. Does not live here: what drives them (`neuronal`), how they are integrated (`true_flow`, `numerics`).
"""

from functools import cache

import numba
import numpy as np
from numpy.typing import NDArray

SIGNAL_DECAY = 0.64  # 1/s, rate of decay of the vasodilatory signal
AUTOREGULATION = 0.32  # 1/s^2, feedback of the inflow on the signal
TRANSIT_TIME = 2.0  # s, mean transit time through the venous compartment
GRUBB = 0.32  # exponent that ties volume to outflow (Grubb 1974)
EXTRACTION = 0.4  # E0, resting oxygen extraction fraction
VOLUME_FRACTION = 4.0  # V0, resting venous volume in percent
FREQUENCY_OFFSET = 40.3  # theta0, 1/s at the surface of magnetised vessels, 1.5 T
RELAXATION_SLOPE = 25.0  # r0, 1/s, intravascular relaxation against oxygen saturation
FIELD_FACTOR = 4.3  # geometry factor of the extravascular term
N_STATE, VOLUME = 4, 2  # states a region, and the first that the signal depends on: log v, then log q

DIFFERENCE_STEP = np.exp(-8.0)  # the forward step by which SPM differentiates


def rest_expansion(transit: NDArray, decay: float, differences: str = "exact") -> NDArray:
    """Jacobian of dh/dt in h at rest, shape (region, 4, 4), in 1/s.

    transit : shape (region,), log-scale deviations of the transit time; decay : of the signal decay
    differences : "exact", or "spm" for what a forward difference of step e^-8 in the log states gives instead
    """
    step = DIFFERENCE_STEP if differences == "spm" else 0.0
    return _rest_expansion(np.asarray(transit, dtype=float), float(decay), *_rest_slopes(step))


@numba.njit(cache=True)
def _rest_expansion(transit, decay, s_f, v_f, v_v, q_f, q_v, q_q):
    H = np.zeros((len(transit), N_STATE, N_STATE))
    for i in range(len(transit)):
        tau = TRANSIT_TIME * np.exp(transit[i])
        H[i, 0, 0], H[i, 0, 1] = -SIGNAL_DECAY * np.exp(decay), s_f
        H[i, 1, 0] = 1.0
        H[i, 2, 1], H[i, 2, 2] = v_f / tau, v_v / tau
        H[i, 3, 1], H[i, 3, 2], H[i, 3, 3] = q_f / tau, q_v / tau, q_q / tau
    return H


@cache
def _rest_slopes(step: float) -> tuple[float, float, float, float, float, float]:
    """Slopes of the flow at rest, d(ds/dt)/d log f and so on (times tau for v and q); forward differences of that step, or limits at 0."""
    base = 1 - EXTRACTION
    if step == 0:
        oxygen = (EXTRACTION + base * np.log(base)) / EXTRACTION
        return -AUTOREGULATION, 1.0, -1 / GRUBB, oxygen, 1 - 1 / GRUBB, -1.0
    e = np.exp(step)
    outflow = np.exp(step / GRUBB)
    oxygen = e * (1 - base ** (1 / e)) / EXTRACTION
    return (
        -AUTOREGULATION * (e - 1) / step, (e - 1) / step, (1 - outflow) / (e * step), (oxygen - 1) / step, (1 - outflow / e) / step, (1 - e) / (e * step),
    )  # fmt: skip


def rest_expansion_derivatives(H: NDArray) -> NDArray:
    """Derivatives of `rest_expansion` in each region's transit and in decay, shape (region, 4, 4, 2)."""
    derivatives = np.zeros((*H.shape, 2))
    derivatives[:, 2:, :, 0] = -H[:, 2:, :]
    derivatives[:, 0, 0, 1] = H[:, 0, 0]
    return derivatives


def flow(h: NDArray, x: NDArray, transit: NDArray, decay: NDArray) -> NDArray:
    """dh/dt, shape (4, region, ...), from states h of that shape and activity x (region, ...), in 1/s."""
    s, log_f, log_v, log_q = h
    tau = TRANSIT_TIME * np.exp(transit)
    f = np.exp(log_f)
    outflow = np.exp(log_v * (1 / GRUBB - 1))
    oxygen = (1 - np.exp(np.log(1 - EXTRACTION) / f)) / EXTRACTION
    return np.stack(
        [
            x - SIGNAL_DECAY * np.exp(decay) * s - AUTOREGULATION * (f - 1),
            s / f,
            (np.exp(log_f - log_v) - outflow) / tau,
            (np.exp(log_f - log_q) * oxygen - outflow) / tau,
        ]
    )


def signal_coefficients(epsilon: float | NDArray, echo_time: float) -> tuple:
    """k1, k2, k3 of the signal equation."""
    ratio = np.exp(epsilon)
    return FIELD_FACTOR * FREQUENCY_OFFSET * EXTRACTION * echo_time, ratio * RELAXATION_SLOPE * EXTRACTION * echo_time, 1 - ratio


def bold(log_v: NDArray, log_q: NDArray, epsilon: float | NDArray, echo_time: float) -> NDArray:
    """BOLD signal change in percent, of the shape of the states."""
    k1, k2, k3 = signal_coefficients(epsilon, echo_time)
    v, q = np.exp(log_v), np.exp(log_q)
    return VOLUME_FRACTION * (k1 * (1 - q) + k2 * (1 - q / v) + k3 * (1 - v))


def bold_and_slopes(h: NDArray, epsilon: float, echo_time: float) -> tuple[NDArray, NDArray, NDArray]:
    """`bold` of states h (scan, region, 2), log v and log q; its derivatives in these, of h's shape, and in epsilon."""
    # numpy's exponential is vectorised, the compiler's is not.
    return _bold_and_slopes(np.exp(h), *(float(k) for k in signal_coefficients(epsilon, echo_time)))


@numba.njit(cache=True, error_model="numpy")  # a volume that vanished gives NaN, which is found where unstable courses are
def _bold_and_slopes(volume_and_oxygen, k1, k2, k3):
    shape = volume_and_oxygen.shape
    signal, by_state, by_epsilon = np.empty(shape[:2]), np.empty(shape), np.empty(shape[:2])
    for t in range(shape[0]):
        for i in range(shape[1]):
            v, q = volume_and_oxygen[t, i, 0], volume_and_oxygen[t, i, 1]
            ratio = q / v
            signal[t, i] = VOLUME_FRACTION * (k1 * (1 - q) + k2 * (1 - ratio) + k3 * (1 - v))
            by_state[t, i, 0] = VOLUME_FRACTION * (k2 * ratio - k3 * v)
            by_state[t, i, 1] = -VOLUME_FRACTION * (k1 * q + k2 * ratio)
            by_epsilon[t, i] = VOLUME_FRACTION * (k2 * (1 - ratio) - (1 - k3) * (1 - v))
    return signal, by_state, by_epsilon


@numba.njit(cache=True, inline="always")
def flow_and_slopes(s, log_f, log_v, log_q, x, signal_decay, inverse_tau):
    """One region's dh/dt and the entries of its Jacobian that are not constant.

    Returns the four rates, then: d(s')/d log f, d(log f')/d s, d(log f')/d log f, d(v')/d log f, d(v')/d log v, d(q')/d log f,
    d(q')/d log v, d(q')/d log q.
    """
    f = np.exp(log_f)
    inverse_f = 1.0 / f
    volume_in = np.exp(log_f - log_v) * inverse_tau
    outflow = np.exp(log_v * (1.0 / GRUBB - 1.0)) * inverse_tau
    log_base = np.log(1.0 - EXTRACTION)
    power = np.exp(log_base * inverse_f)
    inverse_q = np.exp(-log_q) * inverse_tau / EXTRACTION
    oxygen_in = f * (1.0 - power) * inverse_q
    rates = (x - signal_decay * s - AUTOREGULATION * (f - 1.0), s * inverse_f, volume_in - outflow, oxygen_in - outflow)
    by_f = f * (1.0 - power) * inverse_q + power * log_base * inverse_q
    slopes = (
        -AUTOREGULATION * f, inverse_f, -s * inverse_f, volume_in, -volume_in - (1.0 / GRUBB - 1.0) * outflow, by_f,
        -(1.0 / GRUBB - 1.0) * outflow, -oxygen_in,
    )  # fmt: skip
    return rates, slopes
