"""What is said of the training image nearest in z_c: the ablation without a language model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ...benchmark.kinds.seen import Responses, Stimulus

WORD = re.compile(r"\w+")


def nearest(predicted: np.ndarray, known: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
    """(n,) position of the training features (m, d) with the largest cosine to predictions (n, d).

    Both are centred on the training mean. ``among`` are the positions to choose from.
    """
    places = np.arange(len(known)) if among is None else among
    mean = known.mean(axis=0)
    wanted, there = predicted - mean, known[places] - mean
    length = np.linalg.norm(there, axis=1)
    found: np.ndarray = places[np.argmax(wanted @ there.T / np.maximum(length, 1e-12), axis=1)]
    return found


def central(captions: Sequence[str]) -> str:
    """The caption that shares most words with the others; "" of none."""
    bags = [Counter(WORD.findall(caption.lower())) for caption in captions]
    shared = [sum((bag & other).total() / max(bag.total() + other.total(), 1) for other in bags) for bag in bags]
    return captions[int(np.argmax(shared))] if captions else ""


def largest(boxes: np.ndarray) -> np.ndarray:
    """(4,) the largest of (k, 4) boxes."""
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    found: np.ndarray = boxes[np.argmax((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))]
    return found


def retold(
    kind: str, test: Responses, predicted: np.ndarray, known: np.ndarray, stimuli: Sequence[Stimulus]
) -> list[str]:  # fmt: skip
    """Captions, descriptions or answers of the nearest of the images (m, d) for predictions (n, d)."""
    if kind == "reasoning":
        return _answers(test.questions, predicted, known, stimuli)
    found = nearest(predicted, known)
    if kind == "captioning":
        return [central(stimuli[place].captions) for place in found]
    return [stimuli[place].description for place in found]


def _answers(
    questions: Sequence[str], predicted: np.ndarray, known: np.ndarray, stimuli: Sequence[Stimulus]
) -> list[str]:  # fmt: skip
    """The answer of the nearest image that was asked the same; of the nearest with any dialogue where none was."""
    out = [""] * len(questions)
    for question in dict.fromkeys(questions):
        rows = np.array([row for row, asked in enumerate(questions) if asked == question])
        replies = [dict(stimulus.dialogue) for stimulus in stimuli]
        among = np.flatnonzero([question in reply for reply in replies])
        if not len(among):
            among = np.flatnonzero([bool(reply) for reply in replies])
        if len(among):
            for row, place in zip(rows, nearest(predicted[rows], known, among), strict=True):
                out[row] = replies[place].get(question) or next(iter(replies[place].values()))
    return out
