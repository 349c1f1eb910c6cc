"""What other programs read holds the result's own numbers, with names at every axis: xarray, netCDF and ArviZ, old and new."""

import json
import subprocess
import sys
import types
from functools import cache

import made
import numpy as np
import pytest
import xarray
from hypothesis import given
from numpy.testing import assert_array_equal
from strategies import couplings

import ltc_causal as lc
from ltc_causal.io import datatree
from ltc_causal.io.datatree import to_arviz, to_datatree, write_netcdf


@cache
def fit():
    return made.with_recording(made.fit(), made.simulated(n_scan=60))


@cache
def two_sessions():
    one, other = made.fit(seed=1), made.fit(seed=2)
    return type(one)(**{**vars(one), "sessions": one.sessions + other.sessions})


@cache
def trained():
    model = lc.LiquidNetwork(made.REGIONS, made.INPUTS, seed=4)
    return lc.fit(model, made.simulated(n_scan=40), lc.GradientTraining(steps=4, restarts=2, points=3))


@given(coupling=couplings())
def test_every_entry_of_a_coupling_stands_where_its_names_say(coupling):
    """Asked entry by entry through `Coupling.edge`, which knows names only."""
    tree = to_datatree(coupling)["coupling"]
    for target in coupling.regions:
        for source in coupling.regions:
            assert float(tree["A"].sel(region_to=target, region_from=source)) == coupling.edge(source, target)
            for name in coupling.inputs if "B" in tree else ():
                changed = coupling.edge(source, target, {name: 1.0}) - coupling.edge(source, target)
                assert float(tree["B"].sel(input=name, region_to=target, region_from=source)) == pytest.approx(changed, abs=1e-12)
        for name in coupling.inputs:
            assert float(tree["C"].sel(region_to=target, input=name)) == coupling.edge(name, target)
    assert ("B" in tree) == coupling.B.any()


def test_a_fits_tree_holds_its_numbers():
    tree, its = to_datatree(fit()), fit()
    place = {"region_to": "V5", "region_from": "V1"}
    row = its.to_frame().query("matrix == 'B'").iloc[0]
    assert float(tree["coupling/B"].sel(input="attention", **place)) == pytest.approx(row["mean"], rel=1e-12)
    assert float(tree["coupling/B_sd"].sel(input="attention", **place)) == pytest.approx(row["sd"], rel=1e-12)
    driven = its.to_frame().query("matrix == 'C'").iloc[0]
    assert float(tree["coupling/C_sd"].sel(input="photic", region_to="V1")) == pytest.approx(driven["sd"], rel=1e-12)
    assert float(tree["posterior/mean"].sel(parameter="A[V1->V5]")) == its.posterior.mean[its.posterior.index("A[V1->V5]")]
    assert_array_equal(tree["posterior/cov"], its.posterior.cov)
    assert_array_equal(tree["observed_data/signal"].sel(region="V5"), its.recording.series.values[:, 1])
    assert_array_equal(tree["observed_data/time"], its.recording.series.times)
    assert_array_equal(tree["constant_data/inputs"].sel(input="attention"), its.recording.inputs.column("attention"))
    parts = tree["predictions"]
    assert_array_equal(parts["prediction"] + parts["confounds"] + parts["residuals"], its.prediction + its.confounds + its.residuals)
    assert_array_equal(tree["sample_stats/free_energy"], its.history.free_energy)
    assert tree.attrs["free_energy_nats"] == its.free_energy and tree.attrs["status"] == "CONVERGED"
    assert type(its.model).from_spec(json.loads(tree.attrs["specification"])).describe() == its.model.describe()


def test_sessions_are_told_apart():
    tree = to_datatree(two_sessions())
    for number, session in enumerate(two_sessions().sessions):
        assert_array_equal(tree[f"session_{number}/observed_data/signal"], session.recording.series.values)
        assert_array_equal(tree[f"session_{number}/predictions/noise_log_precision"], session.noise.mean)
    assert "observed_data" not in tree


def test_a_large_covariance_of_blocks_is_left_out():
    gaussian = lc.Gaussian(("a", "b"), np.zeros(2), lc.core.blocks.Blocks([np.array([0]), np.array([1])], lambda k: np.array([[k + 1.0]])))
    dataset = datatree._gaussian(gaussian)
    assert "cov" not in dataset and dataset["sd"].to_numpy().tolist() == [1.0, np.sqrt(2)]


RESULTS = {
    "fit": fit,
    "sessions": two_sessions,
    "trained": trained,
    "reduction": lambda: lc.reduce_to_dcm(fit()),
    "prediction": lambda: lc.predict(fit(), do=[lc.Cut("V1", "V5")], draws=4, seed=1),
    "coupling": lambda: fit().coupling,
    "recording": made.recording,
    "rest": lambda: lc.Recording(made.recording().series, lc.Inputs(np.zeros((60, 0)), 2.0, ())),
}


@pytest.mark.parametrize("kind", RESULTS)
def test_netcdf_holds_the_same_tree(tmp_path, kind):
    result = RESULTS[kind]()
    write_netcdf(result, tmp_path / "a.nc")
    with xarray.open_datatree(tmp_path / "a.nc") as read:
        tree = to_datatree(result)
        assert set(read.groups) == set(tree.groups)
        for node in tree.subtree:
            xarray.testing.assert_equal(node.to_dataset(), read[node.path].to_dataset().load())
    assert [path.name for path in tmp_path.iterdir()] == ["a.nc"]


def test_an_intervention_and_its_usual_course_are_in_one_tree():
    prediction = RESULTS["prediction"]()
    tree = to_datatree(prediction)
    assert tree.attrs["do"] == "V1 → V5 cut"
    assert_array_equal(tree["predictions/draws"] - tree["usual/draws"], prediction.effect.draws)
    assert_array_equal(tree["predictions/lower"].sel(region="V1"), prediction.lower[:, 0])


def test_a_reductions_tree_says_how_far_to_trust_it():
    reduction = RESULTS["reduction"]()
    tree = to_datatree(reduction)
    assert tree.attrs["verdict"] == reduction.certificate.verdict and tree.attrs["residual"] == reduction.certificate.residual
    assert float(tree["coupling/A"].sel(region_to="V5", region_from="V1")) == reduction.coupling.edge("V1", "V5")


# --- ArviZ ----------------------------------------------------------------------------------------------------------------------------


def assert_draws_are_of(posterior, result, count):
    assert posterior["coupling"].shape == (1, count, len(result.coupling_posterior.names))
    for name in result.coupling_posterior.names:
        drawn = posterior["coupling"].sel(connection=name).to_numpy().ravel()
        place = result.coupling_posterior.index(name)
        assert abs(drawn.mean() - result.coupling_posterior.mean[place]) < 5 * result.coupling_posterior.sd[place] / np.sqrt(count)
        assert drawn.std() == pytest.approx(result.coupling_posterior.sd[place], rel=0.1)
    free = [name for name, is_free in zip(result.posterior.names, result.posterior.free, strict=True) if is_free]
    assert posterior["parameter"].to_numpy().tolist() == free


def test_the_installed_arviz_summarises_a_fit():
    idata = to_arviz(fit(), draws=2000, seed=3)
    assert_draws_are_of(idata.posterior, fit(), 2000)
    assert_array_equal(idata.observed_data["signal"], fit().recording.series.values)
    import arviz

    table = arviz.summary(idata, var_names=["coupling"], kind="stats", round_to=6)
    for name, row in zip(fit().coupling_posterior.names, table.itertuples(), strict=True):
        assert name in row.Index
        drawn = idata.posterior["coupling"].sel(connection=name).to_numpy()
        assert row.mean == pytest.approx(drawn.mean(), abs=1e-6) and row.sd == pytest.approx(drawn.std(ddof=1), abs=1e-5)
    assert to_arviz(fit(), draws=20, seed=3).posterior.equals(to_arviz(fit(), draws=20, seed=3).posterior)


def test_arviz_from_1_on_gets_a_tree(monkeypatch):
    """There ArviZ has no InferenceData and takes an xarray tree instead; this stands for such a version."""
    monkeypatch.setitem(sys.modules, "arviz", types.ModuleType("arviz"))
    tree = to_arviz(fit(), draws=500, seed=3)
    assert isinstance(tree, xarray.DataTree) and {"posterior", "prior", "observed_data", "constant_data"} == set(tree.children)
    assert_draws_are_of(tree["posterior"], fit(), 500)


def test_an_ensemble_gives_its_points():
    posterior = to_arviz(trained(), draws=6, seed=1).posterior
    points = {tuple(row) for row in trained().posterior.points}
    assert {tuple(row) for row in posterior["theta"].to_numpy()[0]} <= points and "coupling" not in posterior


def test_other_results_and_missing_packages_are_said():
    with pytest.raises(lc.InputError, match="to_datatree takes Fit, TrainedNetwork, Reduction, Prediction, Coupling, Recording, got dict"):
        to_datatree({})
    with pytest.raises(lc.InputError, match="to_arviz takes a fit or a trained network, got Recording"):
        to_arviz(made.recording())
    code = (
        "import sys; sys.modules['xarray'] = None; sys.path.insert(0, 'tests')\n"
        "import made\nfrom ltc_causal.io.datatree import to_datatree\n"
        "try: to_datatree(made.recording())\n"
        "except ValueError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "Making an xarray tree needs the package xarray: install it with pip install 'ltc_causal[export]'."
