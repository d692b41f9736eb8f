"""The board of 100,000 records: finding, reading, testing and printing them, beside plain readers of their files.

The records are those of `many_records`: 490 tasks of 200 methods, and one of 2,000, with 2,000 resamples each (6 GB
below ``$BRAINBENCH_PERF``, else the folder for temporary files; where that has no room for them, 10,000). The plain
readers load every record's JSON, unchecked, and sort the rows of one task in pandas. All files are in memory: they were
written or read just before. Run: ``python tests/perf/bench_board.py [STORE]``, with a store that is there to take it.
"""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from bounds import Row, bound, race, table
from many_records import HUNDRED_THOUSAND, TEN_THOUSAND, fill, first_record
from rich.console import Console

from brainbench.benchmark import index
from brainbench.benchmark.stats import two_sided_rows
from brainbench.benchmark.store import Store
from brainbench.leaderboard.board import Board
from brainbench.leaderboard.gathered import gather
from brainbench.leaderboard.pairs import pairs_p
from brainbench.leaderboard.tables import board_sheet
from brainbench.leaderboard.terminal import to_terminal

ROOM = 10 << 30
SMALL, LARGE = "toy-1", "toy-large"
PLAIN = "json, pandas"


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] and (Path(sys.argv[1]) / "records").is_dir():
        tell(Store(Path(sys.argv[1])))
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get("BRAINBENCH_PERF")) as name:
        folder = Path(name)
        shape = HUNDRED_THOUSAND if shutil.disk_usage(folder).free > ROOM else TEN_THOUSAND
        fill(Store(folder / "runs"), shape, *first_record(folder))
        time.sleep(index.SETTLED_NS / 1e9)
        tell(Store(folder / "runs"))


def tell(store: Store) -> None:
    """Measure each step, and print it beside the plain readers'."""
    names = index.record_names(store.path / "records")
    size = sum((store.path / "records" / name / "record.json").stat().st_size for name in names)
    (store.path / index.INDEX).unlink(missing_ok=True)
    every = race({"ours": store.places, PLAIN: lambda: plain(store)}, rounds=1)
    later = race({"ours": store.places}, rounds=3)["ours"]
    small = race({"ours": lambda: boards(store, SMALL)}, rounds=3)["ours"]
    large = race({"ours": lambda: boards(store, LARGE)}, rounds=1)["ours"]
    shown = boards(store, LARGE)[0]
    tests = pairs(store, shown)
    printed = race({"ours": lambda: to_terminal(board_sheet(shown), Console(file=io.StringIO(), width=200))}, 1)["ours"]
    of_index = bound(moved=(store.path / index.INDEX).stat().st_size)
    whole = seconds(lambda: [board_sheet(board) for board in gather(store, None).boards()])
    print(f"{len(names):,} records, {size / 2**20:,.0f} MiB of JSON")
    print(
        table(
            [
                Row("first command: every record read and checked", PLAIN, every["ours"], every[PLAIN], bound(size)),
                Row("later commands: where each stands", PLAIN, later, every[PLAIN], of_index),
                Row("the board of a task of 200", PLAIN, small, every[PLAIN], of_index),
                Row("the board of a task of 2,000", PLAIN, large, every[PLAIN], of_index),
                Row("tests of all its pairs", "pair by pair", tests["ours"], tests["pair by pair"]),
                Row("the same in a terminal", "", printed),
                Row("tables of all boards", "", whole),
            ]
        )
    )
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def seconds(case: Callable[[], Any]) -> float:
    """Wall seconds of one call."""
    return race({"": case}, rounds=1)[""]


def boards(store: Store, task: str) -> list[Board]:
    """The boards of a task with their tests, as `brainbench leaderboard --task` makes them."""
    return list(gather(store, None).boards("", lambda place: place.task == task))


def plain(store: Store) -> pd.DataFrame:
    """The rows of a task by their score, as a script without an index would make them."""
    rows = []
    for path in (store.path / "records").glob("*/record.json"):
        record = json.loads(path.read_bytes())
        score = record["scores"][record["task"]["metrics"][0]]
        rows.append((record["task"]["name"], record["method"]["name"], score["value"], score["low"], score["high"]))
    table = pd.DataFrame(rows, columns=["task", "method", "value", "low", "high"])
    return table[table["task"] == SMALL].sort_values("value", ascending=False)


def pairs(store: Store, board: Board) -> dict[str, float]:
    """Seconds of the tests of all pairs of rows, at once and from each difference."""
    found = [store.draws(line.record) for line in board.lines]
    scores = np.array([draws.of(board.headline) for draws in found if draws])
    units = next(draws.of_what.units for draws in found if draws)

    def one_by_one() -> np.ndarray:
        return np.concatenate([two_sided_rows(scores[k] - scores[k + 1 :], units) for k in range(len(scores) - 1)])

    return race({"ours": lambda: pairs_p(scores, units), "pair by pair": one_by_one}, rounds=1)


if __name__ == "__main__":
    main()
