"""Groups of ROIs: the sub-networks of an atlas, and stand-ins where it has none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...benchmark.kinds.scans import Atlas

FALLBACK = 7


@dataclass(frozen=True)
class Groups:
    """Which ROIs belong together.

    Attributes
    ----------
    names
        One name a group.
    codes
        (roi,) index of each ROI's group.
    origin
        "atlas", or "clusters" of the mean training network [ours].
    """

    names: tuple[str, ...]
    codes: np.ndarray
    origin: str

    @property
    def mean(self) -> np.ndarray:
        """(group, roi) float32 matrix that averages the ROIs of each group."""
        return averaging(self.codes, len(self.names))


def averaging(codes: np.ndarray, count: int) -> np.ndarray:
    """(count, roi) float32 matrix of which row k averages the ROIs with code k."""
    member = np.eye(count, dtype=np.float32)[:, codes]
    out: np.ndarray = member / np.maximum(member.sum(axis=1, keepdims=True), 1)
    return out


def subnetworks(atlas: Atlas, network: np.ndarray) -> Groups:
    """The atlas's networks (subcortex is an eighth beside Yeo's seven [ours]).

    An atlas without networks gets seven clusters of ROIs whose rows of the mean training ``network``
    (roi, roi) are alike [ours]; how the authors placed the cerebellum of AAL is unknown.
    """
    if atlas.networks and len(set(atlas.networks)) > 1:
        names = tuple(sorted(set(atlas.networks)))
        return Groups(names, np.array([names.index(name) for name in atlas.networks]), "atlas")
    codes = clusters(network, min(FALLBACK, len(network)))
    return Groups(tuple(f"cluster {k + 1}" for k in range(codes.max() + 1)), codes, "clusters")


def parcels(groups: Groups, network: np.ndarray, count: int) -> np.ndarray:
    """(roi,) codes of about ``count`` sets of alike ROIs, none across sub-networks [ours].

    Each sub-network is cut into as many sets as its share of the ROIs, one at least.
    """
    codes = np.empty(len(groups.codes), int)
    done = 0
    for group in range(len(groups.names)):
        rows = np.flatnonzero(groups.codes == group)
        share = max(round(count * len(rows) / len(codes)), 1)
        inner = clusters(network[rows], min(share, len(rows)))
        codes[rows] = done + inner
        done += int(inner.max()) + 1
    return codes


def clusters(rows: np.ndarray, count: int) -> np.ndarray:
    """(n,) cluster codes from 0 of rows, by Ward's linkage."""
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(rows) <= count:
        return np.arange(len(rows))
    found = fcluster(linkage(rows.astype(np.float64), "ward"), count, "maxclust")
    _, codes = np.unique(found, return_inverse=True)
    return np.asarray(codes, int)
