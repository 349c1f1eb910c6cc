"""Knock-outs foreseen from a gene network's other experiments, by the network model and by two simple rules.

Lives here: `Posterior`, the rules, and `foreseen`, a `Prediction` that `lc.score` can judge. Does not live here: data, chain.
"""

from dataclasses import dataclass

import numpy as np
from gene_kinetics import steady_states
from gene_sampler import regulators, run_chain

from ltc_causal.core.prediction import Prediction, band

PROBABILITY = 0.9


@dataclass(frozen=True)
class Posterior:
    """Networks (draw, gene, SIZE) and the steady states (draw, experiment, gene) of the experiments that they were drawn from.

    chain : of each draw
    """

    networks: np.ndarray
    states: np.ndarray
    chain: np.ndarray
    scale: float

    @classmethod
    def sample(cls, experiments, warm_up, sweeps, draws, proposals, seeds):
        """A chain a seed, `draws` kept of each; what the arguments mean is in `gene_sampler.run_chain`."""
        e = experiments
        runs = [
            run_chain(e.y, e.owner, e.cap, e.kinds, e.noise, e.guess(), warm_up, sweeps, sweeps // draws, proposals, seed) for seed in seeds
        ]
        networks, states = (np.concatenate([run[part] for run in runs]) for part in (0, 1))
        return cls(networks, states, np.repeat(seeds, [len(run[0]) for run in runs]), float(e.scale))

    def under(self, caps):
        """Expression as it is measured, shape (draw, experiment, gene), under caps (experiment, gene)."""
        return self.scale * np.array([steady_states(net, caps, x[0]) for net, x in zip(self.networks, self.states, strict=True)])

    def wild_type(self):
        """Shape (draw, gene)."""
        return self.scale * self.states[:, 0]

    def connections(self):
        """Probability that the column regulates the row."""
        return regulators(self.networks)


def additive(experiments, pairs):
    """Effects of two knock-outs add: their sum less the wild type, within what a gene can express. Shape (pair, gene)."""
    wild, alone = experiments.measured(0), experiments.y[np.isin(experiments.owner, 1 + np.arange(experiments.genes))]
    return np.clip(np.array([alone[a] + alone[b] - wild for a, b in pairs]), 0, experiments.scale)


def dose_linear(experiments, genes):
    """A knock-out has twice the effect of the knock-down of the same gene: what `additive` is for one gene. Shape (knock-out, gene)."""
    wild = experiments.measured(0)
    half = np.array([experiments.measured(1 + experiments.genes + gene) for gene in genes])
    return np.clip(2 * half - wild, 0, experiments.scale)


def measured_again(draws, noise, rng):
    """What an experiment would measure of draws (..., gene); the noise of `gene_sampler.log_likelihood`."""
    scale, a, b, half, sd = noise
    w = np.sqrt(a + (b - a) / (1 + draws / scale / half)) * rng.standard_normal(draws.shape)
    return np.maximum(0, draws * np.exp(w) + sd * rng.standard_normal(draws.shape))


def foreseen(draws, kept):
    """The entries `kept` (experiment, gene) of draws (draw, experiment, gene), as a prediction of one quantity, a row an entry."""
    entries = draws[:, kept][:, :, None]
    mean, lower, upper = band(entries, PROBABILITY)
    return Prediction(
        np.arange(entries.shape[1], dtype=float), ("expression",), mean, lower, upper, entries, (), "neuronal", PROBABILITY, unstable=0
    )
