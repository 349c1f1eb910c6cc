"""What can be reduced, read alike: the fit of a DCM, and any dynamical system with the inputs along which its reduction is to hold.

Lives here: `Source`, its checks, its course. Does not live here: the reductions (`linearise`, `project`, `refit`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.data import Inputs
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.core.model import DynamicalSystem, HasCoupling, HasRemark
from ltc_causal.core.result import Fit
from ltc_causal.core.trained import TrainedNetwork
from ltc_causal.errors import InputError
from ltc_causal.models.intervened import removed_means
from ltc_causal.models.simulate import neuronal_course

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Source:
    """A system to be reduced, and the run along which this is judged.

    system : one set of parameters (a fit's posterior mean)
    course_inputs : as the system uses them; removed_means : what was subtracted from each input before
    model, posterior : of a fit, None for a bare system, of which no uncertainty is known
    echo_time : seconds
    """

    system: DynamicalSystem
    course_inputs: Inputs
    removed_means: Mapping[str, float]
    model: Any = None
    posterior: Gaussian | None = None
    echo_time: float = 0.04
    remark: str = field(default="")

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions."""
        return tuple(self.system.regions)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(self.system.inputs)

    @cached_property
    def start(self) -> Array:
        """Where a run begins: rest, shape (unit,), the regions first."""
        return self.system.initial_state()[0][:, 0]

    @property
    def rest(self) -> Array:
        """The same of the regions alone, shape (region,)."""
        return self.start[: len(self.regions)]

    @property
    def populations(self) -> bool:
        """Whether there are more units than regions."""
        return len(self.start) > len(self.regions)

    @cached_property
    def couples(self) -> bool:
        """Whether this is the fit of a model that gives the coupling of its regions at any parameters, as a DCM does."""
        return isinstance(self.model, HasCoupling)

    @property
    def hidden(self) -> bool:
        """Whether there are hidden units of no known meaning (and not a DCM's inhibitory populations)."""
        return self.populations and not self.couples

    def systems(self, theta: Array) -> DynamicalSystem:
        """The fit's model at parameters of shape (draw, parameter)."""
        return self.model.system(theta, self.echo_time)

    def states(self, system: DynamicalSystem) -> Array:
        """States as each input bin begins, shape (bin, unit, draw); NaN once a draw has left the bounds."""
        return neuronal_course(system, self.course_inputs)


def read_source(source: Any, inputs: Inputs | None = None, session: int = 0) -> Source:
    """A fit, or a system with its inputs, as what is reduced.

    inputs : for a fit, inputs other than those of the session; a system has no others

    Raises `InputError` for anything else, a system without inputs, or inputs that do not fit it.
    """
    if isinstance(source, Fit):
        model, recording = source.model, source.session(session).recording
        given = recording.inputs if inputs is None else inputs
        prepared = model.prepared_inputs(given)
        system: DynamicalSystem = model.system(source.posterior.mean[None], recording.echo_time)
        means = removed_means(given, prepared)
        return Source(system, prepared, means, model, source.posterior, recording.echo_time, _remark(system))
    if isinstance(source, TrainedNetwork):  # as a bare system, but it has a recording
        recording = source.session(session).recording
        inputs = recording.inputs if inputs is None else inputs
        source = source.model.system(source.theta[None], recording.echo_time)
    if not isinstance(source, DynamicalSystem):
        raise InputError(
            f"A reduction needs a Fit or a dynamical system (flow, initial_state, ...), got {type(source).__name__}: fit a model first."
        )
    if inputs is None:
        raise InputError(
            f"The reduction of a {type(source).__name__} needs inputs=, the inputs along which it is to hold, since it has no recording."
        )
    if source.n_draw != 1:
        raise InputError(f"A system is reduced at one set of parameters, but this one holds {source.n_draw}: give one of them.")
    chosen = inputs.select(source.inputs)
    return Source(source, chosen, dict.fromkeys(chosen.names, 0.0), remark=_remark(source))


def _remark(system: object) -> str:
    return system.remark if isinstance(system, HasRemark) else ""
