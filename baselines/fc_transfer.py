"""Connectivity learned on other cohorts with the same classes, and on the few labelled scans there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ..benchmark import fc
from ..benchmark.contracts import Card, Context, Source, Train
from ..benchmark.errors import BadOption, Skipped
from .encoder_baseline import Joined
from .fc_linear import FcLogistic


@dataclass
class FcTransfer(FcLogistic):
    """L2 logistic regression on the Fisher-z edges of all source scans and of the labelled ones, all alike.

    Attributes
    ----------
    centre
        "none": edges as they are. "cohort": each source's edges less their own mean, and those of the task less
        the mean of its labelled scans (of the sources, where there are none).
    """

    centre: Literal["none", "cohort"] = "none"

    card: ClassVar[Card] = Card(
        title="FC transfer",
        summary="L2 logistic regression on Fisher-z connectivity, learned on source tasks with the same classes and "
        "on the labelled scans of the task. What a language model's zero- and few-shot rows are read against.",
        parameters="ROIs * (ROIs - 1) / 2 + 1",
        notes="Ours. A labelled scan counts as much as a source's. C by inner folds over both. Skipped where no source "
        "has the task's classes. No test scan moves the centre, so a shift between cohorts can move the threshold: "
        "AUC does not see it, accuracy does.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "centred": {"centre": "cohort"},
        "fixed": {"C": 1.0},
    }
    zero_shot: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.centre not in ("none", "cohort"):
            raise BadOption(f"centre={self.centre!r} is not known", "choose one of: none, cohort")

    def fit(self, train: Train, context: Context) -> None:
        """Fit on the sources that ask for the same classes, and on ``train``, which may be empty.

        Raises `Skipped` where there is no such source.
        """
        self._used = same_classes(context.sources, context.task.classes)
        if not self._used:
            lent = ", ".join(context.sources) or "none"
            raise Skipped(f"no source has the classes {', '.join(context.task.classes)} (sources: {lent})")
        self._labelled = len(train.inputs)
        super().fit(together([*(translated(source, context) for source in self._used.values()), train]), context)

    def learn_features(self, scans: Any, context: Context) -> np.ndarray:
        """Edges of all scans, part by part."""
        features = super().learn_features(scans, context)
        self._moved = np.zeros(features.shape[1], features.dtype)
        if self.centre == "cohort":
            ends = np.cumsum([len(cohort) for cohort in scans.cohorts])[:-1]
            parts = np.split(features, ends)
            means = [part.mean(axis=0) for part in parts if len(part)]
            for part, mean in zip((part for part in parts if len(part)), means, strict=True):
                part -= mean
            self._moved = means[-1] if self._labelled else np.mean(means, axis=0)
        return features

    def features_of(self, scans: Any, row: int) -> np.ndarray:
        """Edges of one scan, less what was subtracted from the task's own."""
        moved: np.ndarray = fc.edges(scans, [row], clip=self.clip)[0] - self._moved
        return moved

    def report(self) -> dict[str, Any]:
        """What `KernelModel` reports, the sources used, and the number of labelled scans of the task."""
        scans = {name: len(source.train.inputs) for name, source in self._used.items()}
        return super().report() | {"source_scans": scans, "labelled_scans": self._labelled, "centre": self.centre}


def same_classes(sources: Mapping[str, Source], classes: tuple[str, ...]) -> dict[str, Source]:
    """The sources that ask for these classes, in any order."""
    return {name: source for name, source in sources.items() if set(source.info.classes) == set(classes)}


def translated(source: Source, context: Context) -> Train:
    """A source's labelled scans, with the class numbers of the task."""
    codes = np.array([context.task.classes.index(name) for name in source.info.classes])
    targets = codes[np.asarray(source.train.targets, dtype=int)]
    return Train(source.train.inputs, targets, source.train.groups)


def together(parts: list[Train]) -> Train:
    """Labelled scans of several cohorts as one; groups of different cohorts stay apart."""
    groups: list[np.ndarray] = []
    for part in parts:
        start = 1 + max((int(numbers.max()) for numbers in groups if len(numbers)), default=-1)
        groups.append(start + np.unique(part.groups, return_inverse=True)[1].reshape(-1).astype(int))
    targets = np.concatenate([np.asarray(part.targets, dtype=int) for part in parts])
    return Train(Joined([part.inputs for part in parts]), targets, np.concatenate(groups))
