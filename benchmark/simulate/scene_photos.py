"""Photographs of COCO, cut to squares, with their captions and boxes, in the place of drawn scenes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.coco import box_of
from ..errors import BadData
from .pillow import Image
from .scene_words import Piece, View

LEAST_SIDE = 0.04
"""Boxes that are narrower or lower than this share of the square are left out."""

LEAST_LEFT = 0.3
"""So much of a box must lie in the square."""


@dataclass(frozen=True)
class Photo:
    """A photograph.

    Attributes
    ----------
    pixels
        (size, size, 3) uint8.
    captions
        What people said of it.
    boxes
        Concept -> (k, 4) x0, y0, x1, y1 in 0..1 of the square.
    groups
        Concept -> COCO's supercategory.
    origin
        ``coco:ID``.
    """

    pixels: np.ndarray
    captions: tuple[str, ...]
    boxes: dict[str, np.ndarray]
    groups: Mapping[str, str]
    origin: str

    @cached_property
    def view(self) -> View:
        """What its boxes say; place and colours are not known."""
        pieces = [
            Piece(concept, "", (float(x0), float(y0), float(x1), float(y1)))
            for concept, boxes in self.boxes.items()
            for x0, y0, x1, y1 in boxes
        ]
        return View.of(pieces)


def read_photos(folder: Path, size: int) -> list[Photo]:
    """All annotated pictures of a folder, in the order of their ids.

    Looks for ``annotations/captions_*.json`` and ``annotations/instances_*.json`` in COCO's format, and for the
    pictures at the ``path`` of an image, in the folder named as the file of annotations ("val2017"), or beside it.
    Raises `BadData` where there is none, or one cannot be read.
    """
    try:
        captions, boxes, images = _annotations(folder)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        told = f"{type(error).__name__}: {str(error)[:120]}"
        raise BadData(f"{folder / 'annotations'}: not annotations of COCO ({told})", "fetch them again") from None
    found = []
    for number in sorted(images):
        place = images[number]
        try:
            with Image.open(place, formats=["JPEG", "PNG"]) as image:
                picture = image.convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # Pillow's own are OSErrors
            raise BadData(f"{place}: not a picture ({type(error).__name__})", "fetch the photographs again") from None
        cut = _square(picture.width, picture.height)
        square = picture.crop(cut).resize((size, size), Image.Resampling.BICUBIC)
        named, groups = boxes.get(number, ({}, {}))
        kept = {concept: rows for concept, listed in named.items() if len(rows := _in_square(listed, cut))}
        pixels = np.asarray(square)
        found.append(Photo(pixels, tuple(captions.get(number, ())), kept, groups, f"coco:{number}"))
    if not found:
        raise BadData(f"{folder}: no annotated photographs", "give a folder with COCO's annotations and pictures")
    return found


Boxes = tuple[dict[str, list[list[float]]], dict[str, str]]


def _annotations(folder: Path) -> tuple[dict[int, list[str]], dict[int, Boxes], dict[int, Path]]:
    """Captions, boxes in pixels with supercategories, and places of the pictures, by image id."""
    captions: dict[int, dict[str, None]] = {}
    boxes: dict[int, Boxes] = {}
    images: dict[int, Path] = {}
    for file in sorted((folder / "annotations").glob("captions_*.json")):
        told = _json(file)
        for image in told["images"]:
            if (place := _place(folder, file, image)) is not None:
                images.setdefault(int(image["id"]), place)
        for one in told["annotations"]:
            captions.setdefault(int(one["image_id"]), {})[" ".join(str(one["caption"]).split())] = None
    for file in sorted((folder / "annotations").glob("instances_*.json")):
        told = _json(file)
        names = {one["id"]: (str(one["name"]), str(one["supercategory"])) for one in told["categories"]}
        for one in told["annotations"]:
            if not one.get("iscrowd"):
                name, group = names[one["category_id"]]
                listed, groups = boxes.setdefault(int(one["image_id"]), ({}, {}))
                listed.setdefault(name, []).append(box_of(one["bbox"]))
                groups[name] = group
    return {number: list(texts) for number, texts in captions.items()}, boxes, images


def _json(file: Path) -> dict[str, Any]:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        told["images"], told["annotations"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadData(f"{file}: not annotations of COCO ({type(error).__name__})", "fetch them again") from None
    return dict(told)


def _place(folder: Path, file: Path, image: Mapping[str, Any]) -> Path | None:
    """Where a picture is, or None."""
    name = str(image.get("path") or image["file_name"])
    tried = (folder / name, folder / file.stem.partition("_")[2] / name)
    return next((path for path in tried if path.is_file() and path.resolve().is_relative_to(folder.resolve())), None)


def _square(width: int, height: int) -> tuple[int, int, int, int]:
    """The largest square in the middle, as left, top, right, bottom."""
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def _in_square(listed: list[list[float]], cut: tuple[int, int, int, int]) -> np.ndarray:
    """(k, 4) boxes x, y, w, h in pixels as corners in 0..1 of the square, larger ones first; slivers left out."""
    left, top, right, _ = cut
    side = right - left
    kept = []
    for x, y, w, h in listed:
        corners = (np.array([x, y, x + w, y + h]) - (left, top, left, top)) / side
        inside = corners.clip(0, 1)
        wide, high = inside[2:] - inside[:2]
        if min(wide, high) >= LEAST_SIDE and wide * high >= LEAST_LEFT * w * h / side**2:
            kept.append((wide * high, inside))
    kept.sort(key=lambda pair: -pair[0])
    return np.array([box for _, box in kept]).reshape(-1, 4)
