"""A group's coupling: what a hierarchical model of several subjects says of every connection, in Hz.

Lives here: the frozen results and their tables. Does not live here: how they are found (`ltc_causal.group`), their graph
(`causal.group_graph`) or picture (`plotting.forest`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ltc_causal.core.coupling import Coupling
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.result import coupling_frame

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GroupCoupling:
    """The coupling of the subject that the group leads one to expect, about rest, in Hz.

    coupling : A, B, C, D at the expected parameters
    posterior : Gaussian over its entries: how well the expectation is known
    between : shape (entry, entry), covariance of subjects about it, in the order of `posterior.names`
    at : the covariates' values, in the user's units; those not named are at their mean
    n_subject : how many subjects it rests on
    """

    coupling: Coupling
    posterior: Gaussian
    between: Array
    at: Mapping[str, Any]
    n_subject: int

    @property
    def between_sd(self) -> Array:
        """Standard deviation between subjects, shape (entry,)."""
        return np.sqrt(np.maximum(np.diag(self.between), 0.0))

    def to_frame(self, probability: float = 0.9) -> pd.DataFrame:
        """One row a connection in Hz as `Fit.to_frame`, and `between_sd`."""
        return coupling_frame(self.posterior, probability).assign(between_sd=self.between_sd)

    def __str__(self) -> str:
        where = ", ".join(f"{name} = {value}" for name, value in self.at.items()) or "covariates at their mean"
        table = self.to_frame().drop(columns="unit").to_string(index=False, float_format=lambda value: f"{value:.3f}")
        return (
            f"Coupling in Hz expected of a subject ({where}; {self.n_subject} subjects), 90 % intervals, and sd between subjects:\n{table}"
        )


@dataclass(frozen=True, eq=False)
class GroupDifference:
    """By how much the expected coupling differs between two kinds of subject, in Hz: second minus first.

    coupling : differences of A, B, C, D
    posterior : Gaussian over the differences of the entries
    first, second : the covariates' values of each
    """

    coupling: Coupling
    posterior: Gaussian
    first: Mapping[str, Any]
    second: Mapping[str, Any]

    def to_frame(self, probability: float = 0.9) -> pd.DataFrame:
        """One row a connection in Hz: mean, sd, interval and probability that the difference is positive."""
        return coupling_frame(self.posterior, probability)

    def __str__(self) -> str:
        table = self.to_frame().drop(columns="unit").to_string(index=False, float_format=lambda value: f"{value:.3f}")
        return f"Coupling in Hz at {dict(self.second)} minus that at {dict(self.first)}, 90 % intervals:\n{table}"
