"""Seconds a recording of every connectivity baseline at 5, 15 and 50 nodes, 200 frames.

Processor seconds of one thread, median over three subjects of the simulated networks, after one call to warm up.
Run: ``python tests/perf/bench_graph_baselines.py``.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from brainbench.baselines.graph_baseline import GraphBaseline
from brainbench.benchmark.contracts import Context, TaskInfo
from brainbench.benchmark.registry import load_all
from brainbench.benchmark.simulate.network_cases import CASES, simulate

SIZES = {5: "netsim:1", 15: "netsim:3", 50: "netsim:4"}
SUBJECTS = 3


def seconds(method: type[GraphBaseline], series: np.ndarray, context: Context) -> float:
    """Median processor seconds of the graphs of (subject, time, node) series."""
    method().graph(series[0], 3.0, context)
    spent = []
    for recording in series:
        start = time.process_time()
        method().graph(recording, 3.0, context)
        spent.append(time.process_time() - start)
    return float(np.median(spent))


def main() -> None:
    recordings = {nodes: simulate(CASES[name], SUBJECTS, 0).series for nodes, name in SIZES.items()}
    context = Context(TaskInfo("bench", "connectivity", "graph", track="subject"), 0, Path(tempfile.mkdtemp()))
    rows = []
    with threadpool_limits(1):
        for entry, method in load_all("methods"):
            if isinstance(method, type) and issubclass(method, GraphBaseline):
                row = [f"{seconds(method, series, context):.4f}" for series in recordings.values()]
                rows.append([entry.name, *row])
    print(tabulate(rows, ["baseline", *(f"N = {nodes} (s)" for nodes in SIZES)], disable_numparse=True))


if __name__ == "__main__":
    main()
