"""A network at rest, known by the shape of its regions' own activity: z = B z + e with skewed, heavy-tailed sources e.

Where nothing is stimulated and scans are slower than the couplings, a recording shows little more than which regions go together. Which of
two drives the other is then seen only by the shape of distributions: what a region receives is a mixture, and nearer to a Gaussian than what
it adds itself. Loops are allowed (Lacerda et al. 2008; Sanchez-Romero et al. 2019).

z are the signals, each about its mean and over its standard deviation. B, row = target, is the equilibrium form of a coupling whose regions
decay at one per time constant of their own, A = B - 1 (Mooij, Janzing and Schoelkopf 2013): no scan tells these constants, so that A is
given per time constant, not in Hz.

Lives here: the model, its prior, its standardised data. Does not live here: the likelihood (`numerics.skewed_sources`), the fit
(`inference.sources`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.coupling import Coupling, edge_name
from ltc_causal.core.data import Recording
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.sources import Standardised
from ltc_causal.errors import InputError, known_name, positive, unique_names
from ltc_causal.numerics import skewed_sources
from ltc_causal.numerics.least_squares import fitted

Array = NDArray[np.float64]

OWN_SD = 1.0  # prior sd of a source's log scale, location and lean
MOST_REGIONS = 50  # the posterior of all pairs at once is a dense matrix


@dataclass(frozen=True, eq=False)
class SourceNetwork:
    """z = B z + e, e_i independent over regions, of density cos(pi r / 2) exp(r v) / (pi cosh v), v = (e - m) / s.

    regions : names, two to fifty
    prior_sd : of each connection, prior N(0, prior_sd^2); None to find it by the evidence, one for all connections of the recording

    Every region may drive every other. Directions are found only as far as sources are not Gaussian; inputs of the recording are not used.
    Raises `InputError` for fewer than two regions, more than fifty, or a prior_sd that is not positive.
    """

    regions: Sequence[str]
    prior_sd: float | None = None

    def __post_init__(self):
        regions = unique_names("SourceNetwork regions", self.regions)
        if not 2 <= len(regions) <= MOST_REGIONS:
            raise InputError(f"A SourceNetwork has 2 to {MOST_REGIONS} regions, got {len(regions)}: choose regions of interest.")
        object.__setattr__(self, "regions", regions)
        if self.prior_sd is not None:
            object.__setattr__(self, "prior_sd", positive("SourceNetwork.prior_sd", self.prior_sd, "signal per signal"))

    def __repr__(self) -> str:
        return f"SourceNetwork({self.describe()})"

    def describe(self) -> str:
        """One line: regions and number of parameters."""
        return f"Network of skewed sources at rest over {', '.join(self.regions)}; {len(self.names)} parameters."

    def to_spec(self) -> dict[str, Any]:
        """The model as plain JSON values; `SourceNetwork.from_spec` reads it."""
        return {"regions": list(self.regions), "prior_sd": self.prior_sd}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "SourceNetwork":
        """The model of `to_spec`."""
        for name in spec:
            known_name("SourceNetwork field", name, ("regions", "prior_sd"), "the model specification")
        return cls(spec["regions"], spec["prior_sd"])

    @property
    def inputs(self) -> tuple[str, ...]:
        """None: what the sources do is not known."""
        return ()

    @property
    def coupling_unit(self) -> str:
        """In place of Hz."""
        return "per time constant"

    @cached_property
    def edge_names(self) -> tuple[str, ...]:
        """Names of the connections, by target and then source, in the order of the first parameters."""
        return tuple(edge_name("A", source, target) for target in self.regions for source in self.regions if source != target)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all parameters."""
        return (*self.edge_names, *(f"{what}[{region}]" for what in ("log_scale", "location", "lean") for region in self.regions))

    @cached_property
    def prior(self) -> Gaussian:
        """Connections about zero; of an unset `prior_sd`, the one that the search begins with."""
        sd = np.full(len(self.names), OWN_SD)
        sd[: len(self.edge_names)] = self.with_width_of_its_prior().prior_sd
        return Gaussian(self.names, np.zeros(len(sd)), np.diag(sd**2))

    def with_width_of_its_prior(self) -> "SourceNetwork":
        """The model with a `prior_sd`: where none was stated, under which all others together give a region about the variance that it has."""
        return self if self.prior_sd is not None else replace(self, prior_sd=1 / np.sqrt(len(self.regions)))

    def standardised(self, recording: Recording) -> Standardised:
        """The regions' signals without their confounds, over their standard deviation.

        Raises `InputError` for a region that the recording has not.
        """
        recording = recording.select(self.regions)
        y = recording.series.values
        confounds = fitted(recording.confounds, y)
        confounds = confounds + (y - confounds).mean(axis=0)
        scale = (y - confounds).std(axis=0)
        return Standardised((y - confounds) / scale, confounds, scale)

    def edge_values(self, theta: Array, state: Array | None = None, inputs: Array | None = None) -> Array:
        """The connections, per time constant of the target, in the order of `edge_names`."""
        return theta[: len(self.edge_names)]

    def coupling(self, theta: Array, state: Array | None = None, inputs: Array | None = None) -> Coupling:
        """A = B - 1 per time constant of the target, between standardised signals."""
        n = len(self.regions)
        B, *_ = skewed_sources.split(np.asarray(theta), n)
        return Coupling(B - np.eye(n), np.zeros((0, n, n)), np.zeros((n, 0)), tuple(self.regions), ())
