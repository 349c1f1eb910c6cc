"""Pruning: the right structure is found, fits decide, and nothing single is left that would raise the evidence."""

from dataclasses import replace

import numpy as np
import pytest

import ltc_causal as lc
from ltc_causal.group.structure import connections

REGIONS, INPUTS = ("V1", "V5", "SPC"), ("photic", "motion")
TRUTH = {"A[V1->V5]": 0.3, "A[V5->V1]": -0.15, "A[V5->SPC]": 0.3, "B[motion: V1->V5]": 0.4, "C[photic->V1]": 1.0}
EVERY = np.ones((3, 3), dtype=bool)
FIXED_POINT = lc.VariationalLaplace(path="fixed_point")


def agnostic(flow="bilinear", neuronal="bilinear", **settings):
    """Every connection, motion modulating all of them, every input driving every region."""
    return lc.DCM(
        REGIONS, INPUTS, EVERY, {"motion": EVERY}, np.ones((3, 2), dtype=bool), neuronal=neuronal, flow=flow,
        noise=lc.NoisePrior(4.0, 4.0), signal_range=None, **settings,
    )  # fmt: skip


def inputs(seed, duration=400.0):
    rng = np.random.default_rng(seed)
    events = {}
    for name in INPUTS:
        onset, events[name] = rng.uniform(4, 12), []
        while onset + 8 < duration:
            length = rng.uniform(2, 8)
            events[name].append((onset, length))
            onset += length + rng.uniform(4, 10)
    return lc.Inputs.from_events(events, duration, 0.125)


def recording(seed=0, flow="bilinear", snr=5):
    truth = {**dict.fromkeys(set(connections(agnostic())) - {f"A[{r}->{r}]" for r in REGIONS}, 0.0), **TRUTH}
    return lc.simulate(agnostic(flow), truth, inputs(seed), dt=2.0, snr=snr, seed=seed)


def right_structure(model):
    return lc.drop_connections(model, [name for name in may_go(model) if name not in TRUTH])


def may_go(model):
    return [name for name, (matrix, index) in connections(model).items() if matrix != "A" or index[0] != index[1]]


@pytest.fixture(scope="module")
def data():
    return recording()


@pytest.fixture(scope="module")
def full(data):
    return lc.fit(agnostic(), data, FIXED_POINT)


@pytest.fixture(scope="module")
def pruned(full):
    return lc.prune(full)


def kept(pruning):
    return set(pruning.connections) - set(pruning.removed)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("flow", "neuronal"), [("bilinear", "bilinear"), ("true", "bilinear"), ("true", "liquid")])
def test_the_right_structure_or_a_better_one(seed, flow, neuronal):
    """All true connections are found; what is kept besides raises the evidence over that of the right structure."""
    one = recording(seed, flow)
    model = agnostic(flow, neuronal)
    found = lc.prune(lc.fit(model, one))
    right = lc.fit(right_structure(model), one, FIXED_POINT)
    assert found.complete and found.fit.status.ok
    assert found.fit.free_energy >= right.free_energy - 3
    assert set(TRUTH) <= kept(found) and len(kept(found)) <= len(TRUTH) + 2


def test_no_single_change_raises_the_evidence(data, full, pruned):
    """Every model one connection away, fitted from its own prior mean by the one verb that users have."""
    names = may_go(full.model)
    assert set(pruned.connections) == set(names)
    for name in names:
        removed = set(pruned.removed) ^ {name}
        if not any(one.startswith("C") for one in set(names) - removed):
            continue
        other = lc.fit(lc.drop_connections(full.model, removed), data, FIXED_POINT)
        assert other.free_energy <= pruned.fit.free_energy + 0.051, name
        gain = pruned.gains[pruned.connections.index(name)]
        if abs(gain) < 5:  # what is predicted is right where it could change a decision
            expected = other.free_energy - pruned.fit.free_energy
            assert (gain if name in pruned.removed else -gain) == pytest.approx(expected, abs=0.2), name


def test_the_result_is_a_fit_of_the_smaller_model(data, full, pruned):
    alone = lc.fit(lc.drop_connections(full.model, pruned.removed), data, FIXED_POINT)
    assert pruned.fit.free_energy == pytest.approx(alone.free_energy, abs=1e-5)
    assert pruned.fit.distance(alone) < 1e-3
    assert pruned.history[-1].free_energy == pytest.approx(alone.free_energy, abs=1e-5)
    assert pruned.history[0].free_energy == pytest.approx(full.free_energy, abs=1e-5)
    coupling = pruned.fit.coupling
    for name, (matrix, index) in connections(full.model).items():
        assert (getattr(coupling, matrix)[index] == 0) == (name in pruned.removed)


def test_the_steps_rise_and_lead_to_the_result(pruned):
    energies = [step.free_energy for step in pruned.history]
    assert (np.diff(energies) > -0.05).all() and len(energies) > 1 and energies[-1] > energies[0]
    gone = set()
    for step in pruned.history:
        assert not set(step.removed) & gone and set(step.added) <= gone
        gone = (gone | set(step.removed)) - set(step.added)
    assert gone == set(pruned.removed)


def test_probabilities_are_odds_of_having_a_connection(pruned):
    frame = pruned.to_frame().set_index("connection")
    assert np.allclose(frame["probability"], 1 / (1 + np.exp(-frame["gain"])))
    assert (frame["gain"] > 0.05).equals(frame["kept"])
    assert (frame.loc[list(TRUTH), "probability"] > 0.95).all()
    assert set(frame["decided"]) == {"fit", "prediction"}


def test_the_same_twice(full, pruned):
    again = lc.prune(full)
    assert again.removed == pruned.removed and again.fit.free_energy == pruned.fit.free_energy
    assert np.array_equal(again.gains, pruned.gains) and again.history == pruned.history


def test_an_end_found_from_the_right_structure_is_one_found_from_the_full_model(data, pruned):
    """What is missing is put back: the search goes both ways, and is not bound to the model that it began with."""
    told = []
    few = lc.prune(lc.fit(agnostic(), data), progress=told.append, margin=np.inf)
    assert few.removed == pruned.removed and few.inverted[[name != "C[photic->V1]" for name in few.connections]].all()
    assert told[0].startswith("the full model: free energy") and len(told) == len(few.history)


def test_what_is_to_be_kept_is_kept(full):
    useless = ["A[SPC->V1]", "B[motion: SPC->SPC]", "C[motion->SPC]"]
    found = lc.prune(full, keep=[("SPC", "V1"), "B[motion: SPC->SPC]", ("motion", "SPC")])
    assert not set(useless) & set(found.removed) and not set(useless) & set(found.connections)
    assert set(useless) <= set(found.fit.model.edge_names)
    assert set(TRUTH) <= kept(found)


def test_only_the_matrices_asked_for_are_pruned(full):
    found = lc.prune(full, matrices="B")
    assert {name[0] for name in found.connections} == {"B"}
    assert {name for name in found.fit.model.edge_names if name[0] in "AC"} == {name for name in full.model.edge_names if name[0] in "AC"}


def test_a_prior_that_was_stated_holds_in_the_pruned_model(data):
    fit = lc.fit(agnostic(prior={"A[V1->V5]": (0.3, 0.1), "A[SPC->V5]": (0.0, 0.0)}), data)
    found = lc.prune(fit)
    at = found.fit.prior.index("A[V1->V5]")
    assert (found.fit.prior.mean[at], found.fit.prior.sd[at]) == (0.3, 0.1)
    assert "A[SPC->V5]" not in found.connections  # the user fixed it


def test_sessions_are_pruned_together():
    sessions = [recording(0), recording(1)]
    found = lc.prune(lc.fit(agnostic(), sessions))
    assert len(found.fit.sessions) == 2 and set(TRUTH) <= kept(found)
    right = lc.fit(right_structure(agnostic()), sessions, FIXED_POINT)
    assert found.fit.free_energy >= right.free_energy - 3


def test_data_without_a_signal_keep_little_but_a_driving_input():
    """Noise: hardly anything is kept, and the model still predicts something."""
    base = recording()
    values = np.random.default_rng(3).normal(size=base.series.values.shape)
    noise = replace(base, series=replace(base.series, values=values))
    found = lc.prune(lc.fit(agnostic(), noise))
    driven = {name.partition("->")[2][:-1] for name in kept(found) if name.startswith("C")}
    assert driven and len(kept(found)) <= 4
    assert all(name.partition("[")[2].split("->")[0].split(": ")[-1] in driven for name in kept(found) if name.startswith("A"))


def test_a_search_that_is_cut_short_says_so(full):
    short = lc.prune(full, max_inversions=3)
    assert not short.complete and short.inversions == 3 and "allow more inversions" in str(short)


def test_in_words(pruned):
    text = str(pruned)
    assert text.startswith(f"Pruned {len(pruned.removed)} of 21 connections; the free energy rose by") and "C[photic->V1]" in text
    assert str(pruned.history[1]).startswith("without A[")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"keep": ["A[V1->V6]"]}, "Unknown connection 'A\\[V1->V6\\]' in prune\\(keep\\): did you mean 'A\\[V1->V5\\]'"),
        ({"matrices": "AX"}, "must name some of A, B, C and D, got 'AX'"),
        ({"matrices": ""}, "must name some of A, B, C and D"),
        ({"matrices": "D"}, "no connection in D that may go"),
    ],
)
def test_bad_input_is_said_in_a_sentence(full, arguments, sentence):
    with pytest.raises(lc.InputError, match=sentence):
        lc.prune(full, **arguments)


def test_models_that_cannot_be_pruned_are_refused(full, data):
    with pytest.raises(lc.InputError, match='A holds logarithms.*give matrices="BC"'):
        lc.prune(replace(full, model=agnostic(neuronal="two_state")), matrices="A")
    with pytest.raises(lc.InputError, match="parameters are independent"):
        lc.prune(replace(full, model=agnostic().with_principal_modes(data, 2)))
    with pytest.raises(lc.InputError, match="this fit is of a str"):
        lc.prune(replace(full, model="a DCM"))
    with pytest.raises(lc.InputError, match="needs the fit of a DCM, got DCM"):
        lc.prune(full.model)
