"""What stands on a board: the records of a store, what its keeper accepted from others, and what was withdrawn."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..benchmark.draws import Draws, read_draws
from ..benchmark.errors import BrainbenchError, StoreError
from ..benchmark.index import Place, place_of
from ..benchmark.privacy import aggregates, policy_of, veil_of, veiled
from ..benchmark.record import Record
from ..benchmark.store import Store
from ..benchmark.submitting.acceptance import accepted, damaged
from ..benchmark.withdrawing import Tombstone, tombstones
from .board import Board, Line, Wanted, boards_at, by_place

VARIABLE = "BRAINBENCH_SUBMISSIONS"
USUAL = "submissions"


def submissions_folder(given: Path | None) -> Path | None:
    """The folder of accepted submissions: as given, else ``$BRAINBENCH_SUBMISSIONS``, else ./submissions, if there.

    Raises `StoreError` where the one that is named is not there.
    """
    named = given or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named and not named.is_dir():
        raise StoreError(f"no folder {named}", f"give the folder of accepted submissions, or unset {VARIABLE}")
    return named or (Path(USUAL) if Path(USUAL).is_dir() else None)


@dataclass(frozen=True)
class Gathered:
    """What there is to show; records of the store are read when their board's turn comes.

    Attributes
    ----------
    store
        Whose records come first.
    own
        Place -> folders of the store's records there.
    others
        Place -> records that were accepted.
    folders
        Id of an accepted record -> its folder.
    withdrawn
        Tombstones of both.
    damaged
        What of the accepted submissions is not shown, and why.
    """

    store: Store
    own: Mapping[Place, Sequence[str]]
    others: Mapping[Place, Sequence[Record]]
    folders: Mapping[str, Path]
    withdrawn: tuple[Tombstone, ...]
    damaged: tuple[str, ...]

    @property
    def places(self) -> tuple[Place, ...]:
        """Where records stand."""
        return tuple({**self.own, **self.others})

    def count(self, place: Place) -> int:
        """Number of records of a place."""
        return len(self.own.get(place, ())) + len(self.others.get(place, ()))

    def records(self, place: Place) -> list[Record]:
        """The records of a place: those of the store, then those that were accepted."""
        return [*self.store.read_at(place, self.own.get(place, ())), *self.others.get(place, ())]

    def folder(self, record: Record) -> Path:
        """The folder of a record."""
        return self.folders.get(record.id, self.store.path / "records" / record.id)

    def draws(self, record: Record) -> Draws | None:
        """The resamples of a record's scores; None where there are none, or they are damaged."""
        try:
            return read_draws(self.folder(record))
        except StoreError:
            return None

    def outward(self, record: Record) -> Record:
        """The record as it may leave. Raises `PrivacyError` where it may not, `StoreError` where it cannot be read."""
        policy = policy_of(record)
        veil = veil_of(record, self.folder(record), policy if policy == "ids" else "aggregates")
        return veiled(record, veil) if policy == "ids" else aggregates(record, veil)

    def outward_board(self, board: Board, left_out: list[str]) -> Board | None:
        """A board as it may leave, None where nothing of it may; why a row may not is added to ``left_out``."""

        def leaving(lines: Iterable[Line]) -> Iterator[Line]:
            for line in lines:
                try:
                    yield replace(line, record=self.outward(line.record))
                except BrainbenchError as error:
                    left_out.append(error.message)

        made = replace(
            board,
            lines=tuple(leaving(board.lines)),
            rescored=tuple(leaving(board.rescored)),
            reported=tuple(leaving(board.reported)),
            oracles=tuple(leaving(board.oracles)),
        )
        return made if made.every else None

    def boards(self, metric: str = "", wanted: Wanted = bool) -> Iterator[Board]:
        """The boards at places that are wanted, each with what was withdrawn from it."""
        for board in boards_at(self.places, self.records, self.draws, metric, wanted):
            yield replace(board, withdrawn=tuple(one for one in self.withdrawn if is_of(one, board)))

    def left_alone(self) -> tuple[Tombstone, ...]:
        """What was withdrawn where no other record of the same task and data stands, so that there is no board."""
        there = set(map(_stands_on, self.places))
        return tuple(one for one in self.withdrawn if _stood_on(one) not in there)


def gather(store: Store, submissions: Path | None) -> Gathered:
    """All that a board shows. A record of the store goes before an accepted one of the same predictions."""
    own = by_place(store.places())
    offered: dict[Place, list[tuple[Record, Path]]] = defaultdict(list)
    for record, folder, _ in taken(submissions):
        offered[place_of(record)].append((record, folder))
    others: dict[Place, list[Record]] = {}
    folders: dict[str, Path] = {}
    for place, entries in offered.items():
        mine = store.read_at(place, own.get(place, ()))
        known = {result(one) for one in mine if any(score.value is not None for score in one.scores.values())}
        folders |= {record.id: folder for record, folder in entries if result(record) not in known}
        others[place] = [record for record, _ in entries if result(record) not in known]
    stones = [one for where in (store.path, submissions) if where for one in tombstones(where)]
    return Gathered(
        store=store,
        own=own,
        others={place: records for place, records in others.items() if records},
        folders=folders,
        withdrawn=tuple(stones),
        damaged=tuple(damaged(submissions)) if submissions else (),
    )


def result(record: Record) -> tuple[object, ...]:
    """Equal for records of the same predictions: the result of one run, which must not stand twice on a board."""
    cells = sorted((cell.fold, cell.seed, cell.prediction) for cell in record.cells)
    task = record.task.name, record.task.version, record.data.fingerprint, record.split.hash
    return (*task, *cells) if all(cell.prediction for cell in record.cells) else (record.id,)


def taken(submissions: Path | None) -> Iterable[tuple[Record, Path, object]]:
    """The accepted records of a folder of submissions; none without one."""
    return accepted(submissions) if submissions else ()


def is_of(tombstone: Tombstone, board: Board) -> bool:
    """Whether a withdrawn record stood on a board."""
    return _stood_on(tombstone) == _stands_on(place_of(board.first))


def _stood_on(tombstone: Tombstone) -> tuple[object, ...]:
    return tombstone.task, tombstone.version, tombstone.origin, tombstone.fingerprint, tombstone.split


def _stands_on(place: Place) -> tuple[object, ...]:
    return place.task, place.version, place.origin, place.fingerprint, place.split
