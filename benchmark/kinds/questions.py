"""Questions about a scan: single, multiple or open-ended, answered in text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..contracts import Kind, TaskInfo
from ..errors import BadPrediction
from ..items import Items
from .scans import SCAN_FIELDS, Scans
from .text import check_texts


@dataclass(frozen=True)
class Answers:
    """Answers, one an item.

    Attributes
    ----------
    texts
        What the method said.
    scores
        For each item field -> label -> score, where the method has them; else None.
    """

    texts: list[str]
    scores: list[dict[str, dict[str, float]]] | None = None

    def __len__(self) -> int:
        return len(self.texts)


class AskedScans(Scans):
    """Scans, each with its prompt."""

    def __init__(self, items: Items, covariates: tuple[str, ...]) -> None:
        super().__init__(items, covariates)
        self.prompts: list[str] = list(items.table["prompt"])


class Questions(Kind):
    """Input `AskedScans`; target {field: value} an item; prediction `Answers`."""

    name = "questions"
    inputs = (*SCAN_FIELDS, "prompt")
    headline = ("field-accuracy",)

    def view(self, items: Items, task: TaskInfo) -> AskedScans:
        return AskedScans(items, task.covariates)

    def targets(self, items: Items, task: TaskInfo) -> list[dict[str, str]]:
        return [json.loads(text) for text in items.table[task.target]]

    def check(self, prediction: Any, items: Items, task: TaskInfo) -> Answers:
        answers = prediction if isinstance(prediction, Answers) else Answers(list(prediction))
        texts = check_texts(answers.texts, len(items))
        for row, fields in enumerate(answers.scores or []):
            if not np.isfinite([score for labels in fields.values() for score in labels.values()]).all():
                raise BadPrediction(f"item {row}: a label score is NaN or infinite")
        if answers.scores is not None and len(answers.scores) != len(items):
            raise BadPrediction(f"predict returned {len(answers.scores)} label scores for {len(items)} items")
        return Answers(texts, answers.scores)

    def save(self, prediction: Answers, folder: Path, task: TaskInfo) -> None:
        scores = prediction.scores or [{}] * len(prediction)
        table = pd.DataFrame({"text": prediction.texts, "scores": [json.dumps(fields) for fields in scores]})
        table.to_parquet(folder / "answers.parquet")

    def load(self, folder: Path, task: TaskInfo) -> Answers:
        table = pd.read_parquet(folder / "answers.parquet")
        scores = [json.loads(text) for text in table["scores"]]
        return Answers(table["text"].astype(str).tolist(), scores if any(scores) else None)

    def concat(self, parts: Any) -> Any:
        if not isinstance(parts[0], Answers):
            return super().concat(parts)
        scores = [fields for part in parts for fields in part.scores or [{}] * len(part)]
        return Answers([text for part in parts for text in part.texts], scores if any(scores) else None)
