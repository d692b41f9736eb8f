"""What people type most, with an older revision and with this one, in turns of one run.

Run:  python tests/perf/since.py REVISION [--turns 3] [--only WORDS ...]   (in a git checkout)

Both revisions run in this environment, on the same data folder and on a store of its own; each cell of the table
is the least of the turns, in wall seconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).parents[2]
CALL = "from brainbench.benchmark.cli import main; main()"
FILL = """
from pathlib import Path
from sys import argv
from brainbench.benchmark.store import Store
from many_records import TEN_THOUSAND, fill, first_record
fill(Store(Path(argv[1])), TEN_THOUSAND, *first_record(Path(argv[2])))
"""
"""Each revision writes its own store: an older one need not read what this one writes."""
TASK = ["--task", "abide2-asd", "--data", "simulated"]
QUICK = ["--method", "majority", "--method", "site-only"]


@dataclass(frozen=True)
class Case:
    """A command: its name, its arguments, and whether it starts with an empty store."""

    name: str
    arguments: list[str]
    fresh: bool = False
    large: bool = False


CASES = (
    Case("--help", ["--help"]),
    Case("tasks", ["tasks"]),
    Case("methods", ["methods"]),
    Case("run, 20 cells of fc-svm", ["run", *TASK, "--folds", "20", "--method", "fc-svm"], fresh=True),
    Case("run, 40 cells that do next to nothing", ["run", *TASK, "--folds", "20", *QUICK], fresh=True),
    Case("run, 100 cells of few labels", ["run", "--task", "abide2-asd@10-shot", "--data", "simulated", "--method",
         "fc-svm", "--method", "fc-logistic", "--method", "kernel-ridge", "--method", "majority", "--method",
         "site-only"], fresh=True),
    Case("run, 5 cells of bnt (small), one epoch", ["run", *TASK, "--folds", "5", "--method", "bnt", "--set",
         "epochs=1"], fresh=True),
    Case("run, all 20 cells cached", ["run", *TASK, "--folds", "20", "--method", "fc-svm"]),
    Case("leaderboard of one task, few records", ["leaderboard", "--task", "abide2-asd"]),
    Case("leaderboard, all boards, 10,000 records", ["leaderboard"], large=True),
    Case("leaderboard of one task, 10,000 records", ["leaderboard", "--task", "toy-large"], large=True),
    Case("compare", ["compare", "majority", "fc-svm", "--task", "abide2-asd"]),
)  # fmt: skip


def environment(root: Path, home: Path) -> dict[str, str]:
    """Python's own variables, with the package that lies in a folder named brainbench of ``root``."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": str(root), "BRAINBENCH_HOME": str(home), "OMP_NUM_THREADS": "1"}


def seconds(case: Case, root: Path, place: Path, stores: dict[str, Path]) -> float:
    """Wall seconds of one call."""
    store = place / "fresh" if case.fresh else stores["large" if case.large else "small"]
    shutil.rmtree(place / "fresh", ignore_errors=True)
    command = [sys.executable, "-P", "-c", CALL, *case.arguments]
    start = time.perf_counter()
    done = subprocess.run(
        command,
        env=environment(root, place / "home") | {"BRAINBENCH_STORE": str(store)},
        capture_output=True,
        text=True,
    )
    spent = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{case.name}: {done.stderr[-2000:]}")
    return spent


def checkout(revision: str, place: Path) -> Path:
    """A folder that holds an older revision under the name brainbench."""
    root = place / "before"
    subprocess.run(["git", "-C", str(ROOT), "worktree", "add", "-q", "--detach", str(root / "brainbench"), revision],
                   check=True)  # fmt: skip
    return root


def stores_of(root: Path, place: Path, name: str) -> dict[str, Path]:
    """A store with finished cells, and one with many records, made with a revision."""
    small, large = place / name / "small", place / name / "large"
    for methods in (["--method", "fc-svm"], QUICK):
        subprocess.run(
            [sys.executable, "-P", "-c", CALL, "run", *TASK, "--folds", "20", *methods, "--store", str(small)],
            env=environment(root, place / "home"), check=True, capture_output=True,
        )  # fmt: skip
    (place / name / "first").mkdir()
    script = environment(root, place / "home") | {"PYTHONPATH": f"{root}{os.pathsep}{Path(__file__).parent}"}
    subprocess.run([sys.executable, "-P", "-c", FILL, str(large), str(place / name / "first")], env=script, check=True)
    return {"small": small, "large": large}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("revision")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[])
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        before = checkout(wanted.revision, place)
        now = place / "now"
        now.mkdir()
        (now / "brainbench").symlink_to(ROOT)
        try:
            compare(wanted, place, {"before": before, "now": now})
        finally:
            subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(before / "brainbench")],
                           check=False)  # fmt: skip


def compare(wanted: argparse.Namespace, place: Path, roots: dict[str, Path]) -> None:
    """Print the table."""
    stores = {name: stores_of(root, place, name) for name, root in roots.items()}
    rows = []
    for case in CASES:
        if wanted.only and not any(part in case.name for part in wanted.only):
            continue
        spent: dict[str, list[float]] = {name: [] for name in roots}
        for _ in range(wanted.turns):
            for name, root in roots.items():
                spent[name].append(seconds(case, root, place, stores[name]))
        was, is_now = (min(spent[name]) for name in ("before", "now"))
        rows.append([case.name, was, is_now, was / is_now])
        print(f"{case.name}: {was:.2f} s, now {is_now:.2f} s", file=sys.stderr, flush=True)
    print(tabulate(rows, ["command", f"{wanted.revision} s", "now s", "ratio"], floatfmt=".2f"))


if __name__ == "__main__":
    main()
