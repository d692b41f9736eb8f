"""Classification of a scan: probability per class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..contracts import Kind, TaskInfo
from ..errors import BadData, BadPrediction
from ..items import Items
from ..parquet import numbers, read_parquet
from .arrays import AGAIN
from .scans import SCAN_FIELDS, Scans


class Classification(Kind):
    """Input `Scans`; target class indices (n,); prediction (n, classes) probabilities."""

    name = "classification"
    inputs = SCAN_FIELDS
    headline = ("auc", "accuracy", "balanced-accuracy", "macro-f1")

    def view(self, items: Items, task: TaskInfo) -> Scans:
        return Scans(items, task.covariates)

    def targets(self, items: Items, task: TaskInfo) -> np.ndarray:
        codes = {name: index for index, name in enumerate(task.classes)}
        return items.table[task.target].map(codes).to_numpy(int)

    def clean(self, items: Items, task: TaskInfo) -> tuple[Items, dict[str, int]]:
        if task.target not in items.table:
            have = ", ".join(map(str, items.table.columns))
            raise BadData(
                f"the cohort has no column {task.target!r} (it has: {have})",
                "import it again with a participants table that holds the target",
            )
        values = items.table[task.target].replace("", None)
        unknown = sorted({str(value) for value in values.dropna()} - set(task.classes))
        if unknown:
            raise BadData(
                f"column {task.target!r} holds {unknown}, the task knows {list(task.classes)}",
                "recode the column, or leave the cells empty for scans without a label",
            )
        missing = values.isna().to_numpy()
        left_out = {f"no {task.target}": int(missing.sum())} if missing.any() else {}
        return (items.take(np.flatnonzero(~missing)) if missing.any() else items), left_out

    def scorable(self, truth: np.ndarray, least: int) -> bool:
        _, counts = np.unique(truth, return_counts=True)
        return len(truth) > 0 and (least == 0 or (len(counts) > 1 and counts.min() >= least))

    def check(self, prediction: Any, items: Items, task: TaskInfo) -> np.ndarray:
        try:
            array = np.asarray(prediction, dtype=np.float64)
        except (TypeError, ValueError):
            raise BadPrediction(f"predict returned {type(prediction).__name__}, not an array of numbers") from None
        expected = (len(items), len(task.classes))
        if array.shape != expected:
            raise BadPrediction(f"predict returned shape {array.shape}; expected {expected}: (scans, classes)")
        if not np.isfinite(array).all():
            raise BadPrediction(f"predict returned NaN or infinity for {int((~np.isfinite(array)).any(1).sum())} scans")
        if array.min() < -1e-6 or array.max() > 1 + 1e-6:
            raise BadPrediction(f"probabilities lie in {array.min():.3g} .. {array.max():.3g}; expected 0 .. 1")
        worst = float(np.abs(array.sum(1) - 1).max(initial=0))
        if worst > 1e-3:
            raise BadPrediction(
                f"probabilities of a scan sum to 1 +- {worst:.3g}",
                "return one probability a class, each row summing to 1",
            )
        return array

    def save(self, prediction: np.ndarray, folder: Path, task: TaskInfo) -> None:
        import pandas as pd

        pd.DataFrame(prediction, columns=list(task.classes)).to_parquet(folder / "probabilities.parquet")

    def load(self, folder: Path, task: TaskInfo) -> np.ndarray:
        file = folder / "probabilities.parquet"
        return numbers(read_parquet(file, AGAIN, task.classes), file, AGAIN)
