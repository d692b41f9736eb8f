"""Pearson r by parcel: ours beside a scipy loop. Run: ``python tests/perf/bench_encoding.py``.

10,000 TRs of 1,000 parcels, float32: the score with every variant's formula, then the score with its interval by
block bootstrap. The memory bound is the time that the two arrays take to be read once.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats
from tabulate import tabulate

from brainbench import Items, TaskInfo
from brainbench.benchmark.kinds import get_kind
from brainbench.benchmark.metrics.encoding import CUT, EncodingR, parcel_correlation
from brainbench.benchmark.stats import Scored, bootstrap

FRAMES, PARCELS = 500, 1000
RUNS = 20


def films() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Responses and predictions of twenty runs, not centred."""
    rng = np.random.default_rng(0)
    truth = [rng.standard_normal((FRAMES, PARCELS), dtype=np.float32) + 3 for _ in range(RUNS)]
    return truth, [0.3 * run + rng.standard_normal(run.shape, dtype=np.float32) for run in truth]


def pieces(truth: list[np.ndarray], found: list[np.ndarray]):
    """Truth and prediction in segments, as they are scored."""
    table = pd.DataFrame(index=[str(k) for k in range(RUNS)])
    info = TaskInfo("films", "encoding", "responses")
    kind = get_kind("encoding")
    measured = kind.targets(Items(table, {"responses/one": truth}), info)
    return kind.pieces(measured, [{"one": run} for run in found])


def loop(truth: list[np.ndarray], found: list[np.ndarray], cut: int) -> np.ndarray:
    """scipy's r of each parcel, all runs as one series."""
    rows = slice(cut, FRAMES - cut)
    x, y = (np.concatenate([run[rows] for run in runs]) for runs in (truth, found))
    return np.array([stats.pearsonr(x[:, p], y[:, p]).statistic for p in range(PARCELS)])


def best(function: Callable[[], object], repeats: int) -> float:
    """Least wall time of a few calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print seconds, their ratio, and the largest difference of an r."""
    truth, found = films()
    held, parts, owners = pieces(truth, found)
    table = []
    for name, cut in (("r of each parcel", 0), ("5 TRs cut at both ends", CUT)):

        def ours(cut: int = cut) -> np.ndarray:
            held.kept.clear()
            return parcel_correlation(held, parts, cut)["one"]

        seconds, peer = best(ours, 5), best(lambda cut=cut: loop(truth, found, cut), 1)
        table.append([name, seconds, peer, peer / seconds, float(np.abs(ours() - loop(truth, found, cut)).max())])
    scored = Scored(held, parts, [f"{run} {label}" for run, label in owners])
    held.kept.clear()
    seconds = best(lambda: bootstrap(EncodingR(), [scored]), 1)
    table.append(["with interval, 2000 resamples", seconds, 2000 * table[0][2], 2000 * table[0][2] / seconds, None])
    print(tabulate(table, ["10,000 x 1,000", "ours s", "scipy loop s", "ratio", "difference"], floatfmt=".3g"))
    read = best(lambda: [run.max() for run in (*truth, *found)], 3)
    print(f"memory bound, one pass over both arrays: {read:.3f} s; the loop's interval is its score times 2000")


if __name__ == "__main__":
    main()
