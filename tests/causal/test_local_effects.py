"""Effects past what is held, mediated, of one connection, about a state, and what they hang on: closed forms and second algorithms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from strategies import INPUTS, REGIONS, couplings, made_fit, stable_matrix, three_regions

import ltc_causal as lc
from ltc_causal.causal.effects import connection_contribution, direct_effect, mediated_effect, sensitivity, total_effect
from ltc_causal.core.effect import EffectStatus

FIT = made_fit(sd=0.01)


def plain(A, C=None, B=None, D=None):
    n = len(A)
    C = np.zeros((n, 1)) if C is None else C
    B = np.zeros((C.shape[1], n, n)) if B is None else B
    return lc.Coupling(A, B, C, REGIONS[:n], INPUTS[: C.shape[1]], D)


def random_matrix(seed, n, density=1.0):
    return stable_matrix(np.random.default_rng(seed), n, density)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_a_drive_is_a_column_of_the_inverse_and_a_clamp_a_ratio_of_two(seed, n):
    A = random_matrix(seed, n)
    G = -np.linalg.inv(A)
    for i in range(n):
        for j in range(n):
            driven = total_effect(plain(A), REGIONS[j], REGIONS[i], drive=True)
            assert driven.value == pytest.approx(G[i, j], rel=1e-9, abs=1e-12) and driven.unit.endswith("drive (s)")
            if i != j:
                held = total_effect(plain(A), REGIONS[j], REGIONS[i]).value
                assert held == pytest.approx(driven.value / G[j, j], rel=1e-9, abs=1e-12)


@given(seed=st.integers(0, 10**6), n=st.integers(3, 5))
def test_held_regions_are_those_whose_equations_are_dropped(seed, n):
    """Against the same system with a stiff controller on what is held (oracle 3, the formula)."""
    A = random_matrix(seed, n)
    stiff = A.copy()
    stiff[1, 1] -= 1e8
    held = total_effect(plain(A), REGIONS[0], REGIONS[2], holding=[REGIONS[1]]).value
    assert held == pytest.approx(total_effect(plain(stiff), REGIONS[0], REGIONS[2]).value, rel=1e-6, abs=1e-6)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_the_direct_effect_is_the_equilibrium_coefficient(seed, n):
    A, rng = random_matrix(seed, n), np.random.default_rng(seed)
    C = rng.normal(size=(n, 1))
    for i in range(1, n):
        assert direct_effect(plain(A), REGIONS[0], REGIONS[i]).value == pytest.approx(-A[i, 0] / A[i, i])
        assert direct_effect(plain(A, C), "photic", REGIONS[i]).value == pytest.approx(-C[i, 0] / A[i, i])


@given(seed=st.integers(0, 10**6), n=st.integers(3, 5), time=st.floats(0.1, 5))
def test_direct_and_indirect_add_up_to_the_matrix_exponential(seed, n, time):
    """Deboeck and Preacher 2016: total e^{At}, direct e^{DADt}."""
    A = random_matrix(seed, n)
    D = np.eye(n)
    D[1, 1] = 0
    made = mediated_effect(plain(A), REGIONS[0], REGIONS[2], [REGIONS[1]], time=time)
    assert made.direct.value == pytest.approx(expm(D @ A @ D * time)[2, 0], rel=1e-9, abs=1e-12)
    assert made.direct.value + made.indirect.value == pytest.approx(expm(A * time)[2, 0], rel=1e-9, abs=1e-12)
    assert made.total.value == pytest.approx(expm(A * time)[2, 0], rel=1e-9, abs=1e-12)


def test_along_a_chain_all_is_mediated_and_beside_it_nothing():
    A = np.array([[-0.5, 0, 0, 0], [0.4, -0.6, 0, 0], [0, 0.3, -0.7, 0], [0.2, 0, 0, -0.4]])
    by_v5 = mediated_effect(plain(A), "V1", "SPC", ["V5"])
    assert by_v5.indirect.value == pytest.approx(0.4 * 0.3 / (0.6 * 0.7)) and by_v5.direct.status is EffectStatus.NO_PATH
    assert by_v5.indirect.value == by_v5.total.value
    beside = mediated_effect(plain(A), "V1", "FEF", ["V5"])
    assert beside.indirect.value == 0.0 and beside.indirect.status is EffectStatus.NO_PATH
    assert beside.direct.value == beside.total.value == pytest.approx(0.5)
    assert list(by_v5.to_frame()["part"]) == ["total", "direct", "indirect"] and str(by_v5).count("\n") == 2


def test_mediated_parts_add_up_in_every_draw():
    made = mediated_effect(FIT, "V1", "SPC", ["V5"], time=2.0, seed=3)
    assert made.direct.status is EffectStatus.NO_PATH
    assert np.allclose(made.indirect.draws, made.total.draws, rtol=1e-12)
    c = FIT.coupling.A
    assert made.total.value == pytest.approx(expm(2 * c)[2, 0])


@given(seed=st.integers(0, 10**6), n=st.integers(3, 5))
def test_a_connections_contribution_is_the_rank_one_update(seed, n):
    """With G = -A^-1 and A' = A - a e_k e_l', G - G' = a G_k' column times row over 1 + a G_lk (Sherman and Morrison 1950)."""
    A = random_matrix(seed, n)
    G, (k, l) = -np.linalg.inv(A), (2, 1)
    change = A[k, l] * np.outer(G[:, k], G[l]) / (1 + A[k, l] * G[l, k])
    for i in range(n):
        made = connection_contribution(plain(A), REGIONS[0], REGIONS[i], (REGIONS[l], REGIONS[k]), drive=True).value
        assert made == pytest.approx(change[i, 0], rel=1e-7, abs=1e-11)


def test_the_only_way_contributes_all_and_another_nothing():
    whole = total_effect(FIT, "V1", "SPC")
    only = connection_contribution(FIT, "V1", "SPC", ("V5", "SPC"))
    assert only.value == whole.value and only.lower == whole.lower
    first = connection_contribution(FIT, "V1", "SPC", ("V1", "V5"))  # out of the region that is held
    assert first.value == whole.value
    none = connection_contribution(FIT, "V1", "SPC", ("V5", "V1"))
    assert none.value == none.sd == 0.0 and none.status is EffectStatus.NO_PATH


@given(seed=st.integers(0, 10**6))
def test_sensitivity_of_a_drive_is_the_inverse_on_either_side(seed):
    """d(-A^-1) = A^-1 dA A^-1, entry by entry."""
    A = random_matrix(seed, 3)
    G = -np.linalg.inv(A)
    names = tuple(f"A[{REGIONS[j]}->{REGIONS[i]}]" for i in range(3) for j in range(3))
    reduction = lc.Reduction(plain(A), lc.Gaussian(names, A.ravel(), 1e-4 * np.eye(9)), None)
    frame = sensitivity(reduction, "V1", "SPC", drive=True).set_index("connection")
    for i in range(3):
        for j in range(3):
            made = frame.loc[f"A[{REGIONS[j]}->{REGIONS[i]}]", "derivative"]
            assert made == pytest.approx(G[2, i] * G[j, 0], rel=1e-6, abs=1e-8)
    assert frame["share"].sum() == pytest.approx(1)
    assert frame.attrs["sd"] == pytest.approx(0.01 * np.linalg.norm(np.outer(G[2], G[:, 0])), rel=1e-6)


@pytest.mark.parametrize(("source", "drive"), [("V1", False), ("V1", True), ("photic", False)])
def test_the_delta_method_agrees_with_draws(source, drive):
    under = {"photic": 1.0, "motion": 1.0}
    frame = sensitivity(FIT, source, "SPC", inputs=under, drive=drive)
    drawn = total_effect(FIT, source, "SPC", inputs=under, drive=drive, draws=6000)
    assert drawn.sd == pytest.approx(frame.attrs["sd"], rel=0.05)
    assert drawn.mean == pytest.approx(drawn.value, rel=0.01)
    assert "B[motion: V1->V5]" in set(frame["connection"][frame["share"] > 1e-6])


def test_an_effect_as_wide_as_its_prior_is_marked_so():
    """Two fits that differ in their posterior alone: as the prior, and a third of its sd."""
    model = three_regions()
    wide = made_fit(model, truth={"A[V1->V5]": 0.2, "A[V5->SPC]": 0.2}, recording=FIT.recording)
    narrow = lc.Gaussian(wide.posterior.names, wide.posterior.mean, model.prior.cov / 9)
    prior = lc.Gaussian(wide.posterior.names, wide.posterior.mean, model.prior.cov)
    statuses = []
    for posterior in (prior, narrow):
        fit = lc.Fit(**{**vars(wide), "posterior": posterior})
        statuses.append(total_effect(fit, "V5", "SPC").status)
    assert statuses == [EffectStatus.NOT_INFORMED, EffectStatus.OK]
    assert not statuses[0].ok and statuses[1].ok


@given(coupling=couplings(most_regions=4), seed=st.integers(0, 10**6))
def test_about_a_state_the_jacobian_is_the_flows_derivative(coupling, seed):
    """With gating, against differences of F(x, u) = (A + sum u B + sum x D) x + C u about the state."""
    rng, n = np.random.default_rng(seed), len(coupling.regions)
    coupling = lc.Coupling(coupling.A, coupling.B, coupling.C, coupling.regions, coupling.inputs, 0.1 * rng.normal(size=(n, n, n)))
    x, u = 0.2 * rng.normal(size=n), np.zeros(len(coupling.inputs))
    u[0] = 0.3

    def flow(x, u):
        return (coupling.A + np.tensordot(u, coupling.B, 1) + np.tensordot(x, coupling.D, 1)) @ x + coupling.C @ u

    step = 1e-6
    J = np.stack([(flow(x + step * e, u) - flow(x - step * e, u)) / (2 * step) for e in np.eye(n)], axis=1)
    c = (flow(x, u + step * np.eye(len(u))[0]) - flow(x, u - step * np.eye(len(u))[0])) / (2 * step)
    if np.linalg.eigvals(J).real.max() > -0.05:
        return
    about = dict(inputs={coupling.inputs[0]: 0.3}, state=dict(zip(coupling.regions, x, strict=True)))
    made = [total_effect(coupling, coupling.inputs[0], region, **about).value for region in coupling.regions]
    assert np.allclose(made, -np.linalg.solve(J, c), rtol=1e-4, atol=1e-6)
    driven = [total_effect(coupling, coupling.regions[0], region, drive=True, **about).value for region in coupling.regions]
    assert np.allclose(driven, -np.linalg.inv(J)[:, 0], rtol=1e-4, atol=1e-6)


def test_of_a_liquid_fit_the_jacobian_about_a_state_is_the_models_own():
    """Against differences of the flow of its system, synapses saturating."""
    model = three_regions(neuronal="liquid")
    truth = {"A[V1->V5]": 0.4, "A[V5->V1]": -0.2, "A[V5->SPC]": 0.35, "C[photic->V1]": 1.0, "log_kappa": 0.5}
    truth = {name: value for name, value in truth.items() if name in model.prior.names}
    fit = made_fit(model, truth, recording=FIT.recording, sd=0.01)
    system, x, u = model.system(fit.posterior.mean[None]), np.array([0.5, 0.3, -0.2]), np.array([0.2, 0.0])
    step = 1e-5
    J = np.stack([(system.flow((x + step * e)[:, None], u) - system.flow((x - step * e)[:, None], u))[:, 0] for e in np.eye(3)], axis=1)
    G = -np.linalg.inv(J / (2 * step))
    about = dict(inputs={"photic": 0.2}, state={"V1": 0.5, "V5": 0.3, "SPC": -0.2})
    made = [total_effect(fit, "V1", region, drive=True, draws=50, **about).value for region in REGIONS[:3]]
    assert np.allclose(made, G[:, 0], rtol=1e-6)
    assert abs(made[2] / total_effect(fit, "V1", "SPC", drive=True, draws=50).value - 1) > 0.01  # at rest it is another


def test_held_regions_stay_out_also_in_a_simulation():
    A = random_matrix(5, 4)
    x = solve_ivp(lambda t, x: np.array([0, (A @ x)[1], 0, (A @ x)[3]]), (0, 300), [1.0, 0, 0, 0], rtol=1e-10, atol=1e-12).y[:, -1]
    made = [total_effect(plain(A), "V1", region, holding=["SPC"]).value for region in ("V5", "FEF")]
    assert np.allclose(made, x[[1, 3]], atol=1e-8)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: total_effect(FIT, "V1", "V5", holding=["V1"]), "cannot be asked with either of them held"),
        (lambda: total_effect(FIT, "V1", "V5", holding="SPC"), r"write \['SPC'\]"),
        (lambda: total_effect(FIT, "V1", "V5", holding=["SPD"]), "did you mean 'SPC'"),
        (lambda: total_effect(FIT, "V1", "V5", state={"V6": 1.0}), "Unknown region 'V6'"),
        (lambda: mediated_effect(FIT, "V1", "SPC", []), "at least one region"),
        (lambda: mediated_effect(FIT, "V1", "SPC", ["V5"], time=-1), "positive number of seconds"),
        (lambda: connection_contribution(FIT, "V1", "SPC", ("V5", "V5")), "self-connection"),
        (lambda: sensitivity(FIT.coupling, "V1", "SPC"), "no posterior"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call()
