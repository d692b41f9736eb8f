"""Tests over the tasks of a suite: Friedman, Nemenyi's critical difference, and pairs with Holm's adjustment.

J. Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7 (2006), section 3.2. Tasks are
what is drawn here: the tests ask whether an order of methods would hold on further tasks like these. Only ranks
within a task enter, so tasks may have headlines of different units.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, count
from typing import Literal

import numpy as np
from scipy import stats

from ..benchmark.stats import holm

ALPHA = 0.05
SHUFFLES = 10_000
"""Random orders of the methods within each task, against which Friedman's statistic is held."""


@dataclass(frozen=True)
class Friedman:
    """Friedman's test that all methods rank alike.

    Attributes
    ----------
    chi2
        Friedman's statistic, corrected for ties.
    f
        Iman and Davenport's form of it (1980); infinite where all tasks agree, NaN where all scores are equal.
    p
        Share of orders drawn at random within each task that differ as much, the observed one counted among them:
        it holds at any number of tasks, where the tables of chi2 and F do not.
    least
        The smallest p that so many methods and tasks could give.
    """

    chi2: float
    f: float
    p: float
    least: float


@dataclass(frozen=True)
class Pair:
    """Two methods over all tasks.

    Attributes
    ----------
    first, second
        Their places in `Critical.labels`; ``first`` has the better mean rank.
    wins, ties, losses
        On how many tasks ``first`` is better, equal, worse.
    p, holm
        Two-sided p of the test that `Critical.test` names, and adjusted over all pairs.
    """

    first: int
    second: int
    wins: int
    ties: int
    losses: int
    p: float
    holm: float


@dataclass(frozen=True)
class Critical:
    """Mean ranks of the methods that have all tasks of a suite, and what tests over the tasks say of them.

    Attributes
    ----------
    labels, ranks
        Methods, best mean rank first, and their mean ranks (1 is best; ties share a rank).
    tasks
        Number of tasks.
    friedman
        See `Friedman`.
    difference
        Nemenyi's critical difference: mean ranks at least so far apart differ, at 5 % over all pairs.
    groups
        Places (first, last) of the longest runs of methods, at least two, that are not separated: all in one where
        Friedman's test does not reject, else by the critical difference.
    test
        The test of `pairs`: "wilcoxon" (signed ranks) where all tasks have one metric, else "sign", because
        differences of different metrics cannot be put into one order.
    pairs
        All pairs of methods, those with the best first.
    few
        Sentences: which of these tests could separate nothing on so few tasks; empty where all could.
    """

    labels: tuple[str, ...]
    ranks: tuple[float, ...]
    tasks: int
    friedman: Friedman
    difference: float
    groups: tuple[tuple[int, int], ...]
    test: Literal["wilcoxon", "sign"]
    pairs: tuple[Pair, ...]
    few: tuple[str, ...]

    def tied(self, label: str) -> bool:
        """Whether a method stands in one group with the best; the best itself does."""
        place = self.labels.index(label)
        return place == 0 or any(first == 0 and place <= last for first, last in self.groups)


def critical(labels: Sequence[str], scores: np.ndarray, higher: Sequence[bool], one_metric: bool) -> Critical:
    """Mean ranks and tests.

    Parameters
    ----------
    labels
        Names of the methods, at least two and all different.
    scores
        (tasks, methods), without NaN, at least two tasks.
    higher
        Whether more is better, for each task.
    one_metric
        Whether the scores of all tasks are of one metric.
    """
    signed = np.where(np.asarray(higher)[:, None], scores, -np.asarray(scores, dtype=np.float64))
    ranks = stats.rankdata(-signed, axis=1)
    mean = ranks.mean(axis=0)
    order = sorted(range(len(labels)), key=lambda place: (mean[place], labels[place]))
    tasks, methods = ranks.shape
    test = friedman(ranks)
    far = critical_difference(methods, tasks)
    sorted_ranks = mean[order]
    groups = runs(sorted_ranks, far) if test.p <= ALPHA else ((0, methods - 1),)
    kind: Literal["wilcoxon", "sign"] = "wilcoxon" if one_metric else "sign"
    return Critical(
        labels=tuple(labels[place] for place in order),
        ranks=tuple(float(rank) for rank in sorted_ranks),
        tasks=tasks,
        friedman=test,
        difference=far,
        groups=groups,
        test=kind,
        pairs=_pairs(signed[:, order], kind),
        few=too_few(methods, tasks, test.least),
    )


def findings(tested: Critical) -> Iterator[str]:
    """What the tests found, in sentences: for the notes below a table."""
    own = tested.friedman
    yield (
        f"Friedman's test of {len(tested.labels)} rows over {tested.tasks} tasks: chi2 {own.chi2:.2f}, "
        f"F {own.f:.2f}, p {'at most ' if own.p * (SHUFFLES + 1) < 2 else ''}{own.p:.2g} by random orders within each "
        "task."
    )
    if own.p > ALPHA:
        yield "It does not reject, so no row is separated from another by its mean rank."
    else:
        names = [f"{tested.labels[first]} to {tested.labels[last]}" for first, last in tested.groups]
        yield (
            f"Nemenyi's critical difference of mean ranks at 5 %: {tested.difference:.2f}. "
            f"Not separated: {'; '.join(names) or 'none'}."
        )
    how = {
        "wilcoxon": "exact Wilcoxon signed-rank test over tasks",
        "sign": "exact sign test over tasks, as differences of several metrics have no common order",
    }[tested.test]
    yield f"p against the best: {how}; Holm over all {len(tested.pairs)} pairs."
    if any(pair.first == 0 and tested.tied(tested.labels[pair.second]) != (pair.holm > ALPHA) for pair in tested.pairs):
        yield (
            "The two tests do not agree on every row: the critical difference grows with the number of rows, while "
            "the test of a pair looks at these two alone."
        )
    yield from (f"{sentence}." for sentence in tested.few)


def friedman(ranks: np.ndarray, shuffles: int = SHUFFLES, seed: int = 0) -> Friedman:
    """Friedman's test on ranks (tasks, methods) within each task."""
    tasks, methods = ranks.shape
    spread = ((ranks - (methods + 1) / 2) ** 2).sum()
    if spread == 0:
        return Friedman(0.0, math.nan, 1.0, 1.0)
    apart = ((ranks.mean(axis=0) - (methods + 1) / 2) ** 2).sum()
    chi2 = float(tasks**2 * (methods - 1) * apart / spread)
    rest = tasks * (methods - 1) - chi2
    f = (tasks - 1) * chi2 / rest if rest > 1e-9 else math.inf
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(0, shuffles, 1000):
        drawn = rng.permuted(np.broadcast_to(ranks, (1000, tasks, methods)), axis=2)
        means = drawn.mean(axis=1)
        hits += int((((means - (methods + 1) / 2) ** 2).sum(axis=1) >= apart - 1e-9).sum())
    least = math.factorial(min(methods, 20)) ** (1.0 - tasks)
    return Friedman(chi2, f, (hits + 1) / (shuffles + 1), max(least, 1 / (shuffles + 1)))


def critical_difference(methods: int, tasks: int, alpha: float = ALPHA) -> float:
    """Nemenyi's critical difference of mean ranks: ``q sqrt(k (k + 1) / (6 N))`` for k methods on N tasks.

    ``q`` is the quantile of the studentized range at infinite degrees of freedom, divided by the root of 2.
    """
    quantile = float(stats.studentized_range.ppf(1 - alpha, methods, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(methods * (methods + 1) / (6 * tasks))


def runs(ranks: Sequence[float] | np.ndarray, far: float) -> tuple[tuple[int, int], ...]:
    """The longest runs (first, last) of at least two sorted mean ranks that lie less than ``far`` apart."""
    found: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = max(place for place in range(first, len(ranks)) if place == first or ranks[place] - ranks[first] < far)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return tuple(found)


def _pairs(scores: np.ndarray, test: Literal["wilcoxon", "sign"]) -> tuple[Pair, ...]:
    """All pairs of columns of scores (tasks, methods), where more is better."""
    places = list(combinations(range(scores.shape[1]), 2))
    differences = [scores[:, a] - scores[:, b] for a, b in places]
    p = [signed_ranks(change) if test == "wilcoxon" else signs(change) for change in differences]
    return tuple(
        Pair(a, b, int((change > 0).sum()), int((change == 0).sum()), int((change < 0).sum()), own, float(adjusted))
        for (a, b), change, own, adjusted in zip(places, differences, p, holm(p), strict=True)
    )


def signed_ranks(differences: np.ndarray) -> float:
    """Exact two-sided p of Wilcoxon's signed-rank test: zeros are left out, equal sizes share a rank.

    The distribution over all signs is counted, so that it is exact with ties as well.
    """
    nonzero = differences[differences != 0]
    if not len(nonzero):
        return 1.0
    twice = np.rint(2 * stats.rankdata(np.abs(nonzero))).astype(int)  # ranks may be halves
    ways = np.ones(1)
    for rank in twice:
        longer = np.zeros(len(ways) + rank)
        longer[: len(ways)] += ways / 2
        longer[rank:] += ways / 2
        ways = longer
    positive = int(twice[nonzero > 0].sum())
    return float(min(1.0, 2 * min(ways[: positive + 1].sum(), ways[positive:].sum())))


def signs(differences: np.ndarray) -> float:
    """Exact two-sided p of the sign test; zeros are left out."""
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def too_few(methods: int, tasks: int, least: float) -> tuple[str, ...]:
    """Sentences on tests that could separate nothing, however the tasks came out, and how many tasks they need."""
    found = []
    if least > ALPHA:
        found.append(f"{tasks} tasks are too few for Friedman's test on {methods} methods: its p cannot fall below 5 %")
    if critical_difference(methods, tasks) > methods - 1:
        wanted = _first(tasks, lambda number: critical_difference(methods, number) <= methods - 1)
        found.append(
            f"{tasks} tasks are too few for a critical difference of {methods} methods: it is larger than any "
            f"difference of mean ranks (it takes {wanted})"
        )
    pairs = methods * (methods - 1) // 2
    if pairs * 2.0 ** (1 - tasks) > ALPHA:
        wanted = _first(tasks, lambda number: pairs * 2.0 ** (1 - number) <= ALPHA)
        found.append(
            f"{tasks} tasks are too few to separate one of {pairs} pairs by its signs or signed ranks "
            f"(it takes {wanted})"
        )
    return tuple(found)


def _first(start: int, enough: Callable[[int], bool]) -> int:
    """The first number from ``start`` on that is enough."""
    return next(number for number in count(start) if enough(number))
