"""Methods against one method, on the same test items: differences with intervals and tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .contracts import Progress, Task
from .errors import BadOption
from .kinds import get_kind
from .record import Record
from .registry import load_metric
from .rescoring import rejudge
from .score import Judged
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


def compare(
    first: tuple[Record, Path],
    others: Sequence[tuple[Record, Path]],
    metrics: Sequence[str],
    progress: Progress,
) -> list[Compared]:
    """Each of the other records minus the first. Raises `BadOption` where they cannot be paired."""
    refuse_unlike([first[0], *(record for record, _ in others)])
    task, reference, _ = rejudge(*first, progress)
    found: list[tuple[Record, str, Difference, TTest]] = []
    for record, folder in others:
        _, cells, _ = rejudge(record, folder, progress)
        mine, theirs = pairs(task, cells, reference, record)
        for name in metrics:
            difference = paired(load_metric(name), mine, theirs, over_folds=task.interval == "draws")
            found.append((record, name, difference, t_test(record, difference)))
    adjusted = holm([difference.p for _, _, difference, _ in found])
    return [Compared(*row, float(p)) for row, p in zip(found, adjusted, strict=True)]


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


def pairs(
    task: Task, cells: Sequence[Judged], reference: Sequence[Judged], record: Record
) -> tuple[list[Scored], list[Scored]]:
    """The scorable folds of both, in one order; a reference with one seed stands beside every seed."""
    kind = get_kind(task.kind)
    by_cell = {(cell.fold, cell.part, cell.seed): cell for whole in reference for cell in whole.apart(kind)}
    only = min(cell.seed for cell in reference)
    one_seed = len({cell.seed for cell in reference}) == 1
    mine, theirs = [], []
    for cell in (part for whole in cells for part in whole.apart(kind)):
        other = by_cell.get((cell.fold, cell.part, only if one_seed else cell.seed))
        if other is not None and cell.scorable:
            mine.append(Scored(cell.truth, cell.prediction, cell.clusters, cell.fold))
            theirs.append(Scored(other.truth, other.prediction, other.clusters, other.fold))
    if not mine:
        raise BadOption(f"{record.id}: no fold and seed in common", f"run both with the same seeds on {task.name}")
    return mine, theirs


def t_test(record: Record, difference: Difference) -> TTest:
    """The corrected t-test, with the share of test to training items of the record's folds; NaN of parts."""
    if record.task.parts:
        return TTest(difference.value, math.nan, 0, math.nan)
    total = record.data.items
    test = sum(part.items for part in record.cells) / max(len(record.cells), 1)
    return corrected_resampled_t(difference.folds, max(total - test, 1), test)
