"""Planted films: the responses of two people follow the features of a film two TRs later."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..contracts import Task
from ..items import Items
from ..splits import Given
from .planted import Ask, Planted, changed

STREAMS = {"vjepa2/norm": (8,), "whisper/fc2": (2, 6), "llama/layer": (6,)}
PEOPLE = ("sub-01", "sub-02")
TRAIN, TEST, FRAMES, PARCELS, LAG, SHORT = 10, 8, 90, 12, 2, 20
NETWORKS = ("Vis", "Default", "SomMot")
NOISE = 0.7


def encoding(ask: Ask) -> Planted:
    """Runs of one length, each of a stimulus of its own."""
    rng = ask.rng(6)
    columns = sum(int(np.prod(shape)) for shape in STREAMS.values())
    maps = {name: rng.normal(size=(columns, PARCELS)) / np.sqrt(columns) for name in PEOPLE}
    arrays: dict[str, list[Any]] = {f"features/{name}": [] for name in STREAMS} | {
        f"responses/{name}": [] for name in PEOPLE
    }
    count = TRAIN + TEST
    for _ in range(count):
        film = {name: _smooth(rng, shape) for name, shape in STREAMS.items()}
        design = np.concatenate([values.reshape(FRAMES, -1) for values in film.values()], axis=1)
        late = np.concatenate([np.zeros((LAG, columns)), design])[:FRAMES]
        for name, values in film.items():
            arrays[f"features/{name}"].append(values.astype(np.float16))
        for name in PEOPLE:
            told = late @ maps[name] + NOISE * rng.normal(size=(FRAMES, PARCELS))
            arrays[f"responses/{name}"].append(told.astype(np.float32))
    names = [f"run{k:02d}" for k in range(count)]
    table = pd.DataFrame(
        {
            "subject": names, "group": names, "series": "planted", "movie": [f"film{k // 2}" for k in range(count)],
            "stimulus": names, "showing": 1, "set": ["train"] * TRAIN + ["test"] * TEST,
            **{f"frames:{name}": FRAMES for name in PEOPLE},
        },
        index=names,
    )  # fmt: skip
    task = Task(
        name="planted-encoding", title="planted films", family="planted", version=1, kind=ask.kind, dataset="planted",
        target="responses", split=Given(), metrics=("encoding-r",),
    )  # fmt: skip
    meta = {
        "tr": 1.49,
        "parcels": [f"p{k}" for k in range(PARCELS)],
        "networks": [NETWORKS[k % len(NETWORKS)] for k in range(PARCELS)],
    }
    troubles = {
        "short runs": _short, "a silent film": _silent, "a run that one person lacks": _lacking,
        "constant features": _constant, "NaN": _missing,
    }  # fmt: skip
    return Planted(task, Items(table, arrays, meta), tuple(names[:TRAIN]), tuple(names[TRAIN:]), troubles,
                   tuple(names[:2]), ("NaN",))  # fmt: skip


def _smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """(time, *shape) values of unit variance, each like the one before."""
    out = rng.normal(size=(FRAMES, *shape))
    for t in range(1, FRAMES):
        out[t] = 0.6 * out[t - 1] + 0.8 * out[t]
    return out


SOME = (0, 1, TRAIN, TRAIN + 1)
"""Two training and two test runs."""


def _short(items: Items) -> Items:
    """Trailers of half a minute."""
    table = items.table.copy()
    cut = items
    for name in items.arrays:
        cut = changed(cut, name, {row: items.read(name, row)[:SHORT] for row in SOME})
    for person in PEOPLE:
        table.loc[table.index[list(SOME)], f"frames:{person}"] = SHORT
    return Items(table, cut.arrays, cut.meta)


def _silent(items: Items) -> Items:
    """Films in which nobody speaks: a stream is missing."""
    return changed(items, "features/llama/layer", dict.fromkeys(SOME))


def _lacking(items: Items) -> Items:
    """One person did not see the first run."""
    table = items.table.copy()
    table.loc[table.index[0], "frames:sub-02"] = 0
    cut = changed(items, "responses/sub-02", {0: None})
    return Items(table, cut.arrays, cut.meta)


def _constant(items: Items) -> Items:
    """A feature that never varies in any film."""
    return _with_column(items, range(len(items)), 1.0)


def _missing(items: Items) -> Items:
    """A few values that are not numbers."""
    return _with_column(items, SOME, np.nan)


def _with_column(items: Items, rows: Any, value: float) -> Items:
    name, values = "features/vjepa2/norm", {}
    for row in rows:
        values[row] = items.read(name, row).copy()
        values[row][slice(None) if np.isfinite(value) else slice(10, 13), 2] = value
    return changed(items, name, values)
