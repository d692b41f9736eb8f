"""How far two predictions of one item are apart, and how good a prediction is against chance. For every kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..contracts import Kind, Metric
from ..kinds import get_kind
from ..kinds.connectivity import Graphs
from ..kinds.pictures import Pictures
from ..kinds.questions import Answers
from ..metrics.counts import ItemMetric
from ..registry import load_metric
from .trials import Answer

SHUFFLES = 300
"""Shuffled pairings of items and predictions that tell what chance is."""

TOLERANCE = 1e-3
"""Difference, as a share of the predictions' spread, that rounding in batches of another size explains."""


def item(prediction: Any, row: int) -> Any:
    """The prediction of one item, as nested lists, mappings, arrays and texts."""
    if isinstance(prediction, Graphs):
        native = None if prediction.native is None else prediction.native[row].astype(float)
        return [prediction.scores[row], native]
    if isinstance(prediction, Answers):
        return [prediction.texts[row], prediction.scores[row] if prediction.scores else None]
    if isinstance(prediction, Pictures):
        return prediction[row].astype(float)
    return prediction[row]


def distance(one: Any, other: Any) -> float:
    """Largest absolute difference of numbers; infinite where texts, names or shapes differ. 0 is equal bit for bit."""
    if isinstance(one, Mapping):
        if set(one) != set(other):
            return float("inf")
        return max((distance(one[name], other[name]) for name in one), default=0.0)
    if isinstance(one, list):
        return max((distance(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
    if isinstance(one, str) or one is None or other is None:
        return 0.0 if one == other else float("inf")
    a, b = np.asarray(one, float), np.asarray(other, float)
    if a.shape != b.shape:
        return float("inf")
    return float(np.abs(a - b).max(initial=0))


def spread(prediction: Any, rows: Sequence[int]) -> float:
    """What a difference is measured by: half the range of the numbers that are predicted; 1 where there are none."""
    numbers = np.concatenate([_numbers(item(prediction, row)) for row in rows] or [np.ones(1)])
    return float(np.ptp(numbers)) / 2 or 1.0 if len(numbers) else 1.0


def _numbers(one: Any) -> np.ndarray:
    """All numbers of an item's prediction."""
    if isinstance(one, Mapping):
        one = list(one.values())
    if isinstance(one, list):
        return np.concatenate([_numbers(part) for part in one] or [np.zeros(0)])
    return np.zeros(0) if one is None or isinstance(one, str) else np.asarray(one, float).ravel()


def moved(one: Answer, other: Answer, ids: Sequence[str] | None = None) -> np.ndarray:
    """(n,) difference of each item's two predictions, as a share of the predictions' spread.

    ``ids`` None takes all items of both.
    """
    places = [{name: row for row, name in enumerate(answer.ids)} for answer in (one, other)]
    ids = [name for name in one.ids if name in places[1]] if ids is None else ids
    scale = spread(one.prediction, [places[0][name] for name in ids])
    return np.array(
        [distance(item(one.prediction, places[0][n]), item(other.prediction, places[1][n])) for n in ids]
    ) / scale  # fmt: skip


@dataclass(frozen=True)
class Judgement:
    """A score, what chance gives, and the share of shuffled pairings that score as high."""

    metric: str
    score: float
    chance: float
    p: float

    def __str__(self) -> str:
        return f"{self.metric} {self.score:.2f}, by chance {self.chance:.2f}, p {self.p:.3f}"


def judge(answer: Answer, ids: Sequence[str] | None = None) -> Judgement:
    """Score a prediction, and the same predictions dealt out to other items.

    ``ids`` limits it to some test items.
    """
    planted = answer.trial.planted
    task, kind = planted.task, get_kind(planted.task.kind)
    rows = np.array([row for row, name in enumerate(answer.ids) if ids is None or name in set(ids)])
    names = tuple(answer.ids[row] for row in rows)
    train = planted.items.take(planted.rows(answer.trial.train or planted.train))
    truth = kind.truth(planted.items.take(planted.rows(names)), train, task.info)
    metric = planted.metric or load_metric(task.metrics[0])

    prediction = reordered(answer.prediction, rows)
    shuffles = [np.random.default_rng(k).permutation(len(rows)) for k in range(SHUFFLES)]
    score = _by_item(metric, truth, prediction) or partial(_by_set, metric, kind, truth, prediction)
    value = score(np.arange(len(rows)))
    null = np.nan_to_num([score(order) for order in shuffles], nan=-np.inf)
    as_high = int((null >= value - 1e-9).sum()) if np.isfinite(value) else SHUFFLES
    chance = float(null[np.isfinite(null)].mean()) if np.isfinite(null).any() else float("nan")
    return Judgement(metric.title, value, chance, (1 + as_high) / (1 + SHUFFLES))


def _by_set(metric: Metric, kind: Kind, truth: Any, prediction: Any, order: np.ndarray) -> float:
    """The score of predictions dealt out in an order."""
    dealt = reordered(prediction, order)
    cut = kind.pieces(truth, dealt)
    return metric.score(truth, dealt) if cut is None else metric.score(cut[0], cut[1])


def _by_item(metric: Metric, truth: Any, prediction: Any) -> Callable[[np.ndarray], float] | None:
    """The same of a metric that is a mean over items, from the score of every pair, each computed once; else None."""
    if not isinstance(metric, ItemMetric):
        return None
    count = len(truth)
    pairs = np.array([metric.items(truth, reordered(prediction, (np.arange(count) + k) % count)) for k in range(count)])

    def score(order: np.ndarray) -> float:
        values = pairs[(order - np.arange(count)) % count, np.arange(count)]
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")

    return score


def reordered(prediction: Any, order: np.ndarray) -> Any:
    """Predictions at these positions, in this order."""
    if isinstance(prediction, Graphs):
        native = prediction.native
        return Graphs([prediction.scores[k] for k in order], None if native is None else [native[k] for k in order])
    if isinstance(prediction, Answers):
        scores = prediction.scores
        return Answers([prediction.texts[k] for k in order], None if scores is None else [scores[k] for k in order])
    if isinstance(prediction, Pictures):
        return prediction.take(order)
    return prediction[order] if isinstance(prediction, np.ndarray) else [prediction[k] for k in order]
