"""The training experiments of a gene network: who measured what under which caps.

Lives here: `Experiments`, from a file, and with rows left out. Does not live here: any model.
"""

from dataclasses import dataclass

import numpy as np
from gene_sampler import NONE, NORMAL, SET
from scipy.special import expit

SETTLED = (9, 10)  # samples of a time series (t = 450, 500) in which it is taken to be at rest, basal levels set
RELEASED = (20,)  # and the last, long after the release
EVEN = 2.0  # half of z^2 at which a change and none are as probable: z = 2 standard deviations


@dataclass(frozen=True)
class Experiments:
    """Measurements y (row, gene) of experiment owner[row], under cap (experiment, gene) of transcription; kinds says what is hidden.

    Experiment 0 is the wild type, then come a knock-out of each gene and a knock-down of each.
    """

    y: np.ndarray
    owner: np.ndarray
    cap: np.ndarray
    kinds: np.ndarray
    noise: np.ndarray

    @classmethod
    def from_file(cls, path):
        """Only fields that a method may see."""
        with np.load(path) as file:
            data = {name: file[name] for name in file.files if not name.startswith(("truth", "test"))}
        n, series = len(data["train_wildtype"]), data["train_ts"]
        rest = np.concatenate([data["train_wildtype"][None], series[:, 0], *(series[:, at] for at in RELEASED)])
        mixed = data["train_multifactorial"]
        late = np.concatenate([series[:, at] for at in SETTLED])
        y = np.concatenate([rest, data["train_knockouts"], data["train_knockdowns"], mixed, late])
        static, hidden = 1 + 2 * n, len(mixed) + len(series)
        owner = np.r_[np.zeros(len(rest)), 1 : static + len(mixed), np.tile(static + len(mixed) + np.arange(len(series)), len(SETTLED))]
        cap = np.concatenate([np.ones((1, n)), 1 - np.eye(n), 1 - 0.5 * np.eye(n), np.ones((hidden, n))])
        kinds = np.r_[np.full(static, NONE), np.full(len(mixed), NORMAL), np.full(len(series), SET)]
        noise = np.r_[data["scale"], data["noise_tu"], data["noise_gaussian_sd"]]
        return cls(y.astype(float), owner.astype(int), cap, kinds, noise.astype(float))

    @property
    def genes(self):
        return self.cap.shape[1]

    @property
    def scale(self):
        return self.noise[0]

    def measured(self, experiment):
        """Mean of the measurements of one experiment (gene,)."""
        return self.y[self.owner == experiment].mean(axis=0)

    def guess(self):
        """Steady states (experiment, gene) from each experiment's own measurements, near the wild type's where within noise of it."""
        scale, a, b, half, sd = self.noise
        wild = np.clip(self.measured(0) / scale, 0, 1)
        spread = np.hypot(sd / scale, wild * np.sqrt(a + (b - a) / (1 + wild / half)))
        found = wild * self.cap
        for experiment in np.unique(self.owner):
            seen = np.clip(self.measured(experiment) / scale, 0, 1)
            same = expit(EVEN - ((seen - wild) / spread) ** 2 / 2)
            found[experiment] = np.where(self.cap[experiment] == 1, same * wild + (1 - same) * seen, seen * (self.cap[experiment] > 0))
        return found

    def without(self, experiments):
        """Without the measurements of these."""
        keep = ~np.isin(self.owner, experiments)
        return Experiments(self.y[keep], self.owner[keep], self.cap, self.kinds, self.noise)
