"""Captions as short vectors without any weights: principal directions of their weighted word counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..benchmark.errors import BadData

MOST = 96
"""Dimensions at most."""


class CaptionSpace:
    """Latent semantic analysis of the training captions; it stands in for a text encoder.

    Attributes
    ----------
    texts, vectors
        The different training captions, and (texts, d) float32 vectors of length 1 or below.

    Raises `BadData` where there are no captions with words.
    """

    def __init__(self, captions: Sequence[Sequence[str]]) -> None:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.texts = sorted({text for mine in captions for text in mine})
        try:
            counts = TfidfVectorizer(sublinear_tf=True).fit_transform(self.texts)
        except ValueError:
            raise BadData("the training images have no captions with words", "check the captions of the data") from None
        size = min(MOST, *(side - 1 for side in counts.shape))
        if size < 1:
            raise BadData("all training captions are the same", "check the captions of the data")
        self.vectors: np.ndarray = TruncatedSVD(size, random_state=0).fit_transform(counts).astype(np.float32)
        self._place = {text: place for place, text in enumerate(self.texts)}

    def of(self, texts: Sequence[str]) -> np.ndarray:
        """(d,) mean vector of some training captions; 0 of none."""
        if not texts:
            return np.zeros(self.vectors.shape[1], np.float32)
        mean: np.ndarray = self.vectors[[self._place[text] for text in texts]].mean(axis=0)
        return mean
