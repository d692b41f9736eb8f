"""What a linear model is fitted for: classes or a number. Folds, inner score, and the map to predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from ..benchmark.contracts import TaskInfo
from ..benchmark.kinds.regression import Values
from ..benchmark.metrics.classification import AUC
from ..benchmark.metrics.regression import PearsonR

INNER_FOLDS = 5
CERTAIN = 10.0
FEW = 20
"""Under so many scans (or groups of scans) nothing is tuned, and a column's own spread is not trusted."""

Folds = list[tuple[np.ndarray, np.ndarray]]


class Aim(Protocol):
    """What decisions (n, columns) are fitted to, judged by and turned into.

    Attributes
    ----------
    measure
        Name of the inner score; larger is better.
    columns
        Decisions a scan.
    """

    @property
    def measure(self) -> str: ...

    @property
    def columns(self) -> int: ...

    def wanted(self, targets: np.ndarray) -> np.ndarray:
        """(n, columns) float64: what each column of decisions is fitted to."""

    def constant(self, value: float) -> float:
        """The decision of a column whose targets are all ``value``."""

    def folds(self, targets: np.ndarray, groups: np.ndarray, seed: int) -> Folds:
        """Five inner folds (train rows, test rows) that cut no group; [] with fewer than `FEW` groups."""

    def score(self, targets: np.ndarray, decisions: np.ndarray) -> float:
        """Inner score of decisions (n, columns); NaN where undefined."""

    def slope(self, targets: np.ndarray, decisions: np.ndarray) -> float:
        """Factor on out-of-fold decisions that `predict` takes."""

    def predict(self, decisions: np.ndarray, slope: float) -> np.ndarray:
        """Probabilities (n, classes), or values (n,)."""


@dataclass(frozen=True)
class ClassAim:
    """One column of log-odds for two classes, else one a class against the rest; judged by AUC."""

    classes: int
    measure: str = "auc"

    @property
    def columns(self) -> int:
        """1 for two classes."""
        return 1 if self.classes == 2 else self.classes

    def wanted(self, targets: np.ndarray) -> np.ndarray:
        """1 where the scan is of the column's class, else 0."""
        kinds = np.array([1]) if self.classes == 2 else np.arange(self.classes)
        return np.asarray(np.asarray(targets)[:, None] == kinds, dtype=np.float64)

    def constant(self, value: float) -> float:
        """10 or -10: a class that all or none of the rows have."""
        return CERTAIN if value > 0 else -CERTAIN

    def folds(self, targets: np.ndarray, groups: np.ndarray, seed: int) -> Folds:
        """Stratified folds; [] with fewer than five groups in a class as well."""
        return inner_folds(targets, groups, seed)

    def score(self, targets: np.ndarray, decisions: np.ndarray) -> float:
        """AUC."""
        return AUC().score(targets, probabilities(decisions, 1.0))

    def slope(self, targets: np.ndarray, decisions: np.ndarray) -> float:
        """See `fit_slope`."""
        return fit_slope(decisions, targets)

    def predict(self, decisions: np.ndarray, slope: float) -> np.ndarray:
        """See `probabilities`."""
        return probabilities(decisions, slope)


@dataclass(frozen=True)
class LabelAim(ClassAim):
    """Classes as regression on labels of -1 and 1, so that a decision of 0 is undecided."""

    def wanted(self, targets: np.ndarray) -> np.ndarray:
        """1 where the scan is of the column's class, else -1."""
        return 2 * super().wanted(targets) - 1

    def constant(self, value: float) -> float:
        """The label that all have."""
        return value


@dataclass(frozen=True)
class ValueAim:
    """One column, the predicted value itself; judged by minus the squared error ("mse") or Pearson r."""

    measure: Literal["mse", "r"] = "mse"
    columns: int = 1

    def wanted(self, targets: np.ndarray) -> np.ndarray:
        """(n, 1) the values."""
        return np.asarray(targets, dtype=np.float64)[:, None]

    def constant(self, value: float) -> float:
        """The value that all have."""
        return value

    def folds(self, targets: np.ndarray, groups: np.ndarray, seed: int) -> Folds:
        """Random folds of groups."""
        unique = np.unique(groups)
        if len(unique) < FEW:
            return []
        parts = np.array_split(np.random.default_rng(seed).permutation(unique), INNER_FOLDS)
        held_out = [np.isin(groups, part) for part in parts]
        return [(np.flatnonzero(~mask), np.flatnonzero(mask)) for mask in held_out]

    def score(self, targets: np.ndarray, decisions: np.ndarray) -> float:
        """Minus the mean squared error, or Pearson r."""
        values = np.asarray(targets, dtype=np.float64)
        if self.measure == "r":
            return PearsonR().score(Values(values, np.zeros(len(values))), decisions[:, 0])
        return -float(np.mean((decisions[:, 0] - values) ** 2))

    def slope(self, targets: np.ndarray, decisions: np.ndarray) -> float:
        """1: values are predicted as they are."""
        return 1.0

    def predict(self, decisions: np.ndarray, slope: float) -> np.ndarray:
        """(n,) values."""
        return decisions[:, 0]


def aim_of(task: TaskInfo, measure: Literal["mse", "r"] = "mse") -> Aim:
    """The aim of a task; ``measure`` judges a regression."""
    return ValueAim(measure) if task.kind == "regression" else ClassAim(len(task.classes))


def probabilities(decision: np.ndarray, slope: float) -> np.ndarray:
    """Probabilities (n, classes) from decisions (n, k): softmax of ``slope * decision``.

    Strictly increasing in the decision and 0.5 at decision 0 for two classes.
    """
    logits = slope * decision
    if logits.shape[1] == 1:
        logits = np.hstack([-logits / 2, logits / 2])
    logits = logits - logits.max(axis=1, keepdims=True)
    share = np.exp(logits)
    normed: np.ndarray = share / share.sum(axis=1, keepdims=True)
    return normed


def inner_folds(labels: np.ndarray, groups: np.ndarray, seed: int) -> Folds:
    """Five stratified folds that cut no group, each with two classes on both sides; [] when there are too few."""
    from ..benchmark.stratified import StratifiedGroups

    present = np.unique(labels)
    if len(present) < 2 or len(np.unique(groups)) < FEW:
        return []
    if min(len(np.unique(groups[labels == k])) for k in present) < INNER_FOLDS:
        return []
    split = StratifiedGroups(INNER_FOLDS, shuffle=True, random_state=seed)
    folds = list(split.split(np.zeros(len(labels)), labels, groups))
    return [(a, b) for a, b in folds if len(np.unique(labels[a])) > 1 and len(np.unique(labels[b])) > 1]


def fit_slope(decision: np.ndarray, labels: np.ndarray) -> float:
    """The positive factor on decisions with the least log loss (temperature scaling, Guo et al. 2017)."""
    from scipy.optimize import minimize_scalar

    def loss(log_slope: float) -> float:
        chosen = probabilities(decision, float(np.exp(log_slope)))[np.arange(len(labels)), labels]
        return float(-np.log(np.maximum(chosen, 1e-12)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-4, 4), method="bounded").x))
