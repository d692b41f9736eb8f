"""Encoding: the brain's response to a film, from features of the film."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..contracts import Kind, TaskInfo
from ..errors import BadPrediction
from ..items import Items
from .arrays import load_arrays, save_arrays


@dataclass(frozen=True)
class Run:
    """One stimulus run.

    Attributes
    ----------
    features
        Stream name -> (feature time, dimension) float32.
    frames
        Subject -> number of TRs to predict.
    """

    features: dict[str, np.ndarray]
    frames: dict[str, int]


class Runs:
    """A sequence of runs whose features are read one run at a time."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, row: int) -> Run:
        if not 0 <= row < len(self):
            raise IndexError(row)
        streams = {
            name.removeprefix("features/"): self._items.read(name, row).astype(np.float32)
            for name, values in self._items.arrays.items()
            if name.startswith("features/") and values[row] is not None
        }
        return Run(streams, frames_of(self._items, row))


def frames_of(items: Items, row: int) -> dict[str, int]:
    """Subject -> number of TRs of a run, from the columns ``frames:SUBJECT``."""
    record = items.table.iloc[row]
    return {
        str(name).removeprefix("frames:"): int(record[name])
        for name in items.table.columns
        if str(name).startswith("frames:") and record[name] > 0
    }


class Encoding(Kind):
    """Input `Runs`; target and prediction {subject: (time, parcel)} for each run."""

    name = "encoding"
    inputs = ("features/", "frames:")
    headline = ("encoding-r",)

    def view(self, items: Items, task: TaskInfo) -> Runs:
        return Runs(items)

    def target_fields(self, task: TaskInfo) -> tuple[str, ...]:
        return (f"{task.target}/",)

    def targets(self, items: Items, task: TaskInfo) -> list[dict[str, np.ndarray]]:
        prefix = f"{task.target}/"
        return [
            {
                name.removeprefix(prefix): items.read(name, row).astype(np.float32)
                for name, values in items.arrays.items()
                if name.startswith(prefix) and values[row] is not None
            }
            for row in range(len(items))
        ]

    def check(self, prediction: Any, items: Items, task: TaskInfo) -> list[dict[str, np.ndarray]]:
        runs = [
            {subject: np.asarray(values, dtype=np.float32) for subject, values in run.items()} for run in prediction
        ]
        if len(runs) != len(items):
            raise BadPrediction(f"predict returned {len(runs)} runs for {len(items)}")
        for row, run in enumerate(runs):
            expected = frames_of(items, row)
            if {subject: len(values) for subject, values in run.items()} != expected:
                found = {subject: values.shape for subject, values in run.items()}
                raise BadPrediction(f"run {row}: predicted {found}; expected these numbers of TRs: {expected}")
            if not all(values.ndim == 2 and np.isfinite(values).all() for values in run.values()):
                raise BadPrediction(f"run {row}: expected finite (time, parcel) arrays")
        return runs

    def save(self, prediction: list[dict[str, np.ndarray]], folder: Path, task: TaskInfo) -> None:
        for subject in sorted({subject for run in prediction for subject in run}):
            save_arrays(
                folder / f"{subject}.npz", [run.get(subject, np.empty((0, 0), np.float32)) for run in prediction]
            )

    def load(self, folder: Path, task: TaskInfo) -> list[dict[str, np.ndarray]]:
        subjects = {path.stem: load_arrays(path) for path in sorted(folder.glob("*.npz"))}
        runs = max((len(values) for values in subjects.values()), default=0)
        return [{name: values[row] for name, values in subjects.items() if values[row].size} for row in range(runs)]
