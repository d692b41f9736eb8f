"""Normalising responses, with what training trials tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ...benchmark.errors import BadData
from ...benchmark.kinds.seen import Responses

LEAST = 1e-6
"""Smallest spread that is divided by: a voxel that never changes stays 0."""


@dataclass(frozen=True)
class Scaling:
    """z-scores of responses: by voxel over training trials, or by volume.

    Attributes
    ----------
    zscore
        ``voxel`` or ``volume``.
    mean, spread
        Brain -> (voxels,) of the training trials; empty with ``volume``.
    """

    zscore: str
    mean: Mapping[str, np.ndarray] = field(default_factory=dict)
    spread: Mapping[str, np.ndarray] = field(default_factory=dict)

    def of(self, brain: str, responses: np.ndarray) -> np.ndarray:
        """Responses (n, voxels) of one brain, normalised, float32.

        Raises `BadData` for a brain without training trials, or with other voxels than those.
        """
        if self.zscore == "volume":
            mean, spread = responses.mean(axis=-1, keepdims=True), responses.std(axis=-1, keepdims=True)
            by_volume: np.ndarray = ((responses - mean) / np.maximum(spread, LEAST)).astype(np.float32)
            return by_volume
        if brain not in self.mean:
            raise BadData(
                f"no training trial of {brain!r} tells how its voxels vary",
                "train on this brain too, or use  --set zscore=volume",
            )
        mean, spread = self.mean[brain], self.spread[brain]
        if responses.shape[-1:] != mean.shape:
            raise BadData(f"{brain!r} has {responses.shape[-1]} voxels, in training it had {len(mean)}")
        scaled: np.ndarray = ((responses - mean) * _inverse(spread)).astype(np.float32)
        return scaled


def _inverse(spread: np.ndarray) -> np.ndarray:
    made: np.ndarray = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > LEAST)
    return made


def fitted(zscore: str, responses: Responses, rows: np.ndarray) -> Scaling:
    """The scaling of these training rows, each read once; all their repeats count."""
    if zscore == "volume":
        return Scaling(zscore)
    mean: dict[str, np.ndarray] = {}
    spread: dict[str, np.ndarray] = {}
    brains = np.array(responses.brains, dtype=object)[rows]
    for brain in dict.fromkeys(brains):
        mean[brain], spread[brain] = _moments(responses, rows[brains == brain])
    return Scaling(zscore, mean, spread)


def _moments(responses: Responses, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (voxels,) over all trials of these rows, merged row by row."""
    count, mean, squares = 0, np.zeros(0), np.zeros(0)
    for row in rows:
        trials = responses.trials(int(row)).astype(np.float64)
        own, added = trials.mean(axis=0), len(trials)
        inner = ((trials - own) ** 2).sum(axis=0)
        if not count:
            count, mean, squares = added, own, inner
            continue
        step = own - mean
        squares = squares + inner + step**2 * (count * added / (count + added))
        mean = mean + step * (added / (count + added))
        count += added
    return mean.astype(np.float32), np.sqrt(squares / max(count, 1)).astype(np.float32)
