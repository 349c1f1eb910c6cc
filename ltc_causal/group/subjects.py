"""What the group's tools read of each subject: a posterior, a prior, a free energy, and which parameters they share.

Lives here: that reading and its checks. Does not live here: what is made of it (`peb`, `averaging`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from ltc_causal.core.ascent import Status
from ltc_causal.core.blocks import Blocks
from ltc_causal.core.gaussian import Gaussian
from ltc_causal.errors import InputError, known_name


@dataclass(frozen=True, eq=False)
class Subject:
    """What the group keeps of a subject's fit: not its recording, so that many subjects fit into memory.

    status : how the fit ended; None where the fit does not say
    scales : by what the signal of each session was multiplied before it was fitted; empty where the fit does not say
    """

    posterior: Gaussian
    prior: Gaussian
    free_energy: float
    model: Any = None
    status: Status | None = None
    scales: tuple[float, ...] = ()

    @classmethod
    def of(cls, fit: Any) -> "Subject":
        """What the group keeps of anything with a posterior, a prior and a free energy."""
        scales = getattr(fit, "scales", None)
        if scales is None:
            scales = tuple(float(one.scale) for one in getattr(fit, "sessions", ()) if hasattr(one, "scale"))
        return cls(fit.posterior, fit.prior, float(fit.free_energy), getattr(fit, "model", None), getattr(fit, "status", None), scales)


Subjects: TypeAlias = Sequence[Any] | Mapping[str, Any]


def read_subjects(what: str, fits: Subjects, fewest: int = 2) -> dict[str, Subject]:
    """What the group keeps of each fit, by subject name, "1", "2", ... where they have none.

    Raises `InputError` for too few, for anything that is no fit, and for fits over different parameters.
    """
    if isinstance(fits, Mapping):
        given = fits.items()
    elif isinstance(fits, Sequence) and not isinstance(fits, str):
        given = enumerate(fits, start=1)
    else:
        raise InputError(f"{what} needs one fit a subject, as a list or as {{subject: fit}}, got {type(fits).__name__}.")
    subjects: dict[str, Subject] = {}
    for key, fit in given:  # one at a time: a mapping may read them from files
        name = str(key)
        if not isinstance(getattr(fit, "posterior", None), Gaussian) or not isinstance(getattr(fit, "prior", None), Gaussian):
            raise InputError(
                f"{what} needs a Gaussian posterior and prior of every subject, but that of {name!r} is a {type(fit).__name__}: give fits."
            )
        one = Subject.of(fit)
        subjects[name] = _sharing(one, next(iter(subjects.values()), one))
        first = next(iter(subjects.values())).prior.names
        if one.prior.names != first or one.posterior.names != first:
            raise InputError(f"{what} needs the same parameters in every subject, but those of {name!r} are others: fit one model to all.")
    if len(subjects) < fewest:
        raise InputError(f"{what} needs at least {fewest} subjects, got {len(subjects)}.")
    return subjects


def _sharing(one: Subject, first: Subject) -> Subject:
    """The same subject with the first's model and prior where they are alike."""
    model = first.model if repr(one.model) == repr(first.model) else one.model
    prior, other = one.prior, first.prior
    alike = prior.names == other.names and np.array_equal(prior.mean, other.mean) and np.array_equal(prior.sd, other.sd)
    alike = alike and not isinstance(prior.cov, Blocks) and not isinstance(other.cov, Blocks) and np.array_equal(prior.cov, other.cov)
    return replace(one, model=model, prior=other if alike else prior)


def chosen_parameters(what: str, fit: Any, parameters: str | Sequence[str] | None) -> tuple[str, ...]:
    """The parameters that the group shares: by name, by letters of matrices ("AB"), or all connections (all parameters where there are none).

    Fixed parameters are left out unless they are named, which raises `InputError`.
    """
    prior = fit.prior
    free = [name for name, varies in zip(prior.names, prior.free, strict=True) if varies]
    connections = [name for name in getattr(getattr(fit, "model", None), "edge_names", free) if name in free]
    if parameters is None:
        return tuple(connections or free)
    if isinstance(parameters, str):
        chosen = [name for name in connections if name[0] in parameters]
        if not chosen or not set(parameters) <= set("ABCD"):
            raise InputError(
                f"{what}(parameters={parameters!r}) must name some of the matrices A, B, C and D that vary, or list names of parameters."
            )
        return tuple(chosen)
    for name in parameters:
        known_name("parameter", name, free, f"the parameters that vary in {what}")
    if len(set(parameters)) < len(parameters) or not len(parameters):
        raise InputError(f"{what}(parameters) must list distinct parameters, at least one, got {list(parameters)}.")
    return tuple(parameters)
