"""BrainHub's JSON files, of references and of predictions: read with care, for they come from anybody."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadData, BadIds

MAX_BYTES = 64 * 2**20
"""No file of captions or boxes is larger: BrainHub's largest has half a megabyte."""

MAX_NESTED = 2_000_000
"""Lists and objects in one file; BrainHub's boxes are some ten thousand."""

IDS = tuple(str(number) for number in range(982))
"""Ids of the test images."""

TOLERANCE = 0.01
"""Boxes may leave 0..1 by so much."""

GROUPS = {
    "salient": "S",
    "salient_creatures": "SC",
    "salient_objects": "SO",
    "inconspicuous_objects": "I",
}
"""Key of coco_categorized_labels.json -> short name of the group."""


def read_captions(path: Path, ids: Collection[str] | None = IDS) -> dict[str, str]:
    """Predicted captions, image id -> text, in the order of ``ids`` (None: the file's, whatever they are).

    A caption may be empty. Raises `BadData` for a large or damaged file, an id that is lacking, unknown or there
    twice, and for a caption that is no text.
    """
    found = in_order(read_json(path), ids, path)
    for name, text in found.items():
        if not isinstance(text, str):
            raise BadData(f"{path}: the caption of {name!r} is {_kind(text)}, not a text", "give one text an image")
    return found


def read_references(path: Path, ids: Collection[str] | None = IDS) -> dict[str, list[str]]:
    """Reference captions, image id -> texts, at least one. Raises `BadData` as `read_captions` does."""
    found = in_order(read_json(path), ids, path)
    for name, texts in found.items():
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
            raise BadData(f"{path}: the references of {name!r} are not a list of texts")
    return found


def read_boxes(path: Path, ids: Collection[str] | None = IDS) -> dict[str, dict[str, np.ndarray]]:
    """Boxes, image id -> class -> (k, 4) x0, y0, x1, y1 in 0..1, in the file's order; k may be 0.

    BrainHub's predictions hold a list of answers, each a list of boxes; they are put in a row, so that the first box
    stays the first. Raises `BadData` as `read_captions` does, and for boxes that are not finite or outside of 0..1.
    """
    found = in_order(read_json(path), ids, path)
    boxes = {}
    for name, classes in found.items():
        if not isinstance(classes, dict):
            raise BadData(f"{path}: the boxes of {name!r} are {_kind(classes)}, not an object of classes")
        boxes[name] = {label: _boxes(listed, f"{path}: {name!r}, {label!r}") for label, listed in classes.items()}
    return boxes


def read_salience(path: Path) -> dict[str, list[str]]:
    """COCO class -> its salience groups, of S, SC, SO and I. Raises `BadData`."""
    told = read_json(path)
    for key in ("coco_cats", *GROUPS):
        if not isinstance(told.get(key), list) or not all(isinstance(name, str) for name in told[key]):
            raise BadData(f"{path}: expected lists of classes under coco_cats, {', '.join(GROUPS)}")
    return {name: [short for key, short in GROUPS.items() if name in told[key]] for name in told["coco_cats"]}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises `BadData` for one that is too large, damaged, or has a key twice."""
    text = json_text(path)
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_refused)
        if "\\ud" in text.lower():  # an escape of half a character that its other half may not follow
            json.dumps(found, ensure_ascii=False).encode()
    except BadData as error:
        raise BadData(f"{path}: {error.message}", error.hint) from None
    except UnicodeEncodeError:
        raise BadData(f"{path}: a text with half a surrogate pair, which is no Unicode", "write it again") from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise BadData(f"{path}: not a JSON file ({reason})", "copy or write it again") from None
    if not isinstance(found, dict):
        raise BadData(f"{path}: {_kind(found)}; expected an object, image id -> value")
    return found


def json_text(path: Path) -> str:
    """A file's text, to be read as JSON. Raises `BadData` for one that is too large, or that would need much memory."""
    if not path.is_file():
        told = "a folder, not a file" if path.is_dir() else "no such file"
        raise BadData(f"{path}: {told}", "check the path")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise BadData(f"{path}: {size / 2**20:,.0f} MB, more than {MAX_BYTES // 2**20} MB: not read")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadData(f"{path}: not a text in UTF-8", "JSON files are expected here") from None
    if text.count("[") + text.count("{") > MAX_NESTED:
        raise BadData(f"{path}: more than {MAX_NESTED:,} lists and objects: not read")
    return text


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise BadData(f"the key {twice!r} occurs twice", "keep one of them")
    return found


def _refused(constant: str) -> Any:
    raise BadData(f"holds {constant}, which is no number", "write finite numbers")


def in_order(found: Mapping[str, Any], ids: Collection[str] | None, path: Path) -> dict[str, Any]:
    """The values in the order of the ids, which must be the same. Raises `BadData`."""
    if ids is None:
        return dict(found)
    missing = [name for name in ids if name not in found]
    wanted = set(ids)
    unknown = [name for name in found if name not in wanted]
    if missing or unknown:
        parts = [
            f"{len(names)} {what} ({', '.join(map(repr, names[:5]))}{', ...' if len(names) > 5 else ''})"
            for names, what in ((missing, "ids are missing"), (unknown, "ids are unknown"))
            if names
        ]
        raise BadIds(f"{path}: {' and '.join(parts)} of {len(ids)}", "give each image once, under its id")
    return {name: found[name] for name in ids}


def _boxes(listed: Any, where: str) -> np.ndarray:
    """(k, 4) from a list of boxes, or of answers that are lists of boxes."""
    if isinstance(listed, list) and all(isinstance(each, list) for each in listed) and any(map(_nested, listed)):
        listed = [box for answer in listed for box in answer]
    if listed == []:
        return np.zeros((0, 4))
    numbers = isinstance(listed, list) and all(
        isinstance(box, list) and len(box) == 4 and all(type(value) in (int, float) for value in box) for box in listed
    )
    if not numbers:
        raise BadData(f"{where}: expected boxes of four numbers x0, y0, x1, y1")
    try:
        values = np.array(listed, dtype=np.float64)
    except OverflowError:
        values = np.full((1, 4), np.inf)
    if not (np.isfinite(values).all() and values.min() >= -TOLERANCE and values.max() <= 1 + TOLERANCE):
        raise BadData(
            f"{where}: a box outside of 0..1", "divide x by the width of the picture and y by its height, both as shown"
        )
    return values


def _nested(answer: list[Any]) -> bool:
    return all(isinstance(box, list) for box in answer)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")
