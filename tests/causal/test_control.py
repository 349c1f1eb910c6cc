"""Transfer functions against simulated sinusoids, Gramians against integration, least energies against optimal drives found otherwise."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad_vec, solve_ivp
from scipy.linalg import expm
from strategies import INPUTS, REGIONS, made_fit, stable_matrix, three_regions

import ltc_causal as lc
from ltc_causal.causal.control import (
    average_controllability,
    controllability_table,
    gramian,
    haemodynamic_response,
    minimal_energy,
    response_energy,
    transfer_function,
)
from ltc_causal.causal.curves import effect_curve
from ltc_causal.causal.effects import connection_contribution, mediated_effect, total_effect
from ltc_causal.core.effect import EffectStatus

FIT = made_fit(sd=0.01)


def plain(A, C=None):
    n = len(A)
    C = np.zeros((n, 1)) if C is None else C
    return lc.Coupling(A, np.zeros((C.shape[1], n, n)), C, REGIONS[:n], INPUTS[: C.shape[1]])


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_at_frequency_zero_it_is_the_sustained_effect(seed, n):
    A = stable_matrix(np.random.default_rng(seed), n)
    for clamp in (False, True):
        made = transfer_function(plain(A), "V1", "V5", [0.0], clamp=clamp)
        effect = total_effect(plain(A), "V1", "V5", drive=not clamp).value
        assert made.value[0] == pytest.approx(effect, rel=1e-9, abs=1e-12)


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), f=st.floats(0.02, 1))
def test_a_sinusoid_comes_out_with_that_gain_and_phase(seed, f):
    """The system driven by sin(2 pi f t) until the transient is gone."""
    A = stable_matrix(np.random.default_rng(seed), 3) - 0.4 * np.eye(3)
    made = transfer_function(plain(A), "V1", "SPC", [f])
    w, end = 2 * np.pi * f, 40.0
    times = np.linspace(end, end + 1 / f, 50)
    drive = np.eye(3)[0]
    x = solve_ivp(lambda t, x: A @ x + drive * np.sin(w * t), (0, times[-1]), np.zeros(3), t_eval=times, rtol=1e-9, atol=1e-12).y[2]
    assert np.allclose(x, made.gain[0] * np.sin(w * times + made.phase[0]), atol=1e-6)


def test_one_region_is_a_first_order_filter():
    """Gain 1 / sqrt(w^2 + a^2), phase -atan(w / a), and the delay at slow frequencies is the time constant."""
    f = np.array([0.001, 0.05, 0.2, 1.0])
    made = transfer_function(plain(np.diag([-0.5, -1.0])), "V1", "V1", f)
    w = 2 * np.pi * f
    assert np.allclose(made.gain, 1 / np.hypot(w, 0.5)) and np.allclose(made.phase, -np.arctan(w / 0.5))
    assert made.delay[0] == pytest.approx(2.0, rel=1e-3)
    assert list(made.to_frame().columns)[:2] == ["frequency", "gain"] and len(made.to_frame()) == 4


def test_through_the_haemodynamics_it_is_the_signal_of_a_weak_sinusoid():
    """BOLD of the true flow under a weak sinusoidal input, by the simulator; its scale is undone in the recording's units."""
    model, f, dt = three_regions(), 1 / 32, 1.0
    fit = made_fit(model, sd=0.01)
    bins = np.arange(16 * 352) / 16.0
    values = np.column_stack([1e-3 * np.sin(2 * np.pi * f * (bins + 1 / 32)), np.zeros(len(bins))])  # each bin at its middle
    theta = fit.posterior.mean
    recording = lc.simulate(model, theta, lc.Inputs(values, 1 / 16, ("photic", "motion")), dt=dt, delays=[1 / 16] * 3)
    last = recording.series.values[-32:, 2]
    phases = 2 * np.pi * f * recording.series.times[-32:]  # delays of one bin are read as the scan begins
    measured = 2 / 32 * (last @ np.exp(-1j * phases)) * 1j / 1e-3
    made = transfer_function(fit, "photic", "SPC", [f], haemodynamics=True, draws=20)
    assert made.value[0] * fit.session(0).scale == pytest.approx(measured, rel=5e-3)


def test_the_haemodynamic_response_is_what_bold_lags_by():
    f = np.array([0.001, 0.01])
    H = haemodynamic_response(FIT, "V1", f)
    lag = -np.unwrap(np.angle(H)) / (2 * np.pi * f)
    assert 3 < lag[0] < 6 and H[0].real > 0  # seconds; positive at slow frequencies


def test_bands_of_gain_and_phase_hold_the_draws():
    f = np.linspace(0, 0.5, 8)
    made = transfer_function(FIT, "V1", "SPC", f, draws=3000, probability=0.8)
    inside = (np.abs(made.draws) >= made.gain_lower) & (np.abs(made.draws) <= made.gain_upper)
    assert np.allclose(inside.mean(axis=0), 0.8, atol=0.01)
    assert (made.phase_lower[1:] < made.phase[1:]).all() and (made.phase[1:] < made.phase_upper[1:]).all()
    assert (np.diff(made.phase) < 0).all() and made.phase[-1] < -np.pi / 2  # three poles: it goes on turning


def test_no_path_and_no_equilibrium():
    made = transfer_function(FIT, "SPC", "V1", [0.1])
    assert made.gain[0] == 0.0 == made.gain_upper[0] and made.status is EffectStatus.NO_PATH
    made = transfer_function(plain(np.array([[-0.5, 0.8], [0.8, -0.5]])), "V1", "V5", [0.1])
    assert np.isnan(made.gain[0]) and np.isnan(made.gain_upper[0]) and made.status is EffectStatus.NO_EQUILIBRIUM


# --- energies ---


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 4), horizon=st.floats(0.1, 30))
def test_the_gramian_is_the_integral(seed, n, horizon):
    rng = np.random.default_rng(seed)
    A, B = stable_matrix(rng, n), rng.normal(size=(n, 2))

    def integrand(t):
        E = expm(A * t) @ B
        return E @ E.T

    assert np.allclose(gramian(A, B, horizon), quad_vec(integrand, 0, horizon)[0], rtol=1e-8, atol=1e-9)
    slowest = -np.linalg.eigvals(A).real.max()
    assert np.allclose(gramian(A, B), quad_vec(integrand, 0, 20 / slowest)[0], rtol=1e-6, atol=1e-6)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_energies_are_entries_of_the_gramian(seed, n):
    rng = np.random.default_rng(seed)
    A, C = stable_matrix(rng, n), rng.normal(size=(n, 1))
    for source, c in (("V1", np.eye(n)[:, :1]), ("photic", C)):
        W = gramian(A, c)
        made = [response_energy(plain(A, C), source, region).value for region in REGIONS[:n]]
        assert np.allclose(made, np.diag(W), rtol=1e-8, atol=1e-12)
        assert average_controllability(plain(A, C), source).value == pytest.approx(np.trace(W), rel=1e-8)


def test_one_region_holds_its_impulse_for_half_a_time_constant():
    made = average_controllability(plain(np.diag([-0.5, -2.0])), "V1")
    assert made.value == pytest.approx(1.0) and made.target == "all regions"


def test_the_table_ranks_regions():
    table = controllability_table(FIT, draws=50)
    assert set(table["source"]) == set(FIT.coupling.regions) and table["value"].is_monotonic_decreasing
    row = table.set_index("source").loc["V1"]
    assert row["value"] == pytest.approx(average_controllability(FIT.coupling, "V1").value) and row["lower"] < row["value"] < row["upper"]
    assert table["source"][2] == "SPC"  # nothing follows it


@given(seed=st.integers(0, 10**6), n=st.integers(2, 3))
def test_the_least_energy_is_that_of_the_best_drive_bin_by_bin(seed, n):
    """Against least squares over drives constant in 400 bins, all regions driven but the last."""
    A = stable_matrix(np.random.default_rng(seed), n)
    horizon, bins = 2.0, 400
    step = horizon / bins
    M = np.zeros((2 * n, 2 * n))
    M[:n, :n], M[:n, n:] = A * step, np.eye(n) * step
    F = expm(M)
    onward, gain = F[:n, :n], F[:n, n : 2 * n - 1]
    powers = [np.linalg.matrix_power(onward, bins - 1 - k) @ gain for k in range(bins)]
    R = np.concatenate(powers, axis=1)[[0, n - 1]]
    d = np.array([0.5, 1.0])
    drive = np.linalg.lstsq(R, d, rcond=None)[0]
    made = minimal_energy(plain(A), {"V1": 0.5, REGIONS[n - 1]: 1.0}, list(REGIONS[: n - 1]), horizon)
    assert made.value == pytest.approx(drive @ drive * step, rel=2e-3)


def test_what_cannot_be_driven_gets_no_number():
    made = minimal_energy(FIT, {"V1": 1.0}, ["SPC"], 5.0, draws=20)
    assert made.value is None and made.status is EffectStatus.NOT_CONTROLLABLE
    made = minimal_energy(FIT, {"SPC": 1.0}, ["photic"], 5.0, draws=400)
    assert made.status is EffectStatus.OK and made.lower < made.value < made.upper
    later = minimal_energy(FIT, {"SPC": 1.0}, ["photic"], 10.0, draws=20)
    assert later.value < made.value  # more time, less energy


def test_energy_of_an_unstable_system_is_none():
    loop = plain(np.array([[-0.5, 0.8], [0.8, -0.5]]))
    assert response_energy(loop, "V1", "V5").status is EffectStatus.NO_EQUILIBRIUM
    assert minimal_energy(loop, {"V5": 1.0}, ["V1"], 1.0).status is EffectStatus.NO_EQUILIBRIUM


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: transfer_function(FIT, "V1", "V5", [-0.1]), "must not be negative"),
        (lambda: transfer_function(FIT.coupling, "V1", "V5", [0.1], haemodynamics=True), "from a fit only"),
        (lambda: minimal_energy(FIT, {}, ["V1"], 1.0), "regions to move"),
        (lambda: minimal_energy(FIT, {"V1": 1.0}, ["V9"], 1.0), "Unknown region or input 'V9'"),
        (lambda: average_controllability(FIT, "V9"), "Unknown region or input 'V9'"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call()


@given(seed=st.integers(0, 10**6), n=st.integers(3, 6))
def test_without_a_path_nothing_arrives_by_any_measure_and_with_one_something_does(seed, n):
    """Oracle 13, over sparse random graphs, against networkx's search."""
    rng = np.random.default_rng(seed)
    A, C = stable_matrix(rng, n, density=0.3), np.zeros((n, 1))
    C[rng.integers(n), 0] = 1.0
    graph = nx.DiGraph((REGIONS[j], REGIONS[i]) for i, j in np.argwhere(A))
    graph.add_edges_from(("photic", REGIONS[i]) for i in np.flatnonzero(C))
    coupling = plain(A, C)
    for source in ("photic", REGIONS[0]):
        for target in REGIONS[1:n]:
            made = [
                total_effect(coupling, source, target).value,
                response_energy(coupling, source, target).value,
                effect_curve(coupling, source, target).peak.value,
                transfer_function(coupling, source, target, [0.1]).gain[0],
                mediated_effect(coupling, source, target, [next(r for r in REGIONS[1:n] if r != target)], time=1.0).total.value,
            ]
            if nx.has_path(graph, source, target):
                assert all(made)
            else:
                assert made == [0.0] * 5


@given(seed=st.integers(0, 10**6), n=st.integers(3, 5))
def test_relabelled_regions_give_the_same_numbers(seed, n):
    """Oracle 10."""
    rng = np.random.default_rng(seed)
    A, order = stable_matrix(rng, n), rng.permutation(n)
    there = lc.Coupling(A[np.ix_(order, order)], np.zeros((1, n, n)), np.zeros((n, 1)), [REGIONS[i] for i in order], ("photic",))
    for ask in (
        lambda c: effect_curve(c, "V1", "SPC", horizon=5.0).value,
        lambda c: transfer_function(c, "V1", "SPC", [0.1, 0.3]).value,
        lambda c: response_energy(c, "V1", "SPC").value,
        lambda c: average_controllability(c, "V1").value,
        lambda c: minimal_energy(c, {"SPC": 1.0}, ["V1", "V5"], 3.0).value,
        lambda c: mediated_effect(c, "V1", "SPC", ["V5"]).indirect.value,
        lambda c: connection_contribution(c, "V1", "SPC", ("V5", "SPC")).value,
    ):
        assert np.allclose(ask(plain(A)), ask(there), rtol=1e-8, atol=1e-12)
