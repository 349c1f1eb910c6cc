"""Files that are whole or absent, and sentences for what stands in the way: no path, a system that refuses, a package that is missing.

Lives here: `whole_file`, `file_path`, `optional`. Does not live here: any format.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from ltc_causal.errors import InputError
from ltc_causal.files import atomic_write


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """As `files.atomic_write`; raises `InputError` for what is no path, and where the system refuses (a read-only folder, a full disk)."""
    path = file_path(path)
    try:
        with atomic_write(path) as temporary:
            yield temporary
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}): check the folder, its permissions and the space left on the disk."
        ) from None


def file_path(path: Any) -> Path:
    """The path of a file; raises `InputError` for what is none."""
    if not isinstance(path, str | os.PathLike) or not Path(path).name or "\0" in str(path):
        raise InputError(f"The path of a file must be text or a Path that ends with the file's name, got {path!r}.")
    return Path(path)


def optional(module: str, extra: str, purpose: str) -> Any:
    """A module of a package that comes with an extra, imported now; raises `InputError` naming the extra if it is not installed."""
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise InputError(f"{purpose} needs the package {package}: install it with pip install 'ltc_causal[{extra}]'.") from None
