"""From ROI series to the tokenizer's input: robust z-score, fixed length, site scale."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...benchmark.kinds.scans import Scans

CLIP = 10.0
IQR_OF_NORMAL = 1.349


def robust_z(series: np.ndarray) -> np.ndarray:
    """(time, roi) series minus its median over time, over IQR / 1.349, clipped to +-10.

    Values that are not finite count as the ROI's median. A ROI without variance becomes 0; one whose
    quartiles coincide although it varies (spikes) is scaled by its standard deviation.
    """
    values = np.asarray(series, dtype=np.float32)
    finite = np.isfinite(values)
    low, middle, high = _quartiles(values, finite)
    centred = np.where(finite, values - middle, np.float32(0))
    smallest = 1e-6 * np.maximum(np.abs(middle), 1e-6)
    spread = centred.std(axis=0)
    scale = (high - low) / IQR_OF_NORMAL
    scale = np.where(scale > smallest, scale, spread)
    alive = spread > smallest
    z: np.ndarray = np.where(alive, centred / np.where(alive, scale, 1), 0)
    clipped: np.ndarray = np.clip(z, -CLIP, CLIP).astype(np.float32)
    return clipped


def _quartiles(values: np.ndarray, finite: np.ndarray) -> np.ndarray:
    """(3, roi) quartiles over time of the finite values; 0 for a ROI without any."""
    whole = finite.all(axis=0)
    out: np.ndarray = np.zeros((3, values.shape[1]), np.float32)
    if whole.any():
        out[:, whole] = np.percentile(values[:, whole], (25, 50, 75), axis=0)
    for roi in np.flatnonzero(~whole & finite.any(axis=0)):
        out[:, roi] = np.percentile(values[finite[:, roi], roi], (25, 50, 75))
    return out


def to_frames(series: np.ndarray, frames: int) -> np.ndarray:
    """The first ``frames`` time points of (time, roi), or a linear stretch of a shorter series."""
    time = len(series)
    if time >= frames:
        return series[:frames]
    where = np.linspace(0, time - 1, frames)
    left = np.minimum(where.astype(int), max(time - 2, 0))
    weight = (where - left)[:, None].astype(np.float32)
    right = np.minimum(left + 1, time - 1)
    stretched: np.ndarray = (1 - weight) * series[left] + weight * series[right]
    return stretched


@dataclass
class SiteScale:
    """Standard deviation of normalised training scans by site.

    Attributes
    ----------
    sites
        Site -> standard deviation.
    pooled
        Of all training scans; stands in for a site that training did not have.
    """

    sites: dict[str, float]
    pooled: float

    @classmethod
    def fit(cls, power: np.ndarray, sites: list[str]) -> SiteScale:
        """From the mean square of each training scan and its site."""
        by_site: dict[str, list[float]] = defaultdict(list)
        for value, site in zip(power, sites, strict=True):
            by_site[site].append(float(value))
        pooled = float(np.sqrt(np.mean(power))) or 1.0
        return cls({site: float(np.sqrt(np.mean(values))) or pooled for site, values in by_site.items()}, pooled)

    def of(self, sites: list[str]) -> np.ndarray:
        """(n,) scale of each scan."""
        return np.array([self.sites.get(site, self.pooled) for site in sites], np.float32)


def sites_of(scans: Scans) -> list[str]:
    """Site of each scan; "" for all where the task shows no site."""
    table = scans.covariates
    return table["site"].astype(str).tolist() if "site" in table.columns else [""] * len(scans)


@dataclass(frozen=True)
class Inputs:
    """Normalised scans in a scratch file.

    Attributes
    ----------
    series
        (n, roi, frames) float16 memory map, before the site scale.
    scale
        (n,) site scale to divide by.
    """

    series: np.ndarray
    scale: np.ndarray

    def __len__(self) -> int:
        return len(self.series)

    def batch(self, rows: np.ndarray) -> np.ndarray:
        """(batch, roi, frames) float32."""
        out: np.ndarray = self.series[rows].astype(np.float32) / self.scale[rows, None, None]
        return out


def scratch(path: Path, count: int, rois: int, frames: int) -> np.ndarray:
    """An empty (n, roi, frames) float16 memory map."""
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(count, rois, frames))
