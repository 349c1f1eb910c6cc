"""The systems of this study: what a method may see of each, and apart from that what it is scored against.

Lives here: reading the files, recordings as the package wants them, a file cut to what the study needs. Does not live here: any method.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ltc_causal as lc

Array = NDArray[np.float64]
BIN, TR = 0.2, 2.0  # s, of the inputs and of the slower BOLD
KINDS = ("new_input", "pulse", "clamp", "cut", "lesion", "mod_switch")
SEEN = ("family", "regions", "input_names", "haemo_gain", "x_rest", "train_u", "train_x", "train_bold_tr20", "resting_x")
SCORED = ("base_task_u", "base_task_x", "base_task_bold_tr20", "test_u", "test_x", "test_bold_tr20", "test_json")
REPLAY = ("truth_parameters_json",)  # for a test of the interventions, never for a fit


@dataclass(frozen=True, eq=False)
class Training:
    """What a method sees of one system.

    u : (3000, input), bins of 0.2 s; x : (3000, region), activity as deviation from rest, with measurement noise
    bold : (300, region), percent; resting : (3000, region) or None, a run without inputs that noise drives
    rest : (region,), the activity at rest, so that -rest is silence; gain : from activity to what drives the haemodynamics
    """

    name: str
    family: str
    regions: tuple[str, ...]
    inputs: tuple[str, ...]
    u: Array
    x: Array
    bold: Array
    resting: Array | None
    rest: Array
    gain: float

    def states(self, every: int = 1) -> lc.Recording:
        """Every so manieth sample of the measured activity."""
        series = lc.TimeSeries(self.x[::every], BIN * every, self.regions)
        return lc.Recording(series, lc.Inputs(self.u, BIN, self.inputs), delays=np.zeros(len(self.regions)))

    def scans(self) -> lc.Recording:
        """BOLD at a repetition time of 2 s."""
        return lc.Recording(
            lc.TimeSeries(self.bold, TR, self.regions), lc.Inputs(self.u, BIN, self.inputs), delays=np.zeros(len(self.regions))
        )


@dataclass(frozen=True, eq=False)
class Test:
    """One stored experiment: what is done, and the truth.

    u, base_u : (300, input) under the intervention, and of the run that it is compared with (None for rest)
    do : interventions as values of the package, activity counted from rest
    scored : (region,), which regions count
    effect, bold_effect : (301, region), (31, region), truth without noise: the run minus the one it is compared with
    """

    kind: str
    name: str
    u: Array
    base_u: Array | None
    do: list[Any]
    scored: NDArray[np.bool_]
    effect: Array
    bold_effect: Array


def read(path: Path) -> tuple[Training, list[Test]]:
    """One file."""
    with np.load(path) as file:
        d = {name: file[name] for name in (*SEEN, *SCORED) if name in file.files}
    regions, rest = tuple(map(str, d["regions"])), d["x_rest"].astype(float)
    resting = (d["resting_x"] - rest)[:-1] if "resting_x" in d else None
    training = Training(
        path.stem, str(d["family"]), regions, tuple(map(str, d["input_names"])), d["train_u"].astype(float), (d["train_x"] - rest)[:-1],
        d["train_bold_tr20"].astype(float), resting, rest, float(d["haemo_gain"]),
    )  # fmt: skip
    return training, [_test(d, number, regions, rest) for number in range(len(d["test_json"]))]


def _test(d: dict[str, Array], number: int, regions: tuple[str, ...], rest: Array) -> Test:
    told = json.loads(str(d["test_json"][number]))
    task = told["base"] == "task"
    effect = d["test_x"][number] - (d["base_task_x"] if task else rest)
    bold = d["test_bold_tr20"][number] - (d["base_task_bold_tr20"] if task else 0.0)
    do = [one for one in (_intervention(o, regions, rest) for o in told["operations"]) if one is not None]
    scored = np.array([region not in told["exclude_from_score"] for region in regions])
    base = d["base_task_u"].astype(float) if task else None
    return Test(told["type"], told["name"], d["test_u"][number].astype(float), base, do, scored, effect, bold)


def _intervention(told: dict[str, Any], regions: tuple[str, ...], rest: Array) -> Any:
    match told["kind"]:
        case "pulse":
            return lc.Drive(told["region"], told["value"], told["t_on_s"], told["t_off_s"])
        case "clamp":
            return lc.Clamp(told["region"], told["value"] - rest[regions.index(told["region"])], told["t_on_s"], told["t_off_s"])
        case "cut":
            return lc.Cut(told["source"], told["target"])
        case "lesion":
            return lc.Lesion(told["region"])
    return None  # other inputs, which are in `u`


def shipped(path: Path, to: Path) -> None:
    """Write a file with only what this study reads, rounded so that it is small."""
    with np.load(path) as file:
        kept = {name: file[name] for name in (*SEEN, *SCORED, *REPLAY) if name in file.files}
    small = {name: values.astype(np.float32).round(5) if values.dtype.kind == "f" else values for name, values in kept.items()}
    np.savez_compressed(to, **small)
