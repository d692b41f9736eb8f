"""A probe: a light model on frozen features, the same for every encoder, trained or not.

Features are standardised on the training scans. Classes: L2 logistic regression; numbers: ridge; or,
for both, a support vector machine with an RBF kernel (as BrainMass is used downstream). The penalty is
chosen by inner folds that cut no subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from ..benchmark.contracts import Progress, TaskInfo
from ..benchmark.errors import BadOption
from .aims import Aim, ClassAim, aim_of
from .kernel import (
    SVM,
    GramFeatures,
    Logistic,
    PrimalLogistic,
    Ridge,
    Solver,
    SupportVectorRegression,
    decider,
    solutions,
    standardise_columns,
)
from .moments import StreamedRidge
from .tuning import Tuned, tune

KINDS = ("linear", "rbf-svm")
C_GRID: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
ALPHA_GRID = tuple(float(alpha) for alpha in 10.0 ** np.arange(5, -2.5, -0.5))


class Probe(Protocol):
    """A fitted probe."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Probabilities (n, classes), or values (n,), from features (n, p)."""

    def facts(self) -> dict[str, Any]:
        """Plain JSON: the penalty that was chosen, inner scores, weights."""


def fit_probe(
    features: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    task: TaskInfo,
    seed: int,
    progress: Progress,
    kind: Literal["linear", "rbf-svm"] = "linear",
) -> Probe:
    """Fit a probe on the training scans' features (n, p), class indices or numbers (n,), and groups (n,)."""
    if kind not in KINDS:
        raise BadOption(f"probe kind {kind!r} is not known", f"choose one of: {', '.join(KINDS)}")
    aim = aim_of(task)
    targets = np.asarray(targets, dtype=int if isinstance(aim, ClassAim) else float)
    copy = np.array(features, dtype=np.float32)
    fit = _fit_rbf if kind == "rbf-svm" else _fit_linear
    return fit(copy, targets, groups, aim, seed, progress)


@dataclass
class LinearProbe:
    """Weights (p, k) and offsets (k,) on raw features."""

    aim: Aim
    tuned: Tuned
    name: str
    weights: np.ndarray
    offset: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """See `Probe.predict`; each row by itself, so that it does not depend on the others."""
        rows = np.asarray(features, dtype=np.float64)
        decisions = np.array([row @ self.weights for row in rows]).reshape(len(rows), -1) + self.offset
        return self.aim.predict(decisions, self.tuned.slope)

    def facts(self) -> dict[str, Any]:
        """See `Probe.facts`."""
        facts = self.tuned.facts(self.name, self.aim.measure)
        return facts | {"probe_parameters": int(self.weights.size + self.offset.size)}


@dataclass
class RbfProbe:
    """Dual coefficients (n, k) and offsets (k,) on the RBF kernel with the standardised training features."""

    aim: Aim
    tuned: Tuned
    mean: np.ndarray
    spread: np.ndarray
    centred: np.ndarray
    dual: np.ndarray
    offset: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """See `Probe.predict`."""
        rows = (np.asarray(features, dtype=np.float32) - self.mean) / self.spread
        decisions = np.array([rbf(row[None], self.centred)[0] @ self.dual for row in rows])
        return self.aim.predict(decisions.reshape(len(rows), -1) + self.offset, self.tuned.slope)

    def facts(self) -> dict[str, Any]:
        """See `Probe.facts`."""
        used = int(np.any(self.dual != 0, axis=1).sum())
        return self.tuned.facts("C", self.aim.measure) | {"support_vectors": used}


def rbf(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """RBF kernel of standardised features with gamma 1 / p (scikit-learn's "scale")."""
    from sklearn.metrics.pairwise import rbf_kernel

    kernel: np.ndarray = rbf_kernel(first, second, gamma=1 / first.shape[1]).astype(np.float64)
    return kernel


def _fit_rbf(
    features: np.ndarray, targets: np.ndarray, groups: np.ndarray, aim: Aim, seed: int, progress: Progress
) -> RbfProbe:
    mean, spread = standardise_columns(features)
    assert spread is not None
    gram = rbf(features, features)
    solver: Solver = SVM(gram) if isinstance(aim, ClassAim) else SupportVectorRegression(gram)
    tuned, solution = _tuned(solver, aim, targets, groups, C_GRID, 1.0, "C", seed, progress)
    return RbfProbe(aim, tuned, mean, spread, features, solution[:-1], solution[-1])


def _fit_linear(
    features: np.ndarray, targets: np.ndarray, groups: np.ndarray, aim: Aim, seed: int, progress: Progress
) -> LinearProbe:
    if features.shape[1] < len(features):
        primal = _fit_primal_classes if isinstance(aim, ClassAim) else _fit_primal_numbers
        return primal(features, targets, groups, aim, seed, progress)
    gram = GramFeatures.centre(features, standardise=True)
    solver: Solver = Logistic(gram.gram) if isinstance(aim, ClassAim) else Ridge(gram.gram)
    # Alpha is on the kernel of unit mean diagonal, so that it means the same for any width.
    grid, name = (C_GRID, "C") if isinstance(aim, ClassAim) else (ALPHA_GRID, "alpha")
    tuned, solution = _tuned(solver, aim, targets, groups, grid, 1.0, name, seed, progress)
    weights = gram.weights(solution[:-1]).astype(np.float64)
    return LinearProbe(aim, tuned, name, weights, solution[-1] - gram.mean @ weights)


def _fit_primal_numbers(
    features: np.ndarray, targets: np.ndarray, groups: np.ndarray, aim: Aim, seed: int, progress: Progress
) -> LinearProbe:
    """Ridge where there are fewer features than scans: nothing of n x n is made."""
    width = features.shape[1]

    def step(done: int, total: int) -> None:
        progress("inner folds of the probe", done, total)

    model = StreamedRidge(lambda rows: features[rows], aim.wanted(targets), [a * width for a in ALPHA_GRID], step)
    tuned = tune(model.decide, aim, targets, groups, ALPHA_GRID, 1.0, seed, step, "alpha")
    weights, offset = model.fit(tuned.setting * width)
    return LinearProbe(aim, tuned, "alpha", weights, offset)


def _fit_primal_classes(
    features: np.ndarray, targets: np.ndarray, groups: np.ndarray, aim: Aim, seed: int, progress: Progress
) -> LinearProbe:
    """Logistic regression where there are fewer features than scans: nothing of n x n is made."""
    mean, spread = standardise_columns(features)
    root = np.sqrt(np.einsum("ij,ij->", features, features, dtype=np.float64) / len(features)) or 1.0
    solver = PrimalLogistic(features.astype(np.float64) / root)
    tuned, solution = _tuned(solver, aim, targets, groups, C_GRID, 1.0, "C", seed, progress)
    weights = solution[:-1] / (root * np.asarray(spread, dtype=np.float64))[:, None]
    return LinearProbe(aim, tuned, "C", weights, solution[-1] - mean @ weights)


def _tuned(
    solver: Solver,
    aim: Aim,
    targets: np.ndarray,
    groups: np.ndarray,
    grid: tuple[float, ...],
    fallback: float,
    name: str,
    seed: int,
    progress: Progress,
) -> tuple[Tuned, np.ndarray]:
    """The chosen penalty, and coefficients with intercepts in the last row."""
    wanted = aim.wanted(targets)

    def step(done: int, total: int) -> None:
        progress("inner folds of the probe", done, total)

    tuned = tune(decider(solver, aim, wanted, grid), aim, targets, groups, grid, fallback, seed, step, name)
    return tuned, solutions(solver, aim, np.arange(len(targets)), wanted, tuned.setting)
