"""The usual methods against their definitions worked out another way, against statsmodels, and on series whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from statsmodels.tsa.api import VAR
from strategies import REGIONS, stable_matrix

import ltc_causal as lc
from ltc_causal.causal.baselines import (
    METHODS,
    baseline_scores,
    baseline_table,
    direction_rskew,
    direction_skew,
    direction_tanh,
    partial_correlation,
)
from ltc_causal.causal.graph_difference import area_under_curve
from ltc_causal.causal.state_space import LogarithmStatus, continuous_coupling, lagged_transition

OFF = ~np.eye(4, dtype=bool)
COUPLING = np.array([[-1.0, 0, 0, 0], [0.7, -1.0, 0, 0], [0, 0.6, -1.0, 0.5], [0, 0, 0.4, -1.0]])  # a chain and a loop; row = target


def standardised(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def diffusion(A, n_time, dt, seed, noise=0.0):
    """dx = A x dt + dW, sampled exactly every dt, and noise of so many sds of x on the observation."""
    rng, n = np.random.default_rng(seed), len(A)
    F = expm(A * dt)
    M = np.zeros((2 * n, 2 * n))
    M[:n, :n], M[:n, n:], M[n:, n:] = -A * dt, np.eye(n) * dt, A.T * dt
    Q = F @ expm(M)[:n, n:]
    root, x = np.linalg.cholesky((Q + Q.T) / 2), np.zeros((n_time, n))
    for t in range(1, n_time):
        x[t] = F @ x[t - 1] + root @ rng.standard_normal(n)
    return x + noise * x.std(axis=0) * rng.standard_normal(x.shape)


def mixed(draws, seed, signs=1.0):
    """x = W x + e at each time, e independent and not Gaussian: x1 -> x2 -> x3, x4 alone."""
    rng = np.random.default_rng(seed)
    W = np.zeros((4, 4))
    W[1, 0], W[2, 1] = 0.6 * signs, 0.5
    return standardised(draws(rng, (20000, 4)) @ np.linalg.inv(np.eye(4) - W).T)


def heavy(rng, shape):
    return rng.laplace(size=shape)


def skewed(rng, shape):
    return rng.exponential(size=shape)


# --- correlation and direction ---


def test_partial_correlation_is_that_of_residuals():
    x = np.random.default_rng(0).standard_normal((200, 4)) @ np.random.default_rng(1).standard_normal((4, 4))
    made = partial_correlation(x)
    for i, j in ((0, 1), (2, 3), (1, 3)):
        others = np.column_stack([np.ones(200), x[:, [k for k in range(4) if k not in (i, j)]]])
        residual = x - others @ np.linalg.lstsq(others, x, rcond=None)[0]
        wanted = np.corrcoef(residual[:, i], residual[:, j])[0, 1]
        assert (made[i, j], made[j, i]) == pytest.approx((wanted, wanted))


@pytest.mark.parametrize("signs", [1.0, -1.0])
@pytest.mark.parametrize(("rule", "draws"), [(direction_tanh, heavy), (direction_skew, skewed), (direction_rskew, skewed)])
def test_rules_point_from_cause_to_effect(rule, draws, signs):
    """Whatever the sign of the connection, and of the skewness."""
    for flip in (1.0, -1.0):
        made = rule(flip * mixed(draws, seed=3, signs=signs))
        assert made[1, 0] > 0.005 and made[2, 1] > 0.005
        assert np.allclose(made, -made.T)
        assert abs(made[3, 0]) < 0.002


def test_the_tanh_rule_is_its_formula():
    x = mixed(heavy, seed=1)[:500]
    x = standardised(x)
    by_hand = np.corrcoef(x.T)[1, 0] * np.mean(x[:, 0] * np.tanh(x[:, 1]) - np.tanh(x[:, 0]) * x[:, 1])
    # Hyvarinen and Smith write x -> y as r E[x tanh(y) - tanh(x) y] > 0.
    assert direction_tanh(x)[1, 0] == pytest.approx(by_hand)


def test_on_heavy_tailed_mixtures_the_rule_finds_what_correlation_cannot():
    x = mixed(heavy, seed=5)
    truth = np.zeros((4, 4), dtype=bool)
    truth[1, 0] = truth[2, 1] = True
    scores = baseline_scores(x, ["partial_correlation", "tanh"])
    assert area_under_curve(scores["tanh"][OFF], truth[OFF]) == 1.0
    assert area_under_curve(scores["partial_correlation"][OFF], truth[OFF]) < 0.95  # both directions alike
    assert scores["tanh"][0, 1] == pytest.approx(scores["tanh"][1, 0] / 2)


# --- autoregression ---


@pytest.mark.parametrize("order", [1, 2])
def test_granger_is_the_test_of_statsmodels(order):
    x = standardised(diffusion(COUPLING, 300, 0.5, seed=2))
    fitted = VAR(x).fit(order)
    made = baseline_scores(x, ["granger"], order=order)["granger"]
    for j, i in ((0, 1), (1, 0), (2, 3), (3, 0)):
        assert 10 ** -made[i, j] == pytest.approx(chi_free(fitted, i, j, order), rel=1e-6)


def chi_free(fitted, i, j, order):
    """p of statsmodels' Wald statistic, under the degrees of freedom of one equation."""
    from scipy.stats import f

    statistic = fitted.test_causality(i, j, kind="f").test_statistic
    return f.sf(statistic, order, fitted.df_resid)


def test_the_order_can_be_left_to_the_criterion():
    rng = np.random.default_rng(0)
    x = np.zeros((800, 2))
    for t in range(2, 800):
        x[t] = [0.3 * x[t - 1, 0], 0.7 * x[t - 2, 0] + 0.2 * x[t - 1, 1]] + rng.standard_normal(2)
    chosen, one = (baseline_scores(x, ["granger", "var"], order=order) for order in (None, 1))
    assert chosen["granger"][1, 0] > 50 and chosen["granger"][0, 1] < 3
    assert chosen["var"][1, 0] == pytest.approx(0.7 * x[:, 0].std() / x[:, 1].std(), rel=0.1)
    assert one["granger"][1, 0] < chosen["granger"][1, 0]


def test_on_a_diffusion_the_lagged_methods_find_the_connections():
    truth = (COUPLING != 0) & OFF
    scores = baseline_scores(diffusion(COUPLING, 20000, 0.25, seed=4), dt=0.25)
    for method in ("var", "granger", "var_continuous", "state_space"):
        assert area_under_curve(scores[method][OFF], truth[OFF]) == 1.0, method


def test_in_continuous_time_absent_connections_vanish():
    """The transition over a second has an entry for every path; its logarithm has not."""
    x = diffusion(COUPLING, 40000, 1.0, seed=6)
    F = VAR(x).fit(1).coefs[0]
    A = continuous_coupling(F, 1.0).A
    assert F[2, 0] > 0.05 and abs(A[2, 0]) < 0.02
    assert np.allclose(A, COUPLING, atol=0.08)


def test_noise_on_the_observation_does_not_bias_the_state_space():
    x = diffusion(COUPLING, 40000, 0.5, seed=7, noise=0.7)
    F = expm(COUPLING * 0.5)
    plain, made = VAR(x).fit(1).coefs[0], lagged_transition(x)
    assert np.abs(made - F).max() < 0.06 < np.abs(plain - F).max() / 2


# --- continuous time ---


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5), dt=st.floats(0.1, 1.0))
def test_the_logarithm_undoes_the_exponential(seed, n, dt):
    A = stable_matrix(np.random.default_rng(seed), n)
    if np.abs(np.linalg.eigvals(A).imag).max() * dt > 0.7 * np.pi:
        return
    made = continuous_coupling(expm(A * dt), dt)
    assert np.allclose(made.A, A, rtol=1e-5, atol=1e-6) and made.status is LogarithmStatus.OK


def rotation(hertz, decay=0.3):
    w = 2 * np.pi * hertz
    return np.array([[-decay, -w], [w, -decay]])


def test_a_rotation_too_fast_for_the_sampling_is_warned_of():
    slow, near, beyond = (continuous_coupling(expm(rotation(hertz)), 1.0) for hertz in (0.2, 0.45, 0.7))
    assert slow.status is LogarithmStatus.OK and np.allclose(slow.A, rotation(0.2)) and slow.fastest == pytest.approx(0.4)
    assert near.status is LogarithmStatus.ALIASED and near.fastest == pytest.approx(0.9) and not near.status.ok
    assert not np.allclose(beyond.A, rotation(0.7))  # 0.7 Hz comes back as -0.3 Hz, and nothing in F tells
    assert np.allclose(beyond.A, rotation(-0.3))


def test_a_negative_eigenvalue_has_no_real_rate():
    made = continuous_coupling(np.diag([0.5, -0.4]), 1.0)
    assert made.status is LogarithmStatus.NO_REAL_LOGARITHM and "too slow" in str(made.status)
    assert made.A[0, 0] == pytest.approx(np.log(0.5)) and np.isfinite(made.A).all()
    assert continuous_coupling(np.diag([0.5, 0.0]), 1.0).status is LogarithmStatus.NO_REAL_LOGARITHM


# --- the table ---


def recording(seed=0):
    rng = np.random.default_rng(seed)
    x = diffusion(COUPLING, 300, 0.5, seed=8)
    drift = np.column_stack([np.ones(300), np.linspace(-1, 1, 300)])
    inputs = lc.Inputs(np.zeros((300, 1)) + (np.arange(300) % 10 < 5)[:, None], 0.5, ("u",))
    return x, drift, inputs, drift @ rng.normal(0, 5, (2, 4))


def test_the_table_has_a_row_a_pair_and_says_what_the_matrices_say():
    x, drift, inputs, wandering = recording()
    table, scores = baseline_table(x, dt=0.5, regions=REGIONS[:4]), baseline_scores(x, dt=0.5)
    assert list(table.columns) == ["source", "target", *METHODS] and len(table) == 12
    for row in table.to_dict("records"):
        i, j = REGIONS.index(row["target"]), REGIONS.index(row["source"])
        assert all(row[method] == matrix[i, j] for method, matrix in scores.items())
    assert list(baseline_table(x, ["var"])["source"][:3]) == ["x1"] * 3


def test_a_recordings_confounds_are_taken_out():
    x, drift, inputs, wandering = recording()
    cleaned = x - drift @ np.linalg.lstsq(drift, x, rcond=None)[0]
    run = lc.Recording(lc.TimeSeries(cleaned + wandering, 0.5, REGIONS[:4]), inputs, drift)
    with_it, without = baseline_table(run), baseline_table(lc.TimeSeries(cleaned, 0.5, REGIONS[:4]))
    assert with_it["source"].tolist() == without["source"].tolist()
    for method in METHODS:
        assert np.allclose(with_it[method], without[method], rtol=1e-6, atol=1e-9)


@settings(max_examples=10)
@given(seed=st.integers(0, 10**4))
def test_relabelling_permutes_every_score(seed):
    x = recording()[0]
    order = np.random.default_rng(seed).permutation(4)
    here, there = baseline_scores(x), baseline_scores(x[:, order])
    for method in METHODS:
        assert np.allclose(there[method], here[method][np.ix_(order, order)], rtol=1e-6, atol=1e-9), method


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda x: baseline_table(x, ["pearson"]), "must be one of"),
        (lambda x: baseline_table(x[:9]), "too few"),
        (lambda x: baseline_table(x, order=0), "whole number of lags"),
        (lambda x: baseline_table(x * [1, 0, 1, 1]), "never changes"),
        (lambda x: baseline_table(x, regions=["a"]), "must give 4 names"),
        (lambda x: baseline_table(x[:, 0]), r"shape \(time, region\)"),
        (lambda x: continuous_coupling(x, 1.0), "must be square"),
        (lambda x: lagged_transition(x[:8]), "too few"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call(recording()[0])
