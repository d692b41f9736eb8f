"""Scenes as pictures, with the boxes of what is to be seen of each thing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .pillow import Image, ImageDraw
from .scene_backgrounds import background
from .scene_shapes import FIXED, SHAPES, Shape
from .scenes import COLOURS, CONCEPTS, Scene, Thing

SIZE = 96
"""Default side of a picture, in pixels."""

FINE = 3
"""Pixels are averages of so many by so many finer ones."""

LEAST_SIZE = 16
CORNERS = 22
"""Corners of the polygon that stands for an oval."""

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Picture:
    """A drawn scene.

    Attributes
    ----------
    pixels
        (size, size, 3) uint8 RGB.
    boxes
        Concept -> (k, 4) x0, y0, x1, y1 in 0..1 around what is visible of each thing, larger things first.
    """

    pixels: np.ndarray
    boxes: dict[str, np.ndarray]


def draw(scene: Scene, size: int = SIZE) -> Picture:
    """Draw a scene, smoothed at the edges. Raises `ValueError` for a side below `LEAST_SIZE`."""
    if size < LEAST_SIZE:
        raise ValueError(f"pictures have {LEAST_SIZE} pixels a side or more, not {size}")
    fine = size * FINE
    behind = Image.fromarray(background(scene, size))
    canvas = behind.resize((fine, fine), Image.Resampling.NEAREST)
    owners = Image.new("L", (fine, fine), 0)
    for number, thing in enumerate(scene.things, start=1):
        _paint(ImageDraw.Draw(canvas), ImageDraw.Draw(owners), number, thing, fine)
    pixels = np.asarray(canvas.reduce(FINE))
    return Picture(pixels, _boxes(scene, np.asarray(owners)))


def _boxes(scene: Scene, owners: np.ndarray) -> dict[str, np.ndarray]:
    """Extent of each thing's own pixels; what is covered by others altogether has none."""
    found: dict[str, list[tuple[float, np.ndarray]]] = {}
    for number, thing in enumerate(scene.things, start=1):
        mine = owners == number
        columns, rows = np.flatnonzero(mine.any(axis=0)), np.flatnonzero(mine.any(axis=1))
        if len(columns):
            box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / len(owners)
            area = float((box[2] - box[0]) * (box[3] - box[1]))
            found.setdefault(thing.concept, []).append((area, box))
    return {
        concept: np.stack([box for _, box in sorted(boxes, key=lambda pair: -pair[0])])
        for concept, boxes in found.items()
    }


def _paint(canvas: ImageDraw.ImageDraw, owners: ImageDraw.ImageDraw, number: int, thing: Thing, side: int) -> None:
    """Draw a thing's shapes, and its number where they are."""
    tones = _tones(thing.colour)
    aspect = CONCEPTS[thing.concept].aspect
    turn = np.array([[math.cos(thing.tilt), math.sin(thing.tilt)], [-math.sin(thing.tilt), math.cos(thing.tilt)]])
    flip = np.array([thing.facing * thing.height * side, thing.height * side])
    centre = np.array([thing.x, thing.y]) * side
    for points, tone in _polygons(thing.concept, aspect):
        corners = [tuple(point) for point in ((points * flip) @ turn + centre).tolist()]
        canvas.polygon(corners, fill=tones.get(tone) or FIXED[tone])
        owners.polygon(corners, fill=number)


@lru_cache(maxsize=64)
def _tones(colour: str) -> dict[str, RGB]:
    """Shades of a colour: the dark one is darker, the light one nearer to white; black and white stay apart."""
    main = np.array(COLOURS[colour], dtype=float)
    dark, light = main * 0.66, main + (255 - main) * 0.42

    def rgb(values: np.ndarray) -> RGB:
        red, green, blue = (int(value) for value in values)
        return red, green, blue

    return {"main": rgb(main), "dark": rgb(dark), "light": rgb(light)}


@lru_cache(maxsize=64)
def _polygons(concept: str, aspect: float) -> tuple[tuple[np.ndarray, str], ...]:
    """A concept's shapes as polygons around the frame's centre, in units of its height."""
    found = []
    for shape in SHAPES[concept]:
        points = _outline(shape, aspect)
        found.append(((points - 0.5) * (aspect, 1.0), str(shape[-1])))
    return tuple(found)


def _outline(shape: Shape, aspect: float) -> np.ndarray:
    """(n, 2) corners of a shape in its unit frame."""
    if shape[0] == "poly":
        return np.array(shape[1], dtype=float)
    if shape[0] == "oval":
        return _ellipse(*shape[1:5])
    if shape[0] == "ring":
        x, y, rx, ry, width = shape[1:6]
        outer, inner = _ellipse(x, y, rx, ry), _ellipse(x, y, rx - width / aspect, ry - width)
        return np.concatenate([outer, outer[:1], inner[:1], inner[::-1]])
    x0, y0, x1, y1, width = shape[1:6]
    along = np.array([(x1 - x0) * aspect, y1 - y0])
    side = np.array([-along[1], along[0]]) / np.hypot(*along) * width / 2 / (aspect, 1.0)
    start, end = np.array([x0, y0]), np.array([x1, y1])
    return np.array([start + side, end + side, end - side, start - side])


def _ellipse(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    angle = np.arange(CORNERS) * (2 * math.pi / CORNERS)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)
