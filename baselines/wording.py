"""Texts compared by their words: the most central caption of an image, and the question that is most alike."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

WORDS = re.compile(r"[a-z0-9']+")


def central(captions: Sequence[str]) -> str:
    """Of an image's captions the one that shares most words with the others; "" of none."""
    if not captions:
        return ""
    shared = [sum(likeness(one, other) for other in captions) for one in captions]
    return captions[int(np.argmax(shared))]


def likeness(one: str, other: str) -> float:
    """Dice coefficient of the words of two texts, each as often as it occurs; 1 for the same words."""
    mine, theirs = Counter(WORDS.findall(one.lower())), Counter(WORDS.findall(other.lower()))
    return 2 * (mine & theirs).total() / max(mine.total() + theirs.total(), 1)
