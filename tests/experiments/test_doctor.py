"""Twelve planted faults, each to be named; and a sound recording, of which nothing is to be said."""

from dataclasses import replace

import numpy as np
import pytest

import ltc_causal as lc
from ltc_causal.core.diagnosis import Level
from ltc_causal.experiments.doctor import doctor

MODEL = lc.DCM(
    ["V1", "V5", "SPC"], ["photic", "motion"], [("V1", "V5"), ("V5", "V1"), ("V5", "SPC")], {"motion": [("V1", "V5")]}, [("photic", "V1")],
    noise=lc.NoisePrior(4, 4), signal_range=None,
)  # fmt: skip
TRUTH = {"A[V1->V5]": 0.5, "A[V5->V1]": -0.2, "A[V5->SPC]": 0.4, "B[motion: V1->V5]": 0.4, "C[photic->V1]": 3.0}


def sound(seed):
    rng = np.random.default_rng(seed)
    blocks = np.repeat((rng.random((36, 2)) < 0.5).astype(float), int(rng.integers(80, 110)), axis=0)[: 36 * 80]
    return lc.simulate(MODEL, TRUTH, lc.Inputs(blocks, 0.125, MODEL.inputs), dt=2.0, snr=3.0, seed=seed)


def with_values(recording, values):
    return replace(recording, series=replace(recording.series, values=values))


def moved(recording, seconds):
    values, bins = np.zeros_like(recording.inputs.values), int(seconds / 0.125)
    values[max(bins, 0) : len(values) + min(bins, 0)] = recording.inputs.values[max(-bins, 0) : len(values) - max(bins, 0)]
    return replace(recording, inputs=replace(recording.inputs, values=values))


def stated(recording, dt):
    """The same scans with another time between them stated, the inputs being what a log in seconds gives for such a run."""
    duration = len(recording.series.values) * dt
    values = np.zeros((int(round(duration / 0.125)), 2))
    kept = recording.inputs.values[: len(values)]
    values[: len(kept)] = kept
    return lc.Recording(replace(recording.series, dt=dt), lc.Inputs(values, 0.125, MODEL.inputs))


def noise_only(recording, rng):
    return with_values(recording, rng.standard_normal(recording.series.values.shape))


def spiked(recording, rng):
    values = recording.series.values.copy()
    values[rng.choice(len(values), 3, replace=False)] += 12 * values.std(axis=0)
    return with_values(recording, values)


def drifting(recording, rng):
    values, t = recording.series.values.copy(), np.linspace(0, 1, len(recording.series.values))
    return with_values(recording, values + 1.5 * values.std(axis=0) * np.sin(2 * np.pi * (0.8 * t + rng.random()))[:, None])


def shared_noise(recording, rng):
    values = recording.series.values
    return with_values(recording, values + values.std(axis=0) * rng.standard_normal((len(values), 1)))


def copied(recording, rng):
    values = recording.series.values.copy()
    values[:, 2] = values[:, 1] + 0.02 * values[:, 1].std() * rng.standard_normal(len(values))
    return with_values(recording, values)


def exchanged(recording, rng):
    return replace(recording, inputs=replace(recording.inputs, values=recording.inputs.values[:, ::-1]))


FAULTS = {
    "noise": ("inputs", noise_only),
    "TR stated double": ("seconds a scan", lambda recording, rng: stated(recording, 4.0)),
    "TR stated half": ("seconds a scan", lambda recording, rng: stated(recording, 1.0)),
    "onsets 6 s late": ("timing of the inputs", lambda recording, rng: moved(recording, 6.0)),
    "onsets 6 s early": ("timing of the inputs", lambda recording, rng: moved(recording, -6.0)),
    "inputs exchanged": ("names of the inputs", exchanged),
    "regions exchanged": ("names of the regions", lambda recording, rng: with_values(recording, recording.series.values[:, [1, 0, 2]])),
    "sign turned": ("sign of a region", lambda recording, rng: with_values(recording, recording.series.values * [1, -1, 1])),
    "spikes": ("spikes", spiked),
    "drift": ("drift", drifting),
    "common noise": ("common noise", shared_noise),
    "a region twice": ("copies", copied),
}  # fmt: skip


def named(recording):
    """Findings of the doctor that are bad, of those that a fit cannot make of itself."""
    fit = lc.fit(MODEL, recording)
    own = {finding.name for finding in fit.diagnose()}
    return [finding.name for finding in doctor(fit) if finding.level is Level.BAD and finding.name not in own]


def test_planted_faults_are_named():
    rng = np.random.default_rng(0)
    found = {fault: named(plant(sound(10 + k), rng)) for k, (fault, (_, plant)) in enumerate(FAULTS.items())}
    right = [fault for fault, (cause, _) in FAULTS.items() if cause in found[fault]]
    print(f"{len(right)} of {len(FAULTS)} planted faults named rightly")
    assert len(right) >= 10, found
    assert sum(len(names) for names in found.values()) <= len(FAULTS) + 3, found  # and hardly anything else


@pytest.mark.parametrize("seed", range(5))
def test_of_a_sound_recording_nothing_bad_is_said(seed):
    assert named(sound(seed)) == []


def test_the_advice_says_by_how_much():
    late = doctor(lc.fit(MODEL, moved(sound(3), 6.0)))["timing of the inputs"]
    assert "6 s earlier" in late.advice and late.value > 10


def test_other_fits_are_refused():
    with pytest.raises(lc.InputError, match="variational Laplace"):
        doctor(lc.Coupling([[-0.5]], [[[0.0]]], [[1.0]], ["V1"], ["photic"]))  # pyright: ignore
