"""Regression of a number from a scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..contracts import Kind, TaskInfo
from ..errors import BadData, BadPrediction
from ..items import Items
from ..parquet import numbers, read_parquet
from .arrays import AGAIN
from .scans import SCAN_FIELDS, Scans


@dataclass(frozen=True)
class Values:
    """Truth of a regression.

    Attributes
    ----------
    value
        (n,) true values, in the units of the target.
    train_mean
        (n,) mean of the labels that the model of each item's fold was trained on.
    """

    value: np.ndarray
    train_mean: np.ndarray

    def __len__(self) -> int:
        return len(self.value)


class Regression(Kind):
    """Input `Scans`; target and prediction floats (n,), in the units of the target."""

    name = "regression"
    inputs = SCAN_FIELDS
    headline = ("mae", "mae-of-mean", "pearson-r", "predictive-cod")

    def view(self, items: Items, task: TaskInfo) -> Scans:
        return Scans(items, task.covariates)

    def targets(self, items: Items, task: TaskInfo) -> np.ndarray:
        return items.table[task.target].to_numpy(np.float64)

    def truth(self, items: Items, train: Items, task: TaskInfo) -> Values:
        value = self.targets(items, task)
        mean = self.targets(train, task).mean() if len(train) else np.nan
        return Values(value, np.full(len(value), mean))

    def concat(self, parts: Sequence[Any]) -> Any:
        if isinstance(parts[0], Values):
            return Values(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Values)))
        return super().concat(parts)

    def clean(self, items: Items, task: TaskInfo) -> tuple[Items, dict[str, int]]:
        import pandas as pd

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
        import pandas as pd

        pd.DataFrame({"prediction": prediction}).to_parquet(folder / "values.parquet")

    def load(self, folder: Path, task: TaskInfo) -> np.ndarray:
        file = folder / "values.parquet"
        return numbers(read_parquet(file, AGAIN, ["prediction"]), file, AGAIN)[:, 0]
