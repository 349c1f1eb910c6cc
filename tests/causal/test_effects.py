"""Total effects at equilibrium, against closed forms, path sums, and the system left to run."""

from itertools import permutations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from strategies import INPUTS, REGIONS, couplings, made_fit, stable_matrix

import ltc_causal as lc
from ltc_causal.core.effect import EffectStatus

FIT = made_fit(sd=0.05)


def plain(A, C=None, B=None):
    """A coupling without modulation unless given."""
    n = len(A)
    C = np.zeros((n, 1)) if C is None else C
    B = np.zeros((C.shape[1], n, n)) if B is None else B
    return lc.Coupling(A, B, C, REGIONS[:n], INPUTS[: C.shape[1]])


def unit_drives(A):
    """Each region driven by an input of its own, so that effects of inputs are the columns of -A^-1."""
    n = len(A)
    names = tuple(f"u{i}" for i in range(n))
    return lc.Coupling(A, np.zeros((n, n, n)), np.eye(n), REGIONS[:n], names)


def effect(coupling, source, target, **settings):
    return lc.total_effect(coupling, source, target, **settings).value


def scaled(A):
    """Equilibrium coefficients B_ij = -A_ij / A_ii with a zero diagonal, and the gains 1 / -A_ii."""
    gains = 1 / -np.diag(A)
    B = A * gains[:, None]
    np.fill_diagonal(B, 0)
    return B, gains


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_drive_is_the_equilibrium_model_solved(seed, n):
    """-A^-1 = (I - B)^-1 diag(1 / -A_ii) (Mooij, Janzing and Schoelkopf 2013)."""
    A = stable_matrix(np.random.default_rng(seed), n)
    B, gains = scaled(A)
    solved = np.linalg.inv(np.eye(n) - B) * gains
    made = np.array([[effect(unit_drives(A), f"u{j}", REGIONS[i]) for j in range(n)] for i in range(n)])
    assert np.allclose(made, solved, rtol=1e-9, atol=1e-12)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_clamp_is_a_ratio_of_drives(seed, n):
    """T_i = G_ij / G_jj, G = -A^-1."""
    A = stable_matrix(np.random.default_rng(seed), n)
    G = -np.linalg.inv(A)
    for i, j in permutations(range(n), 2):
        assert effect(plain(A), REGIONS[j], REGIONS[i]) == pytest.approx(G[i, j] / G[j, j], rel=1e-9, abs=1e-12)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_sum_over_simple_paths_is_the_whole(seed, n):
    """Mason: sum over simple paths p of w(p) det(I - B without p) / det(I - B), for a sparse cyclic system."""
    A = stable_matrix(np.random.default_rng(seed), n, density=0.7)
    B, gains = scaled(A)
    graph = nx.DiGraph((j, i) for i, j in np.argwhere(B))
    graph.add_nodes_from(range(n))
    for i, j in permutations(range(n), 2):
        total = 0.0
        for path in nx.all_simple_paths(graph, j, i):
            rest = [k for k in range(n) if k not in path]
            weight = np.prod([B[t, s] for s, t in zip(path[:-1], path[1:], strict=True)])
            total += weight * np.linalg.det((np.eye(n) - B)[np.ix_(rest, rest)]) / np.linalg.det(np.eye(n) - B)
        assert effect(unit_drives(A), f"u{j}", REGIONS[i]) == pytest.approx(total * gains[j], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("clamped", [False, True])
def test_the_system_left_to_run_arrives_there(clamped):
    A = stable_matrix(np.random.default_rng(7), 4)
    if clamped:
        x = solve_ivp(lambda t, x: np.array([0, *(A @ x)[1:]]), (0, 200), [1.0, 0, 0, 0], rtol=1e-10, atol=1e-12).y[:, -1]
        made = [effect(plain(A), "V1", region) for region in REGIONS[1:4]]
        assert np.allclose(made, x[1:], atol=1e-8)
    else:
        x = solve_ivp(lambda t, x: A @ x + np.eye(4)[0], (0, 200), np.zeros(4), rtol=1e-10, atol=1e-12).y[:, -1]
        made = [effect(unit_drives(A), "u0", region) for region in REGIONS[:4]]
        assert np.allclose(made, x, atol=1e-8)


@given(seed=st.integers(0, 10**6))
def test_impulse_summed_over_time_is_the_sustained_effect(seed):
    """The integral of e^{At} e_j over time is -A^-1 e_j (here by the trapezoid rule on matrix powers)."""
    A = stable_matrix(np.random.default_rng(seed), 3)
    step = 0.01
    one, x, area = expm(step * A), np.eye(3)[:, 0], np.zeros(3)
    for _ in range(12000):
        following = one @ x
        area += step * (x + following) / 2
        x = following
    made = [effect(unit_drives(A), "u0", region) for region in REGIONS[:3]]
    assert np.allclose(made, area, atol=1e-4 + 10 * np.abs(x).max())


@given(seed=st.integers(0, 10**6), n=st.integers(2, 5))
def test_local_responses_are_recovered_from_the_global_ones(seed, n):
    """Modular response analysis: -diag(R^-1)^-1 R^-1 of R = -A^-1 is B off the diagonal."""
    A = stable_matrix(np.random.default_rng(seed), n)
    R = np.array([[effect(unit_drives(A), f"u{j}", REGIONS[i]) for j in range(n)] for i in range(n)])
    inverse = np.linalg.inv(R)
    local = -inverse / np.diag(inverse)[:, None]
    np.fill_diagonal(local, 0)
    assert np.allclose(local, scaled(A)[0], atol=1e-8)


@given(coupling=couplings(), seed=st.integers(0, 1000))
def test_relabelled_regions_give_the_same_effects(coupling, seed):
    order = np.random.default_rng(seed).permutation(len(coupling.regions))
    B = coupling.B[:, order][:, :, order]
    moved = lc.Coupling(coupling.A[np.ix_(order, order)], B, coupling.C[order], tuple(coupling.regions[i] for i in order), coupling.inputs)
    for source, target in [(coupling.regions[0], coupling.regions[1]), (coupling.inputs[0], coupling.regions[1])]:
        here, there = effect(coupling, source, target), effect(moved, source, target)
        assert here == pytest.approx(there, rel=1e-9, abs=1e-12)


@given(coupling=couplings(most_regions=4), u=st.floats(-0.3, 0.3))
def test_input_effect_is_the_derivative_of_the_equilibrium(coupling, u):
    """Where an input both drives and modulates, against central differences of x*(u) = -A(u)^-1 C u."""
    name = coupling.inputs[0]

    def equilibrium(value):
        return -np.linalg.solve(coupling.at({name: value}), coupling.C[:, 0] * value)

    h = 1e-5
    slope = (equilibrium(u + h) - equilibrium(u - h)) / (2 * h)
    stable = np.linalg.eigvals(coupling.at({name: u})).real.max() < -0.05
    for i, region in enumerate(coupling.regions):
        made = effect(coupling, name, region, inputs={name: u})
        if stable:
            assert made == pytest.approx(slope[i], rel=1e-4, abs=1e-6)


def test_inputs_change_the_effect_through_modulation():
    B = np.zeros((1, 2, 2))
    B[0, 1, 0] = 0.3
    coupling = plain(np.array([[-0.5, 0], [0.4, -0.8]]), np.zeros((2, 1)), B)
    assert effect(coupling, "V1", "V5") == pytest.approx(0.4 / 0.8)
    assert effect(coupling, "V1", "V5", inputs={"photic": 2.0}) == pytest.approx(1.0 / 0.8)


def test_without_a_path_the_effect_is_exactly_zero():
    # V1 -> V5 -> SPC with a loop V5 <-> SPC: nothing leads back to V1.
    A = np.array([[-0.5, 0, 0], [0.4, -0.6, 0.1], [0, 0.3, -0.7]])
    made = lc.total_effect(plain(A), "SPC", "V1")
    assert made.value == 0.0 and made.status is EffectStatus.NO_PATH and "no directed path" in str(made)
    made = lc.total_effect(FIT, "SPC", "V1")
    assert made.value == made.sd == made.lower == made.upper == 0.0
    assert lc.total_effect(FIT, "motion", "SPC").value == 0.0  # it modulates, but nothing flows without photic


def test_a_modulating_input_acts_once_something_flows():
    made = lc.total_effect(FIT, "motion", "V5", inputs={"photic": 1.0})
    assert made.value > 0 and made.lower < made.value < made.upper
    assert lc.total_effect(FIT, "motion", "SPC", inputs={"photic": 1.0}).value > 0


@pytest.mark.parametrize(("source", "target"), [("u0", "V5"), ("SPC", "V1")])
def test_an_unstable_system_gives_a_sentence_and_no_number(source, target):
    # V1 <-> V5 grow together; without SPC they still do.
    A = np.array([[-0.5, 0.8, 0.1], [0.8, -0.5, 0.1], [0.1, 0.1, -0.5]])
    made = lc.total_effect(unit_drives(A), source, target)
    assert made.value is None and made.sd is None and made.status is EffectStatus.NO_EQUILIBRIUM
    assert "no number" in str(made)


def test_it_is_the_remaining_system_that_must_be_stable():
    """Unstable as a whole, yet with V1 held what remains is stable, and the other way round."""
    loop = np.array([[-0.5, 0.8], [0.8, -0.5]])
    assert effect(plain(loop), "V1", "V5") == pytest.approx(1.6)
    assert lc.total_effect(unit_drives(loop), "u0", "V5").value is None
    kept_down = np.array([[-1.0, 1.0], [-2.0, 0.5]])  # stable by its loop; V5 alone would grow
    assert effect(unit_drives(kept_down), "u0", "V5") == pytest.approx(-np.linalg.inv(kept_down)[1, 0])
    assert lc.total_effect(plain(kept_down), "V1", "V5").value is None


def test_uncertainty_is_that_of_the_draws():
    made = lc.total_effect(FIT, "V1", "SPC", draws=4000, seed=2, probability=0.8)
    c = FIT.coupling
    assert made.value == pytest.approx(c.edge("V1", "V5") * c.edge("V5", "SPC") / (c.edge("V5", "V5") * c.edge("SPC", "SPC")))
    # The delta method on log T = log a + log b - log(-s) - log(-r), all independent here.
    posterior = FIT.coupling_posterior
    names = ("A[V1->V5]", "A[V5->SPC]", "A[V5->V5]", "A[SPC->SPC]")
    relative = np.sqrt(sum((posterior.sd[posterior.index(name)] / posterior.mean[posterior.index(name)]) ** 2 for name in names))
    assert made.sd == pytest.approx(made.value * relative, rel=0.08)
    assert made.upper - made.lower == pytest.approx(2 * 1.2816 * made.sd, rel=0.08)
    assert made.probability_positive > 0.999 and made.unstable == 0.0
    assert str(made).startswith("Total effect V1 -> SPC: 0.5")


def test_unstable_draws_are_counted_and_set_aside():
    fit = made_fit(truth={"A[V1->V5]": 0.4, "A[V5->V1]": 0.4, "C[photic->V1]": 1.0}, sd=0.2, recording=FIT.recording)
    made = lc.total_effect(fit, "photic", "V5", draws=2000, seed=1)
    draws = fit.coupling_posterior.sample(2000, seed=1)
    column = {name: draws[:, i] for i, name in enumerate(fit.coupling_posterior.names)}
    grows = column["A[V1->V5]"] * column["A[V5->V1]"] >= column["A[V1->V1]"] * column["A[V5->V5]"]
    assert 0.02 < made.unstable == pytest.approx((grows | (column["A[SPC->SPC]"] >= 0)).mean(), abs=1e-12)
    assert f"{100 * made.unstable:.1f} %" in str(made)
    assert made.status is EffectStatus.NOT_INFORMED  # an sd of 0.2 is wider than the prior's


def test_draws_follow_the_seed():
    first, again, other = (lc.total_effect(FIT, "V1", "SPC", seed=seed) for seed in (1, 1, 2))
    assert first.lower == again.lower and first.lower != other.lower


def test_a_bare_coupling_has_an_effect_without_uncertainty():
    made = lc.total_effect(FIT.coupling, "V1", "SPC")
    assert made.value == pytest.approx(lc.total_effect(FIT, "V1", "SPC").value)
    assert made.sd is None and made.lower is None and made.probability_positive is None
    assert "[" not in str(made)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: lc.total_effect(FIT, "V1", "V6"), "Unknown region 'V6'"),
        (lambda: lc.total_effect(FIT, "fotic", "V1"), "did you mean 'photic'"),
        (lambda: lc.total_effect(FIT, "V1", "photic"), "Unknown region 'photic'"),
        (lambda: lc.total_effect(FIT, "V1", "V1"), "two different nodes"),
        (lambda: lc.total_effect(FIT, "V1", "V5", inputs={"fotic": 1}), "did you mean 'photic'"),
        (lambda: lc.total_effect(FIT, "V1", "V5", draws=1), "at least 2 draws"),
        (lambda: lc.total_effect(3, "V1", "V5"), "got int"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call()


def test_effect_of_an_input_includes_a_reductions_constant():
    """Against the difference of two equilibria of A x + u_k B[k] x + C u + F0 = 0, an input that only modulates included."""
    rng = np.random.default_rng(0)
    coupling = lc.Coupling(
        stable_matrix(rng, 2), 0.3 * rng.normal(size=(2, 2, 2)), np.array([[0.4, 0.0], [0.0, 0.0]]), ("V1", "V5"), ("photic", "motion")
    )
    constant = np.array([0.2, -0.1])
    posterior = lc.Gaussian(("A[V1->V5]",), coupling.A[1:, 0], np.zeros((1, 1)))
    reduction = lc.Reduction(coupling, posterior, None, constant)

    def equilibrium(u):
        return -np.linalg.solve(coupling.A + np.tensordot(u, coupling.B, 1), coupling.C @ u + constant)

    for k, name in enumerate(("photic", "motion")):
        step = 1e-5 * np.eye(2)[k]
        slope = (equilibrium(step) - equilibrium(-step)) / 2e-5
        for i, region in enumerate(("V1", "V5")):
            assert lc.total_effect(reduction, name, region).value == pytest.approx(slope[i], rel=1e-5)
