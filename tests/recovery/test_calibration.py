"""Simulation-based calibration of bilinear DCMs: what docs/calibration.md says of the noise prior, held.

The priors are those of a study that expects couplings of this size, and truths are drawn from them, so that ranks must be uniform if the
method is right. Noise has the size that makes a signal to noise of about 3.
"""

import numpy as np
import pytest

import ltc_causal as lc

pytestmark = pytest.mark.slow

NOISY = lc.NoisePrior(3.0, 0.1)
EXPECTED = {
    "A[V1->V5]": (0.45, 0.15), "A[V5->V1]": (-0.1, 0.15), "A[V5->SPC]": (0.4, 0.15), "B[motion: V1->V5]": (0.3, 0.25),
    "C[photic->V1]": (1.0, 0.25),
}  # fmt: skip


def model(**settings):
    return lc.DCM(
        ["V1", "V5", "SPC"], ["photic", "motion"], [("V1", "V5"), ("V5", "V1"), ("V5", "SPC")], {"motion": [("V1", "V5")]},
        [("photic", "V1")], prior=EXPECTED, signal_range=None, **settings,
    )  # fmt: skip


def inputs(n_scan, seed=0):
    rng = np.random.default_rng(seed)
    events = {}
    for name in ("photic", "motion"):
        onset, events[name] = rng.uniform(4, 12), []
        while onset + 16 < 2.0 * n_scan:
            length = rng.uniform(4, 16)
            events[name].append((onset, length))
            onset += length + rng.uniform(6, 14)
    return lc.Inputs.from_events(events, 2.0 * n_scan, 0.125)


def calibrated(model, n_scan=120, **settings):
    return lc.calibrate(model, inputs(n_scan), dt=2.0, n=150, seed=1, largest_range=8.0, **settings)


def test_with_the_noise_that_it_expects_variational_laplace_is_calibrated():
    found = calibrated(model(noise=NOISY))
    assert found.exact and found.p_value > 0.01 and found.coverage(0.9)[0] == pytest.approx(0.9, abs=0.025), str(found)


def test_spms_noise_prior_is_overconfident_about_noisier_data():
    found = calibrated(model(), noise=NOISY)
    assert found.verdict.startswith("Overconfident"), str(found)
    assert found.coverage(0.9)[2] < 0.85 and np.mean(found.joint_ranks <= 0.9) < 0.5


@pytest.mark.parametrize("noise", [NOISY, lc.NoisePrior()], ids=["noisy", "as SPM expects"])
def test_a_wide_noise_prior_is_the_cure(noise):
    """As good as knowing where the noise comes from, for noisy data and for clean ones."""
    wide, matched = calibrated(model(noise=lc.NoisePrior(4.0, 4.0)), noise=noise), calibrated(model(noise=noise))
    assert wide.coverage(0.9)[0] == pytest.approx(matched.coverage(0.9)[0], abs=0.015)
    assert wide.spread == pytest.approx(matched.spread, abs=0.03)
    assert wide.spread < 1.1 and abs(wide.coverage(0.9)[0] - 0.9) < 0.03, str(wide)


KINDS = {
    "bilinear": {"signal_range": None},
    "bilinear, true flow": {"flow": "true", "signal_range": None},
    "two-state": {"neuronal": "two_state"},
    "nonlinear": {"neuronal": "nonlinear", "gating": {"SPC": [("V1", "V5")]}},
    "liquid": {"neuronal": "liquid"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_is_calibrated_under_its_own_priors(kind):
    """Every single interval; all together nearly so: of the joint ellipsoid the Gaussian form misses a little where priors are this wide."""
    connections = [("V1", "V5"), ("V5", "V1"), ("V5", "SPC")]
    its_model = lc.DCM(
        ["V1", "V5", "SPC"], ["photic", "motion"], connections, {"motion": [("V1", "V5")]}, [("photic", "V1")], **KINDS[kind]
    )  # fmt: skip
    found = lc.calibrate(its_model, inputs(200), dt=2.0, n=80, seed=2)
    assert found.exact and found.failed <= 4 and found.suspicious == (), str(found)
    assert found.coverage(0.9)[0] == pytest.approx(0.9, abs=0.03), str(found)
    assert np.mean(found.joint_ranks <= 0.9) > 0.8, str(found)
