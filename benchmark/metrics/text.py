"""Texts: truth a `Stimulus` with its references, prediction one text, an item."""

from __future__ import annotations

import numpy as np

from ..kinds.seen import Stimulus
from .counts import ItemMetric


class ExactMatch(ItemMetric):
    """Whether any reference equals the text, after lower case and without outer blanks."""

    name = "exact-match"
    title = "Exact match"

    def items(self, truth: list[Stimulus], prediction: list[str]) -> np.ndarray:
        """1 where a reference equals the text, else 0."""
        return np.array(
            [float(_plain(text) in map(_plain, seen.references)) for seen, text in zip(truth, prediction, strict=True)]
        )


def _plain(text: str) -> str:
    return text.strip().lower()
