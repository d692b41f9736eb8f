"""Tables from outside: cells are text until a column's meaning is known."""

from __future__ import annotations

import csv
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadData
from .scheme import MISSING

if TYPE_CHECKING:
    import pandas as pd

MAX_TABLE_BYTES = 256 << 20
MAX_HEADER = 1 << 20


def read_table(path: Path) -> pd.DataFrame:
    """A .csv or .tsv table, every cell as stripped text, column names stripped.

    UTF-8, else Latin-1 (ABIDE's tables). Raises `BadData` for a file that is no table.
    """
    import pandas as pd

    if not path.is_file():
        raise BadData(f"{path}: no such table", "give the participants table with --participants FILE")
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise BadData(f"{path}: {path.stat().st_size >> 20} MiB is too much for a participants table")
    raw = path.read_bytes()
    try:
        text, encoding = raw.decode("utf-8-sig"), "utf-8-sig"
    except UnicodeDecodeError:
        text, encoding = raw.decode("latin1"), "latin1"
    try:
        table = pd.read_csv(
            path,
            sep=_separator(text.partition("\n")[0], path),
            encoding=encoding,
            dtype=str,
            keep_default_na=False,
            quoting=csv.QUOTE_MINIMAL,
        )
    except (ValueError, pd.errors.ParserError, csv.Error) as error:
        raise BadData(f"{path}: cannot be read as a table: {error}", "save it as .tsv or .csv") from None
    table = table.astype(object).fillna("")
    table.columns = [str(name).strip() for name in table.columns]
    return table.map(lambda cell: str(cell).strip())


def read_columns(path: Path) -> list[str]:
    """Column names of a table; nothing below its first line is read."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        header = file.readline(MAX_HEADER).rstrip("\r\n")
    return [name.strip() for name in next(csv.reader([header], delimiter=_separator(header, path)), [])]


def _separator(header: str, path: Path) -> str:
    """The separator that cuts the header into the most columns; by the file's ending in a tie."""
    preferred = "\t" if path.suffix == ".tsv" else ","
    return max((preferred, "\t", ",", ";"), key=header.count)


def is_missing(cell: str) -> bool:
    """Whether a cell says that the value is not known."""
    return cell.strip().lower() in MISSING


def find_column(columns: Iterable[Hashable], names: tuple[str, ...]) -> str | None:
    """The first of these names among the columns of a table; case and blanks at the ends do not matter."""
    have = {str(column).strip().lower(): str(column) for column in reversed(list(columns))}
    return next((have[name.lower()] for name in names if name.lower() in have), None)
