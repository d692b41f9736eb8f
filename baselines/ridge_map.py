"""Ridge regression of many targets through himalaya, a penalty for each target chosen by inner folds of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..benchmark.errors import needing

FOLDS = 5


@dataclass(frozen=True)
class RidgeMap:
    """A linear map with an offset.

    Attributes
    ----------
    weights, offset
        (inputs, targets) and (targets,) float32.
    alphas
        (targets,) penalties that were used.
    """

    weights: np.ndarray
    offset: np.ndarray
    alphas: np.ndarray

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """(n, inputs) -> (n, targets) float32."""
        found: np.ndarray = np.asarray(inputs, np.float32) @ self.weights + self.offset
        return found


def fit_ridge(
    inputs: np.ndarray, targets: np.ndarray, alphas: Sequence[float], groups: np.ndarray, seed: int
) -> RidgeMap:
    """Ridge with an intercept that is not penalised.

    Of several ``alphas`` each target takes the one with the smallest squared error in five inner folds that cut
    no group; with fewer than ten groups all take the middle one. Solved in the smaller of rows and inputs.

    Parameters
    ----------
    inputs, targets
        (n, inputs) and (n, targets).
    alphas
        Penalties on the inputs as they are.
    groups
        (n,) rows that must not be parted, such as the trials of one image.
    """
    x, y = np.array(inputs, np.float64), np.array(targets, np.float64)
    mean, level = x.mean(axis=0), y.mean(axis=0)
    x -= mean
    y -= level
    kernel = len(x) <= x.shape[1]
    fold = folds_of(groups, seed)
    grid = np.sort(np.asarray(alphas, float))
    if fold is None:
        grid = grid[[len(grid) // 2]]
    solve = _solve_kernel if kernel else _solve_primal
    chosen, solution = solve(x @ x.T if kernel else x, y, grid, fold)
    weights = x.T @ solution if kernel else solution
    return RidgeMap(weights.astype(np.float32), (level - mean @ weights).astype(np.float32), chosen)


def _solve_kernel(
    gram: np.ndarray, y: np.ndarray, grid: np.ndarray, fold: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Alpha of each target and weights of the rows."""
    with needing("vision", "himalaya"):
        from himalaya.kernel_ridge import solve_kernel_ridge_cv_eigenvalues, solve_kernel_ridge_eigenvalues
    if len(grid) == 1 or fold is None:
        return np.full(y.shape[1], grid[0]), solve_kernel_ridge_eigenvalues(gram, y, alpha=grid[0])
    options = {"cv": _splitter(fold), "fit_intercept": True, "n_alphas_batch": 1}  # the folds are not centred
    alphas, solution, *_ = solve_kernel_ridge_cv_eigenvalues(gram, y, alphas=grid, **options)
    return alphas, solution


def _solve_primal(
    x: np.ndarray, y: np.ndarray, grid: np.ndarray, fold: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Alpha of each target and weights of the inputs."""
    with needing("vision", "himalaya"):
        from himalaya.ridge import solve_ridge_cv_svd, solve_ridge_svd
    if len(grid) == 1 or fold is None:
        return np.full(y.shape[1], grid[0]), solve_ridge_svd(x, y, alpha=grid[0], warn=False)
    options = {"cv": _splitter(fold), "fit_intercept": True, "n_alphas_batch": 1, "warn": False}
    alphas, solution, *_ = solve_ridge_cv_svd(x, y, alphas=grid, **options)
    return alphas, solution


def _splitter(fold: np.ndarray) -> Any:
    from sklearn.model_selection import PredefinedSplit

    return PredefinedSplit(fold)


def folds_of(groups: np.ndarray, seed: int) -> np.ndarray | None:
    """(n,) fold of each row, groups dealt out at random; None for fewer than two groups a fold."""
    _, numbers = np.unique(groups, return_inverse=True)
    count = int(numbers.max()) + 1 if len(numbers) else 0
    if count < 2 * FOLDS:
        return None
    folds: np.ndarray = (np.random.default_rng(seed).permutation(count) % FOLDS)[numbers.reshape(-1)]
    return folds
