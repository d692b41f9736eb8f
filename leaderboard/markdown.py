"""The Markdown face of a sheet, as GitHub prints it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tabulate import tabulate

from .table import Cell, Sheet, Table
from .wording import printable

SPECIAL = re.compile(r"[\\|`*]|<(?=[a-zA-Z/!?])|(?<=\])[(\[:]|(?<![^\W_])_|_(?![^\W_])|~(?=~)|&(?=#?\w+;)")
"""What would be markup: cell borders, code, emphasis, HTML, entities, links."""

ENTITIES = {"<": "&lt;", "&": "&amp;"}

MARKS = {"best": "**", "second": "_", "": ""}


def to_markdown(sheet: Sheet, level: int = 3) -> str:
    """A sheet under a heading of a level: its tables, then its notes."""
    parts = [f"{'#' * level} {escape_markdown(sheet.title)}"]
    for table in sheet.tables:
        parts += table_parts(table)
    notes = [*sheet.notes, *marks_note(sheet)]
    parts.append("\n".join(f"- {escape_markdown(note)}" for note in notes))
    return "\n\n".join(filter(None, parts)) + "\n"


def table_parts(table: Table) -> Iterator[str]:
    """A table's title, the table, and its notes."""
    if table.title:
        yield f"**{escape_markdown(table.title)}**"
    yield markdown_table(table)
    if table.notes:
        yield "\n".join(f"- {escape_markdown(note)}" for note in table.notes)


def markdown_table(table: Table) -> str:
    """The table alone."""
    heads = [escape_markdown(column.title) for column in table.columns]
    rows = [[marked_cell(cell) for cell in row.cells] for row in table.rows]
    return tabulate(rows, heads, tablefmt="github", disable_numparse=True)


def marked_cell(cell: Cell) -> str:
    """A cell, the best bold and the second in italics."""
    return f"{MARKS[cell.best]}{escape_markdown(cell.text)}{MARKS[cell.best]}"


def marks_note(sheet: Sheet) -> Iterator[str]:
    """What bold and italics say, where there are any."""
    if any(cell.best for table in sheet.tables for row in table.rows for cell in row.cells):
        yield "Bold and italics: the best and the second of the rows that rank."


def escape_markdown(text: str) -> str:
    """Text from outside, such as a method's name or reason, as text: no cell border, HTML, link or emphasis, one line.

    A web address alone is still made a link by GitHub, to where it says.
    """
    line = " ".join(printable(text).splitlines())
    return SPECIAL.sub(lambda found: ENTITIES.get(found[0]) or f"\\{found[0]}", line)
