"""A quick likeness of pictures, for planted pictures that nothing but their colours tells apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from ..kinds.seen import Stimulus
from ..metrics.counts import ItemMetric

SIDE = 16


class ThumbnailCorrelation(ItemMetric):
    """Mean Pearson r of thumbnails of 16 x 16 pixels, all colours as one vector; 0 for a picture of one colour."""

    name = "thumbnail-r"
    title = "Pearson r of thumbnails"
    chance = 0.0

    def items(self, truth: Sequence[Stimulus], prediction: Sequence[np.ndarray]) -> np.ndarray:
        """r of each picture."""
        pairs = zip([_vector(one.image()) for one in truth], [_vector(one) for one in prediction], strict=True)
        return np.array([float(a @ b) for a, b in pairs])


def _vector(picture: np.ndarray) -> np.ndarray:
    """Centred unit vector of a picture (height, width, 3) uint8."""
    small = np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX), float).ravel()
    centred: np.ndarray = small - small.mean()
    length = float(np.linalg.norm(centred))
    return centred / length if length > 0 else centred
