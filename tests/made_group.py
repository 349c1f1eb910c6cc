"""A small group's study in a folder: recordings, a table of people, a config; every second subject is a patient, and one recording is spoilt."""

import made
import numpy as np

import ltc_causal as lc

CONFIG = """
title = "A small group"
question = "Is V1 -> V5 stronger in patients & controls?"

[group]
recordings = "data/*.npz"
design = "people.csv"
model = "with"
predict = ["kind[patient]", "age"]
at = { kind = "patient" }

[structure]
regions = ["V1", "V5"]
inputs = ["photic", "attention"]
intrinsic = [["V1", "V5"], ["V5", "V1"]]
modulatory = { attention = [["V1", "V5"]] }
driving = [["photic", "V1"]]

[models.with]
signal_range = 0

[models.without]
signal_range = 0
prior = { "B[attention: V1->V5]" = [0.0, 0.0] }
"""

NAMES = tuple(f"sub-{number}" for number in range(1, 9))
SPOILT = "sub-3"
AGES = (31, 40, 22, 57, 35, 61, 48, 29)


def subject(number, n_scan=60):
    """The fields of a recording's file."""
    rng = np.random.default_rng(number)
    truth = {
        "A[V1->V5]": 0.2 + 0.4 * (number % 2) + 0.03 * rng.normal(), "A[V5->V1]": -0.2 + 0.03 * rng.normal(),
        "B[attention: V1->V5]": 0.5, "C[photic->V1]": 2.0,
    }  # fmt: skip
    its = lc.simulate(made.model().with_flow("bilinear"), truth, made.inputs(n_scan), dt=2.0, snr=10.0, seed=number)
    return {
        "values": its.series.values.copy(), "dt": 2.0, "regions": list(made.REGIONS), "inputs": its.inputs.values, "input_dt": its.inputs.dt,
        "input_names": list(made.INPUTS),
    }  # fmt: skip


def write_group(folder, config=CONFIG):
    """Recordings, people and config; gives the config's path."""
    (folder / "data").mkdir(parents=True)
    rows = ["name,kind,age"]
    for number, name in enumerate(NAMES):
        fields = subject(number)
        if name == SPOILT:
            fields["values"][:, 1] = 0.0
        np.savez(folder / "data" / f"{name}.npz", **fields)
        rows.append(f"{name},{'patient' if number % 2 else 'control'},{AGES[number]}")
    (folder / "people.csv").write_text("\n".join([*rows, "sub-99,control,50"]) + "\n")
    (folder / "config.toml").write_text(config, encoding="utf-8")
    return folder / "config.toml"
