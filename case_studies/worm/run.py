"""Does the worm's wiring foresee who responds to a neuron never stimulated? python case_studies/worm/run.py FOLDER (of worm_atlas_train.npz)."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
from worm_atlas import Atlas, folds
from worm_features import GROUPS, NAMES, Features
from worm_regression import Inner, Regression, count_draws, spread_of_sources

import ltc_causal as lc
from ltc_causal.core.prediction import Prediction, band

FOLDS = 5
PARTITIONS = 5  # of the classes into folds
DRAWS, PROBABILITY, RESAMPLES = 4000, 0.9, 1000
BINS = [0.0, 0.02, 0.04, 0.08, 0.16, 1.0]
BASELINES = {
    "direct wiring": ("direct",),
    "spread over wiring": ("spread .5",),
    "responder's rate": ("rate",),
    "rate plus direct wiring": ("rate", "direct"),
}
OURS = "chosen regression"
PARTS = {"rate and wiring": ("responder and wiring",), "rate and activity": ("responder and activity",), OURS: tuple(GROUPS)}
METHODS = (*BASELINES, *PARTS)


def one_partition(features, seed):
    """Left-out probabilities: every measured pair once (frame), and what was chosen in each fold."""
    columns = features.atlas.stimulated
    pairs, chosen = [], []
    for fold, test in enumerate(folds(features.atlas, columns, FOLDS, seed)):
        known = np.setdiff1d(columns, test)
        x, responds, source = features.table(test, known)
        frame = pd.DataFrame({"fold": fold, "source": source, "responds": responds})
        known_of_pair: dict[str, np.ndarray] = {name: x[:, at] for at, name in enumerate(NAMES)}
        known_of_pair["direct"] = known_of_pair["chemical"] + known_of_pair["gap"]
        for name, parts in BASELINES.items():
            frame[name] = sum(known_of_pair[part] / known_of_pair[part].std() for part in parts)
        (x_known, y_known, _), inner = features.table(known, known), Inner(features, known)
        for name, groups in PARTS.items():
            (group, ridge), area = inner.best(groups)
            frame[name] = Regression.fit(x_known, y_known, group, ridge).probability(x)
        frame["spread"] = spread_of_sources(*inner.left_out(group, ridge))  # of ours, which comes last
        pairs.append(frame)
        chosen.append({"partition": seed, "fold": fold, "group": group, "ridge": ridge, "inner AUC": area})
    return pd.concat(pairs, ignore_index=True), chosen


def scores(pairs):
    """Of each method: area under the curve and average precision, mean over folds; and the area mean over stimulated neurons."""
    rows = []
    for method in METHODS:
        by_fold = [
            (lc.area_under_curve(f[method], f["responds"]), lc.average_precision(f[method], f["responds"]))
            for _, f in pairs.groupby("fold")
        ]
        of_source = [lc.area_under_curve(s[method], s["responds"]) for _, s in pairs.groupby("source") if 0 < s["responds"].sum() < len(s)]
        rows.append((method, *np.mean(by_fold, axis=0), np.mean(of_source)))
    return pd.DataFrame(rows, columns=["method", "AUC", "AP", "AUC within source"])


def interval(pairs, classes):
    """95 % interval of the area under the curve, all folds together, over resampled classes of stimulated neurons."""
    rng = np.random.default_rng(0)
    groups = [rows.to_numpy() for _, rows in pairs[[OURS, "responds"]].astype(float).groupby(classes[pairs["source"]])]
    areas = []
    for _ in range(RESAMPLES):
        again = np.concatenate([groups[i] for i in rng.integers(len(groups), size=len(groups))])
        areas.append(lc.area_under_curve(again[:, 0], again[:, 1] > 0))
    return np.quantile(areas, [0.025, 0.975])


def counts(pairs):
    """`lc.score` of how many neurons respond to each stimulated one, against the same share for all."""
    rng = np.random.default_rng(0)
    by_source = pairs.groupby("source")
    draws = np.stack([count_draws(s[OURS].to_numpy(), s["spread"].iloc[0], DRAWS, rng) for _, s in by_source], axis=1)[:, :, None].astype(
        float
    )
    mean, lower, upper = band(draws, PROBABILITY)
    times = np.arange(draws.shape[1], dtype=float)
    prediction = Prediction(times, ("responders",), mean, lower, upper, draws, (), "neuronal", PROBABILITY, unstable=0)
    seen = by_source["responds"].sum().to_numpy(float)[:, None]
    usual = by_source.size().to_numpy(float)[:, None] * pairs["responds"].mean()
    return lc.score(prediction, seen, usual, null="rows")


def study(path, observations):
    features = Features(Atlas.from_file(path, observations))
    parts, chosen = zip(*(one_partition(features, seed) for seed in range(PARTITIONS)), strict=True)
    table = pd.concat([scores(pairs).assign(partition=seed) for seed, pairs in enumerate(parts)])
    return features.atlas, parts, pd.DataFrame(sum(chosen, [])), table


def main(path):
    for observations in (1, 3):
        atlas, parts, chosen, table = study(path, observations)
        methods = table.groupby("method", sort=False)
        found = methods[["AUC", "AP", "AUC within source"]].mean().assign(sd=methods["AUC"].std())
        print(f"\nPairs observed at least {observations} time(s): {atlas.measured.sum()}, of which {atlas.responds.sum()} respond")
        print(f"mean over {PARTITIONS} partitions into {FOLDS} folds, and standard deviation of the AUC over partitions")
        print(found.round(3).to_string())
        low, high = interval(parts[0], atlas.classes)
        print(f"AUC of the first partition, folds together, 95 % interval over classes: {low:.3f} to {high:.3f}")
        print("Chosen in the inner folds:", chosen.groupby(["group", "ridge"]).size().to_dict())
        said = pd.concat(parts)
        bins = said.groupby(pd.cut(said[OURS], BINS), observed=True).agg(
            said=(OURS, "mean"), responded=("responds", "mean"), pairs=("responds", "size")
        )
        print("Pairs by the probability said, all partitions\n" + bins.round(3).to_string())
        print("Responders of each stimulated neuron, first partition:", counts(parts[0]))


if __name__ == "__main__":
    file = Path(sys.argv[1]) / "worm_atlas_train.npz" if len(sys.argv) == 2 else Path()
    if not file.is_file():
        raise SystemExit("Give the folder that holds worm_atlas_train.npz: python case_studies/worm/run.py FOLDER")
    main(file)
