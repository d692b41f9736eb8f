"""Builders of the one table model: a board, or the table of a suite, as a sheet."""

from __future__ import annotations

from collections.abc import Iterator

from .beside import tables_beside
from .board import Board
from .fields import (
    Field,
    aggregate_fields,
    cost_fields,
    filled,
    headline_field,
    marked,
    method_field,
    metric_fields,
    metrics_of,
    number_cell,
    rank_field,
    record_field,
    share_fields,
    spread_fields,
    status_fields,
)
from .notes import board_notes
from .suite import SuiteLine, SuiteTable
from .table import Cell, Column, Row, Sheet, Table
from .wording import counted, interval

BOARD_TITLE = "Reproduced: trained and scored here; ranked"


def board_sheet(board: Board, ids: bool = False) -> Sheet:
    """A board as a sheet; ``ids`` adds a column of record ids.

    Its tables, each only where it has rows: "board" (reproduced rows), "yardsticks", "rescored", "oracles",
    "parts", "controls", "published".
    """
    tables = (filled("board", BOARD_TITLE, board_fields(board, ids), board.lines), *tables_beside(board, ids))
    return Sheet(
        board.first.task.name, board_title(board), tuple(t for t in tables if t.rows), tuple(board_notes(board))
    )


def board_title(board: Board) -> str:
    """Task, data and split in one line."""
    record = board.first
    data = record.data
    what = {"real": "real data", "twin": "SIMULATED twin"}.get(data.origin, data.origin)
    if data.reference:
        what += ", agreement with a reference"
    split = record.split.rule.partition(" ")[0]
    people = counted(data.subjects, "subject")
    told = [f"{counted(data.items, 'item')} of {people}", split] if split != "together" else []
    return f"{record.task.name} (version {record.task.version}) on {data.name}: {what}, {', '.join(told) or people}"


def board_fields(board: Board, ids: bool) -> list[Field]:
    """The columns of the reproduced rows."""
    return [
        rank_field(),
        method_field(board),
        headline_field(board),
        *spread_fields(board),
        *aggregate_fields(board),
        *share_fields(board),
        *metric_fields(board, metrics_of(board)[1:]),
        *cost_fields(),
        *status_fields(),
        *((record_field(),) if ids else ()),
    ]


def suite_sheet(table: SuiteTable) -> Sheet:
    """The table of a suite as a sheet with one table, "suite"."""
    columns = (Column("method", "method"), *suite_columns(table))
    rows = tuple(
        Row((Cell(line.label), *suite_cells(table, line)), rank=None if not table.complete(line) else 0)
        for line in table.lines
    )
    made = marked(Table("suite", "", columns, rows))
    return Sheet(table.name, suite_title(table), (made,), tuple(suite_notes(table)))


def suite_title(table: SuiteTable) -> str:
    """Suite, source, and what its means average."""
    what = {"real": "real data", "twin": "SIMULATED twins"}.get(table.origin, table.origin)
    if not table.averaged:
        return f"suite {table.name}: {what}, headlines of {len(table.tasks)} tasks"
    graphs = f"which hold {table.truths} distinct true graphs"
    return f"suite {table.name}: {what}, mean over {len(table.tasks)} tasks, {graphs}"


def suite_columns(table: SuiteTable) -> Iterator[Column]:
    """Columns beside the method: ranks and headlines, or means of the metrics; then seconds."""
    if table.averaged:
        yield Column("tasks", "tasks", "tasks with a score, of those that any row has", "number")
        for place, name in enumerate(table.metrics):
            better = table.higher_is_better.get(name)
            yield Column(name, name, sort="number", higher_is_better=better, leaves=10 + min(place, 80) if place else 0)
    else:
        yield Column("mean-rank", "mean rank", "over the tasks, among rows that have them all", "number")
        for place, task in enumerate(table.tasks):
            found = (line.headlines.get(task) for line in table.lines)
            better = next((score.higher_is_better for score in found if score), None)
            yield Column(task, task, sort="number", higher_is_better=better, leaves=10 + min(place, 80))
    yield Column("seconds", "fit + predict s", "all tasks", "number", leaves=5)


def suite_cells(table: SuiteTable, line: SuiteLine) -> Iterator[Cell]:
    """The cells of a suite's row, beside the method."""
    if table.averaged:
        count = f"{len(line.tasks)}/{len(table.tasks)}{'*' if line.fewer else ''}"
        yield Cell(count, value=len(line.tasks))
        yield from (number_cell(line.scores[name]) for name in table.metrics)
    else:
        yield Cell("-" if line.rank is None else f"{line.rank:.1f}", value=line.rank)
        for task in table.tasks:
            score = line.headlines.get(task)
            if score is None or score.value is None:
                yield Cell("-", note=f"no complete record of {task}")
            else:
                yield Cell(interval(score), value=score.value, low=score.low, high=score.high)
    yield Cell(f"{line.seconds:.1f}", value=line.seconds)


def suite_notes(table: SuiteTable) -> Iterator[str]:
    """What a reader must know of the means."""
    if not table.averaged:
        yield "Ranks are means over the tasks, among rows that have them all; scores are never averaged."
    elif any(not table.complete(line) for line in table.lines):
        yield "Only rows with the same tasks compare; rows with fewer tasks stand last."
    for line in table.lines:
        if line.fewer:
            few = ", ".join(f"{task} on {count} subjects" for task, count in line.fewer.items())
            yield f"* {line.label}: {few}."
    if table.missing:
        yield f"Missing, without any record: {', '.join(table.missing)}."
