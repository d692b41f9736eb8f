"""Regression: truth `Values` (value and training mean, each (n,)), prediction floats (n,)."""

from __future__ import annotations

import numpy as np

from ..contracts import Metric
from ..kinds.regression import Values
from .counts import ItemMetric, ratio, sums

FLAT = 1e-12


class MAE(ItemMetric):
    """Mean absolute error, in the units of the target."""

    name = "mae"
    title = "MAE"
    higher_is_better = False

    def items(self, truth: Values, prediction: np.ndarray) -> np.ndarray:
        """Absolute errors (n,)."""
        errors: np.ndarray = np.abs(truth.value - prediction)
        return errors


class MAEOfMean(ItemMetric):
    """Mean absolute error of the training mean: what an MAE must undercut to mean anything."""

    name = "mae-of-mean"
    title = "MAE of the training mean"
    higher_is_better = False

    def items(self, truth: Values, prediction: np.ndarray) -> np.ndarray:
        """Absolute errors (n,) of the training mean."""
        errors: np.ndarray = np.abs(truth.value - truth.train_mean)
        return errors


class PredictiveCOD(Metric):
    """1 - squared error over that of the training mean (He et al. 2020); negative where the mean is better.

    NaN where the training mean has no error.
    """

    name = "predictive-cod"
    title = "Predictive COD"
    chance = 0.0

    def resample(self, truth: Values, prediction: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Predictive coefficient of determination (B,)."""
        errors = np.stack([(truth.value - prediction) ** 2, (truth.value - truth.train_mean) ** 2], axis=1)
        total = sums(counts, errors)
        return 1 - ratio(total[:, 0], total[:, 1])


def correlation_from_sums(
    weight: np.ndarray, x: np.ndarray, y: np.ndarray, xx: np.ndarray, yy: np.ndarray, xy: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pearson r from weighted sums of roughly centred values, and where x and y vary.

    A variance below 1e-12 of the mean square is rounding, and counts as none; r is 0 there.
    """
    weight = np.where(weight > 0, weight, np.nan)
    var_x, var_y = xx / weight - (x / weight) ** 2, yy / weight - (y / weight) ** 2
    x_varies, y_varies = var_x > FLAT * xx / weight, var_y > FLAT * yy / weight
    varies = x_varies & y_varies
    product = np.where(varies, var_x * var_y, 1)
    r = np.where(varies, (xy / weight - x * y / weight**2) / np.sqrt(product), 0)
    return np.clip(r, -1, 1), x_varies, y_varies


class PearsonR(Metric):
    """Pearson correlation; 0 for a constant prediction, NaN where the truth does not vary."""

    name = "pearson-r"
    title = "Pearson r"
    chance = 0.0

    def resample(self, truth: Values, prediction: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Correlation (B,)."""
        x = truth.value - np.mean(truth.value)
        y = np.asarray(prediction, dtype=np.float64) - np.mean(prediction)
        total = sums(counts, np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1))
        r, truth_varies, _ = correlation_from_sums(*total.T)
        return np.where(truth_varies, r, np.nan)
