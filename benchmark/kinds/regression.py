"""Regression of a number from a scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..contracts import Kind, TaskInfo
from ..errors import BadData, BadPrediction
from ..items import Items
from .scans import SCAN_FIELDS, Scans


class Regression(Kind):
    """Input `Scans`; target and prediction floats (n,), in the units of the target."""

    name = "regression"
    inputs = SCAN_FIELDS
    headline = ("mae", "pearson-r")

    def view(self, items: Items, task: TaskInfo) -> Scans:
        return Scans(items, task.covariates)

    def targets(self, items: Items, task: TaskInfo) -> np.ndarray:
        return items.table[task.target].to_numpy(np.float64)

    def clean(self, items: Items, task: TaskInfo) -> tuple[Items, dict[str, int]]:
        if task.target not in items.table:
            raise BadData(
                f"the cohort has no column {task.target!r}",
                "import it again with a participants table that holds the target",
            )
        missing = pd.to_numeric(items.table[task.target], errors="coerce").isna().to_numpy()
        left_out = {f"no {task.target}": int(missing.sum())} if missing.any() else {}
        return items.take(np.flatnonzero(~missing)), left_out

    def check(self, prediction: Any, items: Items, task: TaskInfo) -> np.ndarray:
        array = np.asarray(prediction, dtype=np.float64)
        if array.shape != (len(items),):
            raise BadPrediction(f"predict returned shape {array.shape}; expected ({len(items)},): one number a scan")
        if not np.isfinite(array).all():
            raise BadPrediction(f"predict returned NaN or infinity for {int((~np.isfinite(array)).sum())} scans")
        return array

    def save(self, prediction: np.ndarray, folder: Path, task: TaskInfo) -> None:
        pd.DataFrame({"prediction": prediction}).to_parquet(folder / "values.parquet")

    def load(self, folder: Path, task: TaskInfo) -> np.ndarray:
        return pd.read_parquet(folder / "values.parquet")["prediction"].to_numpy(np.float64)
