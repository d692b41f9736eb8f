"""Small brains of differing native size whose voxels answer to planted features."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from brainbench.benchmark.items import ArrayRef, Items
from brainbench.benchmark.kinds.seen import Responses

SHAPES = {"subj01": (8, 10, 8), "subj02": (7, 9, 8)}
DIM = 12


def ball(shape):
    """Flat positions of an ellipsoid that fills most of a grid."""
    axes = np.meshgrid(*[(np.arange(n) + 0.5) / n for n in shape], indexing="ij")
    return np.flatnonzero(sum((axis - 0.5) ** 2 for axis in axes).reshape(-1) < 0.16)


def meta_of(folder, shapes=SHAPES):
    spaces = {}
    for brain, shape in shapes.items():
        index = ball(shape)
        refs = {}
        for name, values in (("index", index), ("nsdgeneral", np.ones(len(index), bool))):
            file = folder / f"{brain}-{name}.bin"
            file.write_bytes(values.tobytes())
            refs[name] = list(ArrayRef(str(file), 0, values.shape, values.dtype.str))
        spaces[brain] = {
            "shape": list(shape),
            "mm": 1.8,
            "index": refs["index"],
            "rois": {"nsdgeneral": refs["nsdgeneral"]},
        }
    return {"spaces": spaces}


def places(shape):
    """(voxels, 3) relative places of a ball's voxels."""
    at = np.stack(np.unravel_index(ball(shape), shape), axis=1)
    return (at + 0.5) / np.array(shape)


def toy(folder, images=60, repeats=3, noise=0.5, shapes=SHAPES, seed=0, concepts=None):
    """(responses, features (n, DIM), latents (n, 5), groups): each brain sees every image.

    Voxels are tuned to the features by where they lie, the same in all brains; with ``concepts`` rows ask for them.
    """
    rng = np.random.default_rng(seed)
    waves = np.random.default_rng(1).normal(size=(3, DIM)) * 4
    phases = np.random.default_rng(2).uniform(0, 6.28, DIM)
    features = rng.normal(size=(images, DIM)).astype(np.float32)
    latents = (features @ np.random.default_rng(3).normal(size=(DIM, 5))).astype(np.float32)
    table, arrays = [], []
    for brain, shape in shapes.items():
        tuning = np.sin(places(shape) @ waves + phases)
        for image in range(images):
            signal = tuning @ features[image] * 3 + 10
            arrays.append((signal + noise * 3 * rng.normal(size=(repeats, len(signal)))).astype(np.float32))
            table.append({"id": f"{brain}/{image}", "subject": str(image), "subject_space": brain, "group": image})
    frame = pd.DataFrame(table).set_index("id")
    if concepts is not None:
        frame["concept"] = [concepts[k % len(concepts)] for k in range(len(frame))]
    groups = frame["group"].to_numpy()
    made = Items(frame, {"response": arrays}, json.loads(json.dumps(meta_of(folder, shapes))))
    return Responses(made), features[groups], latents[groups], groups
