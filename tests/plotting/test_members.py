"""What is told of subjects left out is drawn where the numbers say."""

import group_subjects
import numpy as np
import pandas as pd

from ltc_causal.group.peb import peb
from ltc_causal.group.prediction import leave_one_out
from ltc_causal.plotting.members import plot_left_out


def told(binary):
    member, linear = group_subjects.two_groups(0, n=10, effect=2.0)
    x = member if binary else np.random.default_rng(0).normal(3, 2, 10)
    return leave_one_out(peb(linear.fits(), pd.DataFrame({"x": x})), "x")


def test_a_number_is_drawn_with_its_interval():
    one = told(binary=False)
    (container,) = plot_left_out(one).containers
    points, _, (bars,) = container
    assert np.allclose(points.get_xdata(), one.observed) and np.allclose(points.get_ydata(), one.mean)
    assert np.allclose([segment[:, 1] for segment in bars.get_segments()], np.column_stack([one.lower, one.upper]))


def test_one_of_two_values_is_drawn_by_its_probability():
    one = told(binary=True)
    ax = plot_left_out(one)
    for line, value in zip(ax.lines[:2], (0.0, 1.0), strict=True):
        assert np.allclose(line.get_ydata(), one.mean[one.observed == value])
        assert np.all(np.abs(line.get_xdata() - value) < 0.5)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1"] and "probability of 1" in ax.get_ylabel()
