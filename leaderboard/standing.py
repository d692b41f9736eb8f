"""Where a row stands: the interval of its rank, and whether it is separated from the best.

Both come from paired tests of all rows with each other, made from the bootstrap resamples that records keep
(`benchmark.draws`): rows of one board that were resampled alike differ, draw by draw, by the paired bootstrap of their
difference. All pairs are one family, as any of the rows could have become the best by luck.
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
from ..benchmark.stats import LEVEL, holm, interval
from .pairs import pairs_p


@dataclass(frozen=True)
class Standing:
    """What resampling says of a ranked row.

    Attributes
    ----------
    rank_low, rank_high
        95 % interval of its rank among the board's ranked rows: from one more than the rows that are separated before
        it, to all but those separated behind it. All rows' intervals hold together, and a row that is truly as good
        as others has all the ranks that they share. None where it was not resampled like them.
    p
        Two-sided paired bootstrap p of no difference to the best, adjusted by Holm over all pairs of rows that can be
        tested; None for the best, and where it cannot be tested.
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

    Rows that were not resampled like the best (or, where it has no resamples, like most) are tested with none, and
    count among the ranks that any other may have.
    """
    rows = [resamples_of(entry, metric) for entry in entries]
    drawn = rows[0].drawn if rows else None
    common = Counter(row.drawn for row in rows if row.drawn)
    shared = drawn or (common.most_common(1)[0][0] if common else None)
    alike = {k: at for at, k in enumerate(k for k, row in enumerate(rows) if row.drawn and row.drawn == shared)}
    p = all_pairs([rows[k] for k in alike])
    found = []
    for k, row in enumerate(rows):
        reason = reason_of(row, rows[0], entries[0].name)
        if k not in alike:
            found.append(Standing(reason=reason))
            continue
        at = alike[k]
        apart = p[at] < 1 - LEVEL
        low, high = 1 + int(apart[:at].sum()), len(rows) - int(apart[at + 1 :].sum())
        tested = float(p[at, 0]) if at and drawn else math.nan
        found.append(
            Standing(low, high, reason=reason)
            if math.isnan(tested)
            else Standing(low, high, tested, bool(apart[0]), reason)
        )
    return found


def all_pairs(rows: Sequence[Resampled]) -> np.ndarray:
    """p (R, R) of no difference of rows that were resampled alike, Holm-adjusted over all pairs; NaN with itself."""
    adjusted = np.full((len(rows), len(rows)), np.nan)
    if len(rows) < 2:
        return adjusted
    upper = np.triu_indices(len(rows), 1)
    adjusted[upper] = holm(pairs_p(np.array([row.row for row in rows]), rows[0].units))
    adjusted.T[upper] = adjusted[upper]
    return adjusted


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
