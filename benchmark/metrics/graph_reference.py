"""How the field scores effective connectivity, under names of its own: for explaining published numbers.

These follow the protocol of BrainEC-LLM's released code as it is described in our documentation;
they decide nothing on a board.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .graph_measures import f1, shd_double

SOFT_THRESHOLD = 0.5
DEGREE = 0.4


def accuracy_with_diagonal(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Share of all N^2 cells that are right: N of them, the diagonal, are free."""
    share: np.ndarray = 1 - np.count_nonzero(truth ^ found, axis=(1, 2)) / truth.shape[-1] ** 2
    return share


def capped(scores: np.ndarray) -> np.ndarray:
    """Edges (B, N, N) of scores (B, N, N) by a soft threshold and caps of ``int(0.4 N)`` on degrees.

    A row keeps its largest entries up to the cap, if above the middle of the smallest and the
    largest off-diagonal score. A column that still has more than the cap gets its largest entries
    instead, whatever the threshold and the cap of their rows. Ties are split by the order of nodes
    (the last ones are kept), so this rule depends on it.
    """
    nodes = scores.shape[-1]
    cap = int(DEGREE * nodes)
    off = ~np.eye(nodes, dtype=bool)
    cells = scores[:, off]
    low, high = (limit[:, None, None] for limit in (cells.min(axis=1), cells.max(axis=1)))
    raw = np.where(off, scores, -np.inf)
    edges = _largest(raw, cap) & (raw > low + SOFT_THRESHOLD * (high - low))
    by_column = _largest(raw.swapaxes(1, 2), cap).swapaxes(1, 2)
    crowded = edges.sum(axis=1, keepdims=True) > cap
    kept: np.ndarray = np.where(crowded, by_column, edges) & off
    return kept


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` largest entries of each row (..., N), as a mask; of equal ones the last."""
    order = np.argsort(values, axis=-1, kind="stable")
    mask = np.zeros(values.shape, dtype=bool)
    np.put_along_axis(mask, order[..., values.shape[-1] - count :], True, axis=-1)
    return mask


class BestOverEpochs(NamedTuple):
    """The best F1 and the best SHD (a reversal counts twice), each from an epoch of its own."""

    f1: float
    shd: float


def best_over_epochs(truth: np.ndarray, scores: np.ndarray) -> BestOverEpochs:
    """What a log keeps that looks at the truth after each epoch.

    ``truth`` is (N, N), ``scores`` (epochs, N, N), binarised by `capped`. Both numbers are oracle
    maxima: scores without any signal reach F1 0.78 on five nodes in 255 epochs.
    """
    found = capped(scores)
    each = np.broadcast_to(np.asarray(truth, dtype=bool), found.shape)
    return BestOverEpochs(float(f1(each, found).max()), float(shd_double(each, found).min()))
