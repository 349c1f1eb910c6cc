"""Regions and inputs that SPM's first level made."""

import numpy as np
import pytest
import scipy.sparse
import spm_files
from scipy.io import savemat

import ltc_causal as lc


def voi(path, name="V1", seed=0, n_scan=30, **changes):
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(n_scan, 1))
    xY = {"xyz": np.zeros((3, 1)), "name": name, "Sess": 1.0, "u": u, "X0": rng.normal(size=(n_scan, 3)), "y": rng.normal(size=(n_scan, 5))}
    savemat(path, {"Y": u, "xY": {key: value for key, value in (xY | changes).items() if value is not None}})
    return path


def test_regions_by_name_with_the_first_ones_confounds(tmp_path):
    paths = [voi(tmp_path / "VOI_a_1.mat"), voi(tmp_path / "VOI_b_1.mat", "V5", 1)]
    series, confounds = lc.read_voi(paths, dt=3.22)
    first, second = np.random.default_rng(0), np.random.default_rng(1)
    assert series.regions == ("V1", "V5") and series.dt == 3.22
    assert np.array_equal(series.values[:, 0], first.normal(size=30)) and np.array_equal(series.values[:, 1], second.normal(size=30))
    assert np.array_equal(confounds, first.normal(size=(30, 3)))


def test_one_region_alone_and_what_a_file_may_lack(tmp_path):
    series, confounds = lc.read_voi(voi(tmp_path / "VOI_MT_1.mat", u=None, X0=np.zeros((0, 0)), name=None), dt=2.0)
    assert series.regions == ("MT_1",) and series.values.shape == (30, 1)
    assert np.array_equal(series.values[:, 0], np.random.default_rng(0).normal(size=30)) and np.array_equal(confounds, np.ones((30, 1)))


def test_regions_of_one_name_are_told_apart(tmp_path):
    series, _ = lc.read_voi([voi(tmp_path / "a.mat"), voi(tmp_path / "b.mat")], dt=2.0)
    assert series.regions == ("V1", "V1 (2)")


def test_bad_regions(tmp_path):
    a, b = voi(tmp_path / "a.mat"), voi(tmp_path / "b.mat", n_scan=20)
    with pytest.raises(lc.InputError, match="b.mat has 20 scans but .*a.mat has 30"):
        lc.read_voi([a, b], dt=2.0)
    with pytest.raises(lc.InputError, match="needs at least one"):
        lc.read_voi([], dt=2.0)
    with pytest.raises(lc.InputError, match=r"xY.u must be one column, but it has 2.* \(in .*c.mat\)\.$"):
        lc.read_voi(voi(tmp_path / "c.mat", u=np.ones((30, 2))), dt=2.0)
    savemat(tmp_path / "d.mat", {"DCM": {"a": 1.0}})
    with pytest.raises(lc.InputError, match=r"holds no region that SPM extracted .* only \['DCM'\]"):
        lc.read_voi(tmp_path / "d.mat", dt=2.0)


def condition(*names, dt=0.125, n_bin=32 + 160, seed=0, sparse=True):
    u = (np.random.default_rng(seed).random((n_bin, len(names))) < 0.2).astype(float)
    return {
        "name": spm_files.row(*names),
        "u": scipy.sparse.csc_array(u) if sparse else u,
        "dt": dt,
        "ons": np.ones((3, 1)),
        "P": {"name": "none"},
    }


def struct_array(elements):
    array = np.zeros((1, len(elements)), dtype=[(field, object) for field in elements[0]])
    for place, element in enumerate(elements):
        for field, value in element.items():
            array[field][0, place] = value
    return array


def design(path, *sessions):
    parts = [{"U": struct_array(conditions) if conditions else np.zeros((0, 0)), "row": np.arange(1.0, 11.0)} for conditions in sessions]
    savemat(path, {"SPM": {"Sess": struct_array(parts) if len(parts) > 1 else parts[0], "xY": {"RT": 2.0}}})
    return path


def test_inputs_of_a_session_start_at_the_first_scan(tmp_path):
    path = design(
        tmp_path / "SPM.mat",
        [condition("Photic")],
        [condition("Motion", "Motionxspeed^1", seed=1), condition("Rest", sparse=False, seed=2)],
    )
    inputs = lc.read_spm_inputs(path, session=2)
    assert inputs.names == ("Motion", "Motionxspeed^1", "Rest") and inputs.dt == 0.125
    first, second = (condition("a", "b", seed=1, sparse=False)["u"], condition("c", seed=2, sparse=False)["u"])
    assert np.array_equal(inputs.values, np.hstack([first, second])[32:])
    assert inputs.duration == 20.0  # ten scans of 2 s
    assert lc.read_spm_inputs(path).names == ("Photic",)


def test_bad_designs(tmp_path):
    one = design(tmp_path / "one.mat", [condition("Photic")])
    with pytest.raises(lc.InputError, match=r"one.mat has 1 session\(s\), so there is no session 2"):
        lc.read_spm_inputs(one, session=2)
    with pytest.raises(lc.InputError, match="no session 0: count from 1"):
        lc.read_spm_inputs(one, session=0)
    with pytest.raises(lc.InputError, match="Session 1 of .*rest.mat has no conditions"):
        lc.read_spm_inputs(design(tmp_path / "rest.mat", []))
    for bad in (condition("b", dt=0.25), condition("b", n_bin=200), condition("b", n_bin=20)):
        with pytest.raises(lc.InputError, match=r"do not share one grid of more than 32 bins.* \(in .*bad.mat, session 1\)\.$"):
            lc.read_spm_inputs(design(tmp_path / "bad.mat", [condition("a") if bad["u"].shape[0] != 20 else bad, bad]))
    with pytest.raises(lc.InputError, match=r"U\(1\) has 1 columns but 2 names"):
        lc.read_spm_inputs(design(tmp_path / "names.mat", [condition("a") | {"name": spm_files.row("a", "b")}]))
    with pytest.raises(lc.InputError, match="holds no design of SPM"):
        lc.read_spm_inputs(voi(tmp_path / "VOI.mat"))
