"""Which way do connections at rest point? python case_studies/resting_networks/run.py FOLDER [SUBJECTS] (NetSim and feedback networks)."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import ltc_causal as lc

RULES = ["partial_correlation", "tanh", "skew", "rskew", "granger", "var_continuous"]
SCAN_OF_FEEDBACK = 1.2  # seconds, not in the files
OURS = "source network"
TIE = 1e-9
BINS = [0.0, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0]


def subjects(path, count):
    """Recording and true graph (row = target) of each subject, its regions in random order: many true edges go from low to high index."""
    with np.load(path) as file:
        dt = float(file["TR"]) if "TR" in file else SCAN_OF_FEEDBACK
        bold, graph = file["bold"].astype(float), file["adj"].T.astype(bool)
    rng = np.random.default_rng(0)
    for values in bold[:count]:
        order = rng.permutation(len(graph))
        series = lc.TimeSeries(values[:, order], dt, [f"R{i}" for i in order])
        yield lc.Recording(series, lc.Inputs(np.zeros((len(values), 0)), dt, ())), graph[np.ix_(order, order)]


def scores(recording):
    """Every method's matrix of scores, and the fit of ours."""
    fit = lc.fit(lc.SourceNetwork(recording.regions), recording)
    n = len(recording.regions)
    probability = np.zeros((n, n))
    probability[~np.eye(n, dtype=bool)] = lc.connection_probabilities(fit)["probability"]
    return lc.baseline_scores(recording, RULES) | {OURS: probability}, fit


def study(path, count):
    """One row a subject and method; and our probabilities beside the truth."""
    rows, told = [], []
    for subject, (recording, graph) in enumerate(subjects(path, count)):
        found, fit = scores(recording)
        off = ~np.eye(len(graph), dtype=bool)
        one_way = graph & ~graph.T
        for method, matrix in found.items():
            right = _points_right(matrix, one_way)
            ap, auc = lc.average_precision(matrix[off], graph[off]), lc.area_under_curve(matrix[off], graph[off])
            rows.append((path.stem, subject, method, ap, auc, right, fit.status.ok))
        told.append(pd.DataFrame({"file": path.stem, "probability": found[OURS][off], "real": graph[off]}))
    return pd.DataFrame(rows, columns=["file", "subject", "method", "AP", "AUC", "direction", "converged"]), pd.concat(told)


def _points_right(matrix, one_way):
    """Share of the one-way connections whose own direction scores higher; equal scores count a half."""
    ahead = (matrix - matrix.T)[one_way]
    return np.mean(np.where(np.abs(ahead) < TIE, 0.5, ahead > 0)) if one_way.any() else np.nan


def main(folder, count):
    paths = [*sorted(folder.glob("netsim_*.npz")), *sorted(folder.glob("feedback_*.npz"))]
    tables, told = zip(*(study(path, count) for path in paths), strict=True)
    table, told = pd.concat(tables), pd.concat(told)
    methods = [*RULES, OURS]
    for what in ("AP", "AUC", "direction"):
        means = table.pivot_table(index="file", columns="method", values=what)[methods]
        print(f"\n{what}, mean over subjects\n{means.round(3).to_string()}")
        for family in ("netsim", "feedback"):
            print(f"{family}, mean over files:", means[means.index.str.startswith(family)].mean().round(3).to_dict())
    best = table[table["method"].isin(["tanh", "skew", "rskew"])].groupby(["file", "subject"])["AP"].max()
    ours = table[table["method"] == OURS].set_index(["file", "subject"])["AP"]
    print(
        f"\nSubjects in which ours is at least as good as the best of the three rules: {100 * (ours.sort_index() >= best.sort_index()).mean():.0f} %"
    )
    told["said"] = pd.cut(told["probability"], BINS, include_lowest=True)
    for family in ("netsim", "feedback"):
        mine = told[told["file"].str.startswith(family)].groupby("said", observed=True)
        bins = mine.agg(said_mean=("probability", "mean"), real=("real", "mean"), count=("real", "size")).round(3)
        print(f"\nConnections of {family} by the probability with which they were said to be real\n{bins.to_string()}")
    print(f"\nFits that did not converge: {100 * (1 - table['converged'].mean()):.1f} %")


if __name__ == "__main__":
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_dir():
        raise SystemExit(
            "Give the folder of netsim_*.npz and feedback_*.npz: python case_studies/resting_networks/run.py FOLDER [SUBJECTS]"
        )
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
