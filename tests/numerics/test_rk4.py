"""The Runge-Kutta course: against closed forms, its order, and its treatment of draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

from ltc_causal.numerics.rk4 import runge_kutta


def test_order_four_against_the_matrix_exponential():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(4, 4)) - 2 * np.eye(4)
    start = rng.normal(size=(4, 3))
    exact = expm(2.0 * A) @ start
    steps = 2.0 / np.array([20, 40, 80, 160])
    errors = [np.abs(runge_kutta(lambda y: A @ y, start, 2.0, step) - exact).max() for step in steps]
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(4.0, abs=0.15)


def test_order_four_on_a_nonlinear_flow():
    # Growth with saturation, y' = y (1 - y), has y(t) = 1 / (1 + (1/y0 - 1) e^-t).
    start = np.array([[0.05, 0.1, 0.2]])
    exact = 1 / (1 + (1 / start - 1) * np.exp(-2.0))
    steps = 2.0 / np.array([5, 10, 20, 40])
    errors = [np.abs(runge_kutta(lambda y: y * (1 - y), start, 2.0, step) - exact).max() for step in steps]
    assert np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(4.0, abs=0.2)


def test_energy_of_an_oscillator_is_kept_to_the_method_order():
    start = np.array([[1.0], [0.0]])
    end = runge_kutta(lambda y: np.stack([y[1], -y[0]]), start, 20 * np.pi, 0.05)
    assert np.abs(end - start).max() < 1e-4
    assert (end**2).sum() == pytest.approx(1.0, abs=1e-5)


@given(duration=st.floats(0.01, 5), max_step=st.floats(0.01, 2))
def test_steps_are_as_few_as_the_limit_allows(duration, max_step):
    calls = []
    runge_kutta(lambda y: calls.append(0) or np.zeros_like(y), np.ones((1, 1)), duration, max_step)
    n_step = len(calls) / 4
    assert duration / n_step <= max_step * (1 + 1e-9)
    assert n_step == 1 or duration / (n_step - 1) > max_step * (1 - 1e-9)


def test_a_whole_number_of_steps_is_not_overshot_by_rounding():
    calls = []
    runge_kutta(lambda y: calls.append(0) or np.zeros_like(y), np.ones((1, 1)), 0.1 + 0.2, 0.1)
    assert len(calls) == 4 * 3


def test_an_exploding_draw_is_frozen_and_the_others_do_not_notice():
    rates = np.array([-1.0, 40.0, -0.5, 300.0])
    start = np.ones((2, 4))
    together = runge_kutta(lambda y: rates * y, start, 30.0, 0.1)
    alone = runge_kutta(lambda y: rates[[0, 2]] * y, start[:, [0, 2]], 30.0, 0.1)
    assert np.isnan(together[:, [1, 3]]).all()
    assert np.array_equal(together[:, [0, 2]], alone)


def test_a_draw_is_frozen_as_a_whole():
    y = runge_kutta(lambda y: np.stack([10 * y[0], 0 * y[1]]), np.ones((2, 2)) * [1.0, 0.0], 5.0, 0.1)
    assert np.isnan(y[:, 0]).all() and (y[:, 1] == 0).all()
