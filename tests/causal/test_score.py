"""Scores against formulas written out by hand, and their null against chance itself."""

import made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, pearsonr

import ltc_causal as lc
from ltc_causal.causal.score import score, score_table
from ltc_causal.core.prediction import Prediction

REGIONS = ("V1", "V5")


def prediction(change, usual=None, spread=0.5, do=(), probability=0.9):
    """A prediction whose draws lie evenly about usual + change."""
    change = np.asarray(change, dtype=float)
    usual = np.zeros_like(change) if usual is None else usual
    offsets = spread * np.linspace(-1, 1, 41)[:, None, None]
    before = made.prediction(np.broadcast_to(usual, (41, *change.shape)))
    after = made.prediction(usual + change + offsets, do, probability)
    return Prediction(**{**vars(after), "usual": before})


SMALL = prediction([[1.0, 0.0], [2.0, -1.0], [0.0, 1.0]])
SEEN = np.array([[2.0, -1.0], [1.0, -1.0], [1.0, 2.0]])


def test_by_hand():
    found = score(SMALL, SEEN)
    # d_o - d_p: (1, -1), (-1, 0), (1, 1); |d_o|^2 = 4 + 1 + 1 + 1 + 1 + 4
    assert found.error == pytest.approx(5 / 12)
    assert found.correlation == pytest.approx(pearsonr(SMALL.mean.ravel(), SEEN.ravel()).statistic)
    assert found.coverage == pytest.approx(1 / 6)  # the band is +- .45: only V5's second point lies within it
    assert found.sign_agreement == 1.0 and found.count == 6
    table = found.to_frame().set_index("region")
    assert table.loc["V1"].tolist() == pytest.approx([3 / 6, pearsonr([1, 2, 0], [2, 1, 1]).statistic, 0.0, 1.0])
    assert table.loc["V5", "error"] == pytest.approx(2 / 6) and table.loc["all", "error"] == found.error


def test_null_by_hand():
    """Three times have two shifts."""
    found = score(SMALL, SEEN)
    products = [(np.roll(SEEN, shift, axis=0) * SMALL.mean).sum() for shift in (1, 2)]
    actual = (SEEN * SMALL.mean).sum()
    assert found.p_value == (1 + sum(product >= actual for product in products)) / 3
    errors = [((np.roll(SEEN, shift, axis=0) - SMALL.mean) ** 2).sum() / 12 for shift in (1, 2)]
    assert found.null_error == pytest.approx(np.mean(errors))
    signs = [np.sign(np.roll(SEEN, shift, axis=0) * np.round(SMALL.mean)) for shift in (1, 2)]
    assert found.null_sign_agreement == pytest.approx(np.mean([(one[one != 0] > 0).mean() for one in signs]))


changes = st.integers(0, 10**6).map(lambda seed: np.random.default_rng(seed).standard_normal((30, 2)))


@given(change=changes, usual=changes)
def test_the_truth_scores_zero_no_change_scores_one_and_the_opposite_four(change, usual):
    right = score(prediction(change, usual), usual + change)
    assert right.error < 1e-25 and right.correlation == pytest.approx(1) and right.coverage == right.sign_agreement == 1.0
    assert right.p_value == 1 / 30
    nothing = score(prediction(np.zeros_like(change), usual), usual + change)
    assert nothing.error == pytest.approx(1) and np.isnan(nothing.correlation) and nothing.p_value == 1.0
    wrong = score(prediction(-change, usual), usual + change)
    assert wrong.error == pytest.approx(4) and wrong.correlation == pytest.approx(-1) and wrong.sign_agreement == 0.0


@pytest.mark.parametrize("null", ["shift", "rows"])
def test_p_values_of_predictions_by_chance_are_uniform(null):
    """With smooth courses under shifts, whose true p-values are uniform only if smoothness is kept; with white ones under rows."""
    rng = np.random.default_rng(0)
    values = []
    for seed in range(400):
        predicted, seen = rng.standard_normal((2, 100, 2))
        if null == "shift":  # in a circle, as the null moves them
            smooth = np.exp(-0.5 * (np.minimum(np.arange(100), 100 - np.arange(100)) / 4) ** 2)
            predicted, seen = (np.fft.ifft(np.fft.fft(one, axis=0) * np.fft.fft(smooth)[:, None], axis=0).real for one in (predicted, seen))
        values.append(score(prediction(predicted), seen, null=null, permutations=99, seed=seed).p_value)
    jittered = np.array(values) - rng.uniform(0, 0.01, 400)  # they lie on a grid of 1 / 100
    assert kstest(jittered, "uniform").pvalue > 0.01


def test_rows_are_no_null_for_smooth_courses():
    """Why shifts are the default: free permutations call chance significant far too often."""
    rng = np.random.default_rng(1)
    found = []
    for seed in range(200):
        predicted, seen = np.cumsum(rng.standard_normal((2, 100, 1)), axis=1)
        both = np.concatenate([predicted, predicted], axis=1), np.concatenate([seen, seen], axis=1)
        found.append(score(prediction(both[0] - both[0].mean()), both[1] - both[1].mean(), null="rows", permutations=99, seed=seed).p_value)
    assert np.mean(np.array(found) <= 0.05) > 0.2


def test_the_same_seed_gives_the_same_and_all_shifts_need_none():
    rng = np.random.default_rng(0)
    shown, seen = rng.standard_normal((2, 50, 2))
    some = [score(prediction(shown), seen, permutations=10, seed=seed).p_value for seed in (0, 0, 1, 2, 3)]
    assert some[0] == some[1] and len(set(some)) > 1
    assert score(prediction(shown), seen, seed=0).p_value == score(prediction(shown), seen, seed=9).p_value


@given(change=changes, noise=changes, seed=st.integers(0, 100))
@settings(max_examples=15)
def test_confounds_are_projected_out_of_everything(change, noise, seed):
    """What of the observation the confounds span plays no part, and neither does that part of the prediction."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(30), np.arange(30.0)])
    seen = change + 0.3 * noise

    def recorded(values):
        return lc.Recording(lc.TimeSeries(values, 2.0, REGIONS), lc.Inputs(np.zeros((30, 1)), 2.0, ("u",)), X)

    plain = score(prediction(change), recorded(seen))
    moved = score(prediction(change + X @ rng.standard_normal((2, 2))), recorded(seen + X @ rng.standard_normal((2, 2))))
    assert moved.row() == pytest.approx(plain.row(), rel=1e-9)
    out = np.eye(30) - X @ np.linalg.pinv(X)
    assert plain.error == pytest.approx(((out @ (seen - change)) ** 2).sum() / ((out @ seen) ** 2).sum())


def test_regions_are_found_by_name_and_clamped_ones_left_out():
    rng = np.random.default_rng(0)
    change = rng.standard_normal((20, 2))
    mixed = lc.TimeSeries(np.column_stack([change[:, 1], rng.standard_normal(20), change[:, 0]]), 2.0, ("V5", "SPC", "V1"))
    assert score(prediction(change), mixed).error < 1e-25
    clamped = score(prediction(change, do=[lc.Clamp("V1", 0.3)]), mixed)
    assert clamped.regions == ("V5",) and clamped.count == 20
    assert score(prediction(change, do=[lc.Clamp("V1", 0.3)]), mixed, regions=["V1"]).regions == ("V1",)


def test_another_baseline():
    base = np.full((3, 2), 0.5)
    found = score(SMALL, SEEN, base)
    assert found.error == pytest.approx(((SEEN - SMALL.mean) ** 2).sum() / ((SEEN - base) ** 2).sum())
    assert score(SMALL, SEEN, prediction(base)).error == pytest.approx(found.error)


def test_a_table_of_many():
    table = score_table({"a": SMALL, "b": prediction(SEEN)}, SEEN)
    assert table["name"].tolist() == ["a", "b"] and table["error"].tolist() == pytest.approx([5 / 12, 0])
    each = score_table({"a": SMALL, "b": SMALL}, {"a": SEEN, "b": SMALL.mean}, permutations=1)
    assert each["error"].tolist() == pytest.approx([5 / 12, 0])
    with pytest.raises(lc.InputError, match="Unknown name 'a' in score_table"):
        score_table({"a": SMALL}, {"c": SEEN})


def test_in_words():
    assert str(score(SMALL, SEEN)).startswith("Error 0.417 of that of no change")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: score(made.prediction(np.zeros((5, 3, 2))), SEEN), "needs a baseline"),
        (lambda: score(SMALL, SEEN[:2]), r"score\(observed\) has shape \(2, 2\), but the prediction 3 times of 2 regions"),
        (lambda: score(SMALL, lc.TimeSeries(SEEN, 3.0, REGIONS)), "a sample every 3 s, the prediction other times"),
        (lambda: score(SMALL, SEEN, SEEN), "observed is the baseline itself"),
        (lambda: score(SMALL, SEEN, null="times"), r"score\(null\) must be one of"),
        (lambda: score(SMALL, SEEN, permutations=0), "permutations >= 1"),
        (lambda: score(SMALL, SEEN, regions=["V6"]), "Unknown region 'V6'"),
        (lambda: score(SMALL, lc.TimeSeries(SEEN, 2.0, ("V1", "V4"))), "Unknown region 'V5'"),
        (lambda: score(prediction(SEEN, do=[lc.Clamp("V1"), lc.Clamp("V5")]), SEEN), "Every region is clamped"),
    ],
)
def test_refused(make, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        make()
