"""Windows of frames of 4-D images, read from disk when a network asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..benchmark.errors import BadData

Window = tuple[int, int]
"""Row of a scan, and the first frame of the window."""


class RandomWindows:
    """Scans as the training loop indexes them: each row that is asked for gives a window at a random place.

    Parameters
    ----------
    scans
        A view with ``grid``, ``frames`` and ``volume``.
    frames
        Length of a window.
    seed
        Of the places.
    """

    def __init__(self, scans: Any, frames: int, seed: int) -> None:
        refuse_short(scans, frames)
        self.scans = scans
        self._frames = frames
        self._rng = np.random.default_rng(seed)

    @property
    def shape(self) -> tuple[int, ...]:
        """(scan, frame, x, y, z)."""
        return len(self.scans), self._frames, *self.scans.grid

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """(row, frame, x, y, z) float32."""
        starts = [int(self._rng.integers(self.scans.frames[row] - self._frames + 1)) for row in rows]
        return read(self.scans, list(zip(rows.tolist(), starts, strict=True)), self._frames)


def read(scans: Any, windows: list[Window], frames: int) -> np.ndarray:
    """(window, frame, x, y, z) float32."""
    return np.stack([scans.volume(row, start, start + frames) for row, start in windows])


def every_window(scans: Any, rows: np.ndarray, frames: int) -> list[Window]:
    """The windows of some scans that follow each other without a gap; a rest that fills none is left out."""
    return [
        (row, start)
        for row in rows.tolist()
        for start in range(0, int(scans.frames[row]) - frames + 1, frames)
    ]  # fmt: skip


def pieces(windows: list[Window], size: int) -> Iterator[list[Window]]:
    """Some windows at a time."""
    return (windows[start : start + size] for start in range(0, len(windows), size))


def two_apart(length: int, frames: int, rng: np.random.Generator) -> Window:
    """First frames of two windows of one scan that do not overlap, in random order."""
    free = length - 2 * frames
    early, late = np.sort(rng.integers(free + 1, size=2))
    first, second = rng.permutation([early, late + frames])
    return int(first), int(second)


def refuse_short(scans: Any, frames: int) -> None:
    """Raise `BadData` where a scan holds fewer frames than needed."""
    shortest = int(np.min(scans.frames))
    if shortest < frames:
        raise BadData(
            f"a scan of {shortest} frames is shorter than the {frames} that are needed",
            "leave short scans out of the cohort, or use shorter windows:  --set frames=N",
        )
