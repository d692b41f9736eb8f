"""The view that classification, regression and questions share: resting-state scans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadData
from ..items import ArrayRef, Items

if TYPE_CHECKING:
    import pandas as pd

SCAN_FIELDS = ("series", "volume", "tr", "frames")


@dataclass(frozen=True)
class Atlas:
    """The regions of a series' columns.

    Attributes
    ----------
    name
        Such as ``schaefer400-7+tian-s3``.
    labels
        One ROI name a column.
    networks
        One network name a column, or empty where the atlas has none.
    """

    name: str
    labels: tuple[str, ...]
    networks: tuple[str, ...] = ()

    @classmethod
    def from_meta(cls, meta: dict[str, Any]) -> Atlas:
        """Read from `Items.meta["atlas"]`."""
        return cls(meta["name"], tuple(meta["labels"]), tuple(meta.get("networks", ())))


@dataclass(frozen=True)
class Scan:
    """One scan.

    Attributes
    ----------
    series
        (time, roi) float32, in the units that the lab extracted.
    tr
        Seconds a frame; NaN where unknown.
    covariates
        What the task allows: age (years), sex, site, motion (mean FD, mm), frames.
    """

    series: np.ndarray
    tr: float
    covariates: dict[str, Any]


class Scans:
    """A sequence of scans that are read from disk one at a time.

    Iterate it, or index it; it never holds more than the scan at hand.
    """

    def __init__(self, items: Items, covariates: tuple[str, ...]) -> None:
        self._items = items
        self._allowed = [name for name in covariates if name in items.table.columns]
        self.atlas = Atlas.from_meta(items.meta["atlas"])

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, row: int) -> Scan:
        if not 0 <= row < len(self):
            raise IndexError(row)
        record = self._items.table.iloc[row]
        covariates = {name: record[name] for name in self._allowed}
        return Scan(self.series(row), float(record["tr"]), covariates)

    def __iter__(self) -> Iterator[Scan]:
        return (self[row] for row in range(len(self)))

    def series(self, row: int) -> np.ndarray:
        """(time, roi) float32 of one scan. Raises `BadData` where the scans are 4-D images."""
        if "series" not in self._items.arrays and "volume" in self._items.arrays:
            raise BadData("these scans are 4-D images, not ROI series", "take a task or cohort of ROI series")
        return self._items.read("series", row).astype(np.float32)

    def place(self, row: int) -> ArrayRef | None:
        """Where a scan's series lies on disk; None where it lies in memory, or is a 4-D image."""
        held = self._items.arrays.get("series")
        found = held[row] if held else None
        return found if isinstance(found, ArrayRef) else None

    def volume(self, row: int, start: int, stop: int) -> np.ndarray:
        """Frames ``start`` to ``stop`` of one scan, (time, x, y, z) float32; the others stay on disk.

        Raises `BadData` where the scans are ROI series, or have fewer frames.
        """
        if "volume" not in self._items.arrays:
            raise BadData(
                "these scans are ROI series, not 4-D images",
                "import images with  brainbench data import --format volumes",
            )
        return self._items.read("volume", row, (start, stop)).astype(np.float32)

    @property
    def grid(self) -> tuple[int, int, int] | None:
        """Voxels along x, y and z; None where the scans are ROI series."""
        first = next(iter(self._items.arrays.get("volume", ())), None)
        return None if first is None else (first.shape[1], first.shape[2], first.shape[3])

    @cached_property
    def covariates(self) -> pd.DataFrame:
        """(n, allowed covariates), one row a scan."""
        return self._items.table[self._allowed].reset_index(drop=True)

    @cached_property
    def sites(self) -> list[str]:
        """Site of each scan; "" for all where the task shows no site."""
        shown = "site" in self.covariates.columns
        return self.covariates["site"].astype(str).tolist() if shown else [""] * len(self)

    @cached_property
    def frames(self) -> np.ndarray:
        """(n,) number of time points of each scan."""
        return self._items.table["frames"].to_numpy(int)

    @cached_property
    def tr(self) -> np.ndarray:
        """(n,) seconds a frame; NaN where unknown."""
        return self._items.table["tr"].to_numpy(float)

    def take(self, rows: np.ndarray) -> Scans:
        """A view of some of the scans."""
        return Scans(self._items.take(rows), tuple(self._allowed))


def strangers(count: int, seed: int) -> np.ndarray:
    """(count,) for each scan the row of another one: each is shown once, and none to itself (unless it is alone).

    For a control that shows another person's scan. Drawn from the whole test set: within a small site the
    scans that are left when one's own is taken away hold the other class more often, by 1 in (scans - 1).
    """
    rows = np.random.default_rng([seed, count]).permutation(count)
    out = np.empty(count, dtype=int)
    out[rows] = np.roll(rows, 1)
    return out
