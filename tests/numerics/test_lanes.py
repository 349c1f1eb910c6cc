"""Vectors in compiled code, against numpy in extended precision."""

import numba
import numpy as np
import pytest

from ltc_causal.numerics.lanes import exp2, lanes_of, load, sigmoid_of_halvings, spread, store


@numba.njit(error_model="numpy")
def powers(x, found, opened):
    for row in range(len(x)):
        store(found, row, exp2(load(x, row)))
        store(opened, row, sigmoid_of_halvings(load(x, row)))


@numba.njit(error_model="numpy")
def arithmetic(x, y, number, found):
    a, b = load(x, 0), load(y, 0)
    store(found, 0, (a + b) * number - a / b)
    store(found, 1, 1.0 / (number - a) + 2.0 * b)
    store(found, 2, spread(number))


def rows(values, dtype):
    lanes = lanes_of(dtype)
    return np.resize(values, (-(-len(values) // lanes), lanes)).astype(dtype)


@pytest.mark.parametrize("dtype, largest, tolerance", [(np.float32, 125, 1e-7), (np.float64, 1021, 1e-14)])
def test_exp2_and_the_sigmoid_are_as_exact_as_rounding(dtype, largest, tolerance):
    rng = np.random.default_rng(0)
    x = rows(
        np.concatenate([rng.uniform(-largest, largest, 200_000), rng.uniform(-3, 3, 200_000), np.arange(-largest, largest) / 2]), dtype
    )
    found, opened = np.empty_like(x), np.empty_like(x)
    powers(x, found, opened)
    exact = np.exp2(x.astype(np.longdouble))
    assert np.abs(found / exact - 1).max() < tolerance
    assert np.abs(opened - 1 / (1 + exact)).max() < tolerance
    assert np.array_equal(found[x == np.round(x)], exact[x == np.round(x)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_overflow_and_nan_stays(dtype):
    x = rows(np.array([np.inf, 1e30, -1e30, -np.inf, np.nan]), dtype)
    found, opened = np.empty_like(x), np.empty_like(x)
    powers(x, found, opened)
    np.testing.assert_allclose(opened[0, :5], [0, 0, 1, 1, np.nan], rtol=0, atol=1e-30)
    assert np.isfinite(found[0, :4]).all() and np.isnan(found[0, 4])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arithmetic_is_that_of_numpy(dtype):
    rng, lanes = np.random.default_rng(1), lanes_of(dtype)
    x, y, number = rng.uniform(1, 2, (1, lanes)).astype(dtype), rng.uniform(1, 2, (1, lanes)).astype(dtype), dtype(3.5)
    found = np.empty((3, lanes), dtype)
    arithmetic(x, y, number, found)
    expected = np.stack([(x + y) * number - x / y, 1 / (number - x) + 2 * y, np.full_like(x, number)])[:, 0]
    np.testing.assert_allclose(found, expected, rtol=8 * np.finfo(dtype).eps)
