"""What records of one vision task predicted for the same images, beside what was seen: the content of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..benchmark.contracts import Progress
from ..benchmark.errors import BadOption, StoreError
from ..benchmark.items import Items
from ..benchmark.kinds import get_kind
from ..benchmark.kinds.seen import BRAIN, Stimulus, stimuli
from ..benchmark.record import Record
from ..benchmark.rescoring import reload
from ..benchmark.store import read_cell
from .board import options_told


@dataclass(frozen=True)
class Viewed:
    """Some test items of one brain, and what each record predicted for them.

    Attributes
    ----------
    title
        Task, data, brain, and how the items were chosen.
    items, seen
        The items, and what was seen on each.
    predictions
        Label of a record -> its predictions, one an item.
    """

    title: str
    items: Items
    seen: tuple[Stimulus, ...]
    predictions: dict[str, list[Any]]

    @property
    def images(self) -> list[str]:
        """Id of the image of each item."""
        return [str(name) for name in self.items.table["subject"]]


def view(
    found: Sequence[tuple[Record, Path]],
    kinds: Sequence[str],
    progress: Progress,
    *,
    count: int,
    brain: str | None = None,
    images: Sequence[str] = (),
    concept: str | None = None,
) -> Viewed:
    """Items of one brain that all records predicted: those of some images or a concept, else a fixed random draw.

    Raises `BadOption` for records of another kind or of different items, and for an unknown brain, image or concept.
    """
    first = found[0][0]
    refuse_unlike([record for record, _ in found], kinds)
    task, loaded = reload(first, progress)
    parts = {name: cells_of(record, folder) for name, (record, folder) in zip(labels(found), found, strict=True)}
    order = next(iter(parts.values()))[0]
    if any(set(ids) != set(order) for ids, _ in parts.values()):
        raise BadOption(f"{first.id} and the others hold different items", "name records of one task and split")
    test = loaded.items.take(loaded.items.table.index.get_indexer(pd.Index(sorted(order))))
    rows = chosen_rows(test, count, brain, images, concept)
    items = test.take(rows)
    wanted = [str(name) for name in items.table.index]
    predictions = {}
    for label, (ids, folder) in parts.items():
        place = {name: row for row, name in enumerate(ids)}
        said = get_kind(task.kind).load(folder, task.info)
        predictions[label] = [said[place[name]] for name in wanted]
    who = items.table[BRAIN].iloc[0] if BRAIN in items.table else ""
    how = "as named" if images or concept else "drawn at random, not chosen"
    title = f"{task.name} on {loaded.data.name} ({loaded.data.origin}), {who}; images {how}"
    return Viewed(title, items, tuple(stimuli(items)), predictions)


def labels(found: Sequence[tuple[Record, Path]]) -> list[str]:
    """A label a record: the method, with preset and options where methods are the same, or else the id."""
    records = [record for record, _ in found]
    methods = [record.method.name for record in records]
    names = [
        record.method.name
        if methods.count(record.method.name) == 1
        else " ".join([record.method.name, *options_told(record, records)])
        for record in records
    ]
    return [name if names.count(name) == 1 else record.id for name, record in zip(names, records, strict=True)]


def refuse_unlike(records: Sequence[Record], kinds: Sequence[str]) -> None:
    """Raise `BadOption` where records are not of one task, data and split, or of another kind."""
    first = records[0]
    for record in records:
        if record.task.kind not in kinds:
            raise BadOption(
                f"{record.id} holds predictions of kind {record.task.kind!r}, not {' or '.join(map(repr, kinds))}",
                "see `brainbench show --help`",
            )
        if (record.task.name, record.data.fingerprint) != (first.task.name, first.data.fingerprint):
            raise BadOption(f"{first.id} and {record.id} are not of one task and data", "draw them one after the other")


def cells_of(record: Record, folder: Path) -> tuple[tuple[str, ...], Path]:
    """Item ids and prediction folder of a record's first finished cell. Raises `StoreError` where there is none."""
    for path in sorted((folder / "cells").glob("*")):
        done = read_cell(path)
        if done is not None:
            return done.ids, path / "prediction"
    raise StoreError(f"{record.id} holds no finished cell", "run it again")


def chosen_rows(items: Items, count: int, brain: str | None, images: Sequence[str], concept: str | None) -> list[int]:
    """Positions of the items to show."""
    table = items.table
    brains = sorted(set(table[BRAIN]))
    who = brain or brains[0]
    if who not in brains:
        raise BadOption(f"no brain {who!r} in the record", f"brains are: {', '.join(brains)}")
    here = np.flatnonzero((table[BRAIN] == who).to_numpy())
    if concept is not None:
        asked = table["concept"].to_numpy()[here] if "concept" in table else np.array([])
        if concept not in set(asked):
            raise BadOption(f"no item asks for {concept!r}", f"concepts are: {', '.join(sorted(set(asked))) or 'none'}")
        here = here[asked == concept]
    names = table["subject"].astype(str).to_numpy()
    for image in images:
        if image not in set(names[here]):
            raise BadOption(f"no image {image!r} of {who}", f"such as: {', '.join(names[here][:5])}")
    if images:
        return [int(row) for image in images for row in here if names[row] == image]
    drawn = np.random.default_rng(0).permutation(len(here))[:count]
    return [int(row) for row in here[np.sort(drawn)]]
