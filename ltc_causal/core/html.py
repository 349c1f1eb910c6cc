"""Results as small HTML tables, as notebooks show them: no colours, so that they follow the notebook's own; every word escaped.

Lives here: the two kinds of table. Does not live here: what stands in them (each result's `_repr_html_`), the report (`experiments.report`).
"""

from collections.abc import Iterable, Sequence
from html import escape

import pandas as pd

MOST_ROWS = 30  # of a table; what is left out is said
MOST_NAMES = 12


def card(title: str, facts: Iterable[tuple[str, object]], *tables: pd.DataFrame, note: str = "") -> str:
    """A heading, a table of facts, and tables below it.

    facts : (what, how much), shown in that order
    note : a sentence below
    """
    rows = "".join(f'<tr><th scope="row" style="text-align:left">{_word(name)}</th><td>{_word(value)}</td></tr>' for name, value in facts)
    parts = [f"<strong>{_word(title)}</strong>", f"<table>{rows}</table>" if rows else "", *map(_table, tables)]
    return f"<div>{''.join(parts)}{f'<p>{_word(note)}</p>' if note else ''}</div>"


def listed(names: Sequence[str]) -> str:
    """Names after one another, the first ones only if there are many; "none" if there are none."""
    rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return (", ".join(names[:MOST_NAMES]) or "none") + rest


def _table(frame: pd.DataFrame) -> str:
    head = "".join(f'<th scope="col">{_word(name)}</th>' for name in frame.columns)
    rows = ("".join(f"<td>{_word(value)}</td>" for value in row) for row in frame.head(MOST_ROWS).itertuples(index=False, name=None))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    more = f"<p>{len(frame) - MOST_ROWS} more rows.</p>" if len(frame) > MOST_ROWS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _word(value: object) -> str:
    return escape(f"{value:.3g}" if isinstance(value, float) else str(value))
