"""The synaptic network: its coupling against differentiation of the flow written a second time, in torch; equilibria; what beta = 0 forbids."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from torch.func import jacrev

import ltc_causal as lc
from ltc_causal.models.simulate import neuronal_course
from ltc_causal.models.synaptic import NO_MODULATION, SynapticNetwork, shapes

N, M = 3, 2
REGIONS, INPUTS = ("a", "b", "c"), ("u", "v")


def network(seed, parallel=1, **changes):
    """Every parameter at random."""
    rng = np.random.default_rng(seed)
    values = {name: rng.standard_normal(shape) for name, shape in shapes(N, M, parallel).items()}
    return SynapticNetwork(REGIONS, INPUTS, **{**values, **changes})


def biophysical(seed, **changes):
    """Leak and weights positive, reversal potentials of both signs: activity stays between them."""
    rng = np.random.default_rng(seed)
    positive = {name: rng.uniform(0.2, 1, shapes(N, M, 1)[name]) for name in ("leak", "weight", "sensory_weight")}
    return network(seed, **{**positive, **changes})


def flow_in_torch(net):
    """The flow as the module's first lines state it, term by term."""
    t = {name: torch.tensor(getattr(net, name)) for name in shapes(N, M, 1)}

    def flow(x, u):
        rates = []
        for i in range(N):
            rate = -t["leak"][i] * x[i] + t["bias"][i]
            for p in range(len(net.weight)):
                for j in range(N):
                    G = t["slope"][p, i, j] + sum(t["input_gating"][p, k, i, j] * u[k] for k in range(M))
                    G = G + sum(t["region_gating"][p, l, i, j] * x[l] for l in range(N))
                    s = torch.sigmoid(G * (x[j] - t["threshold"][p, i, j]))
                    rate = rate + t["weight"][p, i, j] * s * (t["reversal"][p, i, j] - x[i])
            for k in range(M):
                s = torch.sigmoid(t["sensory_slope"][i, k] * (u[k] - t["sensory_threshold"][i, k]))
                rate = rate + t["sensory_weight"][i, k] * s * (t["sensory_reversal"][i, k] - x[i]) + t["drive"][i, k] * u[k]
            rates.append(rate)
        return torch.stack(rates)

    return flow


def close(value, truth, tolerance):
    assert np.abs(value - truth).max() <= tolerance * max(1.0, np.abs(truth).max())


seeds, parallels = st.integers(0, 2**31), st.sampled_from([1, 2])


@settings(max_examples=15)
@given(seed=seeds, parallel=parallels)
def test_coupling_is_what_torch_differentiates(seed, parallel):
    net, rng = network(seed, parallel), np.random.default_rng(seed + 1)
    x, u = rng.standard_normal(N), rng.standard_normal(M)
    flow, point = flow_in_torch(net), (torch.tensor(x), torch.tensor(u))
    slope = jacrev(flow, argnums=0)
    c = net.coupling(x, u)
    close(net.flow(x[:, None], u)[:, 0], flow(*point).numpy(), 1e-12)
    close(c.A, slope(*point).numpy(), 1e-12)
    close(c.C, jacrev(flow, argnums=1)(*point).numpy(), 1e-12)
    close(c.B, jacrev(slope, argnums=1)(*point).permute(2, 0, 1).numpy(), 1e-12)
    close(c.D + c.D.transpose(2, 1, 0), jacrev(slope, argnums=0)(*point).permute(2, 0, 1).numpy(), 1e-12)


@given(seed=seeds)
def test_coupling_is_what_a_complex_step_finds(seed):
    """Derivatives of the flow as it is coded; second ones by central differences of exact first ones."""
    net, rng = network(seed, 2), np.random.default_rng(seed + 1)
    x, u, h, d = rng.standard_normal(N), rng.standard_normal(M), 1e-30, 1e-5

    def slopes(x, u):
        in_x = [net.flow((x + 1j * h * e)[:, None], u)[:, 0].imag / h for e in np.eye(N)]
        in_u = [net.flow(x[:, None], u + 1j * h * e)[:, 0].imag / h for e in np.eye(M)]
        return np.array(in_x).T, np.array(in_u).T

    c = net.coupling(dict(zip(REGIONS, x, strict=True)), dict(zip(INPUTS, u, strict=True)))
    close(c.A, slopes(x, u)[0], 1e-13)
    close(c.C, slopes(x, u)[1], 1e-13)
    B = np.array([(slopes(x, u + d * e)[0] - slopes(x, u - d * e)[0]) / (2 * d) for e in np.eye(M)])
    H = np.array([(slopes(x + d * e, u)[0] - slopes(x - d * e, u)[0]) / (2 * d) for e in np.eye(N)])
    close(c.B, B, 1e-7)
    close(c.D + c.D.transpose(2, 1, 0), H, 1e-7)


def test_gating_is_told_from_being_gated():
    """Region c gates a -> b: D[c] has it, and D[a], which would be the same flow, has not."""
    delta = np.zeros((N, N, N))
    delta[2, 1, 0] = 0.7
    one = np.where(np.arange(9).reshape(N, N) == 3, 1.0, 0.0)  # target b, source a
    net = SynapticNetwork(REGIONS, INPUTS, np.ones(N), 2 * one, one, 0 * one, 3 * one, region_gating=delta)
    D = net.coupling().D
    # w s1 delta E at rest, with s1 = 1/4; the target's own brake -w s1 gamma is in D[b].
    assert D[2, 1, 0] == pytest.approx(2 * 0.25 * 0.7 * 3) and D[0, 1, 2] == pytest.approx(0, abs=1e-15)
    assert D[1, 1, 0] == pytest.approx(-2 * 0.25) and D[0, 1, 1] == pytest.approx(0, abs=1e-15)


@given(seed=seeds)
def test_without_gating_no_input_modulates_a_connection(seed):
    rng = np.random.default_rng(seed)
    net = biophysical(seed, input_gating=None, sensory_slope=rng.uniform(0.5, 3, (N, M)))
    B = net.coupling(rng.standard_normal(N), rng.standard_normal(M)).B
    own = np.eye(N, dtype=bool)
    assert not B[:, ~own].any()  # identically, not to rounding
    assert (B[:, own] <= 0).all()  # an input that opens a synapse can only add to the leak
    assert not net.gated and net.remark == NO_MODULATION
    assert biophysical(seed).gated and biophysical(seed).remark == ""


def test_gating_of_a_synapse_that_is_not_there_is_no_gating():
    net = network(0, weight=np.zeros((N, N)))
    assert not net.gated and not net.coupling().B[:, ~np.eye(N, dtype=bool)].any()


@given(seed=seeds)
def test_course_ends_in_an_equilibrium_and_says_how_fast(seed):
    """Against a course integrated by another program; a small deviation from there dies out at the slowest rate."""
    net, u = biophysical(seed), np.random.default_rng(seed).standard_normal(M)

    def course(x, seconds):
        return solve_ivp(lambda t, x: net.flow(x[:, None], u)[:, 0], (0, seconds), x, rtol=1e-11, atol=1e-13, method="LSODA").y[:, -1]

    rest = net.equilibrium(u)
    assert rest.stable and np.abs(net.flow(rest.state[:, None], u)).max() < 1e-11
    close(course(np.zeros(N), 30 / -rest.eigenvalues.real.max()), rest.state, 1e-8)
    values, vectors = np.linalg.eig(net.coupling(rest.state, u).A)
    slowest = np.argmax(values.real)
    assert f"{-values.real.max():.3g} Hz" in str(rest)
    deviation = 1e-5 * vectors[:, slowest].real
    left = course(rest.state + deviation, 1.0) - rest.state
    close(left / 1e-5, (vectors[:, slowest] * np.exp(values[slowest])).real, 1e-4)


def test_equilibrium_of_one_synapse_by_hand():
    """A gate that is always half open: x = w s E / (g + w s)."""
    w, E = np.zeros((N, N)), np.zeros((N, N))
    w[0, 1], E[0, 1] = 2.0, 3.0
    net = SynapticNetwork(REGIONS, INPUTS, np.full(N, 0.5), w, np.zeros((N, N)), np.zeros((N, N)), E)
    rest = net.equilibrium()
    assert rest.stable and rest.state == pytest.approx([3 / 1.5, 0, 0])
    assert sorted(rest.eigenvalues.real) == pytest.approx([-1.5, -0.5, -0.5])
    assert net.initial_state()[0][:, 0] == pytest.approx(rest.state)
    assert not net.initial_state()[1].size and np.isnan(net.observe(*net.initial_state())).all()


def test_no_equilibrium_is_said():
    """dx/dt = 1 everywhere."""
    nothing = np.zeros((N, N))
    net = SynapticNetwork(REGIONS, INPUTS, np.zeros(N), nothing, nothing, nothing, nothing, bias=np.ones(N))
    assert not net.equilibrium().found and not net.equilibrium().stable and "No equilibrium" in str(net.equilibrium())
    with pytest.raises(lc.InputError, match="no state to start from"):
        net.initial_state()
    with pytest.raises(lc.InputError, match="no stable rest"):
        net.about_rest()


@given(seed=seeds, parallel=parallels)
def test_counting_from_another_state_is_the_same_network(seed, parallel):
    net, rng = network(seed, parallel), np.random.default_rng(seed + 1)
    x, u, origin = rng.standard_normal((N, 4)), rng.standard_normal(M), rng.standard_normal(N)
    close(net.about(origin).flow(x, u), net.flow(x + origin[:, None], u), 1e-12)
    moved, whole = net.about(origin).coupling(x[:, 0], u), net.coupling(x[:, 0] + origin, u)
    for matrix in "ABCD":
        close(getattr(moved, matrix), getattr(whole, matrix), 1e-12)


def test_a_run_counted_from_rest_starts_at_zero_and_is_the_same():
    net = biophysical(3)
    inputs = lc.Inputs(np.repeat([[0.0, 0.0], [1.0, -1.0], [0.0, 0.5]], 20, axis=0), 0.1, INPUTS)
    whole, moved = neuronal_course(net, inputs), neuronal_course(net.about_rest(), inputs)
    assert not moved[0].any()
    close(moved + net.equilibrium().state[:, None], whole, 1e-9)


def test_an_activity_between_the_reversal_potentials_stays_there():
    """Hasani et al. 2021, theorem 2: without bias and linear drive, the state is bounded by zero and the extreme reversal potentials."""
    net = biophysical(5, bias=np.zeros(N), drive=np.zeros((N, M)))
    inputs = lc.Inputs(5 * np.random.default_rng(0).standard_normal((200, M)), 0.2, INPUTS)
    x = neuronal_course(net, inputs)
    reach = np.concatenate([net.reversal.ravel(), net.sensory_reversal.ravel(), [0.0]])
    assert x.min() >= reach.min() and x.max() <= reach.max() and x.std() > 0.1


def test_proper_means_no_negative_conductance():
    assert biophysical(0).proper
    for name in ("leak", "weight", "sensory_weight"):
        assert not replace(biophysical(0), **{name: -getattr(biophysical(0), name)}).proper


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: network(0, leak=np.ones(2)), r"leak must have shape \(3,\)"),
        (lambda: network(0, slope=np.ones((2, N, N))), r"slope must have shape \(1, 3, 3\).*rows are targets"),
        (lambda: network(0, weight=np.full((N, N), np.nan)), "weight must be finite"),
        (lambda: network(0).coupling({"d": 1.0}), "Unknown region 'd'"),
        (lambda: network(0).coupling(np.zeros(2)), r"region values must be 3, one for each of \['a', 'b', 'c'\], got 2"),
        (lambda: network(0).equilibrium({"w": 1.0}), "Unknown input 'w'"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call()
