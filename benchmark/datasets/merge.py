"""Several tables about the same people as one: scores and restricted columns often come in files of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadData
from .cells import person, plain_session, some
from .scheme import Scheme
from .tables import find_column, is_missing, read_table

if TYPE_CHECKING:
    import pandas as pd

DESCRIBED = ("subjectkey", "src_subject_id", "interview_age")
"""Columns of the NIMH Data Archive; no value of theirs has a blank inside, the description of each has."""

Key = tuple[str, str]
"""A person, and the session or ""."""


def read_joined(paths: Sequence[Path], scheme: Scheme, columns: Mapping[str, str]) -> pd.DataFrame:
    """One table of all cells as text: the first file's rows, with cells and people that only later files have.

    Rows belong together by the person, and by the session where both files have one. Where two files
    fill one cell, the earlier file counts.

    Raises `BadData` for a table without ids, and for a later one with several rows about one person and session.
    """
    import pandas as pd

    first, *others = (_without_descriptions(read_table(path)) for path in paths)
    if not others:
        return first
    keys = _names(first, scheme, columns, paths[0])
    rows = [{str(name): str(cell) for name, cell in row.items()} for row in first.to_dict("records")]
    for path, table in zip(paths[1:], others, strict=True):
        _add(rows, keys, table, _names(table, scheme, columns, path), path)
    return pd.DataFrame(rows, dtype=object).fillna("")


def _without_descriptions(table: pd.DataFrame) -> pd.DataFrame:
    """A table of the NIMH Data Archive without the row that describes its columns, below the header."""
    described = [column for name in DESCRIBED if (column := find_column(table, (name,)))]
    if len(table) and any(" " in str(table[column].iloc[0]) for column in described):
        return table.iloc[1:].reset_index(drop=True)
    return table


def _names(table: pd.DataFrame, scheme: Scheme, columns: Mapping[str, str], path: Path) -> tuple[str, str | None]:
    """The columns of the person and, if there is one, of the session. Raises `BadData`."""
    own = (columns["subject"],) if "subject" in columns else ()
    subject = find_column(table, (*own, *scheme.subject_keys))
    if subject is None:
        raise BadData(
            f"{path.name}: no column with the subjects' ids, such as {' or '.join(scheme.subject_keys[:3])}; it has: "
            f"{some(table.columns, 40)}",
            "tables are joined by the subject's id; name its column:  --column subject=COLUMN",
        )
    session = (columns["session"],) if "session" in columns else scheme.columns.get("session", ())
    return subject, find_column(table, session)


def _add(
    rows: list[dict[str, str]],
    keys: tuple[str, str | None],
    table: pd.DataFrame,
    own: tuple[str, str | None],
    path: Path,
) -> None:
    """Fill rows from another table, and append the people that they lack."""
    subject, session = keys[0], keys[1] if own[1] else None
    index: dict[Key, list[dict[str, str]]] = {}
    for row in rows:
        index.setdefault(_key(row, subject, session), []).append(row)
    seen: dict[Key, dict[str, str]] = {}
    for record in table.to_dict("records"):
        cells = {str(name): str(cell) for name, cell in record.items()}
        key = _key(cells, own[0], own[1] if session else None)
        if is_missing(key[0]):
            continue
        if seen.setdefault(key, cells) != cells:
            raise BadData(
                f"{path.name}: several rows about {key[0]}{f' in session {key[1]}' if key[1] else ''}",
                "tables can be joined where each has one row a person (and session); give this one first, or thin it",
            )
        if key not in index:
            index[key] = [{subject: cells[own[0]]}]
            rows.extend(index[key])
        for row in index[key]:
            row.update({name: cell for name, cell in cells.items() if is_missing(row.get(name, ""))})


def _key(row: Mapping[str, str], subject: str, session: str | None) -> Key:
    return person(row.get(subject, "")), plain_session(row.get(session, "")) if session else ""
