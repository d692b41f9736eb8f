"""What an importer finds in a folder before it reads any series."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..errors import BadData
from .participants import ScanId
from .rules import MIN_FRAMES, RULES, LeftOut

MAX_SCAN_BYTES = 1 << 28
"""No ROI series is larger; a file that claims more is not read."""


@dataclass(frozen=True)
class Options:
    """What a person may say about an import.

    Attributes
    ----------
    participants
        The participants table; found in the folder when None.
    more_tables
        Further tables about the same people, such as one of scores.
    columns
        Cohort column -> column of the table.
    codes
        Cohort column -> code -> value.
    min_frames
        Shorter scans are left out.
    atlas
        Name of the atlas; for NIfTI, the label image.
    atlas_table
        Table with one row an ROI: names and networks.
    select
        BIDS entity -> value that files must have.
    confounds
        Columns of the confounds table to regress out of NIfTI images; ``*`` stands for any ending.
    tr
        Seconds a frame where neither file nor table says.
    grid
        Voxels along x, y and z, where images are imported as they are.
    """

    participants: Path | None = None
    more_tables: tuple[Path, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    min_frames: int = MIN_FRAMES
    atlas: str | None = None
    atlas_table: Path | None = None
    select: Mapping[str, str] = field(default_factory=dict)
    confounds: tuple[str, ...] = ()
    tr: float | None = None
    grid: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Source:
    """One scan that can be read.

    Attributes
    ----------
    id
        How the file names it.
    file
        The file, and member, for messages.
    labels
        ROI labels of the columns, or numbers as text where the file has none; empty for the voxels of an image.
    dtype
        "float16" or "float32": the precision worth keeping.
    read
        Reads the (time, roi) series. Raises `LeftOut` with the reason when it cannot.
    tr, motion
        Seconds a frame and mean framewise displacement in mm; NaN where the files do not say.
    """

    id: ScanId
    file: str
    labels: tuple[str, ...]
    dtype: str
    read: Callable[[], np.ndarray]
    tr: float = float("nan")
    motion: float = float("nan")


@dataclass
class Layout:
    """Everything an importer found.

    Attributes
    ----------
    sources
        The scans, sorted by id.
    atlas
        Name of the atlas, or "unknown".
    participants
        The participants table that lies with them.
    left_out
        File -> why nothing could be read from it.
    labelled
        Whether `Source.labels` come from the files.
    notes
        What a person should know of how this was read.
    grid
        Voxels along x, y and z, where the sources are images; a row of theirs is a frame.
    rules
        What is done about faults inside a series, in words.
    """

    sources: list[Source]
    atlas: str = "unknown"
    participants: Path | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    labelled: bool = True
    notes: list[str] = field(default_factory=list)
    grid: tuple[int, int, int] | None = None
    rules: tuple[str, ...] = RULES


@lru_cache(maxsize=64)
def one_copy(labels: tuple[str, ...]) -> tuple[str, ...]:
    """The first tuple that was equal to this one, so that thousands of scans share their labels."""
    return labels


@lru_cache(maxsize=64)
def numbered(rois: int) -> tuple[str, ...]:
    """Labels of columns that have no names: 1, 2, ..."""
    return tuple(str(k + 1) for k in range(rois))


def check_size(frames: int, rois: int, itemsize: int = 4) -> None:
    """Refuse a series that claims more than `MAX_SCAN_BYTES`. Raises `LeftOut`."""
    if frames * rois * itemsize > MAX_SCAN_BYTES:
        raise LeftOut(f"claims to hold {frames} x {rois} values: too much for one scan")


def inside(folder: Path, name: str, where: str) -> Path:
    """The file that a table names, which must lie in the folder that is imported.

    Raises `BadData` for a path that leads out of it, by ``..``, an absolute path or a link.
    """
    root = folder.resolve()
    try:
        path = (root / name).resolve()
    except (OSError, ValueError, RuntimeError):  # a null byte, a name that is too long, links in a circle
        raise BadData(f"{where}: {name[:80]!r} is no path of a file", "list files below the folder") from None
    if not path.is_relative_to(root):
        raise BadData(f"{where}: {name!r} leads out of {folder}", "list files below the folder that you import")
    return path
