"""Planted seeing: two brains look at two coloured squares; voxels follow the picture, and some a colour."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..contracts import Task
from ..items import Items
from ..kinds import get_kind
from ..kinds.seen import BRAIN
from ..splits import Given
from .planted import Ask, Planted, changed
from .thumbnails import ThumbnailCorrelation

BRAINS = ("brain1", "brain2")
TRAIN, TEST, TRIALS = 32, 10, 3
"""Images of each brain, all different, and how often each is shown."""

COLOURS = {"red": (220, 30, 30), "green": (30, 190, 60), "blue": (40, 60, 220), "yellow": (230, 220, 40)}
PLACES = {"top left": (0, 0), "top right": (0, 1), "bottom left": (1, 0), "bottom right": (1, 1)}
SIDE, GRID = 64, (6, 7, 8)
EARLY, VENTRAL, OWN = 40, 40, 10
"""Voxels that follow the picture, in two regions, and those that follow each colour."""
VOXELS = EARLY + VENTRAL + OWN * len(COLOURS)
NOISE = 0.4
QUESTION = "What colour is the square that is not grey?"
METRICS = {
    "captioning": "rouge-l:plain",
    "description": "rouge-l:plain",
    "reasoning": "rouge-l:plain",
    "reconstruction": "pixcorr",
    "grounding": "grounding-iou",
    "localisation": "map-auc",
}


def seen(ask: Ask) -> Planted:
    """One coloured and one grey square on each picture."""
    rng = ask.rng(5)
    maps = {brain: rng.normal(size=(EARLY + VENTRAL, 48)) / 4 for brain in BRAINS}
    rows: list[dict[str, Any]] = []
    arrays: dict[str, list[np.ndarray]] = {name: [] for name in ("response", "image", "area", "relevance")}
    for part, count in (("train", TRAIN), ("test", TEST)):
        for brain in BRAINS:
            for number in range(count):
                colour, place, picture = _scene(rng)
                rows.append({"id": f"{part}-{brain}-{number:02d}", BRAIN: brain, "set": part, **_told(colour, place)})
                rows[-1] |= {"question": QUESTION} if ask.kind == "reasoning" else {}
                rows[-1] |= {"concept": colour} if "concept" in get_kind(ask.kind).inputs else {}
                rows[-1]["references"] = _references(ask.kind, rows[-1], colour)
                arrays["response"].append(_response(maps[brain], colour, picture, rng))
                arrays["image"].append(picture)
                arrays["area"].append(_box(place))
                arrays["relevance"].append(_relevance(colour))
    table = pd.DataFrame(rows).set_index("id")
    table = table.assign(subject=table.index, group=table.index)
    task = Task(
        name=f"planted-{ask.kind}", title="planted pictures", family="planted", version=1, kind=ask.kind,
        dataset="planted", target="references", split=Given(), metrics=(METRICS[ask.kind],),
    )  # fmt: skip
    meta = {"spaces": {brain: _space(ask.folder, brain, rng) for brain in BRAINS}}
    train = tuple(table.index[table["set"] == "train"])
    test = tuple(table.index[table["set"] == "test"])
    troubles = {"a single trial": _one_trial, "constant voxels": _constant, "NaN": _missing}
    quick = ThumbnailCorrelation() if ask.kind == "reconstruction" else None
    few = (*train[:TRAIN], *train[TRAIN : TRAIN + 3])
    return Planted(task, Items(table, arrays, meta), train, test, troubles, few, ("NaN",), quick)


def _scene(rng: np.random.Generator) -> tuple[str, str, np.ndarray]:
    """A colour, where its square stands, and the picture (side, side, 3) uint8."""
    colour = list(COLOURS)[int(rng.integers(len(COLOURS)))]
    place, other = (list(PLACES)[int(k)] for k in rng.permutation(len(PLACES))[:2])
    picture = rng.integers(110, 140, (SIDE, SIDE, 3)).astype(np.uint8)
    half = SIDE // 2
    for where, shade in ((other, (60, 60, 60)), (place, COLOURS[colour])):
        top, left = (half * step for step in PLACES[where])
        picture[top : top + half, left : left + half] = shade
    return colour, place, picture


def _response(weights: np.ndarray, colour: str, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(trials, voxels) float32."""
    cell = SIDE // 4
    coarse = picture.reshape(4, cell, 4, cell, 3).mean(axis=(1, 3)).ravel() / 64 - 2
    clean = np.concatenate([weights @ coarse, 1.5 * _relevance(colour)[EARLY + VENTRAL :]])
    return (50 + 10 * (clean + NOISE * rng.normal(size=(TRIALS, VOXELS)))).astype(np.float32)


def _relevance(colour: str) -> np.ndarray:
    """(voxels,) 1 where a voxel follows the colour."""
    out = np.zeros(VOXELS, np.float32)
    start = EARLY + VENTRAL + OWN * list(COLOURS).index(colour)
    out[start : start + OWN] = 1
    return out


def _box(place: str) -> np.ndarray:
    top, left = (step / 2 for step in PLACES[place])
    return np.array([[left, top, left + 0.5, top + 0.5]])


def _told(colour: str, place: str) -> dict[str, Any]:
    said = [f"a {colour} square at the {place}", f"the {place} holds a {colour} square"]
    return {
        "captions": said,
        "description": f"There is a {colour} square on a grey ground. It is at the {place}.",
        "boxes": json.dumps({colour: _box(place).tolist()}),
        "dialogue": json.dumps([[QUESTION, colour]]),
    }


def _references(kind: str, told: dict[str, Any], colour: str) -> list[str]:
    """The texts that an answer is compared with."""
    if kind == "reasoning":
        return [colour]
    return [told["description"]] if kind == "description" else told["captions"]


def _space(folder: Path, brain: str, rng: np.random.Generator) -> dict[str, Any]:
    """Where the voxels of a brain lie; positions are kept in a file, as those of real brains."""
    index = np.sort(rng.choice(int(np.prod(GRID)), VOXELS, replace=False)).astype(np.int64)
    early = np.arange(VOXELS) < EARLY
    masks = {"nsdgeneral": np.ones(VOXELS, bool), "early": early, "ventral": ~early}
    file = folder / f"{brain}.space"
    file.write_bytes(index.tobytes() + b"".join(mask.tobytes() for mask in masks.values()))
    refs = {name: [str(file), (8 + number) * VOXELS, [VOXELS], "|b1"] for number, name in enumerate(masks)}
    return {"shape": list(GRID), "mm": 1.8, "index": [str(file), 0, [VOXELS], "<i8"], "rois": refs}


SOME = (0, 1, 2 * TRAIN, 2 * TRAIN + 1)
"""Two training and two test items of the first brain."""


def _one_trial(items: Items) -> Items:
    """Pictures that were shown once."""
    return changed(items, "response", {row: items.read("response", row)[:1] for row in SOME})


def _constant(items: Items) -> Items:
    """A voxel outside of the brain: zero in all responses of the first brain."""
    values = {}
    for row in np.flatnonzero((items.table[BRAIN] == BRAINS[0]).to_numpy()):
        values[int(row)] = items.read("response", int(row)).copy()
        values[int(row)][:, 3] = 0
    return changed(items, "response", values)


def _missing(items: Items) -> Items:
    """A voxel that was not measured in one session."""
    values = {row: items.read("response", row).copy() for row in SOME}
    for one in values.values():
        one[0, 5] = np.nan
    return changed(items, "response", values)
