"""The tokenizer's input: normalised scans in a scratch file, divided by their site's scale when read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


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
