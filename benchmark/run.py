"""Running a plan: stage, execute, score, record. One failed cell never stops the rest."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from .audit import leave_manifest
from .cells import CELL_VERSION, Cell
from .executors import Event, Executor, Work
from .files import write_error
from .items import Items
from .leases import Leases
from .plan import Plan, Row
from .record import Record
from .recording import make_record, safe_name
from .sandbox import NOTHING, Room
from .settings import Settings
from .shelf import Shelf
from .source import source_files
from .sources import Lent, cleared, content
from .staging import Extras, Shown, stage_job, stage_tables
from .store import Finished, Store, cell_folder
from .submitting.contents import unsafe
from .turns import Turns
from .worker import Outcome

NAMED = 3
"""Failed items that a reason names."""

Watch = Callable[[Cell, Event], None]


def run(
    plan: Plan,
    store: Store,
    pool: Executor,
    settings: Settings,
    watch: Watch,
    shard: tuple[int, int] = (1, 1),
    waiting: Callable[[int], None] = lambda cells: None,
) -> Iterator[Record]:
    """Run what is not cached, and yield each row's record when its last cell has ended.

    Of a shard (part, parts) only its cells are run; a record is made where all are there. A cell that another run on
    this store computes is left to it, and taken from the store then: ``waiting`` is told of how many there are, from
    another thread, when there is nothing else to do.
    """
    store.prepare()
    cells: dict[str, tuple[Row, Cell]] = {}
    for row, cell in plan.cells:
        cells.setdefault(cell.key, (row, cell))
    done: dict[str, Finished | Outcome] = {}

    def find(key: str) -> Finished | None:
        # A cell whose weights are asked for is computed again: the cache holds predictions only.
        found = None if settings.save else store.finished(key)
        return found if found is not None and (found.outcome.isolated or not settings.isolated) else None

    done.update((key, found) for key in cells if (found := find(key)) is not None)
    mine = shard_keys(plan, shard)
    owners = {key: cells[key] for key in cells if key in mine and key not in done}
    rows = {number: (row, {cell.key for cell in row.cells}) for number, row in enumerate(plan.rows)}
    yield from _finish(rows, done, store, settings)
    if not owners:
        return
    shown: dict[str, Shown] = {}
    shelf = Shelf()
    works = [
        Work(key, _stager(row, cell, store, settings, shown, shelf), room_of(row, cell, store, settings))
        for key, (row, cell) in owners.items()
    ]
    shared = {shared_folder(row, cell, store, settings.isolated) for row, cell in owners.values()}
    with Leases(store.path, [folder.name for folder in shared]) as leases:
        turns = Turns(works, leases, find, waiting)
        try:
            for event in pool.run(turns):
                key, cell = event.key, owners[event.key][1]
                watch(cell, event)
                if event.outcome is not None:
                    there = None if leases.mine(key) else find(key)
                    done[key] = _keep(cell, event.outcome, shown.pop(key), store, there)
                    leases.release(key)
                if _take_over(turns, owners, done, watch) or event.outcome is not None:
                    yield from _finish(rows, done, store, settings)
        finally:
            turns.close()
        _take_over(turns, owners, done, watch)
        yield from _finish(rows, done, store, settings)
        if all(isinstance(done.get(key), Finished) or store.finished(key) for key in cells):
            used = leases.used_elsewhere()
            for folder in shared:  # else another shard may be reading there, or the next attempt will
                if folder.name not in used:
                    shutil.rmtree(folder, ignore_errors=True)


def shard_keys(plan: Plan, shard: tuple[int, int]) -> set[str]:
    """The cells of a shard (part, parts). Each method's are dealt out in turn, for some methods cost far more."""
    cells = {cell.key: cell for _, cell in plan.cells}
    by_method = sorted(cells.values(), key=lambda cell: cell.method.model_dump_json())
    part, parts = shard
    return {cell.key for cell in by_method[part - 1 :: parts]}


def _take_over(
    turns: Turns, owners: dict[str, tuple[Row, Cell]], done: dict[str, Finished | Outcome], watch: Watch
) -> bool:
    """Take what other runs have finished; whether there was any."""
    found = dict(turns.elsewhere())
    for key, part in found.items():
        done[key] = part
        watch(owners[key][1], Event(key, "elsewhere", outcome=part.outcome))
    return bool(found)


def _stager(
    row: Row, cell: Cell, store: Store, settings: Settings, shown: dict[str, Shown], shelf: Shelf
) -> Callable[[], Path]:
    """A function that stages a cell when its turn comes."""

    def make() -> Path:
        folder = store.work_folder(cell.key)
        try:
            extras = Extras(
                threads=settings.threads,
                device=settings.device,
                checkpoint=str(settings.checkpoint.resolve()) if settings.checkpoint else None,
                save=str(_save_folder(row, cell, settings)) if settings.save else None,
                shared=str(shared_folder(row, cell, store, settings.isolated).resolve()),
                sources=tuple((lent.task, items) for lent, items in lent_items(row, cell)),
                whole=settings.isolated,
            )
            fold = row.split.fold(cell.fold)
            tables = partial(stage_tables, cell, row.task, row.loaded.items, fold, folder, extras)
            shown[cell.key] = shelf.stage(_fold_key(row, cell), folder, tables)
            stage_job(cell, row.task, folder, extras)
        except OSError as error:
            raise write_error(error, Path(error.filename or folder)) from error
        return folder

    return make


def _fold_key(row: Row, cell: Cell) -> Hashable:
    """What the tables of a cell depend on in one run: the objects of its plan, which live as long."""
    return id(row.task), id(row.loaded), id(row.split), tuple(map(id, row.sources)), cell.data, cell.split, cell.fold


def room_of(row: Row, cell: Cell, store: Store, settings: Settings) -> Room:
    """What a cell may touch in a sandbox, beside its staged folder: its method's source, weights, and what it shares.

    Of the method's files those that its hash covers: what else lies beside them may be labels.
    """
    if not settings.isolated:
        return NOTHING
    shared = shared_folder(row, cell, store, isolated=True).resolve()
    save = [_save_folder(row, cell, settings)] if settings.save else []
    for folder in (shared, *save):
        folder.mkdir(parents=True, exist_ok=True)
    weights = [settings.checkpoint.resolve()] if settings.checkpoint else []
    return Room((*sorted(source_files(row.method)), *weights), (shared, *save), gpu=settings.device.startswith("cuda"))


def lent_items(row: Row, cell: Cell) -> list[tuple[Lent, Items]]:
    """The sources of a cell, without anybody whom its fold tests."""
    fold = row.split.fold(cell.fold)
    return [(lent, cleared(lent, row.loaded.data, fold)) for lent in row.sources]


def shared_folder(row: Row, cell: Cell, store: Store, isolated: bool = False) -> Path:
    """The folder of the cells that differ from this one in their options alone; of few labels, in these too.

    What is kept there is learned from the sources then, and these do not change with the draw. Isolated cells share
    none across draws and folds: what one is told, another is tested on.
    """
    where = cell.model_dump(mode="json", exclude={"method": {"name", "preset", "options"}})
    if isolated:
        where["isolated"] = True
    elif row.task.few:
        for name in ("task", "version", "fold", "split", "data"):
            del where[name]
        where["sources"] = content(lent_items(row, cell))
    text = json.dumps([CELL_VERSION, where], sort_keys=True)
    return store.path / "shared" / hashlib.sha256(text.encode()).hexdigest()[:24]


def _save_folder(row: Row, cell: Cell, settings: Settings) -> Path:
    """Where a cell leaves its weights; who trains them is written first, so that no weights lie without it."""
    assert settings.save is not None
    folder = (settings.save / safe_name(row.task.name) / cell_folder(cell.fold, cell.seed)).resolve()
    train = row.split.fold(cell.fold).train
    tables = [row.loaded.items.table.loc[list(train)], *(items.table for _, items in lent_items(row, cell))]
    names = dict.fromkeys([row.loaded.data.name, *(lent.data.name for lent in row.sources)])
    seen = pd.concat([table[[c for c in ("subject", "digest") if c in table]] for table in tables])
    digests = seen["digest"].dropna().astype(str) if "digest" in seen else ()
    leave_manifest(folder, "+".join(names), seen["subject"].astype(str).unique(), digests, settings.checkpoint)
    return folder


def _keep(
    cell: Cell, outcome: Outcome, shown: Shown, store: Store, there: Finished | None = None
) -> Finished | Outcome:
    """Cache a finished cell; a failed one is only reported. One that is there, of a run that took it over, stays.

    What an isolated one predicted is read first by a process that holds nothing: a small file may unfold to any size.
    """
    folder = store.work_path(cell.key)
    try:
        if there is not None:
            return there
        if outcome.status != "ok":
            return outcome.model_copy(update={"reason": named(outcome, shown)}) if outcome.items else outcome
        if outcome.isolated and (reasons := unsafe([(folder / "out", len(shown.ids))])):
            return Outcome(status="failed", reason=f"its predictions are not taken: {'; '.join(reasons)}")
        return store.keep(cell, outcome, shown.ids, folder / "out" / "prediction")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def named(outcome: Outcome, shown: Shown) -> str:
    """Why a cell failed, with the ids of the items that the worker knows by number only."""
    told = [
        f"{shown.ids[row]}: {reason}" for row, reason in sorted(outcome.items.items()) if row in range(len(shown.ids))
    ]
    more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
    return f"{len(told)} of {len(shown.ids)} items failed: {'; '.join(told[:NAMED])}{more}"


def _finish(
    rows: dict[int, tuple[Row, set[str]]], done: dict[str, Finished | Outcome], store: Store, settings: Settings
) -> Iterator[Record]:
    """Records of the rows whose cells, named by their keys, have all ended; these rows leave those that wait."""
    for number, (row, keys) in list(rows.items()):
        if keys <= done.keys():
            del rows[number]
            cells = {key: done[key] for key in (cell.key for cell in row.cells)}
            record, draws = make_record(row, cells, settings)
            store.save(record, row.split, [part for part in cells.values() if isinstance(part, Finished)], draws)
            yield record
