"""MATLAB files as plain Python values, and back, with nothing lost on the way.

| MATLAB | here |
|---|---|
| 1 x 1 struct | dict, fields in their order |
| other struct array | structured array, the fields of type object |
| cell array | array of type object |
| row of characters | str; a matrix of characters stays an array of single characters |
| numbers, logical | array of the same class and at least two dimensions (a number is 1 x 1) |
| sparse | scipy sparse array |
| function handle, object of a class | what scipy makes of it; it can be read but not written |

What is lost: an empty string is 0 x 0 whatever it was, and an empty struct array without fields comes back as an empty cell array.

Lives here: the file, any content. Does not live here: HDF5 files (`hdf5`), what the fields of a DCM mean (`read`, `write`).
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import scipy.sparse
from numpy.exceptions import ComplexWarning
from scipy.io.matlab import MatlabFunction, MatlabObject, MatlabOpaque, MatReadError, MatWriteError

from ltc_causal.errors import InputError
from ltc_causal.files import atomic_write
from ltc_causal.io.spm import hdf5


def read_mat(path: str | Path, only: str | None = None) -> dict[str, Any]:
    """The variables of a MATLAB file (v4 to v7.3) as plain values.

    only : read this variable alone (nothing, where there is none of that name)

    Raises `InputError` if there is no such file, if it is not a MATLAB file or a damaged one, or if it is v7.3 and h5py is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no MATLAB file at {path}: check the path.")
    try:
        if hdf5.is_hdf5(path):
            return hdf5.read(path, only)
        return {name: plain(value) for name, value in _scipy_variables(path, only).items()}
    except InputError:
        raise
    except Exception as error:  # scipy and h5py answer damaged bytes with errors of any type
        raise InputError(
            f"{path} cannot be read as a MATLAB file, it is damaged, cut short or not one at all ({type(error).__name__}): save it again."
        ) from None


def _scipy_variables(path: Path, only: str | None) -> dict[str, Any]:
    """The variables as scipy reads them, each number in the class that it has in MATLAB."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        typed = _load(path, only, mat_dtype=True)
    unreadable = [str(warning.message) for warning in caught if str(warning.message).startswith("Unreadable variable")]
    if unreadable:
        raise MatReadError(unreadable[0])
    if any(issubclass(warning.category, ComplexWarning) for warning in caught):
        # scipy drops imaginary parts where it restores classes, so complex arrays are taken from a second reading.
        return {name: _with_complex(typed[name], value) for name, value in _load(path, only, mat_dtype=False).items()}
    return typed


def _load(path: Path, only: str | None, mat_dtype: bool) -> dict[str, Any]:
    names = None if only is None else [only]
    content = scipy.io.loadmat(path, appendmat=False, mat_dtype=mat_dtype, chars_as_strings=False, variable_names=names)
    return {name: value for name, value in content.items() if not name.startswith("__")}


def _with_complex(typed: Any, stored: Any) -> Any:
    """`typed`, but for the complex arrays of `stored`, which has the same structure."""
    if isinstance(typed, np.ndarray) and typed.dtype.hasobject:
        return _rebuilt(typed, lambda old, new: _with_complex(old, new), stored)
    if getattr(getattr(stored, "dtype", None), "kind", "") == "c":
        return stored.astype(np.complex64 if typed.dtype == np.float32 else np.complex128)
    return typed


def _rebuilt(array: np.ndarray, change: Callable, *beside: np.ndarray) -> np.ndarray:
    """A cell or struct array with every element changed; `beside` are arrays whose elements are handed to `change` as well."""
    result = array.copy()
    for field in array.dtype.names or (...,):
        for index in np.ndindex(array.shape):
            parts = [part[field][index] if isinstance(field, str) else part[index] for part in (array, *beside)]
            target = result[field] if isinstance(field, str) else result
            target[index] = change(*parts)
    return result


def plain(value: Any) -> Any:
    """What scipy read as the plain values of this module's table."""
    if scipy.sparse.issparse(value):
        return scipy.sparse.csc_array(value)  # scipy's older matrices multiply otherwise
    if isinstance(value, MatlabFunction | MatlabOpaque) or not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind == "U":
        return "".join(value.ravel()) if value.shape[0] == 1 or not value.size else value
    if value.dtype.kind != "V" and value.dtype != object:
        return value
    if value.dtype.names and value.shape == (1, 1) and not isinstance(value, MatlabObject):
        return {field: plain(value[field][0, 0]) for field in value.dtype.names}
    if value.dtype == object and value.shape == (1, 1) and value[0, 0] is None:
        return {}  # a struct without fields
    return _rebuilt(value, plain)


def write_mat(path: str | Path, variables: Mapping[str, Any]) -> None:
    """Write plain values to a compressed v7 file, whole or not at all.

    Function handles and objects of classes cannot be written: they are left out (in a cell or struct array, an empty matrix stands in their
    place), with a warning that names them.

    Raises `InputError` if a value has no place in a MATLAB file, or if a variable is beyond the 2 GiB that v7 holds.
    """
    lost = sorted(name for key, value in variables.items() for name in _unwritable(key, value))
    if lost:
        warnings.warn(f"{path} is written without {', '.join(lost)}: function handles and objects cannot be written.", stacklevel=3)
    content = {name: _writable(value) for name, value in variables.items() if not _is_opaque(value)}
    try:
        with atomic_write(path) as temporary:
            scipy.io.savemat(temporary, content, appendmat=False, long_field_names=True, do_compression=True)
    except (MatWriteError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path} cannot be written as a MATLAB file ({error}): change or leave out what cannot be stored.") from None


def _is_opaque(value: Any) -> bool:
    return isinstance(value, MatlabFunction | MatlabOpaque)


def _unwritable(name: str, value: Any) -> Iterator[str]:
    """The places of everything that cannot be written, as MATLAB would name them."""
    if _is_opaque(value):
        yield name
    elif isinstance(value, dict):
        for field, part in value.items():
            yield from _unwritable(f"{name}.{field}", part)
    elif isinstance(value, np.ndarray) and value.dtype.hasobject:
        for number, element in enumerate(value.ravel(order="F"), 1):
            fields = {f"({number}).{field}": element[field] for field in value.dtype.names or ()} or {f"{{{number}}}": element}
            for place, part in fields.items():
                yield from _unwritable(f"{name}{place}", part)


def _writable(value: Any) -> Any:
    """A plain value in the form that scipy writes as the same MATLAB value."""
    if isinstance(value, dict):
        return {field: _writable(part) for field, part in value.items() if not _is_opaque(part)}
    if _is_opaque(value):
        return np.zeros((0, 0))
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind == "U" and value.ndim == 2 and value.size:
        return np.array(["".join(row) for row in value], dtype=f"U{value.shape[1]}")
    while value.ndim > 2 and value.shape[-1] == 1:
        value = value[..., 0]  # as MATLAB does
    return _rebuilt(value, _writable) if value.dtype.hasobject else value
