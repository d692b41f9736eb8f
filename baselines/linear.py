"""What linear models on one feature vector a scan have in common: kernel, inner folds, scoring scan by scan."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Context, Method, Train
from ..benchmark.errors import BadOption
from .aims import Aim, aim_of
from .kernel import Features, GramFeatures, Solver, decider, solutions
from .tuning import Decide, Tuned, tune


def check_positive(name: str, value: float | None) -> None:
    """A penalty is above 0, or None to tune it; else `BadOption`."""
    if value is not None and not value > 0:
        raise BadOption(f"{name}={value} is not positive", "give a positive number, or leave it out to tune it")


@dataclass
class KernelModel(Method):
    """A linear model on one feature vector a scan, fitted through the n x n Gram matrix.

    Peak memory is the training scans' features once (float32) and a few n x n matrices.
    """

    reads: ClassVar[tuple[str, ...]] = ("series",)
    setting: ClassVar[str]
    grid: ClassVar[Sequence[Any]]

    def __post_init__(self) -> None:
        """Check the options."""

    @abstractmethod
    def learn_features(self, scans: Any, context: Context) -> np.ndarray:
        """Features (n, p) float32 of the training scans, after learning whatever they need from them."""

    @abstractmethod
    def features_of(self, scans: Any, row: int) -> np.ndarray:
        """Features (p,) of one scan."""

    @abstractmethod
    def solver_for(self, features: Any, aim: Aim) -> Solver:
        """The model of one column of targets, on what `prepare` returned."""

    def aim(self, context: Context) -> Aim:
        """What is fitted and how inner folds judge it."""
        return aim_of(context.task)

    def prepare(self, features: np.ndarray) -> Features:
        """Centred features and their Gram matrix of unit mean diagonal; ``features`` are changed."""
        return GramFeatures.centre(features, standardise=False)

    def targets(self, train: Train, context: Context) -> np.ndarray:
        """Training targets (n,): class indices, or numbers."""
        return np.asarray(train.targets, dtype=float if context.task.kind == "regression" else int)

    def settings(self) -> Sequence[Any]:
        """Settings to choose from."""
        return self.grid

    def given(self) -> Any:
        """A setting that needs no inner folds, or None."""
        return None

    def fallback(self, width: int) -> Any:
        """The setting for too few scans, given the number of features: of the grid, the closest to 1."""
        return min(self.settings(), key=lambda value: abs(np.log(value)))

    def fit(self, train: Train, context: Context) -> None:
        """Compute features, choose the setting, fit, and keep one weight a feature."""
        targets = self.targets(train, context)
        features = self.prepare(self.learn_features(train.inputs, context))
        self._aim = self.aim(context)
        solver, wanted = self.solver_for(features, self._aim), self._aim.wanted(targets)
        decide = decider(solver, self._aim, wanted, self.settings())
        self._tuned = self.choose(decide, targets, train.groups, len(features.mean), context)
        solution = solutions(solver, self._aim, np.arange(len(targets)), wanted, self._tuned.setting)
        self._weights = features.weights(solution[:-1])
        self._offset = solution[-1] - features.mean @ self._weights

    def choose(self, decide: Decide, targets: np.ndarray, groups: np.ndarray, width: int, context: Context) -> Tuned:
        """The given setting, or the best by inner folds."""
        if self.given() is not None:
            return Tuned(self.given())

        def step(done: int, total: int) -> None:
            context.progress("inner folds", done, total)

        grid, fallback = self.settings(), self.fallback(width)
        return tune(decide, self._aim, targets, groups, grid, fallback, context.seed, step, self.setting)

    def decide(self, test: Any, context: Context) -> np.ndarray:
        """Decision values (n, k), one scan in memory at a time; k = 1 for two classes and for numbers."""
        values = np.empty((len(test), self._weights.shape[1]))
        for row in range(len(test)):
            values[row] = self.features_of(test, row) @ self._weights + self._offset
            context.progress("predict", row + 1, len(test))
        return values

    def predict(self, test: Any, context: Context) -> np.ndarray:
        """Probabilities (n, classes), strictly increasing in the decision value; or values (n,)."""
        return self._aim.predict(self.decide(test, context), self._tuned.slope)

    def report(self) -> dict[str, Any]:
        """Chosen setting with the inner scores, slope of the probabilities, number of weights."""
        facts = self._tuned.facts(self.setting, self._aim.measure)
        return facts | {"parameters": int(self._weights.size + self._offset.size)}


@dataclass
class KernelLinear(KernelModel):
    """A linear classifier on features that are centred on the training scans.

    The kernel is divided by its mean diagonal, so that C means the same for any atlas.

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
    setting: ClassVar[str] = "C"
    solver: ClassVar[Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("C", self.C)

    def prepare(self, features: np.ndarray) -> GramFeatures:
        """Centred, and standardised if asked."""
        return GramFeatures.centre(features, self.standardise)

    def solver_for(self, features: Any, aim: Aim) -> Solver:
        """The subclass' solver on the Gram matrix."""
        solver: Solver = self.solver(features.gram)
        return solver

    def given(self) -> float | None:
        """The option C."""
        return self.C
