"""Tables as the templates draw them: links resolved, notes lettered, intervals placed. Nothing is computed here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..table import Cell, Column, Row, Sheet, Table
from .plot import Axis, Strip, strip

Href = Callable[[str], str]
"""From a cell's link to the address of its page, "" for none."""

FILTERED = 8
"""Rows from which a table can be filtered."""

LONG = 36
"""Characters of a text from which it may break into lines."""

HINT = 80
"""Characters of a note that can be a hint; what is longer, such as an audit's findings, has tables of its own."""

SORTED = 2
"""Rows from which a table can be sorted."""


class CellView(NamedTuple):
    """A cell, in the order in which the template unpacks it: reading fields by name would take most of its time.

    Attributes
    ----------
    head
        Whether it names its row.
    look
        Classes: "n" for a number, then "best" or "second"; "long" for a text that may break.
    value
        What it sorts by, "" for what stands last or sorts by its text.
    hint
        A note that needs no place of its own.
    text, after
        What is printed, and its interval, in a lighter ink.
    href
        Address of the page that it leads to, from the root of the site.
    mark
        Letter of its footnote.
    drawn, strip
        Whether a strip follows, and the strip.
    """

    head: bool
    look: str
    value: str
    hint: str
    text: str
    after: str
    href: str
    mark: str
    drawn: bool
    strip: Strip | None


class RowView(NamedTuple):
    """A row: its cells, whether it is the best or not separated from it, its record's address, and its name."""

    cells: tuple[CellView, ...]
    tied: bool
    record: str
    label: str


@dataclass(frozen=True, slots=True)
class TableView:
    """A table for a template.

    Attributes
    ----------
    columns
        Those of the table; ``head`` is the index of the one that names a row.
    drawn
        Index of the column after whose cells a strip is drawn, or None.
    records
        Whether a last column leads to the records of the rows.
    tied
        Whether rows are not separated from the best.
    footnotes
        Letter and text of each note on why something is missing. What other notes say stands on the pages
        of the records too, so that a hint is enough.
    """

    id: str
    title: str
    columns: tuple[Column, ...]
    head: int
    rows: tuple[RowView, ...]
    notes: tuple[str, ...]
    footnotes: tuple[tuple[str, str], ...]
    quiet: bool
    drawn: int | None
    axis: Axis | None
    records: bool
    tied: bool

    @property
    def sortable(self) -> bool:
        """Whether sorting its rows makes sense."""
        return len(self.rows) >= SORTED

    @property
    def filtered(self) -> bool:
        """Whether it has so many rows that a reader wants to filter them."""
        return len(self.rows) >= FILTERED

    @property
    def explained(self) -> list[Column]:
        """Columns with something to say of them."""
        return [column for column in self.columns if column.note]

    @property
    def intervals(self) -> bool:
        """Whether an interval is drawn in it."""
        drawn = self.drawn
        return drawn is not None and any((mark := row.cells[drawn].strip) and mark.low is not None for row in self.rows)


def table_views(sheet: Sheet, href: Href, axis: Axis | None, prefix: str) -> list[TableView]:
    """The tables of a sheet that have rows; ``prefix`` keeps their ids apart on a page of several sheets."""
    return [
        table_view(table, href, axis, f"{prefix}-{number}") for number, table in enumerate(sheet.tables) if table.rows
    ]


def table_view(table: Table, href: Href, axis: Axis | None = None, name: str = "table") -> TableView:
    """A table for a template."""
    letters: dict[str, str] = {}
    names = [column.name for column in table.columns]
    drawn = names.index(axis.metric) if axis and axis.metric in names else None
    head = names.index("method") if "method" in names else _first_text(table.columns)
    rows = tuple(_row(row, table.columns, head, drawn, axis, href, letters) for row in table.rows)
    return TableView(
        id=name,
        title=table.title,
        columns=table.columns,
        head=head,
        rows=rows,
        notes=table.notes,
        footnotes=tuple((mark, note) for note, mark in letters.items()),
        quiet=table.quiet,
        drawn=drawn,
        axis=axis if drawn is not None else None,
        records=any(row.record for row in rows) and "record" not in names,
        tied=any(row.tied for row in table.rows),
    )


def _first_text(columns: Sequence[Column]) -> int:
    return next((k for k, column in enumerate(columns) if column.sort == "text"), 0)


def _row(
    row: Row,
    columns: Sequence[Column],
    head: int,
    drawn: int | None,
    axis: Axis | None,
    href: Href,
    letters: dict[str, str],
) -> RowView:
    cells = tuple(
        _cell(cell, columns[k], k == head, axis if k == drawn else None, href, letters)
        for k, cell in enumerate(row.cells)
    )
    return RowView(
        cells, row.tied or row.rank == 1, href(f"record:{row.record}") if row.record else "", row.cells[head].text
    )


def _cell(cell: Cell, column: Column, head: bool, axis: Axis | None, href: Href, letters: dict[str, str]) -> CellView:
    text, after = cell.text, ""
    if cell.low is not None and text.endswith("]"):
        text, bracket, rest = text.partition(" [")
        after = f"{bracket}{rest}".strip()
    number = column.sort == "number"
    below = bool(cell.note) and (column.name == "status" or (number and cell.value is None))
    return CellView(
        head=head,
        look=f"n {cell.best}".rstrip() if number else "long" if len(text) > LONG else "",
        value=_key(cell) if number else "",
        hint=cell.note if not below and len(cell.note) <= HINT else "",
        text="–" if text == "-" else text,
        after=after,
        href=href(cell.link) if cell.link else "",
        mark=_mark(cell.note, letters) if below else "",
        drawn=axis is not None,
        strip=strip(axis, cell) if axis else None,
    )


def _mark(note: str, letters: dict[str, str]) -> str:
    """The letter of a note: that of one which says the same, with or without a word before a colon, or the next."""
    said = next((mark for known, mark in letters.items() if f": {known}".endswith(f": {note}")
                 or note.endswith(f": {known}")), "")  # fmt: skip
    return said or letters.setdefault(note, letter(len(letters)))


def _key(cell: Cell) -> str:
    """What a column of numbers is sorted by; "" stands last."""
    if cell.value is None or not math.isfinite(cell.value):
        return ""
    return f"{cell.value:.7g}"


def letter(number: int) -> str:
    """``a`` to ``z``, then ``aa``."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("a") + rest) + text
    return text


def columns(*named: tuple[str, str] | tuple[str, str, str]) -> tuple[Column, ...]:
    """Columns from their names and titles; a third item "number" makes one of numbers."""
    return tuple(Column(part[0], part[1], sort="number" if len(part) == 3 else "text") for part in named)


def number_cell(value: float | None, form: str = ".3f", link: str = "", note: str = "") -> Cell:
    """A cell of a number, or of a dash."""
    return Cell("–" if value is None else format(value, form), value=value, link=link, note=note)


def pairs(*items: tuple[str, object]) -> Iterator[tuple[str, str]]:
    """Terms and descriptions of a list of facts, without those that say nothing."""
    for term, told in items:
        if told not in (None, "", (), [], {}):
            yield term, str(told)
