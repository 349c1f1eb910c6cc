"""Which model explains a recording better: Bayes factors from free energies.

Lives here: the comparison of several models of one recording. Does not live here: that over subjects (`comparison`), model reduction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from ltc_causal.core.data import Recording
from ltc_causal.core.result import Fit, Status
from ltc_causal.errors import InputError, unique_names

# Kass and Raftery 1995, section 3.2, on the natural logarithm of the Bayes factor (theirs is for twice that).
EVIDENCE_WORDS = ((1.0, "not worth more than a bare mention"), (3.0, "positive"), (5.0, "strong"), (np.inf, "very strong"))


@dataclass(frozen=True, eq=False)
class Comparison:
    """Models of one recording against each other.

    names : one a model; the first is the one compared with
    free_energies : nats, shape (model,)
    log_bayes_factors : of each model against the first, in nats: differences of free energy
    probabilities : posterior model probabilities under equal priors, shape (model,)
    statuses : how each fit ended
    """

    names: tuple[str, ...]
    free_energies: NDArray[np.float64]
    log_bayes_factors: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    statuses: tuple[Status, ...]

    @property
    def converged(self) -> tuple[bool, ...]:
        """Whether each fit did, so that its free energy is to be relied on."""
        return tuple(status.converged for status in self.statuses)

    def to_frame(self) -> pd.DataFrame:
        """One row a model: model, free_energy, log_bayes_factor, probability, converged."""
        return pd.DataFrame(
            {
                "model": self.names, "free_energy": self.free_energies, "log_bayes_factor": self.log_bayes_factors,
                "probability": self.probabilities, "converged": self.converged,
            }
        )  # fmt: skip

    def __str__(self) -> str:
        best = int(np.argmax(self.free_energies))
        lines = [
            f"{name} against {self.names[0]}: log Bayes factor {factor:+.2f}, {_evidence(factor, name, self.names[0])}."
            for name, factor in zip(self.names[1:], self.log_bayes_factors[1:], strict=True)
        ]
        lines.append(f"Most probable under equal priors: {self.names[best]} ({self.probabilities[best]:.3f}).")
        return " ".join(lines + self._doubts())

    def _doubts(self) -> list[str]:
        """A sentence for the fits that did not converge, and one for those of which it is not known."""
        ended = list(zip(self.names, self.statuses, strict=True))
        unknown = [name for name, status in ended if status is Status.UNKNOWN]
        failed = [name for name, status in ended if not status.converged and status is not Status.UNKNOWN]
        doubts = []
        if failed:
            doubts.append(f"The fit of {', '.join(failed)} did not converge, so its free energy is not to be relied on.")
        if unknown:
            doubts.append(
                f"It is not known whether the fit of {', '.join(unknown)} converged: fit it again before relying on its free energy."
            )
        return doubts


def compare(fits: Sequence[Fit], names: Sequence[str] | None = None) -> Comparison:
    """Compare models fitted to the same recording; the log Bayes factor of each against the first is its free energy minus the first's.

    names : one a fit; by default the neuronal models' where these differ, else "model 1", "model 2", ...

    Raises `InputError` for fewer than two fits, for fits of different or differently scaled data, and for flows that do not compare: a model
    integrated by its expansion about rest (flow="bilinear") and one integrated as stated (flow="true") differ in more than the model.
    """
    if isinstance(fits, Fit):
        raise InputError("compare needs a list of fits, got a single Fit: write compare([fit, other]).")
    fits = list(fits)
    if len(fits) < 2:
        raise InputError(f"compare needs at least two fits, got {len(fits)}: fit another model to the same recording.")
    for number, fit in enumerate(fits[1:], start=2):
        if not _same_data(fits[0], fit):
            raise InputError(
                f"Fit {number} is of other data than the first, and free energies compare only on the same: fit both to one recording."
            )
        if not np.allclose([one.scale for one in fit.sessions], [one.scale for one in fits[0].sessions], rtol=1e-9):
            raise InputError(
                f"Fit {number} scaled the signal otherwise than the first, and free energies compare only on the same numbers: give all "
                "models the same signal_range."
            )
    flows = {fit.model.flow for fit in fits}
    if len(flows) > 1:
        raise InputError(
            f"compare got flows {sorted(flows)}, but every log Bayes factor compares true flow with true flow: refit the bilinear one with "
            'flow="true" (model.with_flow("true")).'
        )
    energies = np.array([fit.free_energy for fit in fits])
    names = _default_names(fits) if names is None else unique_names("compare(names)", names, len(fits))
    return Comparison(names, energies, energies - energies[0], softmax(energies), tuple(fit.status for fit in fits))


def _default_names(fits: Sequence[Fit]) -> tuple[str, ...]:
    kinds = tuple(fit.model.neuronal for fit in fits)
    return kinds if len(set(kinds)) == len(fits) else tuple(f"model {number}" for number in range(1, len(fits) + 1))


def _same_data(one: Fit, other: Fit) -> bool:
    """Whether two fits explain the same signal of the same regions with the same confounds (inputs belong to the model)."""
    if tuple(one.model.regions) != tuple(other.model.regions) or len(one.sessions) != len(other.sessions):
        return False
    return all(_same_signal(a.recording, b.recording, one.model.regions) for a, b in zip(one.sessions, other.sessions, strict=True))


def _same_signal(one: Recording, other: Recording, regions: Sequence[str]) -> bool:
    a, b = one.select(regions), other.select(regions)
    same = np.array_equal(a.series.values, b.series.values) and np.array_equal(a.confounds, b.confounds)
    return same and a.series.dt == b.series.dt


def _evidence(log_bayes_factor: float, name: str, first: str) -> str:
    if log_bayes_factor == 0:
        return "no evidence either way"
    words = next(words for limit, words in EVIDENCE_WORDS if abs(log_bayes_factor) <= limit)
    return f"evidence for {name if log_bayes_factor > 0 else first}: {words}"
