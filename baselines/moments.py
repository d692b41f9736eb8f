"""Ridge regression from sums over scans, which are read block by block: memory does not grow with their number.

For more scans than features. The same solution as that through the Gram matrix (`kernel.Ridge`), by the
normal equations: one p x p matrix of products, and a copy of it for each solve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .aims import FEW

BLOCK = 256

Read = Callable[[np.ndarray], np.ndarray]
"""Rows -> features (rows, p) of these scans."""


@dataclass
class Moments:
    """Sums over scans with features x (p,) and targets y (k,).

    Attributes
    ----------
    count
        Number of scans.
    x, y
        Sums (p,) and (k,).
    xx
        Sum of x x^T (p, p), column-major; only the lower triangle is filled.
    xy
        Sum of x y^T (p, k).
    """

    count: int
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray

    def less(self, other: Moments) -> Moments:
        """The sums without those of ``other``, whose matrix is overwritten."""
        np.subtract(self.xx, other.xx, out=other.xx)
        return Moments(self.count - other.count, self.x - other.x, self.y - other.y, other.xx, self.xy - other.xy)

    def deviation(self) -> np.ndarray:
        """Standard deviation (p,) of the features, one for all of them with few scans; 1 where they do not vary."""
        mean = self.x / self.count
        square = self.xx.diagonal() / self.count
        variance = square - mean**2
        if self.count < FEW:
            variance, square = np.full_like(variance, variance.mean()), np.full_like(square, square.mean())
        return np.sqrt(np.where(variance > 1e-12 * square, variance, 1))


class StreamedRidge:
    """Ridge regression with an intercept on features that are standardised on all scans.

    Parameters
    ----------
    read
        Reads features; called with at most 256 rows.
    wanted
        (n, k) targets.
    alphas
        Penalties on the standardised features.
    step
        ``step(done, total)`` in each pass over scans.
    """

    def __init__(
        self, read: Read, wanted: np.ndarray, alphas: Sequence[float], step: Callable[[int, int], None]
    ) -> None:
        self._read, self._wanted, self._alphas, self._step = read, wanted, alphas, step
        self._all = self._sum(np.arange(len(wanted)))
        self._spread = self._all.deviation()

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self._spread)

    def decide(self, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        """Decisions (alphas, test, k) of the test rows, which with ``train`` make all; see `tuning.Decide`."""
        moments = self._all.less(self._sum(test))
        weights, offsets = self._solve(moments, self._alphas)
        out = np.empty((len(self._alphas), len(test), self._wanted.shape[1]))
        for place, features in self._blocks(test):
            out[:, place] = features @ weights + offsets[:, None]
        return out

    def fit(self, alpha: float) -> tuple[np.ndarray, np.ndarray]:
        """Weights (p, k) on raw features and offsets (k,), from all scans. The sums are used up: call it last."""
        weights, offsets = self._solve(self._all, [alpha])
        return weights[0], offsets[0]

    def _solve(self, moments: Moments, alphas: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """Weights (alphas, p, k) on raw features and offsets (alphas, k); the matrix of the sums is overwritten."""
        from scipy.linalg import cho_factor, cho_solve

        x, y = moments.x / moments.count, moments.y / moments.count
        right = (moments.xy - moments.count * np.outer(x, y)) / self._spread[:, None]
        self._standardise(moments)
        weights, matrix = np.empty((len(alphas), *right.shape)), np.empty_like(moments.xx)
        for a, alpha in enumerate(alphas):
            np.copyto(matrix, moments.xx)
            matrix[np.diag_indices(len(matrix))] += alpha
            factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
            weights[a] = cho_solve(factor, right, check_finite=False) / self._spread[:, None]
        return weights, y - x @ weights

    def _standardise(self, moments: Moments) -> None:
        """Make the sum of products that of features less their mean, over the deviation, in place."""
        mean = moments.x / moments.count
        for column in range(len(mean)):
            below = slice(column, None)
            moments.xx[below, column] -= moments.count * mean[column] * mean[below]
            moments.xx[below, column] /= self._spread[column] * self._spread[below]

    def _sum(self, rows: np.ndarray) -> Moments:
        from scipy.linalg.blas import dsyrk

        sums: Moments | None = None
        for place, features in self._blocks(rows):
            p, k = features.shape[1], self._wanted.shape[1]
            if sums is None:
                sums = Moments(0, np.zeros(p), np.zeros(k), np.zeros((p, p), order="F"), np.zeros((p, k)))
            wanted = self._wanted[rows[place]]
            sums.count += len(features)
            sums.x += features.sum(axis=0)
            sums.y += wanted.sum(axis=0)
            sums.xx = dsyrk(1.0, features.T, beta=1.0, c=sums.xx, lower=1, overwrite_c=1)
            sums.xy += features.T @ wanted
        assert sums is not None
        return sums

    def _blocks(self, rows: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Where in ``rows``, and the features (block, p) float64."""
        for start in range(0, len(rows), BLOCK):
            place = slice(start, min(start + BLOCK, len(rows)))
            yield place, np.asarray(self._read(rows[place]), dtype=np.float64)
            self._step(place.stop, len(rows))
