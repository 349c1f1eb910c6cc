"""What kind of model SPM's files hold, under which priors and in which units: read from all the places where SPM has them."""

import numpy as np
import pytest
import scipy.sparse
import spm_files
from spm_files import changed, read_changed

import ltc_causal as lc

CASE = "uncentred4_selfmod_1"

# --- the kind of model --------------------------------------------------------------------------------------------------------------------

GATED = {"d": np.concatenate([np.zeros((2, 2, 1)), np.array([[[0.0], [0.0]], [[1.0], [0.0]]])], axis=2)}


@pytest.mark.parametrize(
    ("changes", "neuronal", "flow"),
    [
        ({}, "bilinear", "bilinear"),
        (GATED, "nonlinear", "spm"),
        ({"d": np.zeros((2, 2, 2)), "options": {"nonlinear": 0.0}}, "nonlinear", "spm"),  # SPM12 looks at the size alone
        ({"d": np.zeros((2, 2, 2)), "M": {"IS": "spm_int"}}, "bilinear", "bilinear"),  # as an older one estimated it
        ({"options": {"two_state": 1.0}}, "two_state", "bilinear"),
    ],
)
def test_kinds(tmp_path, changes, neuronal, flow):
    model = read_changed(tmp_path, **changes).model
    assert (model.neuronal, model.flow) == (neuronal, flow)
    assert [name for name in model.prior.names if name[0] == "D"] == (["D[V5: V1->V5]"] if changes is GATED else [])


def test_one_region_that_gates_itself(tmp_path):
    one = {"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0, "delays": 1.0}  # MATLAB drops dimensions of one
    model = read_changed(tmp_path, **one, **changed("Y", y=spm_files.specified()["Y"]["y"][:, [0]], name="V1")).model
    assert model.prior.names == ("A[V1->V1]", "B[photic: V1->V1]", "C[photic->V1]", "D[V1: V1->V1]", "transit[V1]", "decay", "epsilon")


# --- priors -------------------------------------------------------------------------------------------------------------------------------


def changed_prior(path, part="M", **changes):
    dcm, *_ = spm_files.estimated(CASE)
    if part == "options":
        dcm["M"] = {"IS": "spm_int"}
    dcm[part] = {**dcm[part], **changes}
    return lc.read_spm(spm_files.saved(path / "a.mat", dcm)).model


def test_priors_by_name_where_they_differ_from_spms(tmp_path):
    dcm, usual, *_ = spm_files.estimated(CASE)
    variances = np.diag(dcm["M"]["pC"]).copy()
    variances[1] = 0.0  # A(2,1) = A[R0->R1] is switched off, as in a reduced model
    pE = {**dcm["M"]["pE"], "decay": 0.1}
    model = changed_prior(tmp_path, pE=pE, pC=np.diag(variances))
    assert usual.prior.mean[usual.prior.index("A[R0->R1]")] == 1 / 128
    assert [tuple(entry) for entry in model.to_spec()["prior"]] == [("A[R0->R1]", 1 / 128, 0.0), ("decay", 0.1, 1 / 16)]
    thin = changed_prior(tmp_path, "options", pE=pE, pC=np.diag(variances))
    assert thin.to_spec() == model.to_spec()


def test_a_prior_with_correlations_is_a_gaussian(tmp_path):
    dcm, model, *_ = spm_files.estimated(CASE)
    names = [name for name in model.prior.names if name.startswith("A[")]
    pC = dcm["M"]["pC"].copy()
    free = np.flatnonzero(np.diag(pC))[: len(names)]
    pC[free[0], free[2]] = pC[free[2], free[0]] = 0.01
    read = changed_prior(tmp_path, pC=pC)
    expected = model.prior.cov.copy()
    expected[0, 2] = expected[2, 0] = 0.01
    assert np.array_equal(read.prior.cov, expected) and np.array_equal(read.prior.mean, model.prior.mean)


def test_precision_of_connections(tmp_path):
    model = changed_prior(tmp_path, "options", precision=np.log(100.0))
    own = [name.startswith("A[") for name in model.prior.names]
    np.testing.assert_allclose(model.prior.sd[own], 0.1)
    usual = spm_files.estimated(CASE)[1]
    assert np.array_equal(model.prior.sd[np.logical_not(own)], usual.prior.sd[np.logical_not(own)])


@pytest.mark.parametrize("part", ["M", "options"])
def test_noise_prior(tmp_path, part):
    model = changed_prior(tmp_path, part, hE=5.0, hC=0.5)
    assert model.noise == lc.NoisePrior(5.0, 0.5)
    assert changed_prior(tmp_path, "options", hC=0.25).noise == lc.NoisePrior(6.0, 0.25)


@pytest.mark.parametrize(
    ("part", "changes", "said"),
    [
        ("M", {"hE": np.array([[6.0], [6.0], [-4.0], [6.0]])}, "expects other noise in some regions than in others"),
        ("M", {"hC": np.diag([1.0, 1.0, 2.0, 1.0])}, "expects other noise in some regions than in others"),
        ("options", {"hidden": 2.0}, "expects other noise in some regions than in others"),
        ("M", {"hE": np.ones((3, 1))}, "DCM.M.hE and hC must be one number a region"),
        ("M", {"pC": np.eye(3)}, "The covariance of .* parameters has the size 3 x 3"),
    ],
)
def test_priors_that_are_refused(tmp_path, part, changes, said):
    with pytest.raises(lc.InputError, match=said):
        changed_prior(tmp_path, part, **changes)


def test_a_prior_beyond_the_connections_is_warned_of(tmp_path):
    dcm, model, *_ = spm_files.estimated("bilinear3_1")
    pC = dcm["M"]["pC"].copy()
    n_A = 9
    assert np.any(np.diag(pC)[:n_A] == 0)
    pC[:n_A, :n_A] += 0.001  # as principal modes give it
    dcm["M"]["pC"] = pC
    with pytest.warns(UserWarning, match=r"a.mat has a say on \d parameter\(s\) outside DCM.a, b, c and d \(A\["):
        read = lc.read_spm(spm_files.saved(tmp_path / "a.mat", dcm))
    own = [name.startswith("A[") for name in model.prior.names]
    np.testing.assert_allclose(read.model.prior.cov[np.ix_(own, own)], model.prior.cov[np.ix_(own, own)] + 0.001)


@pytest.mark.parametrize("form", ["vector", "sparse", "fields"])
def test_the_usual_priors_in_any_form_state_nothing(tmp_path, form):
    dcm, _, _, d = spm_files.estimated(CASE)
    pC = dcm["M"]["pC"]
    variances = np.diag(pC)
    forms = {"vector": variances[:, None], "sparse": scipy.sparse.csc_array(pC), "fields": spm_files.like_fields(variances, *d["c"].shape)}
    dcm["M"]["pC"] = forms[form]
    assert lc.read_spm(spm_files.saved(tmp_path / "a.mat", dcm)).model.to_spec()["prior"] == []


# --- the units of the fit -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("range_", "scale"), [(4.0, True), (10.0, True), (None, False)])
def test_an_estimate_in_other_units_than_spm12s(tmp_path, range_, scale):
    """Older versions did not scale the data: then their noise and their driving inputs are in other units than ours would be."""
    dcm, _, recording, _ = spm_files.estimated("bilinear3_1")
    y = recording.series.values - recording.series.values.mean(axis=0)
    y *= 20 / np.ptp(y)
    factor = range_ / 20 if range_ else 1.0
    dcm["Y"] = {**dcm["Y"], "y": factor * y} | ({"scale": factor} if scale else {})
    if not scale:
        del dcm["Y"]["scale"]
    dcm["y"] = 0.5 * factor * y
    fit = lc.read_spm(spm_files.saved(tmp_path / "a.mat", dcm)).fit
    assert fit.model.signal_range == pytest.approx(range_) if range_ else fit.model.signal_range is None
    np.testing.assert_allclose(fit.prediction, 0.5 * y, atol=1e-10)
    np.testing.assert_allclose(fit.model.features(fit.recording).values, factor * y, atol=1e-10)
