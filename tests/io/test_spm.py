"""Writing SPM's files: what is written is what SPM would have written, nothing is lost, and another program reads it."""

import shutil
import subprocess
from dataclasses import replace

import made
import numpy as np
import pytest
import scipy.sparse
import spm_files
import spm_reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ltc_causal as lc
from ltc_causal.io.spm.mat import read_mat, write_mat

CASE = "uncentred4_selfmod_1"


@pytest.mark.parametrize("name", spm_reference.BILINEAR)
def test_what_is_written_is_what_spm_wrote(name, tmp_path):
    """SPM's estimate, read as a fit and written anew, has SPM's fields with SPM's numbers."""
    dcm, *_ = spm_files.estimated(name)
    lc.write_spm(lc.read_spm(spm_files.saved(tmp_path / "a.mat", dcm)).fit, tmp_path / "b.mat")
    content = read_mat(tmp_path / "b.mat")
    expected, new = read_mat(tmp_path / "a.mat")["DCM"], content["DCM"]
    for part in ("U", "Y", "options", "M", "Ep"):
        differing = {name for name in new[part] if name in expected[part] and not close(new[part][name], expected[part][name])}
        assert differing == set(), part
    for field in ("a", "b", "c", "d", "n", "v", "TE", "Cp", "Ce", "y", "R", "T", "F"):
        assert close(new[field], expected[field]), field
    assert np.array_equal(new["delays"].ravel(), expected["delays"].ravel())
    assert {name: spm_files.unequal(content[name], new[name]) for name in ("F", "Ep", "Cp")} == {"F": [], "Ep": [], "Cp": []}
    assert "convergence" not in new  # the file did not say


def close(a, b):
    if isinstance(a, dict):
        return list(a) == list(b) and all(close(a[name], b[name]) for name in a)
    if isinstance(a, str) or getattr(a, "dtype", np.dtype(float)).kind == "O":
        return spm_files.unequal(a, b) == []
    a, b = (value.toarray() if scipy.sparse.issparse(value) else value for value in (a, b))
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0) <= 1e-9 * max(1, np.abs(b).max(initial=0)))


def test_variances_and_probabilities(tmp_path):
    fit = made.fit()
    lc.write_spm(fit, tmp_path / "a.mat")
    dcm = read_mat(tmp_path / "a.mat")["DCM"]
    at = fit.posterior.index("A[V1->V5]")
    mean, sd = fit.posterior.mean[at], fit.posterior.sd[at]
    assert np.isclose(dcm["Vp"]["A"][1, 0], sd**2)
    # P(|mean| exceeds the prior mean of 1/128), by a sum over the density
    grid = np.linspace(-12, (abs(mean) - 1 / 128) / sd, 200_001)
    assert np.isclose(dcm["Pp"]["A"][1, 0], np.trapezoid(np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), grid), atol=1e-8)
    assert np.isnan(dcm["Pp"]["B"][1, 0, 0]) and dcm["Vp"]["B"][1, 0, 0] == 0  # photic modulates nothing


@given(
    seed=st.integers(0, 10**6), n=st.integers(1, 4), m=st.integers(1, 3), flow=st.sampled_from(["bilinear", "true"]), centre=st.booleans()
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_fit_comes_back(seed, n, m, flow, centre, tmp_path):
    fit = random_fit(seed, n, m, flow, centre)
    lc.write_spm(fit, tmp_path / "a.mat")
    read = lc.read_spm(tmp_path / "a.mat").fit
    assert read.model.to_spec() == fit.model.to_spec() and read.posterior.names == fit.posterior.names
    assert np.array_equal(read.posterior.mean, fit.posterior.mean) and np.array_equal(read.posterior.cov, fit.posterior.cov)
    assert (read.free_energy, read.status) == (fit.free_energy, fit.status)
    np.testing.assert_allclose(read.noise.mean, fit.noise.mean, rtol=1e-12)
    np.testing.assert_allclose(read.prediction, fit.prediction, atol=1e-12)
    values = fit.recording.series.values
    np.testing.assert_allclose(read.recording.series.values, values - values.mean(axis=0), atol=1e-10)
    np.testing.assert_allclose(read.model.features(read.recording).scale, fit.model.features(fit.recording).scale)
    inputs = fit.recording.inputs.values
    np.testing.assert_allclose(read.recording.inputs.values, inputs - inputs.mean(axis=0) * centre, atol=1e-12)


def random_fit(seed, n, m, flow, centre):
    rng = np.random.default_rng(seed)
    regions, inputs = [f"area {i}" for i in range(n)], [f"input {k}" for k in range(m)]
    driving = rng.random((n, m)) < 0.5
    driving[0, 0] = True
    model = lc.DCM(regions, inputs, rng.random((n, n)) < 0.6, rng.random((m, n, n)) < 0.3, driving, flow=flow, centre_inputs=centre)
    series = lc.TimeSeries(rng.normal(3, rng.uniform(0.1, 5), (20, n)), 1.5, regions)
    recording = lc.Recording(
        series, lc.Inputs(rng.normal(size=(320, m)), 1.5 / 16, inputs), rng.normal(size=(20, 2)), 0.03, rng.uniform(0, 1.5, n)
    )
    base = made.fit(status=rng.choice(list(lc.Status)), free_energy=float(rng.normal(0, 1000)))
    size = len(model.prior.names)
    root = rng.normal(size=(size, size))
    posterior = lc.Gaussian(model.prior.names, rng.normal(size=size), root @ root.T)
    noise = lc.Gaussian(tuple(regions), rng.normal(size=n), np.eye(n))
    session = replace(
        base.sessions[0], recording=recording, prediction=rng.normal(size=(20, n)), noise=noise, scale=model.features(recording).scale
    )
    return replace(base, model=model, sessions=(session,), posterior=posterior)


def test_a_model_of_some_of_the_recordings_regions_and_inputs(tmp_path):
    """Regions and inputs go into the file in the model's order, those it leaves out do not."""
    fit = random_fit(0, 3, 3, "bilinear", False)
    model = lc.DCM(["area 2", "area 0"], ["input 1"], [("area 2", "area 0")], driving=[("input 1", "area 2")])
    lc.write_spm((model, fit.recording), tmp_path / "a.mat")
    read = lc.read_spm(tmp_path / "a.mat")
    assert np.array_equal(read.recording.series.values, fit.recording.series.values[:, [2, 0]])
    assert np.array_equal(read.recording.inputs.values, fit.recording.inputs.values[:, [1]])
    assert np.array_equal(read.recording.delays, fit.recording.delays[[2, 0]])
    assert read.model.to_spec() == model.to_spec() and read.fit is None
    assert {"Ep", "F", "M", "convergence"} & set(read.raw["DCM"]) == set() and list(read.raw) == ["DCM"]


# --- nothing is lost ----------------------------------------------------------------------------------------------------------------------


@given(unknown=st.dictionaries(spm_files.UNKNOWN, spm_files.VALUES, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_unknown_fields_survive(unknown, tmp_path):
    dcm, *_ = spm_files.estimated(CASE)
    for part in ("Y", "U", "M", "options"):
        dcm[part] = {**dcm[part], **unknown}
    write_mat(tmp_path / "a.mat", {"comment": "words", "DCM": {**dcm, **unknown}, "F": dcm["F"], **unknown})
    first = lc.read_spm(tmp_path / "a.mat")
    lc.write_spm(first, tmp_path / "b.mat")
    assert spm_files.unequal(read_mat(tmp_path / "b.mat"), read_mat(tmp_path / "a.mat")) == []
    lc.write_spm(first.fit, tmp_path / "c.mat", like=first)
    content = read_mat(tmp_path / "c.mat")
    expected = {name: first.raw[name] for name in unknown}
    for place in (content, content["DCM"], *(content["DCM"][part] for part in ("Y", "U", "M", "options"))):
        assert spm_files.unequal({name: place[name] for name in unknown}, expected) == []
    assert content["comment"] == "words"


def test_a_new_fit_over_an_old_file(tmp_path):
    dcm, _, recording, d = spm_files.estimated(CASE, history="by hand", xY=np.zeros((1, 4), dtype=[("xyz", object)]))
    dcm["xY"]["xyz"] = 1.0
    dcm["Y"]["name"] = spm_files.row("V1", "V1", "V3", "V4")
    old = lc.read_spm(spm_files.saved(tmp_path / "a.mat", dcm, "MyModel"))
    assert old.model.regions[1] == "V1 (2)"
    model = lc.DCM(old.model.regions, old.model.inputs, ~np.eye(4, dtype=bool), driving=old.model.driving)
    mean = model.prior.mean + 0.1
    fit = replace(
        old.fit,
        model=model,
        posterior=lc.Gaussian(model.prior.names, mean, model.prior.cov / 4),
        free_energy=-1.0,
        status=lc.Status.CONVERGED,
    )
    lc.write_spm(fit, tmp_path / "b.mat", like=old)
    new = lc.read_spm(tmp_path / "b.mat")
    assert new.variable == "MyModel" and new.fit.status is lc.Status.CONVERGED and new.free_energy == -1.0
    assert np.array_equal(new.posterior.mean, mean) and np.array_equal(new.raw["Cp"], new.raw["MyModel"]["Cp"])
    fields = new.raw["MyModel"]
    assert fields["history"] == "by hand" and spm_files.unequal(fields["xY"], old.raw["MyModel"]["xY"]) == []
    assert spm_files.unequal(fields["Y"]["name"], dcm["Y"]["name"]) == [] and "Q" in fields["Y"] and fields["options"]["maxit"] == 128
    assert "H1" not in fields  # kernels of the old estimate


def test_a_new_specification_over_an_estimated_file(tmp_path):
    dcm, _, recording, _ = spm_files.estimated("bilinear3_1")
    assert dcm["Y"]["scale"] < 1
    old = lc.read_spm(spm_files.saved(tmp_path / "a.mat", dcm))
    recording = replace(recording, series=replace(recording.series, values=7 * recording.series.values))
    renamed = replace(recording, series=replace(recording.series, regions=old.model.regions))
    lc.write_spm((old.model, renamed), tmp_path / "b.mat", like=old)
    new = lc.read_spm(tmp_path / "b.mat")
    assert new.fit is None and list(new.raw) == ["DCM"]
    assert np.array_equal(new.recording.series.values, renamed.series.values)


def test_what_we_say_of_a_fit_is_not_believed_once_spm_has_estimated_again(tmp_path):
    fit = random_fit(0, 2, 1, "true", False)
    lc.write_spm(replace(fit, status=lc.Status.STALLED), tmp_path / "a.mat")
    content = read_mat(tmp_path / "a.mat")
    content["DCM"]["F"] = content["DCM"]["F"] + 1.0  # as another estimation would leave it
    del content["DCM"]["convergence"]
    write_mat(tmp_path / "b.mat", content)
    before, after = lc.read_spm(tmp_path / "a.mat"), lc.read_spm(tmp_path / "b.mat")
    assert (before.model.flow, before.fit.status) == ("true", lc.Status.STALLED)
    assert (after.model.flow, after.fit.status) == ("bilinear", lc.Status.UNKNOWN)


def test_what_cannot_be_written(tmp_path):
    fit = made.fit()
    path = tmp_path / "a.mat"
    old = lc.read_spm(spm_files.saved(tmp_path / "old.mat", spm_files.specified()))
    with pytest.raises(lc.InputError, match="write_spm writes bilinear DCMs"):
        lc.write_spm(made.fit("liquid"), path)
    with pytest.raises(lc.InputError, match="got DCM"):
        lc.write_spm(fit.model, path)
    with pytest.raises(lc.InputError, match=r"`like` has the inputs \['photic'\] but the model has \['photic', 'attention'\]"):
        lc.write_spm(fit, path, like=old)
    with pytest.raises(lc.InputError, match="leave out `like`, or give a fit"):
        lc.write_spm(old, path, like=old)
    short = lc.DCM(["V1", "V5"], ["photic"], driving=[("photic", "V1")])
    with pytest.raises(lc.InputError, match="`like` has 20 scans but the recording has 60"):
        lc.write_spm((short, fit.recording), path, like=old)
    with pytest.raises(lc.InputError, match="Unknown region 'V3'"):
        lc.write_spm((lc.DCM(["V3"], ["photic"], driving=[("photic", "V3")]), fit.recording), path)
    assert not path.exists()


# --- another reader -----------------------------------------------------------------------------------------------------------------------

OCTAVE = """
load('a.mat');
printf('%s\\n', mat2str(size(DCM.a)), mat2str(size(DCM.b)), mat2str(size(DCM.d)), mat2str(size(DCM.Ep.D)), mat2str(size(DCM.Y.name)), ...
    class(DCM.convergence.converged), DCM.M.f, DCM.xY(2).name, DCM.U.name{1}, ...
    mat2str(isequal(Cp, DCM.Cp) && isequal(Ep, DCM.Ep) && F == DCM.F));
printf('%.17g\\n', DCM.Ep.B(2, 1, 2), DCM.Cp(end, end), sum(DCM.Y.y(:)));
save('-v7', 'b.mat', 'DCM', 'F', 'Ep', 'Cp');
"""


@pytest.mark.skipif(shutil.which("octave-cli") is None, reason="needs GNU Octave")
@given(unknown=st.dictionaries(spm_files.UNKNOWN, spm_files.ASCII_VALUES, max_size=6), seed=st.integers(0, 1000))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_octave_reads_what_is_written_and_what_it_saves_is_read(unknown, seed, tmp_path):
    fit = random_fit(seed, 3, 2, "bilinear", True)
    lc.write_spm(replace(fit, status=lc.Status.CONVERGED), tmp_path / "fit.mat")
    read = lc.read_spm(tmp_path / "fit.mat")
    lc.write_spm(replace(read, raw={**read.raw, "DCM": {**read.raw["DCM"], **unknown}}), tmp_path / "a.mat")
    run = subprocess.run(["octave-cli", "--no-init-file", "--eval", OCTAVE], cwd=tmp_path, capture_output=True, text=True)
    said = ["[3 3]", "[3 3 2]", "[3 3 0]", "[3 3 0]", "[1 3]", "logical", "spm_fx_fmri", "area 1", "input 0", "true"]
    assert run.stdout.splitlines()[:10] == said, run.stderr
    B = fit.posterior.mean[fit.posterior.index("B[input 1: area 0->area 1]")] if fit.model.modulatory[1, 1, 0] else 0.0
    total = fit.model.features(fit.recording).values.sum()
    np.testing.assert_allclose([float(line) for line in run.stdout.splitlines()[10:]], [B, fit.posterior.cov[-1, -1], total], atol=1e-12)
    assert spm_files.unequal(read_mat(tmp_path / "b.mat"), read_mat(tmp_path / "a.mat")) == []
    assert np.array_equal(lc.read_spm(tmp_path / "b.mat").posterior.cov, fit.posterior.cov)
