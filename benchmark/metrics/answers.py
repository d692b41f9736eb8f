"""Answers about a scan: truth {field: value} an item, prediction `Answers`."""

from __future__ import annotations

import numpy as np

from ..kinds.questions import Answers
from .counts import ItemMetric


def parse(text: str) -> dict[str, str]:
    """Fields of a ``field: value; field: value`` text, in lower case; the first of a name counts."""
    fields: dict[str, str] = {}
    for part in text.lower().split(";"):
        name, colon, value = part.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    return fields


class FieldAccuracy(ItemMetric):
    """Share of an item's true fields whose value the answer gives exactly, whatever the case."""

    name = "field-accuracy"
    title = "Field accuracy"

    def items(self, truth: list[dict[str, str]], prediction: Answers) -> np.ndarray:
        """Share of right fields of each item."""
        return np.array([_share(fields, text) for fields, text in zip(truth, prediction.texts, strict=True)])


def _share(fields: dict[str, str], text: str) -> float:
    given = parse(text)
    right = [given.get(name.strip().lower()) == str(value).strip().lower() for name, value in fields.items()]
    return float(np.mean(right)) if right else float("nan")
