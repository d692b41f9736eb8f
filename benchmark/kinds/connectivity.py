"""Connectivity: recover the directed graph of a network. Orientation is [source, target]."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..contracts import Kind, TaskInfo
from ..errors import BadPrediction
from ..items import Items
from .arrays import load_arrays, save_arrays

AVERAGED = "score-mean"
"""Track on which the score matrices of all subjects are averaged before they are scored."""

FIVE_NODE = ((0, 1), (0, 4), (1, 2), (2, 3), (3, 4))
"""The five-node graph that half of the NetSim simulations share (Smith et al. 2011)."""


@dataclass(frozen=True)
class Network:
    """What a method is shown of one network.

    Attributes
    ----------
    recordings
        One (time, node) float64 array a subject; the nodes stand in a random order, the same in all.
    tr
        Seconds between rows; NaN where rows are exchangeable.
    """

    recordings: tuple[np.ndarray, ...]
    tr: float


@dataclass(frozen=True)
class Graphs:
    """Predicted graphs, one an item.

    Attributes
    ----------
    scores
        (nodes, nodes) each, not negative; entry [i, j] grows with the evidence that node i drives
        node j. The diagonal is ignored.
    native
        The method's own binary graphs, same shape, or None.
    """

    scores: list[np.ndarray]
    native: list[np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class Truths:
    """True graphs, one an item.

    Attributes
    ----------
    graphs
        Boolean (nodes, nodes) each, zero diagonal.
    averaged
        True where the average of the items' score matrices is scored, not each by itself.
    """

    graphs: list[np.ndarray]
    averaged: bool = False

    def __len__(self) -> int:
        return len(self.graphs)


class Networks(Sequence[Network]):
    """The networks of a view; recordings are read when asked for."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Network]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, row: int) -> Network:  # type: ignore[override]
        if not 0 <= row < len(self):
            raise IndexError(row)
        series = self._items.read("series", row).astype(np.float64)
        frames = [int(count) for count in self._items.table["frames"].iloc[row]]
        return Network(tuple(np.split(series, np.cumsum(frames)[:-1])), float(self._items.table["tr"].iloc[row]))


class Connectivity(Kind):
    """Input `Networks`; truth `Truths`; prediction `Graphs`.

    Nodes are shown in a seeded random order, undone before scoring: most public networks are
    upper-triangular in file order. Each item is predicted apart from the others.
    """

    name = "connectivity"
    inputs = ("series", "frames", "tr")
    headline = ("graph-f1", "graph-precision", "graph-recall", "shd", "graph-auroc", "graph-auprc")
    apart = True

    def view(self, items: Items, task: TaskInfo) -> Networks:
        return Networks(items)

    def targets(self, items: Items, task: TaskInfo) -> Truths:
        graphs = [items.read(task.target, row).astype(bool) for row in range(len(items))]
        return Truths([graph & ~np.eye(len(graph), dtype=bool) for graph in graphs], task.track == AVERAGED)

    def clean(self, items: Items, task: TaskInfo) -> tuple[Items, dict[str, int]]:
        """Items whose series are finite and vary; the others are named."""
        faults = [_fault(items.read("series", row)) for row in range(len(items))]
        names = [str(name) for name in items.table.index]
        left_out = {f"{fault} ({name})": 1 for name, fault in zip(names, faults, strict=True) if fault}
        return items.take([row for row, fault in enumerate(faults) if not fault]), left_out

    def present(self, items: Items, seed: int) -> tuple[Items, list[np.ndarray]]:
        rng = np.random.default_rng(seed)
        orders = [rng.permutation(_nodes(items, row)) for row in range(len(items))]
        arrays: dict[str, Any] = {**items.arrays}
        for name in items.arrays:
            loaded = [items.read(name, row) for row in range(len(items))]
            arrays[name] = [
                values[:, order] if name == "series" else values[np.ix_(order, order)]
                for values, order in zip(loaded, orders, strict=True)
            ]
        return replace(items, arrays=arrays), orders

    def restore(self, prediction: Graphs, key: list[np.ndarray]) -> Graphs:
        def undo(graphs: list[np.ndarray]) -> list[np.ndarray]:
            return [
                graph[np.ix_(np.argsort(order), np.argsort(order))] for graph, order in zip(graphs, key, strict=True)
            ]

        return Graphs(undo(prediction.scores), None if prediction.native is None else undo(prediction.native))

    def check(self, prediction: Any, items: Items, task: TaskInfo) -> Graphs:
        graphs = prediction if isinstance(prediction, Graphs) else Graphs(list(prediction))
        scores = [_real(graph) for graph in graphs.scores]
        native = None if graphs.native is None else [_binary(graph) for graph in graphs.native]
        for found in (scores, scores if native is None else native):
            if len(found) != len(items):
                raise BadPrediction(f"predict returned {len(found)} graphs for {len(items)} networks")
            for row, graph in enumerate(found):
                nodes = _nodes(items, row)
                if graph.shape != (nodes, nodes):
                    raise BadPrediction(f"a graph of shape {graph.shape}; expected ({nodes}, {nodes})")
        for graph in scores:
            if not np.isfinite(graph).all():
                raise BadPrediction("a graph holds NaN or infinity", "a score of 0 says: no evidence")
            if (graph[~np.eye(len(graph), dtype=bool)] < 0).any():
                raise BadPrediction("a graph holds negative scores", "give the strength of evidence, such as |weight|")
        return Graphs(scores, native)

    def save(self, prediction: Graphs, folder: Path, task: TaskInfo) -> None:
        save_arrays(folder / "scores.npz", prediction.scores)
        if prediction.native is not None:
            save_arrays(folder / "native.npz", prediction.native)

    def load(self, folder: Path, task: TaskInfo) -> Graphs:
        native = folder / "native.npz"
        return Graphs(load_arrays(folder / "scores.npz"), load_arrays(native) if native.exists() else None)

    def concat(self, parts: Sequence[Any]) -> Any:
        first = parts[0]
        if isinstance(first, Truths):
            return Truths([graph for part in parts for graph in part.graphs], first.averaged)
        if isinstance(first, Graphs):
            scores = [graph for part in parts for graph in part.scores]
            if any(part.native is None for part in parts):
                return Graphs(scores)
            return Graphs(scores, [graph for part in parts for graph in part.native])
        return super().concat(parts)

    def controls(self, truth: Truths) -> dict[str, Graphs]:
        """What the true graph transposed, all edges and the order of the file would score."""
        rules: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            "truth transposed": lambda graph: graph.T,
            "all edges": np.ones_like,
            "upper triangle in file order": lambda graph: np.triu(np.ones_like(graph), 1),
        }
        if all(len(graph) == 5 for graph in truth.graphs):
            rules["NetSim five-node graph in file order"] = lambda graph: _graph(5, FIVE_NODE)
        return {name: Graphs([np.asarray(rule(g), float) for g in truth.graphs]) for name, rule in rules.items()}

    def distinct(self, truth: Truths) -> tuple[str, ...]:
        """Hashes of the different true graphs, in file order of the nodes."""
        return tuple(sorted({hashlib.sha256(graph.tobytes()).hexdigest()[:12] for graph in truth.graphs}))


def _graph(nodes: int, edges: Sequence[tuple[int, int]]) -> np.ndarray:
    graph = np.zeros((nodes, nodes), dtype=bool)
    graph[tuple(np.array(edges).T)] = True
    return graph


def _nodes(items: Items, row: int) -> int:
    value = items.arrays["series"][row]
    assert value is not None
    return int(value.shape[1])


def _real(graph: Any) -> np.ndarray:
    """Scores as float64. Raises `BadPrediction` for what is no matrix of real numbers."""
    values = np.asarray(graph)
    if values.dtype.kind not in "fiub":
        raise BadPrediction(f"a graph of {values.dtype} values", "return real numbers")
    return values.astype(np.float64)


def _binary(graph: Any) -> np.ndarray:
    """A method's own graph as booleans. Raises `BadPrediction` for values other than 0 and 1."""
    values = _real(graph)
    if not np.isin(values, (0, 1)).all():
        raise BadPrediction("a native graph holds values other than 0 and 1", "give its scores as `scores`")
    return values.astype(bool)


def _fault(series: np.ndarray) -> str:
    """Why a recording cannot be used, or ""."""
    if not np.isfinite(series).all():
        return "NaN or infinite values"
    return "a constant series" if (np.ptp(series, axis=0) == 0).any() else ""
