"""From probabilities of labels to answers in words, for baselines without a language model."""

from __future__ import annotations

import numpy as np

from ..benchmark.contracts import Context
from ..benchmark.kinds.questions import Answers, Fields
from ..benchmark.prompts import full_answer


def worded(shares: dict[str, np.ndarray], context: Context) -> Answers:
    """Answers that give the likeliest labels, from probabilities (n, labels) of each field."""
    fields = context.task.fields
    scores, texts = [], []
    for row in range(len(next(iter(shares.values())))):
        own = {name: dict(zip(fields[name], map(float, share[row]), strict=True)) for name, share in shares.items()}
        scores.append(own)
        texts.append(full_answer(context.task, {name: max(told, key=told.__getitem__) for name, told in own.items()}))
    return Answers(texts, scores)


def label_shares(truth: Fields) -> dict[str, np.ndarray]:
    """Field -> (labels,) share of each label among the people of whom it is known; equal where nobody's is."""
    found = {}
    for name, labels in truth.schema.items():
        codes = truth.codes(name)
        counts = np.bincount(codes[codes >= 0], minlength=len(labels)).astype(float)
        found[name] = counts / counts.sum() if counts.sum() else np.full(len(labels), 1 / len(labels))
    return found
