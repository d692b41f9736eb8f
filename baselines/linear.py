"""What linear models on connectivity have in common: kernel, choice of C, scoring scan by scan."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Context, Method, Train
from ..benchmark.errors import BadOption
from .kernel import GramFeatures, Solver, Tuned, one_vs_rest, probabilities, tune


@dataclass
class KernelLinear(Method):
    """A linear model on one feature vector a scan, fitted through the n x n Gram matrix.

    The kernel is linear on features that are centred on the training scans, and divided by its mean
    diagonal, so that C means the same for any atlas. Peak memory is the training scans' features
    once (float32) and a few n x n matrices.

    Attributes
    ----------
    C
        Inverse penalty on the scaled kernel; None chooses it by inner folds that cut no subject. A
        given C needs no inner folds: decisions are then used as log-odds as they are.
    standardise
        Divide each feature by its training standard deviation.
    """

    C: float | None = None
    standardise: bool = False

    supports: ClassVar[tuple[str, ...]] = ("classification",)
    presets: ClassVar[dict[str, dict[str, Any]]] = {"nested": {"C": None}, "fixed": {"C": 1.0}}
    grid: ClassVar[tuple[float, ...]]
    solver: ClassVar[type[Solver]]

    def __post_init__(self) -> None:
        if self.C is not None and not self.C > 0:
            raise BadOption(f"C={self.C} is not positive", "give a positive number, or leave it out to tune it")

    @abstractmethod
    def learn_features(self, scans: Any, context: Context) -> np.ndarray:
        """Features (n, p) float32 of the training scans, after learning whatever they need from them."""

    @abstractmethod
    def features_of(self, scans: Any, row: int) -> np.ndarray:
        """Features (p,) of one scan."""

    def fit(self, train: Train, context: Context) -> None:
        """Compute features, choose C, fit, and keep one weight a feature."""
        labels = np.asarray(train.targets, dtype=int)
        features = GramFeatures.centre(self.learn_features(train.inputs, context), self.standardise)
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

        def step(done: int, total: int) -> None:
            context.progress("inner folds", done, total)

        return tune(solver, gram, labels, groups, len(context.task.classes), self.grid, context.seed, step)

    def decide(self, test: Any, context: Context) -> np.ndarray:
        """Decision values (n, k), one scan in memory at a time; k = 1 for two classes."""
        values = np.empty((len(test), self._weights.shape[1]))
        for row in range(len(test)):
            values[row] = self.features_of(test, row) @ self._weights + self._offset
            context.progress("predict", row + 1, len(test))
        return values

    def predict(self, test: Any, context: Context) -> np.ndarray:
        """Probabilities (n, classes), strictly increasing in the decision value."""
        return probabilities(self.decide(test, context), self._tuned.slope)

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
