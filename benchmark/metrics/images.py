"""Images: truth a `Stimulus` with its image, prediction (height, width, 3) uint8, one an item."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import BadPrediction
from ..kinds.seen import Stimulus
from .counts import ItemMetric


class PixCorr(ItemMetric):
    """Pearson correlation of the pixel values of the two images, all channels as one vector.

    0 where either image is one flat colour. Raises `BadPrediction` when the sizes differ.
    """

    name = "pixcorr"
    title = "PixCorr"
    chance = 0.0

    def items(self, truth: list[Stimulus], prediction: Sequence[np.ndarray]) -> np.ndarray:
        """Correlation of each pair."""
        return np.array([_correlate(seen.image(), found) for seen, found in zip(truth, prediction, strict=True)])


def _correlate(truth: np.ndarray, found: np.ndarray) -> float:
    if truth.shape != found.shape:
        raise BadPrediction(f"an image of shape {found.shape}; the one that was seen is {truth.shape}")
    x = truth.ravel() - truth.mean(dtype=np.float64)
    y = found.ravel() - found.mean(dtype=np.float64)
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / norm if norm > 0 else 0.0
