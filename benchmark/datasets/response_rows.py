"""What a vision task asks of responses: one row an image, a question or a concept, all made from the same items."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ..errors import BadData
from ..items import ArrayRef, Items

Texts = Literal["captions", "blip2", "description"]

LEAST, MOST = 10, 3
"""Localisation: a concept is asked where this many training images of the brain hold it; concepts an image."""


def rows_of_images(items: Items, references: Texts | None = "captions") -> Items:
    """One row an image; ``references`` names the column of texts that a text is compared with, None for none.

    No row is left out: `Kind.clean` counts those without a reference or a picture.
    """
    table = items.table.drop(columns="maps")
    if references is None:
        told: Any = [[] for _ in range(len(table))]
    elif references == "description":
        told = [[text] if text else [] for text in table["description"]]
    else:
        told = [list(texts) for texts in table[references]]
    return Items(table.assign(references=told), items.arrays, items.meta)


def rows_of_questions(items: Items) -> Items:
    """One row a question of an image's dialogue: column ``question``, and its answer as the one reference."""
    rows, names, questions, answers = [], [], [], []
    for row, (name, text) in enumerate(zip(items.table.index, items.table["dialogue"], strict=True)):
        pairs = parsed(str(name), text, list)
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            raise BadData(f"{name}: its dialogue is no list of pairs", "import it again")
        for number, (question, answer) in enumerate(pairs, 1):
            rows.append(row)
            names.append(f"{name}/q{number}")
            questions.append(str(question))
            answers.append([str(answer)])
    return _asked(items, rows, names, {"question": questions, "references": answers})


def rows_of_concepts(items: Items) -> Items:
    """Grounding: one row a concept with a true box, alphabetical in an image; array ``area`` (k, 4) holds its boxes."""
    rows, names, concepts, areas = [], [], [], []
    for row, (name, boxes) in enumerate(zip(items.table.index.tolist(), _boxes(items), strict=True)):
        for concept in sorted(boxes):
            rows.append(row)
            names.append(f"{name}/{concept}")
            concepts.append(concept)
            areas.append(boxes[concept])
    asked = _asked(items, rows, names, {"concept": concepts, "references": [[] for _ in rows]})
    return Items(asked.table, {**asked.arrays, "area": areas}, asked.meta)


def rows_of_localised(items: Items, least: int = LEAST, most: int = MOST) -> Items:
    """Localisation: one row a concept that ``least`` training images of that brain hold, ``most`` an image.

    Of more concepts those with the largest boxes are asked, ties in alphabetical order. Array ``relevance``
    (voxels,) is the true map of a twin, None elsewhere.
    """
    boxes = _boxes(items)
    brains, sets = items.table["subject_space"].to_numpy(), items.table["set"].to_numpy()
    seen: Counter[tuple[str, str]] = Counter()
    for row, found in enumerate(boxes):
        if sets[row] == "train":
            seen.update((brains[row], concept) for concept in found)
    rows, names, concepts, maps = [], [], [], []
    columns = zip(items.table.index.tolist(), items.table["maps"].tolist(), boxes, strict=True)
    for row, (name, text, found) in enumerate(columns):
        told = json.loads(text) if text else {}
        often = [concept for concept in found if seen[brains[row], concept] >= least]
        for concept in sorted(often, key=lambda each: (-_size(found[each]), each))[:most]:
            rows.append(row)
            names.append(f"{name}/{concept}")
            concepts.append(concept)
            maps.append(_reference(told[concept]) if concept in told else None)
    asked = _asked(items, rows, names, {"concept": concepts, "references": [[] for _ in rows]})
    return Items(asked.table, {**asked.arrays, "relevance": maps}, asked.meta)


def _asked(items: Items, rows: Sequence[int], names: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> Items:
    """Rows of items, some of them several times, under new ids and with further columns."""
    taken = items.take(rows)
    table = taken.table.drop(columns="maps").set_axis(list(names), axis=0).rename_axis("item")
    return Items(table.assign(**columns), taken.arrays, taken.meta)


def _boxes(items: Items) -> list[dict[str, np.ndarray]]:
    """Concept -> (k, 4) float64 of every row; rows of one image share them."""
    known: dict[str, dict[str, np.ndarray]] = {}
    found = []
    for name, image, text in zip(items.table.index, items.table["subject"], items.table["boxes"], strict=True):
        if image not in known:
            told = parsed(str(name), text, dict)
            known[image] = {concept: _array(str(name), boxes) for concept, boxes in told.items() if boxes}
        found.append(known[image])
    return found


def _array(name: str, boxes: Any) -> np.ndarray:
    try:
        values = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    except (TypeError, ValueError):
        raise BadData(f"{name}: its boxes are not lists of four numbers", "import it again") from None
    if not np.isfinite(values).all():
        raise BadData(f"{name}: a box is not finite", "import it again")
    return values


def _size(boxes: np.ndarray) -> float:
    """Area of all boxes together; overlaps count twice."""
    return float(((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sum())


def parsed(name: str, text: str, wanted: type) -> Any:
    """JSON of one cell, a list or an object as ``wanted``; empty for no text. Raises `BadData`."""
    try:
        found = json.loads(text) if text else wanted()
    except (ValueError, TypeError, RecursionError):
        found = None
    if not isinstance(found, wanted):
        raise BadData(f"{name}: its boxes or dialogue are not the JSON that was expected", "import it again")
    return found


def _reference(listed: Any) -> ArrayRef:
    return ArrayRef.of(listed)
