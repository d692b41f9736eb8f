"""Tests from the resamples of a board's rows that a board may be held against: they know that the leader was chosen.

``values`` (rows,) are scores, more is better; ``draws`` (rows, resamples) were resampled alike.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata


def gaps(values: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far row j stands before row i, in standard errors: observed (i, j), and around it (i, j, resamples)."""
    difference = draws[None] - draws[:, None]
    observed = values[None] - values[:, None]
    error = difference.std(axis=2)
    error = np.where(error > 0, error, 1)
    return observed / error, (difference - observed[..., None]) / error[..., None]


def all_pairs(observed: np.ndarray, around: np.ndarray) -> np.ndarray:
    """p (i, j) of every pair, adjusted for all pairs at once by the law of the largest gap (Westfall & Young 1993)."""
    law = np.abs(around).max(axis=(0, 1))
    return (1 + (law[None, None] >= np.abs(observed)[..., None]).sum(axis=2)) / (1 + len(law))


def rank_by_gaps(observed: np.ndarray, around: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Rank interval of each row: one more than the rows that are clearly before it, to all but those clearly behind.

    "Clearly" is against the law of the largest of the row's own gaps, either way (Mogstad, Romano, Shaikh & Wilhelm
    2024).
    """
    critical = np.quantile(np.abs(around).max(axis=1), level, axis=1)[:, None]
    return 1.0 + (observed > critical).sum(axis=1), len(observed) - (observed < -critical).sum(axis=1) * 1.0


def true_ranks(truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest rank of each row where ties are in any order."""
    return rankdata(-truth, "min"), rankdata(-truth, "max")
