"""MATLAB files of version 7.3, which are HDF5 files with conventions of their own, as the plain values of `mat`.

The conventions: dimensions are in reverse; every object names its class in an attribute; a cell array holds references; a struct is a
group, and a struct array a group whose members hold references; an empty array holds its size instead of its values.

Lives here: reading, by h5py, which comes with the extra `neuro`. Does not live here: writing (v7 is written, see `mat`).
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from scipy.io.matlab import MatlabFunction

from ltc_causal.errors import InputError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
USER_BLOCK = 512  # bytes that MATLAB puts before the signature
CLASSES = {
    "double": "f8", "single": "f4", "logical": "?", "char": "U1", "int8": "i1", "int16": "i2", "int32": "i4", "int64": "i8",
    "uint8": "u1", "uint16": "u2", "uint32": "u4", "uint64": "u8",
}  # fmt: skip


def is_hdf5(path: Path) -> bool:
    """Whether the file is HDF5, with or without MATLAB's text before it."""
    with path.open("rb") as file:
        head = file.read(USER_BLOCK + len(SIGNATURE))
    return head.startswith(SIGNATURE) or head[USER_BLOCK:] == SIGNATURE


def read(path: Path, only: str | None = None) -> dict[str, Any]:
    """The variables of a v7.3 file as plain values; see `mat.read_mat`.

    Raises `InputError` if h5py is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise InputError(
            f"{path} is a MATLAB file of version 7.3, which is read with h5py: install it with pip install 'ltc_causal[neuro]', or save "
            "the file in MATLAB with the option -v7."
        ) from None
    with h5py.File(path, "r") as file:
        names = [name for name in map(str, file) if not name.startswith("#") and only in (None, name)]
        return {name: _value(file, file[name], h5py) for name in names}


def _value(file: Any, item: Any, h5py: Any) -> Any:
    """One variable, field or element."""
    kind = item.attrs.get("MATLAB_class", b"")
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    if "MATLAB_sparse" in item.attrs:
        return _sparse(item)
    if kind == "struct" and isinstance(item, h5py.Group):
        return _struct(file, item, h5py)
    if "MATLAB_empty" in item.attrs:
        return _empty(item, kind)
    if kind == "cell":
        return _referenced(file, item, h5py)
    if kind not in CLASSES:
        return MatlabFunction(np.empty((1, 1), dtype=object))  # a handle or an object: nothing here can use it
    return _array(item[()].T, kind)


def _array(values: np.ndarray, kind: str) -> Any:
    if kind == "char":
        characters = np.array([chr(code) for code in values.ravel()], dtype="U1").reshape(values.shape)
        return "".join(characters.ravel()) if len(characters) == 1 else characters
    if values.dtype.names:
        return (values["real"] + 1j * values["imag"]).astype(np.complex64 if kind == "single" else np.complex128)
    return np.asfortranarray(values.astype(CLASSES[kind]))


def _empty(item: Any, kind: str) -> Any:
    shape = tuple(int(size) for size in item[()].ravel())
    if kind == "char":
        return ""
    if kind == "struct":
        fields = [(field, object) for field in _fields(item)]
        return np.zeros(shape, dtype=fields or object) if fields or 0 in shape else {}
    return np.zeros(shape, dtype=object if kind == "cell" else CLASSES.get(kind, "f8"))


def _sparse(group: Any) -> Any:
    n_row = int(group.attrs["MATLAB_sparse"])
    starts = group["jc"][()].astype(np.int64)
    rows = group["ir"][()].astype(np.int64) if "ir" in group else np.zeros(0, dtype=np.int64)
    kind = group.attrs.get("MATLAB_class", b"double").decode()
    values = _array(group["data"][()], kind) if "data" in group else np.zeros(0, dtype=CLASSES[kind])
    return scipy.sparse.csc_array((values, rows, starts), shape=(n_row, len(starts) - 1))


def _struct(file: Any, group: Any, h5py: Any) -> Any:
    """A dict, or a structured array where every field is a data set of references without a class."""
    fields = _fields(group)
    members = [group[field] for field in fields]
    if fields and all(isinstance(m, h5py.Dataset) and m.dtype == h5py.ref_dtype and "MATLAB_class" not in m.attrs for m in members):
        columns = [_referenced(file, member, h5py) for member in members]
        result = np.zeros(columns[0].shape, dtype=[(field, object) for field in fields])
        for field, column in zip(fields, columns, strict=True):
            result[field] = column
        return result
    return {field: _value(file, member, h5py) for field, member in zip(fields, members, strict=True)}


def _referenced(file: Any, dataset: Any, h5py: Any) -> np.ndarray:
    references = dataset[()].T
    values = np.empty(references.shape, dtype=object)
    for index in np.ndindex(references.shape):
        values[index] = _value(file, file[references[index]], h5py)
    return values


def _fields(item: Any) -> list[str]:
    """Field names in MATLAB's order, which is an attribute of its own; in HDF5's order where that is missing."""
    named: Iterable = item.attrs.get("MATLAB_fields", ())
    fields = ["".join(part.decode() if isinstance(part, bytes) else str(part) for part in name) for name in named]
    present = list(item) if hasattr(item, "keys") else fields
    return fields if set(fields) == set(present) else [name for name in present if re.match(r"[A-Za-z]", name)]
