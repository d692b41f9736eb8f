"""Scoring: the only place where truth and predictions meet. Runs in the parent process."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .contracts import Ceiling, Kind, Metric, Task
from .draws import Draws, as_draws
from .errors import ExtraMissing, Unavailable
from .kinds import get_kind
from .record import DRAWN, CeilingPart, ScorePart
from .registry import load_metric
from .splits import HALVES
from .stats import Scored, bootstrap, resampling

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Judged:
    """The truth and prediction of a finished cell, in the same order; ``ids`` are those of the items."""

    fold: str
    seed: int
    truth: Any
    prediction: Any
    clusters: list[str]
    scorable: bool
    part: str = ""
    parts: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    def apart(self, kind: Kind) -> list[Judged]:
        """The items of each part by themselves, in the order of the parts' names; itself where there are none."""
        names = np.array(self.parts, dtype=str)
        rows = {name: np.flatnonzero(names == name) for name in np.unique(names)}
        return [
            replace(
                self,
                truth=kind.take(self.truth, here),
                prediction=kind.take(self.prediction, here),
                clusters=[self.clusters[row] for row in here],
                part=str(name),
                parts=(),
                ids=tuple(self.ids[row] for row in here) if self.ids else (),
            )
            for name, here in rows.items()
        ] or [self]

    def by_item(self, metric: Metric) -> np.ndarray:
        """Scores (n,) of the items, each by itself."""
        return metric.resample(self.truth, self.prediction, np.eye(len(self.clusters)))


class Scores(NamedTuple):
    """What predictions score: each metric with its interval, each cell's own, and the resamples (None of none)."""

    scores: dict[str, ScorePart]
    own: list[dict[str, float | None]]
    draws: Draws | None


def clusters_of(table: pd.DataFrame) -> list[str]:
    """What a bootstrap draws together: a person's scans and, where families are known, relatives."""
    return table["group" if "family" in table else "subject"].astype(str).tolist()


def in_pieces(kind: Kind, whole: Judged) -> Judged:
    """The same in pieces that a bootstrap draws by themselves, where items are long series."""
    cut = kind.pieces(whole.truth, whole.prediction)
    if cut is None:
        return whole
    truth, prediction, owners = cut
    return replace(
        whole,
        truth=truth,
        prediction=prediction,
        clusters=[f"{whole.clusters[item]}, {label}" for item, label in owners],
        parts=tuple(whole.parts[item] for item, _ in owners) if whole.parts else (),
        ids=tuple(whole.ids[item] for item, _ in owners) if whole.ids else (),
    )


def score_cells(task: Task, cells: Sequence[Judged]) -> Scores:
    """Scores over all cells with their intervals and resamples, and each cell's own: the mean over its parts."""
    own: list[dict[str, float | None]] = [{} for _ in cells]
    kind = get_kind(task.kind)
    apart = [cell.apart(kind) for cell in cells]
    owner = [number for number, parts in enumerate(apart) for _ in parts]
    every = [part for parts in apart for part in parts]
    scores: dict[str, ScorePart] = {}
    draws: dict[str, np.ndarray | None] = {}
    for name in task.metrics:
        metric = load_metric(name)
        try:
            values = [metric.score(part.truth, part.prediction) for part in every]
            scores[name], draws[name] = score_metric(task, metric, every, values)
        except (Unavailable, ExtraMissing) as error:
            values = [math.nan] * len(every)
            scores[name], draws[name] = without_value(metric, str(error)), None
        for number, entry in enumerate(own):
            entry[name] = _number(_mean([value for value, at in zip(values, owner, strict=True) if at == number]))
    return Scores(scores, own, _as_draws(task, every, draws))


def _as_draws(task: Task, cells: Sequence[Judged], rows: dict[str, np.ndarray | None]) -> Draws | None:
    """The resamples with what was resampled; None where nothing was."""
    if all(row is None for row in rows.values()):
        return None
    return as_draws(rows, resampling(resampled(task, cells), over_folds=task.interval == "draws"))


def without_value(metric: Metric, reason: str) -> ScorePart:
    """The place of a score that cannot be computed here."""
    return ScorePart(
        value=None, low=None, high=None, fold_sd=None, seed_sd=None, pooled=None, aggregate="", folds=0,
        chance=metric.chance, higher_is_better=metric.higher_is_better, missing=reason,
    )  # fmt: skip


def score_metric(
    task: Task, metric: Metric, cells: Sequence[Judged], values: Sequence[float]
) -> tuple[ScorePart, np.ndarray | None]:
    """One metric: mean over folds, interval over subjects, spread over folds and seeds, pooled score; its resamples.

    ``values`` are the cells' own scores, in the order of ``cells``.
    """
    if task.interval == "range":
        return score_range(metric, cells, values), None
    drawn = task.interval == "draws"
    together = [] if drawn or task.parts else pooled_folds(get_kind(task.kind), cells)
    by_seed: dict[int, list[float]] = defaultdict(list)
    for cell, value in zip(cells, values, strict=True):
        if cell.scorable and not math.isnan(value):
            by_seed[cell.seed].append(value)
    chosen = resampled(task, cells)
    result = bootstrap(metric, chosen, over_folds=drawn) if chosen else None
    seeds = [float(np.mean(scores)) for scores in by_seed.values()]
    folds = [score for scores in by_seed.values() for score in scores]
    part = ScorePart(
        value=_number(result.value) if result else None,
        low=_number(result.low) if result else None,
        high=_number(result.high) if result else None,
        fold_sd=float(np.std(folds, ddof=1)) if len(folds) > 1 else None,
        seed_sd=float(np.std(seeds, ddof=1)) if len(seeds) > 1 else None,
        item_sd=item_spread(task, metric, cells),
        pooled=_number(_mean([metric.score(fold.truth, fold.prediction) for fold in together])),
        aggregate=DRAWN if drawn else "pooled" if task.pooled else "part mean" if task.parts else "fold mean",
        folds=len(folds),
        chance=metric.chance,
        higher_is_better=metric.higher_is_better,
        parts=part_means(cells, values),
        made_with=metric.made_with(cells[0].truth) if cells else "",
    )
    return part, result.draws if result else None


def resampled(task: Task, cells: Sequence[Judged]) -> list[Scored]:
    """What a bootstrap resamples: the scorable folds, or all folds of a seed as one where the task pools them."""
    if task.pooled:
        return [] if task.interval == "draws" or task.parts else pooled_folds(get_kind(task.kind), cells)
    return [Scored(cell.truth, cell.prediction, cell.clusters, cell.fold) for cell in cells if cell.scorable]


def part_means(cells: Sequence[Judged], values: Sequence[float]) -> dict[str, float | None]:
    """The score of each part, mean over folds and seeds; empty where a task has no parts."""
    found: dict[str, list[float]] = defaultdict(list)
    for cell, value in zip(cells, values, strict=True):
        if cell.part:
            found[cell.part].append(value)
    return {part: _number(_mean(scores)) for part, scores in found.items()}


def item_spread(task: Task, metric: Metric, cells: Sequence[Judged]) -> float | None:
    """Standard deviation over test items, where each is judged by itself: mean over folds and seeds."""
    if task.computed_as or not get_kind(task.kind).apart:
        return None
    items = [cell.by_item(metric) for cell in cells]
    spreads = [float(np.std(own[~np.isnan(own)], ddof=1)) for own in items if (~np.isnan(own)).sum() > 1]
    return float(np.mean(spreads)) if spreads else None


def score_range(metric: Metric, cells: Sequence[Judged], values: Sequence[float]) -> ScorePart:
    """One item, all subjects together: its score, mean over seeds, and the range over seeds or half-samples."""
    whole = [value for cell, value in zip(cells, values, strict=True) if cell.fold != HALVES]
    halves = [score for cell in cells if cell.fold == HALVES for score in cell.by_item(metric)]
    around = np.array(whole if len(whole) > 1 else halves)
    around = around[~np.isnan(around)]
    known = [value for value in whole if not math.isnan(value)]
    return ScorePart(
        value=float(np.mean(known)) if known else None,
        low=float(around.min()) if len(around) else None,
        high=float(around.max()) if len(around) else None,
        fold_sd=None,
        seed_sd=float(np.std(known, ddof=1)) if len(known) > 1 else None,
        pooled=None,
        aggregate="all subjects together",
        spread=f"range over {len(around)} {'seeds' if len(whole) > 1 else 'half-samples'}" if len(around) else "",
        folds=1,
        chance=metric.chance,
        higher_is_better=metric.higher_is_better,
    )


def score_truth(task: Task, cells: Sequence[Judged]) -> tuple[dict[str, dict[str, float | None]], tuple[str, ...]]:
    """What predictions made from the truth itself score, and hashes of the different truths."""
    kind = get_kind(task.kind)
    seed = min((cell.seed for cell in cells), default=0)
    whole = [cell for cell in cells if cell.seed == seed and cell.fold != HALVES]
    # Of parts the first: what is made from the truth is the same for every brain that saw the same images.
    parts = [cell.apart(kind)[0].truth for cell in whole]
    if not parts:
        return {}, ()
    truth = kind.concat(parts)
    metrics = [load_metric(name) for name in task.metrics]
    controls = {
        label: {metric.name: _number(_if_available(metric, truth, prediction)) for metric in metrics}
        for label, prediction in kind.controls(truth).items()
    }
    return controls, kind.distinct(truth)


def _if_available(metric: Metric, truth: Any, prediction: Any) -> float:
    """A score; NaN where the metric cannot be computed here."""
    try:
        return metric.score(truth, prediction)
    except (Unavailable, ExtraMissing):
        return math.nan


def pooled_folds(kind: Kind, cells: Sequence[Judged]) -> list[Scored]:
    """All folds of a seed as one set, for each seed."""
    by_seed: dict[int, list[Judged]] = defaultdict(list)
    for cell in cells:
        by_seed[cell.seed].append(cell)
    return [
        Scored(
            kind.concat([cell.truth for cell in part]),
            kind.concat([cell.prediction for cell in part]),
            [subject for cell in part for subject in cell.clusters],
        )
        for part in by_seed.values()
    ]


def share_of_ceiling(ceiling: Ceiling | None, scores: dict[str, ScorePart]) -> CeilingPart | None:
    """The ceiling of a twin and the share (score - chance) / (ceiling - chance) that was reached."""
    if ceiling is None:
        return None
    score = scores.get(ceiling.metric)
    share = None
    if score is not None and score.value is not None and score.chance is not None:
        share = (score.value - score.chance) / (ceiling.value - score.chance)
    return CeilingPart(**vars(ceiling), share=share)


def _mean(values: Sequence[float]) -> float:
    """Their mean; NaN of none."""
    return float(np.mean(values)) if len(values) else math.nan


def _number(value: float) -> float | None:
    """None for a score that is not defined, as JSON has no NaN."""
    return None if math.isnan(value) else float(value)
