"""Controls of the connectivity tables: what a score of no knowledge looks like."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context
from .graph_baseline import Graph, GraphBaseline
from .graph_numerics import without_diagonal


@dataclass
class RandomGraph(GraphBaseline):
    """Uniform random scores."""

    card: ClassVar[Card] = Card(
        title="Random graph",
        summary="Independent uniform scores for all ordered pairs of nodes, drawn anew for every recording.",
        notes="The draw depends on the seed and on a checksum of the recording, so that subjects differ and a repeat "
        "does not. Not equivariant to the order of nodes, except in distribution.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}
    seeded = True
    multi_group: ClassVar[bool] = True

    def graph(self, series: np.ndarray, tr: float, context: Context) -> Graph:
        """A random graph for one recording (time, node)."""
        return self.together([series], tr, context)

    def together(self, recordings: Sequence[np.ndarray], tr: float, context: Context) -> Graph:
        """One random graph for several recordings."""
        checks = [zlib.crc32(np.ascontiguousarray(series).tobytes()) for series in recordings]
        generator = np.random.default_rng([context.seed, *checks])
        nodes = recordings[0].shape[1]
        return Graph(without_diagonal(generator.uniform(size=(nodes, nodes))))


@dataclass
class AllEdges(GraphBaseline):
    """The same score for every ordered pair."""

    card: ClassVar[Card] = Card(
        title="All edges",
        summary="The same score for every ordered pair of nodes: AUROC 0.5, and AUPRC and precision at the density.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}
    multi_group: ClassVar[bool] = True

    def graph(self, series: np.ndarray, tr: float, context: Context) -> Graph:
        """The complete graph."""
        return self.together([series], tr, context)

    def together(self, recordings: Sequence[np.ndarray], tr: float, context: Context) -> Graph:
        """The complete graph."""
        nodes = recordings[0].shape[1]
        return Graph(without_diagonal(np.ones((nodes, nodes))))
