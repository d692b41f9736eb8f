"""Linear models on Fisher-z functional connectivity: logistic regression and SVM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark import fc
from ..benchmark.contracts import Card, Context, Method, Train
from ..benchmark.errors import BadOption
from .kernel import SVM, GramFeatures, Logistic, Solver, Tuned, one_vs_rest, probabilities, tune


@dataclass
class FcLinear(Method):
    """What both have in common: features, kernel, choice of C, scoring.

    The kernel is linear on Fisher-z edges, centred on the training scans and divided by its mean
    diagonal, so that C means the same for any atlas. Peak memory is the training scans' edges once
    (float32: 214 MB for 699 scans of 392 ROIs) and a few n x n matrices.

    Attributes
    ----------
    C
        Inverse penalty on the scaled kernel; None chooses it by inner folds that cut no subject. A
        given C needs no inner folds: decisions are then used as log-odds as they are.
    clip
        Correlations are clipped to +- this before arctanh.
    standardise
        Divide each edge by its training standard deviation.
    """

    C: float | None = None
    clip: float = fc.CLIP
    standardise: bool = False

    supports: ClassVar[tuple[str, ...]] = ("classification",)
    presets: ClassVar[dict[str, dict[str, Any]]] = {"nested": {"C": None}, "fixed": {"C": 1.0, "clip": 0.999}}
    grid: ClassVar[tuple[float, ...]]
    solver: ClassVar[type[Solver]]

    def __post_init__(self) -> None:
        if self.C is not None and not self.C > 0:
            raise BadOption(f"C={self.C} is not positive", "give a positive number, or leave it out to tune it")
        if not 0 < self.clip < 1:
            raise BadOption(f"clip={self.clip} is not between 0 and 1", "give a number such as 0.999")

    def fit(self, train: Train, context: Context) -> None:
        """Compute edges, choose C, fit, and keep one weight an edge."""
        labels = np.asarray(train.targets, dtype=int)
        features = GramFeatures.centre(self._edges(train.inputs, context), self.standardise)
        solver = self.solver(features.gram)
        self._tuned = self._choose(solver, features.gram, labels, train.groups, context)
        solution = one_vs_rest(solver, np.arange(len(labels)), labels, len(context.task.classes), self._tuned.C)
        self._weights = features.weights(solution[:-1])
        self._offset = solution[-1] - features.mean @ self._weights

    def _choose(
        self, solver: Solver, gram: np.ndarray, labels: np.ndarray, groups: np.ndarray, context: Context
    ) -> Tuned:
        if self.C is not None:
            return Tuned(self.C)
        return tune(
            solver,
            gram,
            labels,
            groups,
            len(context.task.classes),
            self.grid,
            context.seed,
            lambda done, total: context.progress("inner folds", done, total),
        )

    def _edges(self, scans: Any, context: Context) -> np.ndarray:
        return fc.edges(scans, clip=self.clip, progress=lambda done, total: context.progress("FC", done, total))

    def decide(self, test: Any) -> np.ndarray:
        """Decision values (n, k), one scan in memory at a time; k = 1 for two classes."""
        rows = [fc.edges(test, [row], clip=self.clip)[0] @ self._weights for row in range(len(test))]
        values: np.ndarray = np.asarray(rows, dtype=np.float64).reshape(len(test), -1) + self._offset
        return values

    def predict(self, test: Any, context: Context) -> np.ndarray:
        """Probabilities (n, classes), strictly increasing in the decision value."""
        return probabilities(self.decide(test), self._tuned.slope)

    def report(self) -> dict[str, Any]:
        """Chosen C with the inner AUCs, slope of the probabilities, number of weights."""
        facts: dict[str, Any] = {
            "C": self._tuned.C,
            "slope": self._tuned.slope,
            "parameters": int(self._weights.size + self._offset.size),
        }
        if self._tuned.curve:
            facts["inner_auc"] = {f"{C:g}": score for C, score in self._tuned.curve.items()}
        if self._tuned.note:
            facts["note"] = self._tuned.note
        return facts


@dataclass
class FcLogistic(FcLinear):
    """L2 logistic regression."""

    card: ClassVar[Card] = Card(
        title="FC + logistic regression",
        summary="L2 logistic regression on Fisher-z connectivity, C by nested cross-validation.",
        parameters="ROIs * (ROIs - 1) / 2 + 1",
        notes="Solved in the n-dimensional span of the training scans, which is exact for an L2 penalty. With nested "
        "cross-validation the log-odds are scaled to fit decisions out of the inner folds.",
    )
    grid = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
    solver = Logistic


@dataclass
class FcSvm(FcLinear):
    """Linear support vector machine."""

    card: ClassVar[Card] = Card(
        title="FC + linear SVM",
        summary="Linear SVM on Fisher-z connectivity, C by nested cross-validation.",
        parameters="ROIs * (ROIs - 1) / 2 + 1",
        notes="Probabilities are the logistic function of slope * decision, so 0.5 at decision 0; the slope "
        "is fitted on decisions out of the inner folds, and 1 when C is given.",
    )
    grid = (0.01, 0.1, 1.0, 10.0, 100.0)
    solver = SVM
