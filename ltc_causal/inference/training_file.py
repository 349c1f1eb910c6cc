"""The checkpoint of a training: arrays and a JSON text in one npz file, no pickle.

Lives here: writing and reading it. Does not live here: what is in it (`gradient`).
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.errors import InputError
from ltc_causal.files import atomic_write

IDENTITY = "identity"  # the entry that holds the JSON text


def write(path: str | Path, arrays: Mapping[str, NDArray], identity: Mapping[str, Any]) -> None:
    """Write the arrays, and what they belong to, whole or not at all."""
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **dict(arrays), **{IDENTITY: np.array(json.dumps(identity, sort_keys=True))})  # pyright: ignore[reportArgumentType]


def read(path: str | Path, identity: Mapping[str, Any], names: Sequence[str]) -> dict[str, NDArray]:
    """The arrays of those names.

    Raises `InputError` if the file is no checkpoint, or one of another training; the message says in what.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            stored = json.loads(str(file[IDENTITY]))
            arrays = {name: file[name] for name in names}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read as a checkpoint ({error}): delete it, or give another path.") from None
    given = json.loads(json.dumps(identity))
    differing = [name for name in {**given, **stored} if given.get(name) != stored.get(name)]
    if differing:
        raise InputError(
            f"The checkpoint {path} belongs to a training with other {', '.join(differing)}: delete it to begin anew, or give another path."
        )
    return arrays
