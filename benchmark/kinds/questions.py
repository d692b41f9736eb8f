"""Questions about a scan, several at once or open-ended, answered in text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..contracts import Kind, TaskInfo
from ..errors import BadData, BadPrediction
from ..items import Items
from ..parquet import read_parquet, texts
from ..prompts import Split, question
from .arrays import AGAIN
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
        For each item field -> label -> score, higher where the label is likelier, where the method has them;
        else None. Probabilities are best: they compare over items.
    """

    texts: list[str]
    scores: list[dict[str, dict[str, float]]] | None = None

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Fields:
    """True values, one {field: label} an item; a field that is not known of a person is left out.

    Attributes
    ----------
    values
        The truth of each item.
    schema
        Field -> its labels, in the order in which they are asked; empty where the task declares none.
    paradigm
        How it is asked: "multi" or "open".
    """

    values: list[dict[str, str]]
    schema: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    paradigm: str = ""

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, row: int) -> dict[str, str]:
        return self.values[row]

    def __iter__(self) -> Iterator[dict[str, str]]:
        return iter(self.values)

    def codes(self, name: str) -> np.ndarray:
        """(n,) index of the true label of a field, -1 where it is not known."""
        labels = {label: k for k, label in enumerate(self.schema[name])}
        return np.array([labels[row[name]] if name in row else -1 for row in self.values], dtype=int)


class AskedScans(Scans):
    """Scans, each with its prompt."""

    def __init__(self, items: Items, covariates: tuple[str, ...]) -> None:
        super().__init__(items, covariates)
        self.prompts: list[str] = list(items.table["prompt"])

    def take(self, rows: np.ndarray) -> AskedScans:
        """A view of some of the scans."""
        return AskedScans(self._items.take(rows), tuple(self._allowed))


class Questions(Kind):
    """Input `AskedScans`; target `Fields`; prediction `Answers`.

    The target's column holds {field: label} as JSON. A task that declares its fields is asked by the prompt
    bank: at test in wordings that no training item has. Without declared fields the data bring a column ``prompt``.
    """

    name = "questions"
    inputs = (*SCAN_FIELDS, "prompt")
    headline = ("field-accuracy",)

    def view(self, items: Items, task: TaskInfo) -> AskedScans:
        return AskedScans(items, task.covariates)

    def targets(self, items: Items, task: TaskInfo) -> Fields:
        return Fields([json.loads(text) for text in items.table[task.target]], task.fields, task.paradigm)

    def clean(self, items: Items, task: TaskInfo) -> tuple[Items, dict[str, int]]:
        if task.target not in items.table:
            have = ", ".join(map(str, items.table.columns))
            raise BadData(
                f"the data have no column {task.target!r} (they have: {have})", "it holds {field: label} as JSON"
            )
        if task.fields:
            values = [json.loads(text) for text in items.table[task.target]]
            _refuse_unknown(values, task)
            known = np.array([bool(row) for row in values])
            kept = items if known.all() else items.take(np.flatnonzero(known))
            left_out = {} if known.all() else {"none of the fields is known": int((~known).sum())}
            return _prompted(kept, task, "test"), left_out
        if "prompt" not in items.table:
            raise BadData("the data have no column 'prompt'", f"add one, or declare the fields of {task.name!r}")
        return items, {}

    def practise(self, items: Items, task: TaskInfo) -> Items:
        """The training items asked in the wordings of the training part of the prompt bank."""
        return _prompted(items, task, "train") if task.fields else items

    def scorable(self, truth: Fields, least: int) -> bool:
        """Whether each field has two labels with at least ``least`` items, so that it can be told apart."""
        if not (truth.schema and least):
            return len(truth) > 0
        counts = [np.bincount(codes[codes >= 0], minlength=2) for codes in map(truth.codes, truth.schema)]
        return all((np.sort(count)[-2:] >= least).all() for count in counts)

    def check(self, prediction: Any, items: Items, task: TaskInfo) -> Answers:
        answers = prediction if isinstance(prediction, Answers) else Answers(list(prediction))
        texts = check_texts(answers.texts, len(items))
        if answers.scores is not None and len(answers.scores) != len(items):
            raise BadPrediction(f"predict returned {len(answers.scores)} label scores for {len(items)} items")
        for row, fields in enumerate(answers.scores or []):
            if not np.isfinite([score for labels in fields.values() for score in labels.values()]).all():
                raise BadPrediction(f"item {row}: a label score is NaN or infinite")
            odd = [name for name, labels in fields.items() if set(labels) != set(task.fields.get(name, labels))]
            if odd or (task.fields and not set(fields) <= set(task.fields)):
                raise BadPrediction(
                    f"item {row}: scores of {sorted(fields)} are not one a label of the task's fields",
                    f"the task asks for { ({name: list(labels) for name, labels in task.fields.items()}) }",
                )
        return Answers(texts, answers.scores)

    def save(self, prediction: Answers, folder: Path, task: TaskInfo) -> None:
        import pandas as pd

        scores = prediction.scores or [{}] * len(prediction)
        table = pd.DataFrame({"text": prediction.texts, "scores": [json.dumps(fields) for fields in scores]})
        table.to_parquet(folder / "answers.parquet")

    def load(self, folder: Path, task: TaskInfo) -> Answers:
        file = folder / "answers.parquet"
        table = read_parquet(file, AGAIN, ["text", "scores"])
        try:
            scores = [json.loads(text) for text in table["scores"]]
        except (ValueError, TypeError, RecursionError):
            scores = [None]
        if not all(isinstance(fields, dict) for fields in scores):
            raise BadData(f"{file}: scores of labels that are no JSON objects", AGAIN)
        return Answers(texts(table["text"]), scores if any(scores) else None)

    def concat(self, parts: Sequence[Any]) -> Any:
        if isinstance(parts[0], Fields):
            values = [row for part in parts for row in part.values]
            return Fields(values, parts[0].schema, parts[0].paradigm)
        if not isinstance(parts[0], Answers):
            return super().concat(parts)
        scores = [fields for part in parts for fields in part.scores or [{}] * len(part)]
        return Answers([text for part in parts for text in part.texts], scores if any(scores) else None)


def _prompted(items: Items, task: TaskInfo, split: Split) -> Items:
    """The items with a prompt each, drawn by the item's id, so that it depends on nothing else."""
    prompts = [question(task, split, _number(str(name))) for name in items.table.index]
    return Items(items.table.assign(prompt=prompts), items.arrays, items.meta)


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def _refuse_unknown(values: Sequence[Mapping[str, str]], task: TaskInfo) -> None:
    """Raise `BadData` for a field or label that the task does not declare."""
    found = {(name, label) for row in values for name, label in row.items()}
    odd = sorted((name, label) for name, label in found if label not in task.fields.get(name, ()))
    if odd:
        known = {name: list(labels) for name, labels in task.fields.items()}
        raise BadData(f"the data hold {odd[0][0]} = {odd[0][1]!r}; {task.name} knows {known}", "recode the column")
