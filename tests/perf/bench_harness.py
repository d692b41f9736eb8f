"""What the harness costs: start of the command line, and `run` over fit + predict + score in this process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tabulate import tabulate

from brainbench.benchmark.contracts import Context
from brainbench.benchmark.executors import LocalPool
from brainbench.benchmark.kinds import get_kind
from brainbench.benchmark.plan import Plan, Request, make_plan
from brainbench.benchmark.processes import Limits
from brainbench.benchmark.registry import load_metric
from brainbench.benchmark.run import Settings, run
from brainbench.benchmark.staging import Extras, load_test, load_train, stage
from brainbench.benchmark.store import Store

THREADS = os.cpu_count() or 1


def quiet(label: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def bare(plan: Plan, folder: Path) -> float:
    """Seconds of fit, predict and score of all cells in this process, on data staged beforehand."""
    total = 0.0
    for row, cell in plan.cells:
        task, kind = row.task, get_kind(row.task.kind)
        place = folder / cell.key
        place.mkdir()
        fold = row.split.fold(cell.fold)
        shown = stage(cell, task, row.loaded.items, fold, place, Extras(threads=THREADS, device="cpu"))
        truth = kind.targets(
            row.loaded.items.take(row.loaded.items.table.index.get_indexer(list(shown.ids))), task.info
        )
        start = time.perf_counter()
        method = row.method(**cell.method.options)
        context = Context(task.info, cell.seed, place, threads=THREADS)
        method.fit(load_train(place / "train.parquet", kind, task.info), context)
        prediction = kind.check(method.predict(load_test(place, kind, task.info)[1], context), load_test(
            place, kind, task.info)[0], task.info)  # fmt: skip
        for name in task.metrics:
            load_metric(name).score(truth, prediction)
        total += time.perf_counter() - start
    return total


def whole(plan: Plan, folder: Path) -> float:
    """Seconds of `run` on an empty store: staging, worker start, cells, scores with intervals, record."""
    store = Store(folder)
    start = time.perf_counter()
    store.prepare()
    list(
        run(plan, store, LocalPool(1, THREADS, Limits.default(), store.log), Settings("cpu", THREADS), lambda *_: None)
    )
    return time.perf_counter() - start


def main() -> None:
    rows = []
    starts = []
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(6):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "from brainbench.benchmark.cli import main; main()", "--help"],
                       check=True, capture_output=True, env=environment)  # fmt: skip
        starts.append(time.perf_counter() - start)
    print(f"brainbench --help: {median(starts[1:]):.2f} s")
    source = "auto"
    plan = make_plan(Request(("abide1-asd",), ("fc-svm", "majority"), data=source), quiet)
    for name in ("fc-svm", "majority"):
        part = Plan(tuple(row for row in plan.rows if row.spec.name == name))
        times = []
        for _ in range(3):
            with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
                times.append((bare(part, Path(one)), whole(part, Path(two))))
        inner, outer = (median(column) for column in zip(*times, strict=True))
        cells = len(part.cells)
        rows.append([name, part.rows[0].loaded.data.name, cells, inner, outer, outer - inner, outer / inner])
    print(tabulate(rows, ["method", "data", "cells", "fit + predict + score s", "run s", "harness s", "ratio"],
                   floatfmt=".2f"))  # fmt: skip


if __name__ == "__main__":
    main()
