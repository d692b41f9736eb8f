"""Start of the commands that people type most: processor seconds and wall seconds, least of a few calls each.

Bytecode is cached, as users have it. The board and the run are of two finished cells on a small twin. Peers run in
environments of their own (see `peers`); one that is not to be had is named below the table. Run:
``python tests/perf/bench_start.py``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import peers
from bench_harness import BENCHOPT, MOABB
from peer_start import least, once
from tabulate import tabulate

CALL = "from brainbench.benchmark.cli import main; main()"
OURS = ("--help", "tasks", "tasks abide2-asd", "methods", "methods fc-svm", "data list", "doctor")
RUN = "run --task abide2-asd --method fc-svm --data simulated"
PEERS = {"moabb.run --help": MOABB, "benchopt --help": BENCHOPT}
"""Module and arguments -> packages. MOABB's command line is a module."""


def ours(words: str) -> list[str]:
    """A command of this package."""
    return [sys.executable, "-c", CALL, *words.split()]


def main() -> None:
    """Print the table."""
    rows: list[tuple[str, float, float]] = []
    lacking = []
    with tempfile.TemporaryDirectory() as folder:
        store = ["--store", folder]
        once([*ours(RUN), *store])
        rows += [(f"brainbench {words}", *least(ours(words))) for words in OURS]
        rows.append(("brainbench leaderboard", *least([*ours("leaderboard"), *store])))
        rows.append((f"brainbench {RUN}, all cached", *least([*ours(RUN), *store])))
    for words, packages in PEERS.items():
        try:
            told = peers.ask(Path(__file__).with_name("peer_start.py"), packages, *words.split())
            rows.append((f"python -m {words}", *told))
        except peers.NotToBeHad as error:
            lacking.append(f"python -m {words}: not to be had, {error}")
    print(tabulate(rows, ["command", "processor s", "seconds"], floatfmt=".2f"))
    print(*lacking, sep="\n")


if __name__ == "__main__":
    main()
