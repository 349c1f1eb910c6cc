"""DCM to liquid network, liquid DCM to raw synapses and back: flows that must be one, errors that must fall as theory says."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from strategies import TRUTH, couplings, made_fit, three_regions

import ltc_causal as lc
from ltc_causal.models.simulate import neuronal_course
from ltc_causal.models.synaptic import NO_MODULATION
from ltc_causal.reduction.to_liquid import EVERYWHERE, NONE, PAIR, PROPER, UNGATED, WITHOUT_INPUTS, LiquidDCM

REGIONS, INPUTS = ("a", "b", "c"), ("u", "v")
EDGES = [(source, target) for source in REGIONS for target in REGIONS if source != target]
seeds = st.integers(0, 2**31)


def liquid(seed, inputs=True, gating=True, threshold=True):
    """A liquid DCM with a kappa, tau and lambda for each connection, about half of lambda 0; kappa from .1 to 3."""
    rng = np.random.default_rng(seed)
    listed = [edge for edge in EDGES if rng.random() < 0.8] or EDGES[:1]
    model = lc.DCM(
        REGIONS, INPUTS, listed, {"u": EDGES[:4], "v": EDGES[2:]} if inputs else {}, [("u", "a"), ("v", "c")],
        {"b": EDGES[1:], "c": EDGES[:2]} if gating else {}, neuronal="liquid", per_edge=["kappa", "tau", "lambda"],
    )  # fmt: skip
    theta = {name: rng.normal(0, 0.5) for name in model.prior.names}
    theta |= {name: rng.uniform(np.log(0.1), np.log(3)) for name in theta if name.startswith("log_kappa")}
    theta |= {name: threshold * rng.normal() for name in theta if name.startswith("tau")}
    theta |= {name: rng.choice([0.0, rng.normal(0, 0.4)]) for name in theta if name.startswith("lambda")}
    return LiquidDCM(model, np.array(list(theta.values())))


def flows_agree(one, other, rng, inputs=True, tolerance=1e-12):
    """At random states and inputs, relative to the flow."""
    for _ in range(5):
        x, u = rng.standard_normal((len(REGIONS), 1)), rng.standard_normal(len(INPUTS)) * inputs
        F, G = one.flow(x, u), other.flow(x, u)
        if np.linalg.norm(F - G) > tolerance * np.linalg.norm(F):
            return False
    return True


# --- DCM -> liquid DCM ----------------------------------------------------------------------------------------------------------------


@given(c=couplings())
def test_the_coupling_goes_over(c):
    if not (c.C.any() or c.B.any()):
        return
    found = lc.to_liquid(c).coupling
    for matrix in "ABCD":
        assert np.allclose(getattr(found, matrix), getattr(c, matrix), rtol=1e-12, atol=1e-14)


def test_gating_goes_over_also_of_self_connections():
    rng = np.random.default_rng(0)
    A, D = rng.normal(0, 0.3, (3, 3)), rng.normal(0, 0.3, (3, 3, 3))
    np.fill_diagonal(A, [-0.4, -1.2, -0.7])
    c = lc.Coupling(A, rng.normal(0, 0.3, (2, 3, 3)), np.eye(3, 2), REGIONS, INPUTS, D)
    found = lc.to_liquid(c, kappa=0.5).coupling
    assert np.allclose(found.D, D) and np.allclose(found.B, c.B) and np.allclose(found.A, A)


def bilinear_course(c, inputs):
    """A bilinear system bin by bin, exactly: dx/dt = J x + f has the solution of one matrix exponential."""
    n, x, course = len(c.regions), np.zeros(len(c.regions)), []
    for u in inputs.values:
        course.append(x)
        system = np.zeros((n + 1, n + 1))
        system[:n, :n], system[:n, n] = c.A + np.tensordot(u, c.B, 1), c.C @ u
        x = (expm(system * inputs.dt) @ np.append(x, 1.0))[:n]
    return np.array(course)


def embedding_errors(seed, kappas, n=4, m=3):
    """Relative rms error of the liquid network's course, of an activity of about .5; inputs on and off every 2 s."""
    rng = np.random.default_rng(seed)
    A = rng.normal(0, 0.3, (n, n))
    np.fill_diagonal(A, 0)
    np.fill_diagonal(A, -np.abs(A).sum(axis=1) - rng.uniform(0.2, 0.6, n))
    B = rng.normal(0, 0.3, (m, n, n)) * (rng.random((m, n, n)) < 0.3) * ~np.eye(n, dtype=bool)
    c = lc.Coupling(A, B, rng.normal(0, 0.5, (n, m)), tuple("abcd"), tuple("uvw"))
    inputs = lc.Inputs(np.repeat(rng.random((30, m)) < 0.5, 20, axis=0).astype(float), 0.1, c.inputs)
    truth = bilinear_course(c, inputs)
    course = [neuronal_course(lc.to_liquid(c, kappa).system(), inputs)[:, :, 0] for kappa in kappas]
    return [np.linalg.norm(x - truth) / np.linalg.norm(truth) for x in course]


def test_embedding_error_is_small_and_of_second_order():
    kappas = np.array([0.05, 0.1, 0.2])
    errors = np.array([embedding_errors(seed, kappas) for seed in range(20)])
    order = [np.polyfit(np.log(kappas), np.log(row), 1)[0] for row in errors]
    assert np.median(errors[:, 1]) <= 0.002
    assert np.median(order) == pytest.approx(2, abs=0.05) and np.abs(np.array(order) - 2).max() < 0.15


def test_a_synapse_errs_by_no_more_than_its_bound():
    """|tanh(kappa a) / kappa - a| <= kappa^2 |a|^3 / 3, on one connection of strength 1."""
    A = np.array([[-1.0, 0.0], [1.0, -1.0]])
    c = lc.Coupling(A, np.zeros((1, 2, 2)), np.array([[1.0], [0.0]]), ("a", "b"), ("u",))
    for kappa in (0.1, 0.5, 2.0):
        x = np.linspace(-2, 2, 41)
        current = np.array([lc.to_liquid(c, kappa).system().flow(np.array([[a], [0.0]]), np.zeros(1))[1, 0] for a in x])
        assert (np.abs(current - x) <= kappa**2 * np.abs(x) ** 3 / 3 + 1e-12).all()


@pytest.mark.parametrize(
    ("settings", "truth"),
    [({}, TRUTH), ({"neuronal": "nonlinear", "gating": {"SPC": [("V1", "V5")]}}, {**TRUTH, "D[SPC: V1->V5]": 0.2})],
    ids=["bilinear", "nonlinear"],
)
def test_a_fit_goes_over_with_its_haemodynamics(settings, truth):
    fit = made_fit(three_regions(**settings), {**truth, "transit[V5]": 0.2, "epsilon": -0.1})
    embedded = lc.to_liquid(fit, kappa=0.05)
    assert embedded.model.neuronal == "liquid" and embedded.parameters["log_kappa"] == pytest.approx(np.log(0.05))
    for name, mean in zip(fit.posterior.names, fit.posterior.mean, strict=True):
        assert embedded.parameters[name] == mean
    for matrix in "ABCD":
        assert np.allclose(getattr(embedded.coupling, matrix), getattr(fit.coupling, matrix), rtol=1e-12, atol=1e-15)
    bold = lc.simulate(embedded.model, embedded.parameters, fit.recording.inputs, dt=2.0).series.values
    truth = lc.simulate(fit.model, fit.posterior.mean, fit.recording.inputs, dt=2.0).series.values
    assert np.linalg.norm(bold - truth) < 0.002 * np.linalg.norm(truth)


# --- liquid DCM <-> raw synapses ------------------------------------------------------------------------------------------------------


@given(seed=seeds)
def test_flows_are_one_everywhere_without_thresholds(seed):
    """Inputs and regions that gate go over exactly where tau = 0."""
    one = liquid(seed, threshold=False)
    form = lc.to_synaptic(one)
    assert form.exact and flows_agree(one.system(), form.network, np.random.default_rng(seed))


@given(seed=seeds)
def test_flows_are_one_without_inputs(seed):
    """With thresholds at u = 0; and everywhere, if no input modulates."""
    one, rng = liquid(seed, gating=False), np.random.default_rng(seed)
    assert flows_agree(one.system(), lc.to_synaptic(one).network, rng, inputs=False)
    plain = liquid(seed, inputs=False, gating=False)
    form = lc.to_synaptic(plain)
    assert form.exact and flows_agree(plain.system(), form.network, rng)
    assert form.network.remark == NO_MODULATION and NO_MODULATION in str(form)


@given(seed=seeds, threshold=st.booleans())
def test_round_trip_of_parameters(seed, threshold):
    """Every parameter of a connection that carries something comes back."""
    one = liquid(seed, gating=not threshold, threshold=threshold)
    back = lc.from_synaptic(lc.to_synaptic(one).network)
    carried = {(row["source"], row["target"]) for row in lc.to_synaptic(one).table.to_dict("records") if row["kind"] != NONE}
    for name, value in one.parameters.items():
        source, arrow, target = name.partition("[")[2].rstrip("]").rpartition(": ")[2].partition("->")
        if not arrow:  # the haemodynamics, of which a network knows nothing
            assert back.parameters[name] == 0
        elif source in INPUTS or source == target or (source, target) in carried:
            assert back.parameters[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name
    assert flows_agree(one.system(), back.system(), np.random.default_rng(seed), inputs=not threshold)


@given(seed=seeds)
def test_round_trip_of_a_network(seed):
    """From raw synapses: whatever the pair's reversal potential, and with the network's own gating, the flow is the same."""
    rng = np.random.default_rng(seed)
    net = lc.to_synaptic(liquid(seed, threshold=False), reversal=0.05).network
    other = lc.to_synaptic(lc.from_synaptic(net)).network
    assert flows_agree(net, other, rng)
    for matrix in "ABCD":
        assert np.allclose(getattr(net.coupling(), matrix), getattr(other.coupling(), matrix), atol=1e-12)


@given(seed=seeds)
def test_both_coordinates_have_one_coupling(seed):
    """Two closed forms of A, B, C, D, derived separately; of D in full at rest, and its second derivative elsewhere."""
    one, rng = liquid(seed, threshold=False), np.random.default_rng(seed)
    net = lc.to_synaptic(one).network
    for matrix in "ABCD":
        assert np.allclose(getattr(one.coupling, matrix), getattr(net.coupling(), matrix), atol=1e-12)
    x, u = rng.standard_normal(3), rng.standard_normal(2)
    here, there = one.model.coupling(one.theta, x, u), net.coupling(x, u)
    for matrix in "ABC":
        assert np.allclose(getattr(here, matrix), getattr(there, matrix), rtol=1e-10, atol=1e-11)
    assert np.allclose(here.D + here.D.transpose(2, 1, 0), there.D + there.D.transpose(2, 1, 0), rtol=1e-10, atol=1e-11)


def one_synapse(A=0.5, kappa=0.4, tau=0.3, lambda_=0.8, **others):
    """A single connection a -> b."""
    model = lc.DCM(
        ("a", "b"), ("u",), [("a", "b")], others.get("modulatory", {}), [("u", "a")], others.get("gating", {}),
        neuronal="liquid", per_edge=["kappa", "tau", "lambda"],
    )  # fmt: skip
    stated = {
        "A[a->b]": A,
        "C[u->a]": 8.0,
        "log_kappa[a->b]": np.log(kappa),
        "tau[a->b]": tau,
        "lambda[a->b]": lambda_,
        **others.get("values", {}),
    }
    return LiquidDCM(model, np.array([stated.get(name, 0.0) for name in model.prior.names]))


def test_a_proper_synapse_is_as_the_formulas_say():
    A, kappa, tau, lam = -0.5, 0.4, 0.3, -0.8
    form = lc.to_synaptic(one_synapse(A, kappa, tau, lam))
    row = form.table.iloc[0]
    gamma, mu, E, w = 2 * abs(A) * kappa, tau / (kappa * A), 1 / lam, 2 * np.cosh(tau) ** 2 / (kappa * abs(1 / lam))
    s0 = 1 / (1 + np.exp(gamma * mu))
    assert (row.source, row.target, row.kind, row.agrees) == ("a", "b", PROPER, EVERYWHERE)
    assert [row.gamma, row.mu, row.E, row.w, row.w_closing] == pytest.approx([gamma, mu, E, w, 0])
    assert form.network.weight.shape[0] == 1  # no layer of partners where there are none
    assert form.network.leak == pytest.approx([0.5, 0.5 - w * s0]) and form.network.bias == pytest.approx([0, -w * s0 * E])
    assert not form.network.proper and "Leak is negative in b" in str(form)


@pytest.mark.parametrize("lambda_", [0.0, -0.8])
def test_what_is_no_proper_synapse_is_a_pair(lambda_):
    """rho = sign lambda E0, weights K (1 +- rho) / (2 E0); their sum, over the reversal potential, is what the formulas say."""
    form = lc.to_synaptic(one_synapse(lambda_=lambda_), reversal=0.6)
    row, K = form.table.iloc[0], 2 * np.cosh(0.3) ** 2 / 0.4
    assert row.kind == PAIR and row.E == 0.6
    assert [row.w, row.w_closing] == pytest.approx([K / 0.6 * (1 + lambda_ * 0.6) / 2, K / 0.6 * (1 - lambda_ * 0.6) / 2])
    assert form.network.reversal[:, 1, 0].tolist() == [0.6, -0.6] and "1 are push-pull pairs" in str(form)


@given(seed=seeds)
def test_pairs_leave_a_leak_that_is_not_negative(seed):
    """Without lambda the default reversal potential always finds a network of positive conductances."""
    one = liquid(seed)
    theta = {name: 0.0 if name.startswith("lambda") else value for name, value in one.parameters.items()}
    form = lc.to_synaptic(LiquidDCM(one.model, np.array(list(theta.values()))))
    assert form.network.proper and "Every leak is at least zero" in str(form)
    assert (form.table["kind"] != PROPER).all()


GATED = {"modulatory": {"u": [("a", "b")]}, "gating": {"b": [("a", "b")]}, "values": {"B[u: a->b]": 0.4, "D[b: a->b]": 0.3}}


@pytest.mark.parametrize(
    ("others", "tau", "agrees"),
    [
        (GATED, 0.0, EVERYWHERE),
        (GATED, 0.3, UNGATED),
        ({**GATED, "gating": {}}, 0.3, WITHOUT_INPUTS),
        ({}, 0.3, EVERYWHERE),
    ],
)
def test_where_the_flows_agree_is_said(others, tau, agrees):
    one = one_synapse(tau=tau, **others)
    form = lc.to_synaptic(one)
    assert form.table["agrees"].tolist() == [agrees] and form.exact == (agrees == EVERYWHERE)
    x = np.array([[0.7], [-0.4]])
    same = np.allclose(one.system().flow(x, np.ones(1)), form.network.flow(x, np.ones(1)), rtol=1e-12)
    assert same == form.exact and (form.exact or agrees in str(form))


def test_a_connection_that_only_inputs_open_needs_no_threshold():
    only = {"modulatory": {"u": [("a", "b")]}, "values": {"B[u: a->b]": 0.4}}
    model = one_synapse(A=0.0, tau=0.0, **only)
    form = lc.to_synaptic(model)
    assert form.exact and form.table["gamma"].tolist() == [0]
    x, u = np.array([[0.7], [-0.4]]), np.ones(1)
    assert np.allclose(model.system().flow(x, u), form.network.flow(x, u), rtol=1e-13)
    closed = lc.to_synaptic(one_synapse(A=0.0, tau=0.5, **only))
    assert closed.table["kind"].tolist() == [NONE] and not closed.exact


def test_what_acts_on_a_self_connection_is_left_out_and_said():
    model = one_synapse(tau=0.0, modulatory={"u": [("b", "b")]}, values={"B[u: b->b]": 0.5})
    form = lc.to_synaptic(model)
    assert not form.exact and form.table.iloc[-1][["source", "target", "kind", "agrees"]].tolist() == ["b", "b", NONE, WITHOUT_INPUTS]
    assert np.allclose(model.system().flow(np.ones((2, 1)), np.zeros(1)), form.network.flow(np.ones((2, 1)), np.zeros(1)))


def test_a_network_found_by_hand_is_a_liquid_dcm_about_its_rest():
    """Two regions that inhibit and excite one another, with rest away from zero; courses by another program."""
    w, gamma, mu, E = np.zeros((2, 2)), np.zeros((2, 2)), np.zeros((2, 2)), np.zeros((2, 2))
    w[1, 0], gamma[1, 0], mu[1, 0], E[1, 0] = 1.2, 3.0, 0.4, 1.5
    w[0, 1], gamma[0, 1], mu[0, 1], E[0, 1] = 0.8, 2.0, 0.2, -1.0
    net = lc.SynapticNetwork(("a", "b"), ("u",), np.array([0.6, 0.4]), w, gamma, mu, E, drive=np.array([[0.5], [0.0]]))
    with pytest.raises(lc.InputError, match=r"zero is not the rest.*about_rest\(\)"):
        lc.from_synaptic(net)
    found, rest, u = lc.from_synaptic(net.about_rest()), net.equilibrium().state, np.array([0.7])
    end = solve_ivp(lambda t, x: net.flow(x[:, None], u)[:, 0], (0, 3), rest, rtol=1e-11, atol=1e-12).y[:, -1]
    system = found.system()
    moved = solve_ivp(lambda t, x: system.flow(x[:, None], u)[:, 0], (0, 3), 0 * rest, rtol=1e-11, atol=1e-12).y[:, -1]
    assert np.allclose(moved + rest, end, atol=1e-8)
    assert found.coupling.A[1, 0] > 0 > found.coupling.A[0, 1]
    assert (lc.to_synaptic(found).table["kind"] == PROPER).all() and lc.to_synaptic(found).network.proper


PAIRED = lc.to_synaptic(one_synapse(lambda_=0.0)).network


def changed(name, index, value):
    array = np.array(getattr(PAIRED, name))
    array[index] = value
    return replace(PAIRED, **{name: array})


def shunting():
    """Conductance opens with the source, but its current at rest does not."""
    net = changed("weight", (1, 1, 0), -PAIRED.weight[0, 1, 0])
    return replace(net, bias=-net.flow(np.zeros((2, 1)), np.zeros(1))[:, 0] + net.bias)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: lc.to_liquid(made_fit().model), "needs a Fit or a Coupling, got DCM"),
        (lambda: lc.to_liquid(made_fit(three_regions(neuronal="liquid"))), "bilinear or nonlinear DCM.*fit.coupling"),
        (lambda: lc.to_liquid(made_fit().coupling, kappa=0), "kappa.* must be a positive number"),
        (lambda: lc.to_liquid(replace(made_fit().coupling, A=np.eye(3))), "self-connection of 'V1' is 1 Hz"),
        (lambda: lc.to_synaptic(made_fit()), "needs a LiquidDCM or a fit of a liquid DCM"),
        (lambda: lc.to_synaptic(one_synapse(lambda_=-0.8), reversal=2.0), r"exceeds 1 / \|lambda\| = 1.25"),
        (lambda: LiquidDCM(made_fit().model, np.zeros(3)), "needs a liquid DCM and its"),
        (lambda: lc.from_synaptic(changed("bias", 1, 5.0)), "not the rest of this network"),
        (lambda: lc.from_synaptic(changed("sensory_weight", (0, 0), 1.0)), "has sensory synapses"),
        (lambda: lc.from_synaptic(changed("slope", (0, 1, 0), 9.0).about_rest()), "do not open or close together"),
        (lambda: lc.from_synaptic(shunting()), "only shunts"),
        (lambda: lc.from_synaptic(changed("leak", 0, -0.5)), "self-connection of 'a' is 0.5 Hz"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call()


def test_a_synapse_onto_itself_is_said():
    one = np.ones((1, 1))
    net = lc.SynapticNetwork(("a",), ("u",), np.ones(1), one, one, 0 * one, one, bias=np.array([-0.5]), drive=one)
    with pytest.raises(lc.InputError, match="onto itself"):
        lc.from_synaptic(net)


def test_gating_by_a_region_needs_no_threshold():
    with pytest.raises(lc.InputError, match="gated by a region and has a threshold"):
        delta = np.zeros((2, 2, 2, 2))
        delta[:, 1, 1, 0] = 0.3, -0.3
        lc.from_synaptic(replace(PAIRED, region_gating=delta))
