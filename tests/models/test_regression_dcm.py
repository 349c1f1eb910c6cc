"""Against TAPAS's own numbers (tests/reference/rdcm), every deterministic case; then what the model promises beside."""

from pathlib import Path

import numpy as np
import pytest
from regression_networks import fitted, network

import ltc_causal as lc
from ltc_causal.core.result import Fit
from ltc_causal.inference.regression import Regression
from ltc_causal.models.regression_dcm import RegressionDCM
from ltc_causal.models.simulate import simulate

REFERENCE = Path(__file__).parents[1] / "reference" / "rdcm"
RIDGE, SPARSE = 1e-10, 1e-9
BINS = np.arange(1, 6401)
SLOW_DRIFTS = np.stack([np.ones(6400), BINS / 6400 - 0.5, np.cos(np.pi * (BINS - 0.5) / 6400)], axis=1)[::16]


def reference(case):
    with np.load(REFERENCE / f"{case}.npz") as file:
        return dict(file)


def case_of(data, confounds=None):
    """Recording, masks and names."""
    n = data["Y"].shape[1]
    regions = [f"R{i}" for i in range(n)]
    u = data.get("U", np.zeros((16 * len(data["Y"]), 0))).astype(float)
    inputs = [f"u{k}" for k in range(u.shape[1])]
    dt = float(data["TR"])
    recording = lc.Recording(lc.TimeSeries(data["Y"], dt, regions), lc.Inputs(u, dt / 16, inputs), confounds)
    masks = {"intrinsic": data["a"], "driving": data.get("c", np.zeros((n, 0), dtype=bool))}
    return recording, masks


def fit_case(case, confounds=None, **options) -> tuple[Fit, dict]:
    data = reference(case)
    recording, masks = case_of(data, confounds)
    model = RegressionDCM(recording.regions, recording.inputs.names, **({"variant": "tapas15"} | masks | options))
    return lc.fit(model, recording), data


def matrices(fit):
    A, B, C = fit.model._matrices(fit.posterior.mean)
    return A, B, fit.model.driving_scale * C


def agree(fit, data, tag, tolerance):
    A, _, C = matrices(fit)
    expected = data[f"{tag}/A"]
    assert np.abs(A - expected).max() <= tolerance * np.abs(expected).max()
    if C.shape[1]:
        assert np.abs(C - data[f"{tag}/C"]).max() <= tolerance * np.abs(data[f"{tag}/C"]).max()
    assert fit.free_energy == pytest.approx(data[f"{tag}/logF_r"].sum(), rel=1e-9, abs=1e-9)
    assert fit.status.ok


FULL = {"intrinsic": np.ones((6, 6), bool), "driving": np.ones((6, 2), bool)}
RIDGE_CASES = [
    ("syn6", "ridge_r_f0", {"filter_strength": 0.0}),
    ("syn6", "ridge_r_f1", {}),
    ("syn6", "ridge_r_f5", {"filter_strength": 5.0}),
    ("syn6", "ridge_r_fulla", FULL),
    ("syn6", "ridge_r_X0_f0", {"filter_strength": 0.0, "confounds": SLOW_DRIFTS}),
    ("syn6", "ridge_s_f1", {"simulated": True}),
    ("syn6", "ridge_r_f1_v14", {"variant": "tapas14"}),
    ("rest6", "ridge_r_f0", {"filter_strength": 0.0}),
    ("rest6", "ridge_r_f1", {}),
    ("rest6", "ridge_r_f1_v14", {"variant": "tapas14"}),
    ("syn50", "ridge_r_f1", {}),
]


@pytest.mark.parametrize(("case", "tag", "options"), RIDGE_CASES, ids=[f"{case}-{tag}" for case, tag, _ in RIDGE_CASES])
def test_ridge_is_that_of_tapas(case, tag, options):
    fit, data = fit_case(case, **options)
    agree(fit, data, tag, RIDGE)
    n = len(fit.model.regions)
    masks = fit.model.parameter_masks
    assert fit.posterior.sd[: masks["A"].sum()] ** 2 == pytest.approx(data[f"{tag}/variance"][:, :n].T[masks["A"].T], rel=1e-8)


def test_bilinear_terms_are_those_of_tapas():
    fit, data = fit_case("syn6", modulatory={"u0": [("R0", "R1")], "u1": [("R2", "R2")]})
    agree(fit, data, "ridge_r_bilin", RIDGE)
    B = data["ridge_r_bilin/B"].transpose(2, 0, 1)
    assert np.abs(matrices(fit)[1] - B).max() <= RIDGE * np.abs(B).max()


SPARSE_CASES = [
    ("syn6", "sparse_r_det_inform_real", {"sparsity": 0.3, "informed": True}),
    ("syn6", "sparse_r_det_noRestrict_real", {"sparsity": 0.3, "restrict_inputs": False}),
    ("syn6", "sparse_s_det_p15_real", {"sparsity": 0.15, "simulated": True}),
    ("syn6", "sparse_r_det_grid_real", {}),
    ("rest6", "sparse_r_det_grid_real", {}),
    ("syn50", "sparse_r_det_p15_it1_real", {"sparsity": 0.15}),
]


@pytest.mark.parametrize(("case", "tag", "options"), SPARSE_CASES, ids=[f"{case}-{tag}" for case, tag, _ in SPARSE_CASES])
def test_sparse_is_that_of_tapas(case, tag, options):
    fit, data = fit_case(case, sparse=True, **options)
    agree(fit, data, tag, SPARSE)
    n = len(fit.model.regions)
    assert fit.inclusion is not None
    assert np.abs(fit.inclusion[: n * n].reshape(n, n).T - data[f"{tag}/indicator"]).max() <= SPARSE
    if f"{tag}/F_grid" in data:
        assert fit.starts_frame()["free_energy"].to_numpy() == pytest.approx(data[f"{tag}/F_grid"], rel=1e-9)


def test_sparse_of_1_4_differs_by_forgotten_indicators_only():
    """Its program compared complex numbers by modulus, so that some saturated indicators, each worth a ln p0, dropped out of its evidence."""
    fit, data = fit_case("syn6", sparse=True, sparsity=0.3, variant="tapas14")
    tag = "sparse_r_det_p30_v14"
    assert np.abs(matrices(fit)[0] - data[f"{tag}/A"]).max() <= SPARSE * np.abs(data[f"{tag}/A"]).max()
    forgotten = (data[f"{tag}/logF_r"].sum() - fit.free_energy) / np.log(0.3)
    assert forgotten == pytest.approx(round(forgotten), abs=1e-6)


def test_hundred_random_orders_find_at_least_what_those_of_tapas_found():
    data = reference("syn6")
    recording, masks = case_of(data)
    model = RegressionDCM(recording.regions, recording.inputs.names, **masks, variant="tapas15", sparse=True, sparsity=0.3)
    fit = lc.fit(model, recording, Regression(restarts=100))
    assert fit.free_energy > data["sparse_r_rand100_real/logF_r"].sum() - 1e-3


@pytest.mark.parametrize(
    ("case", "tag", "threshold"), [("syn6", "ridge_r_f5", 5.0), ("syn6", "ridge_r_f1", 1.0), ("rest6", "ridge_r_f1", 1.0)]
)
def test_the_same_frequencies_are_kept(case, tag, threshold):
    data = reference(case)
    recording, masks = case_of(data)
    model = RegressionDCM(recording.regions, recording.inputs.names, **masks, variant="tapas15", filter_strength=threshold)
    assert model.regression(recording).ends.tolist() == data[f"{tag}/frequencies"].sum(axis=0).tolist()


def test_threads_change_nothing():
    data = reference("syn50")
    recording, masks = case_of(data)
    model = RegressionDCM(recording.regions, recording.inputs.names, **masks, variant="tapas15")
    one, two = (lc.fit(model, recording, Regression(workers=workers)) for workers in (1, 2))
    assert np.array_equal(one.posterior.mean, two.posterior.mean) and one.free_energy == two.free_energy


SMALL = network(6, 400, 1.0, 2, 5.0, 0.35, seed=3)


def corrected(truth=SMALL, **options):
    model = RegressionDCM(truth.recording.regions, truth.recording.inputs.names, truth.intrinsic, truth.C != 0, **options)
    return lc.fit(model, truth.recording)


def test_corrected_is_nearer_the_truth_than_tapas():
    errors = {variant: np.abs(fitted(SMALL, variant)[0] - SMALL.A)[SMALL.intrinsic].mean() for variant in ("corrected", "tapas15")}
    assert errors["corrected"] < 0.6 * errors["tapas15"]


def test_corrected_with_little_noise_finds_the_network():
    quiet = network(6, 400, 1.0, 2, 500.0, 0.35, seed=3)
    fit = corrected(quiet)
    assert np.abs(fit.coupling.A - quiet.A).max() < 0.1 and np.abs(fit.coupling.A - quiet.A).mean() < 0.01
    assert np.abs(fit.coupling.C - quiet.C).max() < 0.2


def test_corrected_does_not_mind_drifts_that_are_named():
    drifts = SLOW_DRIFTS * (1.0, 3.0, 2.0)
    series = SMALL.recording.series
    drifting = lc.Recording(
        lc.TimeSeries(series.values + drifts @ np.ones((3, 6)), series.dt, series.regions), SMALL.recording.inputs, SLOW_DRIFTS, delays=0.0
    )
    model = corrected().model
    usual = lc.fit(model, lc.Recording(series, SMALL.recording.inputs, SLOW_DRIFTS, delays=0.0))
    assert np.abs(lc.fit(model, drifting).posterior.mean - usual.posterior.mean).max() < 1e-6


def test_units_of_signal_and_inputs_only_rescale_c():
    """Twice the signal under the same inputs is twice C, apart from the weak priors on the spreads."""
    series = SMALL.recording.series
    doubled = lc.Recording(lc.TimeSeries(2 * series.values, series.dt, series.regions), SMALL.recording.inputs, delays=0.0)
    fit, twice = corrected(), lc.fit(corrected().model, doubled)
    assert np.abs(twice.coupling.A - fit.coupling.A).max() < 0.02
    assert np.abs(twice.coupling.C - 2 * fit.coupling.C).max() < 0.1


def test_predict_at_the_mean_is_the_systems_own_course_and_cuts_act():
    """The regression's inputs and the integrated system use the same haemodynamics: a simulated network is predicted by its fit."""
    fit = corrected()
    usual = lc.predict(fit, draws=4)
    signal = fit.recording.series.values
    assert np.corrcoef(usual.mean.ravel(), signal.ravel())[0, 1] > 0.9
    i, j = np.argwhere(SMALL.intrinsic & ~np.eye(6, dtype=bool))[0]
    cut = lc.predict(fit, do=[lc.Cut(f"R{j}", f"R{i}")], draws=4)
    assert np.abs(cut.mean - usual.mean)[:, i].max() > 1e-3


def test_graph_and_total_effect_read_the_fit():
    fit = corrected()
    graph = lc.causal_graph(fit)
    i, j = np.argwhere(SMALL.intrinsic & ~np.eye(6, dtype=bool))[0]
    edge = graph.edges[f"R{j}", f"R{i}"]
    assert edge["weight"] == fit.coupling.A[i, j]
    assert edge["sd"] == pytest.approx(fit.coupling_posterior.sd[fit.posterior.index(f"A[R{j}->R{i}]")])
    effect = lc.total_effect(fit, f"R{j}", f"R{i}", draws=50)
    rest = [k for k in range(6) if k != j]
    A = fit.coupling.A
    assert effect.value == pytest.approx(-np.linalg.solve(A[np.ix_(rest, rest)], A[rest, j])[rest.index(i)])


def test_simulated_by_its_own_system_is_recovered():
    truth = {"A[a->b]": 0.4, "A[b->a]": -0.3, "A[a->a]": -0.5, "A[b->b]": -0.6, "C[u->a]": 1.5, "C[u->b]": 0.0}
    rng = np.random.default_rng(0)
    values = np.repeat((rng.random(200) < 0.4).astype(float), 32)[:, None]
    model = RegressionDCM(["a", "b"], ["u"])
    recording = simulate(model, truth, lc.Inputs(values, 0.125, ["u"]), dt=2.0, snr=50.0)
    fit = lc.fit(model, recording)
    for name, value in truth.items():
        assert fit.posterior.mean[fit.posterior.index(name)] == pytest.approx(value, abs=0.08)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"variant": "tapas"}, "variant"),
        ({"modulatory": {"u0": [("R0", "R1")]}}, "modulatory"),
        ({"sparsity": 1.5}, "sparsity"),
        ({"regions": ["u0"]}, "both a region and an input"),
        ({"intrinsic": [("R0", "R9")]}, "R9"),
        ({"filter_strength": -1.0}, "filter_strength"),
    ],
)
def test_what_cannot_be_is_said(change, words):
    with pytest.raises(lc.InputError, match=words):
        RegressionDCM(**({"regions": ["R0", "R1"], "inputs": ["u0"]} | change))


def test_a_grid_that_does_not_divide_the_scan_is_refused():
    inputs = lc.Inputs(np.ones((400, 1)), 0.3, ["u0"])
    recording = lc.Recording(lc.TimeSeries(SMALL.recording.series.values[:120], 1.0, [f"R{i}" for i in range(6)]), inputs)
    with pytest.raises(lc.InputError, match="divides the scan"):
        lc.fit(RegressionDCM(recording.regions, ["u0"], variant="tapas15"), recording)


def test_spec_round_trip():
    model = RegressionDCM(["a", "b"], ["u"], [("a", "b")], [("u", "a")], {"u": [("a", "b")]}, variant="tapas15")
    again = RegressionDCM.from_spec(model.to_spec())
    assert again.to_spec() == model.to_spec() and again.edge_names == model.edge_names
