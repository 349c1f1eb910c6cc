"""How a fit went: how it ended, its course, its starts, and what an approximation would have changed.

Lives here: these parts of a `Fit`. Does not live here: the fit itself (`result`), the ascents that these tell of (`inference`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Status(Enum):
    """How a fit ended; the value is the sentence that the user sees."""

    CONVERGED = "Converged: the last steps promised less than the tolerance in free energy."
    NOT_INFORMED = (
        "The data do not inform the model: the ascent converged, but all parameters together moved less than one nat from their prior; check "
        "that the inputs act during the run and that the signal stands out of its noise, or record for longer."
    )
    MAXIMUM_ITERATIONS = (
        "Not converged: the maximum number of iterations was reached while the free energy still rose; allow more iterations "
        "(VariationalLaplace(max_iterations=...)) or start elsewhere."
    )
    DIVERGED = (
        "Not converged: no stable prediction was found near the start, so the result is not usable; check the scale of the inputs and of the "
        "signal, and start from weaker couplings."
    )
    STALLED = "Not converged: the steps became too small while the gradient of the free energy is still large; start elsewhere and compare the free energies."
    UNKNOWN = "The file that this fit was read from does not say whether the ascent converged: fit the model again to know."

    @property
    def ok(self) -> bool:
        """Whether the result can be used as it is: it converged, and says more than the prior does."""
        return self is Status.CONVERGED

    @property
    def converged(self) -> bool:
        """Whether the ascent came to its end, so that the free energy is to be relied on."""
        return self in (Status.CONVERGED, Status.NOT_INFORMED)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, eq=False)
class History:
    """The course of an ascent, one entry an iteration.

    free_energy : nats
    step : norm of the step taken, in prior standard deviations
    predicted_gain : what the gradient promised of that step, in nats
    accepted : whether the point was kept
    gradient_norm : sqrt(g' Cov g) at the point, in nats per posterior sd; not a number where it is not known
    """

    free_energy: Array
    step: Array
    predicted_gain: Array
    accepted: NDArray[np.bool_]
    gradient_norm: Array = field(default=None)  # pyright: ignore[reportAssignmentType] - not a number unless given

    def __post_init__(self):
        if self.gradient_norm is None:
            object.__setattr__(self, "gradient_norm", np.full(len(self.free_energy), np.nan))

    @classmethod
    def of(cls, records: Sequence[tuple[float, float, float, bool, float]]) -> "History":
        """From one tuple an iteration, in the order of the fields."""
        columns = [np.array(column, dtype=float) for column in zip(*records, strict=True)] or [np.zeros(0)] * 5
        energy, step, gain, accepted, norm = columns
        return cls(energy, step, gain, accepted.astype(bool), norm)

    def __len__(self) -> int:
        return len(self.free_energy)


@dataclass(frozen=True)
class Attempt:
    """One start of a fit, and where it led.

    start : in words
    free_energy : nats, minus infinity where no stable prediction was found
    status : how it ended
    iterations : how many it took
    distance : of its end from the end that was kept, in posterior sd (see `Fit.distance`)
    """

    start: str
    free_energy: float
    status: Status
    iterations: int
    distance: float


@dataclass(frozen=True)
class Approximation:
    """What would have changed if a true-flow model had been integrated by its bilinear approximation.

    bold : root mean square of the change of the prediction at the fit's posterior mean, over that of the prediction
    posterior : largest shift of a posterior mean when the approximation is fitted, in posterior sd
    worst : the parameter that shifts so far
    converged : whether that fit did
    """

    bold: float
    posterior: float
    worst: str
    converged: bool = True

    def __str__(self) -> str:
        doubt = "" if self.converged else " (its fit did not converge)"
        return (
            f"The bilinear approximation would change the predicted signal by {100 * self.bold:.1f} % and shift the posterior by up to "
            f"{self.posterior:.2f} sd, of {self.worst}{doubt}."
        )
