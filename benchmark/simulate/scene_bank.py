"""Scenes that are drawn once and for all: what features are like over scenes, and what a reference decoder knows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from .scene_drawing import SIZE, draw
from .scene_words import View, captions
from .scenes import Scene, sample_scene
from .seeing import WORKING_SIZE, Moments, features_of

BANK = 3000
"""Scenes of the bank."""

THUMBNAIL = 32
"""Side of the pictures that the bank keeps."""


@dataclass(frozen=True)
class Bank:
    """Scenes with their features.

    Attributes
    ----------
    scenes, features
        The scenes, and (n, features).
    thumbnails
        (n, 32 * 32 * 3) float32, 0..255.
    """

    scenes: tuple[Scene, ...]
    features: np.ndarray
    thumbnails: np.ndarray

    @property
    def moments(self) -> Moments:
        """Of the features."""
        return Moments.of(self.features)

    def first_caption(self, number: int) -> str:
        """The plainest caption of a scene."""
        return captions(View.of_scene(self.scenes[number]), np.random.default_rng(number))[0]


@lru_cache(maxsize=1)
def scene_bank() -> Bank:
    """The bank, the same for every twin; made in a few seconds and kept by the process."""
    rng = np.random.default_rng(17)
    scenes, features, thumbnails = [], [], []
    for _ in range(BANK):
        scene = sample_scene(rng)
        pixels = draw(scene, WORKING_SIZE).pixels
        scenes.append(scene)
        features.append(features_of(pixels, View.of_scene(scene)))
        small = Image.fromarray(pixels).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
        thumbnails.append(np.asarray(small, dtype=np.float32).ravel())
    return Bank(tuple(scenes), np.stack(features), np.stack(thumbnails))


def enlarged(thumbnails: np.ndarray, size: int = SIZE) -> np.ndarray:
    """(n, size, size, 3) uint8 of thumbnails (n, 32 * 32 * 3)."""
    small = np.clip(thumbnails, 0, 255).astype(np.uint8).reshape(-1, THUMBNAIL, THUMBNAIL, 3)
    return np.stack([np.asarray(Image.fromarray(one).resize((size, size), Image.Resampling.BICUBIC)) for one in small])
