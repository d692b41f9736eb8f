"""A task of many small cells: two classes of drawn series, of the shape that MOABB's fake trials have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from brainbench import Card, Dataset, DatasetCard, Items, KFold, Method, Task
from brainbench.benchmark.contracts import Data

ITEMS, FRAMES, ROIS = 120, 385, 3


class Drawn(Dataset):
    card = DatasetCard("drawn", "drawn in memory", "none", "CC0", "none")

    def installed(self) -> bool:
        return False

    def load(self, source: str, progress: Any = None) -> Data:
        rng = np.random.default_rng(0)
        index = [f"item-{k:03d}" for k in range(ITEMS)]
        table = pd.DataFrame({"subject": index, "group": index, "tr": 2.0, "frames": FRAMES, "site": "here"}, index)
        table["side"] = np.where(np.arange(ITEMS) % 2, "right", "left")
        series = [rng.normal(size=(FRAMES, ROIS)).astype(np.float32) for _ in range(ITEMS)]
        atlas = {"name": "drawn3", "labels": ["a", "b", "c"], "networks": ["x", "x", "y"]}
        return Data(Items(table, {"series": series}, {"atlas": atlas}), "drawn", "twin", "drawn")


TASK = Task(
    name="small-cells", title="small cells", family="perf", version=1, kind="classification",
    dataset=f"{__file__}:Drawn", target="side", split=KFold(5), metrics=("auc",), classes=("left", "right"),
)  # fmt: skip


@dataclass
class Logistic(Method):
    """scikit-learn's logistic regression of all values of a series."""

    card = Card("logistic", "Logistic regression.")
    supports = ("classification",)

    def flat(self, view: Any) -> np.ndarray:
        return np.stack([np.ravel(view.series(row)) for row in range(len(view))])

    def fit(self, train: Any, context: Any) -> None:
        from sklearn.linear_model import LogisticRegression

        self.model = LogisticRegression(max_iter=100).fit(self.flat(train.inputs), train.targets)

    def predict(self, test: Any, context: Any) -> np.ndarray:
        return np.asarray(self.model.predict_proba(self.flat(test)))
