"""Training on sequences: against closed forms of loss and minimum, a known teacher, and cut short and gone on with."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from sequence_networks import KINDS

import ltc_causal as lc
from ltc_causal.core.sequences import Sequences
from ltc_causal.core.trained import TrainingStatus
from ltc_causal.inference.sequence_problem import Batch, SequenceProblem
from ltc_causal.networks.baselines import GRU
from ltc_causal.networks.circuit import Circuit
from ltc_causal.networks.ltc import LTC
from ltc_causal.networks.sequence import SequenceNetwork, linear

BRIEF = lc.GradientTraining(steps=30, restarts=2, learning_rate=0.01, batch=8)


class Readout(SequenceNetwork):
    """A linear map of the inputs: the minimum of its loss is known."""

    def __init__(self, n_input, n_output, seed=0):
        super().__init__()
        self.n_input, self.n_output = n_input, n_output
        self.settings = {"n_input": n_input, "n_output": n_output, "seed": seed}
        self.map = linear(n_input, n_output, torch.Generator().manual_seed(seed))

    def initial_state(self, inputs):
        return ()

    def course(self, inputs, clock, state):
        return inputs, state

    def read(self, hidden):
        return self.map(hidden)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def data(count=40, time=6, seed=0, **changes):
    """Inputs at random, targets their running mean with noise."""
    inputs = noise(count, time, 3, seed=seed)
    targets = np.cumsum(inputs[..., :2], 1) / np.arange(1, time + 1)[:, None] + 0.1 * noise(count, time, 2, seed=seed + 1)
    return replace(Sequences(inputs, targets), **changes)


# --- the loss -------------------------------------------------------------------------------------------------------------------------


def loss_of(sequences, outputs):
    total, weight = Batch(sequences, torch.zeros(1, dtype=torch.float64)).loss(torch.tensor(outputs))
    return float(total / weight)


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_are_their_definitions(at_end, weighted):
    inputs, outputs = noise(5, 4, 2), noise(5, 4, 3, seed=1)
    read = outputs[:, -1] if at_end else outputs
    rng = np.random.default_rng(2)
    weight = rng.random(read.shape[:-1]) if weighted else None
    values, classes, events = noise(*read.shape, seed=3), rng.integers(0, 3, read.shape[:-1]), rng.random(read.shape) < 0.4
    p = 1 / (1 + np.exp(-read))
    softmax = np.exp(read) / np.exp(read).sum(-1, keepdims=True)
    expected = {
        "values": (values, ((read - values) ** 2).mean(-1)),
        "classes": (classes, -np.log(np.take_along_axis(softmax, classes[..., None], -1)[..., 0])),
        "events": (events, -np.where(events, np.log(p), np.log(1 - p)).mean(-1)),
    }
    for task, (targets, each) in expected.items():
        sequences = Sequences(inputs, targets, weight=weight)
        assert sequences.task == task and sequences.at_end == at_end
        assert loss_of(sequences, outputs) == pytest.approx(np.average(each, weights=weight), rel=1e-12)


def test_each_epoch_takes_every_sequence_once():
    problem = SequenceProblem.of(Readout(3, 2), data(20), 0.2, 5, 100, 7)
    places = [problem._places(step) for step in range(8)]  # 16 sequences: three batches of 5 and one more, filled up
    for epoch in (places[:4], places[4:]):
        assert sorted(np.concatenate(epoch)[:16]) == list(range(16))
    assert not np.array_equal(np.concatenate(places[:4]), np.concatenate(places[4:]))
    assert problem.every == 4 and len(problem.training) == 16 and len(problem.held_out) == 4


# --- training -------------------------------------------------------------------------------------------------------------------------


def test_it_finds_the_minimum_of_least_squares():
    sequences = data()
    found = lc.fit(
        Readout(3, 2).double(), sequences, lc.GradientTraining(steps=400, restarts=2, learning_rate=0.05, validation=0, patience=400)
    )
    X = np.c_[sequences.inputs.reshape(-1, 3), np.ones(240)]
    Y = sequences.targets.reshape(-1, 2)
    best = np.linalg.lstsq(X, Y, rcond=None)[0]
    assert found.starts.loss.to_numpy() == pytest.approx([((Y - X @ best) ** 2).mean()] * 2, rel=2e-3)
    for network in found.networks:
        np.testing.assert_allclose(network.map.weight.detach(), best[:3].T, atol=0.02)


def test_a_student_learns_its_teachers_outputs():
    """An LTC from another LTC at irregular times, a fifth of it held out: to a thirtieth of the outputs' variance."""
    inputs, dt = noise(48, 12, 2), np.random.default_rng(1).uniform(0.1, 1.5, (48, 12))
    teacher = LTC(Circuit.full(2, 4, 1, seed=5), seed=5)
    targets = teacher.predict(inputs, dt)
    found = lc.fit(
        LTC(Circuit.full(2, 8, 1, seed=1), seed=1),
        Sequences(inputs, targets, dt),
        replace(BRIEF, steps=250, restarts=1, learning_rate=0.03, batch=16),
    )
    assert found.starts.loss[0] < targets.var() / 30
    held_out = Sequences(inputs[38:], targets[38:], dt[38:])
    assert ((found.predict(held_out) - held_out.targets) ** 2).mean() == pytest.approx(found.starts.loss[0], rel=1e-4)
    assert found.network.settings["seed"] == 1 and "LTC with" in found.summary()


def test_classes_and_events_are_learned_at_the_end_of_padded_sequences():
    """Whether the mean of the first input is above zero: as one of two classes, and as an event; half of each sequence may be padding."""
    rng = np.random.default_rng(0)
    inputs, length = noise(120, 8, 1) + 0.8 * rng.choice([-1, 1], (120, 1, 1)), rng.integers(4, 9, 120)
    dt = (np.arange(8) < length[:, None]).astype(float)
    above = (inputs[..., 0] * dt).sum(1) > 0
    inputs = np.where(dt[..., None] > 0, inputs, 1e6)
    method = lc.GradientTraining(steps=120, restarts=1, learning_rate=0.02, batch=32)
    for n_output, targets in ((2, above.astype(int)), (1, above[:, None])):
        found = lc.fit(GRU(1, 8, n_output), Sequences(inputs, targets, dt), method)
        outputs = found.predict(Sequences(inputs, targets, dt)[96:])
        said = outputs[:, 0] > 0 if n_output == 1 else outputs.argmax(1) == 1
        assert (said == above[96:]).mean() > 0.85


def test_the_best_step_by_the_held_out_part_is_kept():
    sequences = data()
    found = lc.fit(GRU(3, 16, 2), sequences, replace(BRIEF, steps=200, learning_rate=0.1, patience=20))
    validation = found.history.validation
    assert found.status is TrainingStatus.CONVERGED and len(found.history) < 200
    assert found.starts.loss.min() <= np.nanmin(validation) * (1 + 2e-3) and (found.starts.step < len(found.history) - 1).all()
    held_out = sequences[32:]
    for network, loss in zip(found.networks, found.starts.loss, strict=True):
        assert ((network.predict(held_out.inputs) - held_out.targets) ** 2).mean() == pytest.approx(loss, rel=1e-5)
    given = lc.fit(GRU(3, 16, 2), sequences[:32], replace(BRIEF, steps=200, learning_rate=0.1, patience=20, validation=held_out))
    assert given.starts.equals(found.starts)


def test_nothing_of_the_held_out_part_enters_the_training():
    sequences = data()
    other = replace(sequences, targets=np.where(np.arange(40)[:, None, None] < 32, sequences.targets, 0.0))
    one, two = (lc.fit(GRU(3, 4, 2), each, BRIEF).history for each in (sequences, other))
    assert np.array_equal(one.training, two.training) and not np.array_equal(one.validation, two.validation, equal_nan=True)


def test_learning_rates_are_searched_side_by_side():
    """Each start with each rate, as it would go alone; the best first."""
    sequences, network = data(), GRU(3, 4, 2)
    together = lc.fit(network, sequences, replace(BRIEF, learning_rate=[1e-4, 0.03, 0.003]))
    assert len(together.networks) == 6 and together.starts.loss.is_monotonic_increasing
    assert together.starts.learning_rate[0] == 0.03 and set(together.starts.seed) == {0, 1}
    alone = lc.fit(network, sequences, replace(BRIEF, learning_rate=0.03))
    some = together.starts[together.starts.learning_rate == 0.03].reset_index(drop=True)
    assert some.equals(alone.starts)


def test_a_network_is_left_as_it_was_and_a_seed_repeats():
    network, sequences = GRU(3, 4, 2), data()
    before = {name: one.clone() for name, one in network.state_dict().items()}
    one, two = (lc.fit(network, sequences, BRIEF) for _ in range(2))
    assert all(torch.equal(one, before[name]) for name, one in network.state_dict().items())
    assert one.starts.equals(two.starts) and np.array_equal(one.predict(sequences), two.predict(sequences))
    other = lc.fit(network, sequences, replace(BRIEF, seed=3))
    assert not other.starts.equals(one.starts)


@pytest.mark.parametrize("kind", KINDS)
def test_every_network_can_be_trained(kind):
    network = KINDS[kind]()
    sequences = data(targets=noise(40, 6, network.n_output))
    found = lc.fit(network, sequences, replace(BRIEF, steps=12, restarts=1, learning_rate=0.02, validation=0, batch=None))
    assert found.history.training[-1, 0] < found.history.training[0, 0]


# --- resuming -------------------------------------------------------------------------------------------------------------------------


class Killed(Exception):
    pass


def test_a_training_cut_short_goes_on_to_the_same_result(tmp_path):
    def die(step, best):
        if step == 17:
            raise Killed

    network, sequences, path = GRU(3, 4, 2), data(), tmp_path / "gru.checkpoint"
    method = replace(BRIEF, learning_rate=[0.01, 0.03], save_every=5)
    whole = lc.fit(network, sequences, method)
    with pytest.raises(Killed):
        lc.fit(network, sequences, replace(method, checkpoint=path, progress=die))
    steps = []
    resumed = lc.fit(network, sequences, replace(method, checkpoint=path, progress=lambda step, best: steps.append(step)))
    assert steps == list(range(16, 31))
    assert resumed.starts.equals(whole.starts)
    assert all(
        np.array_equal(a.predict(sequences.inputs), b.predict(sequences.inputs))
        for a, b in zip(resumed.networks, whole.networks, strict=True)
    )
    for changed in (
        lambda: lc.fit(GRU(3, 4, 2, seed=1), sequences, method_at(path)),
        lambda: lc.fit(network, data(seed=5), method_at(path)),
    ):
        with pytest.raises(lc.InputError, match="belongs to a training with other"):
            changed()


def method_at(path):
    return replace(BRIEF, learning_rate=[0.01, 0.03], save_every=5, checkpoint=path)


# --- its border -----------------------------------------------------------------------------------------------------------------------

WRONG = {
    "takes 2 inputs, the Sequences have 3": lambda: lc.fit(GRU(2, 4, 2), data(), BRIEF),
    "has 3 outputs, the Sequences' values need 2": lambda: lc.fit(GRU(3, 4, 3), data(), BRIEF),
    "has 2 outputs, the Sequences' classes need 5": lambda: lc.fit(GRU(3, 4, 2), data(targets=np.arange(40) % 5), BRIEF),
    "needs a network such as LTC or CfC": lambda: lc.fit(torch.nn.Linear(3, 2), data(), BRIEF),
    "trained on have values as targets, those held out classes": lambda: lc.fit(
        GRU(3, 4, 2), data(), replace(BRIEF, validation=data(targets=np.zeros(40, int)))
    ),
    "fit it with lc.GradientTraining": lambda: lc.fit(GRU(3, 4, 2), data()),
    "batch must be a whole number": lambda: replace(BRIEF, batch=0),
    "learning_rate must be a positive number": lambda: replace(BRIEF, learning_rate=[0.1, -1.0]),
    "inputs must be floats of shape": lambda: data(inputs=np.ones((4, 3))),
    r"NaN or infinite at 1 places, the first at (0, 0, 0)": lambda: data(
        inputs=np.where(np.arange(720).reshape(40, 6, 3) == 0, np.nan, 1.0)
    ),
    "dt must be finite and not negative": lambda: data(dt=-1.0),
    "must have shape (40, 6, output) or (40, output), got (40, 5, 2)": lambda: data(targets=np.zeros((40, 5, 2))),
    "must have shape (40, 6) or (40,), got (39,)": lambda: data(targets=np.zeros(39, int)),
    "classes counted from 0": lambda: data(targets=np.full(40, -1)),
    "weight must have shape (40, 6)": lambda: data(weight=np.ones(40)),
    "observed must be booleans": lambda: data(observed=np.ones((40, 6, 3))),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_what_does_not_fit_is_told(sentence):
    with pytest.raises(lc.InputError, match=re.escape(sentence)):
        WRONG[sentence]()
