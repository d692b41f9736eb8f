"""Greedy equivalence search: scores of parents, operators on a CPDAG, and the search itself.

A CPDAG is a boolean (node, node) matrix [source, target]; an undirected edge has both cells set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

import numpy as np

Nodes = frozenset[int]


class ParentScores:
    """BIC gains of one more parent, summed over recordings; each set of parents is computed once.

    Parameters
    ----------
    recordings
        (time, node) each. Every recording has regression weights of its own.
    penalty
        Factor of the BIC's penalty; 1 is the BIC.
    """

    def __init__(self, recordings: Sequence[np.ndarray], penalty: float) -> None:
        self._correlations = np.stack([np.corrcoef(series, rowvar=False) for series in recordings])
        self._frames = np.array([len(series) for series in recordings], dtype=float)
        self._cost = penalty * float(np.log(self._frames).sum()) / 2
        self._known: dict[tuple[int, Nodes], list[float]] = {}

    def gains(self, node: int, parents: Nodes) -> list[float]:
        """What each other node adds to the BIC of ``node`` as a parent beside ``parents``."""
        if (node, parents) not in self._known:
            self._known[node, parents] = self._compute(node, sorted(parents))
        return self._known[node, parents]

    def _compute(self, node: int, parents: list[int]) -> list[float]:
        every = self._correlations
        onto = every[:, parents, :]
        explained = np.linalg.solve(every[:, parents][:, :, parents], onto)
        left = 1 - np.einsum("rpi,rpi->ri", onto, explained)
        shared = every[:, node] - np.einsum("rp,rpi->ri", onto[:, :, node], explained)
        tiny = np.finfo(float).eps
        squared = shared**2 / np.maximum(left * left[:, node, None], tiny)
        fits = -0.5 * self._frames @ np.log(np.maximum(1 - squared, tiny))
        return list((fits - self._cost).tolist())


class Neighbourhoods:
    """Sets that the operators ask of a CPDAG: neighbours (undirected), adjacent nodes, parents, successors."""

    def __init__(self, edges: np.ndarray) -> None:
        self.neighbours = _sets(edges & edges.T)
        self.adjacent = _sets(edges | edges.T)
        self.parents = _sets((edges & ~edges.T).T)
        self._successors = _sets(edges)

    def clique(self, nodes: Nodes) -> bool:
        """Whether all the nodes are adjacent to each other."""
        return all(nodes <= self.adjacent[node] | {node} for node in nodes)

    def blocked(self, start: int, end: int, wall: Nodes) -> bool:
        """Whether every semi-directed path from ``start`` to ``end`` meets a node of ``wall``."""
        seen, front = {start}, {start}
        while front:
            front = set().union(*(self._successors[node] for node in front)) - seen - wall
            if end in front:
                return False
            seen |= front
        return True


def _sets(edges: np.ndarray) -> list[Nodes]:
    return [frozenset(np.flatnonzero(row).tolist()) for row in edges]


def search(recordings: Sequence[np.ndarray], penalty: float, progress: Callable[[int], None]) -> np.ndarray:
    """CPDAG (node, node) of the best BIC that greedy insertions and then deletions reach.

    Parameters
    ----------
    recordings
        (time, node) each; one graph for all, the BIC is summed over them.
    progress
        Called with the number of operators applied so far.

    Source: Chickering, JMLR 3 (2002); the sum over recordings: Ramsey et al., NeuroImage 49 (2010).
    """
    scores = ParentScores(recordings, penalty)
    nodes = recordings[0].shape[1]
    edges = np.zeros((nodes, nodes), dtype=bool)
    done = 0
    for step in (_best_insertion, _best_deletion):
        while (changed := step(edges, scores)) is not None:
            edges = cpdag(extension(changed))
            done += 1
            progress(done)
    return edges


def _best_insertion(edges: np.ndarray, scores: ParentScores) -> np.ndarray | None:
    """The PDAG after the valid insertion of the largest positive gain; None where there is none."""
    near = Neighbourhoods(edges)
    best, found = 0.0, None
    for i, j in np.argwhere(~(edges | edges.T | np.eye(len(edges), dtype=bool))).tolist():
        common = near.neighbours[j] & near.adjacent[i]
        for extra in _subsets(near.neighbours[j] - near.adjacent[i]):
            gain = scores.gains(j, common | extra | near.parents[j])[i]
            # Validity is tested last: few insertions beat the best one so far.
            if gain > best and near.clique(common | extra) and near.blocked(j, i, common | extra):
                best, found = gain, (i, j, extra)
    if found is None:
        return None
    i, j, extra = found
    changed = edges.copy()
    changed[i, j] = True
    changed[j, list(extra)] = False
    return changed


def _best_deletion(edges: np.ndarray, scores: ParentScores) -> np.ndarray | None:
    """The PDAG after the valid deletion of the largest positive gain; None where there is none."""
    near = Neighbourhoods(edges)
    best, found = 0.0, None
    for i, j in np.argwhere(edges).tolist():
        common = near.neighbours[j] & near.adjacent[i]
        for cut in _subsets(common):
            gain = -scores.gains(j, (common - cut) | (near.parents[j] - {i}))[i]
            if gain > best and near.clique(common - cut):
                best, found = gain, (i, j, cut)
    if found is None:
        return None
    i, j, cut = found
    changed = edges.copy()
    changed[[i, j], [j, i]] = False
    changed[list(cut), j] = False
    changed[list(cut), i] &= ~edges[i, list(cut)]
    return changed


def _subsets(nodes: Nodes) -> Iterator[Nodes]:
    return (frozenset(part) for size in range(len(nodes) + 1) for part in combinations(sorted(nodes), size))


def extension(edges: np.ndarray) -> np.ndarray:
    """A DAG with the edges of a PDAG and no new collider (Dor and Tarsi 1992)."""
    dag: np.ndarray = edges & ~edges.T
    left = edges.copy()
    remaining = set(range(len(edges)))
    while remaining:
        sink = next(node for node in remaining if _is_sink(left, node))
        dag[left[:, sink], sink] = True
        left[sink], left[:, sink] = False, False
        remaining.remove(sink)
    return dag


def _is_sink(edges: np.ndarray, node: int) -> bool:
    """Whether no edge leaves a node, and its neighbours are adjacent to all that are adjacent to it."""
    into, out = edges[:, node], edges[node]
    if (out & ~into).any():
        return False
    around = np.flatnonzero(into)
    adjacent = (edges | edges.T | np.eye(len(edges), dtype=bool))[np.ix_(np.flatnonzero(out), around)]
    return bool(adjacent.all())


def cpdag(dag: np.ndarray) -> np.ndarray:
    """The CPDAG of a DAG: its colliders, and what Meek's rules 1 to 3 (1995) derive from them."""
    apart = ~(dag | dag.T | np.eye(len(dag), dtype=bool))
    fixed = dag & ((apart.astype(int) @ dag) > 0)
    while True:
        loose = (dag | dag.T) & ~(fixed | fixed.T)
        implied = loose & (
            ((fixed.T.astype(int) @ apart) > 0)  # a -> b, b - c, a and c apart: b -> c
            | ((fixed.astype(int) @ fixed) > 0)  # a -> b -> c, a - c: a -> c
            | _two_apart(loose, fixed, apart)
        )
        if not implied.any():
            return np.asarray(fixed | loose)
        fixed = fixed | implied


def _two_apart(loose: np.ndarray, fixed: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """Rule 3: a - c -> b, a - d -> b, c and d apart: a -> b."""
    found = np.zeros_like(loose)
    for a, b in np.argwhere(loose).tolist():
        between = np.flatnonzero(loose[a] & fixed[:, b])
        found[a, b] = apart[np.ix_(between, between)].any()
    return found
