"""COCO's annotation files: captions and boxes of the pictures that were cropped for NSD."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BadData

MAX_BYTES = 2**30
"""The largest annotation file, instances_train2017.json, has 0.45 GB."""

SIDE = 425
"""Pixels of a picture as it was shown: of a box at least one of them must be seen."""

Crop = tuple[float, float, float, float]
"""Shares of a picture that were cut away: top, bottom, left, right."""


@dataclass
class Annotations:
    """What COCO says of pictures, by COCO id.

    Attributes
    ----------
    captions
        Id -> texts.
    sizes
        Id -> (width, height) in pixels.
    boxes
        Id -> class -> [x, y, width, height] in pixels; crowds included, as in BrainHub's truth.
    """

    captions: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    sizes: dict[int, tuple[float, float]] = field(default_factory=dict)
    boxes: dict[int, dict[str, list[list[float]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )


def annotation_folder(asked: Path | None, near: Path) -> Path | None:
    """Where COCO's files lie: the folder that was named, or one near the data. Raises `BadData` for a wrong name."""
    places = [asked] if asked else [near, near / "coco", near.parent / "coco"]
    for place in (inner for outer in places for inner in (outer, outer / "annotations")):
        if any(place.glob("captions_*2017.json")) or any(place.glob("instances_*2017.json")):
            return place
    if asked:
        raise BadData(f"{asked}: no captions_*2017.json or instances_*2017.json", "name COCO's folder  annotations")
    return None


def read_annotations(folder: Path, splits: Collection[str], wanted: Collection[int]) -> tuple[Annotations, list[str]]:
    """Captions and boxes of some pictures, and which files are lacking. Raises `BadData`."""
    found, lacking, ids = Annotations(), [], frozenset(wanted)
    for split in sorted(splits):
        for kind, take in (("captions", _take_captions), ("instances", _take_boxes)):
            path = folder / f"{kind}_{split}.json"
            if path.is_file():
                try:
                    take(_load(path, ids), found)
                except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                    raise BadData(f"{path}: not COCO's annotations ({type(error).__name__}: {error})") from None
            else:
                lacking.append(path.name)
    return found, lacking


def _load(path: Path, wanted: frozenset[int]) -> dict[str, Any]:
    """The file without outlines and without other pictures' entries, which are dropped while it is read."""
    if path.stat().st_size > MAX_BYTES:
        raise BadData(f"{path}: larger than {MAX_BYTES / 2**30:g} GB: not read")

    def lean(entry: dict[str, Any]) -> dict[str, Any] | None:
        other = entry.get("image_id", entry.get("id") if "file_name" in entry else None)
        if other is not None and other not in wanted:
            return None
        entry.pop("segmentation", None)
        return entry

    try:
        found = json.loads(path.read_bytes(), object_hook=lean)
    except (ValueError, RecursionError) as error:
        raise BadData(f"{path}: not a JSON file ({type(error).__name__})", "copy it again") from None
    if not isinstance(found, dict):
        raise BadData(f"{path}: not COCO's annotations")
    return found


def _take_captions(raw: dict[str, Any], found: Annotations) -> None:
    for entry in raw["annotations"]:
        if entry:
            found.captions[int(entry["image_id"])].append(" ".join(entry["caption"].split()))


def _take_boxes(raw: dict[str, Any], found: Annotations) -> None:
    names = {entry["id"]: str(entry["name"]) for entry in raw["categories"]}
    for entry in raw["images"]:
        if entry:
            size = float(entry["width"]), float(entry["height"])
            if not (0 < size[0] < math.inf and 0 < size[1] < math.inf):
                raise ValueError(f"a picture of {size[0]:g} x {size[1]:g} pixels")
            found.sizes[int(entry["id"])] = size
    for entry in raw["annotations"]:
        if entry:
            box = box_of(entry["bbox"])
            found.boxes[int(entry["image_id"])][names[entry["category_id"]]].append(box)


def box_of(told: Any) -> list[float]:
    """x, y, width and height of a box. Raises `ValueError` or `TypeError`."""
    box = [float(value) for value in told]
    if len(box) != 4 or not all(map(math.isfinite, box)):
        raise ValueError(f"a box of {box[:5]}, not of x, y, width and height")
    return box


def cropped(
    boxes: dict[str, list[list[float]]], size: tuple[float, float], crop: Crop
) -> tuple[dict[str, list[list[float]]], int]:
    """Class -> [x0, y0, x1, y1] in 0..1 of the cropped picture, and how many boxes are not seen in it.

    Parameters
    ----------
    boxes
        Class -> [x, y, width, height] in pixels of the whole picture.
    size
        Its width and height.
    crop
        What was cut away. Boxes that the cut goes through end at the edge.
    """
    top, bottom, left, right = crop
    width, height = 1 - left - right, 1 - top - bottom
    seen: dict[str, list[list[float]]] = {}
    unseen = 0
    for name, listed in boxes.items():
        for x, y, w, h in listed:
            x0, x1 = ((value / size[0] - left) / width for value in (x, x + w))
            y0, y1 = ((value / size[1] - top) / height for value in (y, y + h))
            box = [min(max(value, 0.0), 1.0) for value in (x0, y0, x1, y1)]
            if min(box[2] - box[0], box[3] - box[1]) * SIDE >= 1:
                seen.setdefault(name, []).append(box)
            else:
                unseen += 1
    return seen, unseen
