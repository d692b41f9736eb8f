"""Majority: the training set's class shares, or its mean. What a score of no knowledge looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, Method, Train


@dataclass
class Majority(Method):
    """Class shares of the training set for every scan; on regression, the training mean."""

    card: ClassVar[Card] = Card(
        title="Majority",
        summary="Predicts the training set's class shares (or mean) for every scan and reads nothing.",
    )
    supports: ClassVar[tuple[str, ...]] = ("classification", "regression")
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}

    def fit(self, train: Train, context: Context) -> None:
        """Count the classes, or average the targets."""
        if context.task.kind == "regression":
            self._row = np.asarray(np.mean(train.targets))
            return
        counts = np.bincount(np.asarray(train.targets, dtype=int), minlength=len(context.task.classes))
        self._row = counts / counts.sum()

    def predict(self, test: Any, context: Context) -> np.ndarray:
        """The same row (or number) for every scan."""
        return np.broadcast_to(self._row, (len(test), *self._row.shape)).copy()

    def report(self) -> dict[str, Any]:
        """The row that is predicted."""
        return {"prediction": self._row.tolist()}
