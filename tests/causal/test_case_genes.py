"""The case study of gene networks: kinetics against an ODE and a second algorithm, the chain against its prior and importance sampling."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from scipy.integrate import solve_ivp
from scipy.special import logsumexp
from scipy.stats import binom

STUDY = Path(__file__).parents[2] / "case_studies" / "gene_networks"
sys.path.append(str(STUDY))
import gene_kinetics as kinetics  # noqa: E402  # pyright: ignore[reportMissingImports]
import gene_moves as moves  # noqa: E402  # pyright: ignore[reportMissingImports]
from gene_experiments import Experiments  # noqa: E402  # pyright: ignore[reportMissingImports]
from gene_predictions import Posterior, additive, measured_again  # noqa: E402  # pyright: ignore[reportMissingImports]
from gene_sampler import NONE, log_likelihood, regulators, run_chain  # noqa: E402  # pyright: ignore[reportMissingImports]

SPEC = spec_from_file_location("gene_run", STUDY / "run.py")  # under a name of its own: other studies have a run.py too
assert SPEC is not None and SPEC.loader is not None
run = module_from_spec(SPEC)
SPEC.loader.exec_module(run)

NOISE = np.array([0.7, 0.0, 0.69, 0.01, 0.025])


@njit
def seeded(seed):
    np.random.seed(seed)


@njit
def walk_prior(i, n, steps, seed):
    """Genes that the proposals visit when there are no data, every fifth kept."""
    np.random.seed(seed)
    gene, out = moves.without_regulator(), np.empty((steps // 5, kinetics.SIZE))
    for step in range(steps):
        new = gene.copy()
        if np.log(np.random.random()) < moves.propose(new, i, n):
            gene = new
        out[step // 5] = gene
    return out


def gene(base=0.5, **modules):
    """A row by hand: modules as name=(sign, effect, [(regulator, activator, K, Hill), ...]), none of them a complex."""
    row = np.zeros(kinetics.SIZE)
    row[kinetics.BASAL : kinetics.BASAL + 3] = (0.02, base, 0.02)
    row[kinetics.MODULES] = len(modules)
    at = 0
    for k, (sign, effect, members) in enumerate(modules.values()):
        row[kinetics.SIGN + k], row[kinetics.EFFECT + k] = sign, effect
        for member in members:
            for part, value in zip((kinetics.REGULATOR, kinetics.ACTIVATOR, kinetics.K, kinetics.HILL), member, strict=True):
                row[part + at] = value
            row[kinetics.MODULE + at] = k
            at += 1
    row[kinetics.COUNT] = at
    kinetics.set_alpha(row)
    return row


def rate(row, y):
    """Transcription by summing over all states of binding, written from the definition."""
    on = []
    for k in range(int(row[kinetics.MODULES])):
        mine = [r for r in range(int(row[kinetics.COUNT])) if row[kinetics.MODULE + r] == k]
        c = {r: (y[int(row[kinetics.REGULATOR + r])] / row[kinetics.K + r]) ** row[kinetics.HILL + r] for r in mine}
        act = np.prod([c[r] for r in mine if row[kinetics.ACTIVATOR + r]])
        deact = [c[r] for r in mine if not row[kinetics.ACTIVATOR + r]]
        whole = 1 + act + (act * np.prod(deact) if deact else 0) if row[kinetics.COMPLEX + k] else np.prod([1 + v for v in c.values()])
        on.append(act / whole)
    states = np.array(np.meshgrid(*[[0, 1]] * len(on), indexing="ij")).reshape(len(on), -1).T if on else np.zeros((1, 0), int)
    chance = [np.prod([p if bit else 1 - p for p, bit in zip(on, state, strict=True)]) for state in states]
    alpha = [row[kinetics.ALPHA + int(sum(bit << k for k, bit in enumerate(state)))] for state in states]
    return float(np.dot(chance, alpha))


@pytest.fixture(scope="module")
def prior():
    return walk_prior(0, 6, 400_000, 1)


def test_prior_has_the_stated_number_of_regulators(prior):
    most, silent = kinetics.MOST, 1 - moves.ACTIVATING
    blocks = {0: [()], 1: [(1,)], 2: [(2,), (1, 1)], 3: [(3,), *[(2, 1)] * 3, (1, 1, 1)]}
    blocks[4] = [(4,), *[(3, 1)] * 4, *[(2, 2)] * 3, *[(2, 1, 1)] * 6, (1, 1, 1, 1)]
    valid = np.array([np.mean([np.prod([1 - silent**size for size in way]) for way in blocks[m]]) for m in range(most + 1)])
    expected = binom.pmf(np.arange(most + 1), 5, moves.EDGE) * valid
    found = np.bincount(prior[:, kinetics.COUNT].astype(int), minlength=most + 1) / len(prior)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=0.015)


def test_prior_numbers_follow_their_laws(prior):
    some = prior[prior[:, kinetics.COUNT] >= 1]
    assert some[:, kinetics.K].mean() == pytest.approx((moves.K_LEAST + moves.K_MOST) / 2, abs=0.03)
    assert (some[:, kinetics.SIGN] > 0).mean() == pytest.approx(0.5, abs=0.03)
    assert some[:, kinetics.COMPLEX].mean() == pytest.approx(0.5, abs=0.03)
    assert some[:, kinetics.EFFECT].mean() == pytest.approx(moves.EFFECTS[0], abs=0.02)
    seeded(0)
    hills = [moves.draw_normal(moves.HILLS) for _ in range(4000)]
    assert some[:, kinetics.HILL].mean() == pytest.approx(np.mean(hills), abs=0.12)
    two = prior[prior[:, kinetics.COUNT] == 2]
    together, apart = 1 - (1 - moves.ACTIVATING) ** 2, moves.ACTIVATING**2
    assert (two[:, kinetics.MODULES] == 1).mean() == pytest.approx(together / (together + apart), abs=0.04)


def test_transcription_is_the_sum_over_states(prior):
    rng, checked = np.random.default_rng(0), 0
    for row in prior[:: len(prior) // 200]:
        y = rng.uniform(0.05, 1, 6)
        found = kinetics.transcription(row, np.log(y), 0.0, -1.0, np.empty(kinetics.MOST))
        assert found == pytest.approx(rate(row, y), rel=1e-9)
        checked += row[kinetics.COUNT] > 1
    assert checked > 10


def test_effects_reach_full_and_little_transcription(prior):
    for row in prior[:: len(prior) // 300]:
        alpha = row[kinetics.ALPHA : kinetics.ALPHA + 2 ** int(row[kinetics.MODULES])]
        signs = row[kinetics.SIGN : kinetics.SIGN + int(row[kinetics.MODULES])]
        assert alpha.max() == pytest.approx(1)
        assert not (signs < 0).any() or alpha.min() <= kinetics.WEAK


def test_steady_states_are_those_of_the_kinetics_in_time():
    genes = np.array(
        [
            gene(),
            gene(a=(1, 0.7, [(0, 1, 0.4, 2.0), (3, 0, 0.3, 1.5)])),
            gene(0.4, a=(1, 0.6, [(1, 1, 0.3, 3.0)]), b=(-1, 0.4, [(3, 1, 0.5, 2.0)])),
            gene(a=(-1, 0.8, [(2, 1, 0.6, 2.0)])),
        ]
    )
    caps = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [1, 0.5, 1, 1], [0, 1, 1, 0], [1, 1, 0, 1]], float)
    wild = np.ones(4)
    assert kinetics.settle(genes, caps[0], np.zeros(4), -np.ones(4), wild, np.empty(4), np.empty(kinetics.MOST))
    found = kinetics.steady_states(genes, caps, wild)
    decay, decay_protein = np.array([0.02, 0.05, 0.03, 0.1]), np.array([0.04, 0.02, 0.1, 0.03])
    for cap, one in zip(caps, found, strict=True):

        def flow(_, z, cap=cap):
            x, y = z[:4], z[4:]
            return np.r_[decay * (cap * [rate(g, np.maximum(y, 1e-9)) for g in genes] - x), decay_protein * (x - y)]

        end = solve_ivp(flow, (0, 3000), np.r_[wild, wild], method="LSODA", rtol=1e-8, atol=1e-10).y[:4, -1]
        np.testing.assert_allclose(one, end, atol=1e-3)


@pytest.mark.parametrize("x", [0.03, 0.3, 0.9])
def test_likelihood_has_the_moments_of_the_noise(x):
    rng = np.random.default_rng(0)
    y = measured_again(np.full(200_000, NOISE[0] * x), NOISE, rng)
    grid = np.linspace(1e-6, 3, 6001)
    density = np.exp([log_likelihood(one, x, NOISE) for one in grid]) / np.sqrt(2 * np.pi)
    step = grid[1] - grid[0]
    zero = np.exp(log_likelihood(0.0, x, NOISE))
    assert density.sum() * step + zero == pytest.approx(1, abs=0.005)
    assert zero == pytest.approx((y == 0).mean(), abs=0.05)
    assert (density * grid).sum() * step == pytest.approx(y.mean(), rel=0.03)
    spread = np.sqrt((density * grid**2).sum() * step - ((density * grid).sum() * step) ** 2)
    assert spread == pytest.approx(y.std(), rel=0.1)


def test_chain_agrees_with_importance_sampling():
    """Two genes, little data: networks drawn from the prior and weighed by their likelihood."""
    cap = np.array([[1, 1], [0, 1], [1, 0.5]], float)
    y, owner, noise = np.array([[0.6, 0.3], [0.0, 0.55], [0.68, 0.2]]), np.arange(3), NOISE.copy()
    noise[4] = 0.2
    kinds = np.full(3, NONE)
    genes, _, _, swaps = run_chain(y, owner, cap, kinds, noise, np.maximum(y, 0.01), 500, 15_000, 5, 3, 0)
    drawn = np.concatenate([walk_prior(i, 2, 60_000, i)[None] for i in range(2)]).swapaxes(0, 1)
    drawn[:, 1] = drawn[np.random.default_rng(0).permutation(len(drawn)), 1]
    levels, edges = [], []
    for network in drawn:
        x, settled = cap.copy(), True
        for c in range(3):
            settled &= kinetics.settle(network, cap[c], np.zeros(2), -np.ones(2), x[c], np.empty(2), np.empty(kinetics.MOST))
        levels.append(sum(log_likelihood(y[c, i], x[c, i], noise) for c in range(3) for i in range(2)) if settled else -np.inf)
        edges.append([network[0, kinetics.COUNT], network[1, kinetics.COUNT]])
    weights = np.exp(levels - logsumexp(levels))
    assert 1 / (weights**2).sum() > 500
    found = regulators(genes)
    np.testing.assert_allclose([found[0, 1], found[1, 0]], weights @ np.array(edges), atol=0.04)
    assert swaps > 0.5


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Genes 0 -> 1 -> 2: either knock-out takes half of gene 2's expression, and both take no more. Gene 3 is repressed by gene 4, gene 2 by it."""
    genes = np.array(
        [
            gene(),
            gene(a=(1, 0.9, [(0, 1, 0.4, 4.0)])),
            gene(0.5, a=(1, 0.5, [(1, 1, 0.3, 4.0)]), b=(-1, 0.5, [(3, 1, 0.5, 4.0)])),
            gene(a=(-1, 0.9, [(4, 1, 0.4, 4.0)])),
            gene(),
        ]
    )
    n, rng, free = 5, np.random.default_rng(0), -np.ones(5)
    room = np.empty(n), np.empty(kinetics.MOST)

    def settled(cap, shift, basal):
        x = np.ones(n)
        assert kinetics.settle(genes, cap, shift, basal, x, *room)
        return NOISE[0] * x

    wild = settled(np.ones(n), np.zeros(n), free)
    shifted = np.array([settled(np.ones(n), rng.normal(0, 0.25, n), free) for _ in range(n)])
    hit = np.array([settled(np.ones(n), np.zeros(n), np.where(rng.random(n) < 1 / 3, rng.random(n), -1.0)) for _ in range(5)])
    series = np.tile(wild, (5, 21, 1))
    series[:, 8:11] = hit[:, None]
    knocked = kinetics.steady_states(genes, np.concatenate([1 - np.eye(n), 1 - 0.5 * np.eye(n)]), wild / NOISE[0]) * NOISE[0]
    pairs = np.array([(a, b) for a in range(n) for b in range(a)])
    caps = np.ones((len(pairs), n))
    np.put_along_axis(caps, pairs, 0, axis=1)
    graph = np.zeros((n, n), np.int8)
    graph[[1, 2, 2, 3], [0, 1, 3, 4]] = 1
    data = {"wildtype": wild, "knockouts": knocked[:n], "knockdowns": knocked[n:], "multifactorial": shifted, "ts": series}
    path = tmp_path_factory.mktemp("genes") / "gene_network1.npz"
    np.savez(
        path, scale=NOISE[0], noise_tu=NOISE[1:4], noise_gaussian_sd=NOISE[4], truth_train_wildtype=wild, truth_adjacency=graph,
        test_dual_ko=kinetics.steady_states(genes, caps, wild / NOISE[0]) * NOISE[0], test_dual_ko_targets=pairs,
        **{f"train_{name}": measured_again(values, NOISE, rng) for name, values in data.items()},
    )  # fmt: skip
    return path


def test_left_out_measurements_are_gone(made):
    whole = Experiments.from_file(made)
    less = whole.without([1, 3])
    assert set(whole.owner) - set(less.owner) == {1, 3}
    assert len(whole.y) - len(less.y) == 2
    np.testing.assert_array_equal(whole.measured(2), less.measured(2))


def test_network_foresees_what_does_not_add(made, monkeypatch):
    for name, value in {"WARM_UP": 250, "SWEEPS": 200, "DRAWS": 50, "PROPOSALS": 5}.items():
        monkeypatch.setattr(run, name, value)
    rows, facts = run.double_knockouts(made)
    error = {method: value for _, method, value, *_ in rows}
    assert error["network model"] < 0.1 < 0.3 < error["effects add"]
    assert facts["coverage"] > 0.7
    assert facts["AUC"] > 0.9


def test_effects_add_within_what_a_gene_can_express(made):
    experiments = Experiments.from_file(made)
    said = additive(experiments, [(0, 1)])
    wild = experiments.measured(0)
    np.testing.assert_allclose(said[0], np.clip(experiments.measured(1) + experiments.measured(2) - wild, 0, NOISE[0]))


def test_chain_is_the_same_for_the_same_seed(made):
    experiments = Experiments.from_file(made)
    first, again = (Posterior.sample(experiments, 5, 10, 5, 2, (3,)) for _ in range(2))
    np.testing.assert_array_equal(first.networks, again.networks)
