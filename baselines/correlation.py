"""Correlation: the symmetric floor of the connectivity tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from .graph_baseline import Graph, GraphBaseline
from .graph_numerics import need_frames, standardise, without_diagonal


def correlations(series: np.ndarray) -> np.ndarray:
    """Pearson correlations (node, node) of a recording (time, node)."""
    standard = standardise(series)
    product = standard.T @ standard / len(standard)
    clipped: np.ndarray = np.clip((product + product.T) / 2, -1, 1)
    return clipped


@dataclass
class Correlation(GraphBaseline):
    """Absolute Pearson correlation, the same in both directions."""

    card: ClassVar[Card] = Card(
        title="Correlation",
        summary="Absolute Pearson correlation of two nodes, the same for both directions.",
        notes="Symmetric: it finds links and never their direction, so its orientation accuracy is 0.5 by rule. "
        "Invariant to the scale and the sign of a node. Reads rows as exchangeable.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}

    def graph(self, series: np.ndarray, tr: float, context: Context) -> Graph:
        """The graph of one recording (time, node)."""
        need_frames(series, 3, "a correlation", "join recordings, or leave this one out")
        return Graph(without_diagonal(np.abs(correlations(series))))
