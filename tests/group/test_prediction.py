"""Leave-one-out prediction: found where there is something to find, calibrated, and no better than chance where there is nothing."""

import numpy as np
import pandas as pd
import pytest
from group_subjects import LinearGroup, centred, two_groups

import ltc_causal as lc
from ltc_causal.group.peb import EmpiricalBayes, peb
from ltc_causal.group.prediction import leave_one_out


def scored(seed, slope=1.0, n=10):
    x = np.random.default_rng(seed).normal(3, 2, n)
    linear = LinearGroup(centred(x), np.array([[0.5, 0.0], [slope, 0.0]]), np.full(2, 0.3), np.full(2, 2.0), seed, n_time=20)
    return x, peb(linear.fits(), pd.DataFrame({"score": x}))


def test_a_score_that_moves_a_connection_is_predicted_and_its_intervals_hold():
    inside, deviations = [], []
    for seed in range(12):
        x, group = scored(seed)
        found = leave_one_out(group, "score")
        assert np.allclose(found.observed, x)
        assert found.correlation[0] > 0.9 and found.correlation[1] < 1e-4
        inside += list((found.lower <= x) & (x <= found.upper))
        deviations += list((found.mean - x) / found.sd)
    assert abs(np.mean(inside) - 0.9) < 4 * np.sqrt(0.09 / len(inside))
    assert np.mean(np.square(deviations)) == pytest.approx(1, abs=0.35)


def test_a_score_without_an_effect_is_predicted_by_chance():
    """p of the correlation is no smaller than chance has it."""
    p = [leave_one_out(scored(seed, slope=0.0)[1], "score").correlation[1] for seed in range(12)]
    assert np.mean(np.array(p) < 0.05) <= 0.17


def test_the_prior_is_what_is_left_where_the_fit_says_nothing():
    """Of a group whose subjects do not inform the parameter, the prediction is the mean and sd of the others."""
    x = np.arange(8.0)
    linear = LinearGroup(centred(x), np.zeros((2, 1)), np.array([0.1]), np.array([1e-6]))
    found = leave_one_out(peb(linear.fits(), pd.DataFrame({"x": x})), "x")
    for k in range(8):
        others = np.delete(x, k)
        assert found.mean[k] == pytest.approx(others.mean(), abs=1e-3)
        assert found.sd[k] == pytest.approx(others.std(ddof=1), rel=1e-3)


def test_two_groups_are_told_apart():
    member, linear = two_groups(0, n=20, effect=2.0, n_time=20)
    table = pd.DataFrame({"kind": np.where(member == 1, "patient", "control")})
    found = leave_one_out(peb(linear.fits(), table), "kind[patient]")
    assert found.binary and set(found.observed) == {0.0, 1.0}
    assert found.accuracy[0] >= 0.9 and found.accuracy[1] < 1e-3
    assert ((found.mean >= 0) & (found.mean <= 1)).all()
    assert "% right" in str(found) and found.to_frame()["subject"].tolist()[0] == "1"


def test_spms_path_predicts_alike():
    member, linear = two_groups(1, n=10, effect=2.0, n_time=20)
    table = pd.DataFrame({"member": member})
    usual = leave_one_out(peb(linear.fits(), table, method=EmpiricalBayes(log_precision_variance=1 / 16)), "member")
    spm = leave_one_out(peb(linear.fits(), table, method=EmpiricalBayes(log_precision_variance=1 / 16, path="spm")), "member")
    assert np.abs(usual.mean - spm.mean).max() < 0.1


def test_bad_input_is_said_in_a_sentence():
    _, group = scored(0)
    with pytest.raises(lc.InputError, match="other than the mean"):
        leave_one_out(group, "mean")
    with pytest.raises(lc.InputError, match="Unknown covariate 'scores'"):
        leave_one_out(group, "scores")
    with pytest.raises(lc.InputError, match="more than two values"):
        leave_one_out(group, "score").accuracy  # noqa: B018
    member = np.array([0.0, 0, 0, 0, 1])
    linear = LinearGroup(centred(member), np.zeros((2, 2)), np.ones(2), np.ones(2))
    with pytest.raises(lc.InputError, match="Without subject '5' the covariate is the same"):
        leave_one_out(peb(linear.fits(), pd.DataFrame({"x": member})), "x")
