"""Rankings of designs, against posteriors that were really refitted and models that were really chosen between."""

import numpy as np
import pytest
import toys
from strategies import made_fit, three_regions

import ltc_causal as lc
from ltc_causal.causal.design import rank_by_information, rank_by_separation

RNG = np.random.default_rng(0)
PRIOR = lc.Gaussian(("p", "q", "fixed"), np.array([0.5, -0.3, 1.0]), np.array([[0.3, 0.1, 0], [0.1, 0.5, 0], [0, 0, 0.0]]))
THETA = np.array([0.8, -0.5, 1.0])


def linear_fit():
    return lc.fit(toys.Linear(PRIOR), toys.recording(toys.Linear(PRIOR), THETA, seed=1, n_confound=1))


def regressors(scale, seed, n_time=30):
    X = np.random.default_rng(seed).standard_normal((n_time, 6)) * np.repeat([scale], 2, axis=0).ravel()
    return lc.Inputs(X, 1.0, [f"x{i}" for i in range(6)])


def refitted(fit, inputs, seed):
    """The posterior after a run of the design, what was known before as its prior."""
    model = toys.Linear(fit.posterior)
    X = inputs.values.reshape(len(inputs.values), 2, 3)
    y = X @ THETA + np.random.default_rng(seed).standard_normal((len(X), 2)) / np.sqrt(toys.PRECISION)
    return lc.fit(model, lc.Recording(lc.TimeSeries(y, 1.0, toys.REGIONS), inputs)).posterior


DESIGNS = {"p": regressors([1.0, 0.1, 1.0], 1), "q": regressors([0.1, 1.0, 1.0], 2), "both": regressors([1.0, 1.0, 1.0], 3)}


def test_information_is_the_log_determinant_that_a_refit_finds():
    fit = linear_fit()
    table = rank_by_information(fit, DESIGNS).set_index("design")
    assert table.index[0] == "both"
    for name, inputs in DESIGNS.items():
        after = refitted(fit, inputs, seed=5)
        gain = 0.5 * (np.linalg.slogdet(fit.posterior.cov[:2, :2])[1] - np.linalg.slogdet(after.cov[:2, :2])[1])
        assert table.loc[name, "information"] == pytest.approx(gain, rel=0.01)
        assert table.loc[name, "narrowing"] == pytest.approx(np.exp(-gain / 2), rel=0.01)


def test_information_about_one_parameter_is_of_its_marginal():
    fit = linear_fit()
    for name, column in (("p", 0), ("q", 1)):
        table = rank_by_information(fit, DESIGNS, about=[name]).set_index("design")
        for design, inputs in DESIGNS.items():
            shrunk = refitted(fit, inputs, seed=5).sd[column] / fit.posterior.sd[column]
            assert table.loc[design, "narrowing"] == pytest.approx(shrunk, rel=0.01)
        other = "q" if name == "p" else "p"
        assert table.loc[name, "information"] > table.loc[other, "information"]


def test_a_design_without_the_input_teaches_least_and_a_longer_one_more():
    fit = made_fit(sd=0.1)
    quiet = lc.Inputs.from_events({"photic": [], "motion": [(10.0, 40.0)]}, 120.0, 0.125)
    short = lc.Inputs.from_events({"photic": [(5.0, 10.0)], "motion": [(10.0, 40.0)]}, 120.0, 0.125)
    often = lc.Inputs.from_events({"photic": [(t, 10.0) for t in (5.0, 30.0, 55.0, 80.0)], "motion": [(40.0, 60.0)]}, 120.0, 0.125)
    table = rank_by_information(fit, {"quiet": quiet, "short": short, "often": often})
    assert list(table["design"]) == ["often", "short", "quiet"]
    assert table["information"].iloc[-1] == pytest.approx(0, abs=1e-9) and table["narrowing"].iloc[-1] == pytest.approx(1)
    apart = lc.Inputs.from_events({"photic": [(5.0, 10.0)], "motion": [(80.0, 40.0)]}, 120.0, 0.125)
    motion = rank_by_information(fit, {"apart": apart, "often": often}, about=["B[motion: V1->V5]"])
    assert motion["narrowing"].iloc[0] < 0.3 and motion["narrowing"].iloc[1] > 0.99


def test_of_a_dcm_too_the_refit_finds_what_was_expected():
    """Activity observed, so that a fit takes milliseconds; the model is not linear, hence the tolerance."""
    model = three_regions(observation="activity")
    truth = {"A[V1->V5]": 0.4, "A[V5->V1]": -0.2, "A[V5->SPC]": 0.35, "B[motion: V1->V5]": 0.3, "C[photic->V1]": 4.0}
    first = lc.simulate(model, truth, blocked(60.0, [5.0, 30.0], (20.0, 30.0)), dt=1.0, snr=4, seed=1)
    fit = lc.fit(model, first)
    design = blocked(120.0, [5.0, 30.0, 60.0, 90.0], (50.0, 50.0))
    expected = rank_by_information(fit, [design])["information"].iloc[0]
    found = []
    for seed in range(4):
        run = lc.simulate(model, truth, design, dt=1.0, seed=seed)
        sd = np.exp(-0.5 * fit.noise.mean)
        noisy = run.series.values + sd * np.random.default_rng(seed).standard_normal(run.series.values.shape)
        after = lc.fit(lc.DCM(**{**SETTINGS, "prior": fit.posterior}), lc.Recording(lc.TimeSeries(noisy, 1.0, model.regions), design))
        free = fit.posterior.free
        logs = [np.linalg.slogdet(one.cov[np.ix_(free, free)])[1] for one in (fit.posterior, after.posterior)]
        found.append(0.5 * (logs[0] - logs[1]))
    assert np.mean(found) == pytest.approx(expected, rel=0.05)


def blocked(duration, onsets, motion):
    return lc.Inputs.from_events({"photic": [(t, 10.0) for t in onsets], "motion": [motion]}, duration, 0.25)


SETTINGS = dict(
    regions=["V1", "V5", "SPC"], inputs=["photic", "motion"], intrinsic=[("V1", "V5"), ("V5", "V1"), ("V5", "SPC")],
    modulatory={"motion": [("V1", "V5")]}, driving=[("photic", "V1")], flow="true", observation="activity",
)  # fmt: skip


def rivals():
    """Motion on V1 -> V5, or on V5 -> SPC, each fitted to its own run."""
    first = lc.DCM(**SETTINGS)
    second = lc.DCM(**{**SETTINGS, "modulatory": {"motion": [("V5", "SPC")]}})
    common = {"A[V1->V5]": 0.4, "A[V5->V1]": -0.1, "A[V5->SPC]": 0.4, "C[photic->V1]": 4.0}
    run = lc.simulate(first, common | {"B[motion: V1->V5]": 0.15}, blocked(120.0, [5.0, 40.0, 70.0], (60.0, 60.0)), dt=1.0, snr=1.0, seed=1)
    return [lc.fit(model, run) for model in (first, second)]


APART = {
    "never together": blocked(120.0, [5.0, 25.0], (70.0, 40.0)),
    "once together": blocked(120.0, [5.0, 75.0], (70.0, 40.0)),
    "together": blocked(120.0, [5.0, 25.0, 45.0, 65.0, 85.0, 105.0], (40.0, 60.0)),
}


def chosen_rightly(fits, design, repeats, seed):
    """Share of runs simulated from a draw of either model whose free energy, the fits as priors, is higher for the model that made it."""
    rng = np.random.default_rng(seed)
    right = 0
    for repeat in range(repeats):
        truth = repeat % 2
        model, posterior = fits[truth].model, fits[truth].posterior
        run = lc.simulate(model, posterior.sample(1, rng)[0], design, dt=1.0)
        sd = np.exp(-0.5 * fits[truth].noise.mean)
        noisy = run.series.values + sd * rng.standard_normal(run.series.values.shape)
        data = lc.Recording(lc.TimeSeries(noisy, 1.0, run.regions), design)
        again = [lc.fit(lc.DCM.from_spec({**fit.model.to_spec(), "prior": spec(fit)}), data) for fit in fits]
        right += int(np.argmax([one.free_energy for one in again])) == truth
    return right / repeats


def spec(fit):
    return {"mean": fit.posterior.mean.tolist(), "cov": fit.posterior.cov.tolist()}


def test_designs_that_separate_are_those_under_which_the_right_model_is_chosen():
    fits = rivals()
    table = rank_by_separation(fits, APART)
    assert list(table["design"]) == ["together", "once together", "never together"]
    table = table.set_index("design")
    accuracy = {name: chosen_rightly(fits, design, 40, seed=3) for name, design in APART.items()}
    assert accuracy["together"] >= accuracy["once together"] > accuracy["never together"] + 0.05
    assert (table["risk"] + table["separation"]).to_numpy() == pytest.approx(np.log(2))
    for name, share in accuracy.items():  # the bound holds, up to the sampling of 40 runs
        assert 1 - share < table.loc[name, "error_bound"] + 2 * np.sqrt(0.25 / 40), (name, share)


def test_the_risk_is_the_formula_with_whole_matrices():
    """Against the covariances written out, the confounds projected away."""
    fits = rivals()
    design = APART["once together"]
    table = rank_by_separation(fits, [design], probabilities=[0.3, 0.7])
    values, covariances, p = [], [], (0.3, 0.7)
    n_time = 120
    left = np.linalg.svd(np.ones((1, n_time)))[2][1:]  # an orthonormal basis of what a constant leaves
    W = np.kron(left, np.eye(3))
    for fit in fits:
        ramp = np.tile(np.arange(n_time)[:, None], (1, 3)).astype(float)
        g, J, _ = fit.model.linearise(
            fit.posterior.mean, fit.model.features(lc.Recording(lc.TimeSeries(ramp, 1.0, fit.model.regions), design))
        )
        free = fit.posterior.free
        J = J.reshape(-1, J.shape[-1])
        V = np.diag(np.tile(np.exp(-fit.noise.mean), n_time)) + J @ fit.posterior.cov[np.ix_(free, free)] @ J.T
        values.append(W @ g.ravel())
        covariances.append(W @ V @ W.T)
    centre = sum(w * g for w, g in zip(p, values, strict=True))
    both = sum(w * (V + np.outer(g - centre, g - centre)) for w, g, V in zip(p, values, covariances, strict=True))
    entropy = -sum(w * np.log(w) for w in p)
    apart = sum(w * np.linalg.slogdet(V)[1] for w, V in zip(p, covariances, strict=True))
    risk = entropy + 0.5 * (apart - np.linalg.slogdet(both)[1])
    assert table["risk"].iloc[0] == pytest.approx(risk, rel=1e-6)
    d = values[0] - values[1]
    mean, log_det = (covariances[0] + covariances[1]) / 2, lambda V: np.linalg.slogdet(V)[1]
    apart_by = d @ np.linalg.solve(mean, d) / 8 + log_det(mean) / 2 - (log_det(covariances[0]) + log_det(covariances[1])) / 4
    assert table["error_bound"].iloc[0] == pytest.approx(min(np.sqrt(0.21) * np.exp(-apart_by), 0.3), rel=1e-6)
    assert table["distance"].iloc[0] == pytest.approx(np.sqrt(d @ np.linalg.solve((covariances[0] + covariances[1]) / 2, d)), rel=1e-6)


def test_interventions_that_only_set_inputs_rank_as_those_inputs():
    """The same run told in two ways: derivatives by the model on one side, by differences of the intervened system on the other."""
    fits = rivals()
    usual = fits[0].recording.inputs
    as_inputs = {"as it was": usual, "motion": usual.with_column("motion", 1.0), "still": usual.with_column("motion", 0.0)}
    as_interventions = {"as it was": [], "motion": lc.SetInput("motion", 1.0), "still": [lc.SetInput("motion", 0.0)]}
    for rank, what, column in ((rank_by_separation, fits, "separation"), (rank_by_information, fits[0], "information")):
        told, done = rank(what, as_inputs), rank(what, as_interventions)
        assert list(told["design"]) == list(done["design"])
        assert done[column].to_numpy() == pytest.approx(told[column].to_numpy(), rel=1e-3, abs=1e-5)


def test_driving_a_region_teaches_about_what_leaves_it_and_cutting_it_off_least():
    fit = rivals()[0]
    driven = {region: lc.Drive(region, 0.5, start=20.0, stop=50.0) for region in fit.model.regions}
    table = rank_by_information(fit, {**driven, "cut": lc.Cut("V5", "SPC")}, about=["A[V5->SPC]"])
    # Behind the cut there is left what others teach, whose errors go with its own.
    assert table["design"].iloc[0] == "V5" and table["design"].iloc[-1] == "cut"
    assert table["information"].iloc[-1] < 0.2 * table["information"].iloc[0]


def test_driving_the_region_between_two_rivals_tells_them_apart_better_than_the_run_did():
    fits = rivals()
    table = rank_by_separation(fits, {"as it was": [], "drive V5": [lc.Drive("V5", 1.0, start=60.0)]}).set_index("design")
    assert table.loc["drive V5", "separation"] > 1.5 * table.loc["as it was", "separation"] > 0


def test_one_model_against_itself_cannot_be_told_apart():
    fit = rivals()[0]
    table = rank_by_separation([fit, fit], APART)
    assert np.allclose(table["separation"], 0, atol=1e-9) and np.allclose(table["error_bound"], 0.5)


def test_a_design_that_a_model_cannot_survive_is_said_so():
    fit = made_fit(
        truth={"A[V1->V5]": 0.3, "A[V5->V1]": 0.3, "B[motion: V1->V5]": 3.0, "C[photic->V1]": 6.0}, recording=made_fit().recording
    )
    wild = lc.Inputs.from_events({"photic": [(5.0, 10.0)], "motion": [(0.0, 120.0)]}, 120.0, 0.125)
    calm = lc.Inputs.from_events({"photic": [(5.0, 10.0)], "motion": []}, 120.0, 0.125)
    table = rank_by_information(fit, {"wild": wild, "calm": calm})
    assert list(table["design"]) == ["calm", "wild"] and np.isnan(table["information"].iloc[1]) and "bounds" in table["note"].iloc[1]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda fit: rank_by_information(fit.coupling, APART), "needs a fit"),
        (lambda fit: rank_by_information(fit, APART["together"]), "a single Inputs"),
        (lambda fit: rank_by_information(fit, {"a": 3}), "must be an Inputs"),
        (lambda fit: rank_by_information(fit, {}), "no candidate"),
        (lambda fit: rank_by_information(fit, APART, about=["A[V1->V6]"]), "Unknown free parameter"),
        (lambda fit: rank_by_separation([fit], APART), "at least two fits"),
        (lambda fit: rank_by_separation([fit, fit], APART, probabilities=[0.5, 0.6]), "add up to 1"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        call(made_fit(sd=0.1))
