"""One scan as the families read it, with what several of them need computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..fc import correlation
from .networks import Networks


@dataclass(frozen=True)
class ScanData:
    """A scan at hand.

    Attributes
    ----------
    series
        (time, roi) in the units that the lab extracted.
    tr
        Seconds a frame; NaN where unknown.
    """

    series: np.ndarray
    tr: float = float("nan")

    @cached_property
    def correlation(self) -> np.ndarray:
        """(roi, roi) Pearson r, float32; 0 for an ROI without signal, 1 on the diagonal."""
        return correlation(self.series)

    @cached_property
    def alive(self) -> np.ndarray:
        """(roi,) whether an ROI has a finite signal that varies."""
        off = np.abs(self.correlation).sum(axis=0) - 1
        varies: np.ndarray = np.ptp(self.series, axis=0) > 0
        return np.asarray(varies & (off > 0) if len(off) > 1 else varies)


@dataclass(frozen=True)
class Frame:
    """What a scan is measured against.

    Attributes
    ----------
    networks
        Groups of ROIs.
    template
        (roi, 3) gradients of the training cohort's mean connectivity; None where no family needs them.
    """

    networks: Networks
    template: np.ndarray | None = None
