"""What goes wrong at the border, said in one sentence: what is wrong, where, and what to do.

Lives here: the exception that every bad input ends in, and the few checks that raise it.
Does not live here: numerical failure, which is a value (`core.result.Status`), not an exception.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import numpy as np
from numpy.typing import ArrayLike, NDArray


class InputError(ValueError):
    """Something given by the user cannot be used; the message is one sentence that says how to mend it."""


def read_only(array: NDArray) -> NDArray:
    """The same array, no longer writeable (containers are frozen down to their numbers)."""
    array.setflags(write=False)
    return array


def finite_array(name: str, value: ArrayLike, ndim: int, axes: str) -> NDArray[np.float64]:
    """A private, read-only float64 copy of `value`.

    Raises `InputError` unless it is numeric, has `ndim` dimensions (described by `axes`) and is finite.
    """
    if np.iscomplexobj(value):
        raise InputError(f"{name} must be an array of real numbers, got complex ones: take the part that you mean.")
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be an array of numbers of shape {axes}, but it cannot be read as one ({error}).") from None
    if array.ndim != ndim:
        raise InputError(f"{name} must have shape {axes}, got shape {array.shape}: reshape it or transpose it.")
    if not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))
        where = tuple(int(i) for i in bad[0])
        raise InputError(
            f"{name} must be finite, but {len(bad)} of its values are NaN or infinite, the first at index {where} of {axes}: "
            "interpolate or remove them first."
        )
    return read_only(array)


def positive(name: str, value: float, unit: str) -> float:
    """`value` as a float; raises `InputError` unless it is finite and above zero."""
    try:
        number = np.nan if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a positive number of {unit}, got {value!r}.") from None
    if not (np.isfinite(number) and number > 0):
        raise InputError(f"{name} must be a positive number of {unit}, got {value!r}.")
    return number


def unique_names(what: str, names: Iterable[str], count: int | None = None) -> tuple[str, ...]:
    """The names as a tuple; raises `InputError` if one is empty or repeated, or if there are not `count` of them."""
    if isinstance(names, str):
        raise InputError(f"{what} must be a list of names, got the single string {names!r}: write [{names!r}].")
    if not isinstance(names, Iterable):
        raise InputError(f"{what} must be a list of names, got {names!r}.")
    result = tuple(str(name) for name in names)
    if count is not None and len(result) != count:
        raise InputError(f"{what} must give {count} names, one a column of the values, got {len(result)}: {list(result)}.")
    for name, times in Counter(result).items():
        if not name or times > 1:
            raise InputError(f"{what} must be distinct and not empty, but {name!r} occurs {times} times in {list(result)}.")
    return result


def known_name(what: str, name: str, known: Sequence[str], where: str) -> int:
    """The position of `name` in `known`; raises `InputError` naming the nearest known ones if it is absent."""
    if name in known:
        return known.index(name)
    near = get_close_matches(str(name), known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {list(known)}."
    raise InputError(f"Unknown {what} {name!r} in {where}: {hint}")


def one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    """`value`; raises `InputError` unless it is one of `allowed`."""
    if value not in allowed:
        raise InputError(f"{name} must be one of {list(allowed)}, got {value!r}.")
    return value
