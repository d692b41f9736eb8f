"""Pictures on disk: a folder of PNG files that is read one image at a time."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from PIL import Image

from ..errors import BadData
from ..items import ArrayRef

SIDES = (16, 1024)
"""Smallest and largest side of a picture in pixels."""

LARGEST = 16 << 20
"""Bytes of a PNG file."""


class Pictures(Sequence[np.ndarray]):
    """Pictures (height, width, 3) uint8; those on disk are read at each access, one at a time.

    Parameters
    ----------
    places
        Arrays, where they lie in a file, paths of PNG files, or functions that read one.
    """

    def __init__(self, places: Sequence[np.ndarray | ArrayRef | Path | Callable[[], np.ndarray]]) -> None:
        self.places = list(places)

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, row: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, row: slice) -> Pictures: ...
    def __getitem__(self, row: int | slice) -> np.ndarray | Pictures:
        if isinstance(row, slice):
            return Pictures(self.places[row])
        place = self.places[row]
        if isinstance(place, Path):
            return read_png(place)
        if callable(place):
            return place()
        return place.read() if isinstance(place, ArrayRef) else place

    def take(self, rows: Sequence[int] | np.ndarray) -> Pictures:
        """The pictures at these positions, in this order."""
        return Pictures([self.places[row] for row in rows])


def write_png(picture: np.ndarray, path: Path) -> None:
    """Write a (height, width, 3) uint8 picture."""
    Image.fromarray(picture).save(path, format="PNG")


def read_png(path: Path) -> np.ndarray:
    """A PNG file as (height, width, 3) uint8. Raises `BadData` for another format, mode or size."""
    try:
        if path.stat().st_size > LARGEST:
            raise BadData(f"{path}: more than {LARGEST >> 20} MiB, which no picture of {SIDES[1]} pixels a side has")
        # From memory: of an open file Pillow would make room for whatever length a chunk claims.
        with Image.open(io.BytesIO(path.read_bytes()), formats=["PNG"]) as image:
            if max(image.size) > SIDES[1]:
                raise BadData(f"{path}: {image.size[0]} x {image.size[1]} pixels; at most {SIDES[1]} a side are read")
            if image.mode != "RGB":
                raise BadData(f"{path}: a PNG of mode {image.mode}, not RGB", "save it with three channels of 8 bits")
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadData(f"{path}: not a PNG image ({error})") from None


def wrong(picture: np.ndarray) -> str:
    """What is wrong with a picture; "" where nothing is."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        return f"an image of shape {picture.shape} and type {picture.dtype}; expected (height, width, 3) uint8"
    height, width, _ = picture.shape
    if height != width or not SIDES[0] <= height <= SIDES[1]:
        return f"an image of {height} x {width} pixels; expected a square of {SIDES[0]} to {SIDES[1]} a side"
    return ""
