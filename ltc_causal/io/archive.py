"""A result as one file: a zip of plain arrays with a header in JSON, nothing pickled.

Words are in `header.json` (see `codec`); numbers are `.npy` members, so that a round trip is exact and numpy.load reads them. The header
carries a digest of all of it: what was changed on the way is refused.

Lives here: `save`, `load`, `read_header`. Does not live here: how a result becomes words (`codec`), tables (`tables`), graphs (`graphs`).
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltc_causal.errors import InputError
from ltc_causal.io.codec import decode, encode
from ltc_causal.io.older import older_fit
from ltc_causal.io.writing import file_path, whole_file

VERSION = 3  # of the format; 3 holds results of several kinds, described alike, and a digest; fits of 1 and 2 are still read
HEADER, MEMBER = "header.json", ".npy"
# What a file may hold by itself, and what its format is then called.
FORMATS = {
    "Fit": "ltc_causal fit", "TrainedNetwork": "ltc_causal trained network", "Recording": "ltc_causal recording",
    "Coupling": "ltc_causal coupling", "Reduction": "ltc_causal reduction", "Prediction": "ltc_causal prediction",
    "Gaussian": "ltc_causal gaussian", "DCM": "ltc_causal model", "RegressionDCM": "ltc_causal model", "SourceNetwork": "ltc_causal model",
    "SpectralDCM": "ltc_causal model", "LiquidNetwork": "ltc_causal model", "SynapticNetwork": "ltc_causal model",
}  # fmt: skip


def package_version() -> str:
    """The installed version of this package."""
    try:
        return version("ltc_causal")
    except PackageNotFoundError:
        return "unknown (run from a source tree)"


def save(result: Any, path: str | Path, tags: Mapping[str, str] | None = None) -> None:
    """Write a result to one file, whole or not at all.

    result : a fit, trained network, recording, coupling, reduction, prediction, Gaussian or model
    tags : words to keep with it, such as what it was made from; `read_header(path)["tags"]` gives them back

    The same result gives the same bytes. Raises `InputError` if it holds something that cannot be written, such as a model of a kind of
    your own or a function, or if the system refuses.
    """
    kind = type(result).__name__
    if kind not in FORMATS:
        raise InputError(f"{kind} cannot be saved by itself: this version writes {', '.join(FORMATS)}.")
    arrays: dict[str, NDArray] = {}
    words = encode(result, "", arrays)
    members = {name: _packed(array) for name, array in arrays.items()}
    header = {
        "format": FORMATS[kind], "version": VERSION, "package": package_version(), "kind": kind, "tags": dict(tags or {}), "result": words,
    }  # fmt: skip
    header["sha256"] = _digest(header, members)
    with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        # A ZipInfo of our own has a fixed date.
        archive.writestr(zipfile.ZipInfo(HEADER), _text(header, indent=1), zipfile.ZIP_DEFLATED)
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name + MEMBER), content, zipfile.ZIP_DEFLATED)


def load(path: str | Path) -> Any:
    """Read a result that `save` wrote, in this version or an earlier one; reading runs no code but that of the package's own containers.

    Raises `InputError` if there is no such file, or if it is damaged, changed, of another kind, or written by a newer version.
    """
    header = read_header(path)
    try:
        with zipfile.ZipFile(path) as archive:
            # Reading a member compares it with its check sum.
            members = {name.removesuffix(MEMBER): archive.read(name) for name in archive.namelist() if name != HEADER}
        if header["version"] >= 3 and header["sha256"] != _digest(header, members):
            raise InputError("its digest does not match")
        arrays = {name: np.lib.format.read_array(io.BytesIO(content), allow_pickle=False) for name, content in members.items()}
        if header["version"] < 3:
            return older_fit(header, arrays)
        return decode(header["result"], arrays)
    except Exception as error:  # a damaged file can make any of the parsers below fail in any way
        raise _unreadable(path, error) from None


def read_header(path: str | Path) -> dict[str, Any]:
    """What a file says of itself, without its numbers: format, version, package version, kind, tags and words.

    Raises `InputError` as `load` does.
    """
    path = file_path(path)
    if not path.is_file():
        raise InputError(f"There is no fit file at {path}: check the path.")
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(archive.read(HEADER)) if HEADER in archive.namelist() else {}
    except Exception as error:  # as above
        raise _unreadable(path, error) from None
    if not isinstance(header, dict) or header.get("format") not in FORMATS.values():
        raise InputError(f"{path} is not a fit that ltc_causal wrote, or another result: give a file made by save(result, path).")
    if not isinstance(header.get("version"), int) or not 1 <= header["version"] <= VERSION:
        raise InputError(
            f"{path} has version {header.get('version')} of the fit format and this ltc_causal reads up to {VERSION}: update ltc_causal "
            f"(the file was written by {header.get('package')})."
        )
    return header


def _unreadable(path: str | Path, error: Exception) -> InputError:
    why = str(error).rstrip(".") if isinstance(error, InputError) else type(error).__name__
    return InputError(f"{path} cannot be read as a fit or other result, it is damaged, cut short or not one at all ({why}): make it again.")


def _text(words: Any, **layout: Any) -> bytes:
    return json.dumps(words, ensure_ascii=False, **layout).encode("utf-8", "surrogatepass")


def _packed(array: NDArray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _digest(header: Mapping[str, Any], members: Mapping[str, bytes]) -> str:
    """SHA-256 of the words and of every member with its name."""
    words = {name: value for name, value in header.items() if name != "sha256"}
    digest = hashlib.sha256(_text(words, sort_keys=True))
    for name in sorted(members):
        digest.update(f"\0{name}\0{len(members[name])}\0".encode("utf-8", "surrogatepass"))
        digest.update(members[name])
    return digest.hexdigest()
