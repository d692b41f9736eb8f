"""Boxes: truth and prediction (k, 4) arrays of x0, y0, x1, y1 in 0 .. 1, one an item."""

from __future__ import annotations

import numpy as np

from ..errors import BadPrediction
from ..kinds.seen import Stimulus
from .counts import ItemMetric, ratio


class BoxIoU(ItemMetric):
    """Mean over an item's true boxes of the best intersection over union with a predicted box.

    An item without a true box has no score; one without a predicted box scores 0. Raises
    `BadPrediction` for maps.
    """

    name = "box-iou"
    title = "IoU"

    def items(self, truth: list[Stimulus], prediction: list[np.ndarray]) -> np.ndarray:
        """Mean best IoU of each item."""
        wanted = [np.zeros((0, 4)) if seen.area is None else seen.area for seen in truth]
        return np.array([_best(a, b) for a, b in zip(wanted, prediction, strict=True)])


def _best(truth: np.ndarray, found: np.ndarray) -> float:
    for area in (truth, found):
        if area.ndim != 2 or area.shape[1] != 4:
            raise BadPrediction(f"box-iou compares (k, 4) boxes; found an array of shape {area.shape}")
    if not len(truth):
        return float("nan")
    return float(iou(truth, found).max(axis=1).mean()) if len(found) else 0.0


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union (k, m) of boxes (k, 4) and (m, 4); 0 where both are empty."""
    a, b = first[:, None], second[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.clip(sides, 0, None).prod(axis=-1)
    return ratio(shared, _area(a) + _area(b) - shared, 0)


def _area(boxes: np.ndarray) -> np.ndarray:
    area: np.ndarray = np.clip(boxes[..., 2:] - boxes[..., :2], 0, None).prod(axis=-1)
    return area
