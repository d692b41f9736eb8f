"""Responses in a plain layout: one HDF5 or NPZ file a brain, one of pictures, and a JSON file of texts.

::

    subj01.hdf5 (.h5, .npz)     betas (trial, voxel); image (trial,) ids; mask (x, y, z), above 0 at the voxels, which
                                are counted in C order; mm, optional; roi_NAME (x, y, z), above 0 inside; optional
    images.hdf5 (.h5, .npz)     ids (image,); pixels (image, height, width, 3) uint8; optional
    images.json                 id -> {"set": "train" | "test", "captions": [...], "boxes": {...}, ...}
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadData
from ..npy import BROKEN_ZIP, read_member
from .hdf5 import BROKEN, damaged
from .nsd_layout import BLOCK, Brain, Found, Picture, dataset, flat_pixels, mask_index, open_hdf5
from .nsd_texts import add_texts, read_texts

ENDINGS = (".hdf5", ".h5", ".npz")
BRAIN = re.compile(r"subj\d{2}")
ROI = "roi_"
MM = 1.8
NUMBERS = "arrays of numbers, and of ids, are expected"


def recognises(path: Path) -> bool:
    """Whether the folder holds a file of a brain in this layout."""
    return path.is_dir() and bool(_brains(path))


def find(path: Path) -> Found:
    """Look through the folder; responses and pictures are not read yet. Raises `BadData`."""
    texts = read_texts(path / "images.json")
    brains = [_brain(file) for file in _brains(path)]
    shown = {image for brain in brains for image in brain.shown}
    if lost := shown - set(texts):
        raise BadData(
            f"{path / 'images.json'}: lacks {len(lost)} images that were shown, such as {min(lost)!r}",
            'give each at least  {"set": "train"}  or  {"set": "test"}',
        )
    pictures = {}
    for name in sorted(shown):
        if texts[name].get("set") not in ("train", "test"):
            raise BadData(f"{path / 'images.json'}: {name!r} has no set", 'write  "set": "train"  or  "set": "test"')
        pictures[name] = Picture(str(texts[name]["set"]))
        add_texts(pictures[name], texts[name], f"{path / 'images.json'}: {name!r}")
    left_out = {}
    if not _named(path, "images"):
        left_out["pictures"] = f"no images.hdf5 or images.npz in {path}"
    if extra := len(set(texts) - shown):
        left_out["images"] = f"{extra} were shown to nobody"
    half = all(brain_dtype(file) == np.float16 for file in _brains(path))
    dtype = "float16" if half else "float32"
    return Found("one file a brain", brains, pictures, partial(_pixels, path), dtype, left_out)


def _named(path: Path, stem: str) -> Path | None:
    return next((path / (stem + ending) for ending in ENDINGS if (path / (stem + ending)).is_file()), None)


def _brains(path: Path) -> list[Path]:
    stems = sorted({file.stem for file in path.iterdir() if file.suffix in ENDINGS and BRAIN.fullmatch(file.stem)})
    return [file for stem in stems if (file := _named(path, stem))]


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """An HDF5 or NPZ file; `_array` reads from it. Raises `BadData`."""
    if path.suffix != ".npz":
        with open_hdf5(path) as file:
            yield file
        return
    try:
        archive = zipfile.ZipFile(path)
    except BROKEN_ZIP as error:
        raise BadData(f"{path}: cannot be read ({str(error)[:120]})", NUMBERS) from None
    with archive:
        yield {name.removesuffix(".npy"): archive for name in archive.namelist() if name.endswith(".npy")}


def _array(file: Any, key: str, path: Path) -> Any:
    """An array: of HDF5 as it lies on disk, of NPZ in memory. Raises `BadData`."""
    if path.suffix != ".npz":
        return dataset(file, key, path)
    if key not in file:
        raise BadData(f"{path}: no {key!r}; it holds {', '.join(sorted(file)) or 'nothing'}")
    try:
        return read_member(file[key], key, "fiubSU")
    except BROKEN_ZIP as error:
        raise BadData(f"{path}: {key!r} cannot be read ({str(error)[:120]})", NUMBERS) from None


def _numbers(file: Any, key: str, path: Path) -> np.ndarray:
    """A whole array of numbers. Raises `BadData`."""
    found = _whole(file, key, path)
    if found.dtype.kind not in "fiub":
        raise BadData(f"{path}: {key!r} holds {found.dtype}, not numbers", NUMBERS)
    return found


def _whole(file: Any, key: str, path: Path) -> np.ndarray:
    """A whole array, in memory. Raises `BadData`."""
    try:
        return np.asarray(_array(file, key, path)[...])
    except BROKEN as error:
        raise damaged(path, error) from None


def brain_dtype(path: Path) -> np.dtype:
    """What a brain's responses are stored in. Raises `BadData` for anything but numbers with a fraction."""
    with _open(path) as file:
        dtype: np.dtype = _array(file, "betas", path).dtype
    if dtype.kind != "f":
        raise BadData(f"{path}: betas of type {dtype}", "save percent signal change as float16 or float32")
    return dtype


def _brain(path: Path) -> Brain:
    with _open(path) as file:
        mask = _numbers(file, "mask", path)
        shape = tuple(_array(file, "betas", path).shape)
        shown = _ids(_whole(file, "image", path), path)
        mm = _mm(_numbers(file, "mm", path), path) if "mm" in file else MM
        index = mask_index(mask)
        if mask.ndim != 3 or shape != (len(shown), len(index)):
            raise BadData(
                f"{path}: betas {shape}, {len(shown)} images, and a mask {mask.shape} with {len(index)} voxels: "
                "expected (trial, voxel), one image a trial, and a mask (x, y, z)"
            )
        rois = {}
        for key in sorted(key for key in file if key.startswith(ROI)):
            values = _numbers(file, key, path)
            if values.shape != mask.shape:
                raise BadData(f"{path}: {key} {values.shape}; the mask is {mask.shape}")
            rois[key.removeprefix(ROI)] = values.ravel()[index] > 0
    return Brain(path.stem, mask.shape, mm, index, rois, shown, partial(_blocks, path))


def _ids(values: np.ndarray, path: Path) -> list[str]:
    """Ids of images. Raises `BadData` for what is no text."""
    try:
        return [value.decode() if isinstance(value, bytes) else str(value) for value in values.ravel().tolist()]
    except (UnicodeDecodeError, SystemError):  # the latter for numbers that are no letters
        raise BadData(f"{path}: ids of images that are no text", "write them as text or whole numbers") from None


def _mm(values: np.ndarray, path: Path) -> float:
    """The side of a voxel. Raises `BadData`."""
    if values.size != 1 or not 0 < values.ravel()[0] < np.inf:
        raise BadData(f"{path}: mm {values.ravel()[:3].tolist()} is no length of a voxel's side", "such as 1.8")
    return float(values.ravel()[0])


def _blocks(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    with _open(path) as file:
        betas = _array(file, "betas", path)
        for first in range(0, len(betas), BLOCK):
            try:
                block = betas[first : first + BLOCK]
            except BROKEN as error:
                raise damaged(path, error) from None
            yield first, np.asarray(block, np.float32)


def _pixels(path: Path, images: Iterable[str]) -> Iterator[tuple[str, np.ndarray | None]]:
    file = _named(path, "images")
    if file is None:
        for image in images:
            yield image, None
        return
    with _open(file) as stored:
        place = {name: row for row, name in enumerate(_ids(_whole(stored, "ids", file), file))}
        pixels = _array(stored, "pixels", file)
        if pixels.ndim != 4 or len(place) != len(pixels):
            raise BadData(f"{file}: {len(place)} different ids, and pictures of shape {pixels.shape}")
        for image in images:
            yield image, _picture(pixels, place[image], file) if image in place else None


def _picture(pixels: Any, row: int, file: Path) -> np.ndarray:
    try:
        return flat_pixels(np.asarray(pixels[row]), str(file))
    except BROKEN as error:
        raise damaged(file, error) from None
