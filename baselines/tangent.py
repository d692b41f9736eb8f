"""Tangent-space connectivity with logistic regression (Varoquaux et al. 2010; Dadi et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from .kernel import Logistic
from .linear import KernelLinear

TOLERANCE = 1e-7
ITERATIONS = 30
SUBSET = 8

Step = Callable[[int, int], None]


def covariance(series: np.ndarray) -> np.ndarray:
    """Ledoit-Wolf covariance (roi, roi) float32 of a (time, roi) series whose ROIs are z-scored.

    An ROI without variance, or with a value that is not finite, becomes 0 throughout; shrinkage keeps
    the matrix positive definite.
    """
    from sklearn.covariance import ledoit_wolf

    values = series - series.mean(axis=0)
    spread = values.std(axis=0)
    alive = spread > 1e-6 * max(float(np.nanmax(spread, initial=0)), 1e-12)
    shrunk, _ = ledoit_wolf(np.where(alive, values / np.where(alive, spread, 1), 0))
    return np.asarray(shrunk, dtype=np.float32)


def map_eigenvalues(function: Callable[[np.ndarray], np.ndarray], matrix: np.ndarray) -> np.ndarray:
    """A function of a symmetric matrix, in the matrix' own precision."""
    from scipy.linalg import eigh

    values, vectors = eigh(matrix, driver="evd", check_finite=False)
    mapped: np.ndarray = (vectors * function(values)) @ vectors.T
    return mapped


def geometric_mean(matrices: np.ndarray, start: np.ndarray, step: Step) -> np.ndarray:
    """Geometric mean (roi, roi) float64 of positive definite matrices (n, roi, roi).

    Gradient descent along geodesics with a halved step where the gradient grows (Fletcher & Joshi
    2007, algorithm 3, with the stopping rule of nilearn: norm of the mean logarithm over the number
    of cells below 1e-7, at most 30 iterations). The logarithms are summed one by one, in float32.
    """
    mean, rate, last = start.astype(np.float64), 1.0, np.inf
    for iteration in range(ITERATIONS):
        root = map_eigenvalues(np.sqrt, mean)
        white = map_eigenvalues(lambda values: 1 / np.sqrt(values), mean).astype(np.float32)
        gradient = np.zeros_like(mean)
        for matrix in matrices:
            gradient += map_eigenvalues(np.log, white @ matrix @ white)
        gradient /= len(matrices)
        norm = float(np.linalg.norm(gradient))
        mean = root @ map_eigenvalues(np.exp, rate * gradient) @ root
        step(iteration + 1, ITERATIONS)
        if norm < TOLERANCE * mean.size:
            break
        rate, last = (rate / 2, last) if norm > last else (rate, norm)
    return mean


def reference(matrices: np.ndarray, step: Step) -> np.ndarray:
    """Geometric mean, started from that of every eighth matrix, which costs an eighth as much."""
    start: np.ndarray = np.asarray(np.mean(matrices, axis=0, dtype=np.float64))
    if len(matrices) >= 8 * SUBSET:
        start = geometric_mean(matrices[::SUBSET], start, step)
    return geometric_mean(matrices, start, step)


@dataclass
class TangentLogistic(KernelLinear):
    """L2 logistic regression on log-covariances relative to the training scans' geometric mean.

    Peak memory is the training covariances and their tangent vectors (float32; 0.34 + 0.17 GB for
    559 scans of 392 ROIs).
    """

    card: ClassVar[Card] = Card(
        title="Tangent space + logistic regression",
        summary="Covariances (Ledoit-Wolf) projected on the tangent space at their geometric mean, then L2 "
        "logistic regression with C by nested cross-validation.",
        paper="Varoquaux et al., MICCAI 2010; Dadi et al., NeuroImage 192 (2019)",
        parameters="ROIs * (ROIs + 1) / 2 + 1, and the reference matrix",
        notes="Same estimator and stopping rule as nilearn's ConnectivityMeasure(kind='tangent'), in float32 and "
        "without holding all logarithms. The reference is learned from the training scans only.",
    )
    grid = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
    solver = Logistic

    def learn_features(self, scans: Any, context: Context) -> np.ndarray:
        """Learn the reference, and project the training scans on its tangent space."""
        rois = scans.series(0).shape[1]
        matrices = np.empty((len(scans), rois, rois), np.float32)
        for row in range(len(scans)):
            matrices[row] = covariance(scans.series(row))
            context.progress("covariances", row + 1, len(scans))
        mean = reference(matrices, lambda done, total: context.progress("reference", done, total))
        self._white = map_eigenvalues(lambda values: 1 / np.sqrt(values), mean).astype(np.float32)
        self._upper = np.triu_indices(rois)
        features = np.empty((len(scans), len(self._upper[0])), np.float32)
        for row, matrix in enumerate(matrices):
            features[row] = self._project(matrix)
            context.progress("tangent vectors", row + 1, len(scans))
        return features

    def features_of(self, scans: Any, row: int) -> np.ndarray:
        """Tangent vector of one scan."""
        return self._project(covariance(scans.series(row)))

    def _project(self, matrix: np.ndarray) -> np.ndarray:
        """Upper triangle of the logarithm; the diagonal over sqrt(2), so that distances are the matrix'."""
        tangent = map_eigenvalues(np.log, self._white @ matrix @ self._white)
        np.fill_diagonal(tangent, tangent.diagonal() / np.sqrt(2))
        vector: np.ndarray = tangent[self._upper]
        return vector
