"""Majority: the training set's class shares, or its mean. What a score of no knowledge looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, Method, Train
from ..benchmark.kinds.questions import Answers
from .answering import label_shares, worded


@dataclass
class Majority(Method):
    """Class shares of the training set for every scan; the mean of numbers; to questions, common labels."""

    card: ClassVar[Card] = Card(
        title="Majority",
        summary="Predicts the training set's class shares (or mean) for every scan and reads nothing; to questions it "
        "answers with the most common label of each field.",
    )
    supports: ClassVar[tuple[str, ...]] = ("classification", "regression", "questions")
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}

    def fit(self, train: Train, context: Context) -> None:
        """Count the classes, or average the targets."""
        if context.task.kind == "questions":
            self._shares = label_shares(train.targets)
            return
        if context.task.kind == "regression":
            self._row = np.asarray(np.mean(train.targets))
            return
        counts = np.bincount(np.asarray(train.targets, dtype=int), minlength=len(context.task.classes))
        self._row = counts / counts.sum()

    def predict(self, test: Any, context: Context) -> np.ndarray | Answers:
        """The same row, number or answer for every scan."""
        if context.task.kind == "questions":
            return worded({name: np.tile(share, (len(test), 1)) for name, share in self._shares.items()}, context)
        return np.broadcast_to(self._row, (len(test), *self._row.shape)).copy()

    def report(self) -> dict[str, Any]:
        """What is predicted."""
        if hasattr(self, "_shares"):
            return {"prediction": {name: share.tolist() for name, share in self._shares.items()}}
        return {"prediction": self._row.tolist()}
