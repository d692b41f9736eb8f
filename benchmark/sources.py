"""Sources: labelled data of other tasks that a regime lends to a method, without anybody who is tested."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .contracts import Data, Fold, Progress, Task
from .errors import BadData, BadOption, BrainbenchError
from .items import Items
from .loading import Loaded, load
from .record import Finding
from .registry import load_task


@dataclass(frozen=True)
class Lent:
    """The labelled items of a source task; ``hidden`` are covariates that it does not show here."""

    task: Task
    data: Data
    hidden: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Which task, in which version, on which data."""
        kept = f" without {','.join(self.hidden)}" if self.hidden else ""
        return f"{self.task.name} {self.task.version} {self.data.fingerprint}{kept}"


def load_sources(task: Task, home: Loaded, source: str, progress: Progress) -> tuple[Lent, ...]:
    """The sources of a task, where its regime uses any.

    Raises `BadData` where one has other ROIs, and what `load` raises where one is not installed.
    """
    if not task.uses_sources:
        return ()
    found = []
    for name in task.sources:
        other, _ = load_task(name)
        try:
            lent = discreet(task, Lent(other, load(other, source, progress).data))
        except BrainbenchError as error:
            hint = f"{error.hint}; or name other sources:  {task.name.partition(':')[0]}:TASK,TASK  (or  :none)"
            raise type(error)(f"{task.name} learns from {name}: {error.message}", hint) from error
        refuse_own_labels(task, other)
        refuse_other_rois(task, home.data, lent)
        found.append(lent)
    return tuple(found)


def label_columns(task: Task) -> set[str]:
    """Columns of the cohort that a task's labels are made from."""
    made = task.label
    named = getattr(made, "sources", None) or (getattr(made, "source", task.target),)
    return {*named, *task.fields}


def discreet(task: Task, lent: Lent) -> Lent:
    """The source without covariates that tell the labels which a regime of few hides of the same people."""
    if not task.few or lent.task.dataset != task.dataset:
        return lent
    hidden = tuple(name for name in lent.task.covariates if name in label_columns(task))
    shown = tuple(name for name in lent.task.covariates if name not in hidden)
    return replace(lent, task=replace(lent.task, covariates=shown), hidden=hidden)


def refuse_own_labels(task: Task, other: Task) -> None:
    """Raise `BadOption` where few labels are shown, and a source would show more of the same people's."""
    if task.few and other.dataset == task.dataset and label_columns(task) & label_columns(other):
        raise BadOption(
            f"{task.name}: its source {other.name} shows labels of the same people that the regime hides",
            "name tasks of another cohort or target, or none",
        )


def refuse_other_rois(task: Task, data: Data, lent: Lent) -> None:
    """Raise `BadData` where a source's scans have other regions."""
    ours, theirs = (each.items.meta.get("atlas", {}).get("labels") for each in (data, lent.data))
    if not theirs:
        raise BadData(f"{task.name}: its source {lent.task.name} holds no ROI series", "name tasks on cohorts of scans")
    if ours != theirs:
        raise BadData(
            f"{task.name}: its source {lent.task.name} has other ROIs ({len(theirs or [])}) than {data.name} "
            f"({len(ours or [])})",
            "import both with one atlas, or name other sources after a colon",
        )


def fingerprint(data: Data, sources: Sequence[Lent]) -> str:
    """Hash of the data and of everything that is lent beside them."""
    return "+".join([data.fingerprint, *(lent.fingerprint for lent in sources)])


def cleared(lent: Lent, data: Data, fold: Fold) -> Items:
    """The source's items without the fold's test people: by subject and family in one cohort, by content in all.

    No copy of any scan of the task's cohort is lent from another one, as it may show a label that a regime hides.
    """
    tested = data.items.table.loc[list(fold.test)]
    table = lent.data.items.table
    drop = np.zeros(len(table), dtype=bool)
    copied = tested if lent.data.name == data.name else data.items.table
    if "digest" in table and "digest" in copied:
        drop |= table["digest"].isin(set(copied["digest"].dropna()) - {""}).to_numpy()
    if lent.data.name == data.name:
        for column in ("subject", "group"):
            drop |= table[column].isin(set(tested[column])).to_numpy()
    return lent.data.items.take(np.flatnonzero(~drop))


def content(sources: Sequence[tuple[Lent, Items]]) -> str:
    """Hash of which items of which data are lent."""
    told = [[lent.fingerprint, sorted(map(str, items.table.index))] for lent, items in sources]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def told(sources: Sequence[Lent], data: Data, folds: Sequence[Fold]) -> tuple[Finding, ...]:
    """One line for the audit a source: how many items are lent, and how many were taken out."""
    found = []
    for lent in sources:
        left = min(len(cleared(lent, data, fold)) for fold in folds)
        out = len(lent.data.items) - left
        found.append(
            Finding(
                detector="sources",
                level="ok",
                message=f"{left} labelled items of {lent.task.name} are lent; {out} of its own people are taken out",
            )
        )
    return tuple(found)
