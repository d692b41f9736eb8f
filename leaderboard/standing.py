"""Where a row stands: the interval of its rank, and whether it is separated from the best.

Both come from the bootstrap resamples that records keep (`benchmark.draws`). Rows of one board that were resampled
alike differ, draw by draw, by the paired bootstrap of their difference.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..benchmark.draws import Draws
from ..benchmark.record import ScorePart
from ..benchmark.stats import LEVEL, holm, interval, two_sided


@dataclass(frozen=True)
class Standing:
    """What resampling says of a ranked row.

    Attributes
    ----------
    rank_low, rank_high
        95 % percentile interval of its rank among the board's ranked rows; None where it was not resampled like them.
        Rows that tie share all the ranks that they take together.
    p
        Two-sided paired bootstrap p of no difference to the best, adjusted by Holm over the rows of the board that
        can be tested; None for the best, and where it cannot be tested.
    separated
        Whether p is below 0.05; None where there is no p.
    reason
        Why something of it is missing; "" where nothing is.
    """

    rank_low: int | None = None
    rank_high: int | None = None
    p: float | None = None
    separated: bool | None = None
    reason: str = ""


@dataclass(frozen=True)
class Entry:
    """A ranked row as it is tested.

    Attributes
    ----------
    name
        Its record's id.
    score
        The score that ranks it, with a value.
    draws
        The resamples that its record keeps; None where there are none.
    """

    name: str
    score: ScorePart
    draws: Draws | None


class Resampled(NamedTuple):
    """The resamples (B,) of a row, what tells how they were drawn, and of how many units; or why there are none."""

    row: np.ndarray | None
    drawn: tuple[str, int, int] | None
    units: int
    reason: str


def standings(entries: Sequence[Entry], metric: str) -> list[Standing]:
    """Standings of a board's ranked rows, which come best first.

    The rank interval counts, in each resample, the rows that do better; a row that was not resampled like the others
    keeps its score in all of them. The test is against the first row. It was chosen for being the best, which its p
    does not know of.
    """
    rows = [resamples_of(entry, metric) for entry in entries]
    if not rows:
        return []
    values = [entry.score.value or 0.0 for entry in entries]
    ranks = rank_intervals(rows, values, entries[0].score.higher_is_better)
    reasons = [rows[0].reason, *(reason_of(row, rows[0], entries[0].name) for row in rows[1:])]
    adjusted = [math.nan, *holm([p_against(rows[0], row) for row in rows[1:]]).tolist()]
    return [
        Standing(*place, reason=reason) if math.isnan(p) else Standing(*place, p, p < 1 - LEVEL, reason)
        for place, p, reason in zip(ranks, adjusted, reasons, strict=True)
    ]


def p_against(best: Resampled, row: Resampled) -> float:
    """Two-sided paired bootstrap p of no difference; NaN where they were not resampled alike."""
    if best.row is None or row.row is None or best.drawn != row.drawn:
        return math.nan
    return two_sided(best.row - row.row, best.units)


def resamples_of(entry: Entry, metric: str) -> Resampled:
    """The resamples of a row, when they are those that its interval was made from."""

    def none(reason: str) -> Resampled:
        return Resampled(None, None, 0, reason)

    score = entry.score
    if score.low is None or score.spread:
        return none(f"nothing was resampled: it has {score.spread or 'no interval'}")
    if entry.draws is None:
        return none(f"no resamples are kept; to add them:  brainbench rescore {entry.name}")
    row = entry.draws.of(metric)
    if row is None or not fits(row, score.low, score.high):
        return none(f"its resamples are not those of its interval; to mend them:  brainbench rescore {entry.name}")
    return Resampled(row, entry.draws.resampled, entry.draws.of_what.units, "")


def fits(row: np.ndarray, low: float | None, high: float | None) -> bool:
    """Whether an interval is that of the resamples, up to rounding to 32 bits."""
    found = interval(row)
    return all(
        b is not None and math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-6)
        for a, b in zip(found, (low, high), strict=True)
    )


def reason_of(row: Resampled, best: Resampled, name: str) -> str:
    """Why a row cannot be tested against the best; "" where it can."""
    if row.reason or row.drawn == best.drawn:
        return row.reason
    if best.drawn is None:
        return f"the best row, {name}, has no resamples to test against"
    return f"other subjects or draws were resampled than for the best row, {name}"


def rank_intervals(
    rows: Sequence[Resampled], values: Sequence[float], higher_is_better: bool
) -> list[tuple[int | None, int | None]]:
    """Lowest and highest rank of each row in 95 % of the resamples; None for rows that were not resampled alike.

    These are the best row's resamples, or where it has none those that most rows share. A score that is not defined
    in a resample comes last there.
    """
    common = Counter(row.drawn for row in rows if row.drawn)
    drawn = rows[0].drawn or (common.most_common(1)[0][0] if common else None)
    if drawn is None:
        return [(None, None)] * len(rows)
    alike = [row.drawn == drawn for row in rows]
    scores = np.empty((len(rows), drawn[1]), dtype=np.float32)
    for k, (row, value) in enumerate(zip(rows, values, strict=True)):
        scores[k] = row.row if alike[k] else value
    scores = scores[:, ~np.isnan(scores[alike]).all(axis=0)]
    low, high = ranks_of(np.nan_to_num(-scores if higher_is_better else scores, nan=np.inf))
    return [(int(a), int(b)) if here else (None, None) for a, b, here in zip(low, high, alike, strict=True)]


def ranks_of(worse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 2.5 % quantile of the first, and the 97.5 % one of the last of the ranks that each row (R, B) shares."""
    first, last = shared_ranks(worse)
    place = (1 - LEVEL) / 2 * (worse.shape[1] - 1)
    low, high = math.floor(place), math.ceil(worse.shape[1] - 1 - place)
    return np.partition(first, low, axis=1)[:, low], np.partition(last, high, axis=1)[:, high]


def shared_ranks(worse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last rank (R, B) that each row shares in each column: rows that tie share all that they take."""
    columns = np.ascontiguousarray(worse.T)
    order = np.argsort(columns, axis=1)
    placed = np.take_along_axis(columns, order, axis=1)
    apart = placed[:, 1:] != placed[:, :-1]
    edge = np.ones((len(columns), 1), dtype=bool)
    place = np.arange(1, len(worse) + 1, dtype=np.int32)
    begins = np.maximum.accumulate(np.where(np.hstack([edge, apart]), place, 0), axis=1)
    ends = np.where(np.hstack([apart, edge]), place, len(worse))[:, ::-1]
    ends = np.minimum.accumulate(ends, axis=1)[:, ::-1]
    first, last = np.empty_like(begins), np.empty_like(begins)
    np.put_along_axis(first, order, begins, axis=1)
    np.put_along_axis(last, order, ends, axis=1)
    return np.ascontiguousarray(first.T), np.ascontiguousarray(last.T)
