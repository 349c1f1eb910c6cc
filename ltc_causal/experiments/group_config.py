"""What the `config.toml` of a group's study may say, checked before anything is computed.

Lives here: the settings that one subject's study lacks, and the table of covariates. Does not live here: regions, connections, models and methods, which
are those of one subject (`config`); what is done with them (`group_runner`).
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import pandas as pd
from pydantic import Field, model_validator

from ltc_causal.errors import InputError, known_name, unique_names
from ltc_causal.experiments.config import Fitting, Model, Structure
from ltc_causal.experiments.settings_file import Settings, fingerprint, read_settings, write_settings

Value: TypeAlias = bool | float | str


class Group(Settings):
    """Who is studied, and what is asked of them together.

    recordings : a pattern of `.npz` files (see `io.recording`), each a subject of the file's name; or {subject: file, or a list of one file a session}
    design : CSV file with a header, one row a subject and its name in the first column; None for the mean alone
    covariates : which of its columns; all unless given
    model : the model taken to the group, by its name under [models]; the only one unless given
    parameters : those that subjects share, names or letters of matrices ("AB"); all connections unless given
    components : variance between subjects, as of `group.peb.EmpiricalBayes`
    search : whether models that lack effects are searched
    predict : covariates (numbers by their column, a level as "column[level]") that are told of each subject by the others
    at : values of covariates at which coupling and graph are shown; the mean of those not named
    forest : connections shown for every subject; unless given those on which covariates act, at most three
    probability : couplings and differences whose sign is less probable are left out of the graphs
    interval : probability that intervals hold
    """

    recordings: str | dict[str, Path | list[Path]]
    design: Path | None = None
    covariates: list[str] | None = None
    model: str | None = None
    parameters: str | list[str] | None = None
    components: Literal["parameter", "one"] = "parameter"
    search: bool = True
    predict: list[str] = []
    at: dict[str, Value] = {}
    forest: list[str] | None = None
    probability: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    interval: Annotated[float, Field(gt=0, lt=1)] = 0.9

    @model_validator(mode="after")
    def _has_what_is_asked(self) -> "Group":
        if self.design is None and (self.covariates or self.predict or self.at):
            raise ValueError("covariates, predict and at need a design: give its CSV file")
        return self


class Contrast(Settings):
    """Two kinds of subject, whose expected coupling is compared: second minus first. Covariates not named are at their mean."""

    title: str
    first: dict[str, Value]
    second: dict[str, Value]


class GroupConfig(Settings):
    """A group's study; structure, models and fit as of one subject's (`config.Config`).

    contrasts : unless given, each level of each factor but the first against the first
    """

    title: str
    question: str = ""
    seed: Annotated[int, Field(ge=0)] = 0
    group: Group
    structure: Structure
    models: dict[str, Model] = Field(min_length=1)
    fit: Fitting = Field(default_factory=Fitting)
    contrasts: list[Contrast] = []

    @property
    def asked(self) -> str:
        """Name of the model that is taken to the group."""
        return self.group.model or next(iter(self.models))

    def digest(self) -> str:
        """A fingerprint of everything that the study is computed from, 12 hexadecimal digits."""
        return fingerprint(self.model_dump(mode="json"))


def read_group_config(path: str | Path) -> GroupConfig:
    """Read and check a group's settings; paths in the file are relative to it.

    Raises `InputError` with one sentence that names the file and the key.
    """
    path = Path(path)
    return _absolute(read_settings(path, GroupConfig, _check_names), path.parent.absolute())


def write_group_config(config: GroupConfig, path: str | Path) -> None:
    """Write settings as TOML, defaults included, so that `read_group_config` gives the same ones back."""
    write_settings(config, path, ["contrasts"])


def subject_files(config: GroupConfig) -> dict[str, tuple[Path, ...]]:
    """{subject: its recordings, one a session}, in the order of their names where a pattern gives them.

    Raises `InputError` if a pattern matches nothing. A file that is missing or unusable is its subject's failure, not the group's.
    """
    given = config.group.recordings
    if isinstance(given, dict):
        return {name: (one,) if isinstance(one, Path) else tuple(one) for name, one in given.items()}
    pattern = Path(given)
    found = sorted(path for path in Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))) if path.is_file())
    names = [path.stem for path in found]
    if not found:
        raise InputError(f"No file matches group.recordings, {given!r}: check the pattern.")
    unique_names("group.recordings: the files' names", names)
    return {name: (path,) for name, path in zip(names, found, strict=True)}


def read_people(path: Path, covariates: list[str] | None = None) -> pd.DataFrame:
    """The table of covariates, its index the subjects' names; raises `InputError` for a file or columns that cannot be used."""
    try:
        table = pd.read_csv(path, dtype={0: str})
    except OSError:
        raise InputError(f"There is no design file at {path}: check group.design.") from None
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{path} cannot be read as a CSV table: {str(error).splitlines()[0]}.") from None
    table = table.set_index(table.columns[0])
    for name in covariates or []:
        known_name("covariate", name, tuple(map(str, table.columns)), f"{path.name} (group.covariates)")
    return table if covariates is None else table.loc[:, covariates]


def _check_names(config: GroupConfig) -> None:
    unique_names("structure.regions", config.structure.regions)
    unique_names("structure.inputs", config.structure.inputs)
    if config.group.model is None and len(config.models) > 1:
        raise InputError(f"group.model must say which of the models {list(config.models)} is taken to the group: add it.")
    known_name("model", config.asked, list(config.models), "group.model")
    for name, model in config.models.items():
        if model.start is not None:
            raise InputError(f"models.{name}.start is not for groups, where every fit begins at the prior's mean: leave it out.")
        if not re.fullmatch(r"[\w-]+", name):
            raise InputError(f"The model name {name!r} becomes a folder, so it may hold only letters, digits, '-' and '_': rename it.")


def _absolute(config: GroupConfig, folder: Path) -> GroupConfig:
    given = config.group.recordings
    recordings: Any = str(folder / given) if isinstance(given, str) else {name: _placed(one, folder) for name, one in given.items()}
    design = None if config.group.design is None else folder / config.group.design
    return config.model_copy(update={"group": config.group.model_copy(update={"recordings": recordings, "design": design})})


def _placed(files: Path | list[Path], folder: Path) -> Path | list[Path]:
    return folder / files if isinstance(files, Path) else [folder / one for one in files]
