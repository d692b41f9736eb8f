"""Texts about images that a lab has beside COCO's: a JSON file, image id -> what is said of it.

::

    {"nsd46002": ["a cat on a bed", ...],
     "nsd02950": {"blip2": [...], "description": "...", "dialogue": [["what is it?", "a dog"], ...]}}

A list alone is captions of BLIP2. An id of NSD may be its number alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import BadData
from .brainhub_files import read_json
from .nsd_layout import Picture
from .response_writer import checked_boxes

KEYS = ("set", "captions", "blip2", "description", "dialogue", "boxes")


def read_texts(path: Path) -> dict[str, dict[str, Any]]:
    """Image id -> its texts by key. Raises `BadData` for a damaged file, an unknown key, or values of another type."""
    found = {}
    for name, told in read_json(path).items():
        told = {"blip2": told} if isinstance(told, list) else told
        if not isinstance(told, dict) or (unknown := set(told) - set(KEYS)):
            what = f"unknown key {min(unknown)!r}" if isinstance(told, dict) else "neither a list nor an object"
            raise BadData(f"{path}: {name!r}: {what}", f"keys are {', '.join(KEYS)}")
        found[name] = told
    return found


def add_texts(picture: Picture, told: Mapping[str, Any], where: str) -> None:
    """Put texts into a picture, over what it has. Raises `BadData`."""
    for key in ("captions", "blip2"):
        if key in told:
            setattr(picture, key, _texts(told[key], f"{where}: {key}"))
    if "description" in told:
        (picture.description,) = _texts([told["description"]], f"{where}: description")
    if "dialogue" in told:
        pairs = told["dialogue"]
        if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            raise BadData(f"{where}: dialogue", "write a list of [question, answer]")
        picture.dialogue = [_texts(pair, f"{where}: dialogue") for pair in pairs]
    if "boxes" in told:
        try:
            picture.boxes = checked_boxes(where, told["boxes"])
        except (TypeError, ValueError, AttributeError):
            raise BadData(f"{where}: boxes", "write an object, concept -> [[x0, y0, x1, y1], ...] in 0..1") from None


def _texts(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise BadData(f"{where}: expected texts")
    return value
