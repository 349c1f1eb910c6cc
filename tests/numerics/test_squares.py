"""Packed sums of squares against the plain product, and few rows against what they stand for."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ltc_causal.numerics import squares
from ltc_causal.numerics.spare import Spare


def smooth(n_time, P, seed=0):
    """Courses of many units that answer one input through two filters each, on scales far apart."""
    rng = np.random.default_rng(seed)
    t = np.arange(n_time) * 0.5
    drive = rng.standard_normal(n_time)
    rates = rng.uniform(0.2, 1.0, (P, 2))
    kernels = np.exp(-rates[:, :1] * t) - np.exp(-rates[:, 1:] * t)
    courses = np.fft.irfft(np.fft.rfft(kernels, 2 * n_time) * np.fft.rfft(drive, 2 * n_time))[:, :n_time].T
    return np.ascontiguousarray(courses * np.exp(rng.normal(0, 5, P)))


def scaled_difference(R, J):
    """Of R'R from J'J, relative to the lengths of the columns."""
    length = np.linalg.norm(J, axis=0)
    length[length == 0] = 1
    return np.abs((R / length).T @ (R / length) - (J / length).T @ (J / length)).max()


def test_similar_courses_need_few_rows():
    J = smooth(240, 600)
    J[:, 17] = 0
    R = squares.few_rows(J)
    assert len(R) < 50
    assert scaled_difference(R, J) < 1e-14


def test_dissimilar_courses_are_left_alone():
    J = np.random.default_rng(1).standard_normal((240, 600))
    assert squares.few_rows(J) is J


@pytest.mark.parametrize("size", [1e-2, 1e-5, 1e-7])
def test_rows_are_not_lost_where_combinations_miss_them(size):
    """All that is unlike the rest stands in columns that fall into one combination."""
    J, rng = smooth(240, 970), np.random.default_rng(2)
    J[:, 3 :: squares.TESTS] += size * rng.standard_normal((240, 10)) * np.linalg.norm(J[:, 3 :: squares.TESTS], axis=0) / np.sqrt(240)
    assert scaled_difference(squares.few_rows(J), J) < 1e-13


def test_the_same_rows_every_time():
    J = smooth(200, 600, 3)
    assert_array_equal(squares.few_rows(J), squares.few_rows(J))


@pytest.mark.parametrize("P", [1, 2, 65, 66, 600])
def test_packed_squares_are_the_product(P):
    J, out = smooth(240, P, 4), np.full(P * (P + 1) // 2, np.nan)
    squares.packed_squares(J, out)
    product = J.T @ J
    length = np.linalg.norm(J, axis=0)
    found = squares.unpacked(out, P)
    assert_allclose(found / np.outer(length, length), product / np.outer(length, length), atol=1e-13)
    assert_array_equal(squares.packed(found), out)


@pytest.mark.parametrize("P", [1, 6, 7])
def test_traces_of_packed_matrices(P):
    rng = np.random.default_rng(5)
    A, S = rng.standard_normal((3, P, P)), rng.standard_normal((P, P))
    A, S = A + A.transpose(0, 2, 1), S + S.T
    expected = np.einsum("aij,ij->a", A, S)
    before = S.copy()
    assert_allclose(squares.packed_trace(np.array([squares.packed(one) for one in A]), S), expected, rtol=1e-13)
    assert_array_equal(S, before)


@pytest.mark.parametrize("size", [1, 31, 32, 100])
def test_mirror_is_symmetric(size):
    upper = np.triu(np.random.default_rng(6).standard_normal((size, size)))
    S = upper + np.tril(np.full((size, size), np.nan), -1)
    squares.mirror(S)
    assert_array_equal(S, upper + np.triu(upper, 1).T)


def test_spare_memory_is_given_out_again_once_it_is_free():
    spare = Spare()
    one, other = spare.empty((3, 4)), spare.empty((12,))
    one[:], other[:] = 1, 2
    assert_array_equal(one, 1)  # two that are held do not share
    address = one.ctypes.data
    del one
    assert spare.empty((4, 4)).ctypes.data != address
    assert spare.empty((2, 6)).ctypes.data == address
