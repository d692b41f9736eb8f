"""Paired bootstrap tests of all pairs of rows that were resampled alike, without the differences of each pair.

The numbers are those of `stats.two_sided_rows` on each difference. Of a pair, p needs in how many resamples the one
row lies below the other, and, where that is all or none, mean and deviation of their difference. Ranks within a
resample, in one or two bytes, tell the first as the scores do; one matrix product gives the second.
"""

from __future__ import annotations

import numpy as np

from ..benchmark.stats import ROUNDING, two_sided_rows

WORDS = 255
"""So many words of eight bytes, each byte 0 or 1, add up without one byte reaching the next."""

CANCELS = 1e-6
"""Where a difference varies less than this, beside its rows, too few digits of it are left in a matrix product."""

BLOCK = 1 << 22
"""Numbers of differences that are made at a time, where they are."""


def pairs_p(scores: np.ndarray, units: int) -> np.ndarray:
    """Two-sided p (R (R - 1) / 2,) of no difference for each pair of rows (R, B), in the order of `numpy.triu_indices`.

    ``units`` is the number of things that were resampled. NaN for a pair without a resample in common.
    """
    first, second = np.triu_indices(len(scores), 1)
    draws = scores.shape[1]
    one_side = most_on_one_side(scores)
    p: np.ndarray = np.minimum(1.0, 2 * (draws - one_side + 1) / (draws + 1))
    unknown = np.isnan(scores).any(axis=1)
    slow = unknown[first] | unknown[second]
    if units > 1:
        clear = np.flatnonzero((one_side == draws) & ~slow)
        tails, cancels = tails_of(scores, first[clear], second[clear], units)
        p[clear] = np.minimum(p[clear], tails)
        slow[clear[cancels]] = True
    places = np.flatnonzero(slow)
    step = max(1, BLOCK // draws)
    for some in (places[start : start + step] for start in range(0, len(places), step)):
        p[some] = two_sided_rows(scores[first[some]].astype(np.float64) - scores[second[some]], units)
    return p


def most_on_one_side(scores: np.ndarray) -> np.ndarray:
    """For each pair of rows (R, B) the resamples in which one of them, always the same, lies below the other."""
    ranks, ties = ranks_of(scores)
    found = []
    for k in range(len(ranks) - 1):
        below = counted(ranks[k] < ranks[k + 1 :])
        above = counted(ranks[k] > ranks[k + 1 :]) if ties else scores.shape[1] - below
        found.append(np.maximum(below, above))
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def ranks_of(scores: np.ndarray) -> tuple[np.ndarray, bool]:
    """Ranks of rows (R, B) within each resample, padded to words of eight bytes; equal scores share one.

    The second tells whether any do.
    """
    rows, draws = scores.shape
    columns = np.ascontiguousarray(scores.T)
    order = columns.argsort(axis=1)
    values = np.take_along_axis(columns, order, axis=1)
    larger = np.diff(values, axis=1) != 0
    kind = np.min_scalar_type(rows)
    ranks = np.zeros((rows, -(-draws // 8) * 8), dtype=kind)
    steps = np.concatenate([np.zeros((draws, 1), dtype=kind), larger.cumsum(axis=1, dtype=kind)], axis=1)
    back = np.empty_like(steps)
    np.put_along_axis(back, order, steps, axis=1)
    ranks[:, :draws] = back.T
    return ranks, not larger.all()


def counted(mask: np.ndarray) -> np.ndarray:
    """How many of each row are true, eight at a time: rows have a multiple of eight."""
    words = mask.view(np.uint64)
    found = np.zeros(len(mask), dtype=np.int64)
    for start in range(0, words.shape[1], WORDS):
        part = np.add.reduce(words[:, start : start + WORDS], axis=1)
        found += part.view(np.uint8).reshape(len(mask), 8).sum(axis=1, dtype=np.int64)
    return found


def tails_of(scores: np.ndarray, first: np.ndarray, second: np.ndarray, units: int) -> tuple[np.ndarray, np.ndarray]:
    """The tail of Student's t for pairs of rows, and for which pairs it must be found from the difference itself."""
    from scipy.special import stdtr

    if not len(first):
        return np.zeros(0), np.zeros(0, dtype=bool)
    values = scores.astype(np.float64)
    mean = values.mean(axis=1)
    values -= mean[:, None]
    product = values @ values.T / scores.shape[1]
    apart = np.diag(product)[first] + np.diag(product)[second]
    varies = apart - 2 * product[first, second]
    size = np.abs(mean[first] - mean[second])
    spread = np.sqrt(np.maximum(varies, 0))
    t = np.divide(size, spread, out=np.zeros(len(size)), where=spread > ROUNDING * size)
    tails: np.ndarray = np.maximum(2 * stdtr(units - 1, -t), np.finfo(float).tiny)
    cancels: np.ndarray = ~(varies > CANCELS * apart)
    return tails, cancels
