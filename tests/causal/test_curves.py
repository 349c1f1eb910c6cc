"""Courses of effects in time: closed forms of a two-region chain, integration step by step, and what they end in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from strategies import INPUTS, REGIONS, made_fit, stable_matrix

import ltc_causal as lc
from ltc_causal.causal.curves import effect_curve
from ltc_causal.causal.effects import sensitivity, total_effect
from ltc_causal.core.effect import EffectStatus

FIT = made_fit(sd=0.01)


def plain(A, C=None):
    n = len(A)
    C = np.zeros((n, 1)) if C is None else C
    return lc.Coupling(A, np.zeros((C.shape[1], n, n)), C, REGIONS[:n], INPUTS[: C.shape[1]])


def chain(a=0.5, b=0.9, c=0.4):
    return plain(np.array([[-a, 0], [c, -b]]))


def test_a_chains_impulse_peaks_where_the_two_decays_cross():
    """x = c (e^{-at} - e^{-bt}) / (b - a), at its largest at ln(b / a) / (b - a)."""
    a, b, c = 0.5, 0.9, 0.4
    made = effect_curve(chain(a, b, c), "V1", "V5")
    course = c * (np.exp(-a * made.times) - np.exp(-b * made.times)) / (b - a)
    assert np.allclose(made.value, course, atol=1e-12)
    latency = np.log(b / a) / (b - a)
    assert made.latency.value == pytest.approx(latency, rel=5e-4)
    peak = c * (np.exp(-a * latency) - np.exp(-b * latency)) / (b - a)
    assert made.peak.value == pytest.approx(peak, rel=1e-5)
    half = latency + made.half_time.value
    assert c * (np.exp(-a * half) - np.exp(-b * half)) / (b - a) == pytest.approx(peak / 2, rel=1e-3)
    assert made.total.value == pytest.approx(c / (a * b))
    assert made.peak.lower is None and made.status is EffectStatus.OK


def test_an_impulse_at_the_source_itself_decays_from_the_start():
    made = effect_curve(chain(a=0.5), "V1", "V1")
    assert made.peak.value == 1.0 and made.latency.value == 0.0
    assert made.half_time.value == pytest.approx(np.log(2) / 0.5, rel=1e-3)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_courses_are_those_of_the_system_integrated(seed, n):
    rng = np.random.default_rng(seed)
    A, C = stable_matrix(rng, n), rng.normal(size=(n, 1))
    settings = dict(horizon=6.0)
    grid = np.linspace(0, 6, 401)
    options = dict(t_eval=grid, rtol=1e-10, atol=1e-12)
    kicked = solve_ivp(lambda t, x: A @ x, (0, 6), np.eye(n)[0], **options).y[1]
    driven = solve_ivp(lambda t, x: A @ x + C[:, 0], (0, 6), np.zeros(n), **options).y[1]
    held = solve_ivp(lambda t, x: np.array([0, *(A @ x)[1:]]), (0, 6), np.eye(n)[0], **options).y[1]
    for source, kind, course in (("V1", "impulse", kicked), ("photic", "step", driven), ("V1", "clamp", held)):
        made = effect_curve(plain(A, C), source, "V5", kind, **settings)
        assert np.allclose(made.times, grid) and np.allclose(made.value, course, atol=1e-8)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_the_area_under_an_impulse_is_where_a_step_ends(seed, n):
    """Oracle 9, by Simpson's rule on the course, with what is still to come by the last point's exponential."""
    A = stable_matrix(np.random.default_rng(seed), n)
    slowest = -np.linalg.eigvals(A).real.max()
    made = effect_curve(plain(A), "V1", "V5", horizon=30 / slowest if slowest > 1 else 30.0 / slowest)
    step = made.times[1]
    weights = np.ones(401)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    area = step / 3 * (weights @ made.value)
    assert area == pytest.approx(-np.linalg.inv(A)[1, 0], abs=2e-3 / slowest)
    assert made.total.value == pytest.approx(-np.linalg.inv(A)[1, 0], rel=1e-9, abs=1e-12)
    after = effect_curve(plain(A), "V1", "V5", "step", horizon=40 / slowest)
    assert after.value[-1] == pytest.approx(after.total.value, rel=1e-6, abs=1e-9)


@given(seed=st.integers(0, 10**6), n=st.integers(3, 5))
def test_with_all_others_held_a_clamp_rises_exponentially(seed, n):
    """A_ij (e^{A_ii t} - 1) / A_ii."""
    A = stable_matrix(np.random.default_rng(seed), n)
    made = effect_curve(plain(A), "V1", "SPC", "clamp", holding=[REGIONS[i] for i in range(n) if i not in (0, 2)])
    assert np.allclose(made.value, A[2, 0] * (np.exp(A[2, 2] * made.times) - 1) / A[2, 2], atol=1e-10)
    assert made.half_time.value == pytest.approx(np.log(2) / -A[2, 2], rel=1e-3)
    assert made.peak.value is None and made.peak.status is EffectStatus.NOT_REACHED  # it only rises


def test_an_oscillating_step_overshoots():
    """x'' + 2 z w x' + w^2 x = w^2: overshoot e^{-pi z / sqrt(1 - z^2)}, at pi / (w sqrt(1 - z^2))."""
    w, z = 2.0, 0.3
    A = np.array([[-2 * z * w, -(w**2)], [1.0, 0.0]])
    made = effect_curve(plain(A), "V1", "V5", "step", horizon=10)
    damped = np.sqrt(1 - z**2)
    assert made.total.value == pytest.approx(1 / w**2)
    assert made.peak.value == pytest.approx((1 + np.exp(-np.pi * z / damped)) / w**2, rel=1e-5)
    assert made.latency.value == pytest.approx(np.pi / (w * damped), rel=1e-3)


def test_bands_follow_the_posterior():
    made = effect_curve(FIT, "V1", "SPC", "clamp", draws=4000, horizon=60.0, inputs={"motion": 1.0})
    final = total_effect(FIT, "V1", "SPC", draws=4000, inputs={"motion": 1.0})
    delta = sensitivity(FIT, "V1", "SPC", inputs={"motion": 1.0}).attrs["sd"]
    assert made.sd[-1] == pytest.approx(final.sd, rel=1e-3) and made.sd[-1] == pytest.approx(delta, rel=0.05)
    assert (made.lower[-1], made.upper[-1]) == pytest.approx((final.lower, final.upper), rel=1e-3)
    assert made.mean[-1] == pytest.approx(final.mean, rel=1e-3) and made.total.lower == final.lower
    half = np.interp(made.half_time.value, made.times, made.value) / made.total.value
    assert half == pytest.approx(0.5, abs=1e-3) and made.half_time.sd > 0
    assert len(made.to_frame()) == 401 and list(made.to_frame().columns) == ["time", "value", "mean", "sd", "lower", "upper"]
    assert str(made).count("\n") == 3


def test_without_a_path_the_course_is_exactly_zero():
    made = effect_curve(FIT, "SPC", "V1")
    assert not made.value.any() and not made.draws.any() and made.status is EffectStatus.NO_PATH
    assert made.peak.value == made.total.value == made.total.upper == 0.0
    assert effect_curve(FIT, "V1", "SPC", holding=["V5"]).status is EffectStatus.NO_PATH


def test_an_unstable_system_has_no_course():
    loop = plain(np.array([[-0.5, 0.8], [0.8, -0.5]]))
    made = effect_curve(loop, "V1", "V5")
    assert np.isnan(made.value).all() and made.status is EffectStatus.NO_EQUILIBRIUM
    assert made.peak.value is None and made.total.value is None and made.total.status is EffectStatus.NO_EQUILIBRIUM
    assert effect_curve(loop, "V1", "V5", "clamp").total.value == pytest.approx(1.6)  # with V1 held, the rest is stable


def test_unstable_draws_are_counted():
    fit = made_fit(truth={"A[V1->V5]": 0.4, "A[V5->V1]": 0.4, "C[photic->V1]": 1.0}, sd=0.1, recording=FIT.recording)
    made = effect_curve(fit, "photic", "V5", "step", draws=500)
    assert 0 < made.unstable == np.isnan(made.draws[:, -1]).mean() == made.total.unstable
    assert np.array_equal(np.isnan(made.draws[:, -1]), np.isnan(made.total.draws)) and np.isfinite(made.mean).all()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: effect_curve(FIT, "V1", "V5", "pulse"), "must be one of"),
        (lambda: effect_curve(FIT, "photic", "V5", "clamp"), "cannot clamp the input"),
        (lambda: effect_curve(FIT, "V1", "V5", horizon=0), "positive number of seconds"),
        (lambda: effect_curve(FIT, "V1", "V1", "clamp"), "two different nodes"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call()
