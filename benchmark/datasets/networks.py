"""Whether an atlas's networks fit the series: ROIs of one network correlate more than others do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..fc import correlation

EDGES = 8192
"""Edges drawn once for all scans: a correlation of 0.95 over so many is known to +- 0.001."""

MIN_GAP = 0.02
"""Networks that fit give a gap of 0.1 and more in resting-state series; a wrong table gives none."""

MIN_PAIRS = 30
"""With fewer pairs within networks nothing is said."""

NO_NETWORK = ("", "Other", "Unknown")
"""What ROIs outside all networks are called; their pairs do not count."""


def sampled_edges(rois: int) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the FC: all of them, or the same `EDGES` drawn for every cohort of this size."""
    first, second = np.triu_indices(rois, 1)
    if len(first) <= EDGES:
        return first, second
    chosen = np.sort(np.random.default_rng(0).choice(len(first), EDGES, replace=False))
    return first[chosen], second[chosen]


def edge_values(series: np.ndarray, edges: tuple[np.ndarray, np.ndarray]) -> np.ndarray | None:
    """Pearson r of some edges of a (time, roi) series; None where a value is not finite."""
    return correlation(series)[edges] if np.isfinite(series).all() else None


class NetworkFit:
    """Mean FC within and between networks, one scan after the other.

    Parameters
    ----------
    networks
        One name a column, or empty where the atlas has none.
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = np.array(networks, dtype=str)
        self._edges = sampled_edges(len(networks))
        self._sum = np.zeros(len(self._edges[0]))
        self._scans = 0

    def add(self, series: np.ndarray) -> None:
        """Take in a (time, roi) series."""
        if len(self._networks):
            self.add_values(edge_values(series, self._edges), self._edges)

    def add_values(self, values: np.ndarray | None, edges: tuple[np.ndarray, np.ndarray]) -> None:
        """Take in what `edge_values` gave for the edges of this many ROIs."""
        if values is not None and len(self._networks) and len(edges[0]) == len(self._sum):
            self._sum += values
            self._scans += 1

    def means(self) -> tuple[float, float] | None:
        """Mean r within and between networks; None where there are too few pairs to say."""
        if not self._scans:
            return None
        first, second = (self._networks[side] for side in self._edges)
        known = ~(np.isin(first, NO_NETWORK) | np.isin(second, NO_NETWORK))
        within, between = known & (first == second), known & (first != second)
        if min(within.sum(), between.sum()) < MIN_PAIRS:
            return None
        mean = self._sum / self._scans
        return float(mean[within].mean()), float(mean[between].mean())

    def problem(self) -> str:
        """What is wrong with the networks; empty where they fit or nothing can be said."""
        means = self.means()
        if means is None or means[0] - means[1] >= MIN_GAP:
            return ""
        return (
            f"the atlas's networks do not fit the series: mean r {means[0]:.3f} within, {means[1]:.3f} between; "
            "import again with the right table: --atlas-table FILE"
        )
