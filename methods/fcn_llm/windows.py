"""Functional connectivity networks (FCNs) of whole scans and of windows, computed when they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...benchmark.fc import correlation
from ...benchmark.kinds.scans import Scans
from .options import Options

LEAST_FRAMES = 3


class Piece(NamedTuple):
    """Frames ``start`` to ``stop`` of a scan; it stays with its scan, and so with its subject and its split."""

    row: int
    start: int
    stop: int


def whole(scans: Scans) -> list[Piece]:
    """One piece a scan: all of it."""
    return [Piece(row, 0, int(frames)) for row, frames in enumerate(scans.frames)]


def windows(scans: Scans, options: Options) -> list[Piece]:
    """Windows of each scan; one that is shorter than a window is a window by itself.

    Windows are equally long in seconds [ours]: 100 frames, as published, are 200 s at a TR of 2 s only. Where the TR
    is unknown they are counted in frames.
    """
    found: list[Piece] = []
    for row, (frames, tr) in enumerate(zip(scans.frames.tolist(), scans.tr.tolist(), strict=True)):
        length, stride = in_frames(options, tr)
        starts = range(0, max(frames - length, 0) + 1, stride)
        found += [Piece(row, start, min(start + length, frames)) for start in starts]
    return found


def in_frames(options: Options, tr: float) -> tuple[int, int]:
    """Length and stride of a window in frames, at ``tr`` seconds a frame (NaN: unknown)."""
    if not tr > 0:
        return options.window_frames, options.stride_frames
    return max(round(options.window_seconds / tr), LEAST_FRAMES), max(round(options.stride_seconds / tr), 1)


def networks(scans: Scans, pieces: Sequence[Piece]) -> np.ndarray:
    """(n, roi, roi) float32 Pearson correlations; without Fisher's z, which would move the threshold [ours]."""
    return np.stack([correlation(np.nan_to_num(scans.series(row)[start:stop])) for row, start, stop in pieces])


def moments(scans: Scans) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread (roi, roi) of the scans' networks, one in memory at a time; the diagonal of the mean is 0."""
    rois = len(scans.atlas.labels)
    total, square = np.zeros((rois, rois)), np.zeros((rois, rois))
    for piece in whole(scans):
        network = networks(scans, [piece])[0]
        np.fill_diagonal(network, 0)
        total += network
        square += np.square(network, dtype=np.float64)
    mean = total / max(len(scans), 1)
    spread = np.sqrt(np.clip(square / max(len(scans), 1) - mean**2, 0, None))
    return mean.astype(np.float32), np.where(spread > 1e-4, spread, 1).astype(np.float32)
