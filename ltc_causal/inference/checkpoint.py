"""A long run in parts: each is done once, kept in a file of its own if there is a folder, and found there again by a run that goes on.

A part's file is whole or absent (`files.atomic_write`), so that a run may be stopped at any moment. What a part gives hangs neither on the number of
threads nor on which of them were found.

Lives here: `Parts`. Does not live here: what the parts are (`regression` and the methods it calls).
"""

import hashlib
import sys
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ltc_causal.core.regression import RegionSolution
from ltc_causal.errors import InputError
from ltc_causal.files import atomic_write, write_text

Array = NDArray[np.float64]
Arrays: TypeAlias = dict[str, Array]
Progress: TypeAlias = Callable[[int, int], object]

MADE_FROM = "made_from.txt"
FREQUENCIES = np.array([0.1, 0.5, 2.0])  # 1/s, at which a response is told from another
DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass(eq=False)
class Parts:
    """What has been done, and how.

    folder : where parts are kept, None for nowhere; workers : threads; progress : told (done, of how many) after each part
    total : how many there will be; done : how many there are
    """

    folder: Path | None = None
    workers: int = 1
    progress: Progress | None = None
    total: int = 1
    done: int = field(default=0)

    def map(self, names: Sequence[str], make: Callable[[int], Arrays]) -> list[Arrays]:
        """The arrays of each part, in order: read if they are there, else made; `make` is told the part's number."""

        def one(number: int) -> Arrays:
            known = self._read(names[number])
            return known if known is not None else self._write(names[number], make(number))

        if self.workers == 1 or len(names) == 1:
            return [self._told(one(number)) for number in range(len(names))]
        with ThreadPoolExecutor(self.workers) as pool:
            return [self._told(result) for result in pool.map(one, range(len(names)))]

    def regions(
        self, stage: str, sets: Sequence[Sequence[int]], solve: Callable[[Sequence[int]], Sequence[RegionSolution]]
    ) -> list[RegionSolution]:
        """Every region's solution; the regions of a set are solved together."""
        names = [f"{stage}/regions-{some[0]}" for some in sets]
        found: dict[int, RegionSolution] = {}
        for some, arrays in zip(sets, self.map(names, lambda number: _packed(solve(sets[number]))), strict=True):
            found |= zip(some, _unpacked(arrays), strict=True)
        return [found[region] for region in sorted(found)]

    def _told(self, result: Arrays) -> Arrays:
        self.done += 1
        if self.progress:
            self.progress(min(self.done, self.total), self.total)
        return result

    def _read(self, name: str) -> Arrays | None:
        if self.folder is None or not (self.folder / f"{name}.npz").exists():
            return None
        try:
            with (self.folder / f"{name}.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        except DAMAGE:  # the disk's doing, since files here are whole or absent: do it again
            return None

    def _write(self, name: str, arrays: Arrays) -> Arrays:
        if self.folder is not None:
            with atomic_write(self.folder / f"{name}.npz") as temporary:
                np.savez(temporary, **arrays)  # pyright: ignore[reportArgumentType] - the names are not its options
        return arrays


def parts(folder: str | Path | None, problem: Any, words: str, workers: int, progress: Progress | bool | None, total: int) -> Parts:
    """Parts of a problem solved in a way that `words` tell.

    Raises `InputError` for a folder that holds the parts of something else.
    """
    told = on_one_line if progress is True else progress or None
    if folder is None:
        return Parts(None, workers, told, total)
    place, key = Path(folder), fingerprint(problem, words)
    made_from = place / MADE_FROM
    if made_from.exists() and made_from.read_text(encoding="utf-8") != key:
        raise InputError(f"{place} holds the parts of another model, recording or method: choose another folder, or delete it.")
    if not made_from.exists() and place.exists() and any(place.iterdir()):
        raise InputError(f"{place} is not empty and not a folder of a regression: choose another.")
    write_text(made_from, key)
    return Parts(place, workers, told, total)


def fingerprint(problem: Any, words: str) -> str:
    """A digest of all numbers of a problem, and of the words."""
    digest = hashlib.sha256(words.encode())
    for one in fields(problem):
        _add(digest, getattr(problem, one.name))
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        digest.update(repr((value.shape, value.dtype.str)).encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, tuple):
        for part in value:
            _add(digest, part)
    elif callable(value):
        _add(digest, value(FREQUENCIES))
    else:
        digest.update(repr(value).encode())


def on_one_line(done: int, total: int) -> None:
    """How far a run is, on a line of stderr that renews itself."""
    end = "\n" if done == total else ""
    sys.stderr.write(f"\rRegression: {done} of {total} parts ({100 * done // total} %){end}")
    sys.stderr.flush()


def _packed(solutions: Sequence[RegionSolution]) -> Arrays:
    assert is_dataclass(RegionSolution)
    names = [one.name for one in fields(RegionSolution)]
    columns = zip(*(astuple(one) for one in solutions), strict=True)
    return {name: np.array(values) for name, values in zip(names, columns, strict=True)}


def _unpacked(arrays: Arrays) -> list[RegionSolution]:
    vectors = ("mean", "indicator", "scaled")
    kinds = {"passes": int, "converged": bool}
    found = []
    for number in range(len(arrays["mean"])):
        values = {name: column[number] if name in vectors else kinds.get(name, float)(column[number]) for name, column in arrays.items()}
        found.append(RegionSolution(**values))
    return found
