"""Numerics that the connectivity baselines share."""

from __future__ import annotations

import numpy as np

from ..benchmark.errors import BadData

REVERSE = 1 / 3
"""What the direction that the data speak against keeps of a link's strength, |s| (1 -+ 1/2) rescaled to 1 at most."""

SINGULAR = 1e12
"""Condition number from which on a covariance counts as singular."""


def standardise(series: np.ndarray) -> np.ndarray:
    """A recording (time, node) with mean 0 and variance 1 in every column.

    A column's values come out the same to the last bit wherever it stands.
    """
    centred = centre(series)
    standard: np.ndarray = centred / np.sqrt(np.mean(centred**2, axis=0))
    return standard


def centre(series: np.ndarray) -> np.ndarray:
    """A recording (time, node) with mean 0 in every column."""
    # One layout in memory, because sums along a column round differently in the other.
    ordered = np.ascontiguousarray(series, dtype=float)
    centred: np.ndarray = ordered - ordered.mean(axis=0)
    return centred


def need_frames(series: np.ndarray, least: int, purpose: str, hint: str) -> None:
    """Raise `BadData` where a recording (time, node) has fewer than ``least`` frames."""
    frames, nodes = series.shape
    if frames < least:
        raise BadData(f"{frames} frames are too few for {purpose} on {nodes} nodes: {least} are needed", hint)


def need_independent(covariance: np.ndarray) -> None:
    """Raise `BadData` where a covariance (n, n) is too near to singular for its inverse to mean anything."""
    if not np.linalg.cond(covariance) < SINGULAR:
        raise BadData(
            "the nodes' series depend linearly on each other (two are equal, or their sum is fixed)",
            "leave one of them out, or use a method with shrinkage, such as partial-correlation",
        )


def directed(strength: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """Scores [source, target] from a symmetric strength and a contrast whose sign gives the direction.

    Both directions keep a positive score, so that the link's strength goes on ranking its cells: the
    favoured one (contrast > 0) gets the strength itself, the other `REVERSE` of it, and both get the
    mean of the two where the contrast is zero.
    """
    share = np.where(contrast > 0, 1.0, np.where(contrast < 0, REVERSE, (1 + REVERSE) / 2))
    return without_diagonal(strength * share)


def without_diagonal(scores: np.ndarray) -> np.ndarray:
    """A copy with a zero diagonal."""
    cleared = np.array(scores, dtype=float)
    np.fill_diagonal(cleared, 0)
    return cleared
