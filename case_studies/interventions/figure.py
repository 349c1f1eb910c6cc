"""The picture of the study: python case_studies/interventions/figure.py interventions-output/scores.csv figure.png (median over systems)."""

import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from systems import KINDS

COLOURS = {"liquid DCM, from activity": "#1b6ca8", "liquid DCM, from BOLD": "#7fb3d5", "random raw LTC, from activity": "#c0392b"}


def main(scores: str, to: str) -> None:
    table = pd.read_csv(scores)
    error = table.groupby(["method", "system", "kind"])["error"].mean().groupby(["method", "kind"]).median().unstack()[list(KINDS)]
    methods = [name for name in COLOURS if name in error.index]
    figure, axes = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
    width = 0.8 / len(methods)
    for number, name in enumerate(methods):
        at = np.arange(len(KINDS)) + (number - (len(methods) - 1) / 2) * width
        axes.bar(at, error.loc[name], width * 0.92, color=COLOURS[name], label=name)
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.text(len(KINDS) - 0.5, 1.01, "predicting no effect", ha="right", va="bottom", fontsize=8)
    axes.set_xticks(range(len(KINDS)), [kind.replace("_", " ") for kind in KINDS])
    axes.set_ylabel("error / effect")
    axes.set_title("What the training data hold (new inputs) and what they do not (cuts, lesions)", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(0, 1.3)
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="upper center")
    figure.savefig(to, dpi=140)


if __name__ == "__main__":
    main(*sys.argv[1:3])
