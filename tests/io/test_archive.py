"""A result survives its file to the last bit, in this version and from earlier ones, and nothing that is not a whole file is taken for one."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import made
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ltc_causal as lc
from ltc_causal.core.ascent import Approximation, Attempt, Status
from ltc_causal.io import archive
from ltc_causal.io.archive import load, read_header, save

REFERENCE = Path(__file__).parents[1] / "reference" / "files"


def flat(value, path=""):
    """Every leaf of a result by the path to it."""
    if hasattr(value, "__dataclass_fields__"):
        parts = {name: getattr(value, name) for name in value.__dataclass_fields__}
    elif isinstance(value, dict):
        parts = value
    elif isinstance(value, tuple) and value and hasattr(value[0], "__dataclass_fields__"):
        parts = {str(place): part for place, part in enumerate(value)}
    else:
        return {path: value}
    return {place: leaf for name, part in parts.items() for place, leaf in flat(part, f"{path}.{name}").items()}


def assert_same(one, other):
    left, right = flat(one), flat(other)
    assert left.keys() == right.keys()
    for place, value in left.items():
        if isinstance(value, np.ndarray):
            assert value.dtype == right[place].dtype and value.tobytes() == right[place].tobytes(), place
        else:
            assert type(value) is type(right[place]) and (value == right[place] or value != value), place


@given(seed=st.integers(0, 10**6), neuronal=st.sampled_from(["bilinear", "liquid"]), status=st.sampled_from(Status), number=st.floats())
def test_round_trip_is_exact(tmp_path_factory, seed, neuronal, status, number):
    path = tmp_path_factory.mktemp("archive") / "some.fit"
    fit = made.fit(neuronal, status, seed, free_energy=-10.0)
    fit = type(fit)(**{**vars(fit), "free_energy": number, "gradient_norm": number, "seed": None if seed % 2 else seed})
    save(fit, path)
    assert_same(fit, load(path))


def test_loaded_fit_answers_as_the_saved_one(tmp_path):
    fit = made.fit("liquid")
    save(fit, tmp_path / "a.fit")
    loaded = load(tmp_path / "a.fit")
    assert loaded.to_frame().equals(fit.to_frame())
    assert np.array_equal(lc.predict(loaded, draws=5, seed=1).draws, lc.predict(fit, draws=5, seed=1).draws)


def test_tags_come_back(tmp_path):
    save(made.fit(), tmp_path / "a.fit", {"made_from": "abc"})
    assert read_header(tmp_path / "a.fit")["tags"] == {"made_from": "abc"}


def test_nothing_is_pickled(tmp_path):
    save(made.fit(), tmp_path / "a.fit")
    with np.load(tmp_path / "a.fit", allow_pickle=False) as members:
        assert all(members[name].dtype.kind in "fb" for name in members.files if name != archive.HEADER)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "a.fit"
    save(made.fit(), path)
    return path.read_bytes()


@given(share=st.floats(0, 1, exclude_max=True))
def test_truncated_file_is_refused(tmp_path_factory, whole, share):
    path = tmp_path_factory.mktemp("cut") / "a.fit"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(lc.InputError, match="damaged, cut short"):
        load(path)


@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_a_changed_byte_never_changes_a_number(tmp_path_factory, whole, place, change):
    """It is refused, or it lay in what is not read (zip keeps time stamps and attributes twice)."""
    path = tmp_path_factory.mktemp("bit") / "a.fit"
    changed = bytearray(whole)
    changed[int(place * len(whole))] ^= change
    path.write_bytes(changed)
    try:
        assert_same(load(path), made.fit())
    except lc.InputError:
        pass


def rewritten(path, digest=True, **header):
    """The same file under another header, with a digest that fits it (unless told otherwise): made on purpose, not damaged."""
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    words = json.loads(parts.pop(archive.HEADER)) | header
    if digest:
        words["sha256"] = archive._digest(words, {name.removesuffix(".npy"): content for name, content in parts.items()})
    with zipfile.ZipFile(path, "w") as new:
        for name, content in {archive.HEADER: json.dumps(words).encode(), **parts}.items():
            new.writestr(name, content)


def test_newer_version_is_refused(tmp_path):
    path = tmp_path / "a.fit"
    save(made.fit(), path)
    rewritten(path, version=archive.VERSION + 1, package="9.9")
    with pytest.raises(lc.InputError, match=r"version 4 of the fit format .* up to 3: update ltc_causal .*9\.9"):
        load(path)


def words(path, *places):
    """The header's words for a result, and a part of them that a test changes."""
    with zipfile.ZipFile(path) as parts:
        result = json.loads(parts.read(archive.HEADER))["result"]
    part = result
    for place in places:
        part = part["fields"][place]
    return result, part


@pytest.mark.parametrize(
    ("places", "change", "said"),
    [
        (("status",), {"is": "SPLENDID"}, "KeyError"),
        (("model",), {"kind": "GLM"}, "KeyError"),
        (("model",), {"kind": "GLM", "fields": {}}, "it holds a GLM, which this version does not know"),
        (("model",), {"kind": ["DCM"]}, "TypeError"),
        ((), {"kind": "Path", "fields": {}}, "it holds a Path"),
        ((), {"kind": "array", "name": "absent"}, "KeyError"),
        ((), {"fields": {"future": 1}}, r"its Fit has \['future'\], which this version does not know"),
        (("posterior",), {"fields": {"names": ["a"], "mean": [0.0, 1.0], "cov": [[1.0]]}}, "A Gaussian of 1 names needs"),
        (("posterior",), {"kind": "Blocks"}, "TypeError"),
    ],
)
def test_nonsense_in_the_words_is_refused(tmp_path, places, change, said):
    path = tmp_path / "a.fit"
    save(made.fit(), path)
    result, part = words(path, *places)
    part |= change
    rewritten(path, result=result)
    with pytest.raises(lc.InputError, match=f"cannot be read as a fit or other result.*{said}"):
        load(path)


def test_what_was_changed_on_purpose_does_not_match_its_digest(tmp_path):
    path = tmp_path / "a.fit"
    save(made.fit(), path)
    result, part = words(path)
    part["fields"]["free_energy"] = 0.0
    rewritten(path, digest=False, result=result)
    with pytest.raises(lc.InputError, match="digest does not match"):
        load(path)


def test_an_array_put_in_the_place_of_another_does_not_match_the_digest(tmp_path):
    path = tmp_path / "a.fit"
    save(made.fit(), path)
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    first, second = "history.step.npy", "history.predicted_gain.npy"
    parts[first], parts[second] = parts[second], parts[first]
    with zipfile.ZipFile(path, "w") as new:
        for name, content in parts.items():
            new.writestr(name, content)
    with pytest.raises(lc.InputError, match="digest does not match"):
        load(path)


class Trap:
    """What runs code as it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("code of a file was run",))


def test_a_pickle_in_the_file_is_not_run(tmp_path):
    path = tmp_path / "a.fit"
    save(made.fit(), path)
    pickled = io.BytesIO()
    np.lib.format.write_array(pickled, np.array([Trap()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()} | {"history.step.npy": pickled.getvalue()}
    with zipfile.ZipFile(path, "w") as new:
        for name, content in parts.items():
            new.writestr(name, content)
    rewritten(path)
    with pytest.raises(lc.InputError, match="ValueError"):
        load(path)


def test_foreign_files_are_refused(tmp_path):
    text, arrays = tmp_path / "text.fit", tmp_path / "arrays.npz"
    text.write_text("model,mean\nA,1\n")
    np.savez(arrays, series=np.ones(3))
    with pytest.raises(lc.InputError, match="damaged"):
        load(text)
    with pytest.raises(lc.InputError, match="not a fit that ltc_causal wrote"):
        load(arrays)
    with pytest.raises(lc.InputError, match="no fit file at"):
        load(tmp_path / "absent.fit")


def test_unknown_model_cannot_be_saved(tmp_path):
    class Oracle:
        pass

    fit = made.fit()
    with pytest.raises(lc.InputError, match="A value of kind Oracle cannot be saved"):
        save(type(fit)(**{**vars(fit), "model": Oracle()}), tmp_path / "a.fit")
    assert list(tmp_path.iterdir()) == []


def test_stopped_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.fit"
    save(made.fit(seed=1), path)
    before = path.read_bytes()

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(archive.json, "dumps", stop)
    with pytest.raises(KeyboardInterrupt):
        save(made.fit(seed=2), path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_an_earlier_version_is_still_read(version):
    """Files that these versions wrote of `made.fit(seed=5)`; the first knew no norms, starts or approximation."""
    loaded = load(REFERENCE / f"version_{version}.fit")
    fit = made.fit(seed=5)
    if version == 1:
        assert np.isnan(loaded.history.gradient_norm).all() and loaded.starts == () and loaded.approximation is None
    else:
        assert loaded.starts == (Attempt("the model's own", -3.5, Status.CONVERGED, 12, 0.0),)
        assert loaded.approximation == Approximation(0.04, 0.31, "A[V1->V5]", False)
        assert read_header(REFERENCE / "version_2.fit")["tags"] == {"made_from": "abc"}
    assert_same(replace(fit, starts=loaded.starts, approximation=loaded.approximation), loaded)


def test_a_file_of_this_version_is_read_by_every_later_one():
    assert_same(made.fit(seed=5), load(REFERENCE / "version_3.fit"))


def test_a_field_that_a_file_lacks_takes_its_default(tmp_path):
    """So that a later version may give a kind another field."""
    path = tmp_path / "a.fit"
    save(made.fit(), path)
    result, part = words(path)
    del part["fields"]["seed"], part["fields"]["inclusion"]
    rewritten(path, result=result)
    assert_same(replace(made.fit(), seed=None), load(path))


def test_starts_and_approximation_come_back(tmp_path):
    starts = (Attempt("the model's own", -3.5, Status.CONVERGED, 12, 0.0), Attempt("drawn, 1", -np.inf, Status.DIVERGED, 0, np.inf))
    fit = replace(made.fit(), starts=starts, approximation=Approximation(0.04, 0.31, "A[V1->V5]", False))
    save(fit, tmp_path / "a.fit")
    assert_same(fit, load(tmp_path / "a.fit"))


@pytest.mark.parametrize("sparse", [False, True])
def test_a_regression_dcm_comes_back(tmp_path, sparse):
    model = lc.RegressionDCM(made.REGIONS, made.INPUTS, driving=[("photic", "V1")], sparse=sparse, variant="tapas15")
    fit = lc.fit(model, made.simulated())
    save(fit, tmp_path / "a.fit")
    loaded = load(tmp_path / "a.fit")
    assert loaded.to_frame().equals(fit.to_frame())
    assert (loaded.inclusion is None) == (fit.inclusion is None)
    np.testing.assert_allclose(loaded.posterior.cov, np.asarray(fit.posterior.cov), rtol=1e-14)
    if fit.inclusion is not None:
        np.testing.assert_array_equal(loaded.inclusion, fit.inclusion)


def test_a_network_of_sources_comes_back(tmp_path):
    values = np.random.default_rng(0).gamma(1.0, size=(100, 3))
    recording = lc.Recording(lc.TimeSeries(values, 2.0, ("V1", "V5", "SPC")), lc.Inputs(np.zeros((100, 0)), 2.0, ()))
    fit = lc.fit(lc.SourceNetwork(("V1", "V5", "SPC")), recording)
    save(fit, tmp_path / "a.fit")
    loaded = load(tmp_path / "a.fit")
    assert_same(fit.posterior, loaded.posterior)
    assert loaded.model.prior_sd == fit.model.prior_sd
    assert loaded.to_frame().equals(fit.to_frame())
