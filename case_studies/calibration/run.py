"""Where overconfidence comes from: python case_studies/calibration/run.py (ten minutes; the tables of docs/calibration.md)."""

from dataclasses import replace

import numpy as np

import ltc_causal as lc

REGIONS, INPUTS = ["V1", "V5", "SPC"], ["photic", "motion"]
EXPECTED = {
    "A[V1->V5]": (0.45, 0.15), "A[V5->V1]": (-0.1, 0.15), "A[V5->SPC]": (0.4, 0.15), "B[motion: V1->V5]": (0.3, 0.25),
    "C[photic->V1]": (1.0, 0.25),
}  # fmt: skip
TRUTH = {"A[V1->V5]": 0.3, "A[V5->V1]": -0.1, "A[V5->SPC]": 0.25, "B[motion: V1->V5]": 0.4, "C[photic->V1]": 1.0}
STRONG = TRUTH | {"A[V1->V5]": 0.5, "A[V5->V1]": -0.15, "A[V5->SPC]": 0.4}
SPM, NOISY, WIDE = lc.NoisePrior(), lc.NoisePrior(3.0, 0.1), lc.NoisePrior(4.0, 4.0)


def model(**settings):
    connections = [("V1", "V5"), ("V5", "V1"), ("V5", "SPC")]
    return lc.DCM(REGIONS, INPUTS, connections, {"motion": [("V1", "V5")]}, [("photic", "V1")], **settings)


def boxes(n_scan, seed=0, shortest=2.0, longest=8.0, gap=(4.0, 10.0)):
    """Each input on and off at random, for so many seconds each time."""
    rng, events = np.random.default_rng(seed), {}
    for name in INPUTS:
        onset, events[name] = rng.uniform(4, 12), []
        while onset + longest < 2.0 * n_scan:
            length = rng.uniform(shortest, longest)
            events[name].append((onset, length))
            onset += length + rng.uniform(*gap)
    return lc.Inputs.from_events(events, 2.0 * n_scan, 0.125)


def calibrated(label, model, n_scan=300, n=200, **settings):
    found = lc.calibrate(replace(model, signal_range=None), boxes(n_scan), dt=2.0, n=n, seed=1, largest_range=8.0, **settings)
    joint = found.to_frame().iloc[-1]
    shares = "  ".join(f"{100 * found.coverage(probability)[0]:5.1f}" for probability in (0.5, 0.9, 0.95))
    print(
        f"{label:52s} {n_scan:4d}  z {found.spread:5.2f}  held {shares}  joint z {joint['z_sd']:5.2f}  held {100 * joint['coverage_90']:5.1f}"
        f"  p {joint['p_ranks']:8.1e}  failed {found.failed}",
        flush=True,
    )


def recovered(label, truth=TRUTH, noise=WIDE, snr=5.0, spread=True, seeds=60, **design):
    """Medians over subjects whose self-connections and haemodynamics come from their priors (unless spread is False)."""
    errors, inside, ranges, one = [], [], [], model(noise=noise)
    for seed in range(seeds):
        theta = one.prior.sample(1, 1000 + seed)[0] if spread else np.zeros(len(one.prior.mean))
        for name, value in truth.items():
            theta[one.prior.index(name)] = value
        recording = lc.simulate(one, theta, boxes(300, seed, **design), dt=2.0, snr=snr, seed=seed)
        fit = lc.fit(one, recording)
        true, found = one.coupling(theta), fit.coupling
        errors.append([np.linalg.norm(getattr(found, M) - getattr(true, M)) / np.linalg.norm(getattr(true, M)) for M in "ABC"])
        inside.append(np.abs(theta - fit.posterior.mean) <= 1.6449 * fit.posterior.sd)
        ranges.append(np.ptp(recording.series.values))
    A, B, C = np.median(errors, axis=0)
    print(f"{label:52s} A {A:.3f}  B {B:.3f}  C {C:.3f}  held {100 * np.mean(inside):5.1f}  range {np.median(ranges):.1f}", flush=True)


if __name__ == "__main__":
    informed = model(prior=EXPECTED)
    for n_scan in (300, 120, 60):
        calibrated("SPM's noise prior", informed, n_scan, noise=NOISY)
        calibrated("the prior that the noise comes from", replace(informed, noise=NOISY), n_scan)
        calibrated("wide noise prior", replace(informed, noise=WIDE), n_scan, noise=NOISY)
    wide = replace(informed, noise=WIDE)
    top = lc.VariationalLaplace(path="fixed_point")
    calibrated("SPM's noise prior, on to the fixed point", informed, noise=NOISY, method=top)
    calibrated("wide noise prior, on to the fixed point", wide, noise=NOISY, method=top)
    for r in (0.2, 0.4):
        calibrated(f"wide noise prior, AR(1) noise of {r}", wide, noise=NOISY, autocorrelation=r)
    calibrated("SPM's noise prior, noise from it", informed)
    calibrated("wide noise prior, noise from SPM's", wide, noise=SPM)
    calibrated("all of SPM's priors, noise from its prior", model())
    calibrated("the same, eight starts", model(), method=lc.VariationalLaplace(starts=8))
    print()
    recovered("standard")
    recovered("standard, SPM's noise prior", noise=SPM)
    recovered("stronger A", STRONG)
    recovered("stronger A, SPM's noise prior", STRONG, noise=SPM)
    recovered("haemodynamics at the prior mean", spread=False)
    recovered("haemodynamics at the prior mean, SPM's noise prior", spread=False, noise=SPM)
    recovered("inputs on for 8 to 20 s", shortest=8.0, longest=20.0, gap=(8.0, 16.0))
    recovered("inputs on for 20 to 30 s", shortest=20.0, longest=30.0, gap=(10.0, 20.0))
    recovered("drive of 3", TRUTH | {"C[photic->V1]": 3.0})
    for snr in (3.0, 10.0):
        recovered(f"signal to noise {snr:g}", snr=snr)
        recovered(f"signal to noise {snr:g}, SPM's noise prior", snr=snr, noise=SPM)
