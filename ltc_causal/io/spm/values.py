"""Numbers, words and names out of the plain values of a MATLAB file, checked on the way.

Lives here: one accessor a kind of field; `what` names the field in the sentence. Does not live here: which fields there are (`read`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from ltc_causal.errors import InputError


def struct(parent: Mapping[str, Any], field: str, within: str = "DCM") -> dict[str, Any]:
    """A field that is a 1 x 1 struct; an empty dict where it is missing or empty."""
    value = parent.get(field, {})
    if isinstance(value, dict):
        return value
    if isinstance(value, np.ndarray) and value.size == 0:
        return {}
    raise InputError(f"{within}.{field} must be a struct of one element: check what wrote the file.")


def numbers(what: str, value: Any) -> NDArray[np.float64]:
    """A numeric field, sparse or full, logical or not, as a float64 array of at least two dimensions."""
    if scipy.sparse.issparse(value):
        value = value.toarray()
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{what} must hold real numbers, but it holds {_kind(value)}: check what wrote the file.")
    return np.atleast_2d(array).astype(np.float64)


def number(what: str, value: Any) -> float:
    """A field that is one number."""
    array = numbers(what, value)
    if array.size != 1:
        raise InputError(f"{what} must be one number, but its size is {size(array)}: check what wrote the file.")
    return float(array.item())


def is_empty(value: Any) -> bool:
    """Whether a field is missing (None) or has no elements."""
    return value is None or (value.shape[0] * value.shape[1] == 0 if scipy.sparse.issparse(value) else np.size(value) == 0)


def flag(options: Mapping[str, Any], name: str) -> bool:
    """Whether an option is there and not zero."""
    value = options.get(name)
    return not is_empty(value) and bool(numbers(f"DCM.options.{name}", value).any())


def words(what: str, value: Any) -> list[str]:
    """Names: a cell array of them, the rows of a matrix of characters, or one alone."""
    if isinstance(value, str):
        return [value.strip()]
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        return ["".join(row).strip() for row in value]
    if isinstance(value, np.ndarray) and value.dtype == object and all(isinstance(name, str) for name in value.ravel()):
        return [name.strip() for name in value.ravel(order="F")]
    raise InputError(f"{what} must hold names, but it holds {_kind(value)}: check what wrote the file.")


def distinct(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """The names, each that came before (or is taken, or is empty) with a number behind it: SPM allows repetitions."""
    seen, result = Counter(taken), []
    for name in names:
        name = name or "unnamed"
        new = name
        while seen[new]:
            seen[name] += 1
            new = f"{name} ({seen[name]})"
        seen[new] += 1
        result.append(new)
    return result


def cell(names: Iterable[str]) -> NDArray[np.object_]:
    """Names as a 1 x n cell array."""
    names = list(names)
    row = np.empty((1, len(names)), dtype=object)
    row[0, :] = names
    return row


def size(array: Any) -> str:
    """The size of an array as MATLAB writes it."""
    return " x ".join(str(count) for count in np.shape(array))


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "a struct"
    if isinstance(value, str) or getattr(getattr(value, "dtype", None), "kind", "") == "U":
        return "text"
    kind = getattr(value, "dtype", type(value).__name__)
    return "a cell array" if str(kind) == "object" else f"values of the type {kind}"
