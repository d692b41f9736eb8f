"""A few short films in memory whose responses follow their features by a known lag."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from brainbench.benchmark.contracts import Train
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.encoding import Measured, Runs

SUBJECTS = ("sub-01", "sub-02", "sub-03")
PARCELS = 12
LAG = 4
STREAMS = {"vjepa2/norm": (6,), "whisper/layers": (2, 3), "llama/layer": (5,)}
SILENT = "wolf"


def toy_items(
    movies: Sequence[str] = ("s1", "s2", "s3", "figures"), stimuli: int = 3, time: int = 130, lag: int = LAG,
    noise: float = 1.0, seed: int = 0, lacking: tuple[str, str] | None = None,
) -> Items:  # fmt: skip
    """Films with features that are correlated in time, and ``noise`` standard deviations of noise in the responses.

    A subject's map is half its own. ``lacking`` names a subject and a stimulus without its response. "figures" is
    shown twice, and nobody speaks in "wolf".
    """
    maps = np.random.default_rng(99)
    columns = sum(int(np.prod(shape)) for shape in STREAMS.values())
    shared = maps.normal(size=(columns, PARCELS))
    weights = {name: (shared + maps.normal(size=shared.shape)) / np.sqrt(2 * columns) for name in SUBJECTS}
    rng = np.random.default_rng(seed)
    rows, arrays = [], {f"features/{name}": [] for name in STREAMS} | {f"responses/{name}": [] for name in SUBJECTS}
    for movie in movies:
        for part in range(stimuli):
            stimulus = f"{movie}{part:02d}"
            length = time + 7 * part
            values = {name: smooth(rng, length, shape) for name, shape in STREAMS.items()}
            if movie == SILENT:
                values["llama/layer"] = None
            for showing in (1, 2) if movie == "figures" else (1,):
                item = f"{stimulus}_run-{showing}" if movie == "figures" else stimulus
                row = {"id": item, "series": "toy", "movie": movie, "stimulus": stimulus, "showing": showing,
                       "subject": item, "group": stimulus}  # fmt: skip
                for name, told in values.items():
                    arrays[f"features/{name}"].append(None if told is None else told.astype(np.float16))
                design = np.concatenate(
                    [
                        np.zeros((length, int(np.prod(STREAMS[name])))) if told is None else told.reshape(length, -1)
                        for name, told in values.items()
                    ],
                    axis=1,
                )
                late = np.concatenate([np.zeros((lag, columns)), design, np.repeat(design[-1:], 2, 0)])[: length + 2]
                for number, name in enumerate(SUBJECTS):
                    frames = length + 1 + number % 2
                    if lacking == (name, stimulus):
                        arrays[f"responses/{name}"].append(None)
                        row[f"frames:{name}"] = 0
                        continue
                    told = late[:frames] @ weights[name] + noise * rng.normal(size=(frames, PARCELS))
                    arrays[f"responses/{name}"].append(told.astype(np.float32))
                    row[f"frames:{name}"] = frames
                rows.append(row)
    table = pd.DataFrame(rows).set_index("id")
    meta = {"tr": 1.49, "parcels": [f"p{k}" for k in range(PARCELS)], "networks": ["Vis", "Default"] * (PARCELS // 2)}
    return Items(table, arrays, meta)


def smooth(rng: np.random.Generator, time: int, shape: tuple[int, ...]) -> np.ndarray:
    """(time, *shape) values with unit variance, each like the one before."""
    out = rng.normal(size=(time, *shape))
    for t in range(1, time):
        out[t] = 0.8 * out[t - 1] + 0.6 * out[t]
    return out


def one_subject_each(items: Items) -> Items:
    """An item for each run and subject, with the others' responses as streams, as under ``@cross-subject``."""
    rows, arrays = [], {f"features/responses/{name}": [] for name in SUBJECTS}
    truth = {f"responses/{name}": [] for name in SUBJECTS}
    for number, (item, record) in enumerate(items.table.iterrows()):
        for subject in SUBJECTS:
            if record[f"frames:{subject}"] == 0:
                continue
            row = {**record, "id": f"{item} {subject}"}
            for other in SUBJECTS:
                response = items.arrays[f"responses/{other}"][number]
                arrays[f"features/responses/{other}"].append(None if other == subject else response)
                truth[f"responses/{other}"].append(response if other == subject else None)
                if other != subject:
                    row[f"frames:{other}"] = 0
            rows.append(row)
    return Items(pd.DataFrame(rows).set_index("id"), {**arrays, **truth}, items.meta)


def train_of(items: Items) -> Train:
    """All items to learn from."""
    visible = items.select(("features/", "frames:", "series", "movie", "stimulus", "showing"))
    groups = pd.factorize(items.table["group"])[0]
    return Train(Runs(visible), Measured(items, "responses"), groups)


def mean_r(items: Items, prediction: list[dict[str, np.ndarray]]) -> float:
    """Mean over subjects and parcels of Pearson r, all runs as one series."""
    found = []
    for subject in SUBJECTS:
        truth = items.arrays[f"responses/{subject}"]
        held = [k for k, values in enumerate(truth) if values is not None]
        a = np.concatenate([truth[k] for k in held])
        b = np.concatenate([prediction[k][subject] for k in held])
        found += [np.corrcoef(a[:, p], b[:, p])[0, 1] if b[:, p].std() > 0 else 0.0 for p in range(PARCELS)]
    return float(np.mean(found))
