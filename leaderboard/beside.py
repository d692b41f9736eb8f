"""Tables that stand under a board's own: rescored rows, oracles, parts, controls, published numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from ..benchmark.record import ScorePart
from ..benchmark.withdrawing import Tombstone
from .board import Board, Line
from .fields import (
    Field,
    filled,
    headline_field,
    higher_is_better,
    method_field,
    metric_fields,
    metrics_of,
    number_cell,
    p_fields,
    rank_field,
    record_field,
    status_fields,
)
from .floors import why_floor
from .published import Published
from .table import Cell, Column, Row, Table
from .wording import labeller, short

CONTROLS_TITLE = "Controls: made from the graph that scores, or from the order of the file; not methods, not ranked"
SEEN_CONTROLS_TITLE = "Controls: made from what was seen itself; not methods, not ranked"
RESCORED_TITLE = "Rescored: somebody's predictions, our metrics; ranked among themselves, not run here"
ORACLES_TITLE = "Oracles: they see what methods do not, such as other people's responses; not ranked"
REPORTED_TITLE = "Reported: aggregates that a lab told, which nobody outside can score again; not ranked"
WITHDRAWN_TITLE = "Withdrawn: what stood here and is gone"
WITHDRAWN_ALONE_TITLE = "Withdrawn from tasks on which nothing else stands"
PUBLISHED_TITLE = "Published: printed by the papers on their own splits; not ranked, not run here"
YARDSTICKS_TITLE = "What scores are read against: no methods, not ranked"

GONE = (
    Column("method", "method"),
    Column("withdrawn", "withdrawn"),
    Column("what", "asked for"),
    Column("reason", "reason"),
)
"""Columns of what was withdrawn."""

Yardstick = tuple[str, str, dict[str, float]]
"""What it is, a note on it, and metric -> score."""


def tables_beside(board: Board, ids: bool) -> Iterator[Table]:
    """The tables below the reproduced rows, those that have rows, in the order in which they are printed."""
    for table in (
        yardsticks(board),
        rescored(board, ids),
        reported(board, ids),
        oracles(board, ids),
        parts(board),
        controls(board),
        published(board),
        withdrawn(board),
    ):
        if table.rows:
            yield table


def yardsticks(board: Board) -> Table:
    """Chance, the best floor, and the best attainable, in the columns of the metrics."""
    columns = (Column("yardstick", "read against"), *metric_columns(board))
    made = [("chance", "", chances(board)), *best_floor(board), *ceilings(board)]
    rows = tuple(
        Row((Cell(label, note=note), *(number_cell(values.get(column.name)) for column in columns[1:])))
        for label, note, values in made
        if values
    )
    return Table("yardsticks", YARDSTICKS_TITLE, columns, rows, quiet=True)


def best_floor(board: Board) -> Iterator[Yardstick]:
    """The best ranked row of a method that does not read what is asked about."""
    floors = (line for line in board.lines if line.rank is not None and why_floor(line.record.method.name))
    for line in islice(floors, 1):
        values = {name: score.value for name, score in line.record.scores.items() if score.value is not None}
        yield f"best floor: {labeller(board)(line.record)}", why_floor(line.record.method.name), values


def ceilings(board: Board) -> Iterator[Yardstick]:
    """The best attainable on a twin; with covariates, and at the size of its training set, where known."""
    ceiling = board.first.ceiling
    if ceiling is None:
        return
    yield "best attainable", ceiling.note, {ceiling.metric: ceiling.value}
    if ceiling.with_covariates is not None:
        yield "the same with covariates", "", {ceiling.metric: ceiling.with_covariates}
    if ceiling.at_training_size is not None:
        learned = f"its weights are learned from {ceiling.training_size}"
        yield "the same at the training size", learned, {ceiling.metric: ceiling.at_training_size}


def chances(board: Board) -> dict[str, float]:
    """Chance level of each metric that has one."""
    found: dict[str, float] = {}
    for line in board.every:
        for name, score in line.record.scores.items():
            if score.chance is not None:
                found.setdefault(name, score.chance)
    return found


def metric_columns(board: Board) -> tuple[Column, ...]:
    """Every metric of a board as a column without marks, the headline first."""
    return tuple(
        Column(name, short(board, name), sort="number", leaves=10 + min(place, 80) if place else 0)
        for place, name in enumerate(metrics_of(board))
    )


def rescored(board: Board, ids: bool) -> Table:
    """Predictions that were made elsewhere, ranked among themselves."""
    fields = [
        rank_field(),
        method_field(board, "predictions of"),
        headline_field(board),
        *p_fields(board.rescored),
        *metric_fields(board, metrics_of(board)[1:]),
        *status_fields(board.rescored),
        Field(Column("known", "known of how they were made"), known_cell),
        *((record_field(),) if ids else ()),
    ]
    return filled("rescored", RESCORED_TITLE, fields, board.rescored)


def reported(board: Board, ids: bool) -> Table:
    """Aggregates from labs whose data may not leave them."""
    fields = [
        method_field(board),
        headline_field(board),
        *metric_fields(board, metrics_of(board)[1:]),
        *status_fields(board.reported),
        *((record_field(),) if ids else ()),
    ]
    return filled("reported", REPORTED_TITLE, fields, board.reported)


def withdrawn(board: Board) -> Table:
    """What is left of withdrawn records."""
    rows = tuple(Row(_gone(one), record=one.id) for one in board.withdrawn)
    return Table("withdrawn", WITHDRAWN_TITLE, GONE, rows, quiet=True)


def withdrawn_alone(left: Iterable[Tombstone]) -> Table:
    """What is left of withdrawn records where no other record of their task and data stands."""
    rows = tuple(Row((Cell(one.task), Cell(one.data), *_gone(one))) for one in left)
    columns = (Column("task", "task"), Column("data", "data"), *GONE)
    return Table("withdrawn", WITHDRAWN_ALONE_TITLE, columns, rows, quiet=True)


def _gone(one: Tombstone) -> tuple[Cell, ...]:
    return Cell(one.method), Cell(one.withdrawn), Cell(f"this {one.what}"), Cell(one.reason or "not told")


def known_cell(line: Line) -> Cell:
    """What is known of how predictions were made."""
    return Cell(str(line.record.card.get("notes") or "nothing"))


def oracles(board: Board, ids: bool) -> Table:
    """Rows of regimes that show their methods more than this task does."""

    def regime(line: Line) -> Cell:
        name = line.record.task.name
        return Cell(name.partition("@")[2], link=f"task:{name}")

    fields = [
        Field(Column("regime", "regime"), regime),
        method_field(board),
        headline_field(board),
        *metric_fields(board, metrics_of(board)[1:]),
        *((record_field(),) if ids else ()),
    ]
    return filled("oracles", ORACLES_TITLE, fields, board.oracles, quiet=True)


def parts(board: Board) -> Table:
    """The headline of every row on each part, such as a brain; no row where there is one part only."""
    scores = [line.record.scores.get(board.headline) for line in board.every]
    names = sorted({part for score in scores if score for part in score.parts})
    better = higher_is_better(board, board.headline)
    columns = (
        Column("method", "method"),
        *(Column(name, name, sort="number", higher_is_better=better, leaves=10 + min(k, 80))
          for k, name in enumerate(names)),
    )  # fmt: skip
    named = labeller(board)
    rows = tuple(
        parts_row(named(line.record), line, names, score)
        for line, score in zip(board.every, scores, strict=True)
        if len(names) > 1 and score and score.parts
    )
    return Table("parts", f"{board.headline} of each part", columns, rows)


def parts_row(name: str, line: Line, names: list[str], score: ScorePart) -> Row:
    """A row of the table of parts."""
    method = Cell(name, link=f"method:{line.record.method.name}")
    return Row((method, *(number_cell(score.parts.get(name)) for name in names)), record=line.record.id)


def controls(board: Board) -> Table:
    """What predictions made from the truth itself would score."""
    found = next((line.record.controls for line in board.every if line.record.controls), {})
    names = metrics_of(board)
    rows = tuple(
        Row((Cell(label), *(number_cell(scores.get(name)) for name in names))) for label, scores in found.items()
    )
    title = CONTROLS_TITLE if board.first.task.kind == "connectivity" else SEEN_CONTROLS_TITLE
    return Table("controls", title, (Column("control", "control"), *metric_columns(board)), rows, quiet=True)


def published(board: Board) -> Table:
    """Rows of papers: source, method, the metrics that they print, and what to know of them."""
    names = [name for name in board.first.task.metrics if any(name in row.values for row in board.published)]
    told = any(row.notes for row in board.published)
    columns = (
        Column("source", "source"),
        Column("method", "method"),
        *(Column(name, name, sort="number", leaves=10 + min(place, 80) if place else 0)
          for place, name in enumerate(names)),
        *((Column("caveats", "caveats"),) if told else ()),
    )  # fmt: skip
    rows = tuple(published_row(row, names, told) for row in board.published)
    return Table("published", PUBLISHED_TITLE, columns, rows)


def published_row(row: Published, names: list[str], told: bool) -> Row:
    """A row of a paper; after ± stands what the paper prints there, mostly a standard deviation over runs."""
    values = (paper_cell(row.values.get(name)) for name in names)
    caveats = (Cell("; ".join(row.notes)),) if told else ()
    return Row((Cell(f"{row.source} {row.table}"), Cell(row.method), *values, *caveats))


def paper_cell(value: tuple[float, float | None] | None) -> Cell:
    """A printed mean, with its deviation where there is one."""
    if value is None:
        return Cell("-")
    mean, sd = value
    return Cell(f"{mean:.3f}" if sd is None else f"{mean:.3f} ± {sd:.3f}", value=mean)
