"""Kinds whose prediction is one text an item: captioning, description, reasoning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..contracts import TaskInfo
from ..datasets.brainhub_files import read_references
from ..errors import BadPrediction
from ..items import Items
from ..parquet import read_parquet, texts
from .arrays import AGAIN
from .outside_files import matched, read_texts
from .seen import BRAIN, Seeing

LONGEST = 1 << 20
"""Characters of one text; a caption has fifty."""


def check_texts(prediction: Any, count: int) -> list[str]:
    """A list of `count` strings, or `BadPrediction`."""
    if isinstance(prediction, str) or len(prediction) != count:
        raise BadPrediction(f"predict must return a list of {count} texts")
    for row, text in enumerate(prediction):
        if not isinstance(text, str):
            raise BadPrediction(f"item {row}: predict returned {type(text).__name__}, not a text")
        if not _encodable(text):
            raise BadPrediction(f"item {row}: a text with half a surrogate pair, which is no Unicode")
        if len(text) > LONGEST:
            raise BadPrediction(f"item {row}: a text of {len(text)} characters; at most {LONGEST} are read")
    return list(prediction)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Captioning(Seeing):
    """Input `Responses`; target and truth a `Stimulus` an item; prediction one text an item."""

    name = "captioning"
    inputs = ("response", "question", BRAIN)
    headline = ("cider-d",)

    def clean(self, items: Items, task: TaskInfo) -> tuple[Items, dict[str, int]]:
        if "references" not in items.table:  # a task that makes them has not yet
            return items, {}
        told = [row for row, texts in enumerate(items.table["references"]) if len(texts)]
        missing = len(items) - len(told)
        return (items.take(told), {"without a reference text": missing}) if missing else (items, {})

    def check(self, prediction: Any, items: Items, task: TaskInfo) -> list[str]:
        return check_texts(prediction, len(items))

    def outside(self, path: Path, wanted: Sequence[str], task: TaskInfo) -> list[str]:
        return matched(read_texts(path), wanted, path)

    def references(self, path: Path, task: TaskInfo) -> Items:
        import pandas as pd

        told = read_references(path, None)
        table = pd.DataFrame({"references": list(told.values())}, index=list(told))
        return Items(table.assign(subject=list(told), group=list(told)))

    def save(self, prediction: list[str], folder: Path, task: TaskInfo) -> None:
        import pandas as pd

        pd.DataFrame({"text": prediction}).to_parquet(folder / "texts.parquet")

    def load(self, folder: Path, task: TaskInfo) -> list[str]:
        return texts(read_parquet(folder / "texts.parquet", AGAIN, ["text"])["text"])


class Description(Captioning):
    """A long description of what was seen."""

    name = "description"


class Reasoning(Captioning):
    """An answer that needs reasoning about what was seen; the question is part of the input."""

    name = "reasoning"
