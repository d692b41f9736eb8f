"""Staging: what a worker gets of a cell, and nothing else.

The staged folder holds the training items with labels and the test items without. Ids are
replaced by numbers and test items are shown in a random order, because file order and public ids
give labels away.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from .cells import Cell
from .contracts import Fold, Kind, Task, TaskInfo, Train
from .errors import BadOption
from .items import Items
from .kinds import get_kind

GROUP = "_group"


class Job(BaseModel):
    """What a worker reads first: ``job.json`` of a staged folder."""

    # An option may be infinite, which plain JSON turns into null.
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")

    kind: str
    task: dict[str, Any]
    method: str
    options: dict[str, Any]
    seed: int
    device: str
    threads: int
    checkpoint: str | None = None
    save: str | None = None

    @property
    def info(self) -> TaskInfo:
        """The task as methods see it."""
        task = self.task
        lists = {name: tuple(value) for name, value in task.items() if isinstance(value, (list, tuple))}
        return TaskInfo(**{**task, **lists})


class Shown(BaseModel):
    """The parent's key to a staged test set; it never reaches the worker."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    ids: tuple[str, ...]
    key: Any = None


def order_seed(data: str, split: str, fold: str) -> int:
    """Seed of the shown order: one for all methods, so that their predictions pair up."""
    return int.from_bytes(hashlib.sha256(f"{data}/{split}/{fold}".encode()).digest()[:8], "little")


def shown_order(items: Items, fold: Fold, seed: int) -> np.ndarray:
    """Row numbers of the test items in the order in which methods see them."""
    rows = items.table.index.get_indexer(pd.Index(sorted(fold.test)))
    return np.random.default_rng(seed).permutation(rows)


def show_test(kind: Kind, task: Task, items: Items, fold: Fold, seed: int) -> tuple[Items, Shown]:
    """The label-free test items, anonymous and shuffled, and the key that stays with the parent."""
    rows = shown_order(items, fold, seed)
    free = items.take(rows).select((*kind.inputs, *visible(task, kind)))
    ids = tuple(map(str, free.table.index))
    presented, key = kind.present(anonymous(free), seed)
    return presented, Shown(ids=ids, key=key)


def show_train(kind: Kind, task: Task, items: Items, fold: Fold, seed: int) -> Items:
    """The training items with their labels, anonymous, in a shuffled order."""
    rows = np.random.default_rng(seed + 1).permutation(items.table.index.get_indexer(pd.Index(sorted(fold.train))))
    train = items.take(rows)
    groups, _ = pd.factorize(train.table["group"])
    shown = train.select((*kind.inputs, *visible(task, kind), *kind.target_fields(task.info)))
    table = shown.table.assign(**{GROUP: groups})
    return kind.present(anonymous(Items(table, shown.arrays, shown.meta)), seed + 1)[0]


def visible(task: Task, kind: Kind) -> tuple[str, ...]:
    """The covariates of a task. Raises `BadOption` when the truth is one of them."""
    both = set(task.covariates) & set(kind.target_fields(task.info))
    if both:
        raise BadOption(
            f"task {task.name!r} lists its target {sorted(both)} as a covariate",
            "take it out: a method must not see it",
        )
    return task.covariates


def anonymous(items: Items) -> Items:
    """The same items under running numbers."""
    return Items(items.table.set_axis([str(i) for i in range(len(items))]), items.arrays, items.meta)


def stage(
    cell: Cell,
    task: Task,
    items: Items,
    fold: Fold,
    folder: Path,
    *,
    threads: int,
    device: str,
    checkpoint: str | None,
    save: str | None,
) -> Shown:
    """Write the staged folder of a cell and return the key to its test set."""
    kind = get_kind(task.kind)
    seed = order_seed(cell.data, cell.split, cell.fold)
    test, shown = show_test(kind, task, items, fold, seed)
    show_train(kind, task, items, fold, seed).save(folder / "train.parquet")
    test.save(folder / "test.parquet")
    job = Job(
        kind=task.kind,
        task=dict(vars(task.run_as.info)),
        method=cell.method.ref,
        options=cell.method.options,
        seed=cell.seed,
        device=device,
        threads=threads,
        checkpoint=checkpoint,
        save=save,
    )
    (folder / "job.json").write_text(job.model_dump_json())
    return shown


def load_train(folder: Path, kind: Kind, info: TaskInfo) -> Train:
    """The training part of a staged folder, as the method gets it."""
    items = Items.load(folder / "train.parquet")
    groups = items.table[GROUP].to_numpy(int)
    inputs = Items(items.table.drop(columns=[GROUP]), items.arrays, items.meta)
    targets = kind.targets(inputs, info)
    fields = kind.target_fields(info)
    free = [
        name
        for name in (*inputs.table.columns, *inputs.arrays)
        if name not in fields and not str(name).startswith(tuple(f for f in fields if f.endswith(("/", ":"))) or "\0")
    ]
    return Train(kind.view(inputs.select([str(name) for name in free]), info), targets, groups)


def load_test(folder: Path, kind: Kind, info: TaskInfo) -> tuple[Items, Any]:
    """The test part: the items, for checks, and the view that the method gets."""
    items = Items.load(folder / "test.parquet")
    return items, kind.view(items, info)
