"""Judging cells: a fold's truth, taken once, beside the prediction of each of its cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .cells import Cell
from .contracts import Data, Fold, Kind, Task
from .errors import StoreError
from .items import Items
from .kinds import get_kind
from .score import Judged, clusters_of, in_pieces
from .splits import SplitManifest
from .store import Finished

if TYPE_CHECKING:
    from .staging import Shown


@dataclass(frozen=True)
class FoldTruth:
    """A fold's test set as methods are shown it, with the key to it; and its items with the truth, in that order."""

    kind: Kind
    task: Task
    test: Items
    shown: Shown
    items: Items
    truth: Any


def fold_truth(task: Task, data: Data, split: SplitManifest, cell: Cell) -> FoldTruth:
    """The truth of a cell's fold; the same for all methods and seeds."""
    import pandas as pd

    from .staging import order_seed, show_test

    kind = get_kind(task.kind)
    fold: Fold = split.fold(cell.fold)
    test, shown = show_test(kind, task.run_as, data.items, fold, order_seed(cell.data, cell.split, cell.fold))
    index = data.items.table.index
    items = data.items.take(index.get_indexer(pd.Index(list(shown.ids))))
    train = data.items.take(index.get_indexer(pd.Index(list(fold.train))))
    return FoldTruth(kind, task, test, shown, items, kind.truth(items, train, task.info))


def judge_of(task: Task, data: Data, split: SplitManifest) -> Callable[[Finished], Judged]:
    """A function that brings a cell's prediction and the truth together; the truth of a fold is taken once."""
    known: dict[tuple[str, str, str], FoldTruth] = {}

    def judge(done: Finished) -> Judged:
        fold = done.cell.data, done.cell.split, done.cell.fold
        if fold not in known:
            known[fold] = fold_truth(task, data, split, done.cell)
        return compare(known[fold], task.split.min_per_class, done)

    return judge


def compare(there: FoldTruth, least: int, done: Finished) -> Judged:
    """Prediction beside truth, ids and shapes checked again; scorable with so many of each class at the least."""
    kind, task, items = there.kind, there.task, there.items
    if there.shown.ids != done.ids:
        raise StoreError(f"{done.folder}: its items are not those of the split", "remove the folder and run again")
    prediction = kind.check(kind.load(done.folder / "prediction", task.info), there.test, task.info)
    whole = Judged(
        done.cell.fold,
        done.cell.seed,
        there.truth,
        kind.restore(prediction, there.shown.key),
        clusters_of(items.table),
        kind.scorable(there.truth, least),
        parts=tuple(items.table[task.parts].astype(str)) if task.parts else (),
        ids=done.ids,
    )
    return in_pieces(kind, whole)
