"""From what a lab has of NSD to a folder of responses: a few trials in memory at a time, nothing dropped silently."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..contracts import Progress, silent
from ..errors import BadData, needing
from ..home import cohorts
from . import nsd_own, nsd_tree
from .nsd_layout import Brain, Found, Options
from .nsd_texts import add_texts, read_texts
from .responses import ResponseCohort, ResponseWriter

NAME = "nsd"


@dataclass(frozen=True)
class NsdReport:
    """What an import did.

    Attributes
    ----------
    cohort
        The new folder.
    layout
        How the files were recognised.
    brains
        One row a brain: trials, voxels, images, and how often the test images were seen.
    left_out, notes
        What was not taken and why; what else a person should know.
    """

    cohort: ResponseCohort
    layout: str
    brains: list[dict[str, Any]]
    left_out: dict[str, str]
    notes: list[str]


def import_nsd(
    path: Path, options: Options | None = None, *, target: Path | None = None, progress: Progress = silent
) -> NsdReport:
    """Import a folder of NSD: its own tree, or one file a brain. See `docs/vision_data.md`.

    ``target`` is the new folder, ``cohorts()/nsd`` when None. Raises `BadData` when nothing sound can be made of the
    files, `ExtraMissing` without the packages that read them.
    """
    options = options or Options()
    if nsd_tree.recognises(path):
        found = nsd_tree.find(path, options)
    elif nsd_own.recognises(path):
        found = nsd_own.find(path)
    else:
        raise BadData(
            f"{path}: neither NSD's own tree nor files of the plain layout",
            "give the folder that holds nsddata and nsddata_betas, or one with subj01.hdf5; see docs/vision_data.md",
        )
    if options.texts is not None:
        _join_texts(found, options.texts)
    with ResponseWriter(target or cohorts() / NAME, NAME, "real", dtype=found.dtype) as writer:
        for brain in found.brains:
            _write_brain(writer, brain, progress)
        _write_images(writer, found, options, progress)
        folder = writer.finish(source=str(path.resolve()), left_out=found.left_out)
    rows = [_row(brain, found) for brain in found.brains]
    return NsdReport(ResponseCohort.open(folder), found.layout, rows, found.left_out, found.notes)


def _join_texts(found: Found, path: Path) -> None:
    """Take in the texts that the lab has beside COCO's."""
    told = read_texts(path)
    known = 0
    for name, texts in told.items():
        image = nsd_tree.image_id(int(name)) if name.isdecimal() and name not in found.pictures else name
        if image in found.pictures:
            add_texts(found.pictures[image], texts, f"{path}: {name!r}")
            known += 1
    found.notes.append(f"{path.name}: texts of {known} images")
    if known < len(told):
        found.left_out[path.name] = f"{len(told) - known} of its {len(told)} ids are not among the images"


def _write_brain(writer: ResponseWriter, brain: Brain, progress: Progress) -> None:
    """Sort a brain's trials by image while they are read; the repeats of an image stay in order of time."""
    writer.space(brain.name, brain.shape, brain.mm, brain.index, brain.rois)
    counts = Counter(brain.shown)
    writer.reserve(brain.name, {image: counts[image] for image in sorted(counts)})
    seen: Counter[str] = Counter()
    for first, values in brain.blocks():
        progress(brain.name, first, len(brain.shown))
        for image, trial in zip(brain.shown[first : first + len(values)], values, strict=True):
            writer.put(brain.name, image, seen[image], trial)
            seen[image] += 1
    progress(brain.name, len(brain.shown), len(brain.shown))


def _write_images(writer: ResponseWriter, found: Found, options: Options, progress: Progress) -> None:
    """Pictures and texts, one image after the other."""
    bare = 0
    for done, (image, pixels) in enumerate(found.pixels(sorted(found.pictures))):
        progress("pictures", done, len(found.pictures))
        picture = found.pictures[image]
        bare += pixels is None
        if pixels is not None and picture.set == "train":
            pixels = smaller(pixels, options.pixels)
        writer.image(image, pixels, **vars(picture))
    progress("pictures", len(found.pictures), len(found.pictures))
    if bare and "pictures" not in found.left_out:
        found.left_out["pictures"] = f"{bare} of {len(found.pictures)} images have none"


def smaller(pixels: np.ndarray, side: int) -> np.ndarray:
    """A picture (height, width, 3) uint8 whose longer side is at most ``side``; by bicubic averages."""
    height, width = pixels.shape[:2]
    longer = max(height, width)
    if longer <= side:
        return pixels
    with needing("vision", "PIL"):
        from PIL import Image
    size = max(1, round(width * side / longer)), max(1, round(height * side / longer))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _row(brain: Brain, found: Found) -> dict[str, Any]:
    """What there is of a brain, in numbers."""
    counts = Counter(brain.shown)
    test = {image: count for image, count in counts.items() if found.pictures[image].set == "test"}
    repeats = Counter(test.values())
    return {
        "brain": brain.name,
        "sessions": brain.sessions,
        "trials": len(brain.shown),
        "voxels": len(brain.index),
        "training images": len(counts) - len(test),
        "test images": len(test),
        "seen 3 / 2 / 1 times": f"{sum(n for k, n in repeats.items() if k > 2)} / {repeats[2]} / {repeats[1]}",
    }
