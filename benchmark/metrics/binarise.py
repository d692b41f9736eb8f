"""The suite's rule that turns a score matrix into edges: one for every method, stated before truth is seen.

Scores (B, N, N) are [source, target], at least 0; the diagonal is ignored. Only their order counts:
an increasing function of the scores, however steep, changes nothing. Rounding must not orient an
edge or break a tie, so two scores tie when they differ by less than `SAME` of the higher one. That
is relative to the two and not to the largest score of the matrix, which for heavy tails
(likelihood ratios, 1/p) would make ties of most cells; and so nothing but 0 ties with 0.

In a ranking, a tie is a run of cells of which each ties with the next. There is no grid whose
lines could part equal scores, and M cells of one tie span less than M times `SAME`.
"""

from __future__ import annotations

import numpy as np

SAME = 1e-9
"""Largest relative difference of a tie: far above the rounding of a score, far below what estimates can tell apart."""


def tied(higher: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Whether scores are the same but for rounding, cell by cell; ``lower`` is at most ``higher``."""
    same: np.ndarray = higher - lower <= SAME * higher
    return same


def evidence(scores: np.ndarray) -> np.ndarray:
    """A copy of scores (B, N, N) as float64, diagonal 0, none below 0."""
    found = np.array(scores, dtype=np.float64)
    nodes = np.arange(found.shape[-1])
    found[..., nodes, nodes] = 0
    return np.maximum(found, 0, out=found)


def strongest(scores: np.ndarray) -> np.ndarray:
    """Edges (B, N, N): the N strongest off-diagonal cells of N nodes, if their score is above 0.

    N edges mean one cause a node. Cells that tie with the N-th are all kept: ties are never split,
    so that no order of the nodes can help.
    """
    found = evidence(scores)
    batch, nodes = len(found), found.shape[-1]
    # The N diagonal cells are 0: they cannot push a positive cell out of the N strongest.
    flat = found.reshape(batch, nodes * nodes)
    limit = np.partition(flat, nodes * nodes - nodes, axis=1)[:, -nodes, None]
    while True:  # down the run of ties; each turn but the last lowers a limit
        lowest = np.where(tied(limit, flat), flat, limit).min(axis=1, keepdims=True)
        if np.array_equal(lowest, limit):
            edges: np.ndarray = ((flat > 0) & (flat >= limit)).reshape(found.shape)
            return edges
        limit = lowest
