"""What an importer of NSD finds before it reads any response, whatever the layout of the files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadData, needing
from .hdf5 import BROKEN, damaged

RELEASED = 37
"""Sessions that all papers before the full release used; of them the 982 test images are made."""

PIXELS = 256
"""Side of the training pictures that are kept. Test pictures are kept as they are."""

BLOCK = 25
"""Trials read at a time."""


@dataclass(frozen=True)
class Options:
    """What a person may say about an import of NSD.

    Attributes
    ----------
    coco
        Folder with COCO's annotation files; looked for beside the data when None.
    texts
        JSON file with further texts of the images: see `nsd_texts`.
    pixels
        Training pictures larger than this are made smaller.
    sessions
        The first so many sessions are taken.
    """

    coco: Path | None = None
    texts: Path | None = None
    pixels: int = PIXELS
    sessions: int = RELEASED


@dataclass
class Picture:
    """What is known of an image beside its pixels. See `ResponseWriter.image`."""

    set: str
    captions: list[str] = field(default_factory=list)
    blip2: list[str] = field(default_factory=list)
    description: str = ""
    boxes: dict[str, list[list[float]]] = field(default_factory=dict)
    dialogue: list[list[str]] = field(default_factory=list)
    origin: str = ""


@dataclass(frozen=True)
class Brain:
    """One brain's trials.

    Attributes
    ----------
    name
        Such as "subj01".
    shape, mm, index, rois
        See `ResponseWriter.space`.
    shown
        Id of the image of each trial, in order of time.
    blocks
        Reads (first trial, (trials, voxels) float32), a few trials at a time.
    sessions
        How many sessions these are; 0 where the files do not say.
    """

    name: str
    shape: tuple[int, int, int]
    mm: float
    index: np.ndarray
    rois: Mapping[str, np.ndarray]
    shown: Sequence[str]
    blocks: Callable[[], Iterator[tuple[int, np.ndarray]]]
    sessions: int = 0


@dataclass
class Found:
    """Everything that lies in a folder.

    Attributes
    ----------
    layout
        How it was recognised.
    brains, pictures
        Trials, and what is known of each image.
    pixels
        Reads the pictures (height, width, 3) uint8 of images, one at a time, None where there is none.
    dtype
        Precision that is worth keeping.
    left_out, notes
        What is not taken and why; what else a person should know.
    """

    layout: str
    brains: list[Brain]
    pictures: dict[str, Picture]
    pixels: Callable[[Iterable[str]], Iterator[tuple[str, np.ndarray | None]]]
    dtype: str
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def open_hdf5(path: Path) -> Any:
    """An HDF5 file to read. Raises `BadData`, or `ExtraMissing` without h5py."""
    with needing("neuro", "h5py"):
        import h5py
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise BadData(f"{path}: not an HDF5 file ({str(error)[:120]})", "copy the file again") from None


def dataset(file: Any, key: str, path: Path) -> Any:
    """An array in an HDF5 file. Raises `BadData` where it is lacking, lies in another file, or was never written."""
    try:
        return _dataset(file, key, path)
    except BROKEN as error:
        raise damaged(path, error) from None


def _dataset(file: Any, key: str, path: Path) -> Any:
    import h5py

    link = file.get(key, getlink=True)
    if link is None:
        raise BadData(f"{path}: no {key!r}; it holds {', '.join(sorted(map(str, file))) or 'nothing'}")
    found = file[key] if isinstance(link, h5py.HardLink) else None
    if not isinstance(found, h5py.Dataset) or found.is_virtual or found.external:
        raise BadData(f"{path}: {key!r} is no array of this file", "write it into the file itself")
    if found.shape is None or (found.size and not found.id.get_storage_size()):
        raise BadData(f"{path}: {key!r} was never written: it has a shape, and no values", "write it again")
    return found


def mask_index(mask: np.ndarray) -> np.ndarray:
    """Flat C-order positions of the voxels above 0."""
    return np.flatnonzero(np.asarray(mask) > 0)


def flat_pixels(pixels: np.ndarray, where: str) -> np.ndarray:
    """A picture as (height, width, 3) uint8. Raises `BadData`."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise BadData(f"{where}: a picture of {pixels.dtype} {pixels.shape}; expected uint8 (height, width, 3)")
    return pixels
