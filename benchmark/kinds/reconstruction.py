"""Reconstruction: the image that was seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..contracts import Kind, TaskInfo
from ..errors import BadPrediction
from ..items import Items
from .outside_files import read_pictures
from .pictures import Pictures, write_png, wrong
from .seen import BRAIN, SEEN, Responses, Stimulus, stimuli


class Reconstruction(Kind):
    """Input `Responses`; target and truth a `Stimulus` an item; prediction square uint8 images of any size."""

    name = "reconstruction"
    inputs = ("response", BRAIN)
    headline = ("pixcorr",)

    def view(self, items: Items, task: TaskInfo) -> Responses:
        return Responses(items)

    def targets(self, items: Items, task: TaskInfo) -> list[Stimulus]:
        return stimuli(items)

    def target_fields(self, task: TaskInfo) -> tuple[str, ...]:
        return SEEN

    def clean(self, items: Items, task: TaskInfo) -> tuple[Items, dict[str, int]]:
        shown = [row for row, image in enumerate(items.arrays.get("image", [None] * len(items))) if image is not None]
        missing = len(items) - len(shown)
        return (items.take(shown), {"without its image": missing}) if missing else (items, {})

    def check(self, prediction: Any, items: Items, task: TaskInfo) -> Pictures:
        found = prediction if isinstance(prediction, Pictures) else Pictures([np.asarray(one) for one in prediction])
        if len(found) != len(items):
            raise BadPrediction(f"predict returned {len(found)} images for {len(items)} items")
        for row, image in enumerate(found):
            if problem := wrong(image):
                raise BadPrediction(f"item {row}: {problem}")
        return found

    def outside(self, path: Path, wanted: Sequence[str], task: TaskInfo) -> Pictures:
        return read_pictures(path, wanted)

    def save(self, prediction: Pictures, folder: Path, task: TaskInfo) -> None:
        for row, image in enumerate(prediction):
            write_png(image, folder / f"{row:06d}.png")

    def load(self, folder: Path, task: TaskInfo) -> Pictures:
        return Pictures(sorted(folder.glob("*.png")))

    def take(self, values: Any, rows: Sequence[int] | np.ndarray) -> Any:
        return values.take(rows) if isinstance(values, Pictures) else super().take(values, rows)

    def concat(self, parts: Sequence[Any]) -> Any:
        if isinstance(parts[0], Pictures):
            return Pictures([place for part in parts for place in part.places])
        return super().concat(parts)
