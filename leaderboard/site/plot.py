"""The interval plot of a table: one strip a row, on an axis that all tables of a sheet share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..table import Cell, Sheet, Table

WIDTH, MARGIN = 190, 8
"""Width of a strip, as in the style sheet, and what is left free at its ends, in pixels."""

TICKS = 4
"""Intervals between the ticks of an axis, about."""


@dataclass(frozen=True)
class Level:
    """A line across all strips: chance, or the best attainable."""

    name: str
    value: float
    at: float


@dataclass(frozen=True)
class Axis:
    """An axis in the units of a metric.

    Attributes
    ----------
    metric
        Name of the column that is drawn.
    low, high
        Its ends.
    ticks
        Label and position of each tick, in pixels.
    levels
        Lines across.
    """

    metric: str
    low: float
    high: float
    ticks: tuple[tuple[str, float], ...]
    levels: tuple[Level, ...]

    def at(self, value: float) -> float:
        """Position of a value in pixels, kept inside the strip."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(MARGIN + share * (WIDTH - 2 * MARGIN), 1)


@dataclass(frozen=True)
class Strip:
    """A row's mark: a point, and a line where there is an interval (all in pixels)."""

    at: float
    low: float | None
    high: float | None


def drawn_column(table: Table) -> int | None:
    """The column whose intervals are drawn: the first of scores in which a cell has one."""
    for k, column in enumerate(table.columns):
        if column.higher_is_better is not None and any(_has_interval(row.cells[k]) for row in table.rows):
            return k
    return None


def _has_interval(cell: Cell) -> bool:
    return _finite(cell.value) and _finite(cell.low) and _finite(cell.high)


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def sheet_axis(sheet: Sheet, levels: Callable[[str], Sequence[tuple[str, float]]]) -> Axis | None:
    """The axis of a sheet: over its first column of intervals, in all tables that have it; None without intervals.

    ``levels`` gives the names and values of the lines across, for a metric.
    """
    found = ((table, drawn_column(table)) for table in sheet.tables)
    first = next(((table, k) for table, k in found if k is not None), None)
    if first is None:
        return None
    metric = first[0].columns[first[1]].name
    cells = [cell for table in sheet.tables for cell in column_cells(table, metric)]
    values = [value for cell in cells for value in (cell.value, cell.low, cell.high)]
    return make_axis(metric, values, levels(metric))


def column_cells(table: Table, name: str) -> Iterable[Cell]:
    """The cells of a named column; none where a table lacks it."""
    for k, column in enumerate(table.columns):
        if column.name == name:
            return [row.cells[k] for row in table.rows]
    return []


def make_axis(metric: str, values: Iterable[float | None], levels: Sequence[tuple[str, float]]) -> Axis | None:
    """An axis over the finite ones of the values and levels; None where there is no value."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return None
    lines = [(name, value) for name, value in levels if math.isfinite(value)]
    low = min([*known, *(value for _, value in lines)])
    high = max([*known, *(value for _, value in lines)])
    if high - low < 1e-9 * max(abs(high), 1):
        low, high = low - 0.5 * max(abs(low), 1), high + 0.5 * max(abs(high), 1)
    step = nice_step((high - low) / TICKS)
    bare = Axis(metric, low, high, (), ())
    marks = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ticks = tuple((label(k * step, step), bare.at(k * step)) for k in marks)
    return Axis(metric, low, high, ticks, tuple(Level(name, value, bare.at(value)) for name, value in lines))


def nice_step(raw: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power: float = 10.0 ** math.floor(math.log10(raw))
    return next((k * power for k in (1, 2, 5) if k * power >= raw * (1 - 1e-9)), 10 * power)


def label(value: float, step: float) -> str:
    """A tick's label, with as many decimals as the step needs and no leading sign on zero."""
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    text = f"{value:.{decimals}f}" if abs(value) < 1e6 else f"{value:.0e}"
    return text.replace("-", "\N{MINUS SIGN}") if float(text) else text.lstrip("-")


def strip(axis: Axis, cell: Cell) -> Strip | None:
    """The mark of a cell; None where it has no value."""
    if cell.value is None or not math.isfinite(cell.value):
        return None
    if cell.low is None or cell.high is None or not _has_interval(cell):
        return Strip(axis.at(cell.value), None, None)
    return Strip(axis.at(cell.value), axis.at(cell.low), axis.at(cell.high))
