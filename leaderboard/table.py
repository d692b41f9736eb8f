"""The one table model. Boards and suites become sheets of tables; every face draws them and computes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes
    ----------
    name
        Stable key, such as "rank", "method", a metric's name, or "fit-seconds".
    title, note
        What is printed above it, and a sentence on what it means ("" for nothing to say).
    sort
        Whether its cells sort as text or as numbers.
    higher_is_better
        None where neither is better.
    leaves
        When a narrow terminal has no room: 0 never leaves, of the others the highest number leaves first.
    """

    name: str
    title: str
    note: str = ""
    sort: Literal["text", "number"] = "text"
    higher_is_better: bool | None = None
    leaves: int = 0


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes
    ----------
    text
        What is printed, without any markup; it may hold text from outside.
    value, low, high
        The number behind it and its interval, in the column's units; None where there is none.
    best
        Whether it is the best or the second of its column, among the rows that rank.
    note
        A longer text, such as why it is missing.
    link
        What it leads to where a face has links: "task:NAME", "method:NAME" or "record:ID".
    """

    text: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    best: Literal["", "best", "second"] = ""
    note: str = ""
    link: str = ""


@dataclass(frozen=True)
class Row:
    """A row: its cells in the order of the columns, the record behind it, and its rank (None: not ranked).

    ``tied`` says that it is not separated from the best.
    """

    cells: tuple[Cell, ...]
    record: str = ""
    rank: int | None = None
    tied: bool = False


@dataclass(frozen=True)
class Table:
    """A table; ``quiet`` ones, such as controls, are printed dim. ``name`` is stable: "board", "rescored" ..."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    quiet: bool = False


@dataclass(frozen=True)
class Sheet:
    """What is printed of one board or suite: its title, its tables in order, and what a reader must know below."""

    name: str
    title: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
