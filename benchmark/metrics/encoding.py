"""Encoding: truth and prediction {subject: (time, parcel)} for each run."""

from __future__ import annotations

import numpy as np

from ..contracts import Metric
from .counts import blocks
from .regression import correlation_from_sums

Responses = list[dict[str, np.ndarray]]


class EncodingR(Metric):
    """Mean over subjects of the mean over parcels of Pearson r along time.

    A subject's runs are one series (a resample repeats whole runs). A parcel that is constant, in
    truth or prediction, scores 0.
    """

    name = "encoding-r"
    title = "Pearson r"
    chance = 0.0

    def resample(self, truth: Responses, prediction: Responses, counts: np.ndarray) -> np.ndarray:
        """Mean correlation (B,); a subject without a run in a resample is left out of it."""
        subjects = sorted({subject for run in truth for subject in run})
        each = np.stack([_subject(truth, prediction, counts, subject) for subject in subjects])
        scored = ~np.isnan(each)
        total = np.where(scored, each, 0).sum(axis=0)
        return np.where(scored.any(axis=0), total / np.maximum(scored.sum(axis=0), 1), np.nan)


def _subject(truth: Responses, prediction: Responses, counts: np.ndarray, subject: str) -> np.ndarray:
    """Mean over parcels of r (B,) of one subject."""
    rows = [row for row, run in enumerate(truth) if subject in run]
    centre = [
        np.mean(np.concatenate([runs[row][subject] for row in rows]), axis=0, dtype=np.float64)
        for runs in (truth, prediction)
    ]
    stats = np.stack([_sums(truth[row][subject] - centre[0], prediction[row][subject] - centre[1]) for row in rows])
    parcels = stats.shape[2]
    out = np.empty(len(counts))
    for block_rows, block in blocks(counts[:, rows], 12 * parcels):
        total = np.tensordot(block, stats, axes=(1, 0)).transpose(1, 0, 2)
        r, _, _ = correlation_from_sums(*total)
        out[block_rows] = np.where(block.any(axis=1), r.mean(axis=1), np.nan)
    return out


def _sums(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Count and first and second moments (6, parcel) of one run."""
    count = np.full(x.shape[1], float(len(x)))
    return np.stack([count, x.sum(0), y.sum(0), (x * x).sum(0), (y * y).sum(0), (x * y).sum(0)])
