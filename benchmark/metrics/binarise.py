"""The suite's rule that turns a score matrix into edges: one for every method, stated before truth is seen.

Scores (B, N, N) are [source, target], at least 0; the diagonal is ignored. They are compared at
nine digits relative to the largest of their matrix, so that rounding in the last place of a
symmetric score neither orients an edge nor breaks a tie.
"""

from __future__ import annotations

import numpy as np

STEPS = 2.0**30
"""Distinct levels between 0 and the largest score. A power of two keeps halves, quarters ... on a level."""


def levels(scores: np.ndarray) -> np.ndarray:
    """Scores (B, N, N) as whole numbers from 0 (no evidence) to `STEPS` (the largest), diagonal 0.

    Equal levels are ties. A matrix without a positive score is 0 everywhere.
    """
    found = np.array(scores, dtype=np.float64)
    nodes = found.shape[-1]
    found[..., np.arange(nodes), np.arange(nodes)] = 0
    largest = found.max(axis=(-2, -1), keepdims=True)
    found /= np.where(largest > 0, largest, 1)
    return np.rint(np.maximum(found, 0, out=found) * STEPS)


def strongest(scores: np.ndarray) -> np.ndarray:
    """Edges (B, N, N): the N strongest off-diagonal cells of N nodes, if their score is above 0.

    N edges mean one cause a node. Cells that tie with the N-th are all kept: ties are never split,
    so that no order of the nodes can help.
    """
    found = levels(scores)
    batch, nodes = len(found), found.shape[-1]
    # The N diagonal cells are 0: they cannot push a positive cell out of the N strongest.
    flat = found.reshape(batch, nodes * nodes)
    limit = np.partition(flat, nodes * nodes - nodes, axis=1)[:, -nodes]
    edges: np.ndarray = (found > 0) & (found >= limit[:, None, None])
    return edges
