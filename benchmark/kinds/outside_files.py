"""Files of predictions from outside: read with care, for they come from anybody. No pickle is ever read."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.brainhub_files import MAX_BYTES, in_order, json_text, read_json
from ..errors import BadData, BadPrediction, needing
from ..npy import mapped
from .pictures import SIDES, Pictures

CSV_FORM = "write UTF-8 with commas between cells, a first line  id,text  and texts in double quotes"
"""What to write instead of a CSV file that cannot be read."""


def matched(found: Mapping[str, Any], wanted: Sequence[str], path: Path) -> list[Any]:
    """The values of the wanted ids, in their order. Raises `BadData` where ids are missing or unknown."""
    return list(in_order(found, wanted, path).values())


def read_texts(path: Path) -> dict[str, str]:
    """Id -> text, from JSON (an object, or COCO's list of image_id and caption) or CSV with columns id and text.

    Raises `BadData`, also where an id occurs twice or a text is none.
    """
    if path.suffix.lower() == ".csv":
        return dict(_read_csv(path))
    listed = _listed(path)
    found: Mapping[str, Any] = listed if listed is not None else read_json(path)
    for name, text in found.items():
        if not isinstance(text, str):
            raise BadData(f"{path}: the text of {name!r} is of type {type(text).__name__}", "give one text an id")
    return dict(found)


def _listed(path: Path) -> dict[str, Any] | None:
    """COCO's result format, a list of objects; None for another file."""
    if path.is_file() and path.stat().st_size <= MAX_BYTES:
        with open(path, "rb") as file:
            start = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
        if not start.startswith(b"["):
            return None
        try:
            rows = json.loads(json_text(path))
            pairs = [(str(row["image_id"]), row["caption"]) for row in rows]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise BadData(f"{path}: not a list of objects with image_id and caption") from None
        return _once(pairs, path)
    return None


def _read_csv(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise BadData(f"{path}: not a file", "check the path")
    if path.stat().st_size > MAX_BYTES:
        raise BadData(f"{path}: {path.stat().st_size / 2**20:,.0f} MB, more than {MAX_BYTES // 2**20} MB: not read")
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{path}: not a CSV file in UTF-8 ({error})", CSV_FORM) from None
    if not rows or not {"id", "text"} <= set(rows[0]):
        raise BadData(f"{path}: expected columns id and text", CSV_FORM)
    width = len(rows[0]) - (None in rows[0])
    for number, row in enumerate(rows, 1):
        if None in row or None in row.values():  # DictReader's keys and values for cells too many and too few
            raise BadData(f"{path}: row {number} ({row['id']!r}) has not the {width} cells of the header", CSV_FORM)
    return _once([(row["id"], row["text"]) for row in rows], path)


def _once(pairs: Sequence[tuple[str, Any]], path: Path) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadData(f"{path}: the id {twice!r} occurs twice", "keep one of them")
    return found


def _as_uint8(values: np.ndarray, name: str) -> np.ndarray:
    """A picture (h, w, 3) uint8. Raises `BadPrediction` for values that are none."""
    image = np.moveaxis(values, 0, -1) if values.ndim == 3 and values.shape[0] == 3 else values
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    if not np.issubdtype(image.dtype, np.floating):
        raise BadPrediction(f"{name}: values of type {image.dtype}", "give uint8, or floats in 0 .. 1")
    if not np.isfinite(image).all():
        raise BadPrediction(f"{name}: holds NaN or infinity", "give finite floats in 0 .. 1, or uint8")
    if image.min() < -0.01 or image.max() > 1.01:
        raise BadPrediction(
            f"{name}: values from {image.min():.3g} to {image.max():.3g}", "give floats in 0 .. 1, or uint8"
        )
    return np.ascontiguousarray((np.clip(image, 0, 1) * 255).round().astype(np.uint8))


def read_pictures(path: Path, wanted: Sequence[str]) -> Pictures:
    """Pictures in the order of the ids: a folder of ID.png, or a tensor (.npy, .pt) with its ids beside it.

    The ids of ``all.npy`` are a JSON list in ``all.ids.json``, one a row. Nothing is unpickled. Raises `BadData`.
    """
    if path.is_dir():
        files = {file.stem: file for file in sorted(path.iterdir()) if file.suffix.lower() == ".png"}
        return Pictures(matched(files, wanted, path))
    if path.suffix not in (".npy", ".pt", ".pth"):
        raise BadData(f"{path}: expected a folder of ID.png, or a tensor in a .npy or .pt file")
    read, shape = _tensor_npy(path) if path.suffix == ".npy" else _tensor_torch(path)
    if len(shape) != 4 or 3 not in (shape[1], shape[3]):
        raise BadData(f"{path}: a tensor of shape {tuple(shape)}; expected (n, 3, h, w) or (n, h, w, 3)")
    if max(shape[1:]) > SIDES[1]:
        raise BadData(f"{path}: pictures of shape {tuple(shape[1:])}; at most {SIDES[1]} pixels a side are read")
    names = _ids_beside(path, shape[0])
    rows = matched({name: row for row, name in enumerate(names)}, wanted, path)
    return Pictures([partial(_slice, read, row, f"{path}: {name!r}") for row, name in zip(rows, wanted, strict=True)])


def _slice(read: Callable[[int], np.ndarray], row: int, name: str) -> np.ndarray:
    """A row of a tensor, (3, h, w) or (h, w, 3), as a picture."""
    return _as_uint8(read(row), name)


def _ids_beside(path: Path, count: int) -> list[str]:
    beside = path.with_suffix(".ids.json")
    if not beside.is_file():
        raise BadData(
            f"{path}: a tensor does not say which image a row is",
            f"write the ids of its {count} rows as a JSON list to {beside}",
        )
    try:
        names = json.loads(json_text(beside))
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, (str, int)) for name in names):
        raise BadData(f"{beside}: not a JSON list of ids")
    if len(names) != count:
        raise BadData(f"{beside}: {len(names)} ids for the {count} rows of {path.name}")
    texts = [str(name) for name in names]
    _once([(name, None) for name in texts], beside)
    return texts


def _tensor_npy(path: Path) -> tuple[Callable[[int], np.ndarray], Sequence[int]]:
    try:
        values = mapped(path)
    except (ValueError, OSError) as error:
        hint = "write one array of numbers by numpy.save"
        raise BadData(f"{path}: not a plain .npy array, and pickles are not read ({error})", hint) from None
    return (lambda row: np.array(values[row])), values.shape


def _tensor_torch(path: Path) -> tuple[Callable[[int], np.ndarray], Sequence[int]]:
    with needing("torch", "torch"):
        import torch
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch errors of many kinds: the file is from outside
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadData(f"{path}: not a plain tensor, and pickles with code are not read ({reason[:200]})") from None
    if not isinstance(values, torch.Tensor) or values.layout != torch.strided or values.is_quantized or values.is_meta:
        told = f"a {values.layout} tensor" if isinstance(values, torch.Tensor) else type(values).__name__
        raise BadData(f"{path}: holds {told}, not a plain tensor", "save  tensor.to_dense().cpu()")
    plain = values.detach().resolve_conj().resolve_neg()

    def read(row: int) -> np.ndarray:
        found: np.ndarray = (plain[row].float() if plain.is_floating_point() else plain[row]).numpy()
        return found

    return read, plain.shape
