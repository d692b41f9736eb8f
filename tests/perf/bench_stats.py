"""AUC bootstrap: ours beside a loop over scikit-learn. Run: ``python tests/perf/bench_stats.py``."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from sklearn.metrics import roc_auc_score
from tabulate import tabulate

from brainbench.benchmark.metrics.classification import AUC
from brainbench.benchmark.stats import Scored, bootstrap

RESAMPLES = 2000


def loop(truth: np.ndarray, score: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Percentile interval by resampling items one resample at a time."""
    rng = np.random.default_rng(seed)
    n = len(truth)
    rows = (rng.integers(0, n, n) for _ in range(RESAMPLES))
    low, high = np.quantile([roc_auc_score(truth[row], score[row]) for row in rows], [0.025, 0.975])
    return float(low), float(high)


def median_seconds(function: Callable[[], object], repeats: int = 3) -> float:
    """Median wall time of a few calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main() -> None:
    """Print seconds, their ratio, and both intervals, which must agree."""
    rng = np.random.default_rng(0)
    table = []
    for n in (200, 1000, 5000):
        truth = rng.permutation(np.arange(n) % 2)
        score = np.round(rng.random(n) + 0.3 * truth, 2)
        fold = Scored(truth, np.c_[1 - score, score], [str(i) for i in range(n)])
        ours, peer = (
            median_seconds(lambda fold=fold: bootstrap(AUC(), [fold])),
            median_seconds(lambda truth=truth, score=score: loop(truth, score), 1),
        )
        found, (low, high) = bootstrap(AUC(), [fold]), loop(truth, score)
        table.append([n, ours, peer, peer / ours, f"{found.low:.3f} {found.high:.3f}", f"{low:.3f} {high:.3f}"])
    headers = ["subjects", "ours s", "scikit-learn loop s", "ratio", "interval", "loop's interval"]
    print(tabulate(table, headers, floatfmt=".3g"))


if __name__ == "__main__":
    main()
