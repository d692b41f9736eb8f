"""Graph metrics of many pairs of graphs: ours beside loops. Run: ``python tests/perf/bench_graph.py``.

The four are SHD, precision, recall and F1. The bound is that of reading both batches (a byte a cell) once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from bounds import Row, bound, race, table
from sklearn.metrics import f1_score, precision_score, recall_score

from brainbench.benchmark.metrics import graph_measures as measures

PAIRS, NODES, DENSITY = 500, 50, 0.025


def together(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Ours: SHD, precision, recall and F1 (4, B) of the batch."""
    wanted = (measures.shd, measures.precision, measures.recall, measures.f1)
    return np.stack([measure(truth, found) for measure in wanted])


def one_by_one(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The same by numpy and scikit-learn, one pair at a time."""
    rows = []
    for a, b in zip(truth, found, strict=True):
        missing, extra = a & ~b, b & ~a
        distance = missing.sum() + extra.sum() - (missing & extra.T).sum()
        flat = a.ravel(), b.ravel()
        rows.append(
            [distance, *(score(*flat, zero_division=0.0) for score in (precision_score, recall_score, f1_score))]
        )
    return np.array(rows, dtype=float).T


def plain(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The same by numpy alone, one pair at a time."""
    rows = []
    for a, b in zip(truth, found, strict=True):
        missing, extra, hits = a & ~b, b & ~a, (a & b).sum()
        distance = missing.sum() + extra.sum() - (missing & extra.T).sum()
        rows.append([distance, hits / b.sum(), hits / a.sum(), 2 * hits / (a.sum() + b.sum())])
    return np.array(rows, dtype=float).T


def peers() -> dict[str, Callable[[np.ndarray, np.ndarray], Any]]:
    """gcastle and cdt, where they are installed."""
    found: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {}
    try:
        castle = importlib.import_module("castle.metrics").MetricsDAG
        found["gcastle, all four"] = lambda truth, other: [
            castle(b, a).metrics for a, b in zip(truth.astype(int), other.astype(int), strict=True)
        ]
    except ImportError:
        print("gcastle is not installed")
    try:
        cdt = importlib.import_module("cdt.metrics").SHD
        found["cdt, SHD alone"] = lambda truth, other: [
            cdt(a, b) for a, b in zip(truth.astype(int), other.astype(int), strict=True)
        ]
    except ImportError:
        print("cdt is not installed")
    return found


def main() -> None:
    """Print the table; the loops must give our numbers. gcastle and cdt are run where they are installed."""
    rng = np.random.default_rng(0)
    truth, found = (np.triu(rng.random((PAIRS, NODES, NODES)) < 2 * DENSITY, 1) for _ in range(2))
    np.testing.assert_allclose(together(truth, found), one_by_one(truth, found))
    np.testing.assert_allclose(together(truth, found), plain(truth, found))
    ours = {"all four": lambda: together(truth, found), "SHD alone": lambda: measures.shd(truth, found)}
    loops = {"numpy + scikit-learn loop, all four": one_by_one, "numpy loop, all four": plain, **peers()}
    least, seconds = race(ours, 9), race({name: partial(loop, truth, found) for name, loop in loops.items()})
    once = bound(moved=truth.nbytes + found.nbytes)
    print(f"{PAIRS} pairs of {NODES}-node graphs")
    told = [(name.rpartition(", ")[::2], seconds[name]) for name in loops]
    print(table([Row(case, peer, least[case], theirs, once) for (peer, case), theirs in told]))


if __name__ == "__main__":
    main()
