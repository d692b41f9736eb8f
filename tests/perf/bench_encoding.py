"""Pearson r by parcel: ours beside a scipy loop. Run: ``python tests/perf/bench_encoding.py``.

10,000 TRs of 1,000 parcels, float32: the score with every variant's formula, then the score with its interval by
block bootstrap. The bound is that of reading the two arrays once, and for the interval that of adding up six sums of
every segment in each resample.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from bounds import Row, bound, race, table
from scipy import stats

from brainbench import Items, TaskInfo
from brainbench.benchmark.kinds import get_kind
from brainbench.benchmark.metrics.encoding import CUT, EncodingR, parcel_correlation
from brainbench.benchmark.stats import RESAMPLES, Scored, bootstrap

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


def main() -> None:
    """Print the table, and the largest difference of an r."""
    truth, found = films()
    held, parts, owners = pieces(truth, found)
    once, rows, worst = bound(moved=sum(run.nbytes for run in (*truth, *found))), [], 0.0
    for name, cut in (("r of each parcel", 0), ("5 TRs cut at both ends", CUT)):

        def ours(cut: int = cut) -> np.ndarray:
            held.kept.clear()
            return parcel_correlation(held, parts, cut)["one"]

        least = race({"": ours}, 5)[""]
        theirs = race({"": partial(loop, truth, found, cut)}, 1)[""]
        rows.append(Row(name, "scipy loop", least, theirs, once))
        worst = max(worst, float(np.abs(ours() - loop(truth, found, cut)).max()))
    scored = Scored(held, parts, [f"{run} {label}" for run, label in owners])
    held.kept.clear()
    seconds = race({"": lambda: bootstrap(EncodingR(), [scored])}, 1)[""]
    sums = bound(done=2 * RESAMPLES * len(parts) * 6 * PARCELS, kind="float64")
    rows.append(Row("with interval", "scipy loop x 2000", seconds, RESAMPLES * rows[0].theirs, once + sums))
    print(table(rows))
    print(f"10,000 TRs of 1,000 parcels; largest difference of an r: {worst:.1e}")


if __name__ == "__main__":
    main()
