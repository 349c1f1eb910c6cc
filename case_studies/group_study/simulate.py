"""A group whose truth is known: python case_studies/group_study/simulate.py (writes data/ beside this file, a second).

24 subjects, every second one a patient, in whom V1 acts more strongly on V5; attention changes that connection less, the older a subject is. One
recording is spoilt, as happens: its V5 never changes.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import ltc_causal as lc

MEAN = {
    "A[V1->V5]": 0.3, "A[V5->V1]": -0.15, "A[V5->SPC]": 0.35, "A[SPC->V5]": 0.1, "B[attention: V1->V5]": 0.4, "C[photic->V1]": 2.0,
}  # fmt: skip
SPREAD = {name: 0.2 if name[0] == "C" else 0.1 if name[0] == "B" else 0.06 for name in MEAN}
PATIENTS = 0.2  # Hz, on A[V1->V5]
AGE = -0.012  # Hz a year, on B[attention: V1->V5]
SPOILT = "sub-17"


def model():
    return lc.DCM(
        regions=["V1", "V5", "SPC"],
        inputs=["photic", "attention"],
        intrinsic=[("V1", "V5"), ("V5", "V1"), ("V5", "SPC"), ("SPC", "V5")],
        modulatory={"attention": [("V1", "V5")]},
        driving=[("photic", "V1")],
    )


def inputs(duration=400.0):
    return lc.Inputs.from_events(
        {
            "photic": [(start, 12.0) for start in np.arange(6.0, duration - 12, 24)],
            "attention": [(start, 24.0) for start in np.arange(24.0, duration - 24, 48)],
        },
        duration,
        dt=0.125,
    )


def people(n, rng):
    """Names, groups and ages."""
    rows = {f"sub-{k + 1:02d}": {"group": "patient" if k % 2 else "control", "age": int(rng.integers(20, 65))} for k in range(n)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("subject")


def truth(person, rng):
    own = {name: value + SPREAD[name] * rng.standard_normal() for name, value in MEAN.items()}
    own["A[V1->V5]"] += PATIENTS * (person["group"] == "patient")
    own["B[attention: V1->V5]"] += AGE * (person["age"] - 42)
    return own


def write(folder, n=24, seed=0):
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    table, its = people(n, rng), inputs()
    table.to_csv(folder / "people.csv")
    for number, (name, person) in enumerate(table.iterrows()):
        recording = lc.simulate(model(), truth(person, rng), its, dt=2.0, snr=4.0, seed=[seed, number])
        values = recording.series.values.copy()
        if name == SPOILT:
            values[:, 1] = 0.0
        np.savez_compressed(
            folder / f"{name}.npz", values=values, dt=2.0, regions=["V1", "V5", "SPC"], inputs=its.values, input_dt=its.dt,
            input_names=list(its.names), unit="% signal change",
        )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--subjects", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    write(given.folder, given.subjects, given.seed)
