"""What is known of a pair before its source is ever stimulated: how often the responder responds, the wiring, what similar neurons do.

Lives here: one row of numbers a pair. Does not live here: the regression on them (`worm_regression`).

A source's own class is never among the `known` columns from which its numbers come, in training as in testing.
"""

import numpy as np

PRIOR_COUNT = 20.0  # stimulations at the average rate, added to those that a responder was measured in
GAINS = (0.5, 0.9)  # of the linear network: share of a neuron's input that comes from others
LEAST = 1e-4
RESPONDER = ("rate", "mean evidence")
WIRING = ("chemical", "gap", "spread .5", "spread .9", "monoamine", "same class", "outgoing", "incoming")
ACTIVITY = ("reverse", "responds alike", "like wiring", "like responses", "source's rate", "source's evidence")
NAMES = RESPONDER + WIRING + ACTIVITY
GROUPS = {
    "responder": RESPONDER,
    "wiring": WIRING,
    "responder and wiring": RESPONDER + WIRING,
    "responder and activity": RESPONDER + ACTIVITY,
    "all": NAMES,
}


def total_effects(wiring, gain):
    """Effect of a sustained drive at equilibrium of dx/dt = -(1 - gain B) x, B the wiring (target, source) as shares of all that a target gets."""
    shares = wiring / np.maximum(wiring.sum(axis=1, keepdims=True), 1.0)
    return np.linalg.inv(np.eye(len(wiring)) - gain * shares)


class Features:
    """Of an atlas; what hangs on the wiring alone is computed once."""

    def __init__(self, atlas):
        self.atlas = atlas
        wiring = np.sqrt(atlas.chem + atlas.gap)
        self.spread = [np.log(total_effects(wiring, gain) + LEAST) for gain in GAINS]
        self.alike_wiring = cosine(np.log1p(np.concatenate([atlas.chem, atlas.chem.T, atlas.gap])).T)
        self.degrees = [np.log1p((atlas.chem + atlas.gap).sum(axis=axis)) for axis in (0, 1)]

    def of(self, source, known):
        """Every neuron as responder to this source, shape (neuron, feature); known : columns of stimulated neurons that may be used."""
        a = self.atlas
        known = a.others(known, a.classes[source])
        measured, responds = a.measured[:, known], a.responds[:, known]
        average = responds.sum() / measured.sum()
        rate = (responds.sum(axis=1) + PRIOR_COUNT * average) / (measured.sum(axis=1) + PRIOR_COUNT)
        typical = a.evidence[:, known].sum() / measured.sum()
        evidence = (a.evidence[:, known].sum(axis=1) + PRIOR_COUNT * typical) / (measured.sum(axis=1) + PRIOR_COUNT)
        left = np.where(measured, a.evidence[:, known] - evidence[:, None], 0.0)  # of each response, beyond the responder's usual
        alike = cosine(left)
        everyone = np.ones(len(rate))
        return np.stack(
            [
                np.log(rate / (1 - rate)), evidence,
                np.log1p(a.chem[:, source]), np.log1p(a.gap[:, source]), *(spread[:, source] for spread in self.spread),
                a.monoamine[:, source], a.classes == a.classes[source], everyone * self.degrees[0][source], self.degrees[1],
                self._reverse(source, known, left), alike[:, source], left @ _weights(self.alike_wiring[source, known], measured),
                left @ _weights(alike[source, known], measured), everyone * rate[source], everyone * evidence[source],
            ],
            axis=1,
        ).astype(float)  # fmt: skip

    def _reverse(self, source, known, left):
        """How the source responded when the responder was stimulated; 0 where it was not."""
        found = np.zeros(len(left))
        found[known] = left[source]
        return found

    def table(self, sources, known):
        """Features and answers of all measured pairs with these sources: x (pair, feature), responds (pair,), source (pair,)."""
        rows = [self.of(source, known)[self.atlas.measured[:, source]] for source in sources]
        answers = [self.atlas.responds[self.atlas.measured[:, source], source] for source in sources]
        return np.concatenate(rows), np.concatenate(answers), np.repeat(sources, [len(one) for one in answers])


def _weights(likeness, measured):
    """Of the known columns, proportional to how alike they are (not below 0), over the likeness of all."""
    positive = np.maximum(likeness, 0.0)
    return positive / (positive.sum() + LEAST)


def cosine(rows):
    """Of the angles between rows, 0 for a row of zeros."""
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit @ unit.T
