"""The anchored projection: exact where the model is bilinear, its two limits, its criterion by another algebra, networks with hidden units."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liquid_systems import blocks, liquid_source
from strategies import TRUTH, couplings, made_fit, three_regions

import ltc_causal as lc
from ltc_causal.models.synaptic import NO_MODULATION, SynapticNetwork
from ltc_causal.reduction.certificate import judge, usual_interventions
from ltc_causal.reduction.expansion import Expansion, Terms
from ltc_causal.reduction.linearise import by_differences
from ltc_causal.reduction.project import anchored
from ltc_causal.reduction.source import read_source

RECORDING = made_fit().recording
LIQUID = made_fit(three_regions(neuronal="liquid"), {**TRUTH, "log_kappa": 0.5}, recording=RECORDING)
BARE = made_fit(recording=RECORDING)
FEW = 20  # draws, where the posterior is not looked at


def noise(rng, names, n_bin=200, dt=0.2, size=1.0, block=5):
    """Inputs that leave nothing undetermined."""
    return lc.Inputs(np.repeat(size * rng.uniform(-1, 1, (n_bin // block, len(names))), block, axis=0), dt, names)


def entries(coupling):
    return np.concatenate([getattr(coupling, matrix).ravel() for matrix in "ABCD"])


@given(couplings(most_regions=4), st.integers(0, 2**31), st.sampled_from([0.0, 1e-2, 10.0]))
@settings(max_examples=15, deadline=None)
def test_a_bilinear_system_is_its_own_projection(coupling, seed, anchor):
    coupling = replace(coupling, C=coupling.C + 0.3)
    n, m = coupling.C.shape
    system = Expansion(coupling, np.zeros(n), np.zeros(n), np.zeros(m))
    inputs = noise(np.random.default_rng(seed), coupling.inputs, size=0.3)
    reduction = lc.reduce_to_dcm(system, lc.Projection(anchor=anchor), inputs=inputs, do=[])
    assert np.allclose(entries(reduction.coupling), entries(coupling), atol=1e-8) and np.allclose(reduction.constant, 0, atol=1e-8)
    assert str(reduction.certificate).startswith("Exact")


@pytest.mark.parametrize("kind", ["bilinear", "nonlinear"])
def test_a_dcm_without_saturation_is_its_own_projection(kind):
    model = three_regions(neuronal=kind, **({"gating": {"SPC": [("V1", "V5")]}} if kind == "nonlinear" else {}))
    truth = {**TRUTH, "D[SPC: V1->V5]": 0.5} if kind == "nonlinear" else TRUTH
    fit = made_fit(model, truth, recording=RECORDING)
    reduction = lc.reduce_to_dcm(fit, lc.Projection(draws=FEW), do=[])
    assert np.allclose(entries(reduction.coupling), entries(fit.coupling), atol=1e-8)


def test_a_large_anchor_gives_the_taylor_coefficients():
    exact = lc.reduce_to_dcm(LIQUID, do=[]).coupling
    far = [entries(lc.reduce_to_dcm(LIQUID, lc.Projection(anchor=10.0**k, draws=FEW), do=[]).coupling) for k in (0, 3, 6)]
    errors = [np.abs(one - entries(exact)).max() for one in far]
    assert errors[0] > 1e-3 and errors[1] / errors[2] == pytest.approx(1000, rel=0.05) and errors[2] < 1e-6


@given(st.integers(0, 2**31), st.sampled_from([0.0, 1e-2, 0.3]))
def test_criterion_is_minimised_by_the_normal_equations(seed, anchor):
    """(H + anchor S) beta = Phi'F / N + anchor S beta_Taylor, row by row, H = Phi'Phi / N of the columns kept, S the diagonal of sizes."""
    rng = np.random.default_rng(seed)
    F, Phi, centre, mask = rng.normal(size=(40, 3)), rng.normal(size=(40, 6)), rng.normal(size=(3, 6)), rng.random((3, 6)) < 0.7
    mask[:, 0] = True
    scale = rng.uniform(0.1, 2.0, 6)
    beta = anchored(F, Phi, mask, centre, scale, anchor)
    for i, kept in enumerate(mask):
        X = Phi[:, kept]
        H = X.T @ X / 40
        weight = anchor * np.diag(scale[kept])
        exact = np.linalg.solve(H + weight, X.T @ F[:, i] / 40 + weight @ centre[i, kept])
        assert np.allclose(beta[i, kept], exact, atol=1e-9) and not beta[i, ~kept].any()


@given(st.integers(0, 2**31), st.floats(0.01, 100.0), st.floats(0.01, 100.0))
def test_units_of_activity_and_inputs_do_not_matter(seed, activity, unit):
    """What is counted in other units changes by these units and nothing else."""
    rng = np.random.default_rng(seed)
    terms = Terms.full(("a", "b"), ("u", "v"))
    F, dx, du = rng.normal(size=(40, 2)), rng.normal(size=(40, 2)), rng.normal(size=(40, 2))
    Phi, there = terms.regressors(dx, du), terms.regressors(activity * dx, unit * du)
    units = there[0] / Phi[0]
    centre = rng.normal(size=terms.mask.shape)
    beta = anchored(F, Phi, terms.mask, centre, terms.sizes(Phi), 0.1)
    other = anchored(F, there, terms.mask, centre / units, terms.sizes(there), 0.1)
    assert np.allclose(other * units, beta, atol=1e-7)


def test_without_anchor_what_never_varies_is_zero_and_with_one_it_is_the_models():
    """An input that is never on: plain least squares knows nothing of it."""
    values = RECORDING.inputs.values.copy()
    values[:, 1] = 0.0
    silent = replace(RECORDING.inputs, values=values)
    plain = lc.reduce_to_dcm(LIQUID, lc.Projection(anchor=0.0, draws=FEW), inputs=silent, do=[])
    held = lc.reduce_to_dcm(LIQUID, lc.Projection(draws=FEW), inputs=silent, do=[])
    assert np.abs(plain.coupling.B[1]).max() < 1e-12
    assert held.coupling.edge("V1", "V5", {"motion": 1}) - held.coupling.edge("V1", "V5") == pytest.approx(TRUTH["B[motion: V1->V5]"])


def test_projection_lowers_the_residual_along_the_course():
    taylor, projected = (lc.reduce_to_dcm(LIQUID, method, do=[]).certificate for method in (lc.Taylor(), lc.Projection(draws=FEW)))
    assert projected.residual < taylor.residual / 2 and projected.trajectory < taylor.trajectory / 2


def test_keeping_zeros_or_not():
    kept = lc.reduce_to_dcm(LIQUID, lc.Projection(draws=FEW), do=[])
    whole = lc.reduce_to_dcm(LIQUID, lc.Projection(keep_zeros=False, draws=FEW), do=[])
    assert set(kept.posterior.names) == set(LIQUID.model.edge_names)
    assert len(whole.posterior.names) == 9 + 2 * 9 + 3 * 2
    # The liquid flow bends what comes from V1, never what does not come.
    assert np.abs(whole.coupling.A[2, 0]) < 0.01 and not kept.coupling.A[2, 0]


def test_terms_and_matrices_are_inverse():
    rng = np.random.default_rng(0)
    terms = Terms.named(("a", "b"), ("u",), ("A[a->a]", "A[b->b]", "A[a->b]", "B[u: a->b]", "C[u->a]", "D[b: a->b]"))
    beta = np.where(terms.mask, rng.normal(size=terms.mask.shape), 0.0)
    coupling, constant = terms.coupling(beta)
    assert np.array_equal(terms.coefficients(coupling, constant), beta) and set(terms.names) == {
        "A[a->a]", "A[b->b]", "A[a->b]", "B[u: a->b]", "C[u->a]", "D[b: a->b]"
    }  # fmt: skip
    assert coupling.D[1, 1, 0] == terms.values(beta)[terms.names.index("D[b: a->b]")] != 0
    x, u = rng.normal(size=(2, 1)), rng.normal(size=1)
    flow = Expansion(coupling, constant, np.zeros(2), np.zeros(1)).flow(x, u)
    assert np.allclose(beta @ terms.regressors(x.T, u[None])[0], flow[:, 0])


# --- uncertainty --------------------------------------------------------------------------------------------------------------------


def test_draws_and_delta_method_agree_where_the_posterior_is_narrow():
    fit = made_fit(LIQUID.model, {**TRUTH, "log_kappa": 0.5}, sd=0.02, recording=RECORDING)
    reduction = lc.reduce_to_dcm(fit, lc.Projection(draws=400), do=[])
    assert reduction.note == "The delta method and 400 draws agree within Monte Carlo error."
    assert reduction.draws.shape == (400, len(reduction.posterior.names))
    assert np.allclose(np.cov(reduction.draws.T), reduction.posterior.cov)
    again = lc.Projection(draws=20)
    for p, shift in ((0, 0.05), (3, -0.04)):  # the spread that one parameter alone gives, by projecting again
        moved = fit.posterior.mean.copy()
        moved[p] += shift
        alone = lc.Gaussian(fit.posterior.names, fit.posterior.mean, np.diag(np.where(np.arange(len(moved)) == p, 1e-4, 0.0)))
        one = lc.reduce_to_dcm(replace(fit, posterior=alone), lc.Projection(draws=400), do=[])
        there = lc.reduce_to_dcm(replace(fit, posterior=lc.Gaussian(alone.names, moved, alone.cov)), again, do=[])
        slope = np.abs(there.posterior.mean - reduction.posterior.mean) / abs(shift)
        assert np.allclose(one.posterior.sd, 0.01 * slope, rtol=0.2, atol=2e-5)


def test_where_they_differ_the_reduction_says_where_and_why():
    wide = made_fit(LIQUID.model, {**TRUTH, "log_kappa": 0.5}, sd=0.6, recording=RECORDING)
    for method in (lc.Projection(draws=300), lc.Taylor(draws=3000)):
        note = lc.reduce_to_dcm(wide, method, do=[]).note
        assert "differ beyond Monte Carlo error" in note and "because" in note and "read intervals off the draws" in note


def test_draws_that_explode_are_set_aside_and_counted():
    near = {**TRUTH, "A[V1->V5]": 0.6, "A[V5->V1]": 0.3}
    fit = made_fit(three_regions(), near, sd=0.2, recording=RECORDING)
    reduction = lc.reduce_to_dcm(fit, lc.Projection(draws=200), do=[])
    lost = int(np.isnan(reduction.draws).any(axis=1).sum())
    assert 0 < lost < 100 and f" {lost} draws left the model's bounds and were set aside." in reduction.note
    with pytest.raises(lc.InputError, match="too few for a posterior"):
        lc.reduce_to_dcm(fit, lc.Projection(draws=20), do=[])


# --- systems that are no DCM --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Network:
    """dx/dt = W [x; h] + V u for two regions and `speed` times that for three hidden units, tanh inside if `bends`."""

    W: np.ndarray
    V: np.ndarray
    speed: float = 1.0
    bends: bool = False
    regions = ("a", "b")
    inputs = ("u",)
    n_draw = 1

    def initial_state(self):
        return np.zeros((5, 1)), np.zeros((0, 2, 1))

    def flow(self, x, u):
        seen = np.tanh(x) if self.bends else x
        rate = self.W @ seen + (self.V @ u)[:, None]
        return np.concatenate([rate[:2], self.speed * rate[2:]])

    def observation_flow(self, h, x):
        return np.zeros_like(h)

    def observe(self, x, h):
        return x[:2]


def network(speed, bends=False):
    rng = np.random.default_rng(3)
    W = 0.3 * rng.normal(size=(5, 5))
    np.fill_diagonal(W, -1.0)
    return Network(W, 0.5 * rng.normal(size=(5, 1)), speed, bends)


def settled(system):
    """The regions' coupling with hidden units at equilibrium: the Schur complement of W."""
    W, V = system.W, system.V
    gain = W[:2, 2:] @ np.linalg.inv(W[2:, 2:])
    return W[:2, :2] - gain @ W[2:, :2], V[:2] - gain @ V[2:]


def test_hidden_units_are_anchored_at_their_equilibrium():
    system = network(1.0)
    inputs = noise(np.random.default_rng(0), ("u",))
    coupling, constant = by_differences(read_source(system, inputs), np.ones(2))
    A, C = settled(system)
    assert np.allclose(coupling.A, A, atol=1e-9) and np.allclose(coupling.C, C, atol=1e-9)
    assert np.abs(coupling.B).max() < 1e-6 and np.abs(constant).max() < 1e-12


def test_projection_of_ever_faster_hidden_units_tends_to_their_equilibrium():
    """Under slow inputs, an error of first order in the hidden units' time constant."""
    t = np.arange(1200) * 0.05
    inputs = lc.Inputs((np.sin(t) + np.sin(0.37 * t))[:, None], 0.05, ("u",))
    errors = []
    for speed in (4.0, 16.0):
        coupling = lc.reduce_to_dcm(network(speed), lc.Projection(), inputs=inputs, do=[]).coupling
        A, C = settled(network(speed))
        errors.append(max(np.abs(coupling.A - A).max(), np.abs(coupling.C - C).max()))
    assert errors[1] < errors[0] / 2.5 and errors[1] < 0.1


def test_a_taylor_reduction_of_hidden_units_is_refused():
    inputs = noise(np.random.default_rng(0), ("u",))
    with pytest.raises(lc.InputError, match="3 hidden units, of which a Taylor expansion .* use Projection"):
        lc.reduce_to_dcm(network(1.0), inputs=inputs)
    certificate = lc.reduce_to_dcm(network(4.0, bends=True), lc.Projection(), inputs=inputs).certificate
    assert certificate.trajectory < 0.2 and set(certificate.interventions) == {"a clamped at 0", "b clamped at 0", "u set to 0"}


@dataclass(frozen=True)
class Trained:
    """A network whose one known parameter is the strength of its input; it knows of no coupling."""

    regions = ("a", "b")
    inputs = ("u",)

    def system(self, theta, echo_time=0.04):
        return Ensemble(np.asarray(theta)[:, 0])

    def prepared_inputs(self, inputs):
        return inputs


@dataclass(frozen=True)
class Ensemble(Network):
    strength: np.ndarray = None
    W: np.ndarray = None
    V: np.ndarray = None

    def __init__(self, strength):
        base = network(4.0)
        for name, value in (("strength", strength), ("W", base.W), ("V", base.V), ("speed", 4.0)):
            object.__setattr__(self, name, value)

    @property
    def n_draw(self):
        return len(self.strength)

    def initial_state(self):
        return np.zeros((5, self.n_draw)), np.zeros((0, 2, self.n_draw))

    def flow(self, x, u):
        rate = self.W @ x + (self.V @ u)[:, None] * self.strength
        return np.concatenate([rate[:2], self.speed * rate[2:]])


def test_a_fitted_network_with_hidden_units_keeps_its_posterior():
    """The flow is linear in the strength of the input, so C's sd is that of the strength times C, and A has none."""
    inputs = noise(np.random.default_rng(0), ("u",), n_bin=300)
    recording = lc.Recording(lc.TimeSeries(np.random.default_rng(0).normal(size=(30, 2)), 2.0, ("a", "b")), inputs)
    fit = replace(BARE, model=Trained(), posterior=lc.Gaussian(("strength",), [1.0], [[0.01]]))
    fit = replace(fit, sessions=(replace(fit.sessions[0], recording=recording),))
    reduction = lc.reduce_to_dcm(fit, lc.Projection(anchor=0, draws=200), do=[])
    sd = dict(zip(reduction.posterior.names, reduction.posterior.sd, strict=True))
    for i, region in enumerate(("a", "b")):
        assert sd[f"C[u->{region}]"] == pytest.approx(0.1 * abs(reduction.coupling.C[i, 0]), rel=0.15)
    assert sd["A[a->b]"] < 1e-8
    with pytest.raises(lc.InputError, match="hidden units"):
        lc.reduce_to_dcm(fit)


def test_an_ungated_ltc_says_that_it_cannot_modulate():
    rng = np.random.default_rng(0)
    shape = (2, 2)
    ltc = SynapticNetwork(
        ("a", "b"), ("u",), np.ones(2), 0.5 * rng.random(shape), np.ones(shape), np.full(shape, 0.2), rng.choice([-1.0, 1.0], shape),
        drive=np.array([[0.5], [0.0]]),
    ).about_rest()  # fmt: skip
    for method in (lc.Taylor(), lc.Projection()):
        reduction = lc.reduce_to_dcm(ltc, method, inputs=noise(rng, ("u",)), do=[])
        off_diagonal = reduction.coupling.B[0][~np.eye(2, dtype=bool)]
        assert np.abs(off_diagonal).max() < 0.02 and reduction.note == NO_MODULATION
        assert reduction.certificate.trajectory < 0.1 and not reduction.posterior.sd.any()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: lc.reduce_to_dcm(network(1.0)), "needs inputs=, the inputs along which"),
        (lambda: lc.reduce_to_dcm(network(1.0), inputs=RECORDING.inputs), "Unknown input 'u'"),
        (lambda: lc.Projection(anchor=-1.0), "anchor must be at least 0"),
        (lambda: lc.Projection(draws=3), "at least 20"),
        (lambda: lc.reduce_to_dcm(LIQUID, "projection"), r"must be Taylor\(\), Projection\(\) or Refit\(\)"),
        (lambda: lc.reduce_to_dcm(LIQUID.model.system(LIQUID.posterior.sample(2)), inputs=RECORDING.inputs), "but this one holds 2"),
        (
            lambda: lc.reduce_to_dcm(LIQUID.model.system(LIQUID.posterior.mean[None]), inputs=RECORDING.inputs),
            "no coupling.* of its own",
        ),
        (
            lambda: lc.reduce_to_dcm(made_fit(truth={**TRUTH, "A[V1->V5]": 3.0, "A[V5->V1]": 3.0}, recording=RECORDING), lc.Projection()),
            "no visited states to project on",
        ),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call()


@pytest.mark.slow
@pytest.mark.parametrize("bends", [0.0, 0.3], ids=["saturating", "with thresholds and reversal potentials"])
def test_effects_of_interventions_on_moderate_liquid_models(bends):
    """Medians over 20 models of each one's median (and worst) over all usual interventions, and inputs switched fully on.

    Measured, median and worst: projection .013 and .03, plain least squares .014 and .05, where synapses only saturate.
    """
    projected, plain = [], []
    for seed in range(20):
        source = liquid_source(seed, kappa=1.0, amplitude=1.0, bends=bends)
        tried = [*usual_interventions(source), *(lc.SetInput(name, 1.0) for name in source.inputs)]
        for method, errors in ((lc.Projection(draws=FEW), projected), (lc.Projection(anchor=0, jitter=0, draws=FEW), plain)):
            made = method.estimate(source)
            expansion = Expansion(made.coupling, made.constant, made.state, made.inputs)
            effects = judge(source, expansion, "", "", tried=[[one] for one in tried]).interventions
            errors.append((np.median(list(effects.values())), max(effects.values())))
    (middle, worst), (_, worst_plain) = np.median(projected, axis=0), np.median(plain, axis=0)
    assert middle <= 0.06 and worst < 0.8 * worst_plain


def test_random_levels_reach_their_amplitude():
    values = blocks(np.random.default_rng(0), 0.7, 400, 0.2).values
    assert 0.5 < np.abs(values).max() <= 0.7 and (values == 0).any()
