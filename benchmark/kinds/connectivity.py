"""Connectivity: recover the directed graph of a network. Orientation is [source, target]."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..contracts import Kind, TaskInfo
from ..errors import BadPrediction
from ..items import Items
from .arrays import load_arrays, save_arrays


@dataclass(frozen=True)
class Graphs:
    """Predicted graphs, one an item.

    Attributes
    ----------
    scores
        (nodes, nodes) each; entry [i, j] grows with the evidence that node i drives node j. The
        diagonal is ignored.
    native
        The method's own binary graphs, same shape, or None.
    """

    scores: list[np.ndarray]
    native: list[np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.scores)


class Recordings:
    """A sequence of recordings of one network each: (time, node) float64 arrays."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, row: int) -> np.ndarray:
        if not 0 <= row < len(self):
            raise IndexError(row)
        return self._items.read("series", row).astype(np.float64)


class Connectivity(Kind):
    """Input `Recordings`; target binary (nodes, nodes) graphs [source, target]; prediction `Graphs`.

    Nodes are shown in a seeded random order, undone before scoring: most public networks are
    upper-triangular in file order.
    """

    name = "connectivity"
    inputs = ("series", "tr")
    headline = ("graph-f1", "shd")

    def view(self, items: Items, task: TaskInfo) -> Recordings:
        return Recordings(items)

    def targets(self, items: Items, task: TaskInfo) -> list[np.ndarray]:
        return [items.read(task.target, row).astype(bool) for row in range(len(items))]

    def present(self, items: Items, seed: int) -> tuple[Items, list[np.ndarray]]:
        rng = np.random.default_rng(seed)
        series = [items.read("series", row) for row in range(len(items))]
        orders = [rng.permutation(values.shape[1]) for values in series]
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
        scores = [np.asarray(graph, dtype=np.float64) for graph in graphs.scores]
        native = None if graphs.native is None else [np.asarray(graph).astype(bool) for graph in graphs.native]
        for found in (scores, native or scores):
            if len(found) != len(items):
                raise BadPrediction(f"predict returned {len(found)} graphs for {len(items)} networks")
            for row, graph in enumerate(found):
                nodes = self._nodes(items, row)
                if graph.shape != (nodes, nodes):
                    raise BadPrediction(f"network {row}: a graph of shape {graph.shape}; expected ({nodes}, {nodes})")
        if not all(np.isfinite(graph).all() for graph in scores):
            raise BadPrediction("a graph holds NaN or infinity")
        return Graphs(scores, native)

    @staticmethod
    def _nodes(items: Items, row: int) -> int:
        value = items.arrays["series"][row]
        assert value is not None
        return int(value.shape[1])

    def save(self, prediction: Graphs, folder: Path, task: TaskInfo) -> None:
        save_arrays(folder / "scores.npz", prediction.scores)
        if prediction.native is not None:
            save_arrays(folder / "native.npz", prediction.native)

    def load(self, folder: Path, task: TaskInfo) -> Graphs:
        native = folder / "native.npz"
        return Graphs(load_arrays(folder / "scores.npz"), load_arrays(native) if native.exists() else None)

    def concat(self, parts: Any) -> Any:
        if not isinstance(parts[0], Graphs):
            return super().concat(parts)
        scores = [graph for part in parts for graph in part.scores]
        if any(part.native is None for part in parts):
            return Graphs(scores)
        return Graphs(scores, [graph for part in parts for graph in part.native])
