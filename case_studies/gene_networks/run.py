"""Do single knock-outs foresee double ones? python case_studies/gene_networks/run.py FOLDER [choose] (of gene_network*.npz)."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
from gene_experiments import Experiments
from gene_predictions import PROBABILITY, Posterior, additive, dose_linear, foreseen, measured_again

import ltc_causal as lc

WARM_UP, SWEEPS, DRAWS, PROPOSALS, SEEDS = 500, 450, 150, 10, (1, 2, 3, 4)
FOLDS, FOLD_WARM_UP, FOLD_SWEEPS = 5, 400, 300
RESAMPLES = 2000
METHODS = ("network model", "effects add", "mean of both")


def single_knockouts(experiments):
    """Knock-outs that were left out, two at a time: what each method says of them (knock-out, gene), and draws of what would be measured."""
    n, rng = experiments.genes, np.random.default_rng(0)
    said = {method: np.empty((n, n)) for method in METHODS}
    draws = np.empty((DRAWS, n, n))
    for fold in np.array_split(rng.permutation(n), FOLDS):
        others = experiments.without(1 + fold)
        posterior = Posterior.sample(others, FOLD_WARM_UP, FOLD_SWEEPS, DRAWS, PROPOSALS, SEEDS[:1])
        expression = posterior.under(1 - np.eye(n)[fold])
        draws[:, fold] = measured_again(expression, experiments.noise, rng)
        for method, one in _three(expression.mean(axis=0), dose_linear(others, fold)).items():
            said[method][fold] = one
    return said, draws


def _three(network, rule):
    return dict(zip(METHODS, (network, rule, (network + rule) / 2), strict=True))


def choose(paths):
    """Errors of knock-outs that were left out, as measured: all that the choice of a method rests on."""
    rows = []
    for path in paths:
        experiments = Experiments.from_file(path)
        said, draws = single_knockouts(experiments)
        measured = np.array([experiments.measured(1 + gene) for gene in range(experiments.genes)])
        kept = ~np.eye(experiments.genes, dtype=bool)
        errors = {method: normalised_error(one, measured, experiments.measured(0), kept)[0] for method, one in said.items()}
        scored = lc.score(
            foreseen(draws, kept), measured[kept][:, None], np.tile(experiments.measured(0), (len(kept), 1))[kept][:, None], null="rows"
        )
        rows.append({"network": path.stem, **errors, "coverage": scored.coverage})
        print(pd.DataFrame(rows[-1:]).round(3).to_string(index=False), flush=True)
    table = pd.DataFrame(rows).set_index("network")
    print(f"\nKnock-outs left out: error (no change: 1), and coverage of the {100 * PROBABILITY:g} % band\n{table.round(3).to_string()}")
    print("mean", table.mean().round(3).to_dict())


def normalised_error(said, true, wild, kept):
    """RMS error over RMS change from the wild type, entries `kept` (experiment, gene), with its 95 % interval over experiments."""
    wrong, size = (np.where(kept, one - true, 0) ** 2 for one in (said, wild))
    rows = np.random.default_rng(0).integers(len(true), size=(RESAMPLES, len(true)))
    again = np.sqrt(wrong.sum(axis=1)[rows].sum(axis=1) / size.sum(axis=1)[rows].sum(axis=1))
    return np.sqrt(wrong.sum() / size.sum()), *np.quantile(again, [0.025, 0.975])


def double_knockouts(path):
    """The final score of one network: a row a method, and the score of the network model by `lc.score`."""
    experiments = Experiments.from_file(path)
    posterior = Posterior.sample(experiments, WARM_UP, SWEEPS, DRAWS, PROPOSALS, SEEDS)
    with np.load(path) as file:
        pairs, true, wild, graph = (
            file[f"{name}"] for name in ("test_dual_ko_targets", "test_dual_ko", "truth_train_wildtype", "truth_adjacency")
        )
    kept = np.ones(true.shape, dtype=bool)
    np.put_along_axis(kept, pairs, False, axis=1)
    draws = posterior.under(kept.astype(float))
    said = {"no change": np.tile(experiments.measured(0), (len(true), 1))}
    said |= _three(draws.mean(axis=0), additive(experiments, pairs))
    rows = [(path.stem, method, *normalised_error(one, true, wild, kept)) for method, one in said.items()]
    scored = lc.score(foreseen(draws, kept), true[kept][:, None], np.tile(wild, (len(true), 1))[kept][:, None], null="rows")
    chains = np.array([draws[posterior.chain == seed].mean(axis=0) for seed in SEEDS])
    off = ~np.eye(len(graph), dtype=bool)
    probability = posterior.connections()[off]
    facts = {
        "network": path.stem, "coverage": scored.coverage, "r": scored.correlation, "p": scored.p_value,
        "sd of chains": np.sqrt(chains.var(axis=0, ddof=1)[kept].mean()),
        "AUC": lc.area_under_curve(probability, graph[off] > 0), "AP": lc.average_precision(probability, graph[off] > 0),
    }  # fmt: skip
    return rows, facts


def main(paths):
    rows, facts = [], []
    for path in paths:
        of_methods, of_model = double_knockouts(path)
        rows += of_methods
        facts.append(of_model)
        print(f"{path.stem} done: {dict((method, round(error, 3)) for _, method, error, *_ in of_methods)}", flush=True)
    table = pd.DataFrame(rows, columns=["network", "method", "error", "lower", "upper"])
    print("\nDouble knock-outs: error (no change of the true wild type: 1) with its 95 % interval over pairs")
    print(table.round(3).to_string(index=False))
    print(
        f"\nThe network model: coverage of the {100 * PROBABILITY:g} % band, correlation of effects, agreement of chains, connections found"
    )
    print(pd.DataFrame(facts).round(3).to_string(index=False))


if __name__ == "__main__":
    files = sorted(Path(sys.argv[1]).glob("gene_network*.npz")) if len(sys.argv) > 1 else []
    if not files:
        raise SystemExit("Give the folder of gene_network*.npz: python case_studies/gene_networks/run.py FOLDER [choose]")
    choose(files) if sys.argv[2:] == ["choose"] else main(files)
