"""Every kind of result comes back from its file to the last bit and answers as before; damage of any of them is refused."""

from dataclasses import fields, is_dataclass
from functools import cache

import made
import numpy as np
import pytest
import spectral_networks
from hypothesis import given
from hypothesis import strategies as st
from strategies import blocks, couplings, gaussians

import ltc_causal as lc
from ltc_causal.core.blocks import Blocks
from ltc_causal.io import archive
from ltc_causal.io.archive import load, read_header, save
from ltc_causal.io.recording import read_recording
from ltc_causal.models import liquid
from ltc_causal.models.liquid_start import at_random

DO = (lc.Cut("V1", "V5", tonic=True), lc.SetInput("attention", np.linspace(0, 1, 960)), lc.Pulse("V5", to=0.2, at=30.0))


def assert_equal(one, other):
    """To the last bit, whatever it is; sequences may have become tuples."""
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    elif is_dataclass(one):
        assert type(one) is type(other)
        for field in fields(one):
            if field.init:
                assert_equal(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_equal(left, right)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        assert_equal(list(one.values()), list(other.values()))
    else:
        assert one == other or one != one, (one, other)


@cache
def fit():
    return made.with_recording(made.fit(), made.simulated(n_scan=60))


@cache
def trained():
    model = lc.LiquidNetwork(
        made.REGIONS, made.INPUTS, hidden=1, driving=[("photic", "V1")], modulatory={"attention": [("V1", "V5")]}, seed=4
    )
    return lc.fit(model, made.simulated(n_scan=40), lc.GradientTraining(steps=6, restarts=2, points=3))


def started():
    """A network that begins as another, itself stored."""
    synaptic = lc.to_synaptic(lc.to_liquid(fit())).network
    return lc.LiquidNetwork.started_from(synaptic, hidden=1, parameters={"decay": 0.1})


MAKERS = {
    "fit": fit,
    "trained network": trained,
    "recording": made.recording,
    "coupling": lambda: fit().coupling,
    "gaussian": lambda: fit().coupling_posterior,
    "reduction": lambda: lc.reduce_to_dcm(fit()),
    "prediction": lambda: lc.predict(fit(), do=DO, draws=4, seed=1),
    "model": made.model,
    "synaptic model": lambda: lc.to_synaptic(lc.to_liquid(fit())).network,
    "liquid model": started,
}


@cache
def result(kind):
    return MAKERS[kind]()


@pytest.mark.parametrize("kind", MAKERS)
def test_it_comes_back_to_the_last_bit(tmp_path, kind):
    one, path = result(kind), tmp_path / "a"
    save(one, path, {"note": "→"})
    assert_equal(one, load(path))
    assert read_header(path)["format"] == f"ltc_causal {kind.split()[-1] if 'model' in kind else kind}"
    assert read_header(path)["tags"] == {"note": "→"}


def test_what_is_loaded_answers_as_what_was_saved(tmp_path):
    save(trained(), tmp_path / "a.net")
    again = load(tmp_path / "a.net")
    usual, loaded = lc.predict(trained(), draws=3, seed=2), lc.predict(again, draws=3, seed=2)
    assert np.array_equal(usual.draws, loaded.draws)
    save(result("reduction"), tmp_path / "a.reduction")
    reduction = load(tmp_path / "a.reduction")
    assert str(reduction) == str(result("reduction"))
    again = lc.certify(reduction, fit(), [lc.Cut("V1", "V5")])
    assert again.verdict == lc.certify(result("reduction"), fit(), [lc.Cut("V1", "V5")]).verdict
    save(result("prediction"), tmp_path / "a.prediction")
    assert load(tmp_path / "a.prediction").summary() == result("prediction").summary()


@given(coupling=couplings(), gaussian=gaussians())
def test_any_coupling_and_gaussian_come_back(tmp_path_factory, coupling, gaussian):
    folder = tmp_path_factory.mktemp("any")
    for one in (coupling, gaussian):
        save(one, folder / "a")
        assert_equal(one, load(folder / "a"))


@given(name=st.text(min_size=1), number=st.floats(allow_nan=False), other=st.floats(0, 10, exclude_min=True))
def test_any_name_and_number_come_back(tmp_path_factory, name, number, other):
    path = tmp_path_factory.mktemp("any") / "a"
    prediction = made.prediction(np.random.default_rng(0).normal(size=(3, 5, 2)), [lc.Clamp(name, 1.0, 0.0, other)])
    prediction = type(prediction)(**{**vars(prediction), "probability": number, "remarks": (name,)})
    save(prediction, path)
    assert_equal(prediction, load(path))


def test_a_covariance_of_blocks_stays_one(tmp_path):
    """Of 6500 parameters, whose whole covariance would take 338 MB and is never made."""
    rng = np.random.default_rng(0)
    positions = [np.arange(number, 6500, 65) for number in range(65)]
    roots = rng.normal(size=(65, 100, 100))
    cov = Blocks(positions, lambda number: roots[number] @ roots[number].T)
    save(lc.Gaussian(tuple(f"p{i}" for i in range(6500)), rng.normal(size=6500), cov), tmp_path / "a")
    loaded = load(tmp_path / "a")
    assert isinstance(loaded.cov, Blocks)
    for number in range(65):
        assert np.array_equal(loaded.cov.positions[number], positions[number])
        assert np.array_equal(loaded.cov.block(number), cov.block(number))


def test_the_same_result_gives_the_same_bytes(tmp_path):
    for name in "ab":
        save(made.fit(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@cache
def written(folder, kind):
    save(result(kind), folder / kind)
    return (folder / kind).read_bytes()


@pytest.mark.parametrize("kind", ["trained network", "recording", "coupling", "reduction", "prediction", "liquid model"])
@given(data=st.data())
def test_damage_is_refused_in_one_sentence_or_changes_nothing(tmp_path_factory, kind, data):
    """Bytes cut off, changed, left out or put in, at any place."""
    folder = tmp_path_factory.mktemp("damaged")
    whole = written(tmp_path_factory.getbasetemp(), kind)
    first = data.draw(st.integers(0, len(whole) - 1))
    last = data.draw(st.integers(first, min(first + 200, len(whole))) | st.just(len(whole)))
    damaged = whole[:first] + data.draw(st.binary(max_size=8)) + whole[last:]
    (folder / "a").write_bytes(damaged)
    try:
        assert_equal(result(kind), load(folder / "a"))
    except lc.InputError as error:
        sentence = str(error)
        assert sentence.startswith(str(folder / "a")) and sentence.endswith(".") and "\n" not in sentence


def test_a_spectral_dcm_at_rest_comes_back(tmp_path):
    model = spectral_networks.model(2)
    recording = model.simulate(spectral_networks.drawn(model, np.random.default_rng(0)), 96, 2.0, seed=1)
    fit = lc.fit(model, recording)
    save(fit, tmp_path / "a")
    loaded = load(tmp_path / "a")
    assert loaded.model.to_spec() == model.to_spec() and loaded.to_frame().equals(fit.to_frame())
    assert_equal(fit.sessions, loaded.sessions)


@pytest.mark.parametrize("path", [None, 3, "", "a\0b"])
def test_what_is_no_path_is_said(path):
    for action in (lambda: save(made.recording(), path), lambda: load(path), lambda: read_recording(path), lambda: lc.read_graph(path)):
        with pytest.raises(lc.InputError, match="The path of a file must be text or a Path"):
            action()


def test_functions_are_not_saved(tmp_path):
    policy = lc.Clamp("V1", lambda t, x: 0.0)
    prediction = made.prediction(np.random.default_rng(0).normal(size=(3, 5, 2)), [policy])
    with pytest.raises(lc.InputError, match="function '<lambda>' cannot be saved"):
        save(prediction, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_what_is_no_result_is_not_saved(tmp_path):
    with pytest.raises(lc.InputError, match="dict cannot be saved by itself: this version writes Fit, TrainedNetwork"):
        save({"a": 1}, tmp_path / "a")


def test_a_network_whose_start_is_another_in_this_version_is_refused(tmp_path, monkeypatch):
    """Its parameters are counted from its start: without it the numbers would mean something else."""
    save(trained(), tmp_path / "a")
    monkeypatch.setattr(liquid, "at_random", lambda wiring, size, seed: at_random(wiring, size, seed + 1))
    with pytest.raises(lc.InputError, match="its network begins elsewhere in this version"):
        load(tmp_path / "a")


def test_a_system_that_refuses_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(lc.InputError, match=r"a\.fit cannot be written \(.*\): check the folder, its permissions"):
        save(made.fit(), tmp_path / "file" / "a.fit")


def test_a_full_disk_is_a_sentence_and_leaves_the_old_file(tmp_path, monkeypatch):
    save(made.recording(), tmp_path / "a")
    before = (tmp_path / "a").read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.zipfile.ZipFile, "writestr", full)
    with pytest.raises(lc.InputError, match="No space left on device"):
        save(made.fit(), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_blocks_of_a_fit_are_those_of_the_fit(tmp_path):
    model = lc.RegressionDCM(made.REGIONS, made.INPUTS, driving=[("photic", "V1")])
    fit = lc.fit(model, lc.simulate(made.model(), {"C[photic->V1]": 2.0}, blocks_of(), dt=2.0, snr=5.0))
    save(fit, tmp_path / "a")
    assert_equal(np.asarray(fit.posterior.cov), np.asarray(load(tmp_path / "a").posterior.cov))


def blocks_of():
    inputs = blocks()
    return lc.Inputs(inputs.values, inputs.dt, made.INPUTS)
