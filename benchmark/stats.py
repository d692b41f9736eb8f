"""Intervals and tests. Knows no kind and no metric by name.

Uncertainty is over test subjects, given the trained models: a resample draws subjects with
replacement from the union of all test subjects, and a subject's scans, repeats and seeds share one
count in every fold. A metric is computed within each fold, so scores of different models are never
ranked together, and averaged over the folds in which it is defined. Where the folds are draws of the
labelled items, on the same test subjects, a resample draws among them too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .contracts import Metric

RESAMPLES = 2000
LEVEL = 0.95
BLOCK_CELLS = 1 << 25
DRAWN_AT_ONCE = 1 << 16
STREAM = 32
"""Numbers by which a generator is known again: another version of it may draw others from the same seed."""

ROUNDING = 1e-6
"""Share of a difference below which its deviation is that of numbers of 32 bits: it tells nothing of a tail."""


class Scored(NamedTuple):
    """Predictions of one fold's model.

    Attributes
    ----------
    truth, prediction
        In the kind's types, one entry an item.
    clusters
        Subject id of each item.
    draw
        Which draw of the labelled items it learned from: folds of one draw, such as those of several seeds,
        are resampled together.
    """

    truth: Any
    prediction: Any
    clusters: Sequence[str]
    draw: str = ""


class Resampling(NamedTuple):
    """What is resampled.

    Attributes
    ----------
    clusters
        Hash of the sorted clusters, of the draws of labelled items where these are resampled too, and of how the
        generator begins.
    units
        Number of clusters, or of draws where these are resampled too and fewer.
    """

    clusters: str
    units: int


@dataclass(frozen=True)
class Estimate:
    """A score with its uncertainty.

    Attributes
    ----------
    value
        Mean over folds; NaN when no fold defines it.
    low, high
        95 % percentile interval over resampled subjects.
    std
        Standard deviation over folds (n - 1); NaN with fewer than two.
    folds, folds_defined
        Number of folds, and of those in which the metric is defined.
    resamples, resamples_defined
        Number of resamples, and of those with a value in at least one fold.
    draws
        The score (resamples,) in each resample; NaN where none of the folds has a value.
    """

    value: float
    low: float
    high: float
    std: float
    folds: int
    folds_defined: int
    resamples: int
    resamples_defined: int
    draws: np.ndarray = field(compare=False, repr=False)


@dataclass(frozen=True)
class Difference:
    """A score of one method minus that of another on the same test items.

    Attributes
    ----------
    value, low, high
        Mean over folds, and its 95 % percentile interval over resampled subjects.
    p
        Two-sided bootstrap p-value of no difference (`two_sided`); NaN when nothing is defined.
    folds
        The difference in each fold.
    """

    value: float
    low: float
    high: float
    p: float
    folds: tuple[float, ...]


@dataclass(frozen=True)
class TTest:
    """A t-test: the mean that is tested against 0, its statistic, degrees of freedom and p-value."""

    mean: float
    t: float
    df: int
    p: float


def bootstrap(
    metric: Metric, folds: Sequence[Scored], resamples: int = RESAMPLES, seed: int = 0, over_folds: bool = False
) -> Estimate:
    """Mean score over folds with its interval over subjects, and over folds too where they are draws.

    For a pooled score pass one fold that holds all predictions.
    """
    values = np.array([metric.score(fold.truth, fold.prediction) for fold in folds])
    draws = _mean(_scores(metric, folds, resamples, seed), _weights(folds, resamples, seed) if over_folds else None)
    low, high = interval(draws)
    defined = values[~np.isnan(values)]
    return Estimate(
        value=float(_mean(values[None])[0]),
        low=low,
        high=high,
        std=float(defined.std(ddof=1)) if len(defined) > 1 else float("nan"),
        folds=len(folds),
        folds_defined=len(defined),
        resamples=resamples,
        resamples_defined=int((~np.isnan(draws)).sum()),
        draws=draws,
    )


def resampling(folds: Sequence[Scored], seed: int = 0, over_folds: bool = False) -> Resampling:
    """What `bootstrap` resamples, to be known again.

    Where two are equal (and the number of resamples too), resample k drew the same subjects, and the same draws of
    the labelled items, whatever was scored.
    """
    names = _subjects(folds)[0].tolist()
    draws = sorted({fold.draw for fold in folds}) if over_folds else []
    begins = np.random.default_rng(seed).integers(0, len(names), STREAM).tolist()
    told = hashlib.sha256(json.dumps([names, draws, begins]).encode()).hexdigest()
    return Resampling(told, min(len(names), len(draws) or len(names)))


def paired(
    metric: Metric,
    first: Sequence[Scored],
    second: Sequence[Scored],
    resamples: int = RESAMPLES,
    seed: int = 0,
    over_folds: bool = False,
) -> Difference:
    """Score of ``first`` minus score of ``second``, under the same resamples of subjects (and folds).

    Raises `ValueError` when their folds do not hold the same subjects in the same order.
    """
    if [list(fold.clusters) for fold in first] != [list(fold.clusters) for fold in second]:
        raise ValueError("a paired difference needs the same items in the same folds")
    values = np.array(
        [
            metric.score(a.truth, a.prediction) - metric.score(b.truth, b.prediction)
            for a, b in zip(first, second, strict=True)
        ]
    )
    differences = _scores(metric, first, resamples, seed) - _scores(metric, second, resamples, seed)
    draws = _mean(differences, _weights(first, resamples, seed) if over_folds else None)
    low, high = interval(draws)
    p = two_sided(draws, resampling(first, seed, over_folds).units)
    return Difference(float(_mean(values[None])[0]), low, high, p, tuple(values.tolist()))


def corrected_resampled_t(differences: Sequence[float], train: float, test: float) -> TTest:
    """t-test of fold-wise differences, corrected for folds that share training items.

    Nadeau & Bengio, Machine Learning 52 (2003): the variance of the mean over J folds is
    ``(1 / J + test / train) * s**2``, with ``train`` and ``test`` the numbers of items of a fold.
    NaN with fewer than two folds; differences that are all equal give p = 1 when they are 0, else 0.
    """
    from scipy.special import stdtr

    values = np.asarray(differences, dtype=np.float64)
    values = values[~np.isnan(values)]
    if len(values) < 2:
        return TTest(float(values.mean()) if len(values) else float("nan"), float("nan"), 0, float("nan"))
    mean, df = float(values.mean()), len(values) - 1
    error = float(np.sqrt((1 / len(values) + test / train) * values.var(ddof=1)))
    if error == 0:
        return TTest(mean, 0.0 if mean == 0 else float(np.copysign(np.inf, mean)), df, float(mean == 0))
    return TTest(mean, mean / error, df, float(2 * stdtr(df, -abs(mean / error))))


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values of one family; NaN stays NaN and does not count as a test."""
    values = np.asarray(p, dtype=np.float64)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    steps = np.minimum(values[order] * np.arange(len(order), 0, -1), 1)
    adjusted = np.full(len(values), np.nan)
    adjusted[order] = np.maximum.accumulate(steps)
    return adjusted


def interval(draws: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval of draws, NaN left out; NaN of none."""
    values = draws[~np.isnan(draws)]
    if not len(values):
        return float("nan"), float("nan")
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def two_sided(draws: np.ndarray, units: int) -> float:
    """Twice the smaller tail of draws at 0; the observed sample counts as one draw, so p is never 0.

    Where no draw lies beyond 0 their number alone would set p (0.001 for 2,000), and no family of 50 tests could be
    told apart by Holm. The tail of Student's t with the draws' mean and deviation, and as many degrees of freedom as
    ``units`` resampled things less one, is taken there if it is smaller.
    """
    return float(two_sided_rows(draws[None], units)[0])


def two_sided_rows(draws: np.ndarray, units: int) -> np.ndarray:
    """`two_sided` of each row (R, B); NaN for a row without a value."""
    least, most = draws.min(axis=1), draws.max(axis=1)
    p = np.full(len(draws), 2 / (draws.shape[1] + 1))
    across = (least <= 0) & (most >= 0)
    crossing = draws[across]
    tail = np.minimum(np.count_nonzero(crossing <= 0, axis=1), np.count_nonzero(crossing >= 0, axis=1))
    p[across] = np.minimum(1.0, 2 * (tail + 1) / (draws.shape[1] + 1))
    if units > 1:
        clear = (least > 0) | (most < 0)
        p[clear] = np.minimum(p[clear], _beyond(draws[clear], units))
    for row in np.flatnonzero(np.isnan(least)):
        known = draws[row][~np.isnan(draws[row])]
        p[row] = two_sided(known, units) if len(known) else np.nan
    return p


def _beyond(draws: np.ndarray, units: int) -> np.ndarray:
    """The tail of Student's t for rows (R, B) that lie on one side of 0; 1 where their deviation is mere rounding."""
    from scipy.special import stdtr

    values = draws.astype(np.float64)
    mean = values.mean(axis=1)
    values -= mean[:, None]
    spread = np.sqrt(np.einsum("rb,rb->r", values, values) / draws.shape[1])
    mean = np.abs(mean)
    t = np.divide(mean, spread, out=np.zeros(len(draws)), where=spread > ROUNDING * mean)
    tail: np.ndarray = np.maximum(2 * stdtr(units - 1, -t), np.finfo(float).tiny)
    return tail


def _scores(metric: Metric, folds: Sequence[Scored], resamples: int, seed: int) -> np.ndarray:
    """Scores (resamples, folds)."""
    subjects, codes = _subjects(folds)
    parts = np.split(codes, np.cumsum([len(fold.clusters) for fold in folds])[:-1])
    rng = np.random.default_rng(seed)
    out = np.empty((resamples, len(folds)))
    step = max(1, BLOCK_CELLS // max(len(codes), 1))
    for start in range(0, resamples, step):
        counts = _draw(rng, min(step, resamples - start), len(subjects))
        for column, (fold, part) in enumerate(zip(folds, parts, strict=True)):
            out[start : start + step, column] = metric.resample(fold.truth, fold.prediction, counts.take(part, axis=1))
    return out


def _subjects(folds: Sequence[Scored]) -> tuple[np.ndarray, np.ndarray]:
    """The sorted clusters of all folds, and the number of each item's."""
    return np.unique([str(name) for fold in folds for name in fold.clusters], return_inverse=True)


def _weights(folds: Sequence[Scored], resamples: int, seed: int) -> np.ndarray:
    """How often (resamples, folds) each fold counts when as many draws are drawn as there are."""
    names, codes = np.unique([fold.draw for fold in folds], return_inverse=True)
    return _draw(np.random.default_rng((seed, 1)), resamples, len(names))[:, codes.reshape(-1)]


def _draw(rng: np.random.Generator, resamples: int, subjects: int) -> np.ndarray:
    """How often (resamples, subjects) each subject is drawn when as many are drawn as there are."""
    counts = np.empty((resamples, subjects), dtype=np.uint16)
    step = max(1, DRAWN_AT_ONCE // subjects)
    for start in range(0, resamples, step):
        part = counts[start : start + step]
        drawn = rng.integers(0, subjects, part.shape)  # the same numbers as row by row
        drawn += subjects * np.arange(len(part))[:, None]
        part[:] = np.bincount(drawn.reshape(-1), minlength=part.size).reshape(part.shape)
    return counts


def _mean(scores: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """(Weighted) mean over the folds that are defined (B,); NaN where none is."""
    share = ~np.isnan(scores) * (1.0 if weights is None else weights)
    total = np.where(share > 0, scores * share, 0).sum(axis=1)
    count = share.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
