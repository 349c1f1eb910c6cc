"""Which model BOLD asks for, where the truth is known: bilinear, nonlinear, two-state and liquid worlds, and the fits of all four.

Three regions, TR 2 s, 300 scans, signal to noise 4, inputs on for 8 to 20 s at random; the right connections.

Lives here: truths, recordings, the fits of one seed. Does not live here: rates, limits, tables.
"""

from dataclasses import replace

import numpy as np
from worlds import TOP, boxes, norm_ratio

import ltc_causal as lc

REGIONS, INPUTS, N_SCAN, TR, SNR = ["V1", "V5", "SPC"], ["photic", "motion"], 300, 2.0, 4.0
TRUTH = {
    "A[V1->V5]": 0.5, "A[V5->V1]": -0.15, "A[V5->SPC]": 0.4, "B[motion: V1->V5]": 0.4, "A[V1->V1]": 0.1, "transit[V5]": 0.05,
    "decay": -0.03,
}  # fmt: skip
WIDE = {"log_kappa": (0.0, 1.5)}  # of the liquid model: anything from hardly to strongly saturating
TRUTHS = {"bilinear": {}, "liquid": {"log_kappa": float(np.log(4.0))}, "nonlinear": {"D[SPC: V1->V5]": 0.6}, "two_state": {}}
DRIVE = 4.0  # sixteenths of Hz: activity of about .5, a signal that spans 7 %


def model(kind="bilinear", signal_range=None):
    """A kind of DCM with the right connections, by its true flow; a nonlinear one also lets SPC gate V1 -> V5."""
    gating = {"SPC": [("V1", "V5")]} if kind == "nonlinear" else {}
    connections = [("V1", "V5"), ("V5", "V1"), ("V5", "SPC")]
    return lc.DCM(
        REGIONS, INPUTS, connections, {"motion": [("V1", "V5")]}, [("photic", "V1")], gating, kind, flow="true",
        signal_range=signal_range, prior=WIDE if kind == "liquid" else None,
    )  # fmt: skip


def truth(kind, drive, **more):
    """Parameters by name; a two-state model's connections are logarithms of about the same strengths."""
    if kind == "two_state":
        return {"A[V1->V5]": 0.6, "A[V5->SPC]": 0.4, "A[V5->V1]": -0.6, "B[motion: V1->V5]": 0.5, "C[photic->V1]": drive, **more}
    return {**TRUTH, "C[photic->V1]": drive, **more}


def design(seed):
    return boxes(INPUTS, seed, N_SCAN * TR, TR / 16, 8.0, 20.0, (8.0, 16.0))


def recording(seed, kind="bilinear", drive=DRIVE, **more):
    return lc.simulate(model(kind), truth(kind, drive, **more), design(seed), dt=TR, snr=SNR, seed=seed)


def span(one):
    return float(np.ptp(one.series.values, axis=0).max())


def gain(seed, kappa=0.0, drive=DRIVE, signal_range=None):
    """Free energy of the liquid DCM above the bilinear one's (nats), estimated kappa, and the two errors of the signal under new inputs."""
    saturating = {"log_kappa": np.log(kappa)} if kappa else {}
    kind = "liquid" if kappa else "bilinear"
    data = recording(seed, kind, drive, **saturating)
    fits = [lc.fit(model(one, signal_range), data) for one in ("bilinear", "liquid")]
    system = model(kind), truth(kind, drive, **saturating)
    unseen = design(700 + seed)
    true = lc.simulate(*system, unseen, dt=TR).series.values
    errors = []
    for fit in fits:
        found = lc.simulate(fit.model, fit.posterior.mean, unseen, dt=TR).series.values / fit.sessions[0].scale
        errors.append(norm_ratio(found - true, true))
    return {
        "gain": fits[1].free_energy - fits[0].free_energy, "kappa": float(np.exp(fits[1].posterior.mean[-1]) * fits[1].sessions[0].scale),
        "bilinear": errors[0], "liquid": errors[1], "range": span(data),
    }  # fmt: skip


def by_start(seed, kappa=10.0, drive=2.0):
    """Free energy of the liquid DCM above its best, by where and how the ascent went: little or much saturation, SPM's path or to the end.

    With the usual prior of log kappa and a small signal, so that the free energy has a maximum on either side.
    """
    data, usual = recording(seed, "liquid", drive, log_kappa=np.log(kappa)), replace(model("liquid"), prior=None)
    found = {}
    for words, method in (("", None), (", fixed point", TOP)):
        for start in (0.3, 10.0):
            found[f"from kappa {start:g}{words}"] = lc.fit(usual, data, method, start={"log_kappa": float(np.log(start))}).free_energy
    best = max(found.values())
    return {words: energy - best for words, energy in found.items()}


def contest(seed, kind, drive=DRIVE, **more):
    """Free energies of the four kinds on the data of one, above the bilinear one's; the nonlinear model also by SPM's scheme."""
    data = recording(seed, kind, drive, **more)
    energies = {one: lc.fit(model(one), data).free_energy for one in ("bilinear", "liquid", "nonlinear", "two_state")}
    spm = replace(model("nonlinear"), flow="spm", prior=None)
    energies["nonlinear, SPM's scheme"] = lc.fit(spm, data, lc.VariationalLaplace(differences="spm")).free_energy
    return {name: energy - energies["bilinear"] for name, energy in energies.items()}
