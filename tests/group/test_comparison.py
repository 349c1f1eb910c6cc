"""Comparison of models over subjects: against SPM, against sampling, and in cases whose answer is known."""

from types import SimpleNamespace

import group_subjects
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

import ltc_causal as lc
from ltc_causal.group.comparison import compare_subjects, exceedance_probabilities

MODELS = ("m0", "m1", "m2", "m3")


def table(energies):
    energies = np.asarray(energies, dtype=float)
    return pd.DataFrame(energies, columns=list(MODELS[: energies.shape[1]]), index=[f"s{i}" for i in range(len(energies))])


def random_table(seed, n=10, k=3, spread=2.0):
    return table(np.random.default_rng(seed).normal(0, spread, (n, k)))


@pytest.mark.parametrize("case", ["compare1", "compare2"])
def test_spm_agrees(case):
    d = {key.removeprefix(f"{case}_"): value for key, value in group_subjects.arrays("group").items() if key.startswith(case)}
    n, k = d["free_energies"].shape
    found = compare_subjects(table(d["free_energies"]), tolerance=1e-3)  # where SPM stops
    assert np.abs(found.random.alpha - d["alpha"]).max() <= 1e-6
    assert np.abs(found.random.mean - d["frequency"]).max() <= 1e-6
    assert abs(found.random.omnibus_risk - d["omnibus_risk"]) <= 1e-6
    # SPM draws a million times.
    error = 5 * np.sqrt(np.maximum(d["exceedance"] * (1 - d["exceedance"]), 1e-6) / 1e6)
    assert (np.abs(found.random.exceedance - d["exceedance"]) <= error).all()
    risk = found.random.omnibus_risk
    assert np.abs((1 - risk) * d["exceedance"] + risk / k - d["protected"]).max() <= 1e-6
    assert np.abs(found.random.protected - d["protected"]).max() <= 1e-3
    # Iterated to its end, the posterior moves by a thousandth of a subject.
    to_the_end = compare_subjects(table(d["free_energies"]))
    assert np.abs(to_the_end.random.alpha - d["alpha"]).max() <= 2e-3


@given(alpha=st.lists(st.floats(0.2, 30), min_size=2, max_size=5))
def test_exceedance_probabilities_are_those_of_draws(alpha):
    found = exceedance_probabilities(np.array(alpha))
    draws = np.random.default_rng(0).dirichlet(alpha, 20000)
    drawn = np.bincount(draws.argmax(axis=1), minlength=len(alpha)) / len(draws)
    assert np.allclose(found, drawn, atol=5 * np.sqrt(0.25 / len(draws))) and found.sum() == pytest.approx(1)


@given(a=st.floats(0.3, 50), b=st.floats(0.3, 50))
def test_of_two_models_exceedance_is_a_beta_probability(a, b):
    assert exceedance_probabilities(np.array([a, b]))[0] == pytest.approx(beta.sf(0.5, a, b), abs=1e-7)


@given(seed=st.integers(0, 10**6))
def test_names_and_shifts_do_not_matter(seed):
    one = random_table(seed)
    found = compare_subjects(one)
    order = ["m2", "m0", "m1"]
    shifted = compare_subjects(one[order] + np.random.default_rng(seed).normal(0, 100, (len(one), 1)))
    assert np.allclose(shifted.random.alpha, found.random.alpha[[2, 0, 1]], atol=1e-6)
    assert np.allclose(shifted.random.protected, found.random.protected[[2, 0, 1]], atol=1e-6)
    assert np.allclose(shifted.fixed, found.fixed[[2, 0, 1]])
    assert found.random.omnibus_risk == pytest.approx(shifted.random.omnibus_risk, abs=1e-8)


def test_certain_subjects_are_counted():
    """Seven subjects that are surely of one model and three of another: a Dirichlet posterior of these counts."""
    found = compare_subjects(table([[50.0, 0, 0]] * 7 + [[0, 50.0, 0]] * 3))
    assert np.allclose(found.random.alpha, [8, 4, 1], atol=1e-6)
    assert np.allclose(found.attributions.sum(axis=0), [7, 3, 0], atol=1e-6)
    assert found.fixed[0] == pytest.approx(1) and found.log_bayes_factors.tolist() == [0, -200, -350]


def test_data_that_say_nothing_leave_the_risk_and_equal_odds():
    found = compare_subjects(table(np.zeros((12, 3))))
    assert found.random.omnibus_risk > 0.5
    assert np.allclose(found.random.protected, 1 / 3) and np.allclose(found.fixed, 1 / 3)


def test_the_omnibus_risk_is_calibrated():
    """If half of the studies have equal frequencies and half differ, a stated risk is how often they are equal (within five errors)."""
    stated, equal = [], []
    rng = np.random.default_rng(0)
    for study in range(300):
        null = study % 2 == 0
        r = np.full(3, 1 / 3) if null else rng.dirichlet(np.ones(3))
        member = rng.choice(3, 15, p=r)
        # Evidence with a certain answer most of the time: 4 nats, give or take.
        energies = rng.normal(0, 1, (15, 3)) + 4.0 * np.eye(3)[member]
        stated.append(compare_subjects(table(energies)).random.omnibus_risk)
        equal.append(null)
    assert abs(np.mean(stated) - np.mean(equal)) < 5 * 0.5 / np.sqrt(300)


def test_families_have_equal_weight_whatever_their_size():
    found = compare_subjects(table(np.zeros((5, 4))), {"one": ["m0"], "three": ["m1", "m2", "m3"]})
    assert found.fixed_families == pytest.approx([0.5, 0.5])
    assert found.random_families.mean == pytest.approx([0.5, 0.5]) and found.random_families.protected == pytest.approx([0.5, 0.5])


def test_a_family_predicts_as_the_average_of_its_models():
    one = random_table(3, k=4)
    families = {"one": ["m0"], "three": ["m1", "m2", "m3"]}
    collapsed = table(np.column_stack([one["m0"], np.log(np.exp(one[["m1", "m2", "m3"]]).mean(axis=1))]))
    found, as_two = compare_subjects(one, families), compare_subjects(collapsed)
    assert found.random_families.alpha == pytest.approx(as_two.random.alpha)
    assert found.random_families.omnibus_risk == pytest.approx(as_two.random.omnibus_risk)
    assert found.random.alpha == pytest.approx(compare_subjects(one).random.alpha)
    weights = np.exp(one.sum() - one.sum().max())
    expected = np.array([weights["m0"], weights[["m1", "m2", "m3"]].mean()])
    assert found.fixed_families == pytest.approx(expected / expected.sum())


@given(seed=st.integers(0, 10**6))
def test_families_of_one_model_are_models(seed):
    one = random_table(seed)
    found, single = compare_subjects(one, {"a": ["m0"], "b": ["m1"], "c": ["m2"]}), compare_subjects(one)
    assert np.allclose(found.random_families.alpha, single.random.alpha)
    assert np.allclose(found.random_families.protected, single.random.protected)
    assert np.allclose(found.fixed_families, single.fixed)


def test_fits_by_model_and_subject():
    def fits(*energies):
        return {f"s{i}": SimpleNamespace(free_energy=energy) for i, energy in enumerate(energies)}

    by_name = compare_subjects({"a": fits(1.0, 2, 3), "b": dict(reversed(fits(4.0, 0, 1).items()))})
    assert by_name.free_energies.tolist() == [[1, 4], [2, 0], [3, 1]] and by_name.subjects == ("s0", "s1", "s2")
    listed = compare_subjects({"a": list(fits(1.0, 2, 3).values()), "b": list(fits(4.0, 0, 1).values())})
    assert listed.random.alpha == pytest.approx(by_name.random.alpha)
    text = str(compare_subjects({"a": fits(1.0, 2, 3), "b": fits(4.0, 0, 1)}, {"F": ["a"], "G": ["b"]}))
    assert "2 models of 3 subjects" in text and "Of the families, F" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((table(np.zeros((3, 1))),), "at least two models"),
        (([1, 2],), "needs {model: fits} or a table"),
        (({"a": [SimpleNamespace(free_energy=1.0)], "b": [SimpleNamespace(free_energy=1.0)] * 2},), "only one of 'a' and 'b' has '2'"),
        ((random_table(0), {"x": ["m0", "m1"]}), "each of the models"),
        ((random_table(0), {"x": ["m0", "m1"], "y": ["m1", "m2"]}), "exactly one family"),
        ((random_table(0), {"x": ["m0", "m1", "m2"], "y": []}), "exactly one family"),
        ((random_table(0), {"x": ["m7"]}), "Unknown model 'm7' in family 'x'"),
        ((table([[np.nan, 1], [1, 2]]),), "must be finite"),
    ],
)
def test_bad_input_is_said_in_a_sentence(arguments, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        compare_subjects(*arguments)
