"""Reconstruction: the image that was seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..contracts import Kind, TaskInfo
from ..errors import BadPrediction
from ..items import Items
from .arrays import load_arrays, save_arrays
from .text import Responses


class Reconstruction(Kind):
    """Input `Responses`; target and prediction (height, width, 3) uint8 images."""

    name = "reconstruction"
    inputs = ("response", "subject_space")
    headline = ("pixcorr",)

    def view(self, items: Items, task: TaskInfo) -> Responses:
        return Responses(items)

    def targets(self, items: Items, task: TaskInfo) -> list[np.ndarray]:
        return [items.read(task.target, row) for row in range(len(items))]

    def check(self, prediction: Any, items: Items, task: TaskInfo) -> list[np.ndarray]:
        images = [np.asarray(image) for image in prediction]
        if len(images) != len(items):
            raise BadPrediction(f"predict returned {len(images)} images for {len(items)} items")
        for row, image in enumerate(images):
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
                raise BadPrediction(
                    f"item {row}: an image of shape {image.shape} and type {image.dtype}; "
                    "expected (height, width, 3) uint8"
                )
        return images

    def save(self, prediction: list[np.ndarray], folder: Path, task: TaskInfo) -> None:
        save_arrays(folder / "images.npz", prediction)

    def load(self, folder: Path, task: TaskInfo) -> list[np.ndarray]:
        return load_arrays(folder / "images.npz")
