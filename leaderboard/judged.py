"""What language models said of answers: a table beside a board, never part of its ranking."""

from __future__ import annotations

from collections.abc import Iterator

from ..benchmark.judging import Opinion, opinions
from ..benchmark.record import ScorePart
from ..benchmark.store import Store
from .board import Board
from .table import Cell, Column, Row, Table
from .wording import interval, labeller

TITLE = "Judged by a language model: not ranked, and not comparable with the matcher's scores above"
COLUMNS = (
    Column("method", "method"),
    Column("judge", "judge"),
    Column("field-accuracy", "field accuracy", sort="number"),
    Column("all-fields-accuracy", "all fields right", sort="number"),
    Column("agreement", "agrees with the matcher", sort="number"),
    Column("void", "void", sort="number"),
    Column("unread", "not read", sort="number"),
)


def judged_table(board: Board, store: Store) -> Table | None:
    """A row for each record of a board and judge; None where nobody has judged."""
    if board.first.task.kind != "questions":
        return None
    named = labeller(board)
    rows = tuple(
        Row((Cell(named(line.record)), *_cells(opinion)), record=line.record.id)
        for line in board.lines
        for opinion in opinions(store, line.record)
    )
    return Table("judged", TITLE, COLUMNS, rows) if rows else None


def _cells(opinion: Opinion) -> Iterator[Cell]:
    judge = opinion.judge
    yield Cell(f"{judge.name} ({judge.version or 'version not told'}; {judge.where})")
    for name in ("field-accuracy", "all-fields-accuracy"):
        yield _shown(opinion.scores.get(f"judged-{name}"))
    yield Cell(f"{opinion.agreement:.1%}", value=opinion.agreement)
    yield Cell(str(opinion.void), value=opinion.void)
    yield Cell(str(opinion.unread), value=opinion.unread)


def _shown(score: ScorePart | None) -> Cell:
    if score is None:
        return Cell("-")
    return Cell(interval(score), value=score.value, low=score.low, high=score.high)
