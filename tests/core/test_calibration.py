"""Calibration, on posteriors whose error is known: right ones, too narrow ones, shifted ones."""

import numpy as np
import pytest
from scipy.special import ndtr
from statsmodels.stats.proportion import proportion_confint

from ltc_causal.core.calibration import JOINT, Calibration, binomial_interval

COV = np.array([[1.0, 1.6, 0.0], [1.6, 4.0, -0.3], [0.0, -0.3, 0.25]])
NAMES = ("a", "b", "c")


def drawn(n=400, narrow=1.0, shift=(0, 0, 0), seed=3, **changes):
    """Truths drawn from N(mean, COV), and posteriors that claim `narrow` times its sds and are off by `shift` true sds."""
    rng = np.random.default_rng(seed)
    mean, sd = rng.standard_normal((n, 3)), np.sqrt(np.diag(COV))
    truth = mean + rng.multivariate_normal(np.zeros(3), COV, n)
    claimed = mean + np.array(shift) * sd
    deviation = truth - claimed
    distance = np.einsum("ri,ij,rj->r", deviation, np.linalg.inv(narrow**2 * COV), deviation)
    fields = dict(drawn_from="the model's prior", exact=True, unstable=0, set_aside=0, failed=0, scaled=0, seed=seed) | changes
    return Calibration(NAMES, truth, claimed, np.tile(narrow * sd, (n, 1)), distance, **fields)


def test_right_posteriors_pass():
    found = drawn()
    assert found.p_value > 0.05 and found.suspicious == () and found.verdict.startswith("No sign")
    share, lower, upper = found.coverage(0.9)
    assert lower < 0.9 < upper and share == pytest.approx(0.9, abs=0.03)


def test_the_test_has_its_size():
    """Right posteriors are called wrong about as seldom as the corrected p promises: 1 of 100, and here of 200 at most 6 (p < .005)."""
    assert sum(drawn(n=50, seed=seed).p_value < 0.01 for seed in range(200)) <= 6


@pytest.mark.parametrize("narrow", [0.5, 0.8, 1.5])
def test_wrong_widths_are_measured(narrow):
    """Claimed sds of `narrow` times the true ones: z spreads 1 / narrow, and intervals hold Phi's share of their true width."""
    found = drawn(n=2000, narrow=narrow)
    assert found.spread == pytest.approx(1 / narrow, rel=0.04)
    for probability, quantile in ((0.5, 0.67449), (0.9, 1.64485)):
        share, lower, upper = found.coverage(probability)
        assert share == pytest.approx(2 * ndtr(quantile * narrow) - 1, abs=0.02)
        assert lower < share < upper < lower + 0.05
    assert found.verdict.startswith("Overconfident" if narrow < 1 else "Underconfident")
    last = found.to_frame().set_index("parameter").loc[JOINT]
    assert last["z_sd"] == pytest.approx(1 / narrow, rel=0.04) and last["p_spread"] < 1e-6


def test_a_shift_is_found_where_it_is():
    found = drawn(shift=(0, 0, -0.35))
    frame = found.to_frame().set_index("parameter")
    assert found.suspicious == ("c",) and found.verdict.startswith("Uneven") and "it shows in c" in found.verdict
    assert frame.loc["c", "z_mean"] == pytest.approx(0.35, abs=0.15) and frame.loc["a", "p_ranks"] > 0.01


def test_ranks_are_the_posteriors_own():
    """Ranks and joint ranks against a count over draws from the posterior itself."""
    found, rng = drawn(n=3), np.random.default_rng(0)
    for run in range(3):
        draws = found.mean[run] + rng.multivariate_normal(np.zeros(3), COV, 40_000)
        np.testing.assert_allclose(found.ranks[run], (draws < found.truth[run]).mean(axis=0), atol=0.01)
        deviation = draws - found.mean[run]
        distances = np.einsum("ri,ij,rj->r", deviation, np.linalg.inv(COV), deviation)
        assert found.joint_ranks[run] == pytest.approx((distances < found.distance[run]).mean(), abs=0.01)


@pytest.mark.parametrize(("hits", "trials"), [(0, 20), (17, 20), (20, 20), (450, 500)])
def test_binomial_interval_agrees_with_statsmodels(hits, trials):
    np.testing.assert_allclose(binomial_interval(hits, trials), proportion_confint(hits, trials, 0.05, "beta"), atol=1e-12)


def test_the_printed_page_tells_what_happened_on_the_way():
    text = str(drawn(unstable=7, set_aside=3, failed=2, scaled=1, exact=False))
    for words in (
        "7 unstable draws",
        "3 recordings were set aside",
        "2 fits did not converge",
        "1 recordings were rescaled",
        "not promised",
        JOINT,
    ):
        assert words in text
    assert "unstable" not in str(drawn()) and "not promised" not in str(drawn())
