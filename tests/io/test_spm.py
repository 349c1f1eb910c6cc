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
from scipy.stats import norm

import ltc_causal as lc
from ltc_causal.io.spm.mat import read_mat, write_mat

CASE = "uncentred4_selfmod_1"


@pytest.mark.parametrize("name", spm_reference.BILINEAR + spm_reference.NONLINEAR + spm_reference.TWO_STATE)
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


def test_information_criteria(tmp_path):
    """SPM's are a Gaussian's log likelihood of the residuals, less its constant and a penalty a free parameter."""
    fit = lc.fit(made.model(), made.simulated())
    lc.write_spm(fit, tmp_path / "a.mat")
    dcm = read_mat(tmp_path / "a.mat")["DCM"]
    R, k = dcm["R"], len(fit.posterior.names)
    likelihood = norm.logpdf(R, scale=np.sqrt(dcm["Ce"].T)).sum() + R.size / 2 * np.log(2 * np.pi)
    np.testing.assert_allclose([dcm["AIC"].item(), dcm["BIC"].item()], [likelihood - k, likelihood - k / 2 * np.log(len(R))])


# --- there and back -----------------------------------------------------------------------------------------------------------------------

KINDS = {"bilinear": ("bilinear", "true"), "nonlinear": ("spm", "true"), "two_state": ("bilinear", "true")}
SOME = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def models(draw):
    """Any DCM that a file can hold."""
    n, m = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    neuronal = draw(st.sampled_from(list(KINDS)))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    regions, inputs = [f"area {i}" for i in range(n)], [f"input {k}" for k in range(m)]
    driving = rng.random((n, m)) < 0.5
    driving[0, 0] = True
    intrinsic = (rng.random((n, n)) < 0.6) | np.eye(n, dtype=bool)
    modulatory = rng.random((m, n, n)) < 0.3
    if neuronal == "two_state":
        modulatory &= intrinsic
    gating = rng.random((n, n, n)) < 0.2 if neuronal == "nonlinear" else {}
    flow, centre = draw(st.sampled_from(KINDS[neuronal])), draw(st.booleans())
    model = lc.DCM(
        regions, inputs, intrinsic, modulatory, driving, gating, neuronal, flow, centre,
        noise=draw(st.sampled_from([lc.NoisePrior(), lc.NoisePrior(4.5, 0.3)])), signal_range=draw(st.sampled_from([4.0, 1.5, None])),
    )  # fmt: skip
    return replace(model, prior=draw(priors(model.prior, rng)))


def priors(usual, rng):
    """What can be stated of a prior: nothing, some parameters by name (one of them fixed), or a Gaussian."""
    chosen = rng.permutation(len(usual.names))[:3]
    by_name = {usual.names[p]: (float(rng.normal()), float(sd)) for p, sd in zip(chosen, (0.0, 0.3, 1e-6), strict=False)}
    root = np.eye(len(usual.names)) + 0.1 * rng.normal(size=usual.cov.shape)
    return st.sampled_from([None, by_name, lc.Gaussian(usual.names, usual.mean + 0.1, root @ root.T)])


def any_recording(model, rng):
    n, inputs = len(model.regions), tuple(model.inputs)
    series = lc.TimeSeries(rng.normal(3, rng.uniform(0.1, 5), (20, n)), 1.5, tuple(model.regions))
    u = lc.Inputs(rng.normal(size=(320, len(inputs))), 1.5 / 16, inputs)
    return lc.Recording(series, u, rng.normal(size=(20, 2)), 0.03, rng.uniform(0, 1.5, n))


def any_fit(model, seed=0, **changes):
    """A fit of random numbers, as an ascent might have left it."""
    rng = np.random.default_rng(seed)
    recording, base, size = any_recording(model, rng), made.fit(), len(model.prior.names)
    root = rng.normal(size=(size, size))
    root[~model.prior.free] = 0.0
    noise = lc.Gaussian(tuple(model.regions), rng.normal(size=len(model.regions)), np.diag(rng.uniform(0.1, 1, len(model.regions))))
    session = replace(
        base.sessions[0], recording=recording, prediction=rng.normal(size=recording.series.values.shape), noise=noise,
        scale=model.features(recording).scale,
    )  # fmt: skip
    values = {"status": rng.choice(list(lc.Status)), "free_energy": float(rng.normal(0, 1000))} | changes
    return replace(
        base, model=model, sessions=(session,), posterior=lc.Gaussian(model.prior.names, rng.normal(size=size), root @ root.T), **values
    )


def small(n=3, m=2, seed=0, **kind):
    """A bilinear DCM of some connections."""
    rng = np.random.default_rng(seed)
    regions, inputs = [f"area {i}" for i in range(n)], [f"input {k}" for k in range(m)]
    return lc.DCM(regions, inputs, rng.random((n, n)) < 0.6, rng.random((m, n, n)) < 0.3, np.ones((n, m), dtype=bool), **kind)


def same_model(a, b):
    """Every field alike; a prior's variances but for the rounding of a square root."""
    spec_a, spec_b = a.to_spec(), b.to_spec()
    assert {k: v for k, v in spec_a.items() if k != "prior"} == {k: v for k, v in spec_b.items() if k != "prior"}
    assert a.prior.names == b.prior.names and np.array_equal(a.prior.mean, b.prior.mean)
    np.testing.assert_allclose(a.prior.cov, b.prior.cov, rtol=1e-15, atol=0)


@given(model=models(), seed=st.integers(0, 2**31))
@SOME
def test_any_model_comes_back(model, seed, tmp_path):
    recording = any_recording(model, np.random.default_rng(seed))
    lc.write_spm((model, recording), tmp_path / "a.mat")
    read = lc.read_spm(tmp_path / "a.mat")
    same_model(read.model, model)
    assert read.fit is None and np.array_equal(read.recording.series.values, recording.series.values)


@given(model=models(), seed=st.integers(0, 2**31))
@SOME
def test_any_fit_comes_back(model, seed, tmp_path):
    fit = any_fit(model, seed)
    lc.write_spm(fit, tmp_path / "a.mat")
    read = lc.read_spm(tmp_path / "a.mat").fit
    same_model(read.model, fit.model)
    assert read.posterior.names == fit.posterior.names
    assert np.array_equal(read.posterior.mean, fit.posterior.mean) and np.array_equal(read.posterior.cov, fit.posterior.cov)
    assert (read.free_energy, read.status) == (fit.free_energy, fit.status)
    np.testing.assert_allclose(read.noise.mean, fit.noise.mean, rtol=1e-12, atol=1e-14)
    assert np.array_equal(read.noise.cov, fit.noise.cov)
    np.testing.assert_allclose(read.prediction, fit.prediction, atol=1e-12)
    values = fit.recording.series.values
    np.testing.assert_allclose(read.recording.series.values, values - values.mean(axis=0), atol=1e-10)
    np.testing.assert_allclose(read.model.features(read.recording).scale, fit.sessions[0].scale)
    inputs = fit.recording.inputs.values
    np.testing.assert_allclose(read.recording.inputs.values, inputs - inputs.mean(axis=0) * model.centre_inputs, atol=1e-12)


def test_a_model_of_some_of_the_recordings_regions_and_inputs(tmp_path):
    """Regions and inputs go into the file in the model's order, those it leaves out do not."""
    fit = any_fit(small(3, 3))
    model = lc.DCM(["area 2", "area 0"], ["input 1"], [("area 2", "area 0")], driving=[("input 1", "area 2")])
    lc.write_spm((model, fit.recording), tmp_path / "a.mat")
    read = lc.read_spm(tmp_path / "a.mat")
    assert np.array_equal(read.recording.series.values, fit.recording.series.values[:, [2, 0]])
    assert np.array_equal(read.recording.inputs.values, fit.recording.inputs.values[:, [1]])
    assert np.array_equal(read.recording.delays, fit.recording.delays[[2, 0]])
    assert read.model.to_spec() == model.to_spec() and read.fit is None
    assert {"Ep", "F", "M", "convergence"} & set(read.raw["DCM"]) == set() and list(read.raw) == ["DCM"]


# --- nothing is lost ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [CASE, "nonlinear3_1", "twostate3_1"])
@given(unknown=st.dictionaries(spm_files.UNKNOWN, spm_files.VALUES, max_size=4))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_unknown_fields_survive(name, unknown, tmp_path):
    dcm, *_ = spm_files.estimated(name)
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


def test_another_kind_of_model_over_an_old_file(tmp_path):
    """What makes SPM's model nonlinear, its priors and its starting point are the new one's, and so is the estimate's kind."""
    dcm, *_ = spm_files.estimated("nonlinear3_1")
    dcm["options"] |= {"precision": 2.0, "pC": dcm["M"]["pC"], "P": dcm["Ep"]}
    dcm["M"] |= {"P": dcm["Ep"], "own": "word"}
    old = lc.read_spm(spm_files.saved(tmp_path / "a.mat", dcm))
    model = lc.DCM(old.model.regions, old.model.inputs, driving=old.model.driving, prior={"decay": (0.0, 0.5)}, neuronal="two_state")
    for source in ((model, old.recording), lc.fit(model, old.recording)):
        lc.write_spm(source, tmp_path / "b.mat", like=old)
        read = lc.read_spm(tmp_path / "b.mat")
        same_model(read.model, model)
        options, M = read.raw["DCM"]["options"], read.raw["DCM"]["M"]
        assert not {"precision", "pC", "P"} & set(options) and "maxit" in options and not {"P", "nsteps", "states"} & set(M)
    assert M["IS"] == "spm_int" and M["x"].shape == (3, 6) and M["own"] == "word"
    assert set(np.unique(M["pE"]["A"])) == {0.0, -32.0}


# --- groups -------------------------------------------------------------------------------------------------------------------------------


def test_a_group_comes_back(tmp_path):
    """Two subjects with two models: a fit, a model with its recording, a DCM that was read."""
    fit = any_fit(small(2, 1))
    dcm, *_ = spm_files.estimated("twostate3_1", comment="kept")
    read = lc.read_spm(spm_files.saved(tmp_path / "a.mat", dcm))
    lc.write_spm([[fit, (fit.model, fit.recording)], [read, read]], tmp_path / "GCM.mat")
    group = lc.read_spm(tmp_path / "GCM.mat")
    assert [[one.fit is not None for one in row] for row in group] == [[True, False], [True, True]]
    assert np.array_equal(group[0][0].posterior.cov, fit.posterior.cov)
    assert group[1][0].raw["DCM"]["comment"] == "kept" and group[1][1].model.neuronal == "two_state"
    lc.write_spm(group, tmp_path / "again.mat")
    assert spm_files.unequal(read_mat(tmp_path / "again.mat"), read_mat(tmp_path / "GCM.mat")) == []
    lc.write_spm([fit, fit, fit], tmp_path / "GCM.mat")
    assert [len(row) for row in lc.read_spm(tmp_path / "GCM.mat")] == [1, 1, 1]


@pytest.mark.parametrize("group", [[], [[]], [["fit"], ["fit", "fit"]]])
def test_groups_that_are_refused(tmp_path, group):
    with pytest.raises(lc.InputError, match="A group needs the same models for every subject"):
        lc.write_spm(group, tmp_path / "GCM.mat")


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
    fit = any_fit(small(2, 1, flow="true"))
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
    with pytest.raises(lc.InputError, match="SPM has no other: save the fit"):
        lc.write_spm(made.fit("liquid"), path)
    with pytest.raises(lc.InputError, match="got DCM"):
        lc.write_spm(fit.model, path)
    with pytest.raises(lc.InputError, match=r"`like` has the inputs \['photic'\] but the model has \['photic', 'attention'\]"):
        lc.write_spm(fit, path, like=old)
    for source in (old, [old]):
        with pytest.raises(lc.InputError, match="only for a fit, or for a model with its recording: leave out `like`"):
            lc.write_spm(source, path, like=old)
    with pytest.raises(lc.InputError, match="The fit has 2 sessions and SPM's estimation in time takes one"):
        lc.write_spm(replace(fit, sessions=2 * fit.sessions), path)
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
    class(DCM.convergence.converged), DCM.M.IS, DCM.xY(2).name, DCM.U.name{1}, mat2str([DCM.options.nonlinear DCM.options.two_state]), ...
    mat2str([size(DCM.M.x) DCM.M.n]), mat2str(isequal(Cp, DCM.Cp) && isequal(Ep, DCM.Ep) && F == DCM.F));
printf('%.17g\\n', DCM.Ep.A(2, 1), DCM.M.pE.A(3, 1), DCM.Cp(end, end), sum(DCM.Y.y(:)));
save('-v7', 'b.mat', 'DCM', 'F', 'Ep', 'Cp');
"""
OF_KIND = {  # sizes of d and Ep.D, the integrator, both options, states of a region and of all
    "bilinear": ("[3 3 0]", "spm_int", "[0 0]", "[3 5 15]"),
    "nonlinear": ("[3 3 3]", "spm_int_D", "[1 0]", "[3 5 15]"),
    "two_state": ("[3 3 0]", "spm_int", "[0 1]", "[3 6 18]"),
}


def two_connected(neuronal):
    """Three regions, the third of which has nothing from the first."""
    gating = {"area 2": [("area 0", "area 1")]} if neuronal == "nonlinear" else {}
    pairs = [("area 0", "area 1"), ("area 1", "area 2")]
    return lc.DCM(
        [f"area {i}" for i in range(3)], ["input 0", "input 1"], pairs, {"input 1": pairs[:1]}, [("input 0", "area 0")], gating, neuronal,
        prior={"A[area 0->area 1]": (0.25, 0.5)},
    )  # fmt: skip


@pytest.mark.skipif(shutil.which("octave-cli") is None, reason="needs GNU Octave")
@pytest.mark.parametrize("neuronal", list(KINDS))
@given(unknown=st.dictionaries(spm_files.UNKNOWN, spm_files.ASCII_VALUES, max_size=6), seed=st.integers(0, 1000))
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_octave_reads_what_is_written_and_what_it_saves_is_read(neuronal, unknown, seed, tmp_path):
    fit = any_fit(replace(two_connected(neuronal), flow=None), seed, status=lc.Status.CONVERGED)
    lc.write_spm(fit, tmp_path / "fit.mat")
    read = lc.read_spm(tmp_path / "fit.mat")
    lc.write_spm(replace(read, raw={**read.raw, "DCM": {**read.raw["DCM"], **unknown}}), tmp_path / "a.mat")
    run = subprocess.run(["octave-cli", "--no-init-file", "--eval", OCTAVE], cwd=tmp_path, capture_output=True, text=True)
    D, integrator, options, states = OF_KIND[neuronal]
    said = ["[3 3]", "[3 3 2]", D, D, "[1 3]", "logical", integrator, "area 1", "input 0", options, states, "true"]
    assert run.stdout.splitlines()[:12] == said, run.stderr
    A = fit.posterior.mean[fit.posterior.index("A[area 0->area 1]")]
    total = fit.model.features(fit.recording).values.sum()
    nothing = -32.0 if neuronal == "two_state" else 0.0
    np.testing.assert_allclose(
        [float(line) for line in run.stdout.splitlines()[12:]], [A, nothing, fit.posterior.cov[-1, -1], total], atol=1e-12
    )
    assert spm_files.unequal(read_mat(tmp_path / "b.mat"), read_mat(tmp_path / "a.mat")) == []
    by_octave = lc.read_spm(tmp_path / "b.mat")
    assert np.array_equal(by_octave.posterior.cov, fit.posterior.cov)
    same_model(by_octave.model, fit.model)
