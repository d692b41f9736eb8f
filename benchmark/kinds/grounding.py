"""Grounding: where in the image a concept was seen, as boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..contracts import Kind, TaskInfo
from ..errors import BadPrediction
from ..items import Items
from .arrays import load_arrays, save_arrays
from .seen import BRAIN, SEEN, Responses, Stimulus, stimuli

MOST = 1000
"""Boxes of one item."""


class Grounding(Kind):
    """Input `Responses` with the concept to find; target and truth a `Stimulus` with its ``area``.

    The prediction is (k, 4) boxes x0, y0, x1, y1 in 0 .. 1 of the image an item, best first.
    """

    name = "grounding"
    inputs = ("response", "concept", BRAIN)
    headline = ("grounding-acc",)

    def view(self, items: Items, task: TaskInfo) -> Responses:
        return Responses(items)

    def targets(self, items: Items, task: TaskInfo) -> list[Stimulus]:
        return stimuli(items)

    def target_fields(self, task: TaskInfo) -> tuple[str, ...]:
        return SEEN

    def check(self, prediction: Any, items: Items, task: TaskInfo) -> list[np.ndarray]:
        found = [np.asarray(boxes, dtype=np.float64) for boxes in prediction]
        if len(found) != len(items):
            raise BadPrediction(f"predict returned boxes for {len(found)} of {len(items)} items")
        for row, boxes in enumerate(found):
            if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) > MOST or not np.isfinite(boxes).all():
                raise BadPrediction(f"item {row}: expected at most {MOST} boxes (k, 4) of finite numbers")
        return found

    def save(self, prediction: list[np.ndarray], folder: Path, task: TaskInfo) -> None:
        save_arrays(folder / "boxes.npz", prediction)

    def load(self, folder: Path, task: TaskInfo) -> list[np.ndarray]:
        return load_arrays(folder / "boxes.npz")
