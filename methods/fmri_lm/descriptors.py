"""Text descriptors of a scan, FC family: network-pair connectivity against the training cohort.

For each pair of networks the mean Fisher-z correlation between (or within) them is z-scored over the
training scans. The text names the highest and the lowest pairs, with words at |z| of 1 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...benchmark.fc import correlation, fisher_z
from ...benchmark.kinds.scans import Atlas

FALLBACK_BLOCKS = 8
NAMES = {
    "Vis": "visual",
    "SomMot": "somatomotor",
    "DorsAttn": "dorsal attention",
    "SalVentAttn": "salience",
    "Limbic": "limbic",
    "Cont": "frontoparietal control",
    "Default": "default mode",
    "SubCortex": "subcortical",
}


@dataclass(frozen=True)
class Networks:
    """Groups of ROIs.

    Attributes
    ----------
    names
        One name a group, in words.
    member
        (roi, group) one-hot membership.
    """

    names: tuple[str, ...]
    member: np.ndarray

    @classmethod
    def of(cls, atlas: Atlas) -> Networks:
        """The atlas's networks; without any, eight blocks of neighbouring ROI columns."""
        count = len(atlas.labels)
        if atlas.networks and len(set(atlas.networks)) > 1:
            keys = sorted(set(atlas.networks))
            codes = np.array([keys.index(name) for name in atlas.networks])
            names = tuple(NAMES.get(key, key) for key in keys)
        else:
            blocks = min(FALLBACK_BLOCKS, count)
            codes = np.arange(count) * blocks // count
            names = tuple(f"region group {block + 1}" for block in range(blocks))
        return cls(names, np.eye(len(names), dtype=np.float32)[codes])

    @property
    def pairs(self) -> list[str]:
        """Names of the pairs, in the order of `pair_means`."""
        rows, columns = np.triu_indices(len(self.names))
        return [
            f"within {self.names[i]}" if i == j else f"between {self.names[i]} and {self.names[j]}"
            for i, j in zip(rows, columns, strict=True)
        ]

    def pair_means(self, series: np.ndarray) -> np.ndarray:
        """Mean Fisher z (pairs,) of a (time, roi) series; within a network, over its upper triangle."""
        z = fisher_z(correlation(np.nan_to_num(series)))
        np.fill_diagonal(z, 0)
        size = self.member.sum(axis=0)
        count = np.outer(size, size) - np.diag(size)
        means = (self.member.T @ z @ self.member) / np.maximum(count, 1)
        out: np.ndarray = means[np.triu_indices(len(self.names))]
        return out


@dataclass(frozen=True)
class Descriptors:
    """Pair means of the training cohort, and the words made of them.

    Attributes
    ----------
    pairs
        Names of the pairs.
    mean, sd
        (pairs,) over training scans.
    """

    pairs: list[str]
    mean: np.ndarray
    sd: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray, pairs: list[str]) -> Descriptors:
        """From the pair means (n, pairs) of the training scans."""
        sd = values.std(axis=0)
        return cls(pairs, values.mean(axis=0), np.where(sd > 1e-8, sd, 1))

    def z(self, values: np.ndarray) -> np.ndarray:
        """Pair means (..., pairs) as z-scores of the training cohort."""
        out: np.ndarray = (values - self.mean) / self.sd
        return out

    def text(self, values: np.ndarray, extremes: int) -> str:
        """A description of one scan: its ``extremes`` highest and lowest pairs, with z."""
        z = self.z(values)
        order = np.argsort(z, kind="stable")
        extremes = min(extremes, len(z) // 2)
        high = [self._phrase(k, z[k]) for k in order[::-1][:extremes]]
        low = [self._phrase(k, z[k]) for k in order[:extremes]]
        return f"Functional connectivity. Highest: {'; '.join(high)}. Lowest: {'; '.join(low)}."

    def _phrase(self, pair: int, z: float) -> str:
        return f"{self.pairs[pair]} {band(z)} ({z:+.1f})"


def band(z: float) -> str:
    """The z-score in words: typical, raised or lowered from 1, markedly so from 2."""
    if abs(z) < 1:
        return "typical"
    word = "raised" if z > 0 else "lowered"
    return word if abs(z) < 2 else f"markedly {word}"
