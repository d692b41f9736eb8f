"""Builders of the one table model: a board, or the table of a suite, as a sheet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

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
    p_cell,
    p_fields,
    rank_field,
    record_field,
    share_fields,
    spread_fields,
    status_fields,
)
from .notes import board_notes
from .table import Cell, Column, Row, Sheet, Table
from .wording import counted, number, origin

if TYPE_CHECKING:
    from .suite import SuiteLine, SuiteTable

LISTED = 8
"""Tasks that a note names; of more it says the number."""

BOARD_TITLE = "Reproduced: trained and scored here; ranked"


def board_sheet(board: Board, ids: bool = False) -> Sheet:
    """A board as a sheet; ``ids`` adds a column of record ids.

    Its tables, each only where it has rows: "board" (reproduced rows), "yardsticks", "rescored", "reported",
    "oracles", "parts", "controls", "published", "withdrawn".
    """
    tables = (filled("board", BOARD_TITLE, board_fields(board, ids), board.lines), *tables_beside(board, ids))
    return Sheet(
        board.first.task.name, board_title(board), tuple(t for t in tables if t.rows), tuple(board_notes(board))
    )


def board_title(board: Board) -> str:
    """Task, data and split in one line."""
    record = board.first
    data = record.data
    what = origin(data.origin)
    if data.reference:
        what += ", agreement with a reference"
    split = record.split.rule.partition(" ")[0]
    people = counted(data.subjects, "subject")
    told = [f"{counted(data.items, 'item')} of {people}", split] if split != "together" else []
    by = f", ranked by {board.metric}" if board.metric else ""
    name = f"{record.task.name} (version {record.task.version})"
    return f"{name} on {data.name}: {what}, {', '.join(told) or people}{by}"


def board_fields(board: Board, ids: bool) -> list[Field]:
    """The columns of the reproduced rows."""
    return [
        rank_field(),
        method_field(board),
        headline_field(board),
        *p_fields(board.lines),
        *spread_fields(board),
        *aggregate_fields(board),
        *share_fields(board),
        *metric_fields(board, metrics_of(board)[1:]),
        *cost_fields(),
        *status_fields(board.lines),
        *((record_field(),) if ids else ()),
    ]


def suite_sheet(table: SuiteTable) -> Sheet:
    """The table of a suite as a sheet with one table, "suite"; rows with all the tasks are ranked."""
    columns = (Column("method", "method"), *suite_columns(table))
    ranked = [line.label for line in table.lines if table.complete(line)]
    rows = tuple(
        Row(
            (Cell(line.label), *suite_cells(table, line)),
            rank=ranked.index(line.label) + 1 if line.label in ranked else None,
            tied=bool(line.tied) and line.label != ranked[0],
        )
        for line in table.lines
    )
    made = marked(Table("suite", "", columns, rows))
    return Sheet(table.name, suite_title(table), (made,), tuple(suite_notes(table)))


def suite_title(table: SuiteTable) -> str:
    """Suite, source, and what its means average."""
    what = origin(table.origin) + ("s" if table.origin == "twin" else "")
    if not table.averaged:
        return f"suite {table.name}: {what}, headlines of {len(table.tasks)} tasks"
    graphs = f"which hold {table.truths} distinct true graphs"
    return f"suite {table.name}: {what}, mean over {len(table.tasks)} tasks, {graphs}"


def suite_columns(table: SuiteTable) -> Iterator[Column]:
    """Columns beside the method: ranks; headlines of the tasks, or means of the metrics; seconds."""
    if table.averaged:
        yield Column("tasks", "tasks", "tasks with a score, of those that any row has", "number")
    if table.critical:
        note = "over the tasks, of rows that have them all; =: not separated from the best by the critical difference"
        yield Column("mean-rank", "mean rank", note, "number", leaves=8 if table.averaged else 0)
        yield Column("p", "p", "of no difference to the best over the tasks", "number", leaves=9)
    titles = table.metrics if table.averaged else table.tasks
    for place, name in enumerate(titles):
        better = table.higher_is_better.get(name) if table.averaged else task_direction(table, name)
        leaves = 0 if table.averaged and not place else 10 + min(place, 80)
        yield Column(name, name, sort="number", higher_is_better=better, leaves=leaves)
    yield Column("seconds", "fit + predict s", "all tasks", "number", leaves=5)


def task_direction(table: SuiteTable, task: str) -> bool | None:
    """Which end of a task's headline is better."""
    found = (line.headlines.get(task) for line in table.lines)
    return next((score.higher_is_better for score in found if score), None)


def suite_cells(table: SuiteTable, line: SuiteLine) -> Iterator[Cell]:
    """The cells of a suite's row, beside the method."""
    if table.averaged:
        count = f"{len(line.tasks)}/{len(table.tasks)}{'*' if line.fewer else ''}"
        yield Cell(count, value=len(line.tasks))
    if table.critical:
        best = table.critical.labels[0] == line.label
        mark = "=" if line.tied and not best else ""
        yield Cell("-" if line.rank is None else f"{line.rank:.2f}{mark}", value=line.rank)
        yield Cell("-", note="the best itself" if best else "") if line.p is None else p_cell(line.p)
    if table.averaged:
        yield from (mean_cell(line, name) for name in table.metrics)
    else:
        yield from (headline_cell(line, task) for task in table.tasks)
    yield Cell(f"{line.seconds:.1f}", value=line.seconds)


def mean_cell(line: SuiteLine, metric: str) -> Cell:
    """A metric's mean over the tasks of a row."""
    value = line.scores.get(metric)
    return Cell("-", note=f"a task has no {metric}") if value is None else number_cell(value)


def headline_cell(line: SuiteLine, task: str) -> Cell:
    """The headline of a task of a row; its interval is on the task's board, and not printed here."""
    score = line.headlines.get(task)
    if score is None or score.value is None:
        return Cell("-", note=f"no complete record of {task}")
    return Cell(number(score.value), value=score.value, low=score.low, high=score.high)


def suite_notes(table: SuiteTable) -> Iterator[str]:
    """What a reader must know of the means."""
    if not table.averaged:
        yield "Ranks are means over the tasks, among rows that have them all; scores are never averaged."
    elif any(not table.complete(line) for line in table.lines):
        yield "Only rows with the same tasks compare; rows with fewer tasks stand last."
    yield from table.findings
    for line in table.lines:
        if line.fewer:
            few = ", ".join(f"{task} on {count} subjects" for task, count in line.fewer.items())
            yield f"* {line.label}: {few}."
    for line in table.lines:
        lacking = [task for task in table.tasks if task not in line.tasks]
        if lacking:
            listed = ", ".join(lacking) if len(lacking) <= LISTED else f"{len(lacking)} of {len(table.tasks)} tasks"
            yield f"{line.label} has no complete record of {listed}."
    if table.missing:
        yield f"Missing, without any record: {', '.join(table.missing)}."
