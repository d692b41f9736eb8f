"""A suite's table, of methods that have a record on the same tasks.

Tasks that ask the same, such as networks to recover, are averaged. Others stand side by side with their
headlines, and only ranks are averaged: a mean of different targets' scores means nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import rankdata

from ..benchmark.record import Record, ScorePart
from .board import Board, may_rank, options_told


@dataclass(frozen=True)
class SuiteLine:
    """A method with its configuration on the tasks of a suite.

    Attributes
    ----------
    label
        Method and preset.
    scores
        Metric -> mean over its tasks; None where a task lacks it.
    tasks
        Names of the tasks with a score.
    fewer
        Tasks that were run on some of the subjects only, and how many subjects.
    seconds
        Fit and predict, all tasks.
    headlines
        Task -> its headline score.
    rank
        Mean rank over the tasks; None where tasks are averaged, or for a row that lacks one.
    """

    label: str
    scores: dict[str, float | None]
    tasks: tuple[str, ...]
    fewer: dict[str, int]
    seconds: float
    headlines: dict[str, ScorePart]
    rank: float | None = None


@dataclass(frozen=True)
class SuiteTable:
    """Means over the tasks of a suite, from one source.

    Attributes
    ----------
    lines
        Methods with all the tasks first, best first.
    tasks, missing
        Tasks with at least one record, and the others.
    truths
        Number of distinct truths that the tasks with a record hold; 0 where tasks do not share truths.
    """

    name: str
    origin: str
    metrics: tuple[str, ...]
    higher_is_better: dict[str, bool]
    lines: tuple[SuiteLine, ...]
    tasks: tuple[str, ...]
    missing: tuple[str, ...]
    truths: int

    @property
    def averaged(self) -> bool:
        """Whether its tasks ask the same, so that scores are averaged over them."""
        return self.truths > 0

    def complete(self, line: SuiteLine) -> bool:
        """Whether a method has every task that any method has."""
        return len(line.tasks) == len(self.tasks)


def suite_tables(name: str, tasks: Sequence[str], found: Iterable[Board]) -> list[SuiteTable]:
    """A table for each source of data that has records on at least two of the suite's tasks."""
    by_source: dict[tuple[str, str], dict[str, list[Board]]] = defaultdict(lambda: defaultdict(list))
    for board in found:
        if task := suite_task(board.first, tasks):
            by_source[board.first.data.origin, board.first.data.source][task].append(board)
    made = []
    for (origin, _), places in sorted(by_source.items()):
        rows: dict[str, dict[str, Record]] = defaultdict(dict)
        for task, candidates in places.items():
            for record in task_records(task, candidates):
                method = record.method
                rows[f"{method.ref} {method.preset} {method.options} {method.weights}"].setdefault(task, record)
        made.append(_table(name, origin, tasks, rows) if rows else None)
    return [table for table in made if table and len(table.tasks) > 1]


def task_records(task: str, candidates: Sequence[Board]) -> list[Record]:
    """Records that may stand for a task, best first: one version of it on one set of data.

    Those on all subjects come first, then those on fewer of the same subjects; of one
    configuration the one with more seeds.
    """

    def order(board: Board) -> tuple[bool, int, int]:
        return board.first.task.name == task, board.first.task.version, len(board.lines)

    chosen = max(candidates, key=order).first
    same = [
        board
        for board in candidates
        if (board.first.task.version, board.first.data.fingerprint) == (chosen.task.version, chosen.data.fingerprint)
    ]
    found = [line.record for board in same for line in board.lines if may_rank(line.record)]
    return sorted(found, key=lambda one: (one.task.name != task, -one.data.subjects, -len(one.seeds)))


def suite_task(record: Record, tasks: Sequence[str]) -> str:
    """The suite's task of a record: its own, or the one of which it takes fewer subjects; "" for neither."""
    name = record.task.name
    if name in tasks:
        return name
    whole = name.rpartition(":")[0].removesuffix("@subject")
    return whole if record.task.track and whole in tasks else ""


def _table(name: str, origin: str, tasks: Sequence[str], rows: dict[str, dict[str, Record]]) -> SuiteTable:
    records = [record for place in rows.values() for record in place.values()]
    first = records[0]
    present = {task for place in rows.values() for task in place}
    metrics = first.task.metrics
    lines = [_line(place, records, metrics) for place in rows.values()]
    higher = {metric: first.scores[metric].higher_is_better for metric in metrics if metric in first.scores}
    truths = len({truth for record in records for truth in record.data.truths})
    here = tuple(task for task in tasks if task in present)
    best = -1 if higher.get(metrics[0], True) else 1
    if not truths:
        lines = ranked(lines, here)
    lines.sort(key=lambda line: (-len(line.tasks), line.rank or best * (line.scores[metrics[0]] or 0), line.label))
    return SuiteTable(
        name=name,
        origin=origin,
        metrics=metrics,
        higher_is_better=higher,
        lines=tuple(lines),
        tasks=here,
        missing=tuple(task for task in tasks if task not in present),
        truths=truths,
    )


def ranked(lines: Sequence[SuiteLine], tasks: Sequence[str]) -> list[SuiteLine]:
    """The lines with the mean of their ranks over all tasks, among those that have all; ties share a rank."""
    whole = [line for line in lines if len(line.tasks) == len(tasks)]
    if len(whole) < 2:
        return list(lines)
    ranks = np.zeros(len(whole))
    for task in tasks:
        scores = [line.headlines[task] for line in whole]
        values = np.array([np.nan if score.value is None else score.value for score in scores])
        ranks += rankdata(-values if scores[0].higher_is_better else values)
    mean = {line.label: float(rank) / len(tasks) for line, rank in zip(whole, ranks, strict=True)}
    return [replace(line, rank=mean.get(line.label)) for line in lines]


def _line(place: dict[str, Record], records: Sequence[Record], metrics: Sequence[str]) -> SuiteLine:
    first = next(iter(place.values()))
    told = options_told(first, records)
    scores = {}
    for metric in metrics:
        parts = [record.scores[metric].value if metric in record.scores else None for record in place.values()]
        known = [value for value in parts if value is not None]
        scores[metric] = sum(known) / len(known) if len(known) == len(parts) else None
    costs = [cost for record in place.values() for cost in record.environment.cells.values()]
    return SuiteLine(
        label=f"{first.method.name} ({', '.join(told)})" if told else first.method.name,
        scores=scores,
        tasks=tuple(place),
        fewer={task: record.data.subjects for task, record in place.items() if record.task.name != task},
        seconds=sum(cost.fit_seconds + cost.predict_seconds for cost in costs),
        headlines={task: record.scores[record.task.metrics[0]] for task, record in place.items()},
    )
