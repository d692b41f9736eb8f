"""Directed graphs: how well recovered graphs match the true ones. All are [source, target].

Truth is `Truths`, prediction `Graphs`. Only off-diagonal cells count. Edges are read from the
scores by the suite's one rule (`binarise.strongest`), the same for every method; a method's own
graph is scored under names that begin with ``native``.

Scores of several networks are joined in one of two ways, which the truth decides: the mean of the
networks' own scores, or, where `Truths.averaged`, the score of the average of their score matrices
against the one graph that they share.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BadData
from . import graph_measures as measures
from .binarise import strongest
from .counts import ItemMetric, by_block
from .graph_reference import accuracy_with_diagonal, capped

if TYPE_CHECKING:
    from ..kinds.connectivity import Graphs, Truths

Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]
COPIES = 16
"""How many arrays of a batch's size a measure holds at a time, about; bounds the memory of a block."""


def by_size(graphs: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """Rows of the graphs that have the same number of nodes, for each number."""
    rows: dict[int, list[int]] = defaultdict(list)
    for row, graph in enumerate(graphs):
        rows[len(graph)].append(row)
    for nodes in sorted(rows):
        yield np.array(rows[nodes])


def batched(measure: Measure, truth: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> np.ndarray:
    """A measure (n,) of each pair of a true graph and a found matrix, one call for each size."""
    scores = np.empty(len(truth))
    for rows in by_size(truth):
        graphs = np.stack([truth[row] for row in rows]).astype(bool)
        scores[rows] = measure(graphs, np.stack([found[row] for row in rows]))
    return scores


def common(truth: Truths) -> np.ndarray:
    """The graph (N, N) that all networks share. Raises `BadData` when they differ."""
    first = truth.graphs[0]
    if not all(np.array_equal(first, graph) for graph in truth.graphs):
        raise BadData(
            "the true graphs differ between networks, so that the average of their scores has no one truth",
            "score each network alone: use the task without @score-mean",
        )
    return np.asarray(first, dtype=bool)


class GraphMetric(ItemMetric):
    """A metric of score matrices, by a measure of a batch of them."""

    @abstractmethod
    def measure(self, truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Scores (B,) of matrices (B, N, N) against boolean graphs (B, N, N)."""

    def items(self, truth: Truths, prediction: Graphs) -> np.ndarray:
        """Score of each network."""
        return batched(self.measure, truth.graphs, prediction.scores)

    def resample(self, truth: Truths, prediction: Graphs, counts: np.ndarray) -> np.ndarray:
        """Scores (B,) under counts (B, n): mean over networks, or of the average score matrix."""
        if not truth.averaged:
            return super().resample(truth, prediction, counts)
        graph = common(truth)
        flat = np.stack([np.ravel(scores) for scores in prediction.scores])

        def score(block: np.ndarray) -> np.ndarray:
            total = block.sum(axis=1)
            mean = (block @ flat) / np.where(total > 0, total, 1)[:, None]
            found = self.measure(np.broadcast_to(graph, (len(block), *graph.shape)), mean.reshape(-1, *graph.shape))
            return np.where(total > 0, found, np.nan)

        return by_block(counts, score, COPIES * flat.shape[1])


class EdgeMetric(GraphMetric):
    """A metric of the edges that the suite's rule reads from the scores."""

    @staticmethod
    @abstractmethod
    def of(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
        """Scores (B,) of boolean graphs (B, N, N) against boolean graphs (B, N, N)."""

    def measure(self, truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
        return self.of(truth, strongest(scores))


class ScoreMetric(GraphMetric):
    """A metric of the scores themselves, without a threshold."""

    @staticmethod
    @abstractmethod
    def of(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Scores (B,) of matrices (B, N, N) against boolean graphs (B, N, N)."""

    def measure(self, truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
        return self.of(truth, scores)


class NativeMetric(ItemMetric):
    """A metric of a method's own graphs; NaN where it gives none, and for averaged scores."""

    @staticmethod
    @abstractmethod
    def of(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
        """Scores (B,) of boolean graphs (B, N, N) against boolean graphs (B, N, N)."""

    def items(self, truth: Truths, prediction: Graphs) -> np.ndarray:
        """Score of each network."""
        if prediction.native is None or truth.averaged:
            return np.full(len(truth.graphs), np.nan)
        native = [np.asarray(graph, dtype=bool) & ~np.eye(len(graph), dtype=bool) for graph in prediction.native]
        return batched(self.of, truth.graphs, native)


class GraphF1(EdgeMetric):
    """F1 of directed edges; 1 when both graphs are empty."""

    name = "graph-f1"
    title = "F1"
    of = staticmethod(measures.f1)


class GraphPrecision(EdgeMetric):
    """Share of the found edges that are true."""

    name = "graph-precision"
    title = "Precision"
    of = staticmethod(measures.precision)


class GraphRecall(EdgeMetric):
    """Share of the true edges that are found."""

    name = "graph-recall"
    title = "Recall"
    of = staticmethod(measures.recall)


class GraphAccuracy(EdgeMetric):
    """Share of the off-diagonal cells that are right. Most cells of a large network are empty."""

    name = "graph-accuracy"
    title = "Accuracy"
    of = staticmethod(measures.accuracy)


class SHD(EdgeMetric):
    """Structural Hamming distance: edges to add, remove or reverse; a reversal counts once."""

    name = "shd"
    title = "SHD"
    higher_is_better = False
    of = staticmethod(measures.shd)


class SHDDouble(EdgeMetric):
    """Structural Hamming distance in which a reversal counts twice."""

    name = "shd-double"
    title = "SHD, reversal = 2"
    higher_is_better = False
    of = staticmethod(measures.shd_double)


class SkeletonF1(EdgeMetric):
    """F1 of adjacencies, whatever their direction."""

    name = "skeleton-f1"
    title = "Skeleton F1"
    of = staticmethod(measures.skeleton_f1)


class OrientationAccuracy(ScoreMetric):
    """Share of the true one-way edges whose score exceeds that of the reverse; a tie counts one half."""

    name = "orientation-accuracy"
    title = "Orientation"
    chance = 0.5
    of = staticmethod(measures.orientation_accuracy)


class GraphAUROC(ScoreMetric):
    """Area under the ROC curve of the off-diagonal scores; a network without both classes has none."""

    name = "graph-auroc"
    title = "AUROC"
    chance = 0.5
    of = staticmethod(measures.auroc)


class GraphAUPRC(ScoreMetric):
    """Average precision of the off-diagonal scores; random scores reach the share of cells that are edges."""

    name = "graph-auprc"
    title = "AUPRC"
    of = staticmethod(measures.auprc)


class OracleF1(ScoreMetric):
    """F1 at the best of all thresholds, chosen by the truth (oracle): a bound, not a result."""

    name = "graph-oracle-f1"
    title = "F1, oracle threshold"
    of = staticmethod(measures.oracle_f1)


class NativeF1(NativeMetric):
    """F1 of a method's own graph."""

    name = "native-f1"
    title = "F1, own graph"
    of = staticmethod(measures.f1)


class NativeSHD(NativeMetric):
    """Structural Hamming distance of a method's own graph; a reversal counts once."""

    name = "native-shd"
    title = "SHD, own graph"
    higher_is_better = False
    of = staticmethod(measures.shd)


class AccuracyWithDiagonal(EdgeMetric):
    """The field's accuracy: over all cells, of which the diagonal is right for free."""

    name = "graph-accuracy-with-diagonal"
    title = "Accuracy with diagonal"
    of = staticmethod(accuracy_with_diagonal)


class CappedF1(GraphMetric):
    """F1 under the field's rule: a soft threshold and caps on degrees (`graph_reference.capped`)."""

    name = "capped-f1"
    title = "F1, capped degrees"

    def measure(self, truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
        return measures.f1(truth, capped(scores))
