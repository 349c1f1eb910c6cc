"""The bound on a reduction's course: closed forms, integration by scipy, and random systems on which it must hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liquid_systems import liquid_source
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from strategies import stable_matrix

import ltc_causal as lc
from ltc_causal.models.intervened import under, window_edges
from ltc_causal.models.simulate import segments
from ltc_causal.reduction.bound import Metric, jacobian, logarithmic_norm, run_together
from ltc_causal.reduction.certificate import judge
from ltc_causal.reduction.expansion import Expansion
from ltc_causal.reduction.linearise import Taylor

NAMES = ("a", "b", "c", "d")


def expansion(rng, n=3, m=2, gating=0.0):
    """A stable system with modulation, and gating of that size."""
    B, C = rng.normal(0, 0.2, (m, n, n)), rng.normal(0, 0.5, (n, m))
    D = gating * rng.normal(0, 1, (n, n, n))
    coupling = lc.Coupling(stable_matrix(rng, n), B, C, NAMES[:n], ("u", "v")[:m], D)
    return Expansion(coupling, np.zeros(n), np.zeros(n), np.zeros(m))


def changed(rng, system, size):
    """The same with every coefficient a little off."""
    c = system.coupling
    A, B, C, D = (values * (1 + size * rng.normal(size=values.shape)) for values in (c.A, c.B, c.C, c.D))
    coupling = lc.Coupling(A, B, C, c.regions, c.inputs, D)
    return Expansion(coupling, 0.05 * size * rng.normal(size=len(A)), system.state, system.point)


def inputs_of(rng, m=2, n_bin=120, dt=0.25):
    values = np.repeat(rng.uniform(-1, 1, (n_bin // 20, m)), 20, axis=0)
    return lc.Inputs(values, dt, ("u", "v")[:m])


def together(model, reduced, inputs, do=()):
    means, reads = dict.fromkeys(inputs.names, 0.0), np.arange(len(inputs.values))
    runs = [
        [under(one, do, means, inputs.dt) for one in segments(system, inputs, reads, window_edges(do, inputs.dt))]
        for system in (model, reduced)
    ]
    return run_together(*runs, np.zeros(len(model.regions)), inputs.dt, reduced.gates)


@given(st.integers(0, 2**31), st.integers(1, 5), st.floats(0.1, 3.0))
def test_logarithmic_norm_limits_growth_in_every_metric(seed, n, t):
    """||e^{Jt} e||_P <= e^{mu t} ||e||_P, and no smaller rate does: it is the derivative of the norm at 0."""
    rng = np.random.default_rng(seed)
    J, e = rng.normal(size=(n, n)), rng.normal(size=n)
    W = rng.normal(size=(n, n)) + 1j * rng.normal(size=(n, n))
    metric = Metric.of(W)
    mu = metric.growth(J)
    assert np.linalg.norm(W @ expm(J * t) @ e) <= np.exp(mu * t) * np.linalg.norm(W @ e) * (1 + 1e-6)
    h = 1e-6
    rate = (np.linalg.norm(W @ expm(J * h) @ metric.P, 2) - 1) / h
    assert rate == pytest.approx(mu, abs=1e-3 * (1 + np.linalg.norm(W @ J @ metric.P) ** 2))
    assert np.linalg.norm(e) <= metric.size * np.linalg.norm(W @ e) * (1 + 1e-9)


def test_logarithmic_norm_in_the_eigenvectors_is_the_spectral_abscissa():
    J = stable_matrix(np.random.default_rng(0), 4)
    values, vectors = np.linalg.eig(J)
    assert Metric.of(np.linalg.inv(vectors)).growth(J) == pytest.approx(values.real.max())
    assert logarithmic_norm(np.zeros((0, 0))) == 0.0


@given(st.integers(0, 2**31))
@settings(max_examples=20)
def test_jacobian_of_a_gated_flow_is_exact(seed):
    rng = np.random.default_rng(seed)
    system, x, u = expansion(rng, gating=0.5), rng.normal(size=3), rng.normal(size=2)
    c = system.coupling
    exact = c.A + np.tensordot(u, c.B, 1) + np.tensordot(x, c.D, 1) + np.einsum("lij,j->il", c.D, x)
    assert np.allclose(jacobian(system, x, u), exact, atol=1e-12)


def test_of_one_region_the_bound_is_the_error_itself():
    """dx/dt = -x + u against -2 x + u under a constant input: the residual has one sign, so nothing is lost."""
    model = Expansion(lc.Coupling([[-1.0]], [[[0.0]]], [[1.0]], ("a",), ("u",)), *np.zeros((3, 1)))
    reduced = Expansion(lc.Coupling([[-2.0]], [[[0.0]]], [[1.0]], ("a",), ("u",)), *np.zeros((3, 1)))
    inputs = lc.Inputs(np.ones((40, 1)), 0.1, ("u",))
    run = together(model, reduced, inputs)
    t = inputs.times
    x, z = 1 - np.exp(-t), (1 - np.exp(-2 * t)) / 2
    assert np.allclose(run.model[:, 0], x, atol=1e-6) and np.allclose(run.reduced[:, 0], z, atol=1e-6)
    assert np.allclose(run.residual[:, 0], x, atol=1e-6) and np.allclose(run.bound, x - z, atol=1e-5)


def test_courses_are_those_of_the_two_systems_alone():
    rng = np.random.default_rng(1)
    model = expansion(rng, gating=0.1)
    reduced, inputs = changed(rng, model, 0.2), inputs_of(rng, dt=0.1)
    run = together(model, reduced, inputs)
    for system, course in ((model, run.model), (reduced, run.reduced)):
        x = np.zeros(3)
        for bin in range(60):
            assert np.allclose(course[bin], x, atol=2e-5)
            u = inputs.values[bin]
            x = solve_ivp(lambda t, x, u=u, one=system: one.flow(x[:, None], u)[:, 0], (0, inputs.dt), x, rtol=1e-8, atol=1e-10).y[:, -1]


INTERVENTIONS = {
    "none": [],
    "clamp": [lc.Clamp("b", 0.7)],
    "window": [lc.Clamp("a", 1.0, start=5.3, stop=14.2), lc.Cut("b", "c", start=2.0)],
    "two windows": [lc.Clamp("a", 1.0, stop=9.0), lc.Clamp("b", -1.0, start=9.0)],
    "cut": [lc.Cut("a", "b"), lc.SetInput("u", -1.0, start=3.0, stop=20.0)],
    "all": [lc.Clamp("a", 1.0), lc.Clamp("b", 1.0), lc.Clamp("c", 1.0)],
}


@pytest.mark.parametrize("do", INTERVENTIONS.values(), ids=INTERVENTIONS)
@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.1]), st.floats(0.01, 0.5))
@settings(max_examples=6, deadline=None)
def test_bound_holds_at_every_moment(do, seed, gating, size):
    rng = np.random.default_rng(seed)
    model = expansion(rng, gating=gating)
    run = together(model, changed(rng, model, size), inputs_of(rng), do)
    error = np.linalg.norm(run.reduced - run.model, axis=1)
    known = np.isfinite(error)
    assert (error[known] <= run.bound[known] * (1 + 1e-6) + 1e-9).all()


def test_a_reduced_course_that_explodes_is_infinite_and_the_models_stays():
    model = expansion(np.random.default_rng(0))
    c = model.coupling
    wild = Expansion(lc.Coupling(c.A + 3 * np.eye(3), c.B, c.C, c.regions, c.inputs), model.constant, model.state, model.point)
    run = together(model, wild, inputs_of(np.random.default_rng(0)))
    assert np.isfinite(run.model).all() and np.isinf(run.reduced[-1]).all() and np.isinf(run.bound[-1])


@pytest.mark.slow
def test_bound_holds_over_200_random_liquid_models_and_is_no_more_than_six_errors():
    ratios = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        source = liquid_source(seed, kappa=float(rng.choice([0.3, 1.0, 2.0])), amplitude=float(rng.uniform(0.2, 1.5)))
        made = Taylor().estimate(source)
        certificate = judge(source, Expansion(made.coupling, made.constant, made.state, made.inputs), "", "")
        if 1e-9 < certificate.trajectory < np.inf:  # below that there is rounding alone
            ratios.append(certificate.bound / certificate.trajectory)
    assert len(ratios) > 190 and min(ratios) >= 1
    assert np.median(ratios) <= 6
