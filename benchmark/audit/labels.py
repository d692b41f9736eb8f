"""Truth and agreement for classes and numbers alike: AUC or Pearson r, with their errors under chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..contracts import Task
from ..items import Items
from ..kinds import get_kind
from ..metrics.classification import binary_auc

if TYPE_CHECKING:
    import pandas as pd

BINS = 8
"""Bins of a number, cut at quantiles of the training items."""

PRIOR = 2.0
"""Training items' worth of the overall mean that every category starts from."""


@dataclass(frozen=True)
class Agreement:
    """Mean of a score over folds, and its standard error when there is nothing to find."""

    value: float
    error: float
    chance: float
    metric: str

    @property
    def above(self) -> bool:
        """Above chance by two standard errors and by a margin that matters."""
        return self.value > self.chance + max(2 * self.error, 0.03)

    def __str__(self) -> str:
        return f"{self.metric} {self.value:.3f} (chance {self.chance:.2f} ± {self.error:.3f})"


@dataclass(frozen=True)
class Labels:
    """The truth of all items as columns to agree with.

    Attributes
    ----------
    columns
        (n, k) float64: 1 for the last class of two; one column a class of more; the number itself.
    classes
        Number of classes; 0 for numbers.
    """

    columns: np.ndarray
    classes: int

    @classmethod
    def of(cls, task: Task, items: Items) -> Labels:
        """The truth of a classification or regression task."""
        values = get_kind(task.kind).targets(items, task.info)
        return cls.of_classes(values, len(task.classes)) if task.classes else cls(values[:, None].astype(float), 0)

    @classmethod
    def of_classes(cls, codes: np.ndarray, classes: int) -> Labels:
        """From class indices (n,)."""
        hot = np.eye(classes)[codes]
        return cls(hot[:, 1:] if classes == 2 else hot, classes)

    @property
    def metric(self) -> str:
        """What `agreement` computes."""
        return "AUC" if self.classes else "r"

    @property
    def chance(self) -> float:
        """Agreement of a score that knows nothing."""
        return 0.5 if self.classes else 0.0

    def agreement(self, rows: np.ndarray, score: np.ndarray) -> float:
        """Macro AUC, or Pearson r, of scores (len(rows), k) with the truth of some rows; NaN where undefined."""
        truth = self.columns[rows]
        one = self._auc if self.classes else correlation
        each = np.array([one(truth[:, k], score[:, k]) for k in range(truth.shape[1])])
        return float(each[~np.isnan(each)].mean()) if (~np.isnan(each)).any() else float("nan")

    def error(self, rows: np.ndarray) -> float:
        """Standard error of `agreement` when there is nothing to find (Mann-Whitney; 1/sqrt(n - 1))."""
        if not self.classes:
            return float(1 / np.sqrt(max(len(rows) - 1, 1)))
        positive = self.columns[rows].sum(axis=0)
        pairs = positive * (len(rows) - positive)
        known = pairs > 0
        return float(np.sqrt((len(rows) + 1) / 12 / pairs[known]).mean()) if known.any() else float("nan")

    def over_folds(
        self,
        folds: Iterable[tuple[np.ndarray, np.ndarray]],
        predict: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> Agreement:
        """Mean over folds of the agreement of ``predict(train, test)``, scores (len(test), k)."""
        values, errors = [], []
        for train, test in folds:
            value = self.agreement(test, predict(train, test))
            if not np.isnan(value):
                values.append(value)
                errors.append(self.error(test))
        if not values:
            return Agreement(float("nan"), float("nan"), self.chance, self.metric)
        error = float(np.sqrt(np.square(errors).sum())) / len(errors)
        return Agreement(float(np.mean(values)), error, self.chance, self.metric)

    def alone(self, folds: Iterable[tuple[np.ndarray, np.ndarray]], columns: Iterable[pd.Series]) -> Agreement:
        """What some columns say by themselves: each combination of categories or bins gets its training mean."""
        import pandas as pd

        kept = list(columns)

        def predict(train: np.ndarray, test: np.ndarray) -> np.ndarray:
            joint = pd.MultiIndex.from_arrays([binned(values, train) for values in kept])
            codes: np.ndarray = joint.factorize()[0]
            scores: np.ndarray = self._means(codes, train)[codes[test]]
            return scores

        return self.over_folds(folds, predict)

    def _means(self, codes: np.ndarray, train: np.ndarray) -> np.ndarray:
        """(codes, k) mean of the training labels of each code, drawn to the overall mean."""
        truth = self.columns[train]
        count = np.bincount(codes[train], minlength=codes.max() + 1)[:, None]
        total = np.stack(
            [np.bincount(codes[train], truth[:, k], minlength=len(count)) for k in range(truth.shape[1])], axis=1
        )
        means: np.ndarray = (total + PRIOR * truth.mean(axis=0)) / (count + PRIOR)
        return means

    @staticmethod
    def _auc(truth: np.ndarray, score: np.ndarray) -> float:
        return float(binary_auc(truth == 1, score, np.ones((1, len(truth))))[0])


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson r; NaN where one does not vary."""
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else float("nan")


def binned(values: pd.Series, train: np.ndarray) -> np.ndarray:
    """(n,) integer codes: categories, or bins of a number cut at quantiles of the training items; unknown is -1."""
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(values) or values.nunique() <= BINS:
        found: np.ndarray = pd.factorize(values)[0]
        return found
    numbers = values.to_numpy(float)
    known = numbers[train][~np.isnan(numbers[train])]
    if not len(known):
        return np.full(len(numbers), -1)
    cuts = np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])
    codes: np.ndarray = np.where(np.isnan(numbers), -1, np.searchsorted(cuts, numbers, side="right"))
    return codes
