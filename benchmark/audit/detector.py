"""What a detector is, what it returns, and what it looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..contracts import Progress, Task, silent
from ..items import Items
from ..record import Finding
from ..splits import HALVES, SplitManifest
from .labels import Labels
from .look import Look, look

if TYPE_CHECKING:
    import pandas as pd

Level = Literal["ok", "note", "leak", "not covered"]

LABELLED = ("classification", "regression")
"""Kinds whose truth is one class or number a scan."""

SCANS = (*LABELLED, "questions")
"""Kinds whose items are scans of people."""


@dataclass(frozen=True)
class Result:
    """What a detector found.

    Attributes
    ----------
    trap
        The traps that it looks for, such as "L1, L16".
    detector, looked, covers
        Its name, what it looks at, and the kinds that it covers; no kind means all.
    level
        "ok"; "note": worth knowing beside a score; "leak": the score may be higher than it should be;
        "not covered": nothing can be said, and the message says why.
    message, figures
        The finding in words, and its numbers by name.
    """

    trap: str
    detector: str
    looked: str
    covers: tuple[str, ...]
    level: Level
    message: str
    figures: Mapping[str, float | int | str] = field(default_factory=dict)

    @property
    def finding(self) -> Finding:
        """The line of a record."""
        return Finding(detector=self.detector, level=self.level, message=self.message)


@dataclass(frozen=True)
class Detector:
    """Name and reach of a detector; it makes the results. See `Result`."""

    trap: str
    name: str
    looked: str
    covers: tuple[str, ...] = LABELLED

    def ok(self, message: str, **figures: float | int | str) -> Result:
        """Looked, and found nothing."""
        return self.found("ok", message, **figures)

    def note(self, message: str, **figures: float | int | str) -> Result:
        """Found something that a reader of the score must know."""
        return self.found("note", message, **figures)

    def leak(self, message: str, **figures: float | int | str) -> Result:
        """Found a leak."""
        return self.found("leak", message, **figures)

    def not_covered(self, reason: str) -> Result:
        """Could not look, for a reason."""
        return self.found("not covered", reason)

    def found(self, level: Level, message: str, **figures: float | int | str) -> Result:
        """A result of any level."""
        return Result(self.trap, self.name, self.looked, self.covers, level, message, figures)


@dataclass(frozen=True)
class Case:
    """What is audited: a task's items under a split.

    Attributes
    ----------
    task, items, split
        As the run has them; ``items`` hold the truth.
    seed
        Seed of everything random in the audit.
    progress
        Moves a bar.
    """

    task: Task
    items: Items
    split: SplitManifest
    seed: int = 0
    progress: Progress = silent

    @property
    def table(self) -> pd.DataFrame:
        """The items' table."""
        return self.items.table

    @cached_property
    def labels(self) -> Labels:
        """The truth. Only for the kinds of `LABELLED`."""
        return Labels.of(self.task, self.items)

    @cached_property
    def folds(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Fold name -> positions of its training and test items."""
        import pandas as pd

        index = self.table.index
        return {
            name: (index.get_indexer(pd.Index(list(ids["train"]))), index.get_indexer(pd.Index(list(ids["test"]))))
            for name, ids in self.split.folds.items()
            if name != HALVES
        }

    @cached_property
    def look(self) -> Look:
        """One pass over all series."""
        return look(self.items, self.progress)

    def column(self, name: str) -> pd.Series | None:
        """A column that holds something, else None; empty words count as unknown."""
        import pandas as pd

        if name not in self.table:
            return None
        values = self.table[name]
        if not pd.api.types.is_numeric_dtype(values):
            values = values.where(values.notna() & (values.astype(str).str.strip() != ""))
        return values if values.notna().any() else None
