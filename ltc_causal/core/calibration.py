"""Whether a method's posteriors mean what they say: ranks of known truths in the posteriors found for them, and what follows from these.

Talts et al. 2018, "Validating Bayesian inference algorithms with simulation-based calibration": if parameters are drawn from the prior and
data from the model, the truth's rank in the posterior is uniform. For a Gaussian posterior the rank is Phi((truth - mean) / sd).

Lives here: the result and its tests. Does not live here: simulating and fitting (`experiments.calibration`), drawing (`plotting.calibration`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import chdtr, chdtrc, ndtr, ndtri
from scipy.stats import beta, kstest, t

Array = NDArray[np.float64]

COVERAGES = (0.5, 0.9, 0.95)  # of the intervals in tables
JOINT = "(all together)"
SUSPICIOUS = 0.01  # a smallest p, corrected for the number of tests, below this is no accident
NOTABLE = 0.02  # a shortfall of the 90 % intervals beyond this would be noticed by a reader of the table


@dataclass(frozen=True, eq=False)
class Calibration:
    """Truths, and the posteriors found for them.

    names : the free parameters
    truth, mean, sd : shape (run, parameter); what was true, and what the posterior says
    distance : shape (run,), (truth - mean)' cov^-1 (truth - mean), chi-squared with as many degrees of freedom as parameters
    drawn_from : where the truths come from, in words
    exact : whether ranks must be uniform: truths from the prior, noise from its prior
    unstable : draws whose simulation left the model's bounds; they were replaced, so the truths follow the prior without them
    set_aside : recordings not fitted, because the model would have rescaled them or their range was too large
    failed : fits that did not converge, or broke down
    scaled : fitted recordings that the model rescaled
    seed : of all draws

    Setting aside and leaving out fits by what is seen in the data keeps ranks uniform; replacing unstable draws does not quite.
    """

    names: tuple[str, ...]
    truth: Array
    mean: Array
    sd: Array
    distance: Array
    drawn_from: str
    exact: bool
    unstable: int
    set_aside: int
    failed: int
    scaled: int
    seed: int

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def z(self) -> Array:
        """(truth - mean) / sd, standard normal if calibrated, shape (run, parameter)."""
        return (self.truth - self.mean) / self.sd

    @property
    def ranks(self) -> Array:
        """Phi(z), uniform on [0, 1] if calibrated, shape (run, parameter)."""
        return ndtr(self.z)

    @property
    def joint_ranks(self) -> Array:
        """Of each run's distance under its chi-squared distribution, uniform if the whole posterior is calibrated, shape (run,)."""
        return chdtr(len(self.names), self.distance)

    @property
    def spread(self) -> float:
        """Root mean square of z over runs and parameters: 1 if calibrated, more if posteriors are too narrow."""
        return float(np.sqrt(np.mean(self.z**2)))

    def inside(self, probability: float) -> NDArray[np.bool_]:
        """Whether each truth lies in its central interval, shape (run, parameter)."""
        return np.abs(self.z) <= float(ndtri((1 + probability) / 2))

    def coverage(self, probability: float = 0.9) -> tuple[float, float, float]:
        """Share of truths in their central interval, over runs and parameters, with a 95 % interval of that share.

        The parameters of one run are correlated, so that the interval is Student's over the runs' own shares, not the binomial one.
        """
        shares = self.inside(probability).mean(axis=1)
        half = float(t.ppf(0.975, len(shares) - 1) * shares.std(ddof=1) / np.sqrt(len(shares)))
        return float(shares.mean()), max(float(shares.mean()) - half, 0.0), min(float(shares.mean()) + half, 1.0)

    def to_frame(self) -> pd.DataFrame:
        """One row a parameter and one for all together.

        z_mean, z_sd : mean and root mean square of z; 0 and 1 if calibrated. In the last row the root of the mean distance per parameter
        coverage_50, _lower, _upper and so on : share of truths in the central interval (in the last row, ellipsoid), with its 95 %
            binomial interval
        p_ranks : Kolmogorov-Smirnov, of the ranks against the uniform distribution
        p_spread : two-sided, of the sum of z^2 (or of distances) against its chi-squared distribution
        """
        z = self.z
        rows = [_row(name, z[:, i].mean(), self.ranks[:, i], z[:, i] ** 2, 1) for i, name in enumerate(self.names)]
        return pd.DataFrame([*rows, _row(JOINT, np.nan, self.joint_ranks, self.distance, len(self.names))])

    @property
    def p_value(self) -> float:
        """The smallest p of the table, corrected for their number (Bonferroni)."""
        return float(self._corrected().min())

    @property
    def suspicious(self) -> tuple[str, ...]:
        """The parameters whose own ranks or spread are no accident (corrected p below 0.01)."""
        smallest = self._corrected()[:-1].min(axis=1)
        return tuple(name for name, p in zip(self.names, smallest, strict=True) if p < SUSPICIOUS)

    def _corrected(self) -> Array:
        """Both p of every row of the table, times their number, shape (parameter + 1, 2)."""
        p = self.to_frame()[["p_ranks", "p_spread"]].to_numpy(dtype=float)
        return np.minimum(p * p.size, 1.0)

    @property
    def verdict(self) -> str:
        """One sentence: calibrated, over- or underconfident, and by how much."""
        share, lower, upper = self.coverage(0.9)
        found = f"90 % intervals hold {100 * share:.1f} % of the truths ({100 * lower:.1f} to {100 * upper:.1f} %)"
        corrected = self.p_value
        if corrected >= SUSPICIOUS:
            return f"No sign of miscalibration in {len(self)} runs: {found}."
        where = f"; it shows in {_listed(self.suspicious)}" if self.suspicious else ""
        if abs(share - 0.9) <= NOTABLE:
            kind = "Uneven" if self.suspicious else "Nearly calibrated"
            return f"{kind}: {found}, but not all ranks are uniform (corrected p {_small(corrected)}){where}."
        kind = "Overconfident" if share < 0.9 else "Underconfident"
        return f"{kind}: {found}, and z has a spread of {self.spread:.2f} instead of 1 (corrected p {_small(corrected)}){where}."

    def _caveats(self) -> list[str]:
        lines = [f"{len(self)} truths drawn from {self.drawn_from}; seed {self.seed}."]
        if self.unstable:
            lines.append(f"{self.unstable} unstable draws were replaced, so that this is the prior truncated to stable systems.")
        if self.set_aside:
            lines.append(f"{self.set_aside} recordings were set aside for their range, which leaves ranks uniform.")
        if self.scaled:
            lines.append(f"{self.scaled} recordings were rescaled by the model, whose parameters are then not those of the simulation.")
        if self.failed:
            lines.append(f"{self.failed} fits did not converge and are left out.")
        if not self.exact:
            lines.append(
                "The truths or the noise do not come from the model's prior, so uniform ranks are not promised even to an exact method."
            )
        return lines

    def __str__(self) -> str:
        table = self.to_frame().drop(columns=[f"coverage_{_percent(p)}_{end}" for p in COVERAGES for end in ("lower", "upper")])
        return "\n".join([self.verdict, *self._caveats(), table.to_string(index=False, float_format=lambda value: f"{value:.3f}")])


def _listed(names: tuple[str, ...], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _small(p: float) -> str:
    return f"= {p:.1g}" if p > 1e-12 else "< 1e-12"


def _percent(probability: float) -> str:
    return f"{100 * probability:g}"


def _row(name: str, z_mean: float, ranks: Array, squares: Array, degrees: int) -> dict[str, object]:
    row: dict[str, object] = {"parameter": name, "z_mean": z_mean, "z_sd": np.sqrt(squares.mean() / degrees)}
    for probability in COVERAGES:
        key, hits = f"coverage_{_percent(probability)}", int((chdtr(degrees, squares) <= probability).sum())
        lower, upper = binomial_interval(hits, len(squares))
        row.update({key: hits / len(squares), f"{key}_lower": lower, f"{key}_upper": upper})
    above = float(chdtrc(degrees * len(squares), squares.sum()))
    row["p_ranks"], row["p_spread"] = kstest(ranks, "uniform").pvalue, min(1.0, 2 * min(above, 1 - above))
    return row


def binomial_interval(hits: int, trials: int, probability: float = 0.95) -> tuple[float, float]:
    """The share that gives `hits` of `trials`, by Clopper and Pearson 1934 (never narrower than it claims)."""
    tail = (1 - probability) / 2
    lower = 0.0 if hits == 0 else float(beta.ppf(tail, hits, trials - hits + 1))
    upper = 1.0 if hits == trials else float(beta.ppf(1 - tail, hits + 1, trials - hits))
    return lower, upper
