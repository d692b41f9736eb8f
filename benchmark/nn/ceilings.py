"""What a reconstruction could reach if the brain were read without error: references made from the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..contracts import Progress, silent
from .features import features_of, load_encoder
from .latents import load_codec

Images = Sequence[np.ndarray]
"""(h, w, 3) uint8 images, read one at a time."""


def codec_ceiling(images: Images, training: Images, codec: str = "pca", device: str = "cpu") -> list[np.ndarray]:
    """The true images through an image codec: the best that exact latents would give.

    Parameters
    ----------
    images
        What was seen.
    training
        Images that a codec without weights is fitted on.
    """
    made = load_codec(codec, device)
    made.fit(training)
    return made.decode(made.encode(images))


def retrieval_oracle(
    images: Images, training: Images, encoder: str = "efficientnet-lite0", progress: Progress = silent
) -> np.ndarray:
    """(n,) position of the training image nearest to the true features (cosine, centred on the training images)."""
    network = load_encoder(encoder)
    known = features_of(network, training, progress)
    mean = known.mean(axis=0)
    wanted = features_of(network, images, progress) - mean
    known -= mean
    lengths = np.linalg.norm(known, axis=1)
    found: np.ndarray = np.argmax(wanted @ known.T / np.where(lengths > 0, lengths, np.inf), axis=1)
    return found
