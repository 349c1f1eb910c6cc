"""The balloon model: its expansion at rest, its compiled form and its signal, against complex steps and differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltc_causal.models import haemodynamics

STEP = 1e-30
small = st.floats(-0.5, 0.5)


def _jacobian(h, x, transit, decay):
    columns = []
    for state in range(4):
        shifted = h.astype(complex)
        shifted[state] += 1j * STEP
        columns.append(haemodynamics.flow(shifted[:, None], np.array([x]), np.array([transit]), decay)[:, 0].imag / STEP)
    return np.array(columns).T


@given(transit=small, decay=small)
def test_expansion_at_rest_is_the_derivative_of_the_flow(transit, decay):
    H = haemodynamics.rest_expansion(np.array([transit]), decay)[0]
    np.testing.assert_allclose(H, _jacobian(np.zeros(4), 0.0, transit, decay), rtol=1e-12, atol=1e-14)


@given(transit=small, decay=small)
def test_spms_expansion_is_a_forward_difference(transit, decay):
    step = haemodynamics.DIFFERENCE_STEP
    H = haemodynamics.rest_expansion(np.array([transit]), decay, "spm")[0]
    rest = np.zeros(4)

    def flow(h):
        return haemodynamics.flow(h[:, None], np.zeros(1), np.array([transit]), decay)[:, 0]

    differences = np.array([(flow(rest + step * e) - flow(rest)) / step for e in np.eye(4)]).T
    np.testing.assert_allclose(H, differences, rtol=1e-10, atol=1e-10)


def test_derivatives_of_the_expansion():
    transit, decay, d = np.array([0.1, -0.2]), 0.3, 1e-6
    derivatives = haemodynamics.rest_expansion_derivatives(haemodynamics.rest_expansion(transit, decay))
    by_transit = (haemodynamics.rest_expansion(transit + d, decay) - haemodynamics.rest_expansion(transit - d, decay)) / (2 * d)
    by_decay = (haemodynamics.rest_expansion(transit, decay + d) - haemodynamics.rest_expansion(transit, decay - d)) / (2 * d)
    np.testing.assert_allclose(derivatives[..., 0], by_transit, atol=1e-8)
    np.testing.assert_allclose(derivatives[..., 1], by_decay, atol=1e-8)


@given(h=st.lists(st.floats(-0.4, 0.8), min_size=4, max_size=4), x=st.floats(-0.3, 1.0), transit=small, decay=small)
def test_compiled_flow_and_slopes_are_those_of_the_equations(h, x, transit, decay):
    h = np.array(h)
    rates, slopes = haemodynamics.flow_and_slopes(
        *h, x, haemodynamics.SIGNAL_DECAY * np.exp(decay), np.exp(-transit) / haemodynamics.TRANSIT_TIME
    )
    np.testing.assert_allclose(
        rates, haemodynamics.flow(h[:, None], np.array([x]), np.array([transit]), decay)[:, 0], rtol=1e-12, atol=1e-14
    )
    J = _jacobian(h, x, transit, decay)
    entries = J[0, 1], J[1, 0], J[1, 1], J[2, 1], J[2, 2], J[3, 1], J[3, 2], J[3, 3]
    np.testing.assert_allclose(slopes, entries, rtol=1e-11, atol=1e-13)


@given(log_v=small, log_q=small, epsilon=small)
def test_slopes_of_the_signal(log_v, log_q, epsilon):
    by_step = [
        haemodynamics.bold(np.array([log_v + 1j * STEP]), np.array([log_q]), epsilon, 0.04).imag[0] / STEP,
        haemodynamics.bold(np.array([log_v]), np.array([log_q + 1j * STEP]), epsilon, 0.04).imag[0] / STEP,
        haemodynamics.bold(np.array([log_v]), np.array([log_q]), epsilon + 1j * STEP, 0.04).imag[0] / STEP,
    ]
    signal, by_state, by_epsilon = haemodynamics.bold_and_slopes(np.array([[[log_v, log_q]]]), epsilon, 0.04)
    np.testing.assert_allclose(np.append(by_state, by_epsilon), by_step, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(signal[0], haemodynamics.bold(np.array([log_v]), np.array([log_q]), epsilon, 0.04), rtol=1e-12, atol=1e-14)


def test_rest_is_a_fixed_point_with_no_signal():
    assert np.all(haemodynamics.flow(np.zeros((4, 3)), np.zeros(3), np.array([0.2, 0.0, -0.1]), 0.1) == 0)
    assert haemodynamics.bold(np.zeros(1), np.zeros(1), 0.3, 0.04) == 0


def test_sustained_activity_raises_flow_and_signal():
    """At equilibrium s = 0 and f = 1 + x / AUTOREGULATION, whatever the rest; more flow washes out deoxyhaemoglobin, so BOLD rises."""
    h = np.zeros((4, 1))
    for _ in range(4000):
        h = h + 0.05 * haemodynamics.flow(h, np.array([0.1]), np.zeros(1), 0.0)
    assert np.exp(h[1, 0]) == pytest.approx(1 + 0.1 / haemodynamics.AUTOREGULATION, rel=1e-6)
    assert haemodynamics.bold(h[2], h[3], 0.0, 0.04)[0] > 0.5
