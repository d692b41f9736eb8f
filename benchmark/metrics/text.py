"""Texts compared as they are: truth with `references`, prediction one text an item."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .captions_corpus import Described
from .counts import ItemMetric


class ExactMatch(ItemMetric):
    """Whether any reference equals the text, after lower case and without outer blanks."""

    name = "exact-match"
    title = "Exact match"

    def items(self, truth: Sequence[Described], prediction: Sequence[str]) -> np.ndarray:
        """1 where a reference equals the text, else 0."""
        return np.array(
            [float(_plain(text) in map(_plain, seen.references)) for seen, text in zip(truth, prediction, strict=True)]
        )


def _plain(text: str) -> str:
    return text.strip().lower()
