"""Reading SPM's files: SPM's own numbers are understood, in every form that a file may have, and what cannot be read is said."""

import numpy as np
import pytest
import scipy.sparse
import spm_files
import spm_reference
from scipy.io import savemat
from spm_files import changed, read_changed

import ltc_causal as lc

CASE = "uncentred4_selfmod_1"
CASES = spm_reference.BILINEAR + spm_reference.NONLINEAR + spm_reference.TWO_STATE


@pytest.fixture(scope="module", params=CASES)
def spm(request, tmp_path_factory):
    """What SPM left of a reference case, as read; the case itself; and the fields as they were put into the file."""
    dcm, model, recording, d = spm_files.estimated(request.param)
    path = spm_files.saved(tmp_path_factory.mktemp("spm") / "DCM_case.mat", dcm)
    return lc.read_spm(path), model, recording, d, dcm


# --- reading what SPM estimated -----------------------------------------------------------------------------------------------------------


def test_model_and_recording_are_those_of_the_case(spm):
    read, model, recording, d, _ = spm
    assert read.name == "DCM_case" and read.model.to_spec() == model.to_spec()  # the priors among them, which are the usual ones
    centred = d["y"] - d["y"].mean(axis=0)
    np.testing.assert_allclose(read.recording.series.values, centred, atol=1e-12 * np.abs(centred).max())
    u = d["u"] - d["u"].mean(axis=0) * d["centre"]
    assert np.array_equal(read.recording.inputs.values, u)
    assert np.array_equal(read.recording.confounds, d["X0"]) and np.array_equal(read.recording.delays, d["delays"])
    assert (read.recording.series.dt, read.recording.inputs.dt) == (recording.series.dt, recording.inputs.dt)


def test_posterior_is_spms_and_predicts_what_spm_predicts(spm):
    read, model, _, d, _ = spm
    assert read.posterior.names == model.prior.names
    assert np.array_equal(read.posterior.mean, d["posterior_mean"])
    np.testing.assert_allclose(read.posterior.cov, d["posterior_cov"], rtol=1e-12, atol=1e-13)
    features = read.model.features(read.recording)
    prediction, stable = read.model.predict(read.posterior.mean, features, "spm")
    assert stable and np.abs(prediction - d["prediction"]).max() <= 1e-10
    np.testing.assert_allclose(read.fit.prediction * features.scale, d["prediction"], atol=1e-12)


def test_fit_has_spms_numbers_and_says_what_it_does_not_know(spm):
    read, _, _, d, dcm = spm
    fit = read.fit
    assert fit.free_energy == read.free_energy == d["free_energy"]
    np.testing.assert_allclose(np.exp(-fit.noise.mean), d["noise_variance"], rtol=1e-12)
    scale = dcm["Y"]["scale"]
    np.testing.assert_allclose(fit.residuals * scale, dcm["R"], atol=1e-10)
    assert fit.status is lc.Status.UNKNOWN and not fit.status.ok and len(fit.history) == 0


def test_fitting_what_was_read_agrees_with_what_was_read(spm):
    read, _, _, d, _ = spm
    # SPM's scheme for gating has no other derivatives than differences.
    fit = lc.fit(read.model, read.recording, lc.VariationalLaplace(differences="spm" if read.model.flow == "spm" else "exact"))
    assert np.abs((fit.posterior.mean - read.posterior.mean) / read.posterior.sd).max() <= 0.05
    assert abs(fit.free_energy - read.free_energy) <= 0.03
    # SPM stores no variance of the log-precisions: it is recovered from where the ascent ended.
    np.testing.assert_allclose(fit.noise.sd, read.fit.noise.sd, rtol=0.02)


def test_data_whose_mean_was_not_removed(tmp_path):
    dcm, *_ = spm_files.estimated(CASE)
    dcm["Y"]["y"] = dcm["Y"]["y"] + np.array([1.0, -2.0, 3.0, 0.0])
    fit = lc.read_spm(spm_files.saved(tmp_path / "a.mat", dcm)).fit
    np.testing.assert_allclose(fit.residuals * dcm["Y"]["scale"], dcm["R"], atol=1e-10)


def test_prediction_is_made_where_the_file_has_none(tmp_path):
    dcm, _, _, d = spm_files.estimated(CASE, y=None, R=None, Ce=None)
    read = lc.read_spm(spm_files.saved(tmp_path / "a.mat", dcm))
    scale = dcm["Y"]["scale"]
    assert np.abs(read.fit.prediction * scale - d["prediction"]).max() <= 0.02 * d["prediction"].std()  # exact differences, not SPM's
    np.testing.assert_allclose(np.exp(-read.fit.noise.mean), d["noise_variance"], rtol=0.1)


@pytest.mark.parametrize(("converged", "status"), [(1.0, lc.Status.CONVERGED), (0.0, lc.Status.MAXIMUM_ITERATIONS)])
def test_convergence_is_believed_where_the_file_states_it(tmp_path, converged, status):
    dcm, *_ = spm_files.estimated(CASE, convergence={"converged": converged, "F": np.array([[-30.0, -20.0, -20.0]])})
    fit = lc.read_spm(spm_files.saved(tmp_path / "a.mat", dcm)).fit
    assert fit.status is status and fit.history.free_energy.tolist() == [-30.0, -20.0, -20.0]


# --- the many forms of a file -------------------------------------------------------------------------------------------------------------


def test_specified_but_not_estimated(tmp_path):
    read = read_changed(tmp_path)
    assert read.fit is None and read.posterior is None and read.free_energy is None
    assert read.model.centre_inputs and read.recording.delays.tolist() == [1.0, 0.5]
    assert read.model.edge_names == ("A[V1->V1]", "A[V1->V5]", "A[V5->V1]", "A[V5->V5]", "B[photic: V1->V5]", "C[photic->V1]")
    assert np.array_equal(read.recording.series.values, spm_files.specified()["Y"]["y"])


XY = np.array([[("V1", 1.0), ("V5", 2.0)]], dtype=[("name", object), ("Sess", object)])


@pytest.mark.parametrize(
    ("changes", "regions", "inputs"),
    [
        (changed("Y", name=np.array(["V1", "V5"])), ["V1", "V5"], ["photic"]),
        (changed("Y", name=None) | {"xY": XY}, ["V1", "V5"], ["photic"]),
        (changed("Y", name=None), ["R1", "R2"], ["photic"]),
        (changed("U", name=None), ["V1", "V5"], ["u1"]),
        (changed("Y", name=spm_files.row("V1", "V1")), ["V1", "V1 (2)"], ["photic"]),
        (changed("U", name=spm_files.row("V5")), ["V1", "V5"], ["V5 (2)"]),
        (changed("U", name=spm_files.row("V5 ").T), ["V1", "V5"], ["V5 (2)"]),
    ],
    ids=["matrix of characters", "regions of interest", "no regions", "no inputs", "repeated", "input like a region", "column"],
)
def test_names(tmp_path, changes, regions, inputs):
    read = read_changed(tmp_path, **changes)
    assert list(read.model.regions) == list(read.recording.regions) == regions
    assert list(read.model.inputs) == list(read.recording.inputs.names) == inputs


@pytest.mark.parametrize(
    "changes",
    [
        {
            "a": np.ones((2, 2), dtype=bool),
            "b": spm_files.specified()["b"].astype("u1"),
            "c": scipy.sparse.csc_array(spm_files.specified()["c"]),
            "d": np.zeros((0, 0)),
        },
        {"d": None, "n": None, "v": None} | changed("U", u=scipy.sparse.csc_array(spm_files.specified()["U"]["u"])),
        {"options": {"centre": True, "two_state": np.zeros((0, 0)), "nonlinear": True, "induced": 0.0, "pE": np.zeros((0, 0))}},
        {"delays": np.array([[1.0], [0.5]]), "TE": np.zeros((0, 0))} | changed("Y", X0=None),
        {"convergence": np.zeros((0, 0)), "Ep": {}, "Cp": np.zeros((0, 0)), "F": np.zeros((0, 0)), "ltc_causal": np.zeros((0, 0))},
    ],
    ids=["other classes", "sparse", "options", "column", "empty"],
)
def test_other_forms_of_the_same(tmp_path, changes):
    plain, other = read_changed(tmp_path), read_changed(tmp_path, **changes)
    assert other.model.to_spec() == plain.model.to_spec()
    for part in ("series.values", "inputs.values", "confounds", "delays", "echo_time"):
        first, second = plain.recording, other.recording
        for name in part.split("."):
            first, second = getattr(first, name), getattr(second, name)
        assert np.array_equal(first, second)


def test_spms_defaults_where_the_file_gives_nothing(tmp_path):
    read = read_changed(tmp_path, delays=None, TE=None, options=None, **changed("Y", X0=np.zeros((20, 0))))
    assert read.recording.delays.tolist() == [1.0, 1.0] and read.recording.echo_time == 0.04 and not read.model.centre_inputs
    for dt, n_scan, delay in ((4.0, 10, 1.0), (0.8, 50, 0.8)):
        other = changed("Y", dt=dt, X0=None, y=np.random.default_rng(0).normal(size=(n_scan, 2)))
        assert read_changed(tmp_path, delays=None, **other).recording.delays.tolist() == [delay, delay]
    assert np.array_equal(read.recording.confounds, np.ones((20, 1)))
    assert read_changed(tmp_path, delays=0.25).recording.delays.tolist() == [0.25, 0.25]


def test_another_variable_that_looks_like_a_dcm(tmp_path):
    path = spm_files.saved(tmp_path / "a.mat", spm_files.specified(), "MyModel", comment="words", a=1.0)
    assert lc.read_spm(path).variable == "MyModel"


THIN = ("a", "b", "c", "d", "F", "Ep", "Cp", "options", "M")


def thin(name=CASE):
    """A model as SPM keeps it short within a group: no data."""
    dcm, _, _, d = spm_files.estimated(name)
    return {field: dcm[field] for field in THIN}, d


def test_a_model_without_its_data(tmp_path):
    short, d = thin()
    read = lc.read_spm(spm_files.saved(tmp_path / "a.mat", short))
    assert read.recording is None and read.fit is None
    assert np.array_equal(read.posterior.mean, d["posterior_mean"]) and read.free_energy == d["free_energy"]
    assert list(read.model.regions) == [f"R{i}" for i in range(1, 5)]


# --- what is refused ----------------------------------------------------------------------------------------------------------------------

SEVERAL = spm_files.row(np.ones((20, 2)), np.ones((20, 2)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"options": {"stochastic": 1.0}}, r"The DCM is stochastic \(DCM.options.stochastic\)"),
        ({"options": {"induced": 1.0}}, r"The DCM is spectral \(DCM.options.induced\)"),
        ({"options": {"two_state": 1.0}, "d": np.ones((2, 2, 2))}, "The DCM is two-state and nonlinear at once"),
        ({"d": np.ones((2, 2, 2)), "M": {"IS": "spm_int"}}, "DCM gating needs neuronal='nonlinear' or 'liquid'"),
        ({"options": {"two_state": 1.0}, "a": np.eye(2)}, "'photic' modulates 'V1' -> 'V5', which is not intrinsic"),
        ({"d": np.ones((2, 2, 3))}, "DCM.d must be 2 x 2 x 2 beside DCM.a and DCM.c, but its size is 2 x 2 x 3"),
        ({"options": 1.0}, "DCM.options must be a struct of one element"),
        ({"a": np.ones((2, 2, 2))}, "DCM.a must be regions x regions, but its size is 2 x 2 x 2"),
        ({"a": "yes"}, "DCM.a must hold real numbers, but it holds text"),
        ({"b": np.ones((2, 2, 3))}, "DCM.b must be 2 x 2 x 1 beside DCM.a and DCM.c, but its size is 2 x 2 x 3"),
        ({"c": np.ones((3, 1))}, "DCM.c must be 2 x 1"),
        ({"c": np.zeros((0, 0)), "b": np.zeros((0, 0))}, "A DCM needs at least one region and one input"),
        ({"c": np.zeros((2, 1)), "b": np.zeros((2, 2))}, "No input of the DCM drives"),
        (changed("Y", y=SEVERAL), "DCM.Y.y holds several sessions"),
        (changed("Y", scale=2.0), "DCM.Y.scale is 2, but SPM only scales data down"),
        (changed("Y", name=spm_files.row("V1")), "DCM.Y.name holds 1 names, but the connections are those of 2"),
        (changed("Y", name=3.0), "DCM.Y.name must hold names, but it holds values of the type float64"),
        (changed("Y", dt=None), "DCM.Y.dt is missing"),
        (changed("Y", dt=np.ones((1, 2))), "DCM.Y.dt must be one number, but its size is 1 x 2"),
        (changed("Y", y=np.ones((20, 3))), "must give 3 names"),
        (changed("U", u=np.ones((300, 1))), "The inputs cover 37.5 s"),
        ({"TE": 40.0}, "seconds, not milliseconds"),
        ({"delays": np.array([[3.0, 0.0]])}, "between 0 and the scan time"),
    ],
)
def test_what_is_refused(tmp_path, changes, said):
    with pytest.raises(lc.InputError, match=said) as caught:
        read_changed(tmp_path, **changes)
    assert str(caught.value).endswith(f"(in {tmp_path / 'a.mat'}).")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"decay": np.zeros((4, 1))}, r"DCM.Ep.decay has the size 4 x 1, which no bilinear model of 4 regions"),
        ({"A": None}, r"DCM.Ep lacks the field\(s\) \['A'\]"),
        ({"more": 1.0}, "DCM.Ep.more has the size 1 x 1"),
    ],
)
def test_posteriors_of_another_kind(tmp_path, change, said):
    dcm, *_ = spm_files.estimated(CASE)
    dcm["Ep"] = {name: value for name, value in (dcm["Ep"] | change).items() if value is not None}
    with pytest.raises(lc.InputError, match=said):
        lc.read_spm(spm_files.saved(tmp_path / "a.mat", dcm))
    dcm, *_ = spm_files.estimated(CASE, Cp=np.eye(3))
    with pytest.raises(lc.InputError, match="The covariance of .* parameters has the size 3 x 3"):
        lc.read_spm(spm_files.saved(tmp_path / "a.mat", dcm))
    dcm, *_ = spm_files.estimated(CASE, y=np.zeros((3, 3)))
    with pytest.raises(lc.InputError, match="DCM.y has the size 3 x 3"):
        lc.read_spm(spm_files.saved(tmp_path / "a.mat", dcm))


def test_a_matlab_file_without_a_dcm(tmp_path):
    savemat(tmp_path / "a.mat", {"SPM": {"xY": 1.0}, "F": 2.0})
    with pytest.raises(lc.InputError, match=r"holds no DCM for fMRI .* only the variables \['F', 'SPM'\]"):
        lc.read_spm(tmp_path / "a.mat")


# --- groups -------------------------------------------------------------------------------------------------------------------------------


def test_group_of_structs(tmp_path):
    full, *_ = spm_files.estimated(CASE)
    GCM = np.empty((2, 2), dtype=object)
    GCM[0, 0], GCM[0, 1], GCM[1, 0], GCM[1, 1] = full, thin()[0], spm_files.specified(), spm_files.specified(c=np.array([[1.0], [1.0]]))
    savemat(tmp_path / "GCM_all.mat", {"GCM": GCM})
    group = lc.read_spm(tmp_path / "GCM_all.mat")
    assert [[dcm.name for dcm in row] for row in group] == [["GCM_all(1,1)", "GCM_all(1,2)"], ["GCM_all(2,1)", "GCM_all(2,2)"]]
    assert group[0][0].fit is not None and group[0][1].fit is None
    assert np.array_equal(group[0][0].posterior.cov, group[0][1].posterior.cov)
    assert group[1][1].model.driving.sum() == 2 and group[1][0].model.driving.sum() == 1


@pytest.mark.parametrize("written", ["sub/DCM_1.mat", "sub\\DCM_1.mat", "D:\\study\\DCM_2.mat", "/another/machine/DCM_2.mat", "DCM_2.mat"])
def test_group_of_file_names(tmp_path, written):
    (tmp_path / "sub").mkdir()
    spm_files.saved(tmp_path / "sub" / "DCM_1.mat", spm_files.specified())
    spm_files.saved(tmp_path / "DCM_2.mat", spm_files.specified())
    savemat(tmp_path / "GCM.mat", {"GCM": spm_files.row(written).T})
    ((read,),) = lc.read_spm(tmp_path / "GCM.mat")
    assert read.name in written and read.recording is not None


def test_group_of_a_full_path(tmp_path):
    path = spm_files.saved(tmp_path / "DCM_1.mat", spm_files.specified())
    (tmp_path / "elsewhere").mkdir()
    savemat(tmp_path / "elsewhere" / "GCM.mat", {"GCM": spm_files.row(str(path))})
    assert lc.read_spm(tmp_path / "elsewhere" / "GCM.mat")[0][0].name == "DCM_1"


@pytest.mark.parametrize(
    ("GCM", "said"),
    [
        (spm_files.row("absent.mat"), r"The file 'absent.mat' is neither where it says nor beside .*GCM.mat, GCM\(1,1\)\)\.$"),
        (spm_files.row(spm_files.specified(), np.zeros((0, 0))), r"A cell holds neither .*GCM.mat, GCM\(1,2\)\)\.$"),
        (spm_files.row(spm_files.specified(options={"induced": 1.0})), r"spectral .*GCM.mat, GCM\(1,1\)\)\.$"),
        (3.0, "The variable GCM of .* is not a cell array"),
    ],
)
def test_groups_that_are_refused(tmp_path, GCM, said):
    savemat(tmp_path / "GCM.mat", {"GCM": GCM})
    with pytest.raises(lc.InputError, match=said):
        lc.read_spm(tmp_path / "GCM.mat")
