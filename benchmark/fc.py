"""Functional connectivity: Pearson correlation of ROI series, vectorised and safe.

Shared by baselines, descriptors, the audit and data checks. Everything is computed in float32 or
better, whatever the precision on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from functools import lru_cache
from typing import Protocol

import numpy as np

from .fc_cache import kept_rows

CLIP = 0.999999


class SeriesView(Sized, Protocol):
    """A view whose scans can be read one at a time, such as `Scans`."""

    def series(self, row: int) -> np.ndarray:
        """(time, roi) of one scan."""


def correlation(series: np.ndarray) -> np.ndarray:
    """Pearson correlation (roi, roi) of a (time, roi) series.

    ROIs without variance (or with a value that is not finite) correlate 0 with all others; the
    diagonal is 1.
    """
    matrix = _products(series)
    np.clip(matrix, -1, 1, out=matrix)
    np.fill_diagonal(matrix, 1)
    return matrix


def _products(series: np.ndarray) -> np.ndarray:
    """Products (roi, roi) of z-scored ROIs: correlations up to rounding; 0 where an ROI is dead."""
    values = np.asarray(series, dtype=np.float32)
    values = values - values.mean(axis=0)
    norm = np.linalg.norm(values, axis=0)
    dead = ~(norm > 1e-6 * max(float(np.nanmax(norm, initial=0)), 1e-12))
    values[:, dead], norm[dead] = 0, 1
    values /= norm
    products: np.ndarray = values.T @ values
    return products


def fisher_z(r: np.ndarray, clip: float = CLIP) -> np.ndarray:
    """arctanh of correlations clipped to +- ``clip``."""
    z: np.ndarray = np.arctanh(np.clip(r, -clip, clip))
    return z


def triangle(matrix: np.ndarray) -> np.ndarray:
    """Upper triangle without the diagonal, as a vector of length roi * (roi - 1) / 2."""
    return matrix[np.triu_indices(matrix.shape[-1], 1)]


def edges(
    scans: SeriesView,
    rows: Iterable[int] | None = None,
    *,
    clip: float = CLIP,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Fisher-z connectivity vectors (n, edges) float32, one scan in memory at a time."""
    order = list(range(len(scans))) if rows is None else list(rows)
    out = np.empty((0, 0), np.float32)
    for k, row in enumerate(order):
        products = _products_above_diagonal(scans, row)
        if not k:
            out = np.empty((len(order), len(products)), np.float32)
        np.clip(products, -clip, clip, out=out[k])
        np.arctanh(out[k], out=out[k])
        if progress:
            progress(k + 1, len(order))
    return out


def _products_above_diagonal(scans: SeriesView, row: int) -> np.ndarray:
    """What `_products` gives of a scan, above the diagonal; of a cohort's scan it is computed once and kept."""
    where = getattr(scans, "place", None)  # a view of arrays in memory has none
    place = where(row) if where else None
    kept = kept_rows(place) if place else None
    if place and kept and (found := kept.read(place)) is not None:
        return found
    products = _products(scans.series(row))
    # The fast mode of `take`: all places exist.
    upper: np.ndarray = products.reshape(-1).take(_above_diagonal(len(products)), mode="clip")
    if place and kept:
        kept.keep(place, upper)
    return upper


@lru_cache(maxsize=4)
def _above_diagonal(rois: int) -> np.ndarray:
    """Places of the upper triangle, without the diagonal, in a flat (roi, roi) matrix."""
    return np.flatnonzero(np.triu(np.ones((rois, rois), bool), 1))
