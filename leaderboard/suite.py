"""A suite's table, of methods that have a record on the same tasks.

Tasks that ask the same, such as networks to recover, are averaged. Others stand side by side with their
headlines, and only ranks are averaged: a mean of different targets' scores means nothing. Tests over the tasks
(`brainbench.leaderboard.critical`) say which mean ranks differ.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..benchmark.record import Record, ScorePart
from .board import Board, may_rank, options_told, whole_of
from .critical import Critical, critical, findings


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
        Mean rank over the tasks, among the rows that have them all; None for a row that lacks one.
    tied
        Whether it is not separated from the best mean rank; None where it has no rank.
    p
        Of the test against the best mean rank, adjusted by Holm over all pairs; None for the best, or without a rank.
    """

    label: str
    scores: dict[str, float | None]
    tasks: tuple[str, ...]
    fewer: dict[str, int]
    seconds: float
    headlines: dict[str, ScorePart]
    rank: float | None = None
    tied: bool | None = None
    p: float | None = None


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
    critical
        Mean ranks of the rows that have all the tasks, and tests of them; None with fewer than two such rows.
    cohorts
        Number of different data that the tasks with a record are on.
    """

    name: str
    origin: str
    metrics: tuple[str, ...]
    higher_is_better: dict[str, bool]
    lines: tuple[SuiteLine, ...]
    tasks: tuple[str, ...]
    missing: tuple[str, ...]
    truths: int
    critical: Critical | None = None
    cohorts: int = 0

    @property
    def findings(self) -> tuple[str, ...]:
        """What tests over the tasks found, in sentences; none with fewer than two rows to rank."""
        if self.critical is None:
            return ()
        sets = f"{self.cohorts} set{'s' if self.cohorts > 1 else ''} of data"
        shared = (
            f"These tests take tasks as independent; the {len(self.tasks)} tasks rest on {sets}. On shared people "
            "equal methods were told apart in 51 to 77 % of simulated suites instead of 5 % (docs/statistics.md): "
            "believe no p and no group here.",
        )
        return (*findings(self.critical), *(shared if self.cohorts < len(self.tasks) else ()))

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
    return whole_of(name) if record.task.track and whole_of(name) in tasks else ""


def _table(name: str, origin: str, tasks: Sequence[str], rows: dict[str, dict[str, Record]]) -> SuiteTable:
    records = [record for place in rows.values() for record in place.values()]
    first = records[0]
    present = {task for place in rows.values() for task in place}
    metrics = first.task.metrics
    lines = distinct([_line(place, records, metrics) for place in rows.values()])
    higher = {metric: first.scores[metric].higher_is_better for metric in metrics if metric in first.scores}
    truths = len({truth for record in records for truth in record.data.truths})
    here = tuple(task for task in tasks if task in present)
    best = -1 if higher.get(metrics[0], True) else 1
    headlines = {task: record.task.metrics[0] for place in rows.values() for task, record in place.items()}
    tested = ranks_of(lines, {task: headlines[task] for task in here})
    lines = [with_rank(line, tested) for line in lines] if tested else lines
    by_rank = {line.label: line.rank for line in lines if line.rank and not truths}
    lines.sort(
        key=lambda line: (
            -len(line.tasks),
            by_rank.get(line.label) or best * (line.scores[metrics[0]] or 0),
            line.label,
        )
    )
    return SuiteTable(
        name=name,
        origin=origin,
        metrics=metrics,
        higher_is_better=higher,
        lines=tuple(lines),
        tasks=here,
        missing=tuple(task for task in tasks if task not in present),
        truths=truths,
        critical=tested,
        cohorts=len({record.data.fingerprint for record in records}),
    )


def distinct(lines: Sequence[SuiteLine]) -> list[SuiteLine]:
    """The lines, numbered where labels are the same, such as two files' methods of one name."""
    seen: Counter[str] = Counter()
    found = []
    for line in lines:
        seen[line.label] += 1
        again = seen[line.label] > 1
        found.append(replace(line, label=f"{line.label} [{seen[line.label]}]") if again else line)
    return found


def ranks_of(lines: Sequence[SuiteLine], headlines: Mapping[str, str]) -> Critical | None:
    """Mean ranks of the lines that have all tasks, and tests; None with fewer than two.

    ``headlines`` are the names of the tasks' headline metrics.
    """
    tasks = tuple(headlines)
    whole = [line for line in lines if len(line.tasks) == len(tasks)]
    if len(whole) < 2 or len(tasks) < 2:
        return None
    heads = [whole[0].headlines[task] for task in tasks]
    scores = [[line.headlines[task].value for line in whole] for task in tasks]
    return critical(
        [line.label for line in whole],
        np.array(scores, dtype=np.float64),
        [head.higher_is_better for head in heads],
        one_metric=len(set(headlines.values())) == 1,
    )


def with_rank(line: SuiteLine, tested: Critical) -> SuiteLine:
    """The line with its mean rank and the test against the best, where it has one."""
    if line.label not in tested.labels:
        return line
    place = tested.labels.index(line.label)
    p = next((pair.holm for pair in tested.pairs if (pair.first, pair.second) == (0, place)), None)
    return replace(line, rank=tested.ranks[place], tied=tested.tied(line.label), p=p)


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
