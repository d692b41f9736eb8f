"""Ridge regression of many targets from moments: rows are seen once and need not be in memory together.

What is kept of rows x (p) and targets y (v) is their count, sums and products. Folds are added and subtracted, and a
validation error follows from the moments of the fold alone, so no prediction over time is made. A penalty is chosen for
each target. Leave-one-out errors need the rows a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Blocks = Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]]
"""Gives the same blocks of rows (n, p) and targets (n, v) at each call."""


@dataclass
class Moments:
    """Sums over rows, float64.

    Attributes
    ----------
    count
        Number of rows.
    x, y, yy
        Sums of inputs (p,), of targets (v,) and of squared targets (v,).
    xx, xy
        Sums of products (p, p) and (p, v).
    """

    count: int
    x: np.ndarray
    y: np.ndarray
    yy: np.ndarray
    xx: np.ndarray
    xy: np.ndarray

    @classmethod
    def none(cls, inputs: int, targets: int) -> Moments:
        """Of no rows."""
        return cls(
            0, np.zeros(inputs), np.zeros(targets), np.zeros(targets), np.zeros((inputs, inputs)),
            np.zeros((inputs, targets)),
        )  # fmt: skip

    def add(self, x: np.ndarray, y: np.ndarray, xx: np.ndarray | None = None) -> None:
        """Add rows (n, p) and (n, v); ``xx`` is their ``x.T @ x`` where it is known."""
        self.count += len(x)
        self.x += x.sum(axis=0, dtype=np.float64)
        self.y += y.sum(axis=0, dtype=np.float64)
        self.yy += np.einsum("ij,ij->j", y, y, dtype=np.float64)
        self.xx += x.T @ x if xx is None else xx
        self.xy += x.T @ y

    def less(self, part: Moments) -> Moments:
        """Of the rows that are not in a part of them."""
        return Moments(
            self.count - part.count, self.x - part.x, self.y - part.y, self.yy - part.yy, self.xx - part.xx,
            self.xy - part.xy,
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: Sequence[Moments]) -> Moments:
        """Of the rows of all parts."""
        out = cls.none(*parts[0].xy.shape)
        for part in parts:
            out.count += part.count
            for name in ("x", "y", "yy", "xx", "xy"):
                getattr(out, name).__iadd__(getattr(part, name))
        return out

    def scaled(self, scale: np.ndarray) -> Moments:
        """Of inputs multiplied by a scale (p,)."""
        xx = self.xx * scale[:, None] * scale
        return Moments(self.count, self.x * scale, self.y, self.yy, xx, self.xy * scale[:, None])

    def of(self, targets: np.ndarray) -> Moments:
        """Of some targets alone, (v,) bool."""
        return Moments(self.count, self.x, self.y[targets], self.yy[targets], self.xx, self.xy[:, targets])

    def about(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``xx`` (p, p), ``xy`` (p, v) and ``yy`` (v,) of rows less x (p,) and targets less y (v,)."""
        apart = np.outer(self.x, x)
        xx = self.xx - apart - apart.T + self.count * np.outer(x, x)
        xy = self.xy - np.outer(self.x, y) - np.outer(x, self.y) + self.count * np.outer(x, y)
        return xx, xy, self.yy - 2 * y * self.y + self.count * y * y


@dataclass(frozen=True)
class Spectrum:
    """Rows less their mean, in the basis of their principal axes.

    Attributes
    ----------
    count
        Number of rows.
    x, y
        Means (p,) and (v,).
    values, vectors
        Eigenvalues (p,), not below 0, and eigenvectors (p, p) of the products of the inputs.
    turned
        (p, v) products of inputs and targets in that basis.
    """

    count: int
    x: np.ndarray
    y: np.ndarray
    values: np.ndarray
    vectors: np.ndarray
    turned: np.ndarray

    @classmethod
    def of(cls, moments: Moments) -> Spectrum:
        """Of at least one row."""
        from scipy.linalg import eigh

        x, y = moments.x / moments.count, moments.y / moments.count
        xx, xy, _ = moments.about(x, y)
        values, vectors = eigh(xx, overwrite_a=True, check_finite=False)
        return cls(moments.count, x, y, np.maximum(values, 0), vectors, vectors.T @ xy)

    def shrinkage(self, alpha: float) -> np.ndarray:
        """(p,) what a penalty makes of each axis; 0 for one without variance."""
        floor = self.values[-1] * len(self.values) * np.finfo(float).eps
        with np.errstate(divide="ignore"):
            found: np.ndarray = np.where(self.values > floor, 1 / (self.values + alpha), 0.0)
        return found

    def weights(self, alpha: float) -> np.ndarray:
        """(p, v) weights of a penalty, in the basis."""
        weights: np.ndarray = self.shrinkage(alpha)[:, None] * self.turned
        return weights


@dataclass(frozen=True)
class LinearMap:
    """Weights (p, v) and offset (v,), float32, and the penalty (v,) of each target."""

    weights: np.ndarray
    offset: np.ndarray
    alphas: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(n, p) -> (n, v) float32."""
        out: np.ndarray = np.asarray(x, np.float32) @ self.weights
        out += self.offset
        return out


def solve(moments: Moments, alphas: np.ndarray) -> LinearMap:
    """Ridge with an intercept that is not penalised and a penalty (v,) for each target."""
    found = Spectrum.of(moments)
    turned = np.empty_like(found.turned)
    for alpha in np.unique(alphas):
        columns = alphas == alpha
        turned[:, columns] = found.weights(alpha)[:, columns]
    weights = found.vectors @ turned
    return LinearMap(weights.astype(np.float32), (found.y - found.x @ weights).astype(np.float32), alphas)


@dataclass(frozen=True)
class Scores:
    """Of penalties (rows) and targets (columns), means over folds.

    Attributes
    ----------
    error
        Mean squared error of the held-out rows.
    r
        Pearson correlation of prediction and target over the held-out rows; 0 where either is constant.
    """

    error: np.ndarray
    r: np.ndarray

    def best(self, alphas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The penalty (v,) with the smallest error for each target, the larger one of equals, and its row."""
        order = np.argsort(-alphas, kind="stable")
        row = order[self.error[order].argmin(axis=0)]
        return alphas[row], row


def validate(folds: Sequence[Moments], alphas: np.ndarray) -> Scores:
    """Scores of penalties (a,) where each fold is predicted from the others; every fold weighs the same.

    Folds without rows are left out. At least two must have some.
    """
    there = [fold for fold in folds if fold.count]
    whole = Moments.joined(there)
    found = [held_out(whole.less(fold), fold, alphas) for fold in there]
    return Scores(np.mean([one.error for one in found], axis=0), np.mean([one.r for one in found], axis=0))


def held_out(train: Moments, test: Moments, alphas: np.ndarray) -> Scores:
    """Scores of penalties (a,) on rows that were not learned from, by the moments of both."""
    model = Spectrum.of(train)
    xx, xy, yy = test.about(model.x, model.y)
    products = (model.vectors.T @ xx @ model.vectors).astype(np.float32)
    shared = model.vectors.T @ xy
    shift, level = model.vectors.T @ (test.x / test.count - model.x), test.y / test.count - model.y
    spread = np.maximum(yy - test.count * level**2, 0)
    error, r = np.empty((2, len(alphas), len(yy)))
    for row, alpha in enumerate(alphas):
        weights = model.weights(alpha)
        with_target = np.einsum("ij,ij->j", weights, shared)
        squared = np.einsum("ij,ij->j", weights, products @ weights.astype(np.float32))
        error[row] = (yy - 2 * with_target + squared) / test.count
        mean = shift @ weights
        varies = np.maximum(squared - test.count * mean**2, 0) * spread
        joint = with_target - test.count * mean * level
        r[row] = np.divide(joint, np.sqrt(varies), out=np.zeros_like(joint), where=varies > 0)
    return Scores(error, r)


def fit_folds(folds: Sequence[Moments], alphas: Sequence[float] | np.ndarray) -> tuple[LinearMap, np.ndarray]:
    """A penalty for each target by folds, learned from all of them, and the held-out correlation (v,).

    With fewer than two folds that have rows the middle penalty is taken, and the correlation is NaN.
    """
    grid, there = np.sort(np.asarray(alphas, float)), [fold for fold in folds if fold.count]
    whole = Moments.joined(there)
    if len(there) < 2 or len(grid) < 2:
        fixed = np.full(len(whole.y), grid[len(grid) // 2])
        return solve(whole, fixed), np.full(len(whole.y), np.nan)
    scores = validate(there, grid)
    chosen, row = scores.best(grid)
    return solve(whole, chosen), np.take_along_axis(scores.r, row[None], 0)[0]


def leave_one_out(blocks: Blocks, model: Spectrum, alphas: np.ndarray) -> np.ndarray:
    """Mean squared leave-one-out errors (a, v) of ridge with an intercept, in the precision of the rows.

    An error is the residual over 1 less the row's leverage; the intercept adds 1 / n to each leverage.

    Parameters
    ----------
    blocks
        The rows that the model was made from.
    """
    errors = np.zeros((len(alphas), len(model.y)))
    vectors, turned = model.vectors, model.turned
    shrink = np.stack([model.shrinkage(alpha) for alpha in alphas])
    for number, (x, y) in enumerate(blocks()):
        if not number:
            vectors, turned, shrink = (values.astype(x.dtype) for values in (vectors, turned, shrink))
        axes = (x - model.x.astype(x.dtype)) @ vectors
        free = np.maximum(1 - 1 / model.count - axes**2 @ shrink.T, np.finfo(x.dtype).eps)
        centred = y - model.y.astype(x.dtype)
        for row, factor in enumerate(shrink):
            residual = centred - (axes * factor) @ turned
            errors[row] += np.einsum("ij,ij->j", residual, residual / free[:, row, None] ** 2)
    return errors / model.count


def fit_leave_one_out(blocks: Blocks, inputs: int, targets: int, alphas: Sequence[float] | np.ndarray) -> LinearMap:
    """A penalty for each target by leave-one-out, the first one of equals. The blocks are read twice."""
    moments = Moments.none(inputs, targets)
    for x, y in blocks():
        moments.add(x, y)
    grid = np.asarray(alphas, float)
    errors = leave_one_out(blocks, Spectrum.of(moments), grid)
    return solve(moments, grid[errors.argmin(axis=0)])


class Gathered:
    """Moments of several subjects in folds, of runs whose inputs the subjects share.

    Attributes
    ----------
    folds
        Subject -> moments of each fold.
    """

    def __init__(self, subjects: Sequence[str], folds: int, inputs: int, targets: int) -> None:
        self.folds = {name: [Moments.none(inputs, targets) for _ in range(folds)] for name in subjects}

    def add(self, fold: int, x: np.ndarray, measured: Mapping[str, np.ndarray]) -> None:
        """Add a run: inputs (n, p) and, of each subject, targets (n or fewer, v), which start together.

        Products of inputs are made once for the subjects, whatever their lengths.
        """
        xx, start = np.zeros((x.shape[1], x.shape[1]), x.dtype), 0
        for name, y in sorted(measured.items(), key=lambda item: len(item[1])):
            if len(y) > start:
                xx += x[start : len(y)].T @ x[start : len(y)]
                start = len(y)
            self.folds[name][fold].add(x[: len(y)], y, xx)
