"""The true flow's integrator against an adaptive solver, against itself with complex parameters, and in its limits."""

from dataclasses import replace

import numpy as np
import pytest
import spm_reference
from scipy.integrate import solve_ivp

import ltc_causal as lc
from ltc_causal.models import haemodynamics, true_flow

REGIONS, INPUTS = ("V1", "V5", "SPC"), ("photic", "motion")


KINDS = {
    "bilinear": {},
    "nonlinear": {"gating": {"SPC": [("V1", "V5")], "V5": [("V1", "V1"), ("V5", "V1")]}},
    "two_state": {},
    "liquid": {},
    "liquid, every option": {"gating": {"SPC": [("V1", "V5"), ("SPC", "SPC")]}, "per_edge": ["kappa", "tau", "lambda"]},
}


def _case(kind, seed=0, kappa=1.5):
    """A model with every kind of parameter, strongly driven, and parameters drawn around moderate couplings."""
    model = lc.DCM(
        REGIONS, INPUTS, [("V1", "V5"), ("V5", "V1"), ("V5", "SPC")], {"motion": [("V1", "V5"), ("V1", "V1")]}, [("photic", "V1"), ("motion", "SPC")],
        neuronal=kind.partition(",")[0], flow="true", **KINDS[kind],
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    theta = model.prior.mean + 0.1 * rng.standard_normal(len(model.prior.mean))
    for name, value in {
        "A[V1->V5]": 0.6,
        "B[motion: V1->V5]": 0.5,
        "B[motion: V1->V1]": 0.4,
        "C[photic->V1]": 5.0,
        "C[motion->SPC]": 3.0,
        "D[SPC: V1->V5]": 0.5,
        "D[V5: V1->V1]": 0.6,
        "tau[V1->V5]": 0.6,
        "lambda[V1->V5]": 0.7,
        "log_kappa": np.log(kappa),
        "log_kappa[V1->V5]": np.log(2 * kappa),
    }.items():
        if name in model.prior.names:
            theta[model.prior.index(name)] = value
    inputs = lc.Inputs.from_events({"photic": [(2, 10), (20, 8)], "motion": [(8, 9)]}, 40.0, 0.25)
    recording = lc.Recording(lc.TimeSeries(rng.standard_normal((20, 3)), 2.0, REGIONS), inputs, delays=[0.5, 1.0, 1.75])
    return model, theta, recording


def _neuronal(x, u, weights):
    """dx/dt written out from the stated equations; complex parameters pass through."""
    n = 3
    s = np.diag(weights.A) + u @ np.diagonal(weights.B, axis1=1, axis2=2)
    w = weights.A + np.tensordot(u, weights.B, 1)
    if weights.two_state:
        K = np.exp(w) / 8
        K_self, K = np.diag(K), K - np.diag(np.diag(K))
        return np.concatenate([K @ x[:n] - x[:n] / 2 - K_self * x[n:] + weights.C @ u / 16, x[:n] - x[n:]])
    if weights.D is not None:
        s = s + x @ np.diagonal(weights.D, axis1=1, axis2=2)
        w = w + np.tensordot(x, weights.D, 1)
    rate = weights.C @ u / 16 - 0.5 * np.exp(s) * x
    kappa, tau, lam = (np.broadcast_to(value, (n, n)) for value in (weights.kappa, weights.tau, weights.lambda_))
    for i in range(n):
        for j in range(n):
            if i != j:
                a, k, t = w[i, j] * x[j], kappa[i, j], tau[i, j]
                phi = (np.tanh(k * a - t) + np.tanh(t)) * np.cosh(t) ** 2 / k if k else a
                rate[i] += phi * (1 - lam[i, j] * x[i])
    return rate


def _flow(z, u, model, theta):
    """dz/dt of z = (neuronal states, h region by region)."""
    weights = model.weights(theta)
    transit, decay, _ = model.haemodynamic_parameters(theta)
    x, h = z[:-12], z[-12:].reshape(3, 4)
    return np.concatenate([_neuronal(x, u, weights), haemodynamics.flow(h.T, x[:3], transit, decay).T.ravel()])


def _size(model):
    return 18 if model.neuronal == "two_state" else 15


def _signal(course, bins, model, theta):
    _, _, epsilon = model.haemodynamic_parameters(theta)
    h = course[:, -12:].reshape(len(course), 3, 4)
    return np.stack([haemodynamics.bold(h[bins[:, i], i, 2], h[bins[:, i], i, 3], epsilon, 0.04) for i in range(3)], axis=1)


def _bins(recording):
    dt, udt = recording.series.dt, recording.inputs.dt
    scan = np.arange(20)[:, None] * round(dt / udt)
    return scan + np.round(recording.delays / udt).astype(int)[None] - 1


@pytest.mark.parametrize("kind", KINDS)
def test_prediction_is_the_adaptive_solvers(kind):
    model, theta, recording = _case(kind)
    u = recording.inputs.values
    course = [np.zeros(_size(model))]
    for k in range(len(u)):
        solution = solve_ivp(lambda t, z, k=k: _flow(z, u[k], model, theta), (0, 0.25), course[-1], rtol=1e-10, atol=1e-12)
        course.append(solution.y[:, -1])
    expected = _signal(np.array(course), _bins(recording), model, theta)
    prediction, stable = model.predict(theta, model.features(recording))
    assert stable
    assert np.abs(prediction - expected).max() <= 1e-4 * np.ptp(expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_derivatives_are_a_complex_step_through_the_same_steps(kind, seed):
    model, theta, recording = _case(kind, seed)
    features = model.features(recording)
    steps = features.plan.steps

    def predicted(theta):
        z, signal = np.zeros(_size(model), dtype=theta.dtype), np.zeros((20, 3), dtype=theta.dtype)
        _, _, epsilon = model.haemodynamic_parameters(theta)
        for pair, read in zip(steps.step_pair, steps.read_scan, strict=True):
            if pair >= 0:
                u, length = steps.values[steps.pair_value[pair]], steps.pair_bins[pair] * steps.dt
                n_sub = int(np.ceil(length / true_flow.MAX_STEP - 1e-9))
                for _ in range(n_sub):
                    w = length / n_sub
                    k1 = _flow(z, u, model, theta)
                    k2 = _flow(z + w / 2 * k1, u, model, theta)
                    k3 = _flow(z + w / 2 * k2, u, model, theta)
                    k4 = _flow(z + w * k3, u, model, theta)
                    z = z + w / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            h = z[-12:].reshape(3, 4)
            for i in np.flatnonzero(read >= 0):
                signal[read[i], i] = haemodynamics.bold(h[i, 2], h[i, 3], epsilon, 0.04)
        return signal

    prediction, jacobian, _ = model.linearise(theta, features)
    np.testing.assert_allclose(prediction, predicted(theta), rtol=1e-11, atol=1e-12)
    for p in range(len(theta)):
        shifted = theta.astype(complex)
        shifted[p] += 1e-30j
        exact = predicted(shifted).imag / 1e-30
        assert np.abs(jacobian[..., p] - exact).max() <= 1e-9 * np.abs(exact).max(), model.prior.names[p]


def _extrapolated(model, features, theta, p):
    """Richardson extrapolation of central differences in one parameter: an independent way to a Jacobian, good to 1e-9."""
    e = np.eye(len(theta))[p]
    halves = []
    for step in 4e-3 / 2.0 ** np.arange(4):
        halves.append((model.predict(theta + step * e, features)[0] - model.predict(theta - step * e, features)[0]) / (2 * step))
    for order in (4, 16, 64):
        halves = [(order * fine - coarse) / (order - 1) for coarse, fine in zip(halves, halves[1:], strict=False)]
    return halves[0]


def _expanded_cases():
    """Models integrated by their expansion about rest, with parameters away from it."""
    for name in spm_reference.BILINEAR:
        model, recording, spm = spm_reference.case(name)
        yield pytest.param(model, recording, spm["posterior_mean"], id=name)
    model, theta, recording = _case("two_state")
    yield pytest.param(model.with_flow("bilinear"), recording, theta, id="two_state")


@pytest.mark.parametrize(("model", "recording", "theta"), list(_expanded_cases()))
def test_bilinear_flows_derivatives_are_central_differences_extrapolated(model, recording, theta):
    features = model.features(recording)
    jacobian = model.linearise(theta, features)[1]

    for p in range(len(theta)):
        assert np.abs(jacobian[..., p] - _extrapolated(model, features, theta, p)).max() <= 1e-9 * np.abs(jacobian[..., p]).max()


@pytest.mark.parametrize("kind", KINDS)
def test_simulated_flow_and_fitted_flow_are_one(kind):
    """The system that simulations and interventions use states the same flow as the model that is fitted."""
    model, theta, _ = _case(kind)
    rng = np.random.default_rng(1)
    x, u = rng.standard_normal(_size(model) - 12), rng.standard_normal(2)
    system = model.system(np.stack([theta, model.prior.mean]))
    np.testing.assert_allclose(
        system.flow(np.stack([x, 0 * x], axis=1), u)[:, 0], _neuronal(x, u, model.weights(theta)), rtol=1e-12, atol=1e-14
    )


def test_kappa_to_zero_is_the_bilinear_dcm():
    liquid, theta, recording = _case("liquid")
    bilinear = liquid.with_neuronal("bilinear")
    features = bilinear.features(recording)
    limit = bilinear.predict(theta[:-1], features)[0]
    errors = []
    for kappa in (0.1, 0.05, 1e-6):
        theta[-1] = np.log(kappa)
        errors.append(np.abs(liquid.predict(theta, features)[0] - limit).max())
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.02)  # second order in kappa
    assert errors[2] <= 1e-10 * np.ptp(limit)


def test_a_run_away_is_reported_not_returned_as_a_number():
    model, theta, recording = _case("bilinear")
    theta[model.prior.index("A[V1->V5]")] = theta[model.prior.index("A[V5->V1]")] = 5.0
    assert not model.predict(theta, model.features(recording))[1]


@pytest.mark.parametrize("kind", KINDS)
def test_activity_is_the_adaptive_solvers_and_its_derivatives_are_extrapolated_differences(kind):
    """Recorded activity, without haemodynamics; Richardson extrapolation of central differences is the second way to the Jacobian."""
    bold, _, recording = _case(kind)
    model = replace(bold, observation="activity", prior=None, noise=None)
    recording = replace(recording, delays=np.zeros(3))
    values = dict(zip(bold.prior.names, _case(kind)[1], strict=True))
    theta = np.array([values[name] for name in model.prior.names])
    features, u, weights = model.features(recording), recording.inputs.values, model.weights(theta)
    course = [np.zeros(_size(model) - 12)]
    for k in range(len(u)):
        solution = solve_ivp(lambda t, x, k=k: _neuronal(x, u[k], weights), (0, 0.25), course[-1], rtol=1e-10, atol=1e-12)
        course.append(solution.y[:, -1])
    expected = np.array(course)[8 * np.arange(20), :3]  # scans of 2 s, bins of .25 s, each read as it begins
    prediction, jacobian, stable = model.linearise(theta, features)
    assert stable and np.abs(prediction - expected).max() <= 2e-4 * np.ptp(expected)
    np.testing.assert_array_equal(model.predict(theta, features)[0], prediction)

    for p in range(len(theta)):
        error = np.abs(jacobian[..., p] - _extrapolated(model, features, theta, p)).max()
        assert error <= 1e-9 * max(np.abs(jacobian[..., p]).max(), 1e-3), model.prior.names[p]
    simulated = lc.simulate(model, theta, recording.inputs, dt=2.0, delays=np.zeros(3))
    np.testing.assert_allclose(simulated.series.values, prediction, rtol=1e-9, atol=1e-12)
