"""Voxel ridge: from voxels straight to image features, latents or concepts. The linear model to beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, TaskInfo, Train
from .brain_rows import test_brains
from .decoding import Library
from .ridge_baseline import DECODED, Goal, RidgeBaseline

GRID = tuple(float(alpha) for alpha in np.logspace(-3, 3, 10))
"""Penalties, times the number of voxels."""


@dataclass
class VoxelRidge(RidgeBaseline):
    """Ridge on z-scored trial averages; words, boxes and places of what it decodes."""

    card: ClassVar[Card] = Card(
        title="Voxel ridge",
        summary="Ridge regression, one a brain, from voxels to image features (words and boxes of the nearest training "
        "image), to image latents (pictures) or to the presence of concepts (where a concept is carried).",
        paper="Naselaris et al., Encoding and decoding in fMRI. NeuroImage 2011; solved with himalaya (Dupre la Tour "
        "et al., NeuroImage 2022)",
        parameters="(voxels + 1) x dimensions for each brain",
        notes="Our control of what a linear model gives. Voxels are z-scored on the training set; a penalty for each "
        "target, 1e-3 to 1e3 times the number of voxels, by five inner folds that cut no image. Where a concept is "
        "carried: weight x z-scored response of its linear reader, where that is positive; a concept that no "
        "training image of the brain has gives |z-scored response|. Of two maps, this one and its absolute value, it "
        "is the better one by the deletion test on the twin.",
    )
    supports: ClassVar[tuple[str, ...]] = (*DECODED, "localisation")

    def goals(self, library: Library, task: TaskInfo, train: Train) -> Mapping[str, Goal]:
        """Latents of pictures, presence of concepts, or features."""
        if task.kind == "reconstruction":
            return {"latents": Goal(library.latents, GRID, "voxels")}
        if task.kind == "localisation":
            self._concepts = sorted({name for stimulus in library.stimuli for name in stimulus.boxes})
            return {"concepts": Goal(presence(library, self._concepts), GRID, "voxels")}
        return {"features": Goal(library.features, GRID, "voxels")}

    def predict(self, test: Any, context: Context) -> Any:
        """The kind's prediction."""
        return self._places(test) if context.task.kind == "localisation" else super().predict(test, context)

    def _places(self, test: Any) -> list[np.ndarray]:
        """What each voxel adds to the reading of the concept, (voxels,) a row; 0 where it speaks against it."""
        column = {name: number for number, name in enumerate(self._concepts)}
        out: list[np.ndarray] = [np.empty(0)] * len(test)
        for brain, rows, responses in test_brains(test, self._standards):
            weights = self._maps[brain]["concepts"][1].weights
            for row, response in zip(rows, responses, strict=True):
                known = test.concepts[row] in column
                weight = weights[:, column[test.concepts[row]]] if known else np.zeros(len(response))
                adds = np.maximum(response * weight, 0)
                out[row] = adds if adds.any() else np.abs(response)
        return out


def presence(library: Library, concepts: list[str]) -> np.ndarray:
    """(images, concepts) 1 where an image has a box of the concept, else 0."""
    return np.array([[float(name in stimulus.boxes) for name in concepts] for stimulus in library.stimuli])
