"""Localisation: which voxels carry a concept that was seen, judged by what their deletion takes away.

The judge is the evaluator's own: a ridge regression, fitted on the training items of each brain, reads each
concept from the response. After Ma et al. (Neuro-Vision to Language, 2024, section 4.5), who show the
nullification of voxels by pictures; the number is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..contracts import TaskInfo
from ..errors import BadPrediction
from ..items import Items
from .arrays import load_arrays, save_arrays
from .seen import BRAIN, SEEN, Responses, Seeing, stimuli


@dataclass(frozen=True)
class Probe:
    """What a map of one item is judged with. Voxels are z-scored by the training items.

    Attributes
    ----------
    response
        (voxels,) float32.
    reader
        (voxels,) weights that read the concept: evidence is their product, in standard deviations over
        the training items.
    kept
        (k, voxels) weights of the other concepts of the image, which deletion should leave.
    relevance
        (voxels,) true weight of the concept in each voxel; None where it is not known.
    """

    response: np.ndarray
    reader: np.ndarray
    kept: np.ndarray
    relevance: np.ndarray | None


class Localisation(Seeing):
    """Input `Responses` with a concept; target a `Stimulus`, truth a `Probe`; prediction (voxels,) an item."""

    name = "localisation"
    inputs = ("response", "concept", BRAIN)
    headline = ("deletion",)

    def target_fields(self, task: TaskInfo) -> tuple[str, ...]:
        return (*SEEN, "relevance")

    def truth(self, items: Items, train: Items, task: TaskInfo) -> list[Probe]:
        asked, learned = Responses(items), Responses(train)
        seen, known = stimuli(items), stimuli(train)
        known_maps = items.arrays.get("relevance", [None] * len(items))
        found: dict[int, Probe] = {}
        for brain in dict.fromkeys(asked.brains):
            rows, past = asked.rows(brain), one_an_image(train, learned.rows(brain))
            wanted = sorted({name for row in rows for name in (*seen[row].boxes, asked.concepts[row])})
            presence = np.array([[name in known[row].boxes for name in wanted] for row in past], float)
            judge = Judge.fitted(learned.matrix(past), presence)
            reader = dict(zip(wanted, judge.weights, strict=True))
            for row in rows:
                concept = asked.concepts[row]
                others = [reader[name] for name in seen[row].boxes if name != concept]
                values = judge.scaled(asked[int(row)])
                relevance = None if known_maps[row] is None else items.read("relevance", int(row))
                kept = np.stack(others) if others else np.zeros((0, len(values)), np.float32)
                found[int(row)] = Probe(values, reader[concept], kept, relevance)
        return [found[row] for row in range(len(items))]

    def check(self, prediction: Any, items: Items, task: TaskInfo) -> list[np.ndarray]:
        maps = [np.asarray(one, dtype=np.float32) for one in prediction]
        if len(maps) != len(items):
            raise BadPrediction(f"predict returned {len(maps)} maps for {len(items)} items")
        for row, one in enumerate(maps):
            voxels = items.read("response", row).shape[-1]
            if one.shape != (voxels,) or not np.isfinite(one).all():
                raise BadPrediction(f"item {row}: expected finite values for each of the {voxels} voxels")
        return maps

    def save(self, prediction: list[np.ndarray], folder: Path, task: TaskInfo) -> None:
        save_arrays(folder / "maps.npz", prediction)

    def load(self, folder: Path, task: TaskInfo) -> list[np.ndarray]:
        return load_arrays(folder / "maps.npz")


def one_an_image(items: Items, rows: np.ndarray) -> np.ndarray:
    """The first of the rows of each image, so that an image with many concepts does not count more than others."""
    images = items.table["subject"].to_numpy()[rows]
    return rows[np.sort(np.unique(images.astype(str), return_index=True)[1])]


@dataclass(frozen=True)
class Judge:
    """Linear readers of concepts from one brain.

    Attributes
    ----------
    mean, sd
        (voxels,) of the training responses.
    weights
        (concepts, voxels) float32 ridge weights, scaled so that evidence has a standard deviation of 1 there.
    """

    mean: np.ndarray
    sd: np.ndarray
    weights: np.ndarray

    @classmethod
    def fitted(cls, responses: np.ndarray, presence: np.ndarray) -> Judge:
        """Ridge in its dual form, penalty one unit a voxel, of responses (n, voxels) on presence (n, concepts)."""
        mean, sd = responses.mean(axis=0), responses.std(axis=0)
        scaled = (responses - mean) / np.where(sd > 0, sd, 1)
        gram = scaled @ scaled.T + scaled.shape[1] * np.eye(len(scaled), dtype=scaled.dtype)
        weights = np.linalg.solve(gram, presence - presence.mean(axis=0)).T @ scaled
        spread = (weights @ scaled.T).std(axis=1, keepdims=True)
        return cls(mean, sd, (weights / np.where(spread > 0, spread, 1)).astype(np.float32))

    def scaled(self, response: np.ndarray) -> np.ndarray:
        """A response (voxels,) z-scored by the training items; 0 where a voxel never varies."""
        values: np.ndarray = (response - self.mean) / np.where(self.sd > 0, self.sd, 1)
        return np.where(self.sd > 0, values, 0).astype(np.float32)
