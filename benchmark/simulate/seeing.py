"""What a simulated brain takes from a picture: features of its pixels, and of what is in it.

Features come in blocks. "early" is a grid of `CELLS` x `CELLS` cells with `CHANNELS` numbers each: light, red
against green, blue against yellow, and the amount of upright and of level edges. "concept", "group"
(supercategory), "place", "look" (sunset, number of things, share of the picture that they fill) and "colour" say what
is there; "where" says which parts of the picture hold things. Pictures of any size give nearly the same features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .pillow import Image
from .scene_words import View
from .scenes import COLOURS, CONCEPTS, PLACES

CELLS, CHANNELS, COARSE = 8, 5, 4
WORKING_SIZE = 48
"""Pictures are reduced to this side before features are taken, so that their size does not matter."""

GROUPS = (
    "person", "vehicle", "outdoor", "animal", "accessory", "sports", "kitchen", "food", "furniture", "electronic",
    "appliance", "indoor", "plant",
)  # fmt: skip
"""COCO's supercategories, and "plant" for trees."""

GROUP_OF: dict[str, str] = {name: concept.group for name, concept in CONCEPTS.items()}

_NAMES: dict[str, tuple[str, ...]] = {
    "early": tuple(f"early:{k}" for k in range(CELLS * CELLS * CHANNELS)),
    "concept": tuple(f"concept:{name}" for name in CONCEPTS),
    "group": tuple(f"group:{name}" for name in GROUPS),
    "place": tuple(f"place:{name}" for name in PLACES),
    "look": ("look:sunset", "look:things", "look:filled"),
    "colour": tuple(f"colour:{name}" for name in COLOURS),
    "where": tuple(f"where:{k}" for k in range(COARSE * COARSE)),
}

NAMES = tuple(name for names in _NAMES.values() for name in names)
"""Name of each feature."""

COLUMNS = {name: column for column, name in enumerate(NAMES)}

BLOCKS: dict[str, slice] = {block: slice(COLUMNS[names[0]], COLUMNS[names[-1]] + 1) for block, names in _NAMES.items()}
"""Block -> its columns."""

SEMANTIC = np.arange(BLOCKS["concept"].start, BLOCKS["colour"].stop)
"""Columns of what is there."""

FULL_SIZE = 0.15
"""Share of the picture at which a thing counts in full; a speck counts half."""


def features_of(pixels: np.ndarray, view: View, groups: Mapping[str, str] = GROUP_OF) -> np.ndarray:
    """(features,) of a picture (h, h, 3) uint8 and what is known to be in it.

    ``groups`` maps concepts, also those that no scene holds, to supercategories.
    """
    found = np.zeros(len(NAMES))
    found[BLOCKS["early"]] = _early(pixels)
    for group in view.groups:
        concept = group[0].concept
        value = _presence(sum(piece.area for piece in group))
        for name in (f"concept:{concept}", f"group:{groups.get(concept, '')}"):
            if name in COLUMNS:
                found[COLUMNS[name]] = max(found[COLUMNS[name]], value)
    if view.place:
        found[COLUMNS[f"place:{view.place}"]] = 1.0
    found[COLUMNS["look:sunset"]] = view.light == "sunset"
    found[COLUMNS["look:things"]] = np.log1p(len(view.pieces))
    found[COLUMNS["look:filled"]] = min(1.0, sum(piece.area for piece in view.pieces))
    for piece in view.pieces:
        if piece.colour:
            found[COLUMNS[f"colour:{piece.colour}"]] += np.sqrt(piece.area)
    found[BLOCKS["where"]] = _where(view)
    return found


def _presence(area: float) -> float:
    return 0.5 + 0.5 * min(1.0, float(np.sqrt(area / FULL_SIZE)))


def _early(pixels: np.ndarray) -> np.ndarray:
    """(cells * cells * channels,) means over cells."""
    small = Image.fromarray(pixels).resize((WORKING_SIZE, WORKING_SIZE), Image.Resampling.BOX)
    red, green, blue = np.moveaxis(np.asarray(small, dtype=np.float64) / 255, -1, 0)
    light = (red + green + blue) / 3
    upright = np.abs(np.diff(light, axis=1, append=light[:, -1:]))
    level = np.abs(np.diff(light, axis=0, append=light[-1:]))
    channels = np.stack([light, red - green, blue - (red + green) / 2, 2 * upright, 2 * level], axis=-1)
    side = WORKING_SIZE // CELLS
    cells = channels.reshape(CELLS, side, CELLS, side, CHANNELS).mean(axis=(1, 3))
    return np.asarray(cells.ravel())


def _where(view: View) -> np.ndarray:
    """(coarse * coarse,) share of each part of the picture that lies in a box."""
    edges = np.arange(COARSE + 1) / COARSE
    covered = np.zeros((COARSE, COARSE))
    for piece in view.pieces:
        x0, y0, x1, y1 = piece.box
        across = np.clip(np.minimum(edges[1:], x1) - np.maximum(edges[:-1], x0), 0, None)
        down = np.clip(np.minimum(edges[1:], y1) - np.maximum(edges[:-1], y0), 0, None)
        covered = np.maximum(covered, down[:, None] * across[None] * COARSE**2)
    return covered.ravel()


@dataclass(frozen=True)
class Moments:
    """Mean (features,) and covariance (features, features) over scenes."""

    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Moments:
        """Of features (n, f)."""
        return cls(features.mean(axis=0), np.cov(features.T))

    def variance(self, weights: np.ndarray, columns: slice = slice(None)) -> np.ndarray:
        """(v,) variance of weighted sums, weights (v, f) of all features or of some columns."""
        return np.asarray(((weights @ self.covariance[columns, columns]) * weights).sum(axis=1))

    @property
    def scales(self) -> dict[str, float]:
        """Block -> root mean variance of its features: within a block they keep their own sizes."""
        variance = np.diag(self.covariance)
        return {block: float(np.sqrt(variance[columns].mean())) for block, columns in BLOCKS.items()}
