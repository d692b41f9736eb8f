"""One pass over the series: what several detectors need of every scan, without holding the series."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

import numpy as np

from ..contracts import Progress
from ..datasets.networks import sampled_edges
from ..fc import correlation, fisher_z
from ..items import Items

HALVED = 200
"""Scans whose halves are compared, to learn how alike two recordings of one person are."""

MIN_HALF = 20
"""Frames that a half must have for its FC to mean something."""


@dataclass(frozen=True)
class Look:
    """What is kept of every scan.

    Attributes
    ----------
    fc
        (n, edges) float32 Fisher-z connectivity: all edges, or 8192 drawn; in a file, not in memory.
    halves, halved
        (2, m, edges) connectivity of the first and the second half of m scans, and their positions.
    means, leftover
        (n, roi) temporal mean of each ROI; the same after each ROI's series is z-scored.
    """

    fc: np.ndarray
    halves: np.ndarray
    halved: np.ndarray
    means: np.ndarray
    leftover: np.ndarray


def has_series(items: Items) -> bool:
    """Whether every item holds a (time, roi) series."""
    series = items.arrays.get("series")
    return bool(series) and all(array is not None and len(array.shape) == 2 for array in series or ())


def look(items: Items, progress: Progress) -> Look:
    """Read every scan once, one in memory at a time."""
    rois = items.arrays["series"][0].shape[1]  # type: ignore[union-attr]
    edges = sampled_edges(rois)
    lengths = np.array([array.shape[0] for array in items.arrays["series"]])  # type: ignore[union-attr]
    long = np.flatnonzero(lengths >= 2 * MIN_HALF)
    halved = np.sort(np.random.default_rng(0).permutation(long)[:HALVED])
    found = Look(
        fc=_on_disk(len(items), len(edges[0])),
        halves=np.empty((2, len(halved), len(edges[0])), np.float32),
        halved=halved,
        means=np.empty((len(items), rois), np.float32),
        leftover=np.empty((len(items), rois), np.float32),
    )
    place = {int(row): k for k, row in enumerate(halved)}
    for row in range(len(items)):
        series = np.nan_to_num(items.read("series", row).astype(np.float32), posinf=0, neginf=0)
        found.fc[row] = fisher_z(correlation(series)[edges])
        if row in place:
            middle = len(series) // 2
            for k, half in enumerate((series[:middle], series[middle:])):
                found.halves[k, place[row]] = fisher_z(correlation(half)[edges])
        found.means[row] = series.mean(axis=0, dtype=np.float64)
        found.leftover[row] = _z_scored(series).mean(axis=0)
        progress("scans", row + 1, len(items))
    return found


def _z_scored(series: np.ndarray) -> np.ndarray:
    """Each ROI with mean 0 and standard deviation 1, in float64; 0 where it does not vary."""
    values = series.astype(np.float64)
    values -= values.mean(axis=0)
    spread = values.std(axis=0)
    out: np.ndarray = values / np.where(spread > 0, spread, 1)
    return out


def _on_disk(rows: int, columns: int) -> np.ndarray:
    """A float32 array in a temporary file that goes when the array does."""
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.float32, "w+", shape=(rows, columns))
