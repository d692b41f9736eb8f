"""What a harness takes a cell, over fit and predict: ours, with warm and cold workers, beside MOABB's and benchopt's.

All fit scikit-learn's logistic regression to 96 or so drawn trials of 1,155 values, with one thread, in one run. Ours
and benchopt's are the cost of one more cell (many cells less few, over their difference), since what is paid once a
run stands apart; MOABB's is what it takes over its estimators, data preparation included, over its evaluations.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import peers
from tabulate import tabulate

from brainbench.benchmark.executors import LocalPool
from brainbench.benchmark.plan import Request, make_plan
from brainbench.benchmark.processes import Limits, can_warm
from brainbench.benchmark.run import Settings, run
from brainbench.benchmark.store import Store

HERE = Path(__file__).parent
CELLS = HERE / "small_cells.py"
ROUNDS = int(os.environ.get("BRAINBENCH_ROUNDS", "3"))
FEW, MANY = 1, 5
"""Seeds of a small and of a large run of five folds."""

MOABB, BENCHOPT = ("moabb==1.7.2",), ("benchopt==1.10.0", "scikit-learn")


def ours(seeds: int, warm: bool) -> tuple[float, float, int]:
    """Wall seconds of `run` on an empty store, seconds in fit and predict, and the number of cells."""
    request = Request((f"{CELLS}:TASK",), (f"{CELLS}:Logistic",), seeds=seeds)
    plan = make_plan(request, lambda label, done, total: None)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.prepare()
        pool = LocalPool(1, 1, Limits.default(), store.log, warm=warm)
        start = time.perf_counter()
        (record,) = run(plan, store, pool, Settings("cpu", 1), lambda *_: None)
        wall = time.perf_counter() - start
    if record.status != "ok":
        raise SystemExit(record.reason)
    spent = sum(cost.fit_seconds + cost.predict_seconds for cost in record.environment.cells.values())
    return wall, spent, len(record.cells)


def our_round(warm: bool) -> dict[str, float]:
    """Milliseconds of one more cell over fit and predict, and seconds paid once a run."""
    few, many = ours(FEW, warm), ours(MANY, warm)
    wall, spent, cells = (b - a for a, b in zip(few, many, strict=True))
    return {"over": 1e3 * (wall - spent) / cells, "inner": 1e3 * spent / cells, "once": few[0] - few[2] * wall / cells}


def moabb_round() -> dict[str, float]:
    """The same of MOABB; the first of its rounds, which imports, is left out."""
    told = peers.ask(HERE / "peer_moabb.py", MOABB, "2")["rounds"][-1]
    cells = told["cells"]
    return {"over": 1e3 * (told["wall"] - told["inner"]) / cells, "inner": 1e3 * told["inner"] / cells}


def benchopt_round() -> dict[str, float]:
    """The same of benchopt; its first round, which imports, is left out."""
    told = peers.ask(HERE / "peer_benchopt.py", BENCHOPT, "2", "120", "1155")["rounds"][-1]
    few, many = told["few"], told["many"]
    wall, spent, cells = (many[name] - few[name] for name in ("wall", "inner", "cells"))
    return {"over": 1e3 * (wall - spent) / cells, "inner": 1e3 * spent / cells, "once": few["wall"] - 2 * wall / cells}


def main() -> None:
    """Print the table: medians over rounds in which all take turns."""
    harnesses: dict[str, Callable[[], dict[str, float]]] = {"brainbench, cold workers": lambda: our_round(warm=False)}
    if can_warm():
        harnesses["brainbench, warm workers"] = lambda: our_round(warm=True)
    harnesses |= {MOABB[0]: moabb_round, BENCHOPT[0]: benchopt_round}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in harnesses}
    missing: dict[str, str] = {}
    for _ in range(ROUNDS):
        for name, ask in harnesses.items():
            if name not in missing:
                try:
                    found[name].append(ask())
                except peers.NotToBeHad as error:
                    missing[name] = str(error)
    heads = ("over", "inner", "once")
    rows = [
        [name, *(median(one[head] for one in told) if head in told[0] else None for head in heads)]
        for name, told in found.items()
        if told
    ]
    columns = ["harness", "ms a cell over fit + predict", "ms of fit + predict", "s once a run"]
    print(tabulate(rows, columns, floatfmt=".1f"))
    for name, reason in missing.items():
        print(f"{name}: not to be had ({reason})")


if __name__ == "__main__":
    main()
