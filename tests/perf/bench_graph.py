"""Graph metrics of many pairs of graphs: ours beside loops. Run: ``python tests/perf/bench_graph.py``."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import f1_score, precision_score, recall_score
from tabulate import tabulate

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


def median_seconds(function: Callable[[], object], repeats: int) -> float:
    """Median wall time of a few calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main() -> None:
    """Print seconds and how many times longer than ours; the loops must give our numbers."""
    rng = np.random.default_rng(0)
    truth, found = (np.triu(rng.random((PAIRS, NODES, NODES)) < 2 * DENSITY, 1) for _ in range(2))
    np.testing.assert_allclose(together(truth, found), one_by_one(truth, found))
    np.testing.assert_allclose(together(truth, found), plain(truth, found))
    ours = median_seconds(lambda: together(truth, found), 9)
    alone = median_seconds(lambda: measures.shd(truth, found), 9)
    loops = {"numpy + scikit-learn loop, all four": one_by_one, "numpy loop, all four": plain, **peers()}
    table: list[list[object]] = [["ours, all four", ours, 1], ["ours, SHD alone", alone, alone / ours]]
    for name, loop in loops.items():
        seconds = median_seconds(lambda loop=loop: loop(truth, found), 3)  # type: ignore[misc]
        table.append([name, seconds, seconds / (alone if "alone" in name else ours)])
    print(f"{PAIRS} pairs of {NODES}-node graphs")
    print(tabulate(table, ["program", "seconds", "times ours"], floatfmt=".3g"))


if __name__ == "__main__":
    main()
