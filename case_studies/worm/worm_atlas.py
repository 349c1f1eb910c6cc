"""The signal propagation atlas: who responded when whom was stimulated, and the wiring; every matrix is (target, source).

Lives here: `Atlas` and the folds over classes of stimulated neurons. Does not live here: what predicts a response (`worm_features`).
"""

from dataclasses import dataclass

import numpy as np

THRESHOLD = 0.05  # of q, below which a response is said to be there
MOST_EVIDENCE = 5.0  # -log10 q is cut there
TWINS = {"AWCON": "AWC", "AWCOFF": "AWC"}  # named by what they express, not by side


@dataclass(frozen=True)
class Atlas:
    """Pairs (responder, stimulated neuron) that were measured, and the wiring between all neurons.

    measured, responds : bool (neuron, neuron), without the diagonal
    evidence : -log10 q, 0 where nothing was measured
    chem, gap, monoamine : (neuron, neuron), counts of synapses, and 1 where a monoamine could reach
    classes : of each neuron, left and right together
    """

    measured: np.ndarray
    responds: np.ndarray
    evidence: np.ndarray
    chem: np.ndarray
    gap: np.ndarray
    monoamine: np.ndarray
    classes: np.ndarray

    @classmethod
    def from_file(cls, path, observations=1):
        """Of pairs with at least so many observations."""
        with np.load(path) as file:
            data = {name: file[name] for name in ("neuron_ids", "wt_q", "wt_occ", "chem", "gap", "monoamine")}
        q = data["wt_q"].astype(float)
        measured = np.isfinite(q) & ~np.eye(len(q), dtype=bool) & (data["wt_occ"] >= observations)
        evidence = np.where(measured, np.minimum(-np.log10(np.where(measured, q, 1.0) + 1e-12), MOST_EVIDENCE), 0.0)
        chem, gap, monoamine = (data[name].astype(float) for name in ("chem", "gap", "monoamine"))
        return cls(
            measured, measured & (q < THRESHOLD), evidence, chem, gap, monoamine, classes_of([str(name) for name in data["neuron_ids"]])
        )

    @property
    def stimulated(self):
        """Indices of the neurons that were."""
        return np.flatnonzero(self.measured.any(axis=0))

    def others(self, columns, class_name):
        """Those of the stimulated neurons `columns` that are not of this class."""
        return columns[self.classes[columns] != class_name]


def classes_of(names):
    """Names without the side, where both sides exist."""
    known = set(names)
    return np.array([TWINS.get(n, n[:-1] if n[-1] in "LR" and {n[:-1] + "L", n[:-1] + "R"} <= known else n) for n in names])


def folds(atlas, columns, count, seed):
    """The stimulated neurons `columns` in `count` parts, whole classes in one part."""
    names = np.random.default_rng(seed).permutation(np.unique(atlas.classes[columns]))
    return [columns[np.isin(atlas.classes[columns], names[part::count])] for part in range(count)]
