"""Staging: what a worker gets of a cell, and nothing else.

The staged folder holds the training items with labels and the test items without. Ids are
replaced by numbers and test items are shown in a random order, because file order and public ids
give labels away.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from .cells import Cell
from .contracts import Fold, Kind, Source, Task, TaskInfo, Train
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
    sources: tuple[dict[str, Any], ...] = ()
    few: bool = False
    shared: str | None = None
    source: str = ""

    @property
    def info(self) -> TaskInfo:
        """The task as methods see it."""
        return task_info(self.task)


def task_info(told: dict[str, Any]) -> TaskInfo:
    """What a method is told of a task, from its JSON form."""
    lists = {name: tuple(value) for name, value in told.items() if isinstance(value, (list, tuple))}
    fields = {name: tuple(labels) for name, labels in told.get("fields", {}).items()}
    return TaskInfo(**{**told, **lists, "fields": fields})


@dataclass(frozen=True)
class Extras:
    """What a cell is given beside its own items, and where it runs.

    Attributes
    ----------
    threads, device
        Of the worker.
    checkpoint, save, shared
        Weights to start from, where to leave weights, and the folder that similar cells share.
    sources
        Source tasks with their items, cleared of everybody who is tested.
    whole
        Whether arrays are copied into the staged folder, for a worker to whom other folders are closed.
    """

    threads: int
    device: str
    checkpoint: str | None = None
    save: str | None = None
    shared: str | None = None
    sources: tuple[tuple[Task, Items], ...] = ()
    whole: bool = False


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
    train = kind.practise(items.take(rows), task.info)
    groups, _ = pd.factorize(train.table["group"])
    shown = train.select((*kind.inputs, *visible(task, kind), *kind.target_fields(task.info)))
    table = shown.table.assign(**{GROUP: groups})
    return kind.present(anonymous(Items(table, shown.arrays, shown.meta)), seed + 1)[0]


def show_source(task: Task, items: Items) -> Items:
    """A source's items with their labels, in an order that depends on the source alone."""
    ids = tuple(map(str, items.table.index))
    return show_train(get_kind(task.kind), task, items, Fold("source", ids, ()), order_seed(task.name, "source", ""))


def source_file(number: int) -> str:
    """Name of a source's file in a staged folder."""
    return f"source{number}.parquet"


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


def stage(cell: Cell, task: Task, items: Items, fold: Fold, folder: Path, extras: Extras) -> Shown:
    """Write the staged folder of a cell and return the key to its test set."""
    shown = stage_tables(cell, task, items, fold, folder, extras)
    stage_job(cell, task, folder, extras)
    return shown


def stage_tables(cell: Cell, task: Task, items: Items, fold: Fold, folder: Path, extras: Extras) -> Shown:
    """Write what is the same for all methods and seeds: the items. Returns the key to the test set."""
    kind = get_kind(task.kind)
    seed = order_seed(cell.data, cell.split, cell.fold)
    test, shown = show_test(kind, task, items, fold, seed)
    show_train(kind, task, items, fold, seed).save(folder / "train.parquet", extras.whole)
    test.save(folder / "test.parquet", extras.whole)
    for number, (source, lent) in enumerate(extras.sources):
        show_source(source, lent).save(folder / source_file(number), extras.whole)
    return shown


def stage_job(cell: Cell, task: Task, folder: Path, extras: Extras) -> None:
    """Write what a worker reads first."""
    job = Job(
        kind=task.kind,
        task=dict(vars(task.run_as.info)),
        method=cell.method.ref,
        source=cell.method.source,
        options=cell.method.options,
        seed=cell.seed,
        device=extras.device,
        threads=extras.threads,
        checkpoint=extras.checkpoint,
        save=extras.save,
        sources=tuple(dict(vars(source.info)) for source, _ in extras.sources),
        few=task.few,
        shared=extras.shared,
    )
    (folder / "job.json").write_text(job.model_dump_json())


def load_sources(folder: Path, job: Job) -> dict[str, Source]:
    """The sources of a staged folder by the names of their tasks."""
    infos = [task_info(told) for told in job.sources]
    return {
        info.name: Source(info, load_train(folder / source_file(number), get_kind(info.kind), info))
        for number, info in enumerate(infos)
    }


def load_train(file: Path, kind: Kind, info: TaskInfo) -> Train:
    """Training items of a staged folder, as the method gets them."""
    items = Items.load(file)
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
