"""The brain side of vision baselines: one row an image, brain by brain, standardised on training rows alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..benchmark.contracts import Train
from ..benchmark.errors import BadData


@dataclass(frozen=True)
class Standard:
    """Means and standard deviations of a brain's voxels over its training rows.

    Attributes
    ----------
    mean, scale
        (voxels,) float32; the scale of a voxel that never varies is 1.
    """

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, matrix: np.ndarray) -> Standard:
        """Statistics (ddof 1) of a matrix (rows, voxels)."""
        mean = matrix.mean(axis=0, dtype=np.float64)
        scale = matrix.std(axis=0, dtype=np.float64, ddof=1) if len(matrix) > 1 else np.ones(matrix.shape[1])
        scale[scale <= 1e-6 * np.maximum(np.abs(mean), 1e-6)] = 1.0  # rounding alone
        return cls(mean.astype(np.float32), scale.astype(np.float32))

    def __call__(self, matrix: np.ndarray) -> np.ndarray:
        """Z-scores, float32 of the same shape."""
        z: np.ndarray = (np.asarray(matrix, np.float32) - self.mean) / self.scale
        return z


@dataclass(frozen=True)
class Lesson:
    """What one brain's model learns from.

    Attributes
    ----------
    brain
        Whose it is, such as "subj01".
    responses
        (n, voxels) float32 z-scores: the mean of an image's repeats, or one row a trial.
    images
        (n,) position of each row's image in the library.
    standard
        What made the z-scores.
    """

    brain: str
    responses: np.ndarray
    images: np.ndarray
    standard: Standard


def lessons(train: Train, trials: bool = False) -> Iterator[Lesson]:
    """The training data of one brain after the other, each image once (or once a trial).

    An image that is asked about in several rows counts once. Only the brain at hand is in memory.
    """
    images = image_numbers(train.groups)[0]
    view = train.inputs
    for brain in sorted(set(view.brains)):
        rows = np.asarray(view.rows(brain))
        rows = rows[np.unique(images[rows], return_index=True)[1]]
        if trials:
            parts = [np.asarray(view.trials(int(row)), np.float32) for row in rows]
            matrix, found = np.concatenate(parts), np.repeat(images[rows], [len(part) for part in parts])
        else:
            matrix, found = view.matrix(rows), images[rows]
        standard = Standard.of(matrix)
        matrix -= standard.mean  # in place: a brain's trials may take gigabytes
        matrix /= standard.scale
        yield Lesson(brain, matrix, found, standard)


def image_numbers(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each training row the number of its image, (n,), and for each image its first row, (images,)."""
    _, first, numbers = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
    return numbers.reshape(-1), first


def each_brain(
    test: Any, predict: Callable[[str, np.ndarray], np.ndarray], standards: dict[str, Standard]
) -> np.ndarray:
    """Predictions (n, d) float32 of a view's rows, each made by its own brain's model.

    Parameters
    ----------
    predict
        (brain, z-scored mean responses (rows, voxels)) -> (rows, d).
    standards
        Training statistics of each brain. Raises `BadData` for a brain that has none.
    """
    out: np.ndarray | None = None
    for brain, rows, matrix in test_brains(test, standards):
        found = np.asarray(predict(brain, matrix), np.float32)
        if out is None:
            out = np.empty((len(test), found.shape[1]), np.float32)
        out[rows] = found
    return np.empty((0, 0), np.float32) if out is None else out


def test_brains(test: Any, standards: dict[str, Standard]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(brain, rows, z-scored mean responses (rows, voxels)) of a view, brain by brain."""
    for brain in sorted(set(test.brains)):
        if brain not in standards:
            raise BadData(
                f"no training response of brain {brain!r}", "a model of single brains needs training data of each"
            )
        rows = np.asarray(test.rows(brain))
        yield brain, rows, standards[brain](test.matrix(rows))


def region(space: Any, name: str) -> np.ndarray:
    """Voxels of an ROI, (voxels,) bool; none of one that the brain has not."""
    roi: np.ndarray = np.asarray(space.rois.get(name, np.zeros(len(space.index), bool)), bool)
    return roi
