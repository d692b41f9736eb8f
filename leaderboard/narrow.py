"""Tables where there is little room: whole columns are left out, so that what is shown can be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

from .table import Column, Row, Table

BORDERS = 3
"""What a column of a terminal costs besides its text: two spaces and a line."""

PROSE = 32
"""Cells of text longer than this are sentences."""

NAME = 30
"""Names of methods up to this long are not broken either, so that a row takes one line."""


@dataclass(frozen=True)
class Fitted:
    """A table without the columns that there is no room for.

    Attributes
    ----------
    widths
        Of columns by their place, where not all have what they want.
    lost
        The columns that were left out.
    """

    table: Table
    widths: Mapping[int, int]
    lost: tuple[Column, ...]


def fitted(table: Table, room: int) -> Fitted:
    """A table for so many characters: columns leave in their order, and the rest share what there is.

    What stays breaks between words of its title or of text, never inside a number, as long as all others together
    have room.
    """
    seen = [list(texts(table, place)) for place in range(len(table.columns))]
    least = [narrowest(column, found) for column, found in zip(table.columns, seen, strict=True)]
    kept = list(range(len(table.columns)))
    for place in sorted((k for k in kept if table.columns[k].leaves), key=lambda k: -table.columns[k].leaves):
        if total([least[k] for k in kept]) <= room:
            break
        kept.remove(place)
    widths = shared([least[k] for k in kept], [max(map(cell_len, seen[k])) for k in kept], room)
    lost = tuple(column for place, column in enumerate(table.columns) if place not in kept)
    return Fitted(only(table, kept), dict(enumerate(widths)), lost)


def texts(table: Table, place: int) -> Iterator[str]:
    """A column's title, then its cells."""
    yield table.columns[place].title
    for row in table.rows:
        yield row.cells[place].text


def only(table: Table, kept: Sequence[int]) -> Table:
    """A table with some of its columns."""
    rows: tuple[Row, ...] = tuple(replace(row, cells=tuple(row.cells[k] for k in kept)) for row in table.rows)
    return replace(table, columns=tuple(table.columns[k] for k in kept), rows=rows)


def full_title(column: Column) -> str:
    """A column's title, where it stands apart from its table: ``METRIC:PART`` for ``:PART``."""
    return column.name if column.title.startswith(":") else column.title


def narrowest(column: Column, found: Sequence[str]) -> int:
    """Fewest characters of a column, its title first: the longest word or, where cells do not break, cell."""
    title, *cells = found
    name = column.name == "method" and max(map(cell_len, cells), default=0) <= NAME
    broken = column.sort == "text" and column.name not in ("record", "audit") and not name
    words = title.split() + [part for cell in cells for part in (cell.split() if broken else [cell])]
    return max(map(cell_len, words), default=1)


def total(widths: Sequence[int]) -> int:
    """Characters of a table with columns of these widths."""
    return sum(width + BORDERS for width in widths) + 1


def shared(least: Sequence[int], most: Sequence[int], room: int) -> list[int]:
    """The width of each column where not all have what they want: the rest of the room goes to the first ones.

    Empty where there is room for all, or not even for the least.
    """
    rest = room - total(least)
    if rest < 0 or total(most) <= room:
        return []
    widths = []
    for low, high in zip(least, most, strict=True):
        more = min(rest, high - low)
        widths.append(low + more)
        rest -= more
    return widths


def is_prose(table: Table, place: int) -> bool:
    """Whether a column holds sentences, which stand below the table."""
    column = table.columns[place]
    text = column.sort == "text" and place > 1 and column.name not in ("method", "status")
    return text and any(len(row.cells[place].text) > PROSE for row in table.rows)


def prose(table: Table) -> Iterator[str]:
    """The sentences of columns that hold such, each once, after the rows that it is about."""
    name = next((place for place, column in enumerate(table.columns) if column.name == "method"), 0)
    for place in range(len(table.columns)):
        if not is_prose(table, place):
            continue
        about: dict[str, list[str]] = {}
        for row in table.rows:
            if row.cells[place].text:
                about.setdefault(row.cells[place].text, []).append(row.cells[name].text)
        yield from (f"{', '.join(dict.fromkeys(names))}: {text}." for text, names in about.items())


def prose_below(table: Table) -> Table:
    """The table with its sentences below it, as notes."""
    kept = [place for place in range(len(table.columns)) if not is_prose(table, place)]
    return replace(only(table, kept), notes=(*table.notes, *prose(table)))


def wanted(table: Table) -> int:
    """Characters of a table whose cells all stand on one line."""
    return total([max(map(cell_len, texts(table, place))) for place in range(len(table.columns))])
