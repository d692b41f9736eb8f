"""Methods against one method, on the same test items: differences with intervals and tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from .contracts import Kind, Progress, Task
from .errors import BadOption
from .items import Items
from .kinds import get_kind
from .record import Record
from .registry import load_metric
from .rescoring import rejudge, reload
from .score import Judged, pooled_folds
from .splits import HALVES
from .stats import Difference, Scored, TTest, corrected_resampled_t, holm, paired


@dataclass(frozen=True)
class Compared:
    """One method minus the first one, by one metric.

    Attributes
    ----------
    record, metric
        Whose difference, and in which score.
    difference
        Mean over folds with its interval and p over test subjects, given the trained models.
    over_folds
        The corrected resampled t-test over folds, which counts the training as well.
    holm
        The p of ``difference``, adjusted over all methods and metrics that were asked for together.
    """

    record: Record
    metric: str
    difference: Difference
    over_folds: TTest
    holm: float


class Pairing(NamedTuple):
    """The cells of two records on the same items, in one order; parts of a cell stand apart."""

    record: Record
    mine: list[Judged]
    theirs: list[Judged]


class Pairings(NamedTuple):
    """Records beside the first of them: their task, its items with their truth, and the records' cells."""

    task: Task
    items: Items
    first: Record
    others: list[Pairing]


def pair_up(first: tuple[Record, Path], others: Sequence[tuple[Record, Path]], progress: Progress) -> Pairings:
    """The predictions of all records with their truth. Raises `BadOption` where they cannot be paired."""
    refuse_unlike([first[0], *(record for record, _ in others)])
    task, loaded = reload(first[0], progress)
    _, reference, _ = rejudge(*first, progress)
    kind = get_kind(task.kind)
    found = []
    for record, folder in others:
        _, cells, _ = rejudge(record, folder, progress)
        found.append(pairs(kind, task, cells, reference, record))
    return Pairings(task, loaded.items, first[0], found)


def compare(paired_up: Pairings, metrics: Sequence[str]) -> list[Compared]:
    """Each of the other records minus the first, by each metric."""
    task = paired_up.task
    found: list[tuple[Record, str, Difference, TTest]] = []
    for record, mine, theirs in paired_up.others:
        folds = scored(task, mine), scored(task, theirs)
        for name in metrics:
            difference = paired(load_metric(name), *folds, over_folds=task.interval == "draws")
            difference = untested(difference) if task.interval == "range" else difference
            found.append((record, name, difference, t_test(task, record, difference)))
    adjusted = holm([difference.p for _, _, difference, _ in found])
    return [Compared(*row, float(p)) for row, p in zip(found, adjusted, strict=True)]


def untested(difference: Difference) -> Difference:
    """The difference alone: of one item, such as all subjects together, there is nothing to resample."""
    return replace(difference, low=math.nan, high=math.nan, p=math.nan)


def scored(task: Task, cells: Sequence[Judged]) -> list[Scored]:
    """What a score is the mean of: each fold, or all folds of a seed where the task pools them."""
    if task.pooled:
        return pooled_folds(get_kind(task.kind), cells)
    whole = [cell for cell in cells if cell.scorable and not (task.interval == "range" and cell.fold == HALVES)]
    return [Scored(cell.truth, cell.prediction, cell.clusters, cell.fold) for cell in whole]


def refuse_unlike(records: Sequence[Record]) -> None:
    """Raise `BadOption` where records are not of one task, version, data and split, or not complete."""
    first = records[0]
    for record in records[1:]:
        for what, mine, theirs in (
            ("task", first.task.name, record.task.name),
            ("version of the task", first.task.version, record.task.version),
            ("data", first.data.fingerprint, record.data.fingerprint),
            ("split", first.split.hash, record.split.hash),
        ):
            if mine != theirs:
                raise BadOption(
                    f"{first.id} and {record.id} have another {what} ({mine}, {theirs})",
                    "only records on the same test items are compared",
                )
    bad = next((record for record in records if record.status != "ok"), None)
    if bad:
        raise BadOption(f"{bad.id} is not complete ({bad.status}: {bad.reason})", "run it again")


def pairs(kind: Kind, task: Task, cells: Sequence[Judged], reference: Sequence[Judged], record: Record) -> Pairing:
    """The cells that both have, in one order; a reference with one seed stands beside every seed."""
    by_cell = {(cell.fold, cell.part, cell.seed): cell for whole in reference for cell in whole.apart(kind)}
    only = min(cell.seed for cell in reference)
    one_seed = len({cell.seed for cell in reference}) == 1
    mine, theirs = [], []
    for cell in (part for whole in cells for part in whole.apart(kind)):
        other = by_cell.get((cell.fold, cell.part, only if one_seed else cell.seed))
        if other is not None:
            mine.append(cell)
            theirs.append(replace(other, seed=cell.seed))
    if not scored(task, mine):
        raise BadOption(f"{record.id}: no fold and seed in common", f"run both with the same seeds on {task.name}")
    return Pairing(record, mine, theirs)


def t_test(task: Task, record: Record, difference: Difference) -> TTest:
    """The corrected t-test, with the share of test to training items of the record's folds.

    NaN where the differences are not those of folds: of parts, of seeds where a task pools its folds, or of draws of
    the labelled items, which the bootstrap draws among.
    """
    if task.parts or task.pooled or task.interval == "draws":
        return TTest(difference.value, math.nan, 0, math.nan)
    total = record.data.items
    test = sum(part.items for part in record.cells) / max(len(record.cells), 1)
    return corrected_resampled_t(difference.folds, max(total - test, 1), test)
