"""Differences between two methods within groups of the tested people: sites, sexes, ages, motion.

A group's score is the mean over folds of the score among its members in that fold, weighted by how many they are, so
that predictions of different models are never ranked together. Intervals and p are over test subjects, as those of the
whole. Whether a difference is another in one group than in another is tested by Cochran's Q (W. G. Cochran,
Biometrics 10, 1954) on the groups' differences and their bootstrap deviations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from .comparing import Pairing, Pairings
from .contracts import Kind, Metric, Task
from .grouping import groups_of
from .kinds import get_kind
from .record import Record
from .registry import load_metric
from .score import pooled_folds
from .stats import Scored, bootstrap, holm, two_sided

LEAST_CLASS, LEAST = 5, 10
"""Fewest members of each class, and fewest subjects, of a group that is shown."""


@dataclass(frozen=True)
class Group:
    """A difference among some of the tested people.

    Attributes
    ----------
    name
        Such as a site.
    subjects
        How many of them are scored.
    first, other
        Scores of the first record and of the one that is set against it.
    value, low, high
        ``other`` minus ``first`` with its 95 % interval over test subjects.
    p, holm
        Two-sided bootstrap p of no difference, and adjusted over all groups that were asked for together.
    """

    name: str
    subjects: int
    first: float
    other: float
    value: float
    low: float
    high: float
    p: float
    holm: float = math.nan


@dataclass(frozen=True)
class Breakdown:
    """A difference, group by group.

    Attributes
    ----------
    record, metric, column
        Whose difference to the first record, in which score, by which column of the cohort.
    groups
        Those that are large enough.
    small
        The other groups and how many subjects they have.
    unknown
        Number of subjects without a value in the column.
    q, df, p, holm
        Cochran's Q over the groups, its degrees of freedom, and the p of one difference in all groups, plain and
        adjusted over the columns that were asked for together; NaN with fewer than two groups.
    """

    record: Record
    metric: str
    column: str
    groups: tuple[Group, ...]
    small: tuple[tuple[str, int], ...]
    unknown: int
    q: float
    df: int
    p: float
    holm: float = math.nan


class Part(NamedTuple):
    """Both predictions of one fold's items, or of all of a seed where a task pools them.

    ``inside`` (n,) says which of them are in the group.
    """

    truth: Any
    mine: Any
    theirs: Any
    clusters: Sequence[str]
    ids: tuple[str, ...]
    draw: str
    inside: np.ndarray


class Parts:
    """Folds one after the other, as the one truth that a bootstrap knows."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = list(parts)
        self.ends = np.cumsum([len(part.inside) for part in self.parts])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def under(self, counts: np.ndarray) -> Iterator[tuple[Part, np.ndarray]]:
        """Each fold with the counts (B, n) of its items, 0 outside of the group."""
        for part, end in zip(self.parts, self.ends, strict=True):
            yield part, counts[:, end - len(part.inside) : end] * part.inside


class Within(Metric):
    """A number of each fold within a group, as a metric: the weighted mean over the folds that define it."""

    def __init__(self, of: Callable[[Part, np.ndarray], np.ndarray]) -> None:
        self.of = of

    def resample(self, truth: Parts, prediction: Parts, counts: np.ndarray) -> np.ndarray:
        """Means (B,); NaN where no fold defines the number."""
        total, weight = np.zeros(len(counts)), np.zeros(len(counts))
        for part, within in truth.under(counts):
            values = self.of(part, within)
            share = ~np.isnan(values) * float(part.inside.sum())
            total += np.where(share > 0, values * share, 0)
            weight += share
        mean: np.ndarray = np.where(weight > 0, total / np.maximum(weight, 1), np.nan)
        return mean


class Numbers:
    """The three numbers of a fold: the score of each method, and their difference."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric

    def first(self, part: Part, counts: np.ndarray) -> np.ndarray:
        """Scores (B,) of the first record."""
        return self.metric.resample(part.truth, part.theirs, counts)

    def other(self, part: Part, counts: np.ndarray) -> np.ndarray:
        """Scores (B,) of the record that is set against it."""
        return self.metric.resample(part.truth, part.mine, counts)

    def change(self, part: Part, counts: np.ndarray) -> np.ndarray:
        """Differences (B,)."""
        change: np.ndarray = self.other(part, counts) - self.first(part, counts)
        return change

    def defined(self, part: Part) -> bool:
        """Whether the fold has a difference within the group."""
        return bool(part.inside.any()) and not np.isnan(self.change(part, part.inside[None].astype(float)))[0]


def break_down(paired_up: Pairings, metric: str, columns: Sequence[str]) -> list[Breakdown]:
    """The differences of all records to the first, by the groups of each column. Raises `BadOption`."""
    labels = {column: groups_of(paired_up.items.table, column) for column in columns}
    found = [
        _by_column(paired_up, pairing, load_metric(metric), labels[column])
        for pairing in paired_up.others
        for column in columns
    ]
    p = iter(holm([group.p for breakdown in found for group in breakdown.groups]).tolist())
    whole = holm([breakdown.p for breakdown in found])
    return [
        replace(breakdown, holm=float(own), groups=tuple(replace(group, holm=next(p)) for group in breakdown.groups))
        for breakdown, own in zip(found, whole, strict=True)
    ]


def _by_column(paired_up: Pairings, pairing: Pairing, metric: Metric, labels: pd.Series) -> Breakdown:
    """One record's differences by the groups of one column."""
    kind, numbers = get_kind(paired_up.task.kind), Numbers(metric)
    folds = list(_folds(paired_up.task, kind, pairing))
    tested = sorted({item for fold in folds for item in fold.ids})
    people = paired_up.items.table.loc[tested, "subject"].astype(str)
    here = labels.loc[tested]
    shown, small, spreads = [], [], []
    for name in here.cat.categories[here.cat.categories.isin(here)]:
        members = set(here.index[here == name])
        parts = [_inside(fold, members) for fold in folds]
        usable = [part for part in parts if numbers.defined(part)]
        if _enough(paired_up, kind, usable):
            group, spread = _group(paired_up.task, numbers, name, usable, people)
            shown.append(group)
            spreads.append(spread)
        else:
            small.append((name, int(people[here == name].nunique())))
    q, df, p = cochran([group.value for group in shown], spreads)
    unknown = int(people[here.isna()].nunique())
    return Breakdown(
        pairing.record, metric.name, str(labels.name), tuple(shown), tuple(small), unknown, q=q, df=df, p=p
    )


def _folds(task: Task, kind: Kind, pairing: Pairing) -> Iterator[Part]:
    """What a score is the mean of, nobody inside of the group yet."""
    if not task.pooled:
        for cell, other in zip(pairing.mine, pairing.theirs, strict=True):
            if cell.scorable:
                nobody = np.zeros(len(cell.ids), dtype=bool)
                yield Part(cell.truth, cell.prediction, other.prediction, cell.clusters, cell.ids, cell.fold, nobody)
        return
    seeds = list(dict.fromkeys(cell.seed for cell in pairing.mine))
    joined = zip(seeds, pooled_folds(kind, pairing.mine), pooled_folds(kind, pairing.theirs), strict=True)
    for seed, mine, theirs in joined:
        ids = tuple(item for cell in pairing.mine if cell.seed == seed for item in cell.ids)
        nobody = np.zeros(len(ids), dtype=bool)
        yield Part(mine.truth, mine.prediction, theirs.prediction, mine.clusters, ids, "", nobody)


def _inside(part: Part, members: set[str]) -> Part:
    return part._replace(inside=np.array([item in members for item in part.ids], dtype=bool))


def _enough(paired_up: Pairings, kind: Kind, usable: Sequence[Part]) -> bool:
    """Whether a group has enough subjects, and of each class, in the folds that define its score."""
    clusters, ids = _members(usable)
    if len(clusters) < LEAST:
        return False
    if type(kind).scorable is Kind.scorable:  # a kind without classes
        return True
    items = paired_up.items.take(np.flatnonzero(paired_up.items.table.index.isin(ids)))
    return kind.scorable(kind.truth(items, items, paired_up.task.info), LEAST_CLASS)


def _members(parts: Sequence[Part]) -> tuple[set[str], set[str]]:
    """What is resampled of a group in these folds, and the ids of its items."""
    rows = [(part, row) for part in parts for row in np.flatnonzero(part.inside).tolist()]
    return {part.clusters[row] for part, row in rows}, {part.ids[row] for part, row in rows}


def _group(task: Task, numbers: Numbers, name: str, usable: Sequence[Part], people: pd.Series) -> tuple[Group, float]:
    """The difference within a group, and its bootstrap deviation."""
    drawn = task.interval == "draws"  # every draw has all test subjects, so all weigh the same
    folds = [_as_scored([part]) for part in usable] if drawn else [_as_scored(usable)]
    found = bootstrap(Within(numbers.change), folds, over_folds=drawn)
    first, other = (
        float(np.mean([Within(of).score(fold.truth, fold.truth) for fold in folds]))
        for of in (numbers.first, numbers.other)
    )
    clusters, ids = _members(usable)
    p = two_sided(found.draws, min(len(clusters), len(folds)) if drawn else len(clusters))
    group = Group(name, int(people.loc[sorted(ids)].nunique()), first, other, found.value, found.low, found.high, p)
    return group, float(np.nanstd(found.draws))


def _as_scored(parts: Sequence[Part]) -> Scored:
    whole = Parts(parts)
    return Scored(whole, whole, [subject for part in parts for subject in part.clusters], parts[0].draw)


def cochran(values: Sequence[float], spreads: Sequence[float]) -> tuple[float, int, float]:
    """Cochran's Q of values with known deviations, its degrees of freedom, and p by the chi2 distribution.

    Groups whose difference does not vary at all cannot be weighed and are left out.
    """
    known = [(value, spread) for value, spread in zip(values, spreads, strict=True) if spread > 0]
    if len(known) < 2:
        return math.nan, 0, math.nan
    value, spread = np.array(known).T
    weight = 1 / spread**2
    mean = (weight * value).sum() / weight.sum()
    q = float((weight * (value - mean) ** 2).sum())
    return q, len(known) - 1, float(stats.chi2.sf(q, len(known) - 1))
