"""Regression: truth and prediction floats (n,), in the units of the target."""

from __future__ import annotations

import numpy as np

from ..contracts import Metric
from .counts import ItemMetric, sums

FLAT = 1e-12


class MAE(ItemMetric):
    """Mean absolute error, in the units of the target."""

    name = "mae"
    title = "MAE"
    higher_is_better = False

    def items(self, truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """Absolute errors (n,)."""
        errors: np.ndarray = np.abs(np.asarray(truth, dtype=np.float64) - prediction)
        return errors


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

    def resample(self, truth: np.ndarray, prediction: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Correlation (B,)."""
        x = np.asarray(truth, dtype=np.float64) - np.mean(truth)
        y = np.asarray(prediction, dtype=np.float64) - np.mean(prediction)
        total = sums(counts, np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1))
        r, truth_varies, _ = correlation_from_sums(*total.T)
        return np.where(truth_varies, r, np.nan)
