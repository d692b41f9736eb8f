"""What the connectivity baselines share: they estimate a graph from recordings, without labels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..benchmark.contracts import Context, Method, TaskInfo, Train
from ..benchmark.kinds.connectivity import Graphs, Network


class Graph(NamedTuple):
    """An estimate: scores (node, node) [source, target], and the method's own binary graph or None."""

    scores: np.ndarray
    native: np.ndarray | None = None


class GraphBaseline(Method):
    """One recording in, one graph out.

    Class attributes
    ----------------
    multi_group
        True where `together` estimates one graph from several recordings.
    """

    supports = ("connectivity",)
    seeded = False
    multi_group: ClassVar[bool] = False

    def skip(self, task: TaskInfo) -> str | None:
        """No graph from several recordings without a form of the method that is made for it."""
        if task.track == "multi-group" and not self.multi_group:
            return "estimates one recording at a time; its group tables are @score-mean and @concatenated"
        return None

    def fit(self, train: Train, context: Context) -> None:
        """Nothing: there are no labels."""

    def predict(self, test: Sequence[Network], context: Context) -> Graphs:
        """A graph for each network."""
        found = [self._estimate(network, context) for network in test]
        native = [graph.native for graph in found]
        kept: list[Any] | None = None if any(graph is None for graph in native) else native
        return Graphs([graph.scores for graph in found], kept)

    def _estimate(self, network: Network, context: Context) -> Graph:
        if context.task.track == "multi-group":
            return self.together(network.recordings, network.tr, context)
        (series,) = network.recordings
        return self.graph(series, network.tr, context)

    @abstractmethod
    def graph(self, series: np.ndarray, tr: float, context: Context) -> Graph:
        """The graph of one recording (time, node)."""

    def together(self, recordings: Sequence[np.ndarray], tr: float, context: Context) -> Graph:
        """One graph of several recordings (time, node) each; only where `multi_group` is True."""
        raise TypeError(f"{type(self).__name__} estimates one recording at a time")
