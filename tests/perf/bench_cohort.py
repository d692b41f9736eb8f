"""A cohort of 50,000 simulated scans: opening it, reading scans at random and in order, staging them for a worker.

Scans are 120 to 200 frames of 100 ROIs in float16 (1.6 GB). Beside ours stand, on the same numbers, one .npz file a
scan, read by a loop and by torch's ``DataLoader`` (no workers of its own), and ``numpy.memmap`` on our own file, which
checks nothing: ours holds each scan against its SHA-256. All files are in memory: they were written just before (below
``$BRAINBENCH_PERF``, else the folder for temporary files). Run: ``python tests/perf/bench_cohort.py [SCANS]``.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
from bounds import Row, bound, race, table

from brainbench.benchmark.datasets.cohort import Cohort, write_cohort
from brainbench.benchmark.items import Items

ROIS = 100
RANDOM = 5_000
"""Scans read in a random order."""


class Files:
    """One .npz file a scan, as a map-style data set of torch's."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.iterdir())

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> np.ndarray:
        with np.load(self.paths[row]) as file:
            found: np.ndarray = file["series"]
        return found


def make(folder: Path, count: int) -> None:
    """Write the cohort and the .npz files."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((4000, ROIS)).astype(np.float16)
    (folder / "npz").mkdir()
    with write_cohort(folder / "cohort", rois=ROIS, dtype="float16") as writer:
        for k in range(count):
            start, frames = int(rng.integers(3800)), int(rng.integers(120, 201))
            series = noise[start : start + frames]
            row = {"subject": f"s{k}", "site": f"site{k % 20}", "age": 45.0 + k % 30, "tr": 0.735}
            writer.add(f"s{k:06}", series, row)
            np.savez(folder / "npz" / f"s{k:06}.npz", series=series)
        writer.finish({
            "name": "many", "dataset": "own", "origin": "twin", "source": "a speed table", "importer": {},
            "left_out": {}, "atlas": {"name": "test", "labels": [f"r{k}" for k in range(ROIS)]},
        })  # fmt: skip


def ours(items: Items, rows: np.ndarray) -> int:
    """Numbers read by our reader."""
    return sum(items.read("series", int(row)).size for row in rows)


def by_loop(files: Files, rows: np.ndarray) -> int:
    """Numbers read by a loop over files."""
    return sum(files[int(row)].size for row in rows)


def by_torch(files: Files, rows: np.ndarray) -> int:
    """Numbers read by torch's loader."""
    from torch.utils.data import DataLoader

    return sum(one.numel() for one in DataLoader(files, batch_size=None, sampler=rows.tolist()))  # type: ignore[arg-type]


def by_memmap(path: Path, table: np.ndarray, rows: np.ndarray) -> int:
    """Numbers copied from the cohort's own file, unchecked."""
    series = np.load(path / "series.npy", mmap_mode="r")
    return sum(np.array(series[start : start + frames]).size for start, frames in table[rows])


def staged(items: Items, path: Path) -> Items:
    """What a worker gets: references written and read again."""
    items.save(path)
    return Items.load(path)


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if sys.argv[1:2] and sys.argv[1].isdigit() else 50_000
    with tempfile.TemporaryDirectory(dir=os.environ.get("BRAINBENCH_PERF")) as name:
        folder = Path(name)
        make(folder, count)
        print(table(rows(folder, count)))
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:,.0f} MiB")


def rows(folder: Path, count: int) -> list[Row]:
    """The lines of the table."""
    opened = race({"ours": lambda: Cohort.open(folder / "cohort").items(), "npz": lambda: Files(folder / "npz")})
    items, files = Cohort.open(folder / "cohort").items(), Files(folder / "npz")
    places = items.table[["start", "frames"]].to_numpy()
    found = [Row(f"open {count:,} scans", "list of .npz", opened["ours"], opened["npz"])]
    some = np.random.default_rng(1).permutation(count)[:RANDOM]
    for what, order in ((f"{len(some):,} at random", some), ("all in order", np.arange(count))):
        seconds = race(
            {
                "ours": lambda order=order: ours(items, order),
                "npz loop": lambda order=order: by_loop(files, order),
                "torch over npz": lambda order=order: by_torch(files, order),
                "numpy.memmap, unchecked": lambda order=order: by_memmap(folder / "cohort", places, order),
            },
            rounds=2,
        )
        least = bound(moved=2 * ROIS * float(places[order, 1].sum()))
        found += [Row(what, peer, seconds["ours"], took, least) for peer, took in seconds.items() if peer != "ours"]
    written = race({"ours": lambda: staged(items, folder / "staged.parquet")})
    return [*found, Row("staged for a worker and read there", "", written["ours"])]


if __name__ == "__main__":
    main()
