"""The liquid network against its numpy twin, against the liquid DCM's own integrator, and its gradient against torch and differences."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc_causal as lc
from ltc_causal.models import blood, haemodynamics
from ltc_causal.models.liquid_course import course_in_torch, flow_in_torch
from ltc_causal.models.liquid_start import POSITIVE
from ltc_causal.models.simulate import simulate_states
from ltc_causal.models.synaptic import NO_MODULATION

REGIONS, INPUTS = ("a", "b", "c"), ("u", "v")


def recording(n_scan=40, dt=2.0, seed=0, regions=REGIONS, bins=2):
    rng = np.random.default_rng(seed)
    blocks = np.repeat((rng.random((n_scan * bins // 8 + 1, len(INPUTS))) < 0.4).astype(float), 8, axis=0)[: n_scan * bins]
    inputs = lc.Inputs(blocks, dt / bins, INPUTS)
    return lc.Recording(
        lc.TimeSeries(rng.standard_normal((n_scan, len(regions))), dt, regions), inputs, delays=dt * rng.random(len(regions))
    )


def liquid_dcm(kappa=1.0, **options):
    """A liquid DCM with numbers, gated by an input, haemodynamics off their prior mean."""
    between = [("a", "b"), ("b", "c"), ("c", "a")]
    model = lc.DCM(REGIONS, INPUTS, between, {"v": [("a", "b"), ("b", "a")]}, [("u", "a")], neuronal="liquid", **options)
    values = {
        "A[a->b]": 0.4,
        "A[b->c]": 0.3,
        "A[c->a]": -0.3,
        "B[v: a->b]": 0.5,
        "B[v: b->a]": -0.3,
        "C[u->a]": 6.0,
        "log_kappa": np.log(kappa),
    }
    values |= {"transit[a]": 0.1, "transit[c]": -0.1, "decay": 0.05, "epsilon": -0.1}
    known = [name for name in model.prior.names if name in values]
    theta = model.prior.mean.copy()
    theta[[model.prior.names.index(name) for name in known]] = [values[name] for name in known]
    return model, theta


def started(hidden=0, kappa=1.0, **options):
    model, theta = liquid_dcm(kappa, **options)
    parameters = dict(zip(model.prior.names, theta, strict=True))
    source = lc.Fit(model, (), lc.Gaussian(model.prior.names, theta, np.zeros((len(theta),) * 2)), 0.0, lc.Status.CONVERGED, None, 0.0, 0.0)
    form = lc.to_synaptic(source)
    return form.network, lc.LiquidNetwork.started_from(form.network, hidden, parameters=parameters, **options)


def raw(**options):
    settings = {"hidden": 2, "sensory": [("u", "a"), ("v", "c")], "observation": "activity"} | options
    return lc.LiquidNetwork(REGIONS, INPUTS, **settings)


# --- the flow -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [raw(), raw(gated=False), started(hidden=2)[1]], ids=["raw", "ungated", "started"])
def test_flow_is_that_of_its_synaptic_twin(network):
    rng = np.random.default_rng(1)
    theta = network.starts(3, seed=2)
    system = network.system(theta)
    for _ in range(5):
        x, u = rng.standard_normal((len(network.wiring.units), 3)), rng.standard_normal(2)
        twin = np.stack([system.network(draw).flow(x[:, draw, None], u)[:, 0] for draw in range(3)], axis=1)
        np.testing.assert_allclose(system.flow(x, u), twin, rtol=1e-12, atol=1e-12)


def test_flow_in_torch_is_the_numpy_one_with_haemodynamics():
    network, rng = raw(observation="bold"), np.random.default_rng(0)
    theta, u = network.starts(4, seed=3), rng.standard_normal((3, 2))
    y = 0.3 * rng.standard_normal((4, 5 + 4 * 3))
    wiring, system = network.wiring, network.system(theta)
    constants = network.constants(torch.tensor(theta), u)
    for value, level in enumerate(u):
        rate = flow_in_torch(constants, torch.tensor(wiring.target), torch.tensor(wiring.source), torch.tensor(y), value).numpy()
        x, h = y[:, :5].T, y[:, 5:].reshape(4, 4, 3).transpose(1, 2, 0)
        np.testing.assert_allclose(rate[:, :5].T, system.flow(x, level), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(rate[:, 5:].reshape(4, 4, 3).transpose(1, 2, 0), system.observation_flow(h, x), rtol=1e-12, atol=1e-12)


def test_bold_in_torch_is_the_numpy_one():
    v, q, epsilon = np.random.default_rng(0).standard_normal((3, 20)) * 0.2
    signal = blood.bold(*(torch.tensor(one) for one in (v, q, epsilon)), 0.035).numpy()
    np.testing.assert_allclose(signal, haemodynamics.bold(v, q, epsilon, 0.035), rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 3.0))
def test_rest_is_zero_and_signs_are_kept_whatever_the_parameters(seed, spread):
    network = raw(seed=seed % 7)
    theta = spread * np.random.default_rng(seed).standard_normal((2, len(network.prior.names)))
    system = network.system(theta)
    size = np.abs(system.values["weight"] * system.values["reversal"]).sum()
    assert np.abs(system.flow(*[np.zeros((5, 2)), np.zeros(2)])).max() <= 1e-14 * size
    start = network.system().values
    for group in POSITIVE:
        assert (np.sign(system.values[group]) == np.sign(start[group])).all()
        if "reversal" not in group:
            assert system.values[group].min() > 0


# --- started from a DCM ---------------------------------------------------------------------------------------------------------------


def test_hidden_units_begin_without_any_effect():
    source, network = started(hidden=3)
    rng = np.random.default_rng(0)
    x, u = rng.standard_normal((6, 1)), rng.standard_normal(2)
    np.testing.assert_allclose(network.system().flow(x, u)[:3], source.flow(x[:3], u), rtol=1e-12, atol=1e-12)
    assert np.abs(network.system().flow(x, u)[3:]).min() > 0  # but they live


@pytest.mark.parametrize("hidden", [0, 2])
def test_bold_is_that_of_the_liquid_dcm_it_was_made_from(hidden):
    model, theta = liquid_dcm()
    run = recording(80)
    expected, stable = model.predict(theta, model.features(run))
    network = started(hidden)[1]
    signal, within = network.predict(network.starts(1, 0), network.features(run))
    assert stable and within.all()
    assert np.abs(signal[0] - expected).max() <= 1e-9 * np.ptp(expected)


def test_activity_is_that_of_the_liquid_dcm_it_was_made_from():
    model, theta = liquid_dcm(observation="activity")
    run = recording(60, dt=0.5)
    expected, _ = model.predict(theta, model.features(run))
    network = started(observation="activity")[1]
    assert np.abs(network.predict(network.starts(1, 0), network.features(run))[0][0] - expected).max() <= 1e-10 * np.ptp(expected)


def test_coupling_is_that_of_the_liquid_dcm():
    model, theta = liquid_dcm()
    expected, found = model.coupling(theta), started()[1].system().coupling()
    for name in "ABC":
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-12)


# --- courses and gradients ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("observation", ["bold", "activity"])
def test_gradient_is_that_of_torch_operations(observation):
    network, run = raw(observation=observation), recording(12)
    features = network.features(run)
    theta = torch.tensor(0.5 * network.starts(2, seed=4), requires_grad=True)
    cost = torch.tensor(np.random.default_rng(5).standard_normal((2, 12, 3)))
    signal, stable = network.signal(theta, features)
    (gradient,) = torch.autograd.grad((cost * signal).sum(), theta)
    states = course_in_torch(network.constants(theta, features.plan.inputs), network.wiring.target, network.wiring.source, features.plan)
    reference = network.read(states, theta, features.plan)
    (expected,) = torch.autograd.grad((cost * reference).sum(), theta)
    assert stable.all()
    assert (signal - reference).abs().max() <= 1e-12 * reference.abs().max()
    assert (gradient - expected).abs().max() <= 1e-10 * expected.abs().max()


def test_gradient_is_that_of_differences():
    network, run = started(hidden=1)[1], recording(30)
    features, rng = network.features(run), np.random.default_rng(0)
    theta, direction = 0.3 * rng.standard_normal((2, len(network.prior.names)))

    def cost(theta):
        return (network.signal(theta, features)[0] ** 2).sum()

    at = torch.tensor(theta[None], requires_grad=True)
    (gradient,) = torch.autograd.grad(cost(at), at)
    step = 1e-5 * direction
    up, down = (float(cost(torch.tensor((theta + sign * step)[None]))) for sign in (1, -1))
    assert float(gradient[0] @ torch.tensor(direction)) == pytest.approx((up - down) / 2e-5, rel=1e-6)


def test_simulation_gives_the_same_course():
    network, run = raw(observation="bold", hidden=2), recording(30)
    theta = 0.5 * network.starts(3, seed=1)
    signal, _ = network.predict(theta, network.features(run))
    _, observed, stable = simulate_states(network.system(theta), network.prepared_inputs(run.inputs), 30, run.delays)
    assert stable.all()
    np.testing.assert_allclose(signal, observed.transpose(2, 0, 1), atol=1e-4 * np.ptp(observed))


def test_a_network_out_of_bounds_is_told_and_has_no_gradient():
    network = raw(observation="bold")
    theta = np.zeros((3, len(network.prior.names)))
    theta[1, [name.startswith("drive") for name in network.prior.names]] = 1e4
    at = torch.tensor(theta, requires_grad=True)
    signal, stable = network.signal(at, network.features(recording(20)))
    (gradient,) = torch.autograd.grad(signal.sum(), at)
    assert stable.tolist() == [True, False, True]
    assert (gradient[1] == 0).all()
    assert torch.equal(signal[0], signal[2]) and torch.equal(gradient[0], gradient[2])


# --- its border -----------------------------------------------------------------------------------------------------------------------


def test_ungated_network_says_that_it_cannot_modulate():
    system = lc.LiquidNetwork(REGIONS, INPUTS, gated=False).system()
    assert system.remark == NO_MODULATION
    assert not (system.coupling().B * ~np.eye(3, dtype=bool)).any()
    assert raw(hidden=0).system().remark == ""


def test_masks_say_what_there_is():
    network = raw(hidden=1, intrinsic=[("a", "b")], modulatory={"v": [("a", "b"), ("b", "c")]}, driving=[("u", "a")], sensory=())
    names = network.prior.names
    assert "weight[a->b]" in names and "weight[b->a]" not in names and "weight[hidden1->c]" in names
    assert "gating[v: a->b]" in names and not {"gating[u: a->b]", "gating[v: b->c]"} & set(names)
    assert [name for name in names if name.startswith("drive")] == ["drive[u->a]", "drive[u->hidden1]", "drive[v->hidden1]"]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: raw(hidden=-1), "hidden"),
        (lambda: raw(observation="spikes"), "observation"),
        (lambda: raw(intrinsic=[("a", "d")]), "'d'"),
        (lambda: lc.LiquidNetwork(("a",), INPUTS, start=started()[0]), "name the same"),
        (lambda: lc.LiquidNetwork.started_from(started()[0], driving=[("u", "a")]), "leave out"),
        (lambda: lc.LiquidNetwork.started_from(started()[0].about(np.full(3, 0.3))), "about_rest"),
        (lambda: lc.LiquidNetwork(("hidden1",), ("u",), hidden=1), "distinct"),
        (lambda: raw().system().coupling(), "Projection"),
    ],
)
def test_bad_input_is_told(made, message):
    with pytest.raises(lc.InputError, match=message):
        made()
