"""Tables on a narrow terminal: whole columns are left out, so that what is shown can be read."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.markup import render
from rich.table import Table

BORDERS = 3
"""What a column costs besides its text: two spaces and a line."""

WRAPPED = ("method", "control", "predictions of", "status")
"""Columns whose cells may break between words."""


def fitted(
    table: Table, columns: Sequence[str], rows: Sequence[Sequence[str]], expendable: Sequence[str], console: Console
) -> list[str]:
    """Fill an empty table, and return the titles of the columns that the terminal has no room for.

    ``columns`` and ``rows`` hold markup; ``expendable`` are the titles that may go, first to go first. What stays
    breaks between words of its title, never inside a number, as long as all others together have room.
    """
    seen = [[plain(cell) for cell in (title, *(row[k] for row in rows))] for k, title in enumerate(columns)]
    least = [narrowest(texts) for texts in seen]
    kept = list(range(len(columns)))
    for title in expendable:
        if total(least, kept) <= console.width:
            break
        kept = [k for k in kept if columns[k] != title]
    widths = shared(least, [max(map(cell_len, texts)) for texts in seen], kept, console.width)
    for k in kept:
        table.add_column(columns[k], width=widths.get(k))
    for row in rows:
        table.add_row(*(row[k] for k in kept))
    return [columns[k] for k in range(len(columns)) if k not in kept]


def plain(text: str) -> str:
    """What markup shows."""
    return render(text).plain


def narrowest(texts: Sequence[str]) -> int:
    """Fewest characters of a column, given its title first: the longest word or, where cells do not break, cell."""
    title, *cells = texts
    words = title.split() + [part for cell in cells for part in (cell.split() if title in WRAPPED else [cell])]
    return max(map(cell_len, words), default=1)


def total(widths: Sequence[int], kept: Sequence[int]) -> int:
    """Characters of a table with these columns."""
    return sum(widths[k] + BORDERS for k in kept) + 1


def shared(least: Sequence[int], wanted: Sequence[int], kept: Sequence[int], room: int) -> dict[int, int]:
    """Column -> its width where not all have what they want: the rest of the room goes to the first ones.

    Empty where there is room for all, or not even for the least.
    """
    rest = room - total(least, kept)
    if rest < 0 or total(wanted, kept) <= room:
        return {}
    widths = {}
    for k in kept:
        more = min(rest, wanted[k] - least[k])
        widths[k], rest = least[k] + more, rest - more
    return widths
