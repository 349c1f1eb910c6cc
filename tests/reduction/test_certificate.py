"""The certificate's numbers, against courses integrated by scipy and by `predict`; its verdicts; the same under interventions."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from strategies import TRUTH, blocks, made_fit, three_regions

import ltc_causal as lc
from ltc_causal.core.reduction import Certificate
from ltc_causal.reduction.certificate import usual_interventions
from ltc_causal.reduction.source import read_source

INPUTS = blocks(60.0, 0.25)
RECORDING = lc.simulate(three_regions(), TRUTH, INPUTS, dt=2.0, snr=5, delays=0.25)
BILINEAR = made_fit(recording=RECORDING)
LIQUID = made_fit(three_regions(neuronal="liquid"), {**TRUTH, "log_kappa": 0.5}, sd=0.0, recording=RECORDING)
PAIR = made_fit(three_regions(regions=("V1", "V5"), intrinsic=[("V1", "V5")]), {}, recording=RECORDING)
REDUCTION = lc.reduce_to_dcm(LIQUID)


def course(flow, inputs=INPUTS, held=None):
    """States as each bin begins; `held` is a region at zero."""
    x, states = np.zeros(3), []

    def rate(t, x, u):
        out = flow(x, u)
        if held is not None:
            out[held] = 0.0
        return out

    for u in inputs.values:
        states.append(x)
        x = solve_ivp(rate, (0, inputs.dt), x, args=(u,), rtol=1e-9, atol=1e-11).y[:, -1]
    return np.array(states)


def liquid_flow(x, u):
    return LIQUID.model.system(LIQUID.posterior.mean[None]).flow(np.asarray(x, float)[:, None], u)[:, 0]


def reduced_flow(x, u):
    c = LIQUID.coupling
    return (c.A + np.tensordot(u, c.B, 1)) @ x + c.C @ u


MODEL, REDUCED = course(liquid_flow), course(reduced_flow)


def size(values):
    return np.sqrt((values**2).mean())


def test_trajectory_error_is_that_of_the_two_courses():
    certificate = REDUCTION.certificate
    assert certificate.trajectory == pytest.approx(size(REDUCED - MODEL) / size(MODEL), rel=1e-3)
    by_region = np.linalg.norm(REDUCED - MODEL, axis=0) / np.linalg.norm(MODEL, axis=0)
    assert np.allclose(certificate.trajectory_by_region, by_region, rtol=1e-2, atol=1e-6)
    assert certificate.trajectory <= certificate.bound <= 6 * certificate.trajectory


@pytest.mark.parametrize("region", ["V1", "V5"])
def test_error_of_a_clamps_effect_is_that_of_the_differences(region):
    held = LIQUID.model.regions.index(region)
    effect, reduced = course(liquid_flow, held=held) - MODEL, course(reduced_flow, held=held) - REDUCED
    free = [i for i in range(3) if i != held]
    error = size((reduced - effect)[:, free]) / size(effect[:, free])
    assert REDUCTION.certificate.interventions[f"{region} clamped at 0"] == pytest.approx(error, rel=0.03)


def test_error_of_a_cut_is_what_predict_gives():
    """predict on the liquid fit, and on the bilinear one of the same parameters, which is the liquid's reduction."""
    twin = made_fit(three_regions(), TRUTH, sd=0.0, recording=RECORDING)
    do = [lc.Cut("V1", "V5"), lc.SetInput("photic", 0.7, start=20.0)]

    def effect(fit):
        usual, cut = (lc.predict(fit, one, draws=2, quantity="neuronal").draws[0] for one in ([], do))
        return cut - usual

    certificate = lc.certify(REDUCTION, LIQUID, do)
    error = size(effect(twin) - effect(LIQUID)) / size(effect(LIQUID))
    (words,) = certificate.interventions
    assert words == "V1 → V5 cut; photic set to 0.7 from 20 s"
    assert certificate.interventions[words] == pytest.approx(error, rel=0.15)  # predict reads the course every 2 s only
    assert certificate.do == tuple(do) and words in str(certificate)


def test_without_interventions_certify_repeats_the_certificate():
    again = lc.certify(REDUCTION, LIQUID)
    for name in ("residual", "trajectory", "bound", "method", "operating_point"):
        assert getattr(again, name) == getattr(REDUCTION.certificate, name)
    assert again.interventions == {} and again.state_range.tolist() == REDUCTION.certificate.state_range.tolist()


def test_numbers_are_recomputed_under_an_intervention():
    """With V1 held at zero nothing is driven, so nothing saturates."""
    silent = lc.certify(REDUCTION, LIQUID, [lc.Clamp("V1", 0.0), lc.Cut("V5", "V1")])
    assert silent.residual == silent.trajectory == 0.0
    strong = lc.certify(REDUCTION, LIQUID, [lc.SetInput("photic", 3.0)])
    assert strong.residual > 1.5 * REDUCTION.certificate.residual
    assert strong.input_range[0].tolist() == [3.0, 3.0] and strong.bound >= strong.trajectory


def test_a_reduction_used_beyond_its_range_is_said():
    within = lc.certify(REDUCTION, LIQUID, [lc.SetInput("photic", 0.5)])
    beyond = lc.certify(REDUCTION, LIQUID, [lc.SetInput("photic", 2.0)])
    other = lc.certify(REDUCTION, LIQUID, inputs=replace(INPUTS, values=1.5 * INPUTS.values))
    assert "beyond" not in str(within)
    for one in (beyond, other):
        assert "goes beyond what it was made on in V1 (" in str(one) and "photic (" in str(one)


def test_usual_interventions_are_of_regions_connections_and_inputs():
    words = [str(one) for one in usual_interventions(read_source(LIQUID))]
    assert words == [
        "V1 clamped at 0", "V5 clamped at 0", "SPC clamped at 0", "V5 → V1 cut", "V1 → V5 cut", "V5 → SPC cut", "photic set to 0",
        "motion set to 0",
    ]  # fmt: skip
    # SPC sends nothing, so holding it changes nothing that could be judged.
    assert set(words) - set(REDUCTION.certificate.interventions) == {"SPC clamped at 0"}
    assert REDUCTION.certificate.to_frame()["error"].tolist() == list(REDUCTION.certificate.interventions.values())


def test_an_input_is_off_at_zero_as_recorded_also_where_the_model_centres():
    fit = made_fit(three_regions(centre_inputs=True), recording=RECORDING)
    certificate = lc.certify(lc.reduce_to_dcm(fit, do=[]), fit, [lc.SetInput("photic", 0.0)])
    assert np.allclose(certificate.input_range[0], -INPUTS.column("photic").mean())


def test_verdict_says_error_bound_and_worst_intervention():
    certificate = REDUCTION.certificate
    worst = max(certificate.interventions, key=certificate.interventions.get)
    for number in (certificate.residual, certificate.trajectory, certificate.bound, certificate.interventions[worst]):
        assert f"{100 * number:.2g} %" in str(certificate)
    assert worst in str(certificate) and not certificate.refused


def test_a_reduction_that_leaves_more_than_the_flow_is_refused():
    steep = made_fit(LIQUID.model, {**TRUTH, "log_kappa": 3.0}, recording=RECORDING)
    taylor, projected = (lc.reduce_to_dcm(steep, method, do=[]).certificate for method in (lc.Taylor(), lc.Projection(draws=20)))
    assert taylor.residual > 1 and taylor.refused and str(taylor).startswith("Do not use the Taylor reduction at rest here: rho = ")
    assert not projected.refused and projected.residual < 0.5 * taylor.residual


def test_a_reduced_course_that_explodes_is_refused():
    """Strong excitation both ways, kept in bounds by saturation alone."""
    loop = {**TRUTH, "A[V1->V5]": 1.0, "A[V5->V1]": 1.0, "log_kappa": 1.0}
    certificate = lc.reduce_to_dcm(made_fit(LIQUID.model, loop, recording=RECORDING)).certificate
    assert certificate.refused and "Do not use" in str(certificate) and certificate.trajectory == certificate.bound == np.inf
    assert set(certificate.interventions.values()) == {np.inf}


@pytest.mark.parametrize(
    ("residual", "trajectory", "refused"),
    [(0.5, 0.5, False), (1.2, 0.5, True), (0.5, np.inf, True), (np.nan, np.nan, True), (0.0, 0.0, False)],
)
def test_refusal_goes_by_residual_and_course(residual, trajectory, refused):
    flat = np.zeros((1, 2))
    assert Certificate(residual, flat[0], trajectory, flat[0], 1.0, {}, flat, flat, "", "", (), "").refused is refused


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: lc.certify(REDUCTION, PAIR, []), "give the source"),
        (lambda: lc.certify(REDUCTION, LIQUID, [lc.Clamp("V6")]), "Unknown region 'V6'"),
        (lambda: lc.reduce_to_dcm(LIQUID, do=[lc.SetInput("V1", 1.0)]), "names a region"),
        (lambda: replace(REDUCTION, constant=np.zeros(2)), r"must have shape \(3,\)"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call()
