"""Groups of ROIs that measures are averaged over: the atlas's networks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..kinds.scans import Atlas

FALLBACK_BLOCKS = 8
"""Groups of neighbouring columns, where the atlas names no networks."""

NAMES = {
    "Vis": "visual",
    "SomMot": "somatomotor",
    "DorsAttn": "dorsal attention",
    "SalVentAttn": "salience",
    "Limbic": "limbic",
    "Cont": "frontoparietal control",
    "Default": "default mode",
    "Subcortex": "subcortical",
    "SubCortex": "subcortical",
}
"""Words for the usual network names (Yeo et al. 2011, with the subcortex), in the order of the tables."""

NO_NETWORK = ("", "Other", "Unknown")
"""What atlases call ROIs outside all networks. They belong to no group."""

OUTSIDE = -1


@dataclass(frozen=True)
class Networks:
    """Groups of ROIs.

    Attributes
    ----------
    names
        One name a group, in words.
    codes
        (roi,) index of each ROI's group; `OUTSIDE` for an ROI of none.
    """

    names: tuple[str, ...]
    codes: np.ndarray

    @classmethod
    def of(cls, atlas: Atlas) -> Networks:
        """The atlas's networks; without two of them, eight blocks of neighbouring ROI columns."""
        count = len(atlas.labels)
        keys = [key for key in dict.fromkeys((*NAMES, *sorted(set(atlas.networks)))) if key in set(atlas.networks)]
        keys = [key for key in keys if key not in NO_NETWORK]
        words = list(dict.fromkeys(NAMES.get(key, key) for key in keys))
        if len(words) > 1:
            place = {key: words.index(NAMES.get(key, key)) for key in keys}
            return cls(tuple(words), np.array([place.get(key, OUTSIDE) for key in atlas.networks]))
        blocks = min(FALLBACK_BLOCKS, count)
        names = tuple(f"region group {block + 1}" for block in range(blocks))
        return cls(names, np.arange(count) * blocks // count)

    @cached_property
    def member(self) -> np.ndarray:
        """(roi, group) float32, 1 where the ROI belongs to the group."""
        out: np.ndarray = (self.codes[:, None] == np.arange(len(self.names))).astype(np.float32)
        return out

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Groups (first, second) of each pair, a group with itself among them; the upper triangle by rows."""
        return np.triu_indices(len(self.names))

    @property
    def pair_names(self) -> list[str]:
        """Names of the pairs, in the order of `pairs`."""
        return [
            f"within {self.names[i]}" if i == j else f"between {self.names[i]} and {self.names[j]}"
            for i, j in zip(*self.pairs, strict=True)
        ]

    def means(self, values: np.ndarray, alive: np.ndarray) -> np.ndarray:
        """Mean of (roi, ...) values over each group's ROIs that are alive; NaN for a group without one."""
        member = self.member * alive[:, None]
        count = member.sum(axis=0)
        flat = np.where(alive[:, None], values.reshape(len(values), -1), 0)
        with np.errstate(invalid="ignore"):
            out = np.asarray(member.T @ flat) / np.where(count > 0, count, np.nan)[:, None]
        means: np.ndarray = out.reshape((len(self.names), *values.shape[1:]))
        return means
