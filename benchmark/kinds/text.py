"""Kinds whose prediction is one text an item: captioning, description, reasoning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..contracts import Kind, TaskInfo
from ..errors import BadPrediction
from ..items import Items


class Responses:
    """A sequence of brain responses: float32 arrays, with a question where the task asks one."""

    def __init__(self, items: Items) -> None:
        self._items = items
        table = items.table
        self.questions: list[str] = list(table["question"]) if "question" in table else [""] * len(items)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, row: int) -> np.ndarray:
        if not 0 <= row < len(self):
            raise IndexError(row)
        return self._items.read("response", row).astype(np.float32)


def check_texts(prediction: Any, count: int) -> list[str]:
    """A list of `count` strings, or `BadPrediction`."""
    if isinstance(prediction, str) or len(prediction) != count:
        raise BadPrediction(f"predict must return a list of {count} texts")
    wrong = [row for row, text in enumerate(prediction) if not isinstance(text, str)]
    if wrong:
        raise BadPrediction(f"item {wrong[0]}: predict returned {type(prediction[wrong[0]]).__name__}, not a text")
    return list(prediction)


class Captioning(Kind):
    """Input `Responses`; target reference texts (a list an item); prediction one text an item."""

    name = "captioning"
    inputs = ("response", "question", "subject_space")
    headline = ("exact-match",)

    def view(self, items: Items, task: TaskInfo) -> Responses:
        return Responses(items)

    def targets(self, items: Items, task: TaskInfo) -> list[list[str]]:
        return [list(texts) for texts in items.table[task.target]]

    def check(self, prediction: Any, items: Items, task: TaskInfo) -> list[str]:
        return check_texts(prediction, len(items))

    def save(self, prediction: list[str], folder: Path, task: TaskInfo) -> None:
        pd.DataFrame({"text": prediction}).to_parquet(folder / "texts.parquet")

    def load(self, folder: Path, task: TaskInfo) -> list[str]:
        return pd.read_parquet(folder / "texts.parquet")["text"].astype(str).tolist()


class Description(Captioning):
    """A long description of what was seen."""

    name = "description"


class Reasoning(Captioning):
    """An answer that needs reasoning about what was seen; the question is part of the input."""

    name = "reasoning"
