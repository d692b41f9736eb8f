"""Planted networks: skewed noise that spreads along a few edges, within a frame and to the next."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..contracts import Task
from ..items import Items
from ..splits import Together
from .planted import Ask, Planted, changed

NETWORKS, NODES, EDGES, FRAMES, SHORT = 10, 5, 5, 250, 40


def connectivity(ask: Ask) -> Planted:
    """Ten networks of five nodes, each with a graph of its own; nothing is trained on."""
    rng = ask.rng(4)
    graphs = [graph_of(rng) for _ in range(NETWORKS)]
    series = [recording(graph, FRAMES, rng) for graph in graphs]
    names = [f"network{k}" for k in range(NETWORKS)]
    table = pd.DataFrame({"subject": names, "group": names, "tr": 2.0, "frames": [[FRAMES]] * NETWORKS}, index=names)
    task = Task(
        name="planted-connectivity", title="planted networks", family="planted", version=1, kind=ask.kind,
        dataset="planted", target="graph", split=Together(), metrics=("graph-auroc",), track="subject",
    )  # fmt: skip
    items = Items(table, {"series": series, "graph": graphs}, {})
    return Planted(task, items, (), tuple(names), {"short recordings": _short})


def graph_of(rng: np.random.Generator) -> np.ndarray:
    """A random acyclic graph (node, node) bool [source, target]."""
    pairs = [(i, j) for i in range(NODES) for j in range(i + 1, NODES)]
    graph = np.zeros((NODES, NODES), bool)
    for row in rng.permutation(len(pairs))[:EDGES]:
        graph[pairs[row]] = True
    order = rng.permutation(NODES)
    return graph[np.ix_(order, order)]


def recording(graph: np.ndarray, frames: int, rng: np.random.Generator) -> np.ndarray:
    """(time, node) float32 in which each node follows its sources, at once and one frame later."""
    own = rng.exponential(size=(frames, NODES)) - 1
    at_once = np.linalg.inv(np.eye(NODES) - 0.5 * graph)
    out = np.zeros((frames, NODES))
    for t in range(frames):
        past = out[t - 1] if t else np.zeros(NODES)
        out[t] = (0.3 * past + 0.4 * past @ graph + own[t]) @ at_once
    return out.astype(np.float32)


def _short(items: Items) -> Items:
    """Two recordings of few frames."""
    table = items.table.copy()
    table["frames"] = [[SHORT] if row < 2 else told for row, told in enumerate(table["frames"])]
    cut = changed(items, "series", {row: items.read("series", row)[:SHORT] for row in (0, 1)})
    return Items(table, cut.arrays, cut.meta)
