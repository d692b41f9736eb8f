"""Controls of the vision tables: what a score is worth that no brain, or no pairing with one, was needed for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, Method, Train
from .brain_rows import Lesson, Standard, lessons, test_brains
from .decoding import Library, Neighbours, retold
from .ridge_baseline import DECODED
from .voxel_ridge import VoxelRidge


@dataclass
class MeanImage(Method):
    """The mean of the training images for every response."""

    card: ClassVar[Card] = Card(
        title="Mean image", summary="The mean of all training images, pixel by pixel; reads no response."
    )
    supports: ClassVar[tuple[str, ...]] = ("reconstruction",)
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}
    seeded: ClassVar[bool] = False

    def fit(self, train: Train, context: Context) -> None:
        """Add up the images, one in memory at a time; those of other sizes are brought to the first one's."""
        from PIL import Image

        images = Library(train, "", "", context).images
        first = images[0]
        total = np.zeros(first.shape)
        for number, image in enumerate(images):
            if image.shape != first.shape:
                image = np.asarray(Image.fromarray(image).resize(first.shape[1::-1]))
            total += image
            context.progress("mean image", number + 1, len(images))
        self._mean = np.rint(total / len(images)).astype(np.uint8)

    def predict(self, test: Any, context: Context) -> list[np.ndarray]:
        """The same image for every row."""
        return [self._mean] * len(test)


@dataclass
class RandomTrainingImage(Method):
    """What was shown and said of a random training image."""

    card: ClassVar[Card] = Card(
        title="Random training image",
        summary="A training image drawn at random for every response: the image, its words, or its boxes of the "
        "concept (drawn of those that have it). Reads no response.",
        notes="One draw for every different row of the test set, by the seed.",
    )
    supports: ClassVar[tuple[str, ...]] = DECODED
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}

    def fit(self, train: Train, context: Context) -> None:
        """Keep the training images."""
        self._library = Library(train, "", "", context)

    def predict(self, test: Any, context: Context) -> Any:
        """The kind's prediction; what a row gets does not depend on the others."""

        def draw(rows: np.ndarray, among: np.ndarray) -> np.ndarray:
            return np.array([among[np.random.default_rng([context.seed, row]).integers(len(among))] for row in rows])

        return retold(context.task.kind, self._library, test, draw)


@dataclass
class NearestNeighbour(Method):
    """What was shown and said of the training image whose response was most like the one at hand."""

    card: ClassVar[Card] = Card(
        title="Nearest neighbour",
        summary="The training image with the nearest response of the same brain (cosine of z-scored, centred trial "
        "averages): the image, its words, or its boxes of the concept.",
        notes="Nothing is learned but each voxel's mean and standard deviation. Where no image of the brain has the "
        "concept or was asked the question, the answer is empty.",
    )
    supports: ClassVar[tuple[str, ...]] = DECODED
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}
    seeded: ClassVar[bool] = False

    def fit(self, train: Train, context: Context) -> None:
        """Keep each brain's training responses."""
        self._library = Library(train, "", "", context)
        self._standards: dict[str, Standard] = {}
        self._known: dict[str, tuple[np.ndarray, Neighbours]] = {}
        for lesson in lessons(train):
            self._standards[lesson.brain] = lesson.standard
            self._known[lesson.brain] = (lesson.images, Neighbours(lesson.responses))

    def predict(self, test: Any, context: Context) -> Any:
        """The kind's prediction, from the nearest response."""
        likeness: list[np.ndarray] = [np.empty(0)] * len(test)
        for brain, rows, responses in test_brains(test, self._standards):
            search = self._known[brain][1]
            for row, values in zip(rows, search.unit(responses) @ search.units.T, strict=True):
                likeness[row] = values

        def nearest(rows: np.ndarray, among: np.ndarray) -> np.ndarray:
            return np.array([self._best(test.brains[row], likeness[row], among) for row in rows])

        return retold(context.task.kind, self._library, test, nearest)

    def _best(self, brain: str, likeness: np.ndarray, among: np.ndarray) -> int:
        """Of these images the one with the most similar response of a brain; -1 where it saw none of them."""
        images = self._known[brain][0]
        allowed = np.flatnonzero(np.isin(images, among))
        return int(images[allowed[np.argmax(likeness[allowed])]]) if len(allowed) else -1


@dataclass
class ShuffledVoxels(VoxelRidge):
    """Voxel ridge on responses that were dealt out to other images."""

    card: ClassVar[Card] = Card(
        title="Shuffled voxels",
        summary="Voxel ridge whose training responses are paired with the wrong images, at random within each brain: "
        "what is left when the model reads responses but can learn nothing of them.",
        notes="All else is as in voxel-ridge, inner folds included.",
    )

    def pairing(self, lesson: Lesson, context: Context) -> np.ndarray:
        """Training images in random order."""
        return np.random.default_rng([context.seed, len(lesson.images)]).permutation(lesson.images)


@dataclass
class RandomVoxels(Method):
    """A random map of the brain."""

    card: ClassVar[Card] = Card(
        title="Random voxels",
        summary="Independent uniform values for the voxels of every response; reads none of them.",
    )
    supports: ClassVar[tuple[str, ...]] = ("localisation",)
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}

    def fit(self, train: Train, context: Context) -> None:
        """Nothing is learned."""

    def predict(self, test: Any, context: Context) -> list[np.ndarray]:
        """(voxels,) a row, which does not depend on the other rows."""
        sizes: Mapping[str, int] = {brain: len(space.index) for brain, space in test.spaces.items()}
        return [
            np.random.default_rng([context.seed, row]).random(sizes[brain]) for row, brain in enumerate(test.brains)
        ]
