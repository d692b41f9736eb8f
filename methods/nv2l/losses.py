"""What the encoder is trained for: two squared errors, and trials mixed within an image."""

from __future__ import annotations

import numpy as np
from torch import Tensor


def error(predicted: Tensor, wanted: Tensor, reduction: str) -> Tensor:
    """Squared error of (batch, dimension), summed or averaged over dimensions, averaged over the batch."""
    squared = (predicted - wanted) ** 2
    return squared.sum(dim=-1).mean() if reduction == "sum" else squared.mean()


def encoder_loss(
    features: Tensor, clip: Tensor, latents: Tensor | None, wanted: Tensor | None, alpha: float, reduction: str
) -> Tensor:
    """||features - clip||^2 + alpha ||latents - wanted||^2 (section 3.2); the second only where there are latents."""
    first = error(features, clip, reduction)
    if latents is None or wanted is None:
        return first
    return first + alpha * error(latents, wanted, reduction)


def mixed_trial(trials: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two different repeats (repeats, voxels) of one brain and image, mixed with a share from U(0, 1).

    Their image is the same, so targets stay as they are. A single repeat is given as it is.
    """
    if len(trials) < 2:
        one: np.ndarray = trials[0]
        return one
    first, second = rng.choice(len(trials), size=2, replace=False)
    share = np.float32(rng.uniform())
    mixed: np.ndarray = share * trials[first] + (1 - share) * trials[second]
    return mixed
