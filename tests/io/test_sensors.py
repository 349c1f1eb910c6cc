"""What MNE's objects hold becomes recordings; these stand for them, with the parts that are asked for and no others."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

import ltc_causal as lc
from ltc_causal.io.sensors import from_mne

NAMES = ["Fz", "Cz", "Pz", "STI"]
RATE = 250.0


@dataclass
class Raw:
    """Continuous data (channel, time)."""

    data: np.ndarray
    ch_names: list = field(default_factory=lambda: list(NAMES))
    info: dict = field(default_factory=lambda: {"sfreq": RATE, "bads": ["Pz"]})

    def get_data(self):
        return self.data

    def get_channel_types(self):
        return ["eeg", "eeg", "eeg", "stim"]


def continuous(n=500):
    return Raw(1e-6 * np.random.default_rng(0).standard_normal((4, n)))


def epochs(n=3):
    its = Raw(1e-6 * np.random.default_rng(0).standard_normal((n, 4, 100)))
    its.events = np.array([[100 * k, 0, 1 + k % 2] for k in range(n)])
    its.event_id = {"left": 1, "right": 2}
    its.times = np.arange(100) / RATE - 0.1
    return its


def test_continuous_data_without_bad_and_trigger_channels():
    raw = continuous()
    recording = from_mne(raw, scale=1e6, unit="µV")
    assert recording.regions == ("Fz", "Cz") and recording.series.unit == "µV" and recording.series.dt == 0.004
    assert np.array_equal(recording.series.values, 1e6 * raw.data[:2].T)
    assert recording.inputs.names == () and recording.delays.tolist() == [0.0, 0.0]
    assert from_mne(raw, regions=["Pz", "Fz"]).regions == ("Pz", "Fz")


@pytest.mark.parametrize(("orig_time", "first_time", "shift"), [(None, 8.0, 0.0), ("2020-01-01", 8.0, 8.0)])
def test_annotations_are_inputs(orig_time, first_time, shift):
    """With a date they count from the recording's begin, of which the data are a later part."""
    raw = continuous()
    raw.first_time = first_time
    raw.annotations = SimpleNamespace(
        onset=np.array([0.4, 1.0, 1.2]) + shift, duration=np.array([0.2, 0.0, 0.1]), description=np.array(["tone", "flash", "bad"]), orig_time=orig_time
    )  # fmt: skip
    inputs = from_mne(raw, conditions=["flash", "tone"]).inputs
    assert inputs.names == ("flash", "tone") and inputs.dt == 0.004
    assert np.flatnonzero(inputs.column("tone")).tolist() == list(range(100, 150)) and inputs.column("tone").max() == 1.0
    assert np.flatnonzero(inputs.column("flash")).tolist() == [250] and inputs.column("flash").sum() * inputs.dt == pytest.approx(1.0)


def test_each_epoch_is_a_recording_with_its_own_impulse():
    its = epochs()
    recordings = from_mne(its, regions=["Cz", "Fz"], conditions=["right", "left"])
    assert len(recordings) == 3
    for k, recording in enumerate(recordings):
        assert np.array_equal(recording.series.values, its.data[k][[1, 0]].T)
        on = np.argwhere(recording.inputs.values)
        assert on.tolist() == [[25, 1 if k % 2 == 0 else 0]]  # time 0 is the 25th sample; left are the even ones
        assert recording.inputs.values.sum() * recording.inputs.dt == pytest.approx(1.0)
    assert from_mne(its)[0].inputs.names == ()


def test_inputs_of_ones_own():
    its = epochs()
    own = lc.Inputs(np.ones((100, 1)), 0.004, ("drive",))
    assert all(one.inputs is own for one in from_mne(its, inputs=own))
    with pytest.raises(lc.InputError, match="inputs and conditions: give one of the two"):
        from_mne(its, inputs=own, conditions=["left"])


def test_it_can_be_fitted():
    """A DCM of activity on a simulated Raw finds its coupling again."""
    model = lc.DCM(["a", "b"], ["u"], intrinsic=[("a", "b")], driving=[("u", "a")], observation="activity")
    truth = {"A[a->b]": 0.6, "C[u->a]": 16.0}
    inputs = lc.Inputs.from_events({"u": [(1.0, 2.0), (6.0, 1.0), (12.0, 3.0)]}, 20.0, 0.05)
    simulated = lc.simulate(model, truth, inputs, dt=0.05, snr=20, seed=1, delays=0.0)
    raw = Raw(simulated.series.values.T, ["a", "b"], {"sfreq": 20.0})
    raw.get_channel_types = lambda: ["misc", "misc"]
    fit = lc.fit(model, from_mne(raw, inputs=inputs))
    assert fit.status.ok and fit.coupling.edge("a", "b") == pytest.approx(0.6, abs=0.05)


def broken(**changes):
    raw = continuous()
    for name, value in changes.items():
        setattr(raw, name, value)
    return raw


@pytest.mark.parametrize(
    ("instance", "options", "said"),
    [
        (np.ones((3, 100)), {}, r"needs an object with get_data\(\), ch_names and info\[.sfreq.\].* got ndarray"),
        (broken(info={}), {}, "needs an object with"),
        (broken(data=np.ones(50)), {}, "must have shape .4 channels, time."),
        (broken(data=np.ones((3, 50))), {}, "must have shape .4 channels, time."),
        (continuous(), {"regions": ["Fx"]}, "Unknown channel 'Fx' in the data: choose one of"),
        (continuous(), {"conditions": ["a"]}, "Raw has no annotations, so it has no conditions"),
        (epochs(), {"conditions": ["lleft"]}, "Unknown condition 'lleft' in event_id: did you mean 'left'"),
        (continuous(5), {}, "has 5 scans, but at least 10 are needed"),
    ],
)
def test_what_is_not_right_is_said(instance, options, said):
    with pytest.raises(lc.InputError, match=said):
        from_mne(instance, **options)


def test_epochs_without_time_zero_are_said():
    its = epochs()
    its.times = its.times + 1.0
    with pytest.raises(lc.InputError, match="The epochs go from 0.9 to .* so time 0 is not in them"):
        from_mne(its, conditions=["left"])
