"""Backgrounds of scenes: gradients with texture, and the few lines that tell a street from a room."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .pillow import Image
from .scenes import Scene

DAY_TOP, DAY_LOW = (92, 158, 232), (190, 222, 246)
DUSK_TOP, DUSK_LOW = (92, 70, 140), (250, 166, 96)
DUSK_TINT = (1.0, 0.80, 0.72)
"""At sunset everything below the sky is redder and darker."""

WALLS = ((226, 214, 190), (196, 212, 196), (198, 208, 226), (232, 204, 200), (214, 214, 210))
FRONTS = ((150, 90, 74), (170, 150, 126), (128, 132, 142), (190, 172, 150))
TOPS = ((168, 116, 68), (120, 76, 46), (206, 206, 210))


class _Sheet(NamedTuple):
    """What a painter paints on: the scene, pixels a side, the first row below the horizon, and its randomness."""

    scene: Scene
    size: int
    cut: int
    rng: np.random.Generator


def background(scene: Scene, size: int) -> np.ndarray:
    """(size, size, 3) uint8: the empty place."""
    sheet = _Sheet(scene, size, round(scene.horizon * size), np.random.default_rng(scene.texture))
    return np.asarray(np.clip(_PAINTERS[scene.place](sheet), 0, 255), dtype=np.uint8)


def _gradient(top: tuple[int, ...], low: tuple[int, ...], rows: int, size: int) -> np.ndarray:
    """(rows, size, 3) from one colour to another."""
    share = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    column = (1 - share) * np.array(top, np.float32) + share * np.array(low, np.float32)
    return np.repeat(column[:, None], size, axis=1)


def _noise(rng: np.random.Generator, rows: int, size: int, cells: tuple[int, int]) -> np.ndarray:
    """(rows, size) smooth noise in -1..1 with so many cells down and across, alike at every resolution."""
    coarse = Image.fromarray(rng.uniform(-1, 1, cells).astype(np.float32))
    return np.asarray(coarse.resize((size, rows), Image.Resampling.BICUBIC))


def _sky(scene: Scene, rows: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """(rows, size, 3) a sky with some clouds."""
    top, low = (DUSK_TOP, DUSK_LOW) if scene.light == "sunset" else (DAY_TOP, DAY_LOW)
    sky = _gradient(top, low, rows, size)
    cloud = np.clip(_noise(rng, rows, size, (5, 5)) - 0.15, 0, 1) * rng.uniform(0.2, 1.0)
    white = np.array((255, 214, 190) if scene.light == "sunset" else (252, 252, 252), np.float32)
    return np.asarray(sky + cloud[..., None] * (white - sky))


def _tinted(scene: Scene, ground: np.ndarray) -> np.ndarray:
    return ground * np.array(DUSK_TINT, np.float32) if scene.light == "sunset" else ground


def _under_sky(scene: Scene, size: int, cut: int, rng: np.random.Generator, ground: np.ndarray) -> np.ndarray:
    """A sky above the ground (size - cut, size, 3)."""
    return np.concatenate([_sky(scene, cut, size, rng), _tinted(scene, ground)])


def _paint_sky(sheet: _Sheet) -> np.ndarray:
    return _sky(sheet.scene, sheet.size, sheet.size, sheet.rng)


def _water(rows: int, size: int, rng: np.random.Generator) -> np.ndarray:
    waves = 14 * _noise(rng, rows, size, (18, 5))
    return np.asarray(_gradient((52, 122, 170), (16, 62, 120), rows, size) + waves[..., None])


def _paint_sea(sheet: _Sheet) -> np.ndarray:
    scene, size, cut, rng = sheet
    return _under_sky(scene, size, cut, rng, _water(size - cut, size, rng))


def _paint_beach(sheet: _Sheet) -> np.ndarray:
    scene, size, cut, rng = sheet
    rows = size - cut
    shore = max(1, round(0.10 * size))
    sand = _gradient((232, 208, 156), (214, 182, 122), rows, size) + (8 * _noise(rng, rows, size, (16, 16)))[..., None]
    sand[:shore] = _water(shore, size, rng)
    sand[shore : shore + max(1, size // 48)] = (246, 248, 246)
    return _under_sky(scene, size, cut, rng, sand)


def _paint_field(sheet: _Sheet) -> np.ndarray:
    scene, size, cut, rng = sheet
    rows = size - cut
    grass = _gradient((122, 172, 84), (70, 134, 50), rows, size) + (14 * _noise(rng, rows, size, (14, 28)))[..., None]
    found = _under_sky(scene, size, cut, rng, grass)
    hill = cut - np.clip(0.10 * _noise(rng, 1, size, (1, 4))[0], 0, 1) * size
    slope = (np.arange(size)[:, None] >= hill) & (np.arange(size)[:, None] < cut)
    found[slope] = _tinted(scene, np.array((104, 146, 96), np.float32))
    return found


def _paint_snow(sheet: _Sheet) -> np.ndarray:
    _, size, cut, rng = sheet
    rows = size - cut
    snow = _gradient((226, 232, 242), (250, 250, 254), rows, size) + (5 * _noise(rng, rows, size, (8, 12)))[..., None]
    sky = _gradient((150, 170, 196), (212, 220, 230), cut, size) + (6 * _noise(rng, cut, size, (4, 4)))[..., None]
    found = np.concatenate([sky, snow])
    ridge = cut - (0.06 + 0.08 * np.abs(_noise(rng, 1, size, (1, 7))[0])) * size
    found[(np.arange(size)[:, None] >= ridge) & (np.arange(size)[:, None] < cut)] = (132, 150, 168)
    return found


def _paint_street(sheet: _Sheet) -> np.ndarray:
    scene, size, cut, rng = sheet
    found = np.empty((size, size, 3), np.float32)
    found[:] = _sky(scene, size, size, rng)
    edges = np.concatenate([[0.0], np.sort(rng.uniform(0.15, 0.85, 2)), [1.0]])
    for left, right in pairwise(edges):
        front = np.array(FRONTS[rng.integers(len(FRONTS))], np.float32)
        _paint_house(found, front, (left, right), float(rng.uniform(0.03, 0.25)), cut)
    walk = round((scene.horizon + 0.09) * size)
    found[cut:walk] = (176, 172, 166)
    road = _gradient((88, 90, 96), (66, 68, 74), size - walk, size)
    found[walk:] = road + (6 * _noise(rng, size - walk, size, (10, 16)))[..., None]
    middle = (walk + size) // 2
    dashes = (np.arange(size) * 8 // size) % 2 == 0
    found[middle : middle + max(1, size // 40), dashes] = (236, 232, 214)
    return found


def _paint_house(canvas: np.ndarray, front: np.ndarray, span: tuple[float, float], top: float, cut: int) -> None:
    """A house front between two shares of the width, with windows on a fixed grid."""
    size = len(canvas)
    x0, x1, y0 = round(span[0] * size), round(span[1] * size), round(top * size)
    canvas[y0:cut, x0:x1] = front
    rows, columns = (np.arange(y0, cut) - y0) / size, (np.arange(x0, x1) - x0) / size
    window = ((rows % 0.13) > 0.06)[:, None] & ((columns % 0.10) > 0.055)[None]
    canvas[y0:cut, x0:x1][window] = front * 0.45 + np.array((40, 60, 84), np.float32)


def _paint_room(sheet: _Sheet) -> np.ndarray:
    _, size, cut, rng = sheet
    wall = np.array(WALLS[rng.integers(len(WALLS))], np.float32)
    found = np.empty((size, size, 3), np.float32)
    found[:cut] = wall * np.linspace(1.0, 0.94, cut, dtype=np.float32)[:, None, None]
    boards = np.where((np.arange(size - cut) * 7 // max(1, size - cut)) % 2 == 0, 1.0, 0.92)[:, None, None]
    found[cut:] = np.array((158, 112, 72), np.float32) * boards + (7 * _noise(rng, size - cut, size, (8, 6)))[..., None]
    found[cut : cut + max(1, size // 40)] = (240, 238, 230)
    if rng.random() < 0.5:
        left, top = round(rng.uniform(0.05, 0.65) * size), round(0.10 * size)
        wide, high = round(0.28 * size), round(0.32 * size)
        found[top : top + high, left : left + wide] = (246, 246, 242)
        rim = max(1, size // 40)
        found[top + rim : top + high - rim, left + rim : left + wide - rim] = (168, 206, 236)
        found[top : top + high, left + wide // 2 : left + wide // 2 + rim] = (246, 246, 242)
    return found


def _paint_table(sheet: _Sheet) -> np.ndarray:
    _, size, cut, rng = sheet
    top = np.array(TOPS[rng.integers(len(TOPS))], np.float32)
    wall = np.array(WALLS[rng.integers(len(WALLS))], np.float32) * 0.6
    found = np.empty((size, size, 3), np.float32)
    found[:cut] = wall
    found[cut:] = top + (12 * _noise(rng, size - cut, size, (24, 3)))[..., None]
    found[cut : cut + max(1, size // 48)] = top * 0.7
    return found


_PAINTERS: dict[str, Callable[[_Sheet], np.ndarray]] = {
    "sky": _paint_sky,
    "sea": _paint_sea,
    "beach": _paint_beach,
    "field": _paint_field,
    "snow": _paint_snow,
    "street": _paint_street,
    "room": _paint_room,
    "table": _paint_table,
}
