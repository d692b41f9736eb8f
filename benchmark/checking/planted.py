"""Tiny data with a planted signal, one set a kind of task: every reasonable method finds it within seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd

from ..contracts import Fold, Method, Metric, Task
from ..errors import BadOption
from ..items import ArrayRef, Items
from ..kinds import get_kind


@dataclass(frozen=True)
class Ask:
    """What is to be planted.

    Attributes
    ----------
    kind, method
        Kind of task, and for whom: images for a method that reads images, say.
    folder
        Keeps what items refer to by path.
    seed
        Of everything random.
    """

    kind: str
    method: type[Method]
    folder: Path
    seed: int = 0

    def rng(self, number: int) -> np.random.Generator:
        """A generator of a kind's own."""
        return np.random.default_rng([self.seed, number])


@dataclass(frozen=True)
class Planted:
    """Items with their truth, cut into one fold.

    Attributes
    ----------
    task
        What is asked.
    items
        Training and test items, the truth included.
    train, test
        Ids.
    troubles
        Name of a trouble -> the same items with it: what real data hold sooner or later.
    few
        Training ids with hardly any item of one class (or subject, or at all); empty where nothing is trained on.
    refused
        Troubles that no import of this project lets in, so that only other data can hold them.
    metric
        What judges; None for the task's first metric.
    """

    task: Task
    items: Items
    train: tuple[str, ...]
    test: tuple[str, ...]
    troubles: Mapping[str, Callable[[Items], Items]]
    few: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    metric: Metric | None = None

    @property
    def fold(self) -> Fold:
        """The one fold."""
        return Fold("planted", self.train, self.test)

    def rows(self, ids: tuple[str, ...]) -> np.ndarray:
        """Positions of items."""
        return self.items.table.index.get_indexer(pd.Index(list(ids)))

    def without_signal(self, seed: int) -> Planted:
        """The same inputs with the truths dealt out anew among all items: there is nothing to find."""
        order = np.random.default_rng(seed).permutation(len(self.items))
        return replace(self, items=with_truth_of(self.items, order, self.task))


def with_truth_of(items: Items, order: np.ndarray, task: Task) -> Items:
    """The items, each with the truth of the item at ``order`` of its position; what methods see stays."""
    kind = get_kind(task.kind)
    shown = {name for name in kind.inputs if not name.endswith(("/", ":"))} | set(task.covariates)
    fields = tuple(name for name in kind.target_fields(task.info) if name not in shown)
    families = tuple(name for name in fields if name.endswith(("/", ":")))

    def is_truth(name: str) -> bool:
        return name in fields or name.startswith(families or ("\0",))

    table = items.table.copy()
    for name in filter(is_truth, map(str, table.columns)):
        table[name] = pd.Series([items.table[name].iloc[row] for row in order], index=table.index)
    arrays = {
        name: [values[row] for row in order] if is_truth(name) else values for name, values in items.arrays.items()
    }
    return Items(table, arrays, items.meta)


def changed(items: Items, name: str, values: Mapping[int, np.ndarray | ArrayRef | None]) -> Items:
    """The items with other arrays in some rows."""
    arrays = {**items.arrays, name: list(items.arrays[name])}
    for row, value in values.items():
        arrays[name][row] = value  # type: ignore[index]
    return Items(items.table, arrays, items.meta)


MAKERS = {
    "classification": "planted_scans:classification",
    "regression": "planted_scans:regression",
    "questions": "planted_scans:questions",
    "connectivity": "planted_networks:connectivity",
    "captioning": "planted_seen:seen",
    "description": "planted_seen:seen",
    "reasoning": "planted_seen:seen",
    "reconstruction": "planted_seen:seen",
    "grounding": "planted_seen:seen",
    "localisation": "planted_seen:seen",
    "encoding": "planted_films:encoding",
}


def plant(ask: Ask) -> Planted:
    """Planted data. Raises `BadOption` for a kind without any."""
    if ask.kind not in MAKERS:
        raise BadOption(f"there are no planted data of kind {ask.kind!r}", f"there are: {', '.join(MAKERS)}")
    module, _, name = MAKERS[ask.kind].partition(":")
    made: Planted = getattr(import_module(f".{module}", __package__), name)(ask)
    return made
