"""Scenes that are drawn once and for all: what features are like over scenes, and what a reference decoder knows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from .pillow import Image
from .scene_drawing import SIZE, draw
from .scene_words import View, captions
from .scenes import Scene, sample_scene
from .seeing import WORKING_SIZE, Moments, features_of

BANK = 2400
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

    @cached_property
    def moments(self) -> Moments:
        """Of the features."""
        return Moments.of(self.features)

    @cached_property
    def slope(self) -> np.ndarray:
        """(features, 32 * 32 * 3) linear regression of thumbnails on features."""
        cross = (self.features - self.moments.mean).T @ (self.thumbnails - self.thumbnails.mean(axis=0))
        covariance = self.moments.covariance + 1e-9 * np.eye(len(cross))
        return np.asarray(np.linalg.solve(covariance, cross / (len(self.scenes) - 1)))

    def pictures(self, features: np.ndarray) -> np.ndarray:
        """(n, 32 * 32 * 3) thumbnails that the regression expects of features (n, f)."""
        return np.asarray(self.thumbnails.mean(axis=0) + (features - self.moments.mean) @ self.slope)

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
