"""The calibration figure shows the numbers of the calibration, and marks what does not fit."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from scipy.stats import binom

from ltc_causal.core.calibration import Calibration
from ltc_causal.plotting.calibration import plot_calibration, plot_coverage, plot_ranks
from ltc_causal.plotting.style import VERMILLION


def made(n=200, n_parameter=5, spread=1.0, seed=0):
    """Independent parameters whose truths spread `spread` posterior sds."""
    z = spread * np.random.default_rng(seed).standard_normal((n, n_parameter))
    names = tuple(f"p{i}" for i in range(n_parameter))
    return Calibration(names, z, 0 * z, 1 + 0 * z, (z**2).sum(axis=1), "the model's prior", True, 0, 0, 0, 0, seed)


def marked(ax):
    return [to_hex(bar.get_facecolor()) == VERMILLION.lower() for bar in ax.patches if bar.get_height() > 0 and bar.get_width() < 1]


def test_bars_count_the_ranks():
    ranks = np.array([0.01] * 30 + [0.99] * 10 + [0.5] * 20)
    ax = plot_ranks(ranks, "p0")
    heights = [bar.get_height() for bar in ax.patches if bar.get_width() < 1]
    assert sum(heights) == 60 and heights[0] == 30 and heights[-1] == 10 and ax.get_title(loc="left") == "p0"


def test_uniform_ranks_stay_in_the_band_and_piled_up_ones_do_not():
    """Of 20 bars of uniform ranks one in a hundred is marked; where 12 % lie in a bin for 5 %, that bin is."""
    assert not any(marked(plot_ranks((np.arange(200) + 0.5) / 200)))
    piled = np.concatenate([np.full(24, 0.02), np.linspace(0.06, 0.99, 176)])
    assert binom.sf(23, 200, 0.05) < 0.005 and marked(plot_ranks(piled))[0]


@pytest.mark.parametrize(("spread", "below"), [(1.5, True), (0.6, False)])
def test_coverage_lies_below_the_diagonal_when_overconfident(spread, below):
    calibration = made(spread=spread)
    ax = plot_coverage(calibration)
    curves = {line.get_label(): line.get_xydata() for line in ax.lines}
    for label in ("each parameter", "all together"):
        x, y = curves[label][1:-1].T
        assert np.mean((y < x) if below else (y > x)) > 0.9
    x, y = curves["each parameter"].T
    assert np.interp(0.9, x, y) == pytest.approx(calibration.coverage(0.9)[0], abs=0.005)


def test_one_page_with_a_histogram_for_every_parameter():
    figure = plot_calibration(made(n_parameter=5))
    shown = [ax.get_title(loc="left") for ax in figure.get_axes() if ax.get_visible()]
    assert shown == ["Coverage", "All parameters together", "p0", "p1", "p2", "p3", "p4"]
