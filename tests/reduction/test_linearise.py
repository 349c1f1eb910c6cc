"""The reduction to A, B, C: against finite differences of the flow itself, and a certificate worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from strategies import TRUTH, made_fit, three_regions

import ltc_causal as lc
from ltc_causal.core.coupling import edge_name, entry_names
from ltc_causal.reduction.expansion import Expansion

SELF = {"motion": [("V1", "V5"), ("V1", "V1")]}
RECORDING = made_fit().recording
BILINEAR = made_fit(recording=RECORDING)
LIQUID = made_fit(three_regions(neuronal="liquid"), {**TRUTH, "log_kappa": 0.5}, recording=RECORDING)
SELF_MODULATED = made_fit(three_regions(modulatory=SELF), {**TRUTH, "B[motion: V1->V1]": 0.4}, recording=RECORDING)


def flow_of(fit):
    system = fit.model.system(fit.posterior.mean[None])
    return lambda x, u: system.flow(np.asarray(x, float)[:, None], np.asarray(u, float))[:, 0]


def by_differences(flow, x, u, h=1e-4):
    """A, B, C and the second derivative in x of a flow at a point, by central differences."""
    n, m = len(x), len(u)
    ex, eu = h * np.eye(n), h * np.eye(m)

    def slope(x, u):
        return np.array([(flow(x + e, u) - flow(x - e, u)) / (2 * h) for e in ex]).T

    A = slope(x, u)
    C = np.array([(flow(x, u + e) - flow(x, u - e)) / (2 * h) for e in eu]).T
    B = np.array([(slope(x, u + e) - slope(x, u - e)) / (2 * h) for e in eu])
    second = np.array([(slope(x + e, u) - slope(x - e, u)) / (2 * h) for e in ex])  # [l, i, j] = d2F_i / dx_j dx_l
    return A, B, C, second


@pytest.mark.parametrize("fit", [BILINEAR, LIQUID, SELF_MODULATED], ids=["bilinear", "liquid", "self-modulated"])
@pytest.mark.parametrize(
    "point", [{}, {"state": {"V1": 0.4, "V5": -0.2}, "inputs": {"motion": 0.7, "photic": 0.3}}], ids=["rest", "elsewhere"]
)
def test_coefficients_are_the_derivatives_of_the_flow(fit, point):
    reduction = lc.reduce_to_dcm(fit, lc.Taylor(**point))
    x = np.array([point.get("state", {}).get(region, 0.0) for region in fit.model.regions])
    u = np.array([point.get("inputs", {}).get(name, 0.0) for name in fit.model.inputs])
    A, B, C, second = by_differences(flow_of(fit), x, u)
    c = reduction.coupling
    assert np.allclose(c.A, A, atol=1e-7) and np.allclose(c.B, B, atol=1e-6) and np.allclose(c.C, C, atol=1e-7)
    # D is gating: the flow's second derivative is D[l]_ij + D[j]_il.
    assert np.allclose(c.D + c.D.transpose(2, 1, 0), second, atol=1e-6)


def test_posterior_agrees_with_couplings_of_draws():
    """Small posterior variance: the delta method must match the spread of the coupling computed draw by draw."""
    fit = made_fit(LIQUID.model, {**TRUTH, "log_kappa": 0.5}, sd=0.01, recording=RECORDING)
    method = lc.Taylor(state={"V1": 0.3}, inputs={"motion": 1.0})
    reduction = lc.reduce_to_dcm(fit, method)
    state, u = np.array([0.3, 0, 0]), np.array([0.0, 1.0])
    draws = np.array([fit.model.edge_values(theta, state, u) for theta in fit.posterior.sample(4000, seed=0)])
    assert reduction.posterior.names == fit.model.edge_names
    sd = reduction.posterior.sd
    assert np.allclose(draws.mean(axis=0), reduction.posterior.mean, atol=1e-3)
    assert np.allclose(draws.std(axis=0), sd, rtol=0.06)
    assert np.allclose(np.corrcoef(draws.T), reduction.posterior.cov / np.outer(sd, sd), atol=0.06)


def test_posterior_mean_and_coupling_say_the_same():
    reduction = lc.reduce_to_dcm(LIQUID)
    named = {}
    for matrix in "ABC":
        values = getattr(reduction.coupling, matrix)
        named |= {edge_name(matrix, **entry_names(reduction.coupling, matrix, index)): values[index] for index in np.ndindex(*values.shape)}
    for name, mean in zip(reduction.posterior.names, reduction.posterior.mean, strict=True):
        assert named.pop(name) == pytest.approx(mean)
    assert not any(named.values())


@pytest.mark.parametrize("flow", ["bilinear", "true"])
def test_a_bilinear_model_is_its_own_reduction(flow):
    certificate = lc.reduce_to_dcm(made_fit(three_regions(flow=flow), recording=RECORDING)).certificate
    assert certificate.residual < 1e-12 and (certificate.residual_by_region < 1e-12).all()
    assert str(certificate).startswith("Exact")


def test_expanded_self_modulation_is_exact_and_the_true_one_is_not():
    truth = {**TRUTH, "B[motion: V1->V1]": 0.4}
    expanded = lc.reduce_to_dcm(made_fit(three_regions(flow="bilinear", modulatory=SELF), truth, recording=RECORDING))
    true = lc.reduce_to_dcm(SELF_MODULATED)
    assert expanded.certificate.residual < 1e-12
    # Only V1 is modulated inside an exponential; the others are exact.
    assert 0.01 < true.certificate.residual_by_region[0] < 0.3
    assert (true.certificate.residual_by_region[1:] < 1e-12).all()


def test_rho_is_what_its_formula_says():
    """rms of the difference of flows over rms of the flow, along a course integrated independently."""
    flow, c = flow_of(LIQUID), LIQUID.coupling
    inputs = RECORDING.inputs
    x, r, F = np.zeros(3), [], []
    for u in inputs.values:
        F.append(flow(x, u))
        r.append(F[-1] - c.at(dict(zip(c.inputs, u, strict=True))) @ x - c.C @ u)
        x = solve_ivp(lambda t, x, u=u: flow(x, u), (0, inputs.dt), x, rtol=1e-9, atol=1e-11).y[:, -1]
    certificate = lc.reduce_to_dcm(LIQUID).certificate
    assert certificate.residual == pytest.approx(np.linalg.norm(r) / np.linalg.norm(F), rel=1e-4)
    by_region = np.linalg.norm(r, axis=0) / np.linalg.norm(F, axis=0)
    assert np.allclose(certificate.residual_by_region, by_region, rtol=1e-4, atol=1e-12)
    assert f"rho = {certificate.residual:.3g}" in str(certificate) and certificate.operating_point == "rest"


def test_rho_falls_to_nothing_as_synapses_stop_saturating():
    fits = [made_fit(LIQUID.model, {**TRUTH, "log_kappa": value}, recording=RECORDING) for value in (0.5, -0.5, -1.5, -2.5, -8.0)]
    rho = [lc.reduce_to_dcm(fit).certificate.residual for fit in fits]
    assert (np.diff(rho) < 0).all()
    assert rho[-1] < 1e-5
    # tanh(kappa a) / kappa = a - kappa^2 a^3 / 3: a factor of e in kappa is one of e^2 in rho, while that is small.
    assert rho[3] / rho[2] == pytest.approx(np.exp(-2), rel=0.05)


@pytest.mark.parametrize(
    ("dx", "du", "order"), [((1.0, -0.5, 0.7), (0.0, 0.0), 3), ((0.0, 0.0, 0.0), (0.6, -0.8), 2)], ids=["state", "inputs"]
)
def test_expansion_errs_by_the_order_that_it_leaves_out(dx, du, order):
    """A, B, C and D hold everything up to the second order but d2F/du2."""
    flow = flow_of(LIQUID)
    x0, u0 = np.array([0.3, -0.1, 0.2]), np.array([0.5, 0.4])
    c = LIQUID.model.coupling(LIQUID.posterior.mean, x0, u0)
    sizes, errors = np.array([0.1, 0.05, 0.025, 0.0125]), []
    for size in sizes:
        to_x, to_u = size * np.array(dx), size * np.array(du)
        expanded = Expansion(c, flow(x0, u0), x0, u0).flow((x0 + to_x)[:, None], u0 + to_u)[:, 0]
        errors.append(np.abs(flow(x0 + to_x, u0 + to_u) - expanded).max())
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] == pytest.approx(order, abs=0.15)


def test_certificate_elsewhere_includes_the_constant():
    """At a point that the model's own course never sees, a liquid model's expansion is poor, and says so; a bilinear one's stays exact."""
    elsewhere = lc.Taylor(state={"V1": 0.5}, inputs={"motion": 1.0})
    assert lc.reduce_to_dcm(BILINEAR, elsewhere).certificate.residual < 1e-12
    certificate = lc.reduce_to_dcm(LIQUID, elsewhere).certificate
    assert certificate.residual > lc.reduce_to_dcm(LIQUID).certificate.residual
    assert certificate.operating_point == "V1 = 0.5, motion = 1"


def test_ranges_are_those_of_the_course():
    certificate = lc.reduce_to_dcm(BILINEAR).certificate
    assert certificate.input_range.tolist() == [[0, 1], [0, 1]]
    sure = made_fit(sd=0.0, recording=RECORDING)
    course = lc.predict(sure, draws=2, quantity="neuronal").mean
    assert (certificate.state_range[:, 1] >= course.max(axis=0) - 1e-9).all()
    assert np.allclose(certificate.state_range[:, 1], course.max(axis=0), rtol=0.05)


def test_a_model_that_is_never_driven_has_nothing_to_judge():
    inputs = replace(RECORDING.inputs, values=np.zeros_like(RECORDING.inputs.values))
    certificate = lc.reduce_to_dcm(made_fit(recording=replace(RECORDING, inputs=inputs))).certificate
    assert certificate.residual == 0.0


def test_a_course_that_explodes_is_said():
    wild = made_fit(truth={**TRUTH, "A[V1->V5]": 3.0, "A[V5->V1]": 3.0}, recording=RECORDING)
    certificate = lc.reduce_to_dcm(wild).certificate
    assert np.isnan(certificate.residual) and "leaves its bounds" in str(certificate)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: lc.reduce_to_dcm(BILINEAR, lc.Taylor(state={"V6": 1.0})), "Unknown region 'V6'"),
        (lambda: lc.reduce_to_dcm(BILINEAR, lc.Taylor(inputs={"fotic": 1.0})), "did you mean 'photic'"),
        (lambda: lc.reduce_to_dcm(BILINEAR.coupling), "needs a Fit or a dynamical system .*, got Coupling"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call()
