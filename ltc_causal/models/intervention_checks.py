"""Whether interventions can be made on a model: names, courses, windows, and no two of them on the same thing at once.

Lives here: those checks. Does not live here: the interventions as values (`core.intervention`), what they do (`intervened`).
"""

import re
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from ltc_causal.core.intervention import Clamp, Cut, Drive, Intervention, Lesion, Pulse, Scale, SetInput, SetParameter
from ltc_causal.errors import InputError, known_name

SIGNAL = re.compile(r"(bold|fmri|signal|volume|deoxyhaemoglobin|flow_in)\b.*", re.IGNORECASE)
KINDS = ", ".join(kind.__name__ for kind in get_args(Intervention))


def checked_interventions(
    do: Any, regions: Sequence[str], inputs: Sequence[str], n_bin: int, udt: float, parameters: Sequence[str] | None = None
) -> tuple[Intervention, ...]:
    """The interventions as a tuple.

    parameters : names of the model's parameters; None where it has none to set

    Raises `InputError` for an unknown name, a region where an input belongs (or the other way round), the signal in a region's place, a
    course of the wrong length, a start after the run's end, and two interventions that set the same thing at the same time.
    """
    if isinstance(do, Intervention):
        raise InputError(f"do must be a list of interventions, got a single {type(do).__name__}: write do=[{type(do).__name__}(...)].")
    if not isinstance(do, Sequence) or isinstance(do, str):
        raise InputError(f"do must be a list of interventions ({KINDS}), got {type(do).__name__}: write do=[Cut(source, target)].")
    do = tuple(do)
    for one in do:
        _check_names(one, regions, inputs, parameters)
        if one.start >= n_bin * udt:
            raise InputError(f"The intervention '{one}' starts after the run's end at {n_bin * udt:g} s: let it start earlier.")
        if isinstance(one, SetInput | Clamp | Drive) and not callable(one.value) and np.shape(one.value) not in ((), (n_bin,)):
            raise InputError(
                f"The course of '{one}' must be one number or {n_bin} values, one a bin of the input grid, got {np.size(one.value)}."
            )
    for i, one in enumerate(do):
        for other in do[:i]:
            if _collide(one, other) or _collide(other, one):
                raise InputError(f"'{other}' and '{one}' set the same thing at the same time: give them windows that do not overlap.")
    return do


def _collide(one: Intervention, other: Intervention) -> bool:
    """Whether two interventions contradict each other; what only adds up, as drives and pulses by an amount, does not."""
    match one, other:
        case Pulse(), Pulse():
            return one.region == other.region and one.at == other.at and (one.to is not None or other.to is not None)
        case Clamp(), Pulse():
            return one.region == other.region and one.start <= other.at < one.stop
    sets = _sets(one)
    return sets is not None and sets == _sets(other) and one.start < _stop(other) and other.start < _stop(one)


def _stop(one: Intervention) -> float:
    return one.at if isinstance(one, Pulse) else one.stop


def _sets(one: Intervention) -> tuple[str, ...] | None:
    """What nothing else may set at the same time."""
    match one:
        case SetInput():
            return "input", one.name
        case Clamp() | Lesion():
            return type(one).__name__, one.region
        case Cut() | Scale():
            return "connection", one.source, one.target
        case SetParameter():
            return "parameter", one.name
    return None


def _check_names(one: Intervention, regions: Sequence[str], inputs: Sequence[str], parameters: Sequence[str] | None) -> None:
    kind = type(one).__name__
    match one:
        case SetInput():
            if one.name in regions and one.name not in inputs:
                raise InputError(f"SetInput({one.name!r}) names a region: to hold its activity use Clamp({one.name!r}, value).")
            known_name("input", one.name, inputs, kind)
        case Clamp() | Pulse() | Drive() | Lesion():
            _check_region(
                one.region, kind, regions, inputs, f"{kind}({one.region!r})", f"to change its course use SetInput({one.region!r}, value)."
            )
        case Cut() | Scale():
            instead = f"to silence or change it use SetInput({one.source!r}, value)."
            for name in (one.source, one.target):
                _check_region(name, kind, regions, inputs, f"{kind}({one.source!r}, {one.target!r})", instead)
        case SetParameter():
            if parameters is None:
                raise InputError(
                    f"'{one}' needs a fitted model with parameters of that name, and here there is none: use another intervention."
                )
            known_name("parameter", one.name, parameters, kind)
        case _:
            raise InputError(
                f"do must list interventions ({KINDS}), got {one!r}: BOLD itself cannot be set, since it is an effect of activity."
            )


def _check_region(name: str, kind: str, regions: Sequence[str], inputs: Sequence[str], what: str, instead: str) -> None:
    if name not in regions and SIGNAL.fullmatch(str(name)):
        raise InputError(
            f"{what} names the signal, which cannot be set: BOLD and what makes it are effects of activity and not causes, so intervene on the "
            "activity of a region."
        )
    if name in inputs and name not in regions:
        raise InputError(f"{what} names an input: {instead}")
    known_name("region", name, regions, kind)
