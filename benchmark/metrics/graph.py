"""Directed graphs: truth binary (nodes, nodes) [source, target] an item, prediction `Graphs`.

Only off-diagonal cells count. Scores are per network, then averaged over networks. A binary graph
is the method's own (`Graphs.native`) where it gives one, else the cells with a score above 0.
"""

from __future__ import annotations

import numpy as np

from ..kinds.connectivity import Graphs
from .classification import binary_auc
from .counts import ItemMetric


def _binary(prediction: Graphs) -> list[np.ndarray]:
    """Predicted graphs as boolean arrays without self-loops."""
    graphs = prediction.native if prediction.native is not None else [scores > 0 for scores in prediction.scores]
    return [_off_diagonal(graph) for graph in graphs]


def _off_diagonal(graph: np.ndarray) -> np.ndarray:
    kept: np.ndarray = np.asarray(graph, dtype=bool) & ~np.eye(len(graph), dtype=bool)
    return kept


class GraphAUROC(ItemMetric):
    """Area under the ROC curve of the off-diagonal scores; a network without both classes has none."""

    name = "graph-auroc"
    title = "AUROC"
    chance = 0.5

    def items(self, truth: list[np.ndarray], prediction: Graphs) -> np.ndarray:
        """AUROC of each network."""
        return np.array([_area(graph, scores) for graph, scores in zip(truth, prediction.scores, strict=True)])


def _area(graph: np.ndarray, scores: np.ndarray) -> float:
    cells = ~np.eye(len(graph), dtype=bool)
    return float(binary_auc(graph[cells], scores[cells], np.ones((1, int(cells.sum()))))[0])


class GraphF1(ItemMetric):
    """F1 of directed edges; 1 when both graphs are empty."""

    name = "graph-f1"
    title = "F1"

    def items(self, truth: list[np.ndarray], prediction: Graphs) -> np.ndarray:
        """F1 of each network."""
        return np.array([_f1(_off_diagonal(a), b) for a, b in zip(truth, _binary(prediction), strict=True)])


def _f1(truth: np.ndarray, found: np.ndarray) -> float:
    size = int(truth.sum() + found.sum())
    return 2 * int((truth & found).sum()) / size if size else 1.0


class SHD(ItemMetric):
    """Structural Hamming distance: edges to add, remove or reverse; a reversal counts once."""

    name = "shd"
    title = "SHD"
    higher_is_better = False

    def items(self, truth: list[np.ndarray], prediction: Graphs) -> np.ndarray:
        """Distance of each network."""
        return np.array([_distance(_off_diagonal(a), b) for a, b in zip(truth, _binary(prediction), strict=True)])


def _distance(truth: np.ndarray, found: np.ndarray) -> float:
    missing, extra = truth & ~found, found & ~truth
    # A reversed edge is missing in one direction and extra in the other.
    return float(missing.sum() + extra.sum() - (missing & extra.T).sum())
