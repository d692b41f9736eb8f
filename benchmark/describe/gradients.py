"""Family ``gradients``: the axes along which connectivity changes most (Margulies et al. 2016).

As BrainSpace does it (Vos de Wael et al. 2020): the strongest 10 % of each ROI's correlations, the cosine between
these profiles as affinity, diffusion maps (Coifman & Lafon 2006) with alpha 0.5 over all scales, 3 components, and
an orthogonal Procrustes turn to a template, here the gradients of the training cohort's mean connectivity.
BrainSpace hands the diffusion operator, which is not symmetric, to a solver for symmetric ones; here the symmetric
operator with the same eigenvalues is solved, and its eigenvectors are turned back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..fc import fisher_z
from ..kinds.scans import Scans
from .networks import Networks
from .scan import Frame, ScanData
from .words import Aspect

COMPONENTS = 3
KEPT = 0.1
"""Share of each ROI's correlations that its profile keeps."""

ALPHA = 0.5
JOINED = 1 - 1e-6
"""A second eigenvalue above this belongs to an affinity graph in separate parts."""


def names(networks: Networks) -> list[str]:
    """Names of the measures."""
    numbers = range(1, COMPONENTS + 1)
    return [
        *(f"{what} of gradient {k}" for k in numbers for what in ("range", "variance")),
        *(f"{name} on gradient {k}" for k in numbers for name in networks.names),
    ]


def aspects(networks: Networks) -> list[Aspect]:
    """How the measures are told: each gradient's extent, and the networks that lie elsewhere than usual."""
    found, width = [], len(networks.names)
    for k in range(COMPONENTS):
        found.append(Aspect(f"gradient {k + 1}", (2 * k, 2 * k + 1), ("range", "variance"), "each"))
        start = 2 * COMPONENTS + k * width
        columns = tuple(range(start, start + width))
        found.append(Aspect(f"networks on gradient {k + 1}", columns, networks.names, "notable"))
    return found


def measure(scan: ScanData, frame: Frame) -> np.ndarray:
    """Range and variance over ROIs of each gradient, then network means by gradient; NaN where there are none."""
    assert frame.template is not None
    gradients = align(embed(scan.correlation, scan.alive), frame.template)
    found = np.isfinite(gradients).all(axis=1)
    if not found.any():
        return np.full(len(names(frame.networks)), np.nan)
    inside = gradients[found]
    extent = np.stack([np.ptp(inside, axis=0), inside.var(axis=0)], axis=1)
    return np.concatenate([extent.ravel(), frame.networks.means(gradients, found).T.ravel()])


def template(scans: Sequence[Scans], progress: Callable[[int], None]) -> np.ndarray:
    """Gradients (roi, 3) of the mean Fisher z of all scans, read one at a time; 0 for ROIs without signal in all.

    ``progress`` is told how many scans are done.
    """
    rois = len(scans[0].atlas.labels)
    total, count = np.zeros((rois, rois), np.float64), np.zeros((rois, rois), np.float64)
    done = 0
    for view in scans:
        for row in range(len(view)):
            scan = ScanData(view.series(row))
            total += fisher_z(scan.correlation)
            count += np.outer(scan.alive, scan.alive)
            done += 1
            progress(done)
    mean = np.tanh(np.where(count > 0, total / np.maximum(count, 1), 0))
    np.fill_diagonal(mean, 1)
    out: np.ndarray = np.nan_to_num(embed(mean, np.diag(count) > 0))
    return out


def embed(r: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """Gradients (roi, 3) of a correlation matrix.

    NaN for ROIs without signal, for those that the largest connected part of the affinity graph leaves out, and
    for all where fewer than five are left.
    """
    out = np.full((len(r), COMPONENTS), np.nan)
    inside = np.flatnonzero(alive)
    if len(inside) < COMPONENTS + 2:
        return out
    affinity = cosine_affinity(np.asarray(r, dtype=np.float64)[np.ix_(inside, inside)])
    gradients, second = diffusion_map(affinity)
    if second > JOINED:
        part = _largest_part(affinity)
        if len(part) < COMPONENTS + 2:
            return out
        inside = inside[part]
        gradients, _ = diffusion_map(affinity[np.ix_(part, part)])
    out[inside] = gradients
    return out


def cosine_affinity(r: np.ndarray, kept: float = KEPT) -> np.ndarray:
    """Cosine (roi, roi) between the rows of ``r``, of which each keeps its largest values; never negative."""
    size = len(r)
    keep = max(int(kept * size), 1)
    limit = np.partition(r, size - keep, axis=1)[:, size - keep, None]
    profiles = np.where(r >= limit, r, 0)
    norm = np.linalg.norm(profiles, axis=1, keepdims=True)
    profiles /= np.where(norm > 0, norm, 1)
    out: np.ndarray = np.maximum(profiles @ profiles.T, 0)
    return out


def diffusion_map(affinity: np.ndarray, components: int = COMPONENTS) -> tuple[np.ndarray, float]:
    """Diffusion map (roi, components) over all scales, and the second eigenvalue of the diffusion operator.

    Each eigenvector is divided by the first, multiplied by lambda / (1 - lambda), and signed so that its
    largest value is positive.
    """
    from scipy.linalg import eigh

    degree = affinity.sum(axis=1) ** -ALPHA
    kernel = affinity * degree * degree[:, None]
    root = np.sqrt(kernel.sum(axis=1))
    size = len(affinity)
    values, vectors = eigh(kernel / root / root[:, None], subset_by_index=[size - components - 1, size - 1])
    values, vectors = values[::-1] / values[-1], vectors[:, ::-1]
    # The first eigenvector of the operator is constant: in its symmetric form, `root` over its norm.
    vectors = vectors[:, 1:] / (root / np.linalg.norm(root))[:, None]
    gradients = vectors * (values[1:] / np.maximum(1 - values[1:], 1e-12))
    largest = gradients[np.abs(gradients).argmax(axis=0), range(components)]
    return gradients * np.sign(largest), float(values[1])


def _largest_part(affinity: np.ndarray) -> np.ndarray:
    """Rows of the largest connected part of a graph."""
    from scipy.sparse.csgraph import connected_components

    labels = connected_components(affinity > 0)[1]
    return np.flatnonzero(labels == np.bincount(labels).argmax())


def align(gradients: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Gradients (roi, 3) turned (and mirrored) to lie as near to the target's as they can; NaN rows stay.

    Orthogonal Procrustes (Schönemann 1966), without a change of scale.
    """
    found = np.isfinite(gradients).all(axis=1)
    left, _, right = np.linalg.svd(gradients[found].T @ target[found])
    out: np.ndarray = gradients @ (left @ right)
    return out
