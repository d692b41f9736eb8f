"""Records that several tests of a file read: run once, and copied into the store of each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from brainbench.benchmark.executors import LocalPool
from brainbench.benchmark.plan import Plan
from brainbench.benchmark.processes import Limits
from brainbench.benchmark.record import Record
from brainbench.benchmark.run import Settings, run
from brainbench.benchmark.store import Store


def run_once(folder: Path, cohort: Callable[[Path], None], plan: Callable[[], Plan]) -> list[Record]:
    """Run a plan on a cohort, with data in ``folder/home`` and records in ``folder/runs``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_HOME", str(folder / "home"))
        cohort(folder / "home")
        store = Store(folder / "runs")
        store.prepare()
        pool = LocalPool(1, 1, Limits(seconds=120), store.log)
        return list(run(plan(), store, pool, Settings("cpu", 1), lambda cell, event: None))


def copy_to(folder: Path, home: Path, store: Store) -> None:
    """Copy what `run_once` made into the data folder and the store of a test."""
    shutil.copytree(folder / "home", home, dirs_exist_ok=True)
    shutil.copytree(folder / "runs", store.path, dirs_exist_ok=True)
