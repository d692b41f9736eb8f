"""Linear models on many more features than scans, through the n x n Gram matrix.

The Gram matrix of the training scans is computed once; every C and every inner fold reuses it. A
fitted dual solution is turned into feature weights, so that test scans are scored one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ..benchmark.metrics.classification import AUC

INNER_FOLDS = 5
FIXED_C = 1.0


class Solver(Protocol):
    """A binary linear model on a Gram matrix, which is prepared once for all subsets and penalties.

    Attributes
    ----------
    size
        Number n of scans in the Gram matrix.
    """

    size: int

    def __init__(self, gram: np.ndarray) -> None: ...

    def solve(self, rows: np.ndarray, labels: np.ndarray, C: float) -> tuple[np.ndarray, float]:
        """Fit on some rows with labels (rows,) in {0, 1}: dual coefficients of all n scans, intercept."""


@dataclass
class GramFeatures:
    """Training features, centred (and scaled) in place, with their Gram matrix.

    Attributes
    ----------
    mean, spread
        (features,) training mean, and standard deviation where columns were standardised.
    centred
        (n, features) float32; the array given to `centre`, changed in place.
    gram
        (n, n) float64, divided by ``scale``.
    scale
        Mean diagonal of the unscaled Gram matrix.
    """

    mean: np.ndarray
    spread: np.ndarray | None
    centred: np.ndarray
    gram: np.ndarray
    scale: float

    @classmethod
    def centre(cls, features: np.ndarray, standardise: bool) -> GramFeatures:
        """Take over ``features`` (n, p), which are changed: no second copy of them is made."""
        mean = features.mean(axis=0, dtype=np.float64).astype(features.dtype)
        features -= mean
        spread = None
        if standardise:
            spread = np.sqrt(np.einsum("ij,ij->j", features, features) / len(features))
            spread[spread == 0] = 1
            features /= spread
        gram = (features @ features.T).astype(np.float64)
        scale = float(np.trace(gram) / len(gram)) or 1.0
        return cls(mean, spread, features, gram / scale, scale)

    def weights(self, dual: np.ndarray) -> np.ndarray:
        """Feature weights (p, k) of dual coefficients (n, k), for raw (uncentred) features."""
        weights: np.ndarray = self.centred.T @ (dual / self.scale).astype(self.centred.dtype)
        return weights if self.spread is None else weights / self.spread[:, None]


class SVM:
    """Support vector machine on a precomputed kernel."""

    def __init__(self, gram: np.ndarray) -> None:
        self.size = len(gram)
        self._gram = gram

    def solve(self, rows: np.ndarray, labels: np.ndarray, C: float) -> tuple[np.ndarray, float]:
        """See `Solver.solve`."""
        from sklearn.svm import SVC

        model = SVC(C=C, kernel="precomputed").fit(self._gram[np.ix_(rows, rows)], labels)
        dual = np.zeros(len(self._gram))
        dual[rows[model.support_]] = model.dual_coef_[0]
        return dual, float(model.intercept_[0])


class Logistic:
    """L2 logistic regression.

    The rows of ``U * sqrt(s)`` of the Gram matrix' eigendecomposition are the scans in an orthonormal
    basis of the space that they span: the same inner products and the same penalty, n columns.
    """

    def __init__(self, gram: np.ndarray) -> None:
        self.size = len(gram)
        values, vectors = np.linalg.eigh(gram)
        kept = values > 1e-7 * max(float(values[-1]), 1e-30)
        root = np.sqrt(values[kept])
        self._scans = vectors[:, kept] * root
        self._to_dual = vectors[:, kept] / root

    def solve(self, rows: np.ndarray, labels: np.ndarray, C: float) -> tuple[np.ndarray, float]:
        """See `Solver.solve`."""
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=C, max_iter=5000).fit(self._scans[rows], labels)
        return self._to_dual @ model.coef_[0], float(model.intercept_[0])


def one_vs_rest(solver: Solver, rows: np.ndarray, labels: np.ndarray, classes: int, C: float) -> np.ndarray:
    """Dual coefficients and, in the last row, intercepts (n + 1, k): k = 1 for two classes, else one a class.

    A class that all or none of the rows have gets a constant decision of 10 or -10.
    """
    columns = []
    for k in [1] if classes == 2 else range(classes):
        mine = (labels == k).astype(int)
        if mine.min() == mine.max():
            dual, intercept = np.zeros(solver.size), 10.0 if mine.max() else -10.0
        else:
            dual, intercept = solver.solve(rows, mine, C)
        columns.append(np.append(dual, intercept))
    return np.stack(columns, axis=1)


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


@dataclass
class Tuned:
    """What inner folds found.

    Attributes
    ----------
    C
        The chosen C.
    slope
        Factor that makes out-of-fold decisions fit the labels best as log-odds; 1 without inner folds.
    curve
        C -> mean inner AUC.
    note
        Why nothing was tuned, else "".
    """

    C: float
    slope: float = 1.0
    curve: dict[float, float] = field(default_factory=dict)
    note: str = ""


def tune(
    solver: Solver,
    gram: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    classes: int,
    grid: tuple[float, ...],
    seed: int,
    step: Callable[[int, int], None],
) -> Tuned:
    """Choose C by inner stratified folds that keep groups together; equal scores take the smaller C.

    With fewer than five groups in a class the grid's value closest to 1 is used, and a note says so.
    """
    fixed = min(grid, key=lambda C: abs(np.log(C / FIXED_C)))
    folds = inner_folds(labels, groups, seed)
    if not folds:
        return Tuned(fixed, note=f"too few scans for inner folds: C fixed at {fixed:g}")
    decisions = np.empty((len(grid), len(labels), 1 if classes == 2 else classes))
    scores = np.empty((len(grid), len(folds)))
    for f, (train, test) in enumerate(folds):
        for g, C in enumerate(grid):
            solution = one_vs_rest(solver, train, labels[train], classes, C)
            decisions[g, test] = gram[test] @ solution[:-1] + solution[-1]
            scores[g, f] = AUC().score(labels[test], probabilities(decisions[g, test], 1.0))
            step(f * len(grid) + g + 1, len(folds) * len(grid))
    mean = np.nanmean(scores, axis=1)
    best = int(np.argmax(mean))
    curve = {C: round(float(score), 4) for C, score in zip(grid, mean, strict=True)} if len(grid) > 1 else {}
    return Tuned(grid[best], fit_slope(decisions[best], labels), curve)


def inner_folds(labels: np.ndarray, groups: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Five stratified folds that cut no group, each with two classes on both sides; [] when there are too few."""
    from sklearn.model_selection import StratifiedGroupKFold

    present = np.unique(labels)
    if len(present) < 2 or min(len(np.unique(groups[labels == k])) for k in present) < INNER_FOLDS:
        return []
    split = StratifiedGroupKFold(INNER_FOLDS, shuffle=True, random_state=seed)
    folds = list(split.split(np.zeros(len(labels)), labels, groups))
    return [(a, b) for a, b in folds if len(np.unique(labels[a])) > 1 and len(np.unique(labels[b])) > 1]


def fit_slope(decision: np.ndarray, labels: np.ndarray) -> float:
    """The positive factor on decisions with the least log loss (temperature scaling, Guo et al. 2017)."""
    from scipy.optimize import minimize_scalar

    def loss(log_slope: float) -> float:
        chosen = probabilities(decision, float(np.exp(log_slope)))[np.arange(len(labels)), labels]
        return float(-np.log(np.maximum(chosen, 1e-12)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-4, 4), method="bounded").x))
