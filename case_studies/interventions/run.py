"""What would happen if? python case_studies/interventions/run.py [FOLDER] [--out results] (12 systems: about an hour; without FOLDER one).

Fits every system to its training data alone, predicts the experiments that are stored for it, and prints how wrong that was.
"""

import argparse
from pathlib import Path

import from_bold
import networks
import numpy as np
import pandas as pd
import random_ltc
from prediction import Source, score
from systems import KINDS, Training, read

HERE = Path(__file__).parent
DRAWS = 40  # of each model
MEASURED, SCANS, RANDOM = "liquid DCM, from activity", "liquid DCM, from BOLD", "random raw LTC, from activity"


def told(*words):
    print(*words, flush=True)


def sources_of(training: Training, method: str, out: Path) -> list[Source]:
    """What a method's fits of a system say, each with draws; fits that exist are read."""
    if method == RANDOM:
        trained = random_ltc.train(training, out / "random")
        told(f"{training.name}: random starts explain {100 * random_ltc.explained(trained):.1f} % of the training activity")
        return [Source(trained.model.system(random_ltc.draws(trained)), 1.0, -training.rest)]
    if method == MEASURED:
        kept = networks.believed(networks.saved(out / "activity" / f"{training.name}.npz", lambda: networks.members(training, told)))
        return [Source(one.model.system(one.draws(DRAWS, seed)), 1.0, -training.rest) for seed, one in enumerate(kept)]
    kept = networks.saved(out / "bold" / f"{training.name}.npz", lambda: from_bold.members(training, told))
    return [Source(one.model.system(one.draws(DRAWS, seed)), training.gain, -training.rest) for seed, one in enumerate(kept)]


def study(path: Path, methods: list[str], out: Path) -> pd.DataFrame:
    """One row an experiment and method."""
    training, tests = read(path)
    rows = []
    for method in methods:
        sources = sources_of(training, method, out)
        for test in tests:
            found, _ = score(sources, test, method == SCANS)
            rows.append((training.family, training.name, method, found.kind, found.name, found.error, found.held, found.r))
    columns = ["family", "system", "method", "kind", "experiment", "error", "held", "r"]
    return pd.DataFrame(rows, columns=columns)


def report(table: pd.DataFrame) -> None:
    """Medians over systems of the mean of each kind's two experiments, as the baselines beside the data are given."""
    for method, own in table.groupby("method", sort=False):
        told(f"\n{method}: error over effect (1: predicting no effect), and share of the truth inside the 90 % band")
        error, held = (own.pivot_table(index=["family", "system"], columns="kind", values=what)[list(KINDS)] for what in ("error", "held"))
        error["all"], held["all"] = error.mean(axis=1), held.mean(axis=1)
        each = error.round(2)
        each["held"] = held["all"].round(2)
        told(each.to_string())
        told("median over systems", error.median().round(2).to_dict())
        told("by family", error.groupby("family")["all"].median().round(2).to_dict())
        told("held, mean", held.mean().round(2).to_dict())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder", nargs="?", type=Path, help="where neural_*.npz lie; the one system that comes with the study unless given"
    )
    parser.add_argument("--out", type=Path, default=Path("interventions-output"), help="fits are kept there, and read if they exist")
    parser.add_argument("--methods", nargs="*", default=[MEASURED, SCANS, RANDOM], choices=[MEASURED, SCANS, RANDOM])
    given = parser.parse_args()
    paths = sorted((given.folder or HERE / "data").glob("neural_*.npz"))
    if not paths:
        raise SystemExit(f"There is no neural_*.npz in {given.folder}: give the folder of the systems.")
    table = pd.concat([study(path, given.methods, given.out) for path in paths])
    given.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(given.out / "scores.csv", index=False)
    report(table)


if __name__ == "__main__":
    np.seterr(over="ignore", invalid="ignore")  # draws that run away are set aside
    main()
