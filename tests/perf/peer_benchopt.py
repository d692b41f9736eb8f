"""What benchopt takes over its solvers: a benchmark of logistic regressions on drawn arrays, each run once."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

OBJECTIVE = """
from benchopt import BaseObjective


class Objective(BaseObjective):
    name = "Logistic"
    sampling_strategy = "run_once"

    def set_data(self, x, y):
        self.x, self.y = x, y

    def get_objective(self):
        return dict(x=self.x, y=self.y)

    def evaluate_result(self, p):
        return dict(value=float(((p[:, 1] > 0.5) != self.y).mean()))

    def get_one_result(self):
        import numpy as np
        return dict(p=np.full((len(self.y), 2), 0.5))
"""

DATASET = """
import numpy as np
from benchopt import BaseDataset


class Dataset(BaseDataset):
    name = "drawn"
    parameters = {{"seed": list(range({runs}))}}

    def get_data(self):
        rng = np.random.default_rng(self.seed)
        return dict(x=rng.normal(size=({items}, {features})), y=np.arange({items}) % 2)
"""

SOLVER = """
import time
from benchopt import BaseSolver
from sklearn.linear_model import LogisticRegression


class Solver(BaseSolver):
    name = "logistic"
    sampling_strategy = "run_once"

    def set_objective(self, x, y):
        self.x, self.y = x, y

    def run(self, _):
        start = time.perf_counter()
        half = len(self.y) * 4 // 5
        model = LogisticRegression(max_iter=100).fit(self.x[:half], self.y[:half])
        self.p = model.predict_proba(self.x)
        with open({log!r}, "a") as file:
            file.write(f"{{time.perf_counter() - start}}\\n")

    def get_result(self):
        return dict(p=self.p)
"""


def run(runs: int, items: int, features: int) -> dict[str, float]:
    """Wall and inner seconds of a benchmark with so many runs, in a folder of its own."""
    from benchopt import run_benchmark

    with tempfile.TemporaryDirectory() as place:
        folder, log = Path(place) / "benchmark", str(Path(place) / "log")
        for name, text in (
            ("objective.py", OBJECTIVE),
            ("datasets/drawn.py", DATASET.format(runs=runs, items=items, features=features)),
            ("solvers/logistic.py", SOLVER.format(log=log)),
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        start = time.perf_counter()
        run_benchmark(str(folder), n_repetitions=1, plot_result=False, display=False, no_cache=True)
        wall = time.perf_counter() - start
        spent = [float(line) for line in Path(log).read_text().split()]
    return {"wall": wall, "inner": sum(spent), "cells": len(spent)}


def main(rounds: int, items: int, features: int) -> None:
    """Print wall and inner seconds of few and of many runs, from which the cost of one more follows."""
    found = [{"few": run(2, items, features), "many": run(42, items, features)} for _ in range(rounds)]
    print(json.dumps({"rounds": found}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
