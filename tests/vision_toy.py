"""Two brains that look at coloured squares: responses are linear in the picture, and some voxels carry a colour."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainbench.benchmark.contracts import Context, TaskInfo, Train
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.seen import Responses, Stimulus, stimuli

COLOURS = {"red": (220, 30, 30), "green": (30, 190, 60), "blue": (40, 60, 220), "yellow": (230, 220, 40)}
PLACES = {"top left": (0, 0), "top right": (0, 16), "bottom left": (16, 0), "bottom right": (16, 16)}
SHAPE = (6, 7, 8)
LAYOUT, OWN = 60, 8
"""Voxels that see the picture (half early, half ventral), and ventral voxels of each colour."""
VOXELS = LAYOUT + OWN * len(COLOURS)
QUESTIONS = ("what colour is the square?", "where is the square?")


@dataclass(frozen=True)
class Toy:
    """A training set, a test view, and what only a test may know: the truth, and which combination each row shows."""

    train: Train
    test: Responses
    items: Items
    truth: list[Stimulus]
    context: Context
    shown: list[tuple[str, str]]


def make_toy(
    folder: Path, kind: str, *, train: int = 64, test: int = 16, noise: float = 0.3, seed: int = 0, rois: bool = True
) -> Toy:
    """Each brain sees its own training images and the test images, three times each."""
    rng = np.random.default_rng(seed)
    brains = ("subj01", "subj02")
    meta = {"spaces": {brain: _space(folder, brain, rng, rois) for brain in brains}}
    weights = {brain: rng.normal(size=(LAYOUT, 48)) / 2 for brain in brains}
    shared = [(f"test{k}", *_scene(rng)) for k in range(test)]
    parts = {}
    for name, count in (("train", train), ("test", test)):
        rows, arrays = [], {"response": [], "image": [], "area": [], "relevance": []}
        for brain in brains:
            own = [(f"{brain}-{k}", *_scene(rng)) for k in range(count)] if name == "train" else shared
            for image, colour, place, picture in own:
                trials = _respond(weights[brain], colour, picture, noise, rng)
                for asked in _asked(kind, colour):
                    rows.append({"subject": image, "subject_space": brain, **asked, **_told(colour, place)})
                    arrays["response"].append(trials)
                    arrays["image"].append(picture)
                    arrays["area"].append(_box(place))
                    arrays["relevance"].append(relevance(colour))
        parts[name] = (pd.DataFrame(rows, index=[str(k) for k in range(len(rows))]), arrays)
    items = {name: Items(table, arrays, meta) for name, (table, arrays) in parts.items()}
    groups = pd.factorize(items["train"].table["subject"])[0]
    known = Train(Responses(items["train"]), stimuli(items["train"]), groups)
    truth = stimuli(items["test"])
    shown = [(next(iter(one.boxes)), one.dialogue[1][1]) for one in truth]
    return Toy(known, Responses(items["test"]), items["test"], truth, toy_context(folder, kind), shown)


def toy_context(folder: Path, kind: str, seed: int = 0) -> Context:
    """A context of a task of some kind."""
    return Context(TaskInfo("toy", kind, "image"), seed, folder)


def relevance(colour: str) -> np.ndarray:
    """(voxels,) 1 where a voxel carries a colour."""
    out = np.zeros(VOXELS, np.float32)
    start = LAYOUT + OWN * list(COLOURS).index(colour)
    out[start : start + OWN] = 1
    return out


def changed(toy: Toy, row: int) -> Responses:
    """The test view with another response in one row."""
    values: list[Any] = list(toy.items.arrays["response"])
    values[row] = np.ascontiguousarray(values[row][:, ::-1]) * 7 + 100
    return Responses(replace(toy.items, arrays={**toy.items.arrays, "response": values}))


def _scene(rng: np.random.Generator) -> tuple[str, str, np.ndarray]:
    colour, place = rng.choice(list(COLOURS)), rng.choice(list(PLACES))
    picture = rng.integers(90, 110, (32, 32, 3)).astype(np.uint8)
    top, left = PLACES[place]
    picture[top : top + 16, left : left + 16] = COLOURS[colour]
    return str(colour), str(place), picture


def _respond(weights: np.ndarray, colour: str, picture: np.ndarray, noise: float, rng: Any) -> np.ndarray:
    coarse = picture.reshape(4, 8, 4, 8, 3).mean(axis=(1, 3)).ravel() / 64
    clean = np.concatenate([weights @ coarse, 2 * relevance(colour)[LAYOUT:]])
    return (500 + 40 * (clean + noise * rng.normal(size=(3, VOXELS)))).astype(np.float32)


def _asked(kind: str, colour: str) -> list[dict[str, str]]:
    if kind == "reasoning":
        return [{"question": question} for question in QUESTIONS]
    return [{"concept": colour}] if kind in ("grounding", "localisation") else [{}]


def _told(colour: str, place: str) -> dict[str, Any]:
    said = [f"a {colour} square at the {place}", f"the {place} holds a {colour} square", f"one {colour} thing"]
    return {
        "captions": said,
        "description": f"On a grey ground there is a {colour} square. It is at the {place}.",
        "boxes": json.dumps({colour: _box(place).tolist()}),
        "dialogue": json.dumps(list(zip(QUESTIONS, (colour, place), strict=True))),
        "references": said,
    }


def _box(place: str) -> np.ndarray:
    top, left = np.array(PLACES[place]) / 32
    return np.array([[left, top, left + 0.5, top + 0.5]])


def _space(folder: Path, brain: str, rng: np.random.Generator, rois: bool) -> dict[str, Any]:
    index = np.sort(rng.choice(int(np.prod(SHAPE)), VOXELS, replace=False)).astype(np.int64)
    early = np.arange(VOXELS) < LAYOUT // 2
    masks = {"nsdgeneral": np.ones(VOXELS, bool)} | ({"early": early, "ventral": ~early} if rois else {})
    file = folder / f"{brain}.space"
    file.write_bytes(index.tobytes() + b"".join(mask.tobytes() for mask in masks.values()))
    refs = {name: [str(file), 8 * VOXELS + number * VOXELS, [VOXELS], "|b1"] for number, name in enumerate(masks)}
    return {"shape": list(SHAPE), "mm": 1.8, "index": [str(file), 0, [VOXELS], "<i8"], "rois": refs}
