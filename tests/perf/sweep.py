"""A sweep of 200 cells: one worker, the local pool, Dask with two workers; and the same while workers are killed.

Prints wall seconds, efficiency (seconds of one worker over workers times wall), and whether the records are the same.
Run:  python tests/perf/sweep.py [--only NAME ...] [--kill-every SECONDS] [--small]

The first way is always calm: the others are compared with it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from tabulate import tabulate

from brainbench.benchmark.store import Store

TASKS = ("abide2-asd", "adhd200-adhd", "adni-ad", "hcp-sex")
METHODS = ("fc-svm", "fc-logistic", "kernel-ridge", "cpm", "confounds")
FOLDS = 10
CALL = "from brainbench.benchmark.cli import main; main()"
WORKERS = 2


@dataclass
class Way:
    """A way to run the sweep: its name, how many workers, and options of ``brainbench run``."""

    name: str
    workers: int
    options: list[str] = field(default_factory=list)


@dataclass
class Ended:
    """What a way gave."""

    way: Way
    seconds: float
    code: int
    kills: int
    store: Store
    said: str


def command(*arguments: str) -> list[str]:
    """``brainbench ARGUMENTS`` with this interpreter."""
    return [sys.executable, "-P", "-c", CALL, *arguments]


def sweep(small: bool) -> list[str]:
    """The arguments of the sweep, without the way."""
    tasks, folds = (TASKS[:1], 2) if small else (TASKS, FOLDS)
    told = ["run", "--data", "simulated", "--folds", str(folds), "--threads", "1", "--json"]
    return [*told, *(f"--task={name}" for name in tasks), *(f"--method={name}" for name in METHODS)]


def run(way: Way, arguments: list[str], place: Path, kill_every: float) -> Ended:
    """Run the sweep on an empty store."""
    store = Store(place / way.name.replace(" ", "-"))
    with open(store.path.with_suffix(".err"), "wb") as errors:
        start = time.monotonic()
        run_it = command(*arguments, *way.options, "--store", str(store.path))
        process = subprocess.Popen(run_it, stdout=subprocess.DEVNULL, stderr=errors)
        kills = kill_workers(process, kill_every, way.name == "dask") if kill_every else 0
        code = process.wait()
    return Ended(way, time.monotonic() - start, code, kills, store, store.path.with_suffix(".err").read_text())


def kill_workers(process: subprocess.Popen[bytes], every: float, far: bool) -> int:
    """Kill -9 a worker of the run, or one of Dask's, every so many seconds until the run has ended; how many."""
    rng, kills = random.Random(0), 0
    while process.poll() is None:
        time.sleep(every)
        if victims := workers(process, far):
            victim = rng.choice(victims)
            try:
                os.kill(victim.pid, signal.SIGKILL)
                kills += 1
            except ProcessLookupError:
                continue
    return kills


def workers(process: subprocess.Popen[bytes], far: bool) -> list[psutil.Process]:
    """The workers of a run with the cells in them; ``far`` those of Dask, and the processes under its nannies."""
    found = []
    try:
        own = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return []
    beside = [other for other in psutil.Process().children(recursive=True) if other not in own]
    for other in beside if far else own:
        try:
            line = " ".join(other.cmdline())
        except psutil.Error:
            continue
        if "benchmark.template" in line or (far and "spawn_main" in line):
            found.append(other)
    return found


@contextmanager
def dask(place: Path) -> Iterator[str]:
    """A Dask scheduler with two workers on this machine; its address."""
    file = place / "scheduler.json"
    log = open(place / "dask.log", "ab")  # noqa: SIM115 - the processes hold it
    common = ["--scheduler-file", str(file)]
    start = [sys.executable, "-P", "-m", "dask"]
    scheduler = subprocess.Popen(
        [*start, "scheduler", *common, "--host", "127.0.0.1", "--port", "0", "--no-dashboard"], stderr=log, stdout=log
    )
    hands = [
        subprocess.Popen([*start, "worker", *common, "--nthreads", "1", "--no-dashboard", "--local-directory",
                          str(place / "dask")], stderr=log, stdout=log)
        for _ in range(WORKERS)
    ]  # fmt: skip
    try:
        while not file.is_file():
            time.sleep(0.1)
        time.sleep(3)
        yield json.loads(file.read_text())["address"]
    finally:
        for process in (*hands, scheduler):
            process.terminate()
        for process in (*hands, scheduler):
            process.wait()
        log.close()


def same(one: Store, other: Store) -> str:
    """Whether two stores hold the same records, and what differs."""
    mine, theirs = ({record.id: record for record in store.records()} for store in (one, other))
    if mine.keys() != theirs.keys():
        return f"NO: {len(mine)} and {len(theirs)} records"
    different = [name for name, record in mine.items() if record.content_hash != theirs[name].content_hash]
    return f"NO: {different[:3]}" if different else f"yes, {len(mine)}"


def computed(ended: Ended) -> tuple[int, int]:
    """How many cells are finished, and how often one ended."""
    finished = sum(1 for _ in (ended.store.path / "cells").glob("*/cell.json"))
    return finished, sum(line.startswith("ok ") for line in ended.said.splitlines())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=["one worker", "local pool", "dask"])
    parser.add_argument("--kill-every", type=float, default=0)
    parser.add_argument("--small", action="store_true")
    wanted = parser.parse_args()
    arguments = sweep(wanted.small)
    ends: list[Ended] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        os.environ.setdefault("BRAINBENCH_HOME", str(place / "home"))
        made = subprocess.run(command(*arguments, "--dry-run"), capture_output=True, text=True)
        print(f"{len(json.loads(made.stdout))} cells", flush=True)
        with dask(place) if "dask" in wanted.only else nothing() as address:
            ways = [
                Way("one worker", 1),
                Way("local pool", WORKERS, ["--jobs", str(WORKERS)]),
                Way("dask", WORKERS, ["--executor", "dask", "--scheduler", address]),
            ]
            for way in ways:
                if way.name in wanted.only:
                    ends.append(run(way, arguments, place, wanted.kill_every if ends else 0))  # the first is calm
                    print(f"{way.name}: {ends[-1].seconds:.1f} s, exit {ends[-1].code}", flush=True)
        first = ends[0]
        rows = [
            [end.way.name, end.way.workers, end.seconds, first.seconds * first.way.workers / end.seconds
             / end.way.workers, end.kills, *computed(end), same(first.store, end.store), end.code]
            for end in ends
        ]  # fmt: skip
        heads = [
            "way",
            "workers",
            "wall s",
            "efficiency",
            "kills",
            "cells finished",
            "ended ok",
            "same records",
            "exit",
        ]
        print(tabulate(rows, heads, floatfmt=".2f"))
        for end in ends:
            if end.code:
                print(end.said[-3000:])


@contextmanager
def nothing() -> Iterator[str]:
    """No scheduler."""
    yield ""


if __name__ == "__main__":
    main()
