"""Family ``graph``: a scan as a weighted graph of its strongest edges.

Edges are the 10 % of ROI pairs with the largest |r|, weighted by it. Measures follow networkx's definitions:

- global efficiency (Latora & Marchiori 2001): the mean over pairs of 1 / distance. Distances count edges, as in
  fMRI-LM's reference code, or, weighted, add 1 / |r|;
- modularity (Newman 2004) of the communities that Louvain finds at resolution 1;
- clustering (Onnela et al. 2005): geometric means of the weights around triangles, over the largest weight;
- strength of a network: mean over its ROIs of the sum of their weights.
"""

from __future__ import annotations

import numpy as np

from .louvain import communities, modularity
from .networks import Networks
from .scan import Frame, ScanData
from .words import Aspect

DENSITY = 0.1
"""Share of all pairs that are edges."""

WHOLE = ("global efficiency", "weighted global efficiency", "modularity", "clustering")
"""Measures of the whole graph."""


def names(networks: Networks) -> list[str]:
    """Names of the measures."""
    return [*WHOLE, *(f"strength of {name}" for name in networks.names)]


def aspects(networks: Networks) -> list[Aspect]:
    """How the measures are told: each of the whole graph, and the networks whose strength stands out."""
    whole = len(WHOLE)
    columns = tuple(range(whole, whole + len(networks.names)))
    return [
        Aspect("whole brain", tuple(range(whole)), WHOLE, "each"),
        Aspect("strength", columns, networks.names, "notable"),
    ]


def measure(scan: ScanData, frame: Frame) -> np.ndarray:
    """The measures of one scan; NaN where it has no edge at all."""
    weights = strongest(scan.correlation)
    if not weights.any():
        return np.full(len(names(frame.networks)), np.nan)
    strength = frame.networks.means(weights.sum(axis=0), scan.alive)
    whole = [
        mean_inverse(hops(weights > 0)),
        mean_inverse(distances(weights)),
        modularity(weights, communities(weights)),
        clustering(weights),
    ]
    return np.concatenate([whole, strength])


def strongest(r: np.ndarray, density: float = DENSITY) -> np.ndarray:
    """|r| (roi, roi) float32 of the strongest edges, 0 elsewhere and on the diagonal; ties with the last are kept."""
    weights: np.ndarray = np.maximum(
        np.abs(r), np.abs(r).T
    )  # the halves of a correlation matrix may differ by rounding
    np.fill_diagonal(weights, 0)
    pairs = len(r) * (len(r) - 1) // 2
    keep = max(round(density * pairs), 1) if pairs else 0
    if keep:
        # Every pair stands twice in the matrix, so its 2 * keep largest cells hold the `keep` largest pairs.
        limit = np.partition(weights, weights.size - 2 * keep, axis=None)[weights.size - 2 * keep]
        weights[weights < limit] = 0
    return weights


def hops(edges: np.ndarray) -> np.ndarray:
    """Number of edges (roi, roi) on the shortest way, infinite where there is none: breadth first, all at once."""
    step = edges.astype(np.float32)
    reached = edges | np.eye(len(edges), dtype=bool)
    out = np.where(edges, 1, np.inf).astype(np.float32)
    np.fill_diagonal(out, 0)
    front, length = edges, 1
    while front.any() and not reached.all():
        length += 1
        front = (front.astype(np.float32) @ step > 0) & ~reached
        out[front] = length
        reached |= front
    return out


def distances(weights: np.ndarray) -> np.ndarray:
    """Shortest ways (roi, roi), the length of an edge being 1 / weight: Floyd and Warshall's algorithm."""
    with np.errstate(divide="ignore"):
        out = np.where(weights > 0, 1 / weights, np.inf).astype(np.float32)
    np.fill_diagonal(out, 0)
    through = np.empty_like(out)
    for node in range(len(out)):
        np.add(out[:, node, None], out[node], out=through)
        np.minimum(out, through, out=out)
    return out


def mean_inverse(lengths: np.ndarray) -> float:
    """Mean of 1 / distance over all pairs of ROIs; 0 for a pair that is not joined."""
    off = lengths[~np.eye(len(lengths), dtype=bool)]
    return float((1 / off).mean())


def clustering(weights: np.ndarray) -> float:
    """Mean weighted clustering coefficient over all ROIs; 0 for one with fewer than two neighbours."""
    cube = np.cbrt(weights / weights.max())
    triangles = np.einsum("ij,ij->i", cube @ cube, cube)
    degree = (weights > 0).sum(axis=0)
    return float((triangles / np.maximum(degree * (degree - 1), 1)).mean())
