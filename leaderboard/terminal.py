"""The terminal's face of a sheet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from .narrow import fitted, full_title, prose_below, wanted
from .table import Cell, Row, Sheet, Table
from .wording import printable

STYLES = {"best": "bold", "second": "underline", "": ""}


def to_terminal(sheet: Sheet, console: Console) -> None:
    """Print a sheet; columns that there is no room for are named below."""
    console.print(safe(sheet.title), style="bold", soft_wrap=False)
    lost: dict[str, None] = {}
    for table in sheet.tables:
        lost |= dict.fromkeys(print_table(table, console))
    for note in (*sheet.notes, *room_note(lost)):
        console.print(safe(note), style="dim")
    console.print()


def print_table(table: Table, console: Console) -> list[str]:
    """Print a table with its notes, and return the titles of the columns that there is no room for."""
    printed = clean(table)
    shown = fitted(printed if wanted(printed) <= console.width else prose_below(printed), console.width)
    grid = Grid(title=escape(shown.table.title) or None, title_justify="left")
    for place, column in enumerate(shown.table.columns):
        grid.add_column(escape(column.title), width=shown.widths.get(place))
    for row in shown.table.rows:
        grid.add_row(*map(styled, row.cells), style="dim" if table.quiet else None)
    console.print(grid)
    for note in shown.table.notes:
        console.print(safe(note), style="dim")
    return [full_title(column) for column in shown.lost]


def room_note(lost: dict[str, None]) -> Iterator[str]:
    """What the terminal left out."""
    if lost:
        yield f"No room here, but with --format markdown also: {', '.join(lost)}."


def clean(table: Table) -> Table:
    """A table whose texts hold no control character."""
    columns = tuple(replace(column, title=printable(column.title)) for column in table.columns)
    rows = tuple(Row(tuple(replace(cell, text=printable(cell.text)) for cell in row.cells)) for row in table.rows)
    return replace(table, title=printable(table.title), columns=columns, rows=rows)


def styled(cell: Cell) -> Text:
    """A cell as text without markup, the best bold and the second underlined."""
    return Text(cell.text, style=STYLES[cell.best])


def safe(text: str) -> str:
    """Text from outside for a terminal: no markup of rich's, and no control character but line breaks."""
    return escape(printable(text))
