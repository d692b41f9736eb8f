"""The mean response: the floor below which no encoding model may fall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, Method, Train
from ..benchmark.kinds.encoding import Measured, Runs
from .encoding_rows import known


@dataclass
class MeanResponse(Method):
    """The mean of the training responses, by subject and parcel.

    Attributes
    ----------
    course
        Predict, instead of one number, the mean over training runs at each TR since the start of a run: what a
        model can know that reads the clock alone, such as the response to a film's onset.
    """

    course: bool = False

    card: ClassVar[Card] = Card(
        title="Mean response",
        summary="The mean training response of each subject and parcel, whatever is shown.",
        parameters="parcels for each subject",
        notes="A constant prediction has no correlation and scores 0. The control 'course' predicts the mean over "
        "training runs at each TR since a run's start (zero where no training run is that long).",
    )
    supports: ClassVar[tuple[str, ...]] = ("encoding",)
    controls: ClassVar[dict[str, dict[str, Any]]] = {"course": {"course": True}}
    seeded: ClassVar[bool] = False

    def fit(self, train: Train, context: Context) -> None:
        """Sums over runs at each TR, one run in memory at a time."""
        measured: Measured = train.targets
        longest: dict[str, int] = {}
        for row in range(len(measured)):
            for subject in measured.subjects(row):
                longest[subject] = max(longest.get(subject, 0), measured.frames(row, subject))
        sums: dict[str, np.ndarray] = {}
        counts = {subject: np.zeros(length) for subject, length in longest.items()}
        for row in range(len(measured)):
            context.progress("mean", row, len(measured))
            for subject, values in measured[row].items():
                total = sums.setdefault(subject, np.zeros((longest[subject], values.shape[1])))
                total[: len(values)] += values
                counts[subject][: len(values)] += 1
        self._courses = {
            subject: _mean(total, counts[subject], self.course).astype(np.float32) for subject, total in sums.items()
        }

    def predict(self, test: Runs, context: Context) -> list[dict[str, np.ndarray]]:
        """One entry a run."""
        return [{subject: self._predict(subject, frames) for subject, frames in run.frames.items()} for run in test]

    def _predict(self, subject: str, frames: int) -> np.ndarray:
        course = known(self._courses, subject)
        out = np.zeros((frames, course.shape[1]), np.float32)
        if len(course) == 1:
            out[:] = course
        else:
            out[: len(course)] = course[:frames]
        return out

    def report(self) -> dict[str, Any]:
        """Number of parameters."""
        return {"parameters": int(sum(course.size for course in self._courses.values()))}


def _mean(sums: np.ndarray, counts: np.ndarray, course: bool) -> np.ndarray:
    """Mean at each TR (time, parcel), or over all TRs (1, parcel)."""
    mean: np.ndarray = sums / counts[:, None] if course else sums.sum(axis=0, keepdims=True) / counts.sum()
    return mean
