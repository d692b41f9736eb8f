"""Learning curves: a task's records by the number of labelled scans, brought together from a store.

A point is a record of ``TASK@zero-shot``, ``TASK@4-shot`` ... ``TASK@all-shot``; all were tested on the same people.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..benchmark.contracts import Task
from ..benchmark.errors import BadOption, StoreError
from ..benchmark.record import CeilingPart, Record, ScorePart
from ..benchmark.store import Store, read_split
from .board import options_told
from .wording import origin

REGIME = re.compile(r"(zero|all|\d+)-shot")
FLOORS = ("majority", "confounds", "site-only", "motion-only")
"""Methods that read no scan."""


@dataclass(frozen=True)
class Point:
    """A score at a number of labelled scans.

    Attributes
    ----------
    regime, labelled
        Name of the regime, and how many labelled scans a fit saw.
    record, score
        Where it stands, and the score with its interval.
    """

    regime: str
    labelled: int
    record: str
    score: ScorePart


@dataclass(frozen=True)
class Curve:
    """A method with its configuration: points by rising numbers of labelled scans.

    Attributes
    ----------
    label, method, control
        As printed; name of the method without its control; and the control, "" for none.
    floor
        Whether it reads no scan.
    """

    label: str
    method: str
    control: str
    floor: bool
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Chart:
    """What a figure of learning curves shows.

    Attributes
    ----------
    task, metric
        Name of the task without its regime, and the metric.
    title, what
        One line each: the task, and data, sources and what the bars are.
    chance, ceiling
        Score of no knowledge where the metric has one, and the twin's best attainable where it is of this metric.
    regimes
        Regime name -> labelled scans, of all points.
    notes
        Points that are missing, each with its reason or the command that makes it.
    """

    task: str
    metric: str
    title: str
    what: str
    chance: float | None
    ceiling: CeilingPart | None
    higher_is_better: bool
    curves: tuple[Curve, ...]
    regimes: dict[str, int]
    notes: tuple[str, ...]

    def rows(self) -> list[dict[str, object]]:
        """One plain row a point."""
        return [
            {
                "method": curve.label,
                "regime": point.regime,
                "labelled": point.labelled,
                self.metric: point.score.value,
                "low": point.score.low,
                "high": point.score.high,
                "record": point.record,
            }
            for curve in self.curves
            for point in curve.points
        ]


def chart_of(
    store: Store, task: Task, methods: Sequence[str], sources: str | None, metric: str | None, data: str | None
) -> Chart:
    """The learning curves of a task in a store.

    Parameters
    ----------
    methods
        Names, in the order of the legend; all that have records when empty.
    sources
        What was typed after the regime's colon; None for the task's own sources.
    metric
        None for the headline.
    data
        "real" or "simulated" where the store holds both; None for what was run last.

    Raises `StoreError` with the commands that make what is missing, and `BadOption`.
    """
    offered = [name for name in task.regimes if REGIME.fullmatch(name)]
    if not offered:
        raise BadOption(f"task {task.name!r} has no regime of few labels", f"see `brainbench tasks {task.name}`")
    names = {f"{task.name}@{regime}" + (f":{sources}" if sources else ""): regime for regime in offered}
    of_task = list(store.records(lambda place: place.task in names))
    if data:
        of_task = [record for record in of_task if (record.data.origin == "twin") == (data == "simulated")]
    found = latest(together(of_task))
    wanted = [record for record in found if not methods or record.method.name in methods]
    lacking = [name for name in methods if not any(record.method.name == name for record in wanted)]
    if lacking or not wanted:
        raise nothing(store, task, list(names), lacking or methods or ("METHOD",))
    return build(store, task, wanted, names, methods, metric or wanted[0].task.metrics[0])


def nothing(store: Store, task: Task, names: Sequence[str], methods: Sequence[str]) -> StoreError:
    """The error for methods without any record, with the command that makes them."""
    asked = "" if methods[0] == "METHOD" else f" of {', '.join(methods)}"
    return StoreError(
        f"no record{asked} on {task.name} with few labels in {store.path}",
        f"run it:  {command(names, methods)}",
    )


def command(tasks: Sequence[str], methods: Sequence[str]) -> str:
    """The command line that runs methods on tasks."""
    return " ".join(
        ["brainbench run", *(f"--task {name}" for name in tasks), *(f"--method {name}" for name in methods)]
    )


def together(records: Iterable[Record]) -> list[Record]:
    """The records on one set of data and one version of the task: those among which the newest is."""
    groups: dict[tuple[str, str, int], list[Record]] = defaultdict(list)
    for record in records:
        groups[record.data.origin, record.data.fingerprint, record.task.version].append(record)
    return max(groups.values(), key=lambda group: max(r.environment.created for r in group), default=[])


def latest(records: Iterable[Record]) -> list[Record]:
    """The newest record of each regime, method, configuration and number of seeds."""
    newest: dict[str, Record] = {}
    for record in sorted(records, key=lambda record: record.environment.created):
        method = record.method
        newest[f"{record.task.name} {method.name} {method.ref} {method.options} {method.weights} {record.seeds}"] = (
            record
        )
    return list(newest.values())


def build(
    store: Store, task: Task, records: Sequence[Record], names: dict[str, str], methods: Sequence[str], metric: str
) -> Chart:
    """The chart of chosen records. Raises `BadOption` for a metric that they do not have."""
    if metric not in records[0].task.metrics:
        raise BadOption(f"no metric {metric!r}", f"the task has: {', '.join(records[0].task.metrics)}")
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        method = record.method
        groups[f"{method.name} {method.ref} {method.options} {method.weights} {record.seeds}"].append(record)
    curves, notes = [], []
    seen = {record.task.name for record in records}
    for group in groups.values():
        curves.append(curve_of(store, group, records, names, metric))
        notes += missing(group, sorted(seen, key=list(names).index))
    curves.sort(key=lambda curve: (curve.floor, order(methods, curve), curve.method, curve.control, curve.label))
    scored = {point.regime: point.labelled for curve in curves for point in curve.points}
    first = next(record for record in records if metric in record.scores or record is records[-1])
    score = first.scores.get(metric)
    ceiling = first.ceiling if first.ceiling and first.ceiling.metric == metric else None
    return Chart(
        task=task.name,
        metric=metric,
        title=f"{task.name}: {task.title}",
        what=described(first),
        chance=score.chance if score else None,
        ceiling=ceiling,
        higher_is_better=score.higher_is_better if score else True,
        curves=tuple(curve for curve in curves if curve.points),
        regimes=dict(sorted(scored.items(), key=lambda item: item[1])),
        notes=tuple(notes),
    )


def order(methods: Sequence[str], curve: Curve) -> int:
    """Place of a curve in the order that was asked for."""
    name = f"{curve.method}+{curve.control}" if curve.control else curve.method
    return list(methods).index(name) if name in methods else len(methods)


def curve_of(
    store: Store, group: Sequence[Record], records: Sequence[Record], names: dict[str, str], metric: str
) -> Curve:
    """The curve of one configuration."""
    first = group[0]
    name, _, control = first.method.name.partition("+")
    others = [record for record in records if record.task.name == first.task.name]
    told = options_told(first, others)
    if any(other.method.name == first.method.name and other.seeds != first.seeds for other in others):
        told.append(f"seeds={len(first.seeds)}")
    points = []
    for record in group:
        score = record.scores.get(metric)
        if record.status == "ok" and score is not None and score.value is not None:
            split = read_split(store.path / "records" / record.id)
            labelled = max(len(ids["train"]) for ids in split.folds.values())
            points.append(Point(names[record.task.name], labelled, record.id, score))
    return Curve(
        label=f"{first.method.name} ({', '.join(told)})" if told else first.method.name,
        method=name,
        control=control,
        floor=name in FLOORS,
        points=tuple(sorted(points, key=lambda point: point.labelled)),
    )


def missing(group: Sequence[Record], seen: Sequence[str]) -> list[str]:
    """Why a configuration has no point at regimes at which others have one."""
    have = {record.task.name: record for record in group}
    name = group[0].method.name
    notes = [
        f"{record.task.name} {name}: {record.status}: {record.reason}" for record in group if record.status != "ok"
    ]
    lack = [task for task in seen if task not in have]
    return [*notes, *([f"{name} was not run with all numbers of labels:  {command(lack, [name])}"] if lack else [])]


def described(record: Record) -> str:
    """Data, sources, and what the bars are, in one line."""
    data = record.data
    lent = record.task.title.partition(", sources: ")[2]
    sources = f"sources: {lent}" if lent else "no sources"
    return (
        f"{origin(data.origin)} {data.name}, {data.items} test scans, {sources}. Points are means over draws of the "
        "labelled scans, bars 95 % intervals over test subjects and draws."
    )
