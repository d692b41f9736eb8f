"""4-D images as they are, voxel by voxel, on one grid: what methods without an atlas read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .bids_names import Tree, quiet_motion
from .from_nifti import find_images, import_nibabel, look, told
from .layout import Layout, Options, Source
from .participants import ScanId
from .rules import LeftOut

SPACE = "MNI152NLin6Asym"
GRID = (96, 96, 96)
"""Voxels of 2 mm that hold a brain in MNI space."""

SLAB = 16
"""Frames that are unpacked at a time."""

RULES = (
    "images are turned to the axes right, anterior, superior, then cropped or padded to the grid around their centre",
    "background is what is 0 or not a number; the other voxels are normalised by one mean and one deviation over the "
    "whole scan, and the background gets their minimum",
    "scans with infinite values, without contrast, of fewer than N frames, or with voxels of another size than most "
    "scans are left out",
)
"""The rules in words (normalisation as Kim et al. 2023), for the manifest."""


@dataclass(frozen=True)
class _Image:
    """One image's file, id and header."""

    scan: ScanId
    path: Path
    tr: float
    motion: float
    frames: int
    size: tuple[float, ...]


def recognise(folder: Path, options: Options) -> str | None:
    """Why a folder is of this format: only when a grid is asked for, as images are else read with an atlas."""
    found = next(folder.rglob("*_bold.nii*"), None) if options.grid else None
    return f"images such as {found.name}, and a grid" if found else None


def find(folder: Path, options: Options) -> Layout:
    """All ``*_bold`` images below a folder, or those that the participants table lists."""
    nibabel = import_nibabel()
    folder = folder.resolve()
    tree = Tree.walk(folder)
    grid = options.grid or GRID
    layout = Layout([], atlas="voxels", participants=options.participants, grid=grid, rules=RULES)
    images, spaces = [], set()
    for scan, path, name in find_images(tree, options.participants, options):
        try:
            tr = look(nibabel, path)
        except LeftOut as reason:
            layout.left_out[str(path.relative_to(folder))] = str(reason)
            continue
        spaces.add(name.entities.get("space", "unknown"))
        header = nibabel.load(path).header
        side_car = tree.repetition_time(path, name)
        size = tuple(round(float(side), 2) for side in header.get_zooms()[:3])
        tr = tr if np.isnan(side_car) else side_car
        images.append(_Image(scan, path, tr, quiet_motion(tree, name), header.get_data_shape()[3], size))
    _choose(layout, images, folder, options.min_frames)
    if spaces - {SPACE}:
        layout.notes.append(f"space of the images: {', '.join(sorted(spaces))}; published weights expect {SPACE}")
    layout.notes.append(f"cropped or padded to {' x '.join(map(str, grid))} voxels; normalised over the whole scan")
    return layout


def _choose(layout: Layout, images: list[_Image], folder: Path, min_frames: int) -> None:
    """Take the images that are long enough and share their voxels' size; say why of the others."""
    assert layout.grid is not None
    usual = Counter(image.size for image in images).most_common(1)[0][0] if images else ()
    for image in images:
        file = str(image.path.relative_to(folder))
        if image.frames < min_frames:
            layout.left_out[file] = f"{image.frames} frames, fewer than {min_frames}"
        elif image.size != usual:
            layout.left_out[file] = f"voxels of {_mm(image.size)}, most scans have {_mm(usual)}"
        else:
            read = partial(read_volume, image.path, layout.grid)
            layout.sources.append(Source(image.scan, file, (), "float16", read, tr=image.tr, motion=image.motion))


def _mm(size: tuple[float, ...]) -> str:
    return " x ".join(f"{side:g}" for side in size) + " mm"


def read_volume(path: Path, grid: tuple[int, int, int]) -> np.ndarray:
    """(time, x * y * z) float16 of an image on a grid, normalised. Raises `LeftOut`.

    The file is unpacked twice, a few frames at a time: once for the mean and deviation, once to keep it.
    """
    nibabel = import_nibabel()
    try:
        image = nibabel.load(path, keep_file_open=True)
        mean, sd, least = _moments(nibabel, image, grid)
        out = np.empty((image.shape[3], int(np.prod(grid))), np.float16)
        for start, slab in _slabs(nibabel, image, grid):
            flat = slab.reshape(len(slab), -1)
            out[start : start + len(slab)] = (np.where(flat == 0, least, flat) - mean) / sd
    except LeftOut:
        raise
    except Exception as error:  # of nibabel and zlib, on a damaged file or an impossible affine
        raise LeftOut(f"cannot be read: {told(error)}") from None
    return out


def _moments(nibabel: Any, image: Any, grid: tuple[int, int, int]) -> tuple[float, float, float]:
    """Mean, deviation and minimum of all voxels that are no background."""
    count, total, squares, least = 0, 0.0, 0.0, np.inf
    for _, slab in _slabs(nibabel, image, grid):
        inside = slab[slab != 0].astype(float)
        if not np.isfinite(inside).all():
            raise LeftOut("holds infinite values")
        count, total, squares = count + len(inside), total + inside.sum(), squares + (inside**2).sum()
        least = min(least, inside.min(initial=np.inf))
    mean = total / max(count, 1)
    variance = squares / max(count, 1) - mean**2
    if not variance > 1e-12 * mean**2:
        raise LeftOut("no contrast: all voxels are alike, or there are none")
    return mean, float(np.sqrt(variance)), float(least)


def _slabs(nibabel: Any, image: Any, grid: tuple[int, int, int]) -> Iterator[tuple[int, np.ndarray]]:
    """First frame and (time, x, y, z) float32 of a few frames at a time, on the grid, 0 in the background."""
    turn = nibabel.io_orientation(image.affine)
    for start in range(0, image.shape[3], SLAB):
        slab = np.asarray(image.dataobj[..., start : start + SLAB], dtype=np.float32)
        slab = nibabel.apply_orientation(np.where(np.isnan(slab), 0, slab), turn)
        yield start, np.moveaxis(on_grid(slab, grid), -1, 0)


def on_grid(volume: np.ndarray, grid: tuple[int, int, int]) -> np.ndarray:
    """Crop or pad the first three axes around their centre; zeros outside."""
    for axis, side in enumerate(grid):
        have = volume.shape[axis]
        if have > side:
            first = (have - side) // 2
            volume = volume.take(range(first, first + side), axis=axis)
        elif have < side:
            before = (side - have) // 2
            widths = [(before, side - have - before) if k == axis else (0, 0) for k in range(volume.ndim)]
            volume = np.pad(volume, widths)
    return volume
