"""A model reduced to the coupling of a DCM, and how far to trust that.

Lives here: the frozen results. Does not live here: how a reduction is derived and judged (`ltc_causal.reduction`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ltc_causal.core import html
from ltc_causal.core.coupling import Coupling
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.intervention import Intervention
from ltc_causal.core.result import coupling_frame
from ltc_causal.errors import InputError, finite_array

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Certificate:
    """How far a reduction can be trusted along one run: a model's own inputs, or these under interventions.

    residual : rho = ||F_model - F_reduced|| / ||F_model|| along the model's own course (root mean squares over time and regions); 0 is exact
    residual_by_region : the same for each region, shape (region,)
    trajectory : ||x_reduced - x_model|| / ||x_model||, the same of the two courses from the same start; infinite where the reduced one explodes
    trajectory_by_region : the same for each region, shape (region,)
    bound : what the trajectory error cannot exceed, from the residual and the reduced model's own stability (see `reduction.bound`)
    interventions : {in words: ||effect_reduced - effect_model|| / ||effect_model||}, the effect being the course under the intervention minus
        the usual one, of the regions that are not held
    state_range : smallest and largest activity visited, shape (region, 2)
    input_range : smallest and largest input in force, shape (input, 2)
    method : how the reduction was derived, in words
    operating_point : where it was expanded or anchored, in words
    do : the interventions in force during the run
    verdict : the same in one sentence
    """

    residual: float
    residual_by_region: Array
    trajectory: float
    trajectory_by_region: Array
    bound: float
    interventions: Mapping[str, float]
    state_range: Array
    input_range: Array
    method: str
    operating_point: str
    do: tuple[Intervention, ...]
    verdict: str

    @property
    def refused(self) -> bool:
        """Whether nothing should be read off the reduction: more than the whole flow or course is left unexplained, or there is none."""
        return not (self.residual <= 1 and self.trajectory <= 1)

    def to_frame(self) -> pd.DataFrame:
        """One row an intervention: its name and the error of its effect."""
        return pd.DataFrame({"intervention": list(self.interventions), "error": list(self.interventions.values())})

    def __str__(self) -> str:
        return self.verdict


@dataclass(frozen=True, eq=False)
class Reduction:
    """A model reduced to dx/dt = F0 + (A + sum_k du_k B[k] + sum_l dx_l D[l]) dx + C du, dx = x - state, du = u - inputs.

    coupling : A, B, C and D at the posterior mean, Hz
    posterior : Gaussian over its entries
    certificate : how far to trust it
    constant : F0, shape (region,), activity per second
    state, inputs : where it was expanded or anchored, shapes (region,) and (input,); rest unless given
    draws : the entries for draws from the model's posterior, shape (draw, entry), in the order of `posterior.names`; None where none were made
    note : what else the reader must know, above all whether delta method and draws agree; may be empty
    """

    coupling: Coupling
    posterior: Gaussian
    certificate: Certificate
    constant: Any = None  # these three are arrays from birth on
    state: Any = None
    inputs: Any = None
    draws: Array | None = field(default=None, repr=False)
    note: str = ""

    def __post_init__(self):
        n, m = len(self.coupling.regions), len(self.coupling.inputs)
        for name, size in (("constant", n), ("state", n), ("inputs", m)):
            value = getattr(self, name)
            array = finite_array(f"Reduction.{name}", np.zeros(size) if value is None else value, 1, f"({size},)")
            if array.shape != (size,):
                raise InputError(f"Reduction.{name} must have shape ({size},), got {array.shape}: give one value a region or an input.")
            object.__setattr__(self, name, array)

    def to_frame(self, probability: float = 0.9) -> pd.DataFrame:
        """One row a connection in Hz with interval, as `Fit.to_frame`."""
        return coupling_frame(self.posterior, probability)

    def __str__(self) -> str:
        table = self.to_frame().drop(columns="unit").to_string(index=False, float_format=lambda value: f"{value:.3f}")
        return "\n".join([self.certificate.verdict, *([self.note] if self.note else []), table])

    def _repr_html_(self) -> str:
        facts = [("how", self.certificate.method), ("certificate", self.certificate.verdict)]
        return html.card("Reduction to the coupling of a DCM", facts, self.to_frame(), note=self.note)
