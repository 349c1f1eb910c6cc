"""Spectral DCM: its spectra against closed forms, second algorithms and SPM; its derivatives; what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import spectral_networks as nets
import spm_reference
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import solve_continuous_lyapunov

import ltc_causal as lc
from ltc_causal.errors import InputError
from ltc_causal.models import haemodynamics, linear_system
from ltc_causal.models.spectral_dcm import SpectralDCM
from ltc_causal.models.spectral_features import grid
from ltc_causal.models.spectral_prediction import Resting, blood_response, driven_and_noise
from ltc_causal.models.spectral_simulation import rest_series

VARIANTS = ["corrected", "spm"]


def resting_recording(n=3, n_scan=128, seed=0, dt=2.0):
    model, rng = nets.model(n), np.random.default_rng(seed)
    return model.simulate(nets.drawn(model, rng), n_scan, dt, seed=rng)


# --- SPM ----------------------------------------------------------------------------------------------------------------------------


def test_prior_is_spms():
    model, _, spm = spm_reference.spectral_case()
    np.testing.assert_allclose(model.prior.mean, spm["prior_mean"])
    np.testing.assert_allclose(model.prior.cov, np.diag(spm["prior_variance"]))


def test_prediction_at_spms_posterior_is_spms():
    model, recording, spm = spm_reference.spectral_case()
    (features,) = model.spectral_features([recording])
    np.testing.assert_allclose(features.plan.frequencies, spm["frequencies"], rtol=1e-12)
    prediction, stable = model.predict(spm["posterior_mean"], features)
    assert stable
    assert np.abs(prediction - spm["prediction"]).max() <= 1e-12 * np.abs(spm["prediction"]).max()


# --- the equations ------------------------------------------------------------------------------------------------------------------


def test_blood_response_is_that_of_a_linear_system():
    omega = np.linspace(0.01, 1, 7)
    at = Resting(-np.eye(2), np.zeros(2), 0.0, 0.0, np.zeros(2), np.zeros(2), np.zeros(2))
    h, _ = blood_response(omega, at, 0.04)
    np.testing.assert_allclose(h, np.repeat(linear_system.transfer(omega, 0.04)[:, None], 2, axis=1), rtol=1e-12)


def test_spectra_of_white_fluctuations_add_up_to_the_stationary_covariance():
    """sum over f of G(f) df is the signal's covariance, which Lyapunov's equation gives for the network with its haemodynamics."""
    rng, n = np.random.default_rng(1), 3
    model = nets.model(n)
    theta = nets.drawn(model, rng, "prior")
    theta[model.prior.index("fluctuations[log_exponent]")] = -40.0  # white
    at = model._resting(theta)
    frequencies = (np.arange(40_000) + 0.5) * 1e-4
    driven, _ = driven_and_noise(at, frequencies, grid(512, 2.0), 0.04)
    whole = np.zeros((5 * n, 5 * n))
    whole[:n, :n] = at.J
    H = haemodynamics.rest_expansion(at.transit, at.decay)
    k1, k2, k3 = haemodynamics.signal_coefficients(at.epsilon, 0.04)
    read = np.zeros((n, 5 * n))
    for i in range(n):
        own = n + 4 * i + np.arange(4)
        whole[np.ix_(own, own)] = H[i]
        whole[own[0], i] = 1.0
        read[i, own] = [0, 0, 4 * (k2 - k3), -4 * (k1 + k2)]
    intensity = np.zeros((5 * n, 5 * n))
    intensity[:n, :n] = np.eye(n) * np.exp(at.fluctuations[0]) / 32 / 2 / 16**2  # two-sided
    P = solve_continuous_lyapunov(whole, -intensity)
    np.testing.assert_allclose(driven.real.sum(axis=0) * 1e-4, read @ P @ read.T, rtol=1e-4, atol=1e-12)


@given(st.integers(1, 3), st.sampled_from(VARIANTS), st.sampled_from(["bilinear", "liquid"]), st.integers(0, 2**31))
def test_derivatives_are_exact(n, variant, neuronal, seed):
    rng = np.random.default_rng(seed)
    model = nets.model(n, variant=variant, neuronal=neuronal, prior={"decay": (0.1, 0.0)})
    (features,) = model.spectral_features([resting_recording(n, seed=seed)])
    while True:
        theta = model.prior.sample(1, rng)[0]
        spectra, tangents, stable = model.linearise(theta, features)
        if stable:
            break
    np.testing.assert_allclose(spectra, model.predict(theta, features)[0], rtol=1e-9)
    moving = [name for name, free in zip(model.prior.names, model.prior.free, strict=True) if free and name not in model.silent]
    assert tangents.shape[2] == len(moving)
    step = 1e-4
    for p, name in enumerate(moving):
        shift = step * (np.array(model.prior.names) == name)
        near, far = (
            (model.predict(theta + k * shift, features)[0] - model.predict(theta - k * shift, features)[0]) / (2 * k * step) for k in (1, 2)
        )
        np.testing.assert_allclose(tangents[:, :, p], (4 * near - far) / 3, atol=1e-6 * np.abs(spectra).max())


@given(st.permutations(range(3)), st.sampled_from(VARIANTS), st.integers(0, 2**31))
def test_relabelling_the_regions_permutes_the_spectra(order, variant, seed):
    rng = np.random.default_rng(seed)
    model = nets.model(3, variant=variant)
    other = SpectralDCM([f"R{i}" for i in order], variant=variant)
    theta, recording = nets.drawn(model, rng), resting_recording(seed=seed)
    at = {name: value for name, value in zip(model.prior.names, theta, strict=True)}
    moved = np.array([at[name] for name in other.prior.names])
    (here,), (there,) = model.spectral_features([recording]), other.spectral_features([recording])
    permuted = np.ix_(range(len(here.measured)), order, order)
    np.testing.assert_allclose(there.measured, here.measured[permuted], atol=1e-10 * np.abs(here.measured).max())
    prediction = model.predict(theta, here)[0]
    np.testing.assert_allclose(other.predict(moved, there)[0], prediction[permuted], atol=1e-9 * np.abs(prediction).max())


def test_spectra_do_not_depend_on_kappa():
    model = nets.model(2, neuronal="liquid")
    (features,) = model.spectral_features([resting_recording(2)])
    theta = model.prior.mean.copy()
    before = model.predict(theta, features)[0]
    theta[model.prior.index("log_kappa")] += 2.0
    np.testing.assert_array_equal(model.predict(theta, features)[0], before)
    assert "log_kappa" in model.describe()


def test_coupling_is_the_network_with_decay_rates_on_the_diagonal():
    model = SpectralDCM(["V1", "V5"], intrinsic=[("V1", "V5")])
    theta = model.prior.mean.copy()
    theta[model.prior.index("A[V1->V5]")], theta[model.prior.index("A[V5->V5]")] = 0.3, np.log(1.2)
    np.testing.assert_allclose(model.coupling(theta).A, [[-0.5 * np.exp(1 / 128), 0], [0.3, -0.6]])
    assert model.coupling(theta).edge("V1", "V5") == pytest.approx(0.3)
    np.testing.assert_allclose(model.edge_values(theta), model.coupling(theta).A.T[model.intrinsic.T])


# --- recordings ---------------------------------------------------------------------------------------------------------------------


def test_simulated_recordings_have_the_spectra_that_are_stated():
    """Mean periodogram of many runs against the prediction, entry by entry within four standard errors."""
    model, runs = nets.model(2), 150
    theta = nets.drawn(model, np.random.default_rng(3))
    measured = []
    for seed in range(runs):
        (features,) = model.spectral_features([model.simulate(theta, 256, 2.0, seed=seed)])
        measured.append(features.measured / features.scale**2)
    predicted = model.predict(theta, features)[0]
    power = np.einsum("fii->fi", predicted).real
    error = np.sqrt(power[:, :, None] * power[:, None] / (runs * features.averages[:, None, None]))
    off = np.abs(np.mean(measured, axis=0) - predicted) / error
    # Below 0.015 Hz the ends of a run leak into one another.
    assert off[2:].max() < 4.5 and off[2:].mean() < 1.1


def test_the_filter_finds_the_part_of_the_signal_that_the_network_made():
    model = nets.model(2)
    theta = nets.drawn(model, np.random.default_rng(4))
    at = model._resting(theta)
    driven, noise = rest_series(at, 512, 2.0, grid(512, 2.0), 0.04, seed=0)
    recording = lc.Recording(lc.TimeSeries(driven + noise, 2.0, model.regions), lc.Inputs(np.zeros((512, 0)), 2.0, ()))
    (features,) = model.spectral_features([recording])
    scaled = replace_amplitudes(model, theta, features.scale)
    session = model.session(lc.Gaussian(model.prior.names, scaled, np.zeros((len(scaled),) * 2)), recording, features)
    truth = driven - driven.mean(axis=0)
    rest = truth - session.prediction
    assert (rest.var(axis=0) < 0.7 * noise.var(axis=0)).all()
    assert np.abs((rest * session.prediction).mean(axis=0)).max() < 0.1 * truth.var(axis=0).min()
    np.testing.assert_allclose(session.residuals + session.prediction + session.confounds, recording.series.values, atol=1e-12)


def replace_amplitudes(model, theta, scale):
    """The same network of a signal that is scaled."""
    theta = theta.copy()
    for name in ("fluctuations[log_amplitude]", "noise[log_amplitude]", *(f"noise[{region}]" for region in model.regions)):
        theta[model.prior.index(name)] += 2 * np.log(scale)
    return theta


def test_units_of_the_signal_do_not_matter():
    model, recording = nets.model(2), resting_recording(2)
    louder = replace(recording, series=replace(recording.series, values=100 * recording.series.values + 7))
    (here,), (there,) = model.spectral_features([recording]), model.spectral_features([louder])
    np.testing.assert_allclose(there.measured, here.measured, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(model.measured_spectra(louder).values, 1e4 * model.measured_spectra(recording).values, rtol=1e-9, atol=1e-12)


def test_confounds_are_removed_before_the_spectra():
    model, recording = nets.model(2), resting_recording(2)
    drift = np.column_stack([np.ones(128), np.linspace(-1, 1, 128), np.cos(np.pi * np.arange(128) / 128)])
    weights = np.array([[3.0, 1.0], [5.0, -2.0], [1.0, 4.0]])
    clean, dirty = (
        replace(recording, series=replace(recording.series, values=recording.series.values + drift @ w), confounds=drift)
        for w in (0 * weights, weights)
    )
    (here,), (there,) = model.spectral_features([clean]), model.spectral_features([dirty])
    np.testing.assert_allclose(there.measured, here.measured, rtol=1e-8, atol=1e-14)


def test_coherence_of_two_copies_is_one():
    recording = resting_recording(2)
    y = recording.series.values[:, [0, 0]]
    copies = replace(recording, series=replace(recording.series, values=y + 1e-4 * recording.series.values))
    np.testing.assert_allclose(nets.model(2).measured_spectra(copies).coherence(), 1, rtol=1e-6)


# --- words --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings", [{}, {"variant": "spm", "noise": lc.NoisePrior(5.0, 1.0)}, {"neuronal": "liquid", "prior": {"decay": (0.1, 0.0)}}]
)
def test_specification_round_trip(settings):
    model = SpectralDCM(["V1", "V5"], [("V1", "V5")], **settings)
    again = SpectralDCM.from_spec(model.to_spec())
    assert again.describe() == model.describe() and again.noise == model.noise
    np.testing.assert_array_equal(again.prior.mean, model.prior.mean)
    np.testing.assert_array_equal(again.prior.cov, model.prior.cov)


def test_a_task_is_refused():
    recording = resting_recording(2)
    task = replace(recording, inputs=lc.Inputs((np.arange(128)[:, None] % 8 < 4).astype(float), 2.0, ("photic",)))
    with pytest.raises(InputError, match="for rest, but the recording's input.*photic.*fit an lc.DCM"):
        nets.model(2).spectral_features([task])
    still = replace(recording, inputs=lc.Inputs(np.ones((128, 1)), 2.0, ("photic",)))
    nets.model(2).spectral_features([still])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: cut(r, 30), "lasts 60 s, which makes 6 frequencies between 0.0167 and 0.125 Hz, but 2 regions need at least 8"),
        (lambda r: replace(r, confounds=r.series.values[:, :1]), "The confounds explain all of the series of .'R0'."),
        (lambda r: replace(r, series=replace(r.series, dt=2000.0), inputs=replace(r.inputs, dt=2000.0)), "in seconds, not milliseconds"),
        (lambda r: replace(r, series=replace(r.series, values=r.series.values[:, [0, 0]])), "R0.*R1.*linear combinations of one another"),
    ],
)
def test_bad_recordings_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        nets.model(2).spectral_features([change(resting_recording(2))])


def test_too_few_scans_for_an_autoregression_are_refused():
    with pytest.raises(InputError, match="24 scans, but an autoregression of order 8 of 2 regions needs at least 25"):
        nets.model(2, variant="spm").spectral_features([cut(resting_recording(2), 24)])


def cut(recording, n_scan):
    series = replace(recording.series, values=recording.series.values[:n_scan])
    return lc.Recording(series, lc.Inputs(np.zeros((n_scan, 0)), 2.0, ()))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"regions": []}, "at least one region"),
        ({"regions": [f"R{i}" for i in range(21)]}, "at most 20 regions, got 21: fit an lc.RegressionDCM"),
        ({"variant": "fft"}, "variant must be one of"),
        ({"neuronal": "two_state"}, "neuronal must be one of"),
        ({"variant": "spm", "order": 1}, "order must be a whole number from 2"),
        ({"intrinsic": [("V1", "V9")]}, "Unknown target 'V9'"),
        ({"noise": lc.NoisePrior(4.0, 1.0)}, "variant='spm' only"),
        ({"order": 4}, "variant='spm' only"),
        ({"variant": "spm", "noise": 3.0}, "must be a NoisePrior"),
        ({"prior": {("V1", "V9"): (0.0, 1.0)}}, "Unknown parameter"),
        ({"prior": {"decay": 1.0}}, "must be .mean, sd."),
        ({"prior": 3.0}, "must be {connection"),
        ({"prior": lc.Gaussian(("a",), np.zeros(1), np.eye(1))}, "the model's own parameters"),
    ],
)
def test_bad_models_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        SpectralDCM(**{"regions": ["V1", "V5"], **settings})


def test_an_unstable_network_has_no_spectra():
    model, recording = nets.model(2), resting_recording(2)
    runaway = {("R0", "R1"): 2.0, ("R1", "R0"): 2.0}
    with pytest.raises(InputError, match="unstable"):
        model.simulate(runaway, 128, 2.0)
    theta = model._layout.stated_values(runaway, model.prior.mean)
    with pytest.raises(InputError, match="unstable"):
        model.predicted_spectra(theta, recording)
    assert not model.linearise(theta, model.spectral_features([recording])[0])[2]


def test_a_liquid_network_is_known_about_rest_only():
    model = nets.model(2, neuronal="liquid")
    with pytest.raises(InputError, match="about rest only"):
        model.coupling(model.prior.mean, state=np.ones(2))
