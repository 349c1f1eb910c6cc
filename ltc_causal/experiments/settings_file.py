"""Settings files: TOML whose every key is checked, with one sentence for the first thing that is wrong, and written back so that it reads the same.

Lives here: a section that is closed to unknown keys, reading, writing, fingerprints. Does not live here: what a study (`config`) or a group's study
(`group_config`) may say.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ltc_causal.errors import InputError
from ltc_causal.files import write_text


class Settings(BaseModel):
    """A section: frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, given: Any) -> Any:
        if isinstance(given, dict):
            for key in given:
                if key not in cls.model_fields:
                    near = get_close_matches(key, cls.model_fields, n=1, cutoff=0.6)
                    hint = f"did you mean {near[0]!r}?" if near else f"the keys here are {list(cls.model_fields)}."
                    raise ValueError(f"the key {key!r} is not known; {hint}")
        return given


def fingerprint(content: Any) -> str:
    """12 hexadecimal digits of the SHA-256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


Kind = TypeVar("Kind", bound=Settings)


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file holds; raises `InputError` if there is none or if it is not TOML."""
    if not path.is_file():
        raise InputError(f"There is no config file at {path}: check the path.")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}.") from None


def read_settings(path: Path, kind: type[Kind], check: Callable[[Kind], None], tags: Sequence[str] = ()) -> Kind:
    """The settings in a file.

    check : what is to hold between them, with an `InputError` where it does not
    tags : values of discriminators, which are left out where a sentence names a key

    Raises `InputError` with one sentence that names the file and the key.
    """
    content = read_toml(path)
    try:
        settings = kind.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {_sentence(error, tags)}") from None
    try:
        check(settings)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return settings


def _sentence(error: ValidationError, tags: Sequence[str]) -> str:
    """The first thing that is wrong, as `key.path: what`; the rest is often its consequence."""
    first = error.errors()[0]
    place = _key_path(first["loc"], tags)
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"the key {place} is missing: add it."
    if first["type"] == "model_type":
        return f"{place} must be a section with keys of its own, got {first['input']!r}."
    message = message[0].lower() + message[1:]
    given = (
        "" if first["type"] in ("value_error", "union_tag_not_found") or isinstance(first["input"], dict) else f", got {first['input']!r}"
    )
    ending = "" if message.endswith(("?", ".")) else "."
    return f"in {place}, {message}{given}{ending}" if place else f"{message}{given}{ending}"


def _key_path(location: tuple[int | str, ...], tags: Sequence[str]) -> str:
    """`interventions[0].do[1].source`, without the tag that pydantic puts between a list's index and a field."""
    text = ""
    for before, part in zip((None, *location), location, strict=False):
        if isinstance(part, int):
            text += f"[{part}]"
        elif not (isinstance(before, int) and part in tags):
            text += f".{part}" if text else str(part)
    return text


def write_settings(settings: Settings, path: str | Path, lists: Sequence[str] = ()) -> None:
    """Write settings as TOML, defaults included, so that reading gives the same ones back.

    lists : keys whose value is a list of sections
    """
    content = settings.model_dump(mode="json", exclude_none=True)
    plain = {key: value for key, value in content.items() if not isinstance(value, dict) and key not in lists}
    lines = [f"{key} = {_toml(value)}" for key, value in plain.items()]
    for section, values in content.items():
        if isinstance(values, dict):
            lines += ["", f"[{section}]", *(f"{_toml_key(key)} = {_toml(value)}" for key, value in values.items())]
    for key in lists:
        for section in content[key]:
            lines += ["", f"[[{key}]]", *(f"{_toml_key(one)} = {_toml(value)}" for one, value in section.items())]
    write_text(path, "\n".join(lines) + "\n")


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)


def _toml(value: Any) -> str:
    """A value on one line. A JSON string is a TOML basic string, once the one control character that JSON leaves alone is escaped."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml_key(key)} = {_toml(part)}" for key, part in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
