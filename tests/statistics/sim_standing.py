"""Tests from the resamples of a board's rows, to hold the board's own against.

``values`` (rows,) are scores, more is better; ``draws`` (rows, resamples) were resampled alike.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from brainbench.benchmark.stats import holm, two_sided


def rank_percentiles(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rank interval (rows,) x 2 as percentiles of each row's rank over resamples."""
    low, high = np.percentile(rankdata(-draws, axis=0), (2.5, 97.5), axis=1)
    return low, high


def against_best(best: int, draws: np.ndarray, units: int) -> np.ndarray:
    """Whether (rows,) each row is separated from the best by single tests, Holm over the other rows."""
    others = np.delete(np.arange(len(draws)), best)
    apart = np.zeros(len(draws), dtype=bool)
    apart[others] = holm([two_sided(draws[best] - draws[row], units) for row in others]) < 0.05
    return apart


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


def true_ranks(truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest rank of each row where ties are in any order."""
    return rankdata(-truth, "min"), rankdata(-truth, "max")
