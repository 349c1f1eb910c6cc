"""The case study of the worm on a network of its own: nothing of a source's class is used, and the wiring foresees responses."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit
from statsmodels.discrete.discrete_model import Logit

import ltc_causal as lc

STUDY = Path(__file__).parents[2] / "case_studies" / "worm"
sys.path.append(str(STUDY))
from worm_atlas import Atlas, classes_of, folds  # noqa: E402  # pyright: ignore[reportMissingImports]
from worm_features import NAMES, Features, total_effects  # noqa: E402  # pyright: ignore[reportMissingImports]
from worm_regression import Regression, count_draws, spread_of_sources  # noqa: E402  # pyright: ignore[reportMissingImports]

SPEC = spec_from_file_location("worm_run", STUDY / "run.py")  # under a name of its own: other studies have a run.py too
assert SPEC is not None and SPEC.loader is not None
run = module_from_spec(SPEC)
SPEC.loader.exec_module(run)

PAIRS = 24


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A made atlas of left-right pairs: sources' effects over a random wiring, larger ones more often seen."""
    rng = np.random.default_rng(0)
    n = 2 * PAIRS
    chem = rng.poisson(4, (n, n)) * (rng.random((n, n)) < 0.12)
    np.fill_diagonal(chem, 0)
    effect = np.log(total_effects(np.sqrt(chem), 0.9) + 1e-3)
    spoken = expit(1.5 * (effect - np.quantile(effect, 0.9)) + rng.normal(0, 0.5, (n, 1)))
    responds = rng.random((n, n)) < spoken
    q = np.where(responds, rng.uniform(0, 0.049, (n, n)), rng.uniform(0.051, 1, (n, n)))
    q[rng.random((n, n)) < 0.2] = np.nan
    names = [f"N{i}{side}" for i in range(PAIRS) for side in "LR"]
    path = tmp_path_factory.mktemp("worm") / "worm_atlas_train.npz"
    empty = np.zeros((n, n))
    np.savez(path, neuron_ids=names, wt_q=q, wt_occ=np.where(np.isfinite(q), 4, 0), chem=chem, gap=empty, monoamine=empty)
    return path


def test_sides_are_one_class_where_both_exist():
    names = ["AVAL", "AVAR", "AWCON", "AWCOFF", "DVL", "I4", "ALA"]
    assert list(classes_of(names)) == ["AVA", "AVA", "AWC", "AWC", "DVL", "I4", "ALA"]


def test_folds_keep_classes_together_and_hold_each_source_once(made):
    atlas = Atlas.from_file(made)
    parts = folds(atlas, atlas.stimulated, 5, 0)
    assert sorted(np.concatenate(parts)) == list(atlas.stimulated)
    held = [set(atlas.classes[part]) for part in parts]
    assert sum(map(len, held)) == len(set.union(*held)) == PAIRS


def test_features_know_nothing_of_the_source_s_own_class(made):
    atlas = Atlas.from_file(made)
    before = Features(atlas).of(5, atlas.stimulated)
    own = atlas.classes == atlas.classes[5]
    for answers in (atlas.responds, atlas.evidence, atlas.measured):
        answers[:, own] = np.random.default_rng(1).random(answers[:, own].shape) < 0.5
    np.testing.assert_array_equal(Features(atlas).of(5, atlas.stimulated), before)


def test_spread_is_the_toolkit_s_total_effect_of_a_drive():
    rng = np.random.default_rng(0)
    wiring, gain = rng.uniform(1, 3, (4, 4)) * (1 - np.eye(4)), 0.8
    shares = wiring / wiring.sum(axis=1, keepdims=True)
    names = ("a", "b", "c", "d")
    coupling = lc.Coupling(gain * shares - np.eye(4), np.zeros((0, 4, 4)), np.zeros((4, 0)), names, ())
    found = total_effects(wiring, gain)
    for j, source in enumerate(names):
        for i, target in enumerate(names):
            if i != j:
                assert found[i, j] == pytest.approx(lc.total_effect(coupling, source, target, drive=True).value)


def test_regression_without_ridge_is_statsmodels_logit():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, len(NAMES)))
    y = rng.random(400) < expit(x[:, 0] - 0.5 * x[:, 1] - 1)
    other = Logit(y.astype(float), np.column_stack([np.ones(400), x[:, :2]])).fit(disp=False)
    ours = Regression.fit(x, y, "responder", 0.0)
    np.testing.assert_allclose(ours.probability(x), other.predict(), rtol=1e-6)


def test_spread_of_sources_is_found_and_gives_counts_their_width():
    rng = np.random.default_rng(0)
    source = np.repeat(np.arange(150), 60)
    p = rng.uniform(0.05, 0.4, len(source))
    added = 0.8 * rng.normal(size=150)
    responds = rng.random(len(source)) < expit(np.log(p / (1 - p)) + added[source])
    assert spread_of_sources(p, responds, source) == pytest.approx(0.8, abs=0.15)
    without = count_draws(p[:60], 0.0, 20_000, rng)
    assert without.mean() == pytest.approx(p[:60].sum(), rel=0.01)
    assert without.var() == pytest.approx((p[:60] * (1 - p[:60])).sum(), rel=0.05)


def test_study_beats_its_baselines_and_its_bands_hold(made, monkeypatch):
    monkeypatch.setattr(run, "PARTITIONS", 2)
    _, parts, chosen, table = run.study(made, 1)
    means = table.groupby("method")["AUC"].mean()
    assert means[run.OURS] > max(means[list(run.BASELINES)]) > 0.6
    assert means[run.OURS] > 0.7
    assert "wiring" in " ".join(chosen["group"]) or (chosen["group"] == "all").any()
    assert run.counts(parts[0]).coverage == pytest.approx(0.9, abs=0.1)
