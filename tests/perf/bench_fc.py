"""Functional connectivity of 1,000 scans at 450 ROIs: ours beside nilearn and a loop over numpy.

Run: ``python tests/perf/bench_fc.py [SCANS]``. Series of 160 frames, float32, in memory; Fisher-z edges come out. The
loop is ``numpy.corrcoef`` scan by scan; nilearn is its ``ConnectivityMeasure`` with the plain (not shrunk) covariance.
The bound counts the products of each matrix once (it is symmetric) and every series and edge moved once; for a
cohort whose edges were kept before, each edge is read and written once.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from bounds import Row, bound, race, table

from brainbench.benchmark import fc
from brainbench.benchmark.datasets.cohort import Cohort, write_cohort
from brainbench.benchmark.kinds.scans import Scans

FRAMES, ROIS = 160, 450


class InMemory(list):
    """Series that are read as those of `Scans` are."""

    def series(self, row: int) -> np.ndarray:
        """(time, roi) of one scan."""
        return self[row]


def make(scans: int) -> InMemory:
    """Noise with some connectivity."""
    rng = np.random.default_rng(0)
    mixing = (np.eye(ROIS) + rng.standard_normal((ROIS, ROIS)) / np.sqrt(ROIS)).astype(np.float32)
    return InMemory(rng.standard_normal((FRAMES, ROIS), dtype=np.float32) @ mixing for _ in range(scans))


def loop(scans: InMemory) -> np.ndarray:
    """Edges by numpy, one scan after the other."""
    upper = np.triu_indices(ROIS, 1)
    return np.stack([np.arctanh(np.corrcoef(series, rowvar=False)[upper].astype(np.float32)) for series in scans])


def by_nilearn(scans: InMemory) -> np.ndarray:
    """Edges by nilearn; of its vectors the diagonal is taken out."""
    from nilearn.connectome import ConnectivityMeasure
    from sklearn.covariance import EmpiricalCovariance

    measure = ConnectivityMeasure(
        EmpiricalCovariance(store_precision=False),
        kind="correlation",
        vectorize=True,
        discard_diagonal=True,
        standardize="zscore_sample",
    )
    return np.arctanh(measure.fit_transform(scans))


def cohort(home: Path, series: InMemory) -> Scans:
    """The same scans as a cohort on disk."""
    names = {"name": "bench", "dataset": "bench", "origin": "real", "source": "a benchmark"}
    atlas = {"name": "bench", "labels": [str(k) for k in range(ROIS)]}
    with write_cohort(home / "cohorts" / "bench", rois=ROIS) as writer:
        for k, values in enumerate(series):
            writer.add(f"scan{k}", values, {"subject": f"person{k}"})
        writer.finish({**names, "atlas": atlas, "importer": {}, "left_out": {}})
    return Scans(Cohort.open(home / "cohorts" / "bench").items(), ())


def main() -> None:
    """Print the table, and the largest difference of an edge."""
    count = int(sys.argv[1]) if sys.argv[1:2] and sys.argv[1].isdigit() else 1000
    scans = make(count)
    few = InMemory(scans[:20])
    sides = [np.sort(np.ravel(edges(few))) for edges in (fc.edges, loop, by_nilearn)]
    worst = max(float(np.abs(sides[0] - side).max()) for side in sides[1:])
    cases = {"ours": lambda: fc.edges(scans), "numpy loop": lambda: loop(scans), "nilearn": lambda: by_nilearn(scans)}
    seconds = race(cases, rounds=1)  # all are warm: they were compared
    with tempfile.TemporaryDirectory() as home:
        os.environ["BRAINBENCH_HOME"] = home
        held = cohort(Path(home), scans)
        first, again = race({"": lambda: fc.edges(held)}, 1)[""], race({"": lambda: fc.edges(held)}, 2)[""]
    edges = ROIS * (ROIS - 1) // 2
    products, moved = count * ROIS * ROIS * FRAMES, 4 * count * (FRAMES * ROIS + edges)
    once = bound(moved=moved, done=products)
    rows = [Row(f"{count} scans", peer, seconds["ours"], seconds[peer], once) for peer in ("numpy loop", "nilearn")]
    kept = bound(moved=2 * 4 * count * edges)
    rows.append(Row(f"{count} scans of a cohort, kept for later", "nilearn", first, seconds["nilearn"], once))
    rows.append(Row(f"{count} scans of a cohort, kept before", "nilearn", again, seconds["nilearn"], kept))
    print(table(rows))
    print(f"{FRAMES} x {ROIS}; largest difference of a Fisher-z edge: {worst:.1e}")


if __name__ == "__main__":
    main()
