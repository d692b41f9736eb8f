"""Planted scans: a person's trait shows in connectivity, level, amplitude and smoothness of some ROIs.

The effect is many times that of any real trait, and shows in every way in which methods look at a series, so that
a method which finds nothing here reads nothing.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from ..contracts import Method, Task
from ..datasets.rules import MIN_FRAMES
from ..items import Items
from ..splits import KFold
from .planted import Ask, Planted, changed

ROIS, TR = 24, 2.0
FRAMES = 110
TRAIN, TEST = 60, 40
IMAGES = (30, 20)
"""Training and test scans where they are images, of 60 frames and 16 voxels a side."""

NETWORKS = ("Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default")
SEXES = ("female", "male")
AGES = ("young", "old")
SIDE, BLOCK, IMAGE_FRAMES = 16, 4, 60


def classification(ask: Ask) -> Planted:
    """Female or male, half of each."""
    rng = ask.rng(1)
    train, test = _counts(ask.method)
    trait = _balanced(train, test, rng)
    task = Task(
        name="planted-classification", title="planted scans", family="planted", version=1, kind=ask.kind,
        dataset="planted", target="sex", classes=SEXES, split=KFold(2), metrics=("auc",),
        covariates=("age", "site", "motion"), inputs=(_array(ask.method),),
    )  # fmt: skip
    items = _scans(trait, ask.method, rng, sex=[SEXES[int(one > 0)] for one in trait])
    male = [name for name, one in zip(_ids(train), trait, strict=False) if one > 0]
    few = tuple(name for name in _ids(train) if name not in male[2:])
    return _planted(task, items, train, ask.method, few)


def regression(ask: Ask) -> Planted:
    """Age in years."""
    rng = ask.rng(2)
    train, test = _counts(ask.method)
    trait = rng.uniform(-1, 1, train + test)
    task = Task(
        name="planted-regression", title="planted scans", family="planted", version=1, kind=ask.kind, dataset="planted",
        target="age", split=KFold(2), metrics=("pearson-r",), covariates=("sex", "site", "motion"),
        inputs=(_array(ask.method),),
    )  # fmt: skip
    items = _scans(trait, ask.method, rng, age=45 + 20 * trait)
    return _planted(task, items, train, ask.method, tuple(_ids(train)[:8]))


def questions(ask: Ask) -> Planted:
    """Sex and age group, asked in one prompt."""
    rng = ask.rng(3)
    train, test = _counts(ask.method)
    trait = _balanced(train, test, rng)
    told = [SEXES[int(one > 0)] for one in trait]
    ages = [AGES[int(one)] for one in rng.permutation(np.arange(train + test) % 2)]
    truth = [json.dumps({"sex": sex, "generation": age}) for sex, age in zip(told, ages, strict=True)]
    task = Task(
        name="planted-questions", title="planted scans", family="planted", version=1, kind=ask.kind, dataset="planted",
        target="fields", fields={"sex": SEXES, "generation": AGES}, paradigm="multi", split=KFold(2),
        metrics=("field-accuracy",), covariates=("site", "motion"), inputs=(_array(ask.method),),
    )  # fmt: skip
    items = _scans(trait, ask.method, rng, fields=truth)
    male = [name for name, one in zip(_ids(train), trait, strict=False) if one > 0]
    from ..kinds import get_kind

    asked, _ = get_kind(ask.kind).clean(items, task.info)
    return _planted(task, asked, train, ask.method, tuple(name for name in _ids(train) if name not in male[2:]))


def _planted(task: Task, items: Items, train: int, method: type[Method], few: tuple[str, ...]) -> Planted:
    names = tuple(map(str, items.table.index))
    name = _array(method)
    troubles = {"short scans": _short, "constant ROIs": _constant, "NaN": _missing}
    own = {label: lambda items, make=make: make(items, name, train) for label, make in troubles.items()}
    return Planted(task, items, names[:train], names[train:], own, few)


def _counts(method: type[Method]) -> tuple[int, int]:
    return IMAGES if _array(method) == "volume" else (TRAIN, TEST)


def _array(method: type[Method]) -> str:
    return "volume" if "volume" in method.reads else "series"


def _ids(count: int) -> list[str]:
    return [f"scan{k:03d}" for k in range(count)]


def _balanced(train: int, test: int, rng: np.random.Generator) -> np.ndarray:
    """-1 and 1, half of each in either part."""
    return np.concatenate([rng.permutation(np.where(np.arange(count) % 2, 1.0, -1.0)) for count in (train, test)])


def _scans(trait: np.ndarray, method: type[Method], rng: np.random.Generator, **columns: Any) -> Items:
    """Items of people with a trait (n,) in -1 .. 1.

    Covariates follow the trait only for a method whose card says that it reads them.
    """
    name = _array(method)
    length = IMAGE_FRAMES if name == "volume" else FRAMES
    frames = [length + (k % 11 if name == "series" else 0) for k in range(len(trait))]
    series = [series_of(one, count, rng) for one, count in zip(trait, frames, strict=True)]
    pull = trait if method.card.uses_covariates else rng.permutation(trait)
    table = pd.DataFrame(
        {
            "subject": _ids(len(trait)),
            "group": _ids(len(trait)),
            "family": _ids(len(trait)),
            "site": np.where(pull + 0.5 * rng.normal(size=len(trait)) > 0, "north", "south"),
            "motion": 0.15 * np.exp(0.4 * pull + 0.1 * rng.normal(size=len(trait))),
            "age": 40 + 8 * pull + rng.normal(size=len(trait)),
            "sex": np.where(pull + 0.5 * rng.normal(size=len(trait)) > 0, "male", "female"),
            "tr": TR,
            "frames": frames,
        },
        index=_ids(len(trait)),
    ).assign(**columns)
    labels = [f"{NETWORKS[k % len(NETWORKS)]}_{k}" for k in range(ROIS)]
    atlas = {"name": "planted", "labels": labels, "networks": [NETWORKS[k % len(NETWORKS)] for k in range(ROIS)]}
    arrays = {"series": series} if name == "series" else {"volume": [_image(one, rng) for one in series]}
    return Items(table, arrays, {"atlas": atlas})


def series_of(trait: float, frames: int, rng: np.random.Generator) -> np.ndarray:
    """(time, roi) float32 of a person with a trait in -1 .. 1."""
    noise = rng.normal(size=(frames, ROIS))
    smooth = np.full(ROIS, 0.4)
    smooth[14:18] += 0.35 * trait
    for t in range(1, frames):
        noise[t] = smooth * noise[t - 1] + np.sqrt(1 - smooth**2) * noise[t]
    first, own = rng.normal(size=(2, frames))
    share = 0.5 + 0.45 * trait
    noise[:, 0:4] += first[:, None]
    noise[:, 4:8] += (share * first + np.sqrt(1 - share**2) * own)[:, None]
    noise[:, 8:12] *= np.exp(0.4 * trait)
    noise[:, 12:14] += 1.5 * trait
    return (100 + 10 * noise).astype(np.float32)


def _image(series: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(time, x, y, z) float16: each ROI a cube of voxels, noise around, and a flat background."""
    frames = len(series)
    out = np.full((frames, SIDE, SIDE, SIDE), -3.0, np.float32)
    values = (series - 100) / 10
    cubes = SIDE // BLOCK
    for roi in range(ROIS):
        x, y, z = np.array(np.unravel_index(roi, (cubes, cubes, cubes))) * BLOCK
        cube = values[:, roi, None, None, None] + rng.normal(scale=0.3, size=(frames, BLOCK, BLOCK, BLOCK))
        out[:, x : x + BLOCK, y : y + BLOCK, z : z + BLOCK] = cube
    return out.astype(np.float16)


def _victims(train: int) -> tuple[int, int, int, int]:
    """Two training and two test scans."""
    return 0, 1, train, train + 1


def _short(items: Items, name: str, train: int) -> Items:
    """Some scans as short as the shortest that an import keeps by default."""
    least = min(MIN_FRAMES, FRAMES)
    rows = _victims(train)
    cut = changed(items, name, {row: items.read(name, row)[:least] for row in rows})
    table = cut.table.copy()
    table.loc[table.index[list(rows)], "frames"] = least
    return Items(table, cut.arrays, cut.meta)


def _constant(items: Items, name: str, train: int) -> Items:
    """ROIs that never vary: zero in one scan, another value in the next, as an import leaves them."""
    return changed(
        items,
        name,
        {row: _flat(items.read(name, row), place, 0.0 if place % 2 else 7.0)
         for place, row in enumerate(_victims(train))},
    )  # fmt: skip


def _flat(values: np.ndarray, roi: int, level: float) -> np.ndarray:
    out = values.copy()
    if out.ndim == 2:
        out[:, roi] = level
    else:
        out[:, :BLOCK, :BLOCK, roi * BLOCK : (roi + 1) * BLOCK] = level
    return out


def _missing(items: Items, name: str, train: int) -> Items:
    """A few frames of one ROI that are not numbers."""
    return changed(
        items, name, {row: _holes(items.read(name, row), place) for place, row in enumerate(_victims(train))}
    )


def _holes(values: np.ndarray, roi: int) -> np.ndarray:
    out = values.copy()
    if out.ndim == 2:
        out[10:14, roi] = np.nan
    else:
        out[10:14, 0, 0, roi * BLOCK] = np.nan
    return out
