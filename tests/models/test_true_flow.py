"""The true flow's integrator against an adaptive solver, against itself with complex parameters, and in its limits."""

import numpy as np
import pytest
import spm_reference
from scipy.integrate import solve_ivp

import ltc_causal as lc
from ltc_causal.models import haemodynamics, true_flow

REGIONS, INPUTS = ("V1", "V5", "SPC"), ("photic", "motion")


def _case(neuronal, seed=0, kappa=1.5):
    """A model with every kind of parameter, strongly driven, and parameters drawn around moderate couplings."""
    model = lc.DCM(
        REGIONS, INPUTS, [("V1", "V5"), ("V5", "V1"), ("V5", "SPC")], {"motion": [("V1", "V5"), ("V1", "V1")]}, [("photic", "V1"), ("motion", "SPC")],
        neuronal=neuronal, flow="true",
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    theta = model.prior.mean + 0.1 * rng.standard_normal(len(model.prior.mean))
    for name, value in {
        "A[V1->V5]": 0.6,
        "B[motion: V1->V5]": 0.5,
        "B[motion: V1->V1]": 0.4,
        "C[photic->V1]": 5.0,
        "C[motion->SPC]": 3.0,
    }.items():
        theta[model.prior.index(name)] = value
    if neuronal == "liquid":
        theta[-1] = np.log(kappa)
    inputs = lc.Inputs.from_events({"photic": [(2, 10), (20, 8)], "motion": [(8, 9)]}, 40.0, 0.25)
    recording = lc.Recording(lc.TimeSeries(rng.standard_normal((20, 3)), 2.0, REGIONS), inputs, delays=[0.5, 1.0, 1.75])
    return model, theta, recording


def _flow(z, u, model, theta):
    """dz/dt of z = (x, h region by region), written out from the stated equations; complex parameters pass through."""
    n = 3
    weights = model.weights(theta)
    transit, decay, _ = model.haemodynamic_parameters(theta)
    x, h = z[:n], z[n:].reshape(n, 4)
    rate = weights.C @ u / 16 - 0.5 * np.exp(np.diag(weights.A) + u @ np.diagonal(weights.B, axis1=1, axis2=2)) * x
    for i in range(n):
        for j in range(n):
            if i != j:
                a = (weights.A[i, j] + u @ weights.B[:, i, j]) * x[j]
                rate[i] += np.tanh(weights.kappa * a) / weights.kappa if weights.kappa else a
    return np.concatenate([rate, haemodynamics.flow(h.T, x, transit, decay).T.ravel()])


def _signal(course, bins, model, theta):
    _, _, epsilon = model.haemodynamic_parameters(theta)
    h = course[:, 3:].reshape(len(course), 3, 4)
    return np.stack([haemodynamics.bold(h[bins[:, i], i, 2], h[bins[:, i], i, 3], epsilon, 0.04) for i in range(3)], axis=1)


def _bins(recording):
    dt, udt = recording.series.dt, recording.inputs.dt
    scan = np.arange(20)[:, None] * round(dt / udt)
    return scan + np.round(recording.delays / udt).astype(int)[None] - 1


@pytest.mark.parametrize("neuronal", ["bilinear", "liquid"])
def test_prediction_is_the_adaptive_solvers(neuronal):
    model, theta, recording = _case(neuronal)
    u = recording.inputs.values
    course = [np.zeros(15)]
    for k in range(len(u)):
        solution = solve_ivp(lambda t, z, k=k: _flow(z, u[k], model, theta), (0, 0.25), course[-1], rtol=1e-10, atol=1e-12)
        course.append(solution.y[:, -1])
    expected = _signal(np.array(course), _bins(recording), model, theta)
    prediction, stable = model.predict(theta, model.features(recording))
    assert stable
    assert np.abs(prediction - expected).max() <= 2e-5 * np.ptp(expected)


@pytest.mark.parametrize("neuronal", ["bilinear", "liquid"])
@pytest.mark.parametrize("seed", [0, 1])
def test_derivatives_are_a_complex_step_through_the_same_steps(neuronal, seed):
    model, theta, recording = _case(neuronal, seed)
    features = model.features(recording)
    steps = features.plan.steps

    def predicted(theta):
        z, signal = np.zeros(15, dtype=theta.dtype), np.zeros((20, 3), dtype=theta.dtype)
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
            h = z[3:].reshape(3, 4)
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


@pytest.mark.parametrize("name", spm_reference.BILINEAR)
def test_bilinear_flows_derivatives_are_central_differences_extrapolated(name):
    """Richardson extrapolation of central differences: an independent check of the bilinear flow's Jacobian to 1e-9."""
    model, recording, spm = spm_reference.case(name)
    features, theta = model.features(recording), spm["posterior_mean"]
    jacobian = model.linearise(theta, features)[1]

    def central(p, step):
        e = step * np.eye(len(theta))[p]
        return (model.predict(theta + e, features)[0] - model.predict(theta - e, features)[0]) / (2 * step)

    for p in range(len(theta)):
        halves = [central(p, 4e-3 / 2**k) for k in range(4)]
        for order in (4, 16, 64):
            halves = [(order * fine - coarse) / (order - 1) for coarse, fine in zip(halves, halves[1:], strict=False)]
        assert np.abs(jacobian[..., p] - halves[0]).max() <= 1e-9 * np.abs(jacobian[..., p]).max()


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
