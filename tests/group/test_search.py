"""The search over effects: against linear models, whose evidence without an effect is known, and against SPM."""

from dataclasses import replace

import group_subjects
import numpy as np
import pandas as pd
import pytest
from group_subjects import LinearGroup, centred, two_groups
from hypothesis import given
from hypothesis import strategies as st

import ltc_causal as lc
from ltc_causal.group.peb import EmpiricalBayes, peb
from ltc_causal.group.search import search_effects

KNOWN = EmpiricalBayes(log_precision_variance=1e-12)


def group_of(seed, p=2, method=KNOWN):
    rng = np.random.default_rng(seed)
    X = centred(rng.normal(size=6))
    b = rng.normal(size=(2, p)) * (rng.random((2, p)) < 0.5)
    linear = LinearGroup(X, b, np.full(p, 0.25), np.ones(p), seed)
    return linear, peb(linear.fits(), pd.DataFrame({"x": X[:, 1]}), method=method)


@given(seed=st.integers(0, 10**6))
def test_every_model_has_the_evidence_of_fitting_it(seed):
    """All 16 models without some effects, each against a regression that never had them."""
    linear, group = group_of(seed)
    found = search_effects(group)
    assert len(found.models) == 16 and len({tuple(row) for row in found.models.tolist()}) == 16
    full = linear.joint(group.prior.mean, group.prior.cov, group.between)[2]
    means, covs = [], []
    for kept, score in zip(found.models, found.log_evidences, strict=True):
        mean, cov, evidence = linear.joint(group.prior.mean * kept, group.prior.cov * np.outer(kept, kept), group.between)
        assert score == pytest.approx(evidence - full, abs=1e-5)
        means.append(mean)
        covs.append(cov)
    weights = np.exp(found.log_evidences - found.log_evidences.max())
    assert np.allclose(found.model_probabilities, weights / weights.sum())
    assert np.allclose(found.probabilities, found.model_probabilities @ found.models)
    near = found.log_evidences >= found.log_evidences.max() - 3
    w = weights[near] / weights[near].sum()
    mean = w @ np.array(means)[near]
    cov = sum(one * (c + np.outer(m - mean, m - mean)) for one, m, c in zip(w, np.array(means)[near], np.array(covs)[near], strict=True))
    assert np.allclose(found.effects.mean, mean, atol=1e-6) and np.allclose(found.effects.cov, cov, atol=1e-6)


def test_candidates_alone_are_in_question():
    _, group = group_of(1)
    found = search_effects(group, ["x: p0", "x: p1"])
    assert len(found.models) == 4 and found.probabilities[:2].tolist() == [1.0, 1.0]


def test_spm_agrees():
    """Its greedy search over the second level that it found itself, and over the one found here."""
    d, fits, shared = group_subjects.spm()
    group = peb(fits, pd.DataFrame({"group": d["peb_design"][:, 1]}), shared, EmpiricalBayes.spm())
    its = replace(group, effects=lc.Gaussian(group.effects.names, d["peb_effects"], d["peb_effects_cov"]))
    for one in (its, group):
        found = search_effects(one, together=8)
        assert np.abs(np.where(found.removed, 0.0, found.probabilities) - d["search_probability"]).max() <= 1e-3
        # Of what SPM removed on its way it says 0; over all 4096 models at once it is what is said here, or nearly.
        whole = search_effects(one)
        assert np.count_nonzero(found.removed) == 3 and not whole.removed.any()
        assert np.abs(found.probabilities - whole.probabilities).max() <= 0.05
        assert np.abs(found.effects.mean - d["search_mean"]).max() <= 0.01


def test_a_greedy_search_says_nearly_what_the_whole_one_does():
    member, linear = two_groups(0, n=30, effect=1.5, p=5)
    group = peb(linear.fits(), pd.DataFrame({"member": member}))
    whole, greedy = search_effects(group, together=10), search_effects(group, together=4)
    assert whole.probabilities[group.effects.names.index("member: p0")] > 0.99
    assert np.abs(whole.probabilities - greedy.probabilities).max() < 0.1 and greedy.removed.any()
    assert "effects have a probability above 0.95" in str(whole)
    frame = whole.to_frame()
    assert frame["covariate"].tolist() == ["mean"] * 5 + ["member"] * 5 and frame["parameter"][7] == "p2"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"candidates": ["x: p9"]}, "Unknown effect 'x: p9'"),
        ({"candidates": []}, "is empty"),
        ({"together": 0}, "between 1 and 16"),
    ],
)
def test_bad_input_is_said_in_a_sentence(arguments, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        search_effects(group_of(0)[1], **arguments)
