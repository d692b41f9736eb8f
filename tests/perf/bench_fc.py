"""Functional connectivity of 1,000 scans at 450 ROIs: ours beside nilearn and a loop over numpy.

Run: ``python tests/perf/bench_fc.py [SCANS]``. Series of 160 frames, float32, in memory; Fisher-z edges come out. The
loop is ``numpy.corrcoef`` scan by scan; nilearn is its ``ConnectivityMeasure`` with the plain (not shrunk) covariance.
The bound counts the products of each matrix once (it is symmetric) and every series and edge moved once.
"""

from __future__ import annotations

import sys

import numpy as np
from bounds import Row, bound, race, table

from brainbench.benchmark import fc

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


def main() -> None:
    """Print the table, and the largest difference of an edge."""
    count = int(sys.argv[1]) if sys.argv[1:2] and sys.argv[1].isdigit() else 1000
    scans = make(count)
    cases = {"ours": lambda: fc.edges(scans), "numpy loop": lambda: loop(scans), "nilearn": lambda: by_nilearn(scans)}
    few = InMemory(scans[:20])
    worst = max(
        np.abs(np.sort(np.ravel(fc.edges(few))) - np.sort(np.ravel(peer(few)))).max() for peer in (loop, by_nilearn)
    )
    seconds = race(cases, rounds=1)  # all are warm: they were compared
    edges = ROIS * (ROIS - 1) // 2
    least = bound(moved=4 * count * (FRAMES * ROIS + edges), done=count * ROIS * ROIS * FRAMES)
    case = f"FC of {count} scans, {FRAMES} x {ROIS}"
    print(table([Row(case, peer, seconds["ours"], seconds[peer], least) for peer in ("numpy loop", "nilearn")]))
    print(f"largest difference of a Fisher-z edge: {worst:.1e}")


if __name__ == "__main__":
    main()
