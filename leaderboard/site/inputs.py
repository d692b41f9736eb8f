"""What a site is made of: sheets with the records behind them, and the pages that follow from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from ...benchmark.record import Record
from ..table import Sheet, Table
from .names import address, natural

ORIGINS = {"real": "real data", "public simulation": "public simulation", "twin": "simulated twin"}
"""What is printed of `DataPart.origin`, in the order in which boards of a task stand."""


@dataclass(frozen=True)
class BoardSheet:
    """The sheet of a board.

    Attributes
    ----------
    first
        A record that stands for the board's task, data and split.
    records
        Those that get a page: of every row, reproduced or rescored or reported.
    """

    sheet: Sheet
    first: Record
    records: tuple[Record, ...]

    @cached_property
    def standings(self) -> dict[str, str]:
        """Record id -> ``rank 3 of 12``, for rows with a rank."""
        found: dict[str, str] = {}
        for table in self.sheet.tables:
            ranked = [row for row in table.rows if row.rank is not None]
            among = "" if table.name == "board" else f" among {table.name} rows"
            for row in ranked:
                found.setdefault(row.record, f"rank {row.rank} of {len(ranked)}{among}")
        return found


@dataclass(frozen=True)
class SuiteSheet:
    """The sheet of a suite from one source of data; ``figure`` is a diagram as SVG, "" for none."""

    suite: str
    sheet: Sheet
    figure: str = ""


@dataclass(frozen=True)
class Result:
    """A record on the board in which it stands."""

    record: Record
    board: BoardSheet

    @property
    def standing(self) -> str:
        """Its rank on the board, "" for a row without one."""
        return self.board.standings.get(self.record.id, "")


class Site:
    """The boards and suites, by page.

    Parameters
    ----------
    boards, suites
        All that is shown. Boards of one task share a page, whatever their data, version and split.
    withdrawn
        What was withdrawn from tasks that have no board any more; None for nothing.
    """

    def __init__(
        self, boards: Sequence[BoardSheet], suites: Sequence[SuiteSheet] = (), withdrawn: Table | None = None
    ) -> None:
        self.boards = boards
        self.suite_sheets = suites
        self.withdrawn = withdrawn

    @cached_property
    def tasks(self) -> dict[str, list[BoardSheet]]:
        """Task -> its boards: real data first, of each source the newest version first."""
        found: dict[str, list[BoardSheet]] = defaultdict(list)
        for board in self.boards:
            found[board.first.task.name].append(board)
        return {name: sorted(found[name], key=_order) for name in sorted(found, key=_by_regime)}

    @cached_property
    def families(self) -> dict[str, list[str]]:
        """Family -> its tasks."""
        found: dict[str, list[str]] = defaultdict(list)
        for name, boards in self.tasks.items():
            found[boards[0].first.task.family].append(name)
        return {family: found[family] for family in sorted(found)}

    @cached_property
    def records(self) -> dict[str, Result]:
        """Record id -> the record on its board."""
        return {record.id: Result(record, board) for board in self.boards for record in board.records}

    @cached_property
    def methods(self) -> dict[str, list[Result]]:
        """Method -> its records, in the order of the tasks."""
        found: dict[str, list[Result]] = defaultdict(list)
        for boards in self.tasks.values():
            for board in boards:
                for record in board.records:
                    found[record.method.name].append(Result(record, board))
        return {name: found[name] for name in sorted(found, key=str.casefold)}

    @cached_property
    def suites(self) -> dict[str, list[SuiteSheet]]:
        """Suite -> its sheets."""
        found: dict[str, list[SuiteSheet]] = defaultdict(list)
        for sheet in self.suite_sheets:
            found[sheet.suite].append(sheet)
        return {name: found[name] for name in sorted(found, key=natural)}

    def regimes(self, task: str) -> list[str]:
        """Names of the tasks that ask the same, under other regimes."""
        base = task.partition("@")[0]
        return self.bases[base] if len(self.bases[base]) > 1 else []

    @cached_property
    def bases(self) -> dict[str, list[str]]:
        """Task without its regime -> all names under it."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in self.tasks:
            found[name.partition("@")[0]].append(name)
        return dict(found)

    def href(self, link: str) -> str:
        """Where a cell's link leads, from the root of the site; "" where there is no such page."""
        kind, _, name = link.partition(":")
        known: dict[str, Iterable[str]] = {
            "task": self.tasks,
            "method": self.methods,
            "record": self.records,
            "suite": self.suites,
        }
        return address(kind, name) if name in known.get(kind, ()) else ""


def _order(board: BoardSheet) -> tuple[int, int, str]:
    record = board.first
    origins = list(ORIGINS)
    place = origins.index(record.data.origin) if record.data.origin in origins else len(origins)
    return place, -record.task.version, record.split.hash


def _by_regime(name: str) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    base, _, regime = name.partition("@")
    return natural(base), natural(regime)
