"""BrainCap: regularised linear regression to image features, and a text decoder that reads image features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, TaskInfo, Train
from ..benchmark.errors import BadData, needing
from .decoding import Library
from .ridge_baseline import Goal, RidgeBaseline
from .voxel_ridge import GRID


@dataclass
class BrainCap(RidgeBaseline):
    """Ridge to features, and a decoder of features to captions that never sees a brain.

    Attributes
    ----------
    epochs
        Passes over the training images of the caption decoder.
    width
        Width of its language model.
    """

    epochs: int = 20
    width: int = 64

    card: ClassVar[Card] = Card(
        title="BrainCap",
        summary="Ridge regression from voxels to image features, one a brain; a caption decoder that was trained on "
        "the features of the training images themselves writes the caption.",
        paper="Ferrante et al., Brain Captioning: Decoding human brain activity into images and text. 2023, arXiv "
        "2305.11560",
        parameters="(voxels + 1) x dimensions for each brain, and the decoder's",
        notes="Followed from the abstract; no code was read. Ours: a two-layer language model of the training "
        "captions' words in place of GIT, trained on features and captions of the training images of all brains; "
        "penalties as in voxel-ridge. GIT was trained on COCO, whose images are those of NSD; this decoder knows the "
        "training images alone. The depth-guided picture of the paper is left out.",
    )
    supports: ClassVar[tuple[str, ...]] = ("captioning",)

    def goals(self, library: Library, task: TaskInfo, train: Train) -> Mapping[str, Goal]:
        """Features."""
        return {"features": Goal(library.features, GRID, "voxels")}

    def fit(self, train: Train, context: Context) -> None:
        """The regressions, then the decoder."""
        super().fit(train, context)
        with needing("torch", "torch", "transformers"):
            from ..benchmark.nn.captioner import DESCRIBE, LAYOUT, CaptionDecoder, captions
            from ..benchmark.nn.training import Recipe, parameter_count, reproducible
            from ..benchmark.nn.words import word_language
        told = [(row, stimulus.captions) for row, stimulus in enumerate(self.library.stimuli) if stimulus.captions]
        if not told:
            raise BadData("no training image has a caption", "check the captions of the data")
        texts = [LAYOUT, DESCRIBE, *(text for _, mine in told for text in mine)]
        recipe = Recipe(self.epochs, batch=32, rate=1e-3, warmup=0.1, clip=1.0, optimiser="adamw", weight_decay=0.01)
        with reproducible(context):
            language = word_language(texts, self.width, seed=context.seed)
            self._decoder = CaptionDecoder(language, self.library.features.shape[1])
            self._size = parameter_count(self._decoder) + sum(one.numel() for one in language.model.parameters())
            features = self.library.features[[row for row, _ in told]]
            self._decoder.fit(features, captions([mine for _, mine in told]), recipe, context)

    def answers(self, decoded: Mapping[str, np.ndarray], test: Any, context: Context) -> list[str]:
        """What the decoder says of decoded features."""
        from ..benchmark.nn.training import reproducible

        with reproducible(context):
            return self._decoder.generate(decoded["features"])

    def report(self) -> dict[str, Any]:
        """As the regressions report, with the decoder's parameters."""
        facts = super().report()
        return facts | {"parameters": facts["parameters"] + self._size}
