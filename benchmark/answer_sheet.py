"""Items of a question task as a person reads them: prompt, answer, truth, and what the matcher took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .contracts import silent
from .errors import BadOption
from .metrics.matching import match
from .record import Record
from .rescoring import reload
from .store import read_cell


@dataclass(frozen=True)
class Sheet:
    """One item.

    Attributes
    ----------
    item, prompt, answer
        Its id, what was asked and what was said.
    truth, matched
        Field -> true label; field -> label that the matcher found, None where it found none.
    """

    item: str
    prompt: str
    answer: str
    truth: dict[str, str]
    matched: dict[str, str | None]

    @property
    def all_right(self) -> bool:
        """Whether every known field is right."""
        return all(self.matched[name] == label for name, label in self.truth.items())


def sheet(record: Record, folder: Path) -> Iterator[Sheet]:
    """The items of a record, cell by cell. Raises `BadOption` where it holds no answers to fields."""
    from .kinds import get_kind

    task, loaded = reload(record, silent)
    if record.task.kind != "questions" or not task.fields:
        raise BadOption(f"{record.id} holds no answers to fields", "name a record of a task such as abide1-open")
    kind = get_kind(task.kind)
    for path in sorted((folder / "cells").glob("*")):
        done = read_cell(path)
        if done is None:
            continue
        rows = loaded.items.table.index.get_indexer(pd.Index(list(done.ids)))
        items = loaded.items.take(rows)
        said = kind.load(path / "prediction", task.info).texts
        for item, prompt, answer, truth in zip(
            done.ids, items.table["prompt"], said, kind.targets(items, task.info), strict=True
        ):
            yield Sheet(item, prompt, answer, truth, match(answer, task.fields, task.paradigm))
