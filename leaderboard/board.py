"""The table model: one board for each task, version, data and split. Every face draws from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..benchmark.cells import MethodSpec
from ..benchmark.draws import Draws
from ..benchmark.index import Place, place_of
from ..benchmark.record import Record
from .published import Published, published
from .standing import Entry, Standing, standings

if TYPE_CHECKING:
    from ..benchmark.store import Store
    from ..benchmark.withdrawing import Tombstone

GetDraws = Callable[[Record], Draws | None]
Wanted = Callable[[Place], bool]

APART = ("rescored", "reported")
"""Sorts of rows that stand in sections of their own."""


@dataclass(frozen=True)
class Line:
    """A row: a record and its rank among those of its sort that may be ranked (None otherwise).

    ``standing`` says how sure that rank is; None where it was not asked for, or the row is not ranked.
    """

    record: Record
    rank: int | None
    standing: Standing | None = None


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
    reported
        Aggregates that a lab told and nobody else can score again; by name, never ranked.
    withdrawn
        What is left of records that were withdrawn.
    metric
        The metric that ranks; "" for the task's headline.
    """

    lines: tuple[Line, ...]
    rescored: tuple[Line, ...]
    superseded: int
    published: tuple[Published, ...]
    published_elsewhere: int
    oracles: tuple[Line, ...] = ()
    reported: tuple[Line, ...] = ()
    withdrawn: tuple[Tombstone, ...] = ()
    metric: str = ""

    @property
    def first(self) -> Record:
        """A record that stands for the board's task and data."""
        return self.every[0].record

    @property
    def every(self) -> tuple[Line, ...]:
        """Reproduced rows, then rescored and reported ones."""
        return self.lines + self.rescored + self.reported

    @property
    def headline(self) -> str:
        """The metric that ranks."""
        return self.metric or self.first.task.metrics[0]


def boards(records: Iterable[Record], draws: GetDraws | None = None, metric: str = "") -> Iterator[Board]:
    """Boards over records. Versions, data, splits and sources are never ranked together.

    Parameters
    ----------
    draws
        Gives the resamples of a record (`Store.draws`); without it rows have no standing.
    metric
        Rank by this metric instead of each task's headline; tasks without it are left out.
    """
    groups: dict[Place, list[Record]] = defaultdict(list)
    for record in records:
        groups[place_of(record)].append(record)
    yield from boards_at(groups, groups.__getitem__, draws, metric)


def stored_boards(store: Store, draws: GetDraws | None, wanted: Wanted, metric: str = "") -> Iterator[Board]:
    """The boards at places of a store that are wanted, without reading the records of others."""
    names = by_place(store.places())
    yield from boards_at(names, lambda place: store.read_at(place, names[place]), draws, metric, wanted)


def boards_at(
    places: Collection[Place],
    read: Callable[[Place], Sequence[Record]],
    draws: GetDraws | None = None,
    metric: str = "",
    wanted: Wanted = bool,
) -> Iterator[Board]:
    """The boards at places that are wanted, in order; the records of one at a time are read."""
    oracles: dict[tuple[object, ...], list[Place]] = defaultdict(list)
    for place in sorted(places, key=str):
        if place.oracle_of:
            oracles[_under(place, place.oracle_of)].append(place)
    for place in sorted(filter(wanted, places), key=str):
        if board := board_of(read(place), draws, metric):
            above = [board_of(read(other), draws, metric) for other in oracles[_under(place, place.task)]]
            yield replace(board, oracles=tuple(line for one in above if one for line in one.lines))


def by_place(known: Mapping[str, Place]) -> dict[Place, list[str]]:
    """Place -> what stands there."""
    found: dict[Place, list[str]] = defaultdict(list)
    for name, place in known.items():
        found[place].append(name)
    return found


def board_of(records: Sequence[Record], draws: GetDraws | None, metric: str) -> Board | None:
    """The board of records of one place; None where there are none, or none was scored by the metric asked for."""
    asked = records and (not metric or any(metric in record.scores for record in records))
    return make_board(records, draws, metric) if asked else None


def _under(place: Place, task: str) -> tuple[object, ...]:
    """What a row that sees more than a task's methods has in common with the boards that it stands under, unranked."""
    return task, place.version, place.origin, place.fingerprint


def make_board(records: Sequence[Record], draws: GetDraws | None = None, metric: str = "") -> Board:
    """One board: the newest record of each method and configuration, ranked by the headline or the given metric."""
    newest: dict[str, Record] = {}
    for record in sorted(records, key=lambda record: record.environment.created):
        method = record.method
        newest[f"{record.row} {method.ref} {method.options} {method.weights} {record.seeds}"] = record
    sorts: dict[str, list[Record]] = defaultdict(list)
    for record in newest.values():
        sorts[record.row if record.row in APART else "reproduced"].append(record)
    names = max(records, key=lambda record: record.environment.created).task.published
    papers = published(*names) if names else []
    real = records[0].data.origin != "twin"
    return Board(
        lines=in_order(sorts["reproduced"], draws, metric),
        rescored=in_order(sorts["rescored"], draws, metric),
        superseded=len(records) - len(newest),
        published=tuple(papers) if real else (),
        published_elsewhere=0 if real else len(papers),
        reported=tuple(Line(record, None) for record in sorted(sorts["reported"], key=_name)),
        metric=metric,
    )


def in_order(records: Sequence[Record], draws: GetDraws | None = None, metric: str = "") -> tuple[Line, ...]:
    """Rows of one sort: ranked by the headline or the given metric, then those that may not be ranked, by name."""
    ranked = sorted((r for r in records if may_rank(r, metric)), key=lambda r: _order(r, metric))
    rest = sorted((r for r in records if not may_rank(r, metric)), key=_name)
    stand = stand_of(ranked, draws, metric) if draws else [None] * len(ranked)
    first: dict[float, int] = {}  # score -> the rank that equals share
    lines = [
        Line(record, first.setdefault(_order(record, metric)[0], k + 1), stand[k]) for k, record in enumerate(ranked)
    ]
    return (*lines, *(Line(record, None) for record in rest))


def stand_of(ranked: Sequence[Record], draws: GetDraws, metric: str = "") -> list[Standing]:
    """Standings of the ranked rows of one sort, best first."""
    if not ranked:
        return []
    name = ranking_metric(ranked[0], metric)
    return standings([Entry(record.id, record.scores[name], draws(record)) for record in ranked], name)


def ranking_metric(record: Record, metric: str = "") -> str:
    """The metric that ranks a record: the one that was asked for, else its task's headline."""
    return metric or record.task.metrics[0]


def may_rank(record: Record, metric: str = "") -> bool:
    """Whether a record is complete, allowed to rank, and has a score by the metric that ranks."""
    score = record.scores.get(ranking_metric(record, metric))
    return record.ranked and score is not None and score.value is not None


def _order(record: Record, metric: str = "") -> tuple[float, str]:
    score = record.scores[ranking_metric(record, metric)]
    assert score.value is not None
    return (-score.value if score.higher_is_better else score.value), record.method.name


def _name(record: Record) -> str:
    return record.method.name


def identity(record: Record) -> tuple[str, str, str]:
    """What rows of the same name share: the method, its control and its preset."""
    return record.method.ref, record.method.name, record.method.preset


def options_told(record: Record, others: Iterable[Record]) -> list[str]:
    """The preset, and the options and weights in which rows of the same method and preset differ.

    Options that another row's method did not have yet are not counted up: there its source tells the two apart.
    """
    mine = record.method
    same = [other.method for other in others if identity(other) == identity(record)]
    told = [mine.preset] if mine.preset else []
    for name, value in mine.options.items():
        if any(other.options.get(name, value if changed(other, mine) else None) != value for other in same):
            told.append(f"{name}={value}")
    if any(changed(other, mine) for other in same):
        told.append(f"source={mine.source[:6]}")
    if any(other.weights != mine.weights for other in same):
        told.append(f"weights={mine.weights[:8] or None}")
    return told


def changed(one: MethodSpec, other: MethodSpec) -> bool:
    """Whether two are of versions of a method with other options."""
    return one.options.keys() != other.options.keys() and one.source != other.source


def chosen(found: Iterable[Board], tasks: Sequence[str], family: str | None, data: str | None) -> Iterator[Board]:
    """Boards of some tasks, a family, or a source: real (public simulations too) or simulated here."""
    return (board for board in found if fits(place_of(board.first), tasks, family, data))


def fits(place: Place, tasks: Sequence[str], family: str | None, data: str | None) -> bool:
    """Whether a place is of some tasks, a family, or a source, where they are given."""
    if (tasks and place.task not in tasks) or (family and place.family != family):
        return False
    return not data or (place.origin != "twin") == (data == "real")


def whole_of(task: str) -> str:
    """The task of which one takes fewer subjects, by its name: ``t`` of ``t@subject:3``."""
    return task.rpartition(":")[0].removesuffix("@subject")


def may_stand_in(task: str, tasks: Collection[str]) -> bool:
    """Whether records of a task may be those of a suite of these tasks; `suite_task` says whether one is."""
    return task in tasks or whole_of(task) in tasks
