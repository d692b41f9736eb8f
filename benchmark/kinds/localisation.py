"""Localisation and grounding: where a concept lies, as boxes or as a map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..contracts import Kind, TaskInfo
from ..errors import BadPrediction
from ..items import Items
from .arrays import load_arrays, save_arrays
from .text import Responses


class Concepts(Responses):
    """Brain responses, each with the concept to find."""

    def __init__(self, items: Items) -> None:
        super().__init__(items)
        self.concepts: list[str] = list(items.table["concept"])


class Localisation(Kind):
    """Input `Concepts`; target and prediction an array an item.

    (k, 4) boxes as x0, y0, x1, y1 in 0 .. 1 of the image, or a map of the shape of the truth.
    """

    name = "localisation"
    inputs = ("response", "concept", "subject_space")
    headline = ("box-iou",)

    def view(self, items: Items, task: TaskInfo) -> Concepts:
        return Concepts(items)

    def targets(self, items: Items, task: TaskInfo) -> list[np.ndarray]:
        return [items.read(task.target, row).astype(np.float64) for row in range(len(items))]

    def check(self, prediction: Any, items: Items, task: TaskInfo) -> list[np.ndarray]:
        found = [np.asarray(area, dtype=np.float64) for area in prediction]
        if len(found) != len(items):
            raise BadPrediction(f"predict returned {len(found)} areas for {len(items)} items")
        for row, area in enumerate(found):
            if not np.isfinite(area).all() or area.ndim < 2:
                raise BadPrediction(f"item {row}: expected (k, 4) boxes or a map of finite numbers")
        return found

    def save(self, prediction: list[np.ndarray], folder: Path, task: TaskInfo) -> None:
        save_arrays(folder / "areas.npz", prediction)

    def load(self, folder: Path, task: TaskInfo) -> list[np.ndarray]:
        return load_arrays(folder / "areas.npz")
