"""Results as JSON words and named arrays, and back.

A value of a listed kind is written field by field and rebuilt by its own constructor, which checks it. Nothing else can be in a file, so
that reading one runs no code but that of these kinds.

    {"kind": "Recording", "fields": {...}}       one of `KINDS`
    {"kind": "DCM", "specification": {...}}      a model that describes itself
    {"kind": "Status", "is": "CONVERGED"}        one of `ENUMS`
    {"kind": "array", "name": "series.values"}   numbers, beside the words
    {"kind": "mapping", "of": [[key, value]]}, {"kind": "float", "is": "nan"}

Lists and tuples are JSON lists, read as tuples. A field that a file lacks takes its default, so that a kind may gain fields.

Lives here: these words. Does not live here: the file (`archive`), what earlier versions wrote (`older`).
"""

from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.blocks import Blocks
from ltc_causal.errors import InputError, read_only

CORE = "ltc_causal.core."
INTERVENTIONS = ("SetInput", "Clamp", "Pulse", "Drive", "Cut", "Scale", "Lesion", "SetParameter")
KINDS = {
    "Coupling": CORE + "coupling", "TimeSeries": CORE + "data", "Inputs": CORE + "data", "Recording": CORE + "data",
    "Gaussian": CORE + "gaussian", "Fit": CORE + "result", "Session": CORE + "result", "History": CORE + "ascent",
    "Attempt": CORE + "ascent", "Approximation": CORE + "ascent", "Certificate": CORE + "reduction", "Reduction": CORE + "reduction",
    "Prediction": CORE + "prediction", "TrainedNetwork": CORE + "trained", "Ensemble": CORE + "trained",
    "TrainingHistory": CORE + "trained", "SynapticNetwork": "ltc_causal.models.synaptic", "LiquidNetwork": "ltc_causal.models.liquid",
    **dict.fromkeys(INTERVENTIONS, CORE + "intervention"),
}  # fmt: skip
SPECIFIED = {
    "DCM": "ltc_causal.models.dcm",
    "RegressionDCM": "ltc_causal.models.regression_dcm",
    "SourceNetwork": "ltc_causal.models.source_network",
    "SpectralDCM": "ltc_causal.models.spectral_dcm",
}
ENUMS = {"Status": CORE + "ascent", "TrainingStatus": CORE + "trained"}
NUMERIC = "fiubc"  # kinds of dtype that are written


def encode(value: Any, place: str, arrays: dict[str, NDArray]) -> Any:
    """The value as JSON words; its arrays are put into `arrays` under names that begin with `place`.

    Raises `InputError` for a value that is of no listed kind.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else {"kind": "float", "is": str(value)}
    if isinstance(value, np.ndarray) and value.dtype.kind in NUMERIC:
        arrays[place] = value
        return {"kind": "array", "name": place}
    if isinstance(value, tuple | list):
        return [encode(one, _join(place, number), arrays) for number, one in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        pairs = enumerate(value.items())
        return {"kind": "mapping", "of": [[key, encode(one, _join(place, number), arrays)] for number, (key, one) in pairs]}
    if isinstance(value, Blocks):
        return _encoded_blocks(value, place, arrays)
    return _encoded_kind(value, place, arrays)


def _encoded_kind(value: Any, place: str, arrays: dict[str, NDArray]) -> dict[str, Any]:
    kind = type(value).__name__
    if _is_listed(value, ENUMS):
        return {"kind": kind, "is": value.name}
    if _is_listed(value, SPECIFIED):
        return {"kind": kind, "specification": value.to_spec()}
    if _is_listed(value, KINDS):
        given = {one.name: getattr(value, one.name) for one in fields(value) if one.init}
        words = {"kind": kind, "fields": {name: encode(one, _join(place, name), arrays) for name, one in given.items()}}
        # What a network's parameters mean depends on numbers drawn at its birth; they must come out the same.
        return words | ({"identity": value.identity} if kind == "LiquidNetwork" else {})
    if callable(value):
        raise InputError(f"The function {getattr(value, '__name__', kind)!r} cannot be saved, only what it gives: put its values there.")
    raise InputError(f"A value of kind {kind} cannot be saved: this version writes {', '.join([*KINDS, *SPECIFIED])}.")


def _encoded_blocks(value: Blocks, place: str, arrays: dict[str, NDArray]) -> dict[str, Any]:
    parts = {
        "sizes": np.array([len(rows) for rows in value.positions]),
        "positions": np.concatenate([*value.positions, np.zeros(0, dtype=np.int64)]),
        "values": np.concatenate([*(value.block(number).ravel() for number in range(len(value.positions))), np.zeros(0)]),
    }
    return {"kind": "Blocks", "fields": {name: encode(one, _join(place, name), arrays) for name, one in parts.items()}}


def decode(words: Any, arrays: Mapping[str, NDArray]) -> Any:
    """The value that `encode` was given.

    Raises `InputError` for what it cannot have written, or what the value's own constructor refuses; `KeyError`, `TypeError` and the like for
    words of another shape.
    """
    if isinstance(words, list):
        return tuple(decode(one, arrays) for one in words)
    if not isinstance(words, dict):
        return words
    kind = words["kind"]
    if kind == "float":
        return float(words["is"])
    if kind == "array":
        return read_only(arrays[words["name"]])
    if kind == "mapping":
        return {key: decode(one, arrays) for key, one in words["of"]}
    if kind in ENUMS:
        return _listed(kind, ENUMS)[words["is"]]
    if kind in SPECIFIED:
        return _listed(kind, SPECIFIED).from_spec(words["specification"])
    given = {name: decode(one, arrays) for name, one in words["fields"].items()}
    if kind == "Blocks":
        return _decoded_blocks(**given)
    return _decoded_kind(kind, given, words.get("identity"))


def _decoded_kind(kind: str, given: Mapping[str, Any], identity: str | None) -> Any:
    if kind not in KINDS:
        raise InputError(f"it holds a {kind}, which this version does not know")
    known = _listed(kind, KINDS)
    unknown = sorted(set(given) - {one.name for one in fields(known)})
    if unknown:
        raise InputError(f"its {kind} has {unknown}, which this version does not know")
    value = known(**given)
    if identity is not None and value.identity != identity:
        raise InputError("its network begins elsewhere in this version, so that its parameters mean something else")
    return value


def _decoded_blocks(sizes: NDArray, positions: NDArray, values: NDArray) -> Blocks:
    parts = np.split(values, np.cumsum(sizes**2)[:-1])
    blocks = [read_only(part.reshape(size, size)) for part, size in zip(parts, sizes.tolist(), strict=True)]
    return Blocks(np.split(positions, np.cumsum(sizes)[:-1]), blocks.__getitem__)


def _is_listed(value: Any, where: Mapping[str, str]) -> bool:
    return where.get(type(value).__name__) == type(value).__module__


def _listed(kind: str, where: Mapping[str, str]) -> Any:
    """The class of that name: modules are imported when they are needed, since some bring torch."""
    return getattr(import_module(where[kind]), kind)


def _join(place: str, part: str | int) -> str:
    return f"{place}.{part}" if place else str(part)
