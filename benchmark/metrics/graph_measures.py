"""Measures of directed graphs, for a whole batch of graphs of one size at once.

``truth`` and ``found`` are boolean (B, N, N) [source, target] without self-loops, ``scores``
floats (B, N, N) whose diagonal is ignored; each function returns floats (B,).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .binarise import evidence, tied
from .counts import ratio


def _size(graphs: np.ndarray) -> np.ndarray:
    """Number of edges (B,)."""
    size: np.ndarray = np.asarray(np.count_nonzero(graphs, axis=(1, 2)))
    return size


def _share(hits: np.ndarray, size: np.ndarray, other: np.ndarray) -> np.ndarray:
    """``hits / size``; where ``size`` is 0, 1 if the other graph is empty too and 0 if not."""
    share: np.ndarray = np.where(size > 0, hits / np.maximum(size, 1), other == 0)
    return share


def precision(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Share of the found edges that are true; with none found, 1 if there are none, else 0."""
    return _share(_size(truth & found), _size(found), _size(truth))


def recall(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Share of the true edges that are found; with no true edge, 1 if none is found, else 0."""
    return _share(_size(truth & found), _size(truth), _size(found))


def f1(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """F1 of directed edges; 1 when both graphs are empty. A reversed edge gets no credit."""
    return ratio(2.0 * _size(truth & found), _size(truth) + _size(found), 1)


def accuracy(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Share of the off-diagonal cells that are right; NaN for one node."""
    cells = truth.shape[-1] * (truth.shape[-1] - 1)
    return ratio(cells - _size(truth ^ found), np.full(len(truth), cells))


def shd(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Structural Hamming distance: edges to add, remove or reverse; a reversal counts once."""
    missing, extra = truth & ~found, found & ~truth
    # A reversed edge is missing in one direction and extra in the other.
    return np.asarray(_size(truth ^ found) - _size(missing & extra.swapaxes(1, 2)), dtype=np.float64)


def shd_double(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Structural Hamming distance as the number of cells that differ: a reversal counts twice."""
    distance: np.ndarray = np.asarray(_size(truth ^ found), dtype=np.float64)
    return distance


def skeleton_f1(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """F1 of adjacencies, whatever their direction; 1 when both graphs are empty."""
    return f1(truth | truth.swapaxes(1, 2), found | found.swapaxes(1, 2))


def orientation_accuracy(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Share of the true one-way edges whose score is above that of the reverse; a tie counts one half.

    Pairs with edges in both directions have no orientation to find and are left out. NaN when no
    edge is left.
    """
    found = evidence(scores)
    one_way = truth & ~truth.swapaxes(1, 2)
    reverse = found.swapaxes(1, 2)
    same = tied(np.maximum(found, reverse), np.minimum(found, reverse))
    won = _size(one_way & ~same & (found > reverse))
    return ratio(won + _size(one_way & same) / 2, _size(one_way))


class Ranking(NamedTuple):
    """Off-diagonal cells of a batch in falling order of their score.

    Attributes
    ----------
    edge
        (B, M) whether the cell is a true edge; M = N (N - 1).
    above
        (B, M) number of true edges with a strictly higher score.
    hits, size
        (B, M) number of true edges, and of cells, with at least this score: ties enter together.
    """

    edge: np.ndarray
    above: np.ndarray
    hits: np.ndarray
    size: np.ndarray


def rank(truth: np.ndarray, scores: np.ndarray) -> Ranking:
    """The cells of a batch, ranked."""
    cells = ~np.eye(truth.shape[-1], dtype=bool)
    found = evidence(scores)[:, cells]
    order = np.argsort(-found, axis=1)
    found = np.take_along_axis(found, order, axis=1)
    edge = np.take_along_axis(truth[:, cells], order, axis=1)
    hits = np.cumsum(edge, axis=1)
    new = np.ones(found.shape, dtype=bool)
    new[:, 1:] = ~tied(found[:, :-1], found[:, 1:])
    last = np.ones(found.shape, dtype=bool)
    last[:, :-1] = new[:, 1:]
    # Running counts never fall, so the running maximum carries a tie's first value to its end, and
    # the running minimum from the right carries its last value to its start.
    above = np.maximum.accumulate(np.where(new, hits - edge, 0), axis=1)
    end = np.where(last, np.arange(found.shape[1]), found.shape[1] - 1)
    end = np.minimum.accumulate(end[:, ::-1], axis=1)[:, ::-1]
    return Ranking(edge, above, np.take_along_axis(hits, end, axis=1), end + 1)


def auroc(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of the off-diagonal cells, ties as one half; NaN without both classes."""
    cells = rank(truth, scores)
    edges = cells.edge.sum(axis=1)
    won = np.where(cells.edge, 0, cells.above + cells.hits).sum(axis=1) / 2
    return ratio(won, edges * (cells.edge.shape[1] - edges))


def auprc(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Average precision over the off-diagonal cells, ties entering together; NaN without an edge.

    The step-wise sum of precision over recall, without interpolation.
    """
    cells = rank(truth, scores)
    return ratio(np.where(cells.edge, cells.hits / cells.size, 0).sum(axis=1), cells.edge.sum(axis=1))


def oracle_f1(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The best F1 over all thresholds, which only someone who knows the truth can choose."""
    cells = rank(truth, scores)
    if not cells.edge.shape[1]:
        return np.ones(len(truth))
    edges = cells.edge.sum(axis=1, keepdims=True)
    best = (2 * cells.hits / (cells.size + edges)).max(axis=1)
    # A threshold above all scores finds nothing, which is right where there is nothing.
    return np.where(edges[:, 0] > 0, best, 1)
