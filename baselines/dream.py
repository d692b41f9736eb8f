"""DREAM (Xia et al., WACV 2024): meaning, colours and depth are decoded apart and put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, TaskInfo, Train
from ..benchmark.nn.features import shrink
from .decoding import Library
from .ridge_baseline import Goal, RidgeBaseline
from .voxel_ridge import GRID

COLOURS, DEPTH = 8, 24


@dataclass
class Dream(RidgeBaseline):
    """Three ridge regressions: to image features, an 8 x 8 palette, and a low-resolution grey image."""

    card: ClassVar[Card] = Card(
        title="DREAM",
        summary="Ridge regressions, one a brain, to image features, an 8 x 8 colour palette and a low-resolution "
        "grey image; the picture is the training image that the features find, with the decoded colours and shades.",
        paper="Xia et al., DREAM: visual decoding from reversing human visual system. WACV 2024; "
        "github.com/weihaox/DREAM",
        parameters="(voxels + 1) x dimensions for each brain, three times",
        notes="A grey image stands in the place of a depth map, ridges in the place of networks, and matching of "
        "colours in the place of diffusion with adapters; the reference has code of the first of these parts only. "
        "The penalty of each target is chosen by five inner folds that cut no image.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {"small": {}, "paper": {"features": "clip-vit-l-14"}}

    def goals(self, library: Library, task: TaskInfo, train: Train) -> Mapping[str, Goal]:
        """Features; and palette and grey image where a picture is asked for."""
        goals = {"features": Goal(library.features, GRID, "voxels")}
        if task.kind == "reconstruction":
            palettes, greys = zip(*(parts(image) for image in library.images), strict=True)
            goals["palette"] = Goal(np.stack(palettes), GRID, "voxels")
            goals["grey"] = Goal(np.stack(greys), GRID, "voxels")
        return goals

    def answers(self, decoded: Mapping[str, np.ndarray], test: Any, context: Context) -> Any:
        """The picture put together; else as the training image that is found."""
        if context.task.kind != "reconstruction":
            return super().answers(decoded, test, context)
        found = self.library.neighbours.nearest(decoded["features"])
        drafts = self.library.codec.decode(self.library.latents[found])
        return [
            compose(draft, palette, grey)
            for draft, palette, grey in zip(drafts, decoded["palette"], decoded["grey"], strict=True)
        ]


def parts(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Palette (8 * 8 * 3,) and grey image (24 * 24,), in 0..1, of a (h, w, 3) uint8 image."""
    pixels = image.astype(np.float32) / 255
    palette, grey = shrink(pixels, COLOURS), shrink(pixels.mean(2, keepdims=True), DEPTH)
    return palette.reshape(-1), grey.reshape(-1)


def compose(draft: np.ndarray, palette: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """A draft (h, h, 3) uint8 with another palette, and then another grey image; its own detail stays."""
    pixels = draft.astype(np.float32) / 255
    side = len(pixels)
    own = shrink(pixels, COLOURS)
    pixels = pixels + enlarge(palette.reshape(own.shape) - own, side)
    own = shrink(pixels.mean(2, keepdims=True), DEPTH)
    pixels = pixels + enlarge(grey.reshape(own.shape) - own, side)
    out: np.ndarray = np.clip(np.rint(pixels * 255), 0, 255).astype(np.uint8)
    return out


def enlarge(values: np.ndarray, side: int) -> np.ndarray:
    """(k, k, channels) brought to (side, side, channels) by linear interpolation between cells' centres."""
    size = len(values)
    place = np.clip((np.arange(side) + 0.5) * size / side - 0.5, 0, size - 1)
    low = np.minimum(place.astype(int), max(size - 2, 0))
    weights = np.zeros((side, size), np.float32)
    rows = np.arange(side)
    weights[rows, low] = 1 - (place - low)
    weights[rows, np.minimum(low + 1, size - 1)] += place - low
    out: np.ndarray = np.einsum("ok,kjc,pj->opc", weights, values, weights, optimize=True)
    return out
