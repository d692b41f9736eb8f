"""Linear models on many more features than scans, through the n x n Gram matrix.

The Gram matrix of the training scans is computed once; every penalty and every inner fold reuses it. A
fitted dual solution is turned into feature weights, so that test scans are scored one at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .aims import FEW, Aim
from .tuning import Decide


class Solver(Protocol):
    """A linear model of one column of targets, prepared once for all subsets of scans and penalties.

    Attributes
    ----------
    basis
        (n, m): decisions are ``basis @ coefficients + intercept``. The Gram matrix of a dual solver.
    """

    basis: np.ndarray

    def solve(self, rows: np.ndarray, targets: np.ndarray, penalty: Any) -> tuple[np.ndarray, float]:
        """Fit on some rows with targets (rows,): coefficients (m,), and the intercept."""


class Features(Protocol):
    """Training features as `linear.KernelModel` keeps them while it fits.

    Attributes
    ----------
    mean
        (p,) what was subtracted from each scan's features.
    """

    @property
    def mean(self) -> np.ndarray: ...

    def weights(self, coefficients: np.ndarray) -> np.ndarray:
        """Feature weights (p, k) of a solver's coefficients (m, k), for raw features."""


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
        mean, spread = standardise_columns(features, standardise)
        gram = (features @ features.T).astype(np.float64)
        scale = float(np.trace(gram) / len(gram)) or 1.0
        return cls(mean, spread, features, gram / scale, scale)

    @classmethod
    def plain(cls, features: np.ndarray) -> GramFeatures:
        """Features (n, p) as they are, and their Gram matrix unscaled."""
        gram = (features @ features.T).astype(np.float64)
        return cls(np.zeros(features.shape[1], features.dtype), None, features, gram, 1.0)

    def weights(self, coefficients: np.ndarray) -> np.ndarray:
        """Feature weights (p, k) of dual coefficients (n, k), for raw (uncentred) features."""
        weights: np.ndarray = self.centred.T @ (coefficients / self.scale).astype(self.centred.dtype)
        return weights if self.spread is None else weights / self.spread[:, None]


def standardise_columns(features: np.ndarray, scale: bool = True) -> tuple[np.ndarray, np.ndarray | None]:
    """Centre (and scale) columns in place; returns the mean and, if scaled, the deviation (1 where none).

    Columns of fewer than `FEW` scans share one deviation: two scans that happen to agree in a column would make
    of any third one an outlier.
    """
    mean = features.mean(axis=0, dtype=np.float64).astype(features.dtype)
    features -= mean
    if not scale:
        return mean, None
    spread = np.sqrt(np.einsum("ij,ij->j", features, features) / len(features))
    if len(features) < FEW:
        spread[:] = np.sqrt(np.mean(spread**2))
    spread[spread <= 1e-6 * (np.abs(mean) + spread.max(initial=0))] = 1
    features /= spread
    return mean, spread


class SVM:
    """Support vector machine on a precomputed kernel."""

    def __init__(self, gram: np.ndarray) -> None:
        self.basis = gram

    def solve(self, rows: np.ndarray, targets: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
        """See `Solver.solve`; targets are 0 or 1, the penalty is C."""
        from sklearn.svm import SVC

        model = SVC(C=penalty, kernel="precomputed").fit(self.basis[np.ix_(rows, rows)], targets)
        return _spread_dual(model, rows, len(self.basis)), float(model.intercept_[0])


class SupportVectorRegression:
    """Support vector regression on a precomputed kernel; the target is standardised inside."""

    def __init__(self, gram: np.ndarray) -> None:
        self.basis = gram

    def solve(self, rows: np.ndarray, targets: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
        """See `Solver.solve`; the penalty is C, the tube 0.1 standard deviations."""
        from sklearn.svm import SVR

        mean, sd = targets.mean(), targets.std()
        model = SVR(C=penalty, kernel="precomputed").fit(self.basis[np.ix_(rows, rows)], (targets - mean) / sd)
        return sd * _spread_dual(model, rows, len(self.basis)), float(sd * model.intercept_[0] + mean)


def _spread_dual(model: Any, rows: np.ndarray, size: int) -> np.ndarray:
    """Dual coefficients of all scans (size,) of a fitted support vector machine."""
    dual = np.zeros(size)
    dual[rows[model.support_]] = model.dual_coef_[0]
    return dual


class Logistic:
    """L2 logistic regression.

    The rows of ``U * sqrt(s)`` of the Gram matrix' eigendecomposition are the scans in an orthonormal
    basis of the space that they span: the same inner products and the same penalty, n columns.
    """

    def __init__(self, gram: np.ndarray) -> None:
        self.basis = gram
        values, vectors = np.linalg.eigh(gram)
        kept = values > 1e-7 * max(float(values[-1]), 1e-30)
        kept[-1] = True  # one column of zeros where all scans are equal
        root = np.sqrt(np.maximum(values[kept], 1e-30))
        self._scans = vectors[:, kept] * root
        self._to_dual = vectors[:, kept] / root

    def solve(self, rows: np.ndarray, targets: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
        """See `Solver.solve`; targets are 0 or 1, the penalty is C."""
        weights, intercept = logistic(self._scans[rows], targets, penalty)
        return self._to_dual @ weights, intercept


class PrimalLogistic:
    """L2 logistic regression on the features themselves, where there are fewer features than scans."""

    def __init__(self, features: np.ndarray) -> None:
        self.basis = features

    def solve(self, rows: np.ndarray, targets: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
        """See `Solver.solve`; targets are 0 or 1, the penalty is C."""
        return logistic(self.basis[rows], targets, penalty)


def logistic(scans: np.ndarray, labels: np.ndarray, C: float) -> tuple[np.ndarray, float]:
    """Weights (m,) and intercept of L2 logistic regression on (rows, m)."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=C, max_iter=5000).fit(scans, labels)
    return model.coef_[0], float(model.intercept_[0])


class Spectrum:
    """Eigendecompositions of subsets of a Gram matrix; the latest is kept, as many penalties ask for it.

    Parameters
    ----------
    gram
        (n, n) products of the features.
    centre
        Take the features less their mean over the subset.
    """

    def __init__(self, gram: np.ndarray, centre: bool = True) -> None:
        self.gram = gram
        self._centre = centre
        self._rows = np.empty(0, dtype=int)

    def of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues (rows,), ascending and not below 0, and eigenvectors (rows, rows)."""
        if not np.array_equal(rows, self._rows):
            kernel = self.gram[np.ix_(rows, rows)]
            self._rows, self._mean = rows, kernel.mean(axis=0)
            values, self._vectors = np.linalg.eigh(double_centred(kernel) if self._centre else kernel)
            self._values = np.maximum(values, 0)
        return self._values, self._vectors

    def dual(self, rows: np.ndarray, coefficients: np.ndarray, level: float) -> tuple[np.ndarray, float]:
        """Coefficients (n,) of all scans and intercept, from those of some rows and the decision at their mean."""
        out = np.zeros(len(self.gram))
        if self._centre:
            coefficients = coefficients - coefficients.mean()
            level -= float(self._mean @ coefficients)
        out[rows] = coefficients
        return out, level


def double_centred(kernel: np.ndarray) -> np.ndarray:
    """The Gram matrix (n, n) of features less their mean."""
    mean = kernel.mean(axis=0)
    centred: np.ndarray = kernel - mean - mean[:, None] + mean.mean()
    return centred


class Ridge:
    """Ridge regression: ``|y - X w - b|^2 + alpha |w|^2``.

    Parameters
    ----------
    gram, scale
        ``X X^T / scale``; alpha is on the unscaled features.
    centre
        Centre the features of each subset, which makes b the exact intercept; else b is the mean target.
    """

    def __init__(self, gram: np.ndarray, scale: float = 1.0, centre: bool = True) -> None:
        self.basis = gram
        self._scale = scale
        self._spectrum = Spectrum(gram, centre)

    def solve(self, rows: np.ndarray, targets: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
        """See `Solver.solve`; the penalty is alpha."""
        values, vectors = self._spectrum.of(rows)
        level = float(targets.mean())
        shrunk = (vectors.T @ (targets - level)) / (values + penalty / self._scale)
        return self._spectrum.dual(rows, vectors @ shrunk, level)


def solutions(solver: Solver, aim: Aim, rows: np.ndarray, wanted: np.ndarray, penalty: Any) -> np.ndarray:
    """Coefficients and, in the last row, intercepts (m + 1, columns) from targets (rows, columns).

    A column without variation gets a constant decision.
    """
    columns = []
    for target in wanted.T:
        if target.min() == target.max():
            coefficients, intercept = np.zeros(solver.basis.shape[1]), aim.constant(float(target[0]))
        else:
            coefficients, intercept = solver.solve(rows, target, penalty)
        columns.append(np.append(coefficients, intercept))
    return np.stack(columns, axis=1)


def decider(solver: Solver, aim: Aim, wanted: np.ndarray, grid: Sequence[Any]) -> Decide:
    """Decisions of every penalty of a grid, for `tuning.tune`."""

    def decide(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        found = [solutions(solver, aim, train, wanted[train], penalty) for penalty in grid]
        held_out = solver.basis[test]
        return np.stack([held_out @ one[:-1] + one[-1] for one in found])

    return decide
