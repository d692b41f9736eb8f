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
from scipy.stats import rankdata

from ..benchmark.draws import Draws
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
    value, low, high
        Its score and interval, as its record says.
    draws
        The resamples that its record keeps; None where there are none.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    draws: Draws | None


class Resampled(NamedTuple):
    """The resamples (B,) of a row with what tells how they were drawn; or why there are none."""

    row: np.ndarray | None
    drawn: tuple[str, int, int] | None
    reason: str


def standings(entries: Sequence[Entry], metric: str, higher_is_better: bool) -> list[Standing]:
    """Standings of a board's ranked rows, which come best first.

    The rank interval counts, in each resample, the rows that do better. A row that was not resampled like the others
    keeps its score in all of them. The test is against the first row, which was chosen for being the best: that makes
    it a little too ready to separate, which Holm over all other rows more than makes up for.
    """
    rows = [resamples_of(entry, metric) for entry in entries]
    if not rows:
        return []
    best = rows[0].drawn
    low, high = rank_intervals(rows, [entry.value for entry in entries], higher_is_better)
    reasons = [rows[0].reason, *(reason_of(row, rows[0], entries[0].name) for row in rows[1:])]
    p = [two_sided(rows[0].row - row.row) if best and row.drawn == best else math.nan for row in rows[1:]]
    adjusted = [math.nan, *holm(p).tolist()]
    return [
        Standing(*ranks, *((None, None) if math.isnan(one) else (one, one < 1 - LEVEL)), reason)
        for ranks, one, reason in zip(zip(low, high, strict=True), adjusted, reasons, strict=True)
    ]


def resamples_of(entry: Entry, metric: str) -> Resampled:
    """The resamples of a row, when they are those that its interval was made from."""
    if entry.draws is None:
        return Resampled(None, None, f"no resamples are kept; to add them:  brainbench rescore {entry.name}")
    row = entry.draws.of(metric)
    if row is None:
        return Resampled(None, None, f"its score by {metric} was not resampled")
    if not np.allclose(interval(row), (entry.low or 0.0, entry.high or 0.0), rtol=1e-5, atol=1e-6):
        return Resampled(
            None, None, f"its resamples are not those of its interval; to mend them:  brainbench rescore {entry.name}"
        )
    return Resampled(row, entry.draws.resampled, "")


def reason_of(row: Resampled, best: Resampled, name: str) -> str:
    """Why a row cannot be tested against the best; "" where it can."""
    if row.reason or row.drawn == best.drawn:
        return row.reason
    if best.drawn is None:
        return f"the best row, {name}, has no resamples to test against"
    return f"other subjects or draws were resampled than for the best row, {name}"


def rank_intervals(
    rows: Sequence[Resampled], values: Sequence[float], higher_is_better: bool
) -> tuple[list[int | None], list[int | None]]:
    """Lowest and highest rank of each row in 95 % of the resamples; None for rows that were not resampled alike.

    These are the best row's resamples, or where it has none those that most rows share. A score that is not defined
    in a resample comes last there.
    """
    common = Counter(row.drawn for row in rows if row.drawn)
    drawn = rows[0].drawn or (common.most_common(1)[0][0] if common else None)
    if drawn is None:
        return [None] * len(rows), [None] * len(rows)
    alike = [row.drawn == drawn for row in rows]
    scores = np.array(
        [
            row.row if here else np.full(drawn[1], value, np.float32)
            for row, value, here in zip(rows, values, alike, strict=True)
        ]
    )
    scores = scores[:, ~np.isnan(scores[alike]).all(axis=0)]
    worse = np.nan_to_num(-scores if higher_is_better else scores, nan=np.inf)
    tail = (1 - LEVEL) / 2
    low = np.quantile(rankdata(worse, "min", axis=0), tail, axis=1, method="lower")
    high = np.quantile(rankdata(worse, "max", axis=0), 1 - tail, axis=1, method="higher")
    return (
        [int(rank) if here else None for rank, here in zip(low, alike, strict=True)],
        [int(rank) if here else None for rank, here in zip(high, alike, strict=True)],
    )
