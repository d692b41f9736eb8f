"""Reconstruction: the image that was seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..contracts import TaskInfo
from ..errors import BadPrediction, ExtraMissing, Unavailable
from ..items import Items
from .outside_files import read_pictures
from .pictures import Pictures, write_png, wrong
from .seen import BRAIN, Seeing, Stimulus, stimuli

LIBRARY = 1000
"""Training images, drawn once, that the controls made from the truth may use."""


class Shown(list[Stimulus]):
    """What was seen, with some of the training images beside it."""

    def __init__(self, seen: Iterable[Stimulus], library: Pictures) -> None:
        super().__init__(seen)
        self.library = library


class Reconstruction(Seeing):
    """Input `Responses`; target and truth a `Stimulus` an item; prediction square uint8 images of any size."""

    name = "reconstruction"
    inputs = ("response", BRAIN)
    headline = ("pixcorr",)

    def truth(self, items: Items, train: Items, task: TaskInfo) -> Shown:
        """What was seen, and training images for `controls`."""
        rows = np.flatnonzero(~train.table["subject"].duplicated().to_numpy())
        drawn = np.sort(np.random.default_rng(0).permutation(rows)[:LIBRARY])
        found = [seen.picture for seen in stimuli(train.take(drawn)) if seen.picture is not None]
        return Shown(stimuli(items), Pictures(found))

    def controls(self, truth: Any) -> dict[str, Pictures]:
        """The seen images through the codec of the small presets, and the training images nearest to them.

        None where there are no training images, or where the packages are missing.
        """
        if not isinstance(truth, Shown) or not len(truth.library):
            return {}
        try:
            from ..nn.ceilings import codec_ceiling, retrieval_oracle

            images = Pictures([seen.picture for seen in truth if seen.picture is not None])
            nearest = retrieval_oracle(images, truth.library)
            decoded = codec_ceiling(images, truth.library)
        except (ImportError, ExtraMissing, Unavailable):
            return {}
        return {
            "seen image through the codec (pca)": Pictures(decoded),
            "training image nearest to the seen one": truth.library.take(nearest),
        }

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
        if isinstance(values, Pictures):
            return values.take(rows)
        return Shown((values[row] for row in rows), values.library)

    def concat(self, parts: Sequence[Any]) -> Any:
        if isinstance(parts[0], Pictures):
            return Pictures([place for part in parts for place in part.places])
        return Shown((seen for part in parts for seen in part), parts[0].library)
