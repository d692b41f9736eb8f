"""Data in memory at the sizes of the papers, of noise, for benchmarks that train a method for a few steps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainbench.benchmark.contracts import TaskInfo, Train
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.connectivity import Networks, Truths
from brainbench.benchmark.kinds.encoding import Measured, Runs
from brainbench.benchmark.kinds.scans import Scans
from brainbench.benchmark.kinds.seen import Responses, stimuli

ROIS, FRAMES, SCANS = 450, 200, 128
GRID, VOLUMES, VOLUME_FRAMES = 96, 16, 40
NSD_GRID, VOXELS, IMAGES, SIDE = (81, 104, 83), 15_724, 256, 64
PARCELS, TRS, RUNS = 1000, 320, 12
SUBJECTS = ("sub-01", "sub-02", "sub-03", "sub-05")
STREAMS = {
    "internvl3/layer": 5120, "llama/layer": 3072, "qwen-omni/layer": 2048, "vjepa2/norm": 1408, "whisper/fc2": 1280,
}  # fmt: skip
"""Widths of the five streams of MedARC's published model."""

NODES, RECORDING, PEOPLE = 9, 200, 16


def scans(folder: Path) -> Train:
    """128 scans of 450 ROIs and 200 frames, two classes."""
    rng = np.random.default_rng(0)
    made = [rng.normal(size=(FRAMES, ROIS)).astype(np.float32) for _ in range(16)]
    return _labelled({"series": [made[k % 16] for k in range(SCANS)]}, FRAMES)


def volumes(folder: Path) -> Train:
    """16 scans of 96 x 96 x 96 voxels and 40 frames (one array for all), two classes."""
    one = np.random.default_rng(0).normal(size=(VOLUME_FRAMES, GRID, GRID, GRID)).astype(np.float16)
    return _labelled({"volume": [one] * VOLUMES}, VOLUME_FRAMES)


def _labelled(arrays: dict[str, list[np.ndarray]], frames: int) -> Train:
    count = len(next(iter(arrays.values())))
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "tr": 2.0, "frames": frames, "age": rng.uniform(8, 40, count), "sex": ["male", "female"] * (count // 2),
            "site": "A", "motion": 0.1,
        },
        index=[str(k) for k in range(count)],
    )  # fmt: skip
    atlas = {
        "name": "bench",
        "labels": [f"roi{k}" for k in range(ROIS)],
        "networks": [f"n{k % 7}" for k in range(ROIS)],
    }
    return Train(Scans(Items(table, arrays, {"atlas": atlas}), ()), np.arange(count) % 2, np.arange(count))


def seen(folder: Path) -> Train:
    """256 images, seen three times by one brain of 15,724 voxels."""
    rng = np.random.default_rng(0)
    index = np.sort(rng.choice(int(np.prod(NSD_GRID)), VOXELS, replace=False)).astype(np.int64)
    file = folder / "brain.space"
    file.write_bytes(index.tobytes() + np.ones(VOXELS, bool).tobytes())
    rois = {"nsdgeneral": [str(file), 8 * VOXELS, [VOXELS], "|b1"]}
    space = {"shape": list(NSD_GRID), "mm": 1.8, "index": [str(file), 0, [VOXELS], "<i8"], "rois": rois}
    told = {
        "subject_space": "subj01", "description": "A square on a grey ground.",
        "boxes": json.dumps({"square": [[0.0, 0.0, 0.5, 0.5]]}), "dialogue": json.dumps([["what?", "a square"]]),
    }  # fmt: skip
    said = ["a square at the top", "the top holds a square", "one square thing"]
    table = pd.DataFrame([told | {"subject": f"image{k}", "captions": said, "references": said} for k in range(IMAGES)])
    table.index = table.index.astype(str)
    arrays = {
        "response": [rng.normal(size=(3, VOXELS)).astype(np.float32) for _ in range(IMAGES)],
        "image": [rng.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8) for _ in range(IMAGES)],
        "area": [np.array([[0, 0, 0.5, 0.5]])] * IMAGES,
    }
    items = Items(table, arrays, {"spaces": {"subj01": space}})
    return Train(Responses(items), stimuli(items), np.arange(IMAGES))


def films(folder: Path) -> Train:
    """Twelve runs of 320 TRs with five streams of features, and four people's responses in 1,000 parcels."""
    rng = np.random.default_rng(0)
    streams = {name: rng.normal(size=(TRS, width)).astype(np.float16) for name, width in STREAMS.items()}
    responses = {name: rng.normal(size=(TRS, PARCELS)).astype(np.float32) for name in SUBJECTS}
    rows = [
        {"id": f"e{k}", "series": "friends", "movie": f"s{k // 4 + 1}", "stimulus": f"e{k}", "showing": 1,
         "subject": f"e{k}", "group": f"e{k}", **{f"frames:{name}": TRS for name in SUBJECTS}}
        for k in range(RUNS)
    ]  # fmt: skip
    arrays = {f"features/{name}": [values] * RUNS for name, values in streams.items()}
    arrays |= {f"responses/{name}": [values] * RUNS for name, values in responses.items()}
    items = Items(pd.DataFrame(rows).set_index("id"), arrays, {"tr": 1.49, "parcels": [str(k) for k in range(PARCELS)]})
    visible = items.select(("features/", "frames:", "series", "movie", "stimulus", "showing"))
    return Train(Runs(visible), Measured(items, "responses"), np.arange(RUNS))


def recordings(folder: Path) -> Train:
    """One network of 9 nodes, 16 recordings of 200 frames: what a method is asked to predict."""
    series = np.random.default_rng(0).normal(size=(PEOPLE * RECORDING, NODES))
    table = pd.DataFrame({"tr": [2.0], "frames": [[RECORDING] * PEOPLE]}, index=["network"])
    return Train(Networks(Items(table, {"series": [series]})), Truths([]), np.arange(1))


DATA: dict[str, tuple[Callable[[Path], Train], TaskInfo]] = {
    "scans": (scans, TaskInfo("bench", "classification", "diagnosis", ("control", "autism"), inputs=("series",))),
    "volumes": (volumes, TaskInfo("bench", "classification", "diagnosis", ("control", "autism"), inputs=("volume",))),
    "seen": (seen, TaskInfo("bench", "captioning", "references")),
    "films": (films, TaskInfo("bench", "encoding", "responses")),
    "recordings": (recordings, TaskInfo("bench", "connectivity", "graph")),
}
"""Name -> how the data are made (with a folder for files), and the task that they stand for."""


def trained(method: Any, data: str, folder: Path, context: Any) -> None:
    """Fit a method; one that learns from what it predicts (a network's recordings) predicts instead."""
    train = DATA[data][0](folder)
    if data == "recordings":
        method.predict(train.inputs, context)
    else:
        method.fit(train, context)
