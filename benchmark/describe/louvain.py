"""Communities of a weighted graph: Louvain's method (Blondel et al. 2008, J. Stat. Mech. P10008), deterministic.

Nodes are visited from the strongest to the weakest, so that the communities do not depend on the order of the
columns. The gains of a node for all communities are computed at once on dense weights, which for the few hundred
ROIs of an atlas is fast, and needs no library.
"""

from __future__ import annotations

import numpy as np

ROUNDS = 100
"""Rounds over all nodes at most; a handful is the rule."""

LEAST = 1e-9
"""Gain of modularity below which a node stays where it is."""


def communities(weights: np.ndarray, resolution: float = 1.0) -> np.ndarray:
    """Community (node,) of each node of a symmetric weight matrix (node, node) without self-loops, from 0.

    A node without edges is a community of its own.
    """
    joined = np.flatnonzero(weights.any(axis=0))
    graph = weights[np.ix_(joined, joined)].astype(np.float64)
    found = np.arange(len(joined))
    while len(graph):
        level = _move(graph, resolution)
        groups = int(level.max()) + 1
        found = level[found]
        if groups == len(graph):
            break
        member = np.eye(groups)[level]
        graph = member.T @ graph @ member
    out = np.empty(len(weights), int)
    out[joined] = found
    out[~weights.any(axis=0)] = len(graph) + np.arange(len(weights) - len(joined))
    return out


def _move(graph: np.ndarray, resolution: float) -> np.ndarray:
    """Communities after moving single nodes for as long as modularity gains.

    ``graph`` may hold self-loops: twice the weight inside a node that stands for several.
    """
    size = len(graph)
    strength = graph.sum(axis=0)
    total = strength.sum()
    own = np.arange(size)
    loops = np.diag(graph).copy()
    links = graph - np.diag(loops)  # links[c, i]: weight between node i and community c, self-loops left out
    mass = strength.copy()
    order = np.argsort(-strength, kind="stable")
    for _ in range(ROUNDS):
        moved = False
        for node in order:
            old, weight = own[node], strength[node]
            gains = links[:, node] - (resolution * weight / total) * mass
            stay = gains[old] + resolution * weight * weight / total  # its own mass does not count against it
            best = int(gains.argmax())
            if best != old and gains[best] > stay + LEAST * total:
                row = graph[node].copy()
                row[node] = 0
                links[old] -= row
                links[best] += row
                mass[old] -= weight
                mass[best] += weight
                own[node] = best
                moved = True
        if not moved:
            break
    _, numbered = np.unique(own, return_inverse=True)
    return numbered


def modularity(weights: np.ndarray, groups: np.ndarray, resolution: float = 1.0) -> float:
    """Newman's modularity of communities (node,) in a symmetric weight matrix; 0 where there is no edge."""
    total = float(weights.sum(dtype=np.float64))
    if not total:
        return 0.0
    member = np.eye(int(groups.max()) + 1)[groups]
    inside = member.T @ weights @ member
    strength = inside.sum(axis=0)
    return float(np.trace(inside) / total - resolution * ((strength / total) ** 2).sum())
