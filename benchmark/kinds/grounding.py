"""Grounding: where in the image a concept was seen, as boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..contracts import TaskInfo
from ..datasets.brainhub_files import read_boxes
from ..errors import BadPrediction
from ..items import Items
from .arrays import load_arrays, save_arrays
from .outside_files import matched
from .seen import BRAIN, Seeing

MOST = 1000
"""Boxes of one item."""


class Grounding(Seeing):
    """Input `Responses` with the concept to find; target and truth a `Stimulus` with its ``area``.

    The prediction is (k, 4) boxes x0, y0, x1, y1 in 0 .. 1 of the image an item, best first.
    """

    name = "grounding"
    inputs = ("response", "concept", BRAIN)
    headline = ("grounding-acc",)

    def check(self, prediction: Any, items: Items, task: TaskInfo) -> list[np.ndarray]:
        found = [np.asarray(boxes, dtype=np.float64) for boxes in prediction]
        if len(found) != len(items):
            raise BadPrediction(f"predict returned boxes for {len(found)} of {len(items)} items")
        for row, boxes in enumerate(found):
            if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) > MOST or not np.isfinite(boxes).all():
                raise BadPrediction(f"item {row}: expected at most {MOST} boxes (k, 4) of finite numbers")
        return found

    def outside(self, path: Path, wanted: Sequence[str], task: TaskInfo) -> list[np.ndarray]:
        """BrainHub's form, image -> class -> boxes; a class that a file leaves out was not found."""
        found = read_boxes(path, None)
        pairs = [name.rpartition("/")[::2] for name in wanted]  # an image may be told with its brain
        images = list(dict.fromkeys(image for image, _ in pairs))
        boxes = dict(zip(images, matched(found, images, path), strict=True))
        return [boxes[image].get(concept, np.zeros((0, 4))) for image, concept in pairs]

    def save(self, prediction: list[np.ndarray], folder: Path, task: TaskInfo) -> None:
        save_arrays(folder / "boxes.npz", prediction)

    def load(self, folder: Path, task: TaskInfo) -> list[np.ndarray]:
        return load_arrays(folder / "boxes.npz")
