"""Circuits: what a policy's layers promise, that nothing lies idle, that a list is what it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ltc_causal as lc
from ltc_causal.networks.circuit import Circuit


@st.composite
def circuits(draw):
    n_input, n_output, seed = draw(st.integers(1, 6)), draw(st.integers(1, 4)), draw(st.integers(0, 2**31))
    units = n_output + draw(st.integers(3, 20))
    density = draw(st.floats(0.05, 1))
    kind = draw(st.sampled_from((Circuit.sparse, Circuit.policy)))
    return kind(n_input, units, n_output, density, seed)


@given(circuits())
def test_no_unit_or_input_is_idle(circuit):
    assert circuit.idle == ()


@given(circuits())
def test_a_circuit_survives_its_settings_and_its_matrices(circuit):
    again = Circuit.of_settings(circuit.settings())
    W, S = np.zeros((len(circuit.units),) * 2, int), np.zeros((len(circuit.units), len(circuit.inputs)), int)
    W[circuit.target, circuit.source] = circuit.polarity
    S[circuit.sensory_target, circuit.sensory_source] = circuit.sensory_polarity
    for other in (again, Circuit.of_matrices(W, S, circuit.n_output, circuit.units, circuit.inputs)):
        assert other.settings() == circuit.settings()


@given(st.integers(0, 2**31))
def test_a_policy_joins_neighbouring_layers_only(seed):
    """The published driver's network: 32 inputs, 12 inter, 6 command and 1 motor units (Lechner et al. 2020)."""
    circuit = Circuit.neural_circuit_policy(32, 12, 6, 1, 4, 4, 6, 6, seed)
    layer = np.array(["motor"] * 1 + ["command"] * 6 + ["inter"] * 12)
    pairs = set(zip(layer[circuit.source], layer[circuit.target], strict=True))
    assert pairs == {("inter", "command"), ("command", "command"), ("command", "motor")}
    assert set(layer[circuit.sensory_target]) == {"inter"}
    count = {pair: int(((layer[circuit.source] == pair[0]) & (layer[circuit.target] == pair[1])).sum()) for pair in pairs}
    assert count == {("inter", "command"): 48, ("command", "command"): 6, ("command", "motor"): 6}
    assert np.bincount(circuit.sensory_source).tolist() == [4] * 32
    assert len(circuit.sensory_target) == 128 and circuit.synapse_names()[-1].startswith("inter")


def test_idle_is_told():
    circuit = Circuit.of_matrices([[0, 1, 0], [0, 0, 0], [1, 0, 0]], [[0, 1], [0, 0], [1, 0]], 1)
    assert circuit.idle == ("unit3", "input1")
    assert circuit.synapse_names() == ("unit2->unit1", "unit1->unit3") and circuit.sensory_names() == ("input2->unit1", "input1->unit3")


WRONG = {
    "at most one synapse": dict(target=[0, 0], source=[1, 1], polarity=[1, -1]),
    "positions from 0 to 1, got 0 to 2": dict(target=[0, 2], source=[1, 1], polarity=[1, -1]),
    "1 or -1 for each synapse": dict(target=[0, 1], source=[1, 1], polarity=[1, 0]),
    "equally long, got 1, 2 and 2": dict(target=[0], source=[1, 1], polarity=[1, 1]),
    "list of whole numbers": dict(target=[0.5], source=[1], polarity=[1]),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_a_wrong_list_is_named(sentence):
    sensory = {"sensory_target": [0], "sensory_source": [0], "sensory_polarity": [1]}
    with pytest.raises(lc.InputError, match=sentence):
        Circuit(("a", "b"), ("u",), 1, **{name: np.array(one) for name, one in (WRONG[sentence] | sensory).items()})


@pytest.mark.parametrize(
    "build",
    [lambda: Circuit.policy(3, 4, 2), lambda: Circuit.sparse(3, 4, 2, 0), lambda: Circuit.full(0, 4), lambda: Circuit.full(2, 4, 5)],
)
def test_impossible_sizes_are_refused(build):
    with pytest.raises(lc.InputError):
        build()
