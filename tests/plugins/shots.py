"""Methods that tell what they were given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from brainbench import Card, Method


@dataclass
class Curious(Method):
    """Predicts the shares of the labels that it was shown, and reports everything else."""

    blind: bool = False
    gain: float = 1.0

    card: ClassVar[Card] = Card("curious", "Tells what it was given.")
    supports: ClassVar[tuple[str, ...]] = ("classification", "regression")
    presets: ClassVar[dict] = {"default": {}, "loud": {"gain": 2.0}}
    zero_shot: ClassVar[bool] = True
    controls: ClassVar[dict] = {"blind": {"blind": True}, "quiet": {"gain": 0.0}}

    def fit(self, train, context) -> None:
        self._facts = {
            "train": len(train.inputs),
            "support_is_train": context.support is train,
            "sources": {name: len(source.train.inputs) for name, source in context.sources.items()},
            "source_covariates": {name: list(source.info.covariates) for name, source in context.sources.items()},
            "source_labels": {name: np.bincount(source.train.targets).tolist() for name, source in
                              context.sources.items() if source.info.classes},
            "shared": str(context.shared),
        }  # fmt: skip

    def predict(self, test, context):
        if context.task.kind == "regression":
            return np.zeros(len(test))
        return np.full((len(test), len(context.task.classes)), 1 / len(context.task.classes))

    def report(self):
        return dict(self._facts)


@dataclass
class Learner(Curious):
    """The same, but it needs labels."""

    zero_shot: ClassVar[bool] = False
