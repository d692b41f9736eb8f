"""Connectivity gradients of ROIs, and other places that mean FC gives them, or a table of the user.

Gradients are a diffusion map as in BrainSpace (Vos de Wael et al. 2020), whose defaults are used: the strongest
tenth of each ROI's connections, their cosine similarity as affinity, anisotropy 0.5, diffusion time 0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..benchmark import fc
from ..benchmark.contracts import Progress
from ..benchmark.errors import BadData, BadOption

KEPT = 0.1
ANISOTROPY = 0.5
EIGENVECTOR_SCANS = 64


def mean_fc(scans: fc.SeriesView, progress: Progress) -> np.ndarray:
    """(roi, roi) mean correlation, averaged as Fisher z."""
    total = np.zeros(())
    for row in range(len(scans)):
        total = total + fc.fisher_z(fc.correlation(scans.series(row))).astype(np.float64)
        progress("mean connectivity", row + 1, len(scans))
    mean: np.ndarray = np.tanh(total / len(scans))
    return mean


def leading_eigenvectors(scans: fc.SeriesView, count: int) -> np.ndarray:
    """(roi, count) float32 leading eigenvectors of mean FC over up to 64 scans, of unit variance by column.

    There are no more than ROIs. The largest entry of a column is positive, so that the sign does not depend on
    the machine.
    """
    chosen = np.unique(np.linspace(0, len(scans) - 1, EIGENVECTOR_SCANS).round().astype(int))
    mean = np.mean([fc.correlation(scans.series(row)) for row in chosen.tolist()], axis=0, dtype=np.float64)
    vectors = np.linalg.eigh(mean)[1][:, ::-1][:, :count]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    table: np.ndarray = (vectors * np.sqrt(len(vectors))).astype(np.float32)
    return table


def diffusion_map(matrix: np.ndarray, count: int) -> np.ndarray:
    """(roi, count) gradients of a connectivity matrix (roi, roi), strongest first.

    A matrix of few ROIs has fewer than ``count`` gradients; the others are 0. Signs are fixed: the largest entry
    of a gradient is positive.
    """
    rois = len(matrix)
    kept = np.where(matrix >= np.quantile(matrix, 1 - KEPT, axis=1, keepdims=True), matrix, 0)
    norm = np.linalg.norm(kept, axis=1, keepdims=True)
    unit = kept / np.where(norm > 0, norm, 1)
    affinity = np.clip(unit @ unit.T, 0, None) + 1e-6  # no ROI stands alone
    degree = affinity.sum(axis=1) ** ANISOTROPY
    affinity /= np.outer(degree, degree)
    root = np.sqrt(affinity.sum(axis=1))
    values, vectors = np.linalg.eigh(affinity / np.outer(root, root))
    values, vectors = values[::-1], vectors[:, ::-1]
    # Eigenvectors of the random walk, over its constant one.
    walk = vectors[:, 1 : count + 1] / vectors[:, :1]
    strength = np.clip(values[1 : count + 1], 0, 1 - 1e-9)
    gradients = walk * (strength / (1 - strength))
    gradients *= np.sign(gradients[np.abs(gradients).argmax(axis=0), np.arange(gradients.shape[1])])
    out = np.zeros((rois, count))
    out[:, : gradients.shape[1]] = gradients
    return out


def read_gradients(path: Path, rois: int) -> np.ndarray:
    """(roi, k) table of a CSV file without header, one ROI a row. Raises `BadOption` or `BadData`."""
    if not path.is_file():
        raise BadOption(f"{path}: no such table of gradients", "give a CSV file without header, one ROI a row")
    try:
        table = np.loadtxt(path, delimiter=",", ndmin=2)
    except ValueError as error:
        raise BadData(f"{path}: not a table of numbers ({error})", "give a CSV file without header") from None
    if len(table) != rois or not np.isfinite(table).all():
        raise BadData(
            f"{path}: {len(table)} rows of gradients for {rois} ROIs, or values that are not finite",
            "give one row a ROI, in the order of the atlas, without header",
        )
    return table
