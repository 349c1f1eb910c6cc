"""The design of a group: a mean, and covariates from a table, each centred over the subjects.

Lives here: reading the table, its coding, and what the covariates are at given values. Does not live here: the group's model (`peb`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ltc_causal.errors import InputError, known_name

Array = NDArray[np.float64]

MEAN = "mean"
DEPENDENT = 1e-8  # smallest singular value of the scaled design over its largest


@dataclass(frozen=True, eq=False)
class Design:
    """One row a subject: 1 for the mean, then each covariate minus its mean over subjects, in the user's units.

    names : "mean", numeric columns as they are called, and `column[level]` for each level of a factor but the first
    matrix : shape (subject, covariate)
    centres : shape (covariate,), what was subtracted; 0 for the mean
    levels : {factor: its levels, sorted}
    """

    names: tuple[str, ...]
    matrix: Array
    centres: Array
    levels: Mapping[str, tuple[Any, ...]]

    def row(self, at: Mapping[str, Any] | None = None) -> Array:
        """The design's row at values of the covariates in the user's units; covariates that are not named are at their mean.

        Raises `InputError` for an unknown covariate or level.
        """
        row = np.zeros(len(self.names))
        row[0] = 1.0
        columns = tuple(self.levels) + tuple(name for name in self.names[1:] if "[" not in name or name.split("[")[0] not in self.levels)
        for column, value in (at or {}).items():
            known_name("covariate", column, columns, "the design")
            if column not in self.levels:
                k = self.names.index(column)
                row[k] = _number(column, value) - self.centres[k]
                continue
            if value not in self.levels[column]:
                raise InputError(f"The design's {column!r} has the levels {list(self.levels[column])}, not {value!r}: choose one of these.")
            for level in self.levels[column][1:]:
                k = self.names.index(_level_name(column, level))
                row[k] = float(level == value) - self.centres[k]
        return row

    def describe(self) -> str:
        """In a sentence: which covariates there are, how they are coded, and that they are centred."""
        if len(self.names) == 1:
            return "Design: the mean alone."
        parts = [f"{name} (mean {centre:.4g})" for name, centre in zip(self.names[1:], self.centres[1:], strict=True)]
        coded = [f"{column} is coded 0 for {levels[0]!r} and 1 for the level named" for column, levels in self.levels.items()]
        text = f"Design: the mean, and {', '.join(parts)}, centred, so that the mean is that of all subjects and effects are per unit"
        return "; ".join([text, *coded]) + "."


def read_design(table: pd.DataFrame | None, subjects: Sequence[str], by_name: bool) -> Design:
    """A design from a table of covariates, one row a subject; None for the mean alone.

    by_name : subjects have names, and the table's index must hold them (other rows are ignored); else the rows are in the subjects' order

    Raises `InputError` for missing rows or values, columns that are neither numbers nor factors, and columns that do not differ or depend on
    one another.
    """
    n = len(subjects)
    if table is None:
        return Design((MEAN,), np.ones((n, 1)), np.zeros(1), {})
    if not isinstance(table, pd.DataFrame):
        raise InputError(
            f"A design must be a pandas DataFrame with one row a subject and one column a covariate, got {type(table).__name__}."
        )
    table = _rows(table, subjects, by_name)
    names, columns, levels = [MEAN], [np.ones(n)], {}
    for column in map(str, table.columns):
        values = table[column]
        missing = int(np.count_nonzero(pd.isna(values)))
        if missing:
            raise InputError(f"The design's {column!r} is missing for {missing} subject(s): fill it in or leave these subjects out.")
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            names.append(column)
            columns.append(values.to_numpy(dtype=float))
            continue
        levels[column] = tuple(sorted(set(values.tolist()), key=str))
        for level in levels[column][1:]:
            names.append(_level_name(column, level))
            columns.append((values == level).to_numpy(dtype=float))
    X = np.column_stack(columns)
    centres = np.concatenate([[0.0], X[:, 1:].mean(axis=0)])
    X = X - centres
    _check_independent(X, names, levels)
    return Design(tuple(names), X, centres, levels)


def _rows(table: pd.DataFrame, subjects: Sequence[str], by_name: bool) -> pd.DataFrame:
    table = table.rename(columns=str)
    if MEAN in table.columns or table.columns.duplicated().any():
        raise InputError(
            f"A design's columns must be distinct and none called {MEAN!r}, which is added, got {list(table.columns)}: rename them."
        )
    if not by_name:
        if len(table) != len(subjects):
            raise InputError(
                f"The design has {len(table)} rows and there are {len(subjects)} subjects: give one row a subject, in their order."
            )
        return table
    table = table.rename(index=str)
    missing = [name for name in subjects if name not in table.index]
    if missing or table.index.duplicated().any():
        raise InputError(
            f"The design's index must name every subject once, but {(missing or ['a name'])[0]!r} is missing or repeated: set its index."
        )
    return table.loc[list(subjects)]


def _check_independent(X: Array, names: Sequence[str], levels: Mapping[str, Any]) -> None:
    flat = [name for name, column in zip(names, X.T, strict=True) if not np.abs(column).max() > 1e-12]
    flat += [name for name, its in levels.items() if len(its) < 2]
    if flat:
        raise InputError(f"The design's {flat[0]!r} is the same in all subjects: leave it out.")
    if X.shape[1] > X.shape[0]:
        raise InputError(f"The design has {X.shape[1] - 1} covariates for {X.shape[0]} subjects: leave some out.")
    values = np.linalg.svd(X / np.linalg.norm(X, axis=0), compute_uv=False)
    if values[-1] < DEPENDENT * values[0]:
        raise InputError(f"The design's covariates {list(names[1:])} depend on one another (one is a sum of others): leave one out.")


def _level_name(column: str, level: Any) -> str:
    return f"{column}[{level}]"


def _number(name: str, value: Any) -> float:
    if isinstance(value, str | bool) or not np.isfinite(value):
        raise InputError(f"The covariate {name!r} must be a finite number, got {value!r}.")
    return float(value)
