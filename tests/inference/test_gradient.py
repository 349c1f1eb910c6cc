"""Training by gradient: against the exact minimum of a linear model, against known networks, and cut short and gone on with."""

import subprocess
import sys
import zipfile
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

import ltc_causal as lc
from ltc_causal.core.model import Features, Trainable
from ltc_causal.core.trained import TrainingStatus
from ltc_causal.inference.training_problem import Problem

REGIONS, INPUTS = ("a", "b"), ("u", "v")
BRIEF = lc.GradientTraining(steps=40, restarts=2, points=0)


def inputs(n_scan, dt, seed=0):
    rng = np.random.default_rng(seed)
    return lc.Inputs(np.repeat((rng.random((n_scan // 4 + 1, 2)) < 0.4).astype(float), 8, axis=0)[: 2 * n_scan], dt / 2, INPUTS)


@dataclass(frozen=True, eq=False)
class LinearModel:
    """y = X theta in each region: everything about its training is known in closed form."""

    n_scan: int
    count: int
    regions: tuple = REGIONS
    identity: str = "linear"

    @cached_property
    def X(self):
        return np.random.default_rng(3).standard_normal((self.n_scan, 2, self.count))

    @property
    def prior(self):
        return lc.Gaussian(tuple(f"p{k}" for k in range(self.count)), np.zeros(self.count), np.eye(self.count))

    def starts(self, count, seed):
        theta = np.random.default_rng(seed).standard_normal((count, self.count))
        theta[0] = 0
        return theta

    def features(self, recording):
        return Features(recording.series.values, recording.confounds, 1.0, None)

    def signal(self, theta, features):
        return torch.einsum("tip,rp->rti", torch.tensor(self.X), theta), torch.ones(len(theta), dtype=torch.bool)

    def predict(self, theta, features):
        signal, stable = self.signal(torch.tensor(theta), features)
        return signal.numpy(), stable.numpy()


def linear_case(noise=0.5):
    model, rng = LinearModel(120, 4), np.random.default_rng(0)
    values = model.X @ np.array([1.0, -0.5, 0.3, 0.0]) + noise * rng.standard_normal((120, 2)) + 5
    return model, lc.Recording(lc.TimeSeries(values, 1.0, REGIONS), inputs(120, 1.0))


def cost(model, recording, theta):
    """The objective in numpy, from its definition; confounds are a constant."""
    e = recording.series.values - model.X @ theta
    e = e - e.mean(axis=0)
    return np.log((e**2).mean(axis=0) @ (1 / recording.series.values.var(axis=0)) / 2) + theta @ theta / e.size


def test_it_finds_the_minimum_of_a_linear_model():
    model, recording = linear_case()
    assert isinstance(model, Trainable)
    method = lc.GradientTraining(steps=600, learning_rate=0.1, restarts=3, patience=600, validation=0, points=0)
    trained = lc.fit(model, recording, replace(method, seed=1))
    exact = minimize(lambda theta: cost(model, recording, theta), np.zeros(4), method="BFGS", tol=1e-10)
    objective, *_ = Problem.of(model, [recording], 0.0).objective(torch.tensor(exact.x[None]))
    assert float(objective[0]) == pytest.approx(exact.fun, abs=1e-12)
    assert [cost(model, recording, member) - exact.fun for member in trained.posterior.members] == pytest.approx([0] * 3, abs=1e-3)
    np.testing.assert_allclose(trained.theta, exact.x, atol=0.02)


def test_points_of_a_linear_model_are_those_of_its_gaussian():
    model, recording = linear_case()
    problem = Problem.of(model, [recording], 0.0)
    theta = np.array([1.0, -0.5, 0.3, 0.0])
    e = recording.series.values - recording.series.values.mean(axis=0) - (model.X - model.X.mean(axis=0)) @ theta
    variance = recording.series.values.var(axis=0)
    noise = (e**2).mean(axis=0) @ (1 / variance) / 2 * variance
    X = (model.X - model.X.mean(axis=0)) / np.sqrt(noise)[:, None]
    cov = np.linalg.inv(np.einsum("tip,tiq->pq", X, X) + np.eye(4))
    points = problem.points(theta, 4000, np.random.default_rng(0))
    root = np.linalg.cholesky(np.linalg.inv(cov)).T
    whitened = (points - theta) @ root.T
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(4), atol=0.08)  # 5 standard errors, and 2 % for the distance's halvings
    np.testing.assert_allclose(whitened.mean(axis=0), 0, atol=0.08)


# --- a network ------------------------------------------------------------------------------------------------------------------------


def model(neuronal="bilinear"):
    return lc.DCM(REGIONS, INPUTS, [("a", "b"), ("b", "a")], {"v": [("a", "b")]}, [("u", "a")], neuronal=neuronal)


TRUTH = {"A[a->b]": 0.4, "A[b->a]": -0.2, "B[v: a->b]": 0.5, "C[u->a]": 8.0}


@pytest.fixture(scope="module")
def data():
    clean = lc.simulate(model("liquid"), TRUTH | {"log_kappa": np.log(2.0)}, inputs(150, 2.0), dt=2.0)
    noise = np.random.default_rng(1).standard_normal((150, 2)) * clean.series.values.std(axis=0) / 5
    return clean.series.values, replace(clean, series=replace(clean.series, values=clean.series.values + noise))


@pytest.fixture(scope="module")
def network(data):
    liquid = lc.to_liquid(lc.fit(model(), data[1]), kappa=0.5)
    return lc.LiquidNetwork.started_from(lc.to_synaptic(liquid).network, hidden=1, parameters=liquid.parameters)


@pytest.fixture(scope="module")
def trained(network, data):
    return lc.fit(network, data[1], lc.GradientTraining(steps=150, restarts=2, validation=0, points=40))


def explained(prediction, clean):
    error = prediction - clean
    return 1 - error.var(axis=0) / clean.var(axis=0)


def test_started_from_the_dcm_it_recovers_the_signal_behind_the_noise(trained, network, data):
    clean, recording = data
    start = network.predict(network.starts(1, 0), network.features(recording))[0][0]
    assert explained(trained.prediction, clean).min() >= 0.97
    assert (explained(trained.prediction, clean) > explained(start, clean)).all()
    share = explained(trained.prediction, clean).mean() / (1 + 1 / 25)  # noise is a 25th of the signal's variance
    assert trained.variance_explained.mean() == pytest.approx(share, abs=0.02)
    assert "hidden" in trained.summary()


def test_a_random_start_fits_too(data):
    clean, recording = data
    raw = lc.LiquidNetwork(REGIONS, INPUTS, hidden=1, seed=3)
    found = lc.fit(raw, recording, lc.GradientTraining(steps=150, restarts=3, learning_rate=0.1, validation=0, points=0))
    assert explained(found.prediction, clean).min() >= 0.9


def test_prediction_reduction_and_graph_take_it(trained, data):
    alone = replace(trained, posterior=replace(trained.posterior, points=trained.theta[None]))
    usual = lc.predict(alone, draws=2)
    np.testing.assert_allclose(usual.mean, alone.prediction, atol=1e-3 * np.ptp(alone.prediction))
    held = lc.predict(trained, do=[lc.Clamp("a", 0.0)], draws=40)
    assert held.unstable == 0 and np.ptp(held.mean, axis=0)[0] < 0.05 * np.ptp(usual.mean, axis=0)[0]
    assert (held.upper >= held.lower).all() and np.ptp(held.draws, axis=0).max() > 0

    reduction = lc.reduce_to_dcm(trained, lc.Projection(), do=[])
    assert reduction.certificate.residual < 0.5 and reduction.coupling.edge("a", "b", {"v": 1.0}) > 0
    assert lc.causal_graph(reduction).has_edge("a", "b")
    with pytest.raises(lc.InputError, match="Projection"):
        lc.causal_graph(trained)


def test_without_hidden_units_it_has_a_coupling(data):
    raw = lc.LiquidNetwork(REGIONS, INPUTS)
    found = lc.fit(raw, data[1], replace(BRIEF, steps=3))
    x = 1e-5 * np.eye(2)
    A = [(found.system().flow(one[:, None], np.zeros(2)) - found.system().flow(-one[:, None], np.zeros(2)))[:, 0] / 2e-5 for one in x]
    np.testing.assert_allclose(found.coupling.A, np.array(A).T, atol=1e-8)
    assert lc.causal_graph(found).has_edge("a", "b")


# --- early stopping and status --------------------------------------------------------------------------------------------------------


def test_the_best_step_by_the_held_out_part_is_kept(network, data):
    found = lc.fit(network, data[1], replace(BRIEF, validation=0.3, patience=10, steps=80))
    validation = found.history.validation
    assert np.nanmin(validation) * (1 - 1e-9) <= 1 - found.validation[0] <= np.nanmin(validation) * (1 + 2e-3)
    assert found.status is TrainingStatus.CONVERGED and len(found.history) < 80
    assert np.isfinite(validation[0]).all() and np.isnan(validation[-1]).sum() >= 1


def test_nothing_of_the_held_out_part_enters_the_training(network, data):
    recording = data[1]
    values = recording.series.values.copy()
    values[105:] = np.random.default_rng(0).permutation(values[105:])  # the variance by region, and so the scale, stay
    other = replace(recording, series=replace(recording.series, values=values))
    method = replace(BRIEF, validation=0.3, steps=5)
    one, two = (lc.fit(network, run, method).history for run in (recording, other))
    np.testing.assert_allclose(one.training, two.training, rtol=1e-7)  # Adam magnifies rounding
    assert (one.validation < two.validation).all()


def test_confounds_are_not_to_be_explained(network, data):
    recording = data[1]
    drift = np.linspace(-1, 1, 150)[:, None] ** np.arange(3)
    # Small enough not to be scaled: the scale is read off the whole signal, confounds included, as a DCM does.
    plain = replace(recording, confounds=drift, series=replace(recording.series, values=recording.series.values / 10))
    shifted = replace(
        plain, series=replace(plain.series, values=plain.series.values + drift @ np.array([[0.3, 0.1], [0.03, 0.02], [-0.01, 0.01]]))
    )
    one, two = (lc.fit(network, run, replace(BRIEF, steps=3)).history.training for run in (plain, shifted))
    np.testing.assert_allclose(one, two, rtol=1e-10)


def test_sessions_share_the_network(network, data):
    recording = data[1]
    both, alone = (lc.fit(network, run, replace(BRIEF, steps=3)) for run in ([recording, recording], recording))
    np.testing.assert_allclose(both.history.training[0], alone.history.training[0], rtol=1e-12)
    np.testing.assert_allclose(both.session(1).prediction, both.session(0).prediction)


def test_statuses(network, data):
    assert lc.fit(network, data[1], replace(BRIEF, steps=5)).status is TrainingStatus.MAXIMUM_ITERATIONS
    wild = lc.SynapticNetwork(REGIONS, INPUTS, np.ones(2), *np.zeros((3, 2, 2)), np.ones((2, 2)), drive=np.full((2, 2), 1e4))
    lost = lc.fit(lc.LiquidNetwork.started_from(wild), data[1], replace(BRIEF, restarts=2))
    assert lost.status is TrainingStatus.DIVERGED and not lost.status.ok
    assert len(lost.history) < 12


# --- resuming -------------------------------------------------------------------------------------------------------------------------


class Killed(Exception):
    pass


def test_a_training_cut_short_goes_on_to_the_same_result(network, data, tmp_path):
    def die(step, best):
        if step == 23:
            raise Killed

    path = tmp_path / "sub-01.checkpoint"
    whole = lc.fit(network, data[1], BRIEF)
    with pytest.raises(Killed):
        lc.fit(network, data[1], replace(BRIEF, checkpoint=path, save_every=10, progress=die))
    steps = []
    resumed = lc.fit(network, data[1], replace(BRIEF, checkpoint=path, save_every=10, progress=lambda step, best: steps.append(step)))
    assert steps == list(range(21, 41))  # the last writing was after step 20
    assert np.array_equal(resumed.posterior.members, whole.posterior.members)
    assert np.array_equal(resumed.history.training, whole.history.training, equal_nan=True)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]

    with zipfile.ZipFile(path) as file:
        assert all(name.endswith(".npy") and b"pickle" not in file.read(name) for name in file.namelist())
    with np.load(path, allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)
    again = lc.fit(network, data[1], replace(BRIEF, checkpoint=path, progress=die))
    assert np.array_equal(again.posterior.members, whole.posterior.members)


def test_a_checkpoint_of_something_else_is_refused(network, data, tmp_path):
    path = tmp_path / "checkpoint.npz"
    method = replace(BRIEF, steps=2, checkpoint=path)
    lc.fit(network, data[1], method)
    with pytest.raises(lc.InputError, match="learning_rate"):
        lc.fit(network, data[1], replace(method, learning_rate=0.5))
    with pytest.raises(lc.InputError, match="network"):
        lc.fit(replace(network, seed=9), data[1], method)
    with pytest.raises(lc.InputError, match="other data"):
        lc.fit(network, replace(data[1], echo_time=0.03), method)
    path.write_bytes(b"something else")
    with pytest.raises(lc.InputError, match="checkpoint"):
        lc.fit(network, data[1], method)


# --- its border -----------------------------------------------------------------------------------------------------------------------


def test_each_model_has_its_method(network, data):
    with pytest.raises(lc.InputError, match="GradientTraining"):
        lc.fit(network, data[1])
    with pytest.raises(lc.InputError, match="VariationalLaplace"):
        lc.fit(model(), data[1], BRIEF)
    with pytest.raises(lc.InputError, match="started_from"):
        lc.fit(network, data[1], BRIEF, start={"decay": 0.0})
    with pytest.raises(lc.InputError, match="method"):
        lc.fit(network, data[1], "adam")


@pytest.mark.parametrize(
    "bad", [{"steps": 0}, {"validation": 0.9}, {"learning_rate": -1.0}, {"patience": 1.5}, {"points": -1}, {"seed": "x"}, {"clip": 0.0}]
)
def test_bad_settings_are_told(bad):
    with pytest.raises(lc.InputError, match=next(iter(bad))):
        lc.GradientTraining(**bad)


def test_a_held_out_part_shorter_than_its_confounds_is_told(network, data):
    wide = replace(data[1], confounds=np.random.default_rng(0).standard_normal((150, 20)))
    with pytest.raises(lc.InputError, match="hold out more"):
        lc.fit(network, wide, replace(BRIEF, validation=0.1))


def test_fit_does_not_bring_torch():
    code = "import sys, ltc_causal as lc; lc.fit, lc.predict, lc.reduce_to_dcm, lc.DCM; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "False", result.stdout + result.stderr
