"""What all metrics share: item counts instead of resampled items.

A resample is a row of counts, how often it holds each item. A metric that is a mean over items, or
a function of a few sums over items, is then one matrix product for all resamples.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..contracts import Metric

BLOCK_BYTES = 64 << 20

CACHE_BYTES = 1 << 20
"""What a core's own cache holds, for steps that pass over a block several times."""

KEPT = 64
"""Sets of items whose scores a metric keeps: one a brain and seed of a record."""


def blocks(counts: np.ndarray, width: int | None = None, most: int = BLOCK_BYTES) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows of counts (B, n) as float64, in blocks that need at most ``most`` bytes each.

    ``width`` is the number of float64 values that the caller makes for each row; n by default.
    """
    each = 8 * max(width or counts.shape[1], counts.shape[1], 1)
    step = max(1, most // each)
    for start in range(0, len(counts), step):
        rows = slice(start, start + step)
        yield rows, counts[rows].astype(np.float64)


def sums(counts: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sums (B, k) of item values (n, k) under counts (B, n)."""
    out = np.empty((len(counts), values.shape[1]))
    for rows, block in blocks(counts):
        np.matmul(block, values, out=out[rows])
    return out


def by_block(
    counts: np.ndarray,
    function: Callable[[np.ndarray], np.ndarray],
    width: int | None = None,
    most: int = BLOCK_BYTES,
) -> np.ndarray:
    """``function`` (float counts (b, n) -> (b,)) over the resamples in blocks; for the others see `blocks`."""
    out = np.empty(len(counts))
    for rows, block in blocks(counts, width, most):
        out[rows] = function(block)
    return out


def ratio(numerator: np.ndarray, denominator: np.ndarray, empty: float = np.nan) -> np.ndarray:
    """Quotient, and ``empty`` where the denominator is not positive."""
    positive = denominator > 0
    return np.where(positive, numerator / np.where(positive, denominator, 1), empty)


class ItemMetric(Metric):
    """A mean over items of a score that each item has of itself.

    An item whose score is NaN has none and is left out; a resample without any scored item is NaN.
    """

    _memory: tuple[tuple[Any, Any, np.ndarray], ...] = ()

    @abstractmethod
    def items(self, truth: Any, prediction: Any) -> np.ndarray:
        """Scores (n,) of the items; NaN for an item that has none."""

    def resample(self, truth: Any, prediction: Any, counts: np.ndarray) -> np.ndarray:
        """Mean score (B,) under counts (B, n)."""
        scores = self._remembered(truth, prediction)
        scored = ~np.isnan(scores)
        total = sums(counts, np.stack([np.where(scored, scores, 0), scored], axis=1))
        return ratio(total[:, 0], total[:, 1])

    def _remembered(self, truth: Any, prediction: Any) -> np.ndarray:
        """The items' scores, kept for later calls with the same objects: a bootstrap asks many times."""
        for known, given, scores in self._memory:
            if known is truth and given is prediction:
                return scores
        scores = np.asarray(self.items(truth, prediction), dtype=np.float64)
        self._memory = ((truth, prediction, scores), *self._memory[: KEPT - 1])
        return scores
