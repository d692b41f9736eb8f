"""Central caption: one text for every response, the training text that is most like all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, Method, Train
from ..benchmark.errors import BadData
from ..benchmark.metrics.captions_ngrams import cider_between
from ..benchmark.metrics.tokens import PLAIN

MOST = 2000
"""Texts that are compared with each other, at most."""


@dataclass
class CentralCaption(Method):
    """The training text with the highest mean CIDEr-D to all other training texts; on questions, one a question."""

    card: ClassVar[Card] = Card(
        title="Central caption",
        summary="The one training text with the highest mean CIDEr-D to the other training texts, for every "
        "response; on reasoning tasks one for each question. Reads no response: what a caption metric gives to "
        "knowing what people write.",
        notes=f"Of more than {MOST} texts, {MOST} that lie evenly in the training set are compared. Document "
        "frequencies are those of the training images, tokens those of the Java-free tokeniser.",
    )
    supports: ClassVar[tuple[str, ...]] = ("captioning", "description", "reasoning")
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}
    seeded: ClassVar[bool] = False

    def fit(self, train: Train, context: Context) -> None:
        """Find the central text of each question, and of all of them. Raises `BadData` without any text."""
        told: dict[str, dict[int, Sequence[str]]] = {}
        for question, image, seen in zip(train.inputs.questions, train.groups, train.targets, strict=True):
            if seen.references:
                told.setdefault(question, {})[int(image)] = seen.references
        if not told:
            raise BadData("no training item has a text", "this method needs reference texts")
        self._texts: dict[str, str] = {}
        for done, (question, images) in enumerate(told.items()):
            self._texts[question] = most_central(list(images.values()))
            context.progress("central caption", done + 1, len(told))
        self._any = most_central([texts for images in told.values() for texts in images.values()])

    def predict(self, test: Any, context: Context) -> list[str]:
        """The central text of each question; of all, where nobody was asked it in training."""
        return [self._texts.get(question, self._any) for question in test.questions]

    def report(self) -> dict[str, Any]:
        """The text, or how many there are."""
        return {"text": self._any, "questions": len(self._texts)}


def most_central(images: Sequence[Sequence[str]]) -> str:
    """Of the texts of images the one with the highest mean CIDEr-D to the others; the first of equal ones."""
    texts = [text for told in images for text in told]
    owner = np.repeat(np.arange(len(images)), [len(told) for told in images])
    chosen = np.unique(np.linspace(0, len(texts) - 1, min(len(texts), MOST)).round().astype(int))
    likeness = cider_between(PLAIN(texts), owner, chosen)
    np.fill_diagonal(likeness, 0)
    return texts[int(chosen[np.argmax(likeness.sum(axis=1))])]
