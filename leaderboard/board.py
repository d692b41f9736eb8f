"""The table model: one board for each task, version, data and split. Every face draws from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..benchmark.record import Record
from .published import Published, published


@dataclass(frozen=True)
class Line:
    """A row: a record and its rank among those of its sort that may be ranked (None otherwise)."""

    record: Record
    rank: int | None


@dataclass(frozen=True)
class Board:
    """All rows that may stand in one table.

    Attributes
    ----------
    lines
        Reproduced rows, best first; unranked ones last.
    rescored
        Predictions that were made elsewhere, ranked among themselves in the same way.
    oracles
        Rows of a regime that sees what this task's methods do not; never ranked.
    superseded
        Number of older records of the same rows, which are left out.
    published
        Rows of papers; only where the data are real.
    published_elsewhere
        Number of published rows that a twin's table only points to.
    """

    lines: tuple[Line, ...]
    rescored: tuple[Line, ...]
    superseded: int
    published: tuple[Published, ...]
    published_elsewhere: int
    oracles: tuple[Line, ...] = ()

    @property
    def first(self) -> Record:
        """A record that stands for the board's task and data."""
        return self.every[0].record

    @property
    def every(self) -> tuple[Line, ...]:
        """Reproduced rows, then rescored ones."""
        return self.lines + self.rescored

    @property
    def identity(self) -> tuple[str, str, str]:
        """Task name, data fingerprint and split hash."""
        return self.first.task.name, self.first.data.fingerprint, self.first.split.hash

    @property
    def headline(self) -> str:
        """The metric that ranks."""
        return self.first.task.metrics[0]


def boards(records: Iterable[Record]) -> Iterator[Board]:
    """Boards over records. Versions, data, splits and sources are never ranked together."""
    groups: dict[tuple[object, ...], list[Record]] = defaultdict(list)
    for record in records:
        key = (
            record.task.family,
            record.task.name,
            record.task.version,
            record.data.origin,
            record.data.fingerprint,
            record.split.hash,
        )
        groups[key].append(record)
    made = [make_board(groups[name]) for name in sorted(groups, key=str)]
    for board in made:
        yield replace(board, oracles=tuple(line for other in made for line in other.lines if is_oracle(line, board)))


def is_oracle(line: Line, board: Board) -> bool:
    """Whether a row stands under a board without a rank: same data, from more than its methods see."""
    record, first = line.record, board.first
    asked = (record.task.oracle_of, record.task.version, record.data.origin, record.data.fingerprint)
    return asked == (first.task.name, first.task.version, first.data.origin, first.data.fingerprint)


def make_board(records: Sequence[Record]) -> Board:
    """One board: the newest record of each method and configuration, ranked by the headline metric."""
    newest: dict[str, Record] = {}
    for record in sorted(records, key=lambda record: record.environment.created):
        method = record.method
        newest[f"{method.ref} {method.options} {method.weights} {record.seeds}"] = record
    rescored = [record for record in newest.values() if record.row == "rescored"]
    names = max(records, key=lambda record: record.environment.created).task.published
    papers = published(*names) if names else []
    real = records[0].data.origin != "twin"
    return Board(
        lines=in_order([record for record in newest.values() if record.row != "rescored"]),
        rescored=in_order(rescored),
        superseded=len(records) - len(newest),
        published=tuple(papers) if real else (),
        published_elsewhere=0 if real else len(papers),
    )


def in_order(records: Sequence[Record]) -> tuple[Line, ...]:
    """Rows of one sort: ranked by the headline, then those that may not be ranked, by name."""
    ranked = sorted((record for record in records if may_rank(record)), key=_order)
    rest = sorted((record for record in records if not may_rank(record)), key=lambda record: record.method.name)
    return (*(Line(record, k + 1) for k, record in enumerate(ranked)), *(Line(record, None) for record in rest))


def may_rank(record: Record) -> bool:
    """Whether a record is complete, allowed to rank, and has a headline score."""
    score = record.scores.get(record.task.metrics[0])
    return record.ranked and score is not None and score.value is not None


def _order(record: Record) -> tuple[float, str]:
    score = record.scores[record.task.metrics[0]]
    assert score.value is not None
    return (-score.value if score.higher_is_better else score.value), record.method.name


def identity(record: Record) -> tuple[str, str, str]:
    """What rows of the same name share: the method, its control and its preset."""
    return record.method.ref, record.method.name, record.method.preset


def options_told(record: Record, others: Iterable[Record]) -> list[str]:
    """The preset, and the options and weights in which rows of the same method and preset differ."""
    mine = record.method
    same = [other.method for other in others if identity(other) == identity(record)]
    told = [mine.preset] if mine.preset else []
    for name, value in mine.options.items():
        if any(other.options.get(name) != value for other in same):
            told.append(f"{name}={value}")
    if any(other.weights != mine.weights for other in same):
        told.append(f"weights={mine.weights[:8] or None}")
    return told


def chosen(found: Iterable[Board], tasks: Sequence[str], family: str | None, data: str | None) -> Iterator[Board]:
    """Boards of some tasks, a family, or a source: real (public simulations too) or simulated here."""
    for board in found:
        record = board.first
        if tasks and record.task.name not in tasks:
            continue
        if family and record.task.family != family:
            continue
        if data and (record.data.origin != "twin") != (data == "real"):
            continue
        yield board
