"""A submission of a real run on a planted cohort, made once, for tests to copy and spoil."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from submission_toy import FEATURES, METHOD

from brainbench.benchmark.executors import LocalPool
from brainbench.benchmark.processes import Limits
from brainbench.benchmark.run import Settings, run
from brainbench.benchmark.store import Store
from brainbench.benchmark.submitting.archive import received
from brainbench.benchmark.submitting.collect import submit
from brainbench.benchmark.submitting.verify import Verdict, verify
from support import plan_of, write_planted


def silent(*_: object) -> None:
    pass


@dataclass
class Made:
    """What was made once: the data folder, the store, and the submission."""

    home: Path
    store: Path
    folder: Path


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    place = tmp_path_factory.mktemp("submission")
    home, before = place / "home", os.environ.get("BRAINBENCH_HOME")
    write_planted(home, n=60, rois=6, effect=0.2)
    (place / "own.py").write_text(METHOD)
    (place / "own_features.py").write_text(FEATURES)
    os.environ["BRAINBENCH_HOME"] = str(home)
    try:
        store = Store(place / "runs")
        store.prepare()
        pool = LocalPool(2, 1, Limits(seconds=120), store.log)
        plan = plan_of("abide1-asd", f"{place / 'own.py'}:Spread", data="real")
        (record,) = run(plan, store, pool, Settings("cpu", 1), silent)
        assert record.status == "ok", record.reason
        submit(["own:Spread"], store, place / "jane-spread")
    finally:
        os.environ.pop("BRAINBENCH_HOME")
        if before is not None:
            os.environ["BRAINBENCH_HOME"] = before
    return Made(home, store.path, place / "jane-spread")


@pytest.fixture
def home(made: Made, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder in which the submission's cohort is installed."""
    monkeypatch.setenv("BRAINBENCH_HOME", str(made.home))
    return made.home


@pytest.fixture
def folder(made: Made, home: Path, tmp_path: Path) -> Path:
    """A copy of the submission that a test may spoil."""
    return Path(shutil.copytree(made.folder, tmp_path / "jane-spread"))


@pytest.fixture
def judged() -> Callable[..., Verdict]:
    """Receive a submission and verify it."""

    def go(source: Path, **options: Any) -> Verdict:
        with received(source) as place:
            return verify(place, options.get("truth"), silent, options.get("sandbox"), options.get("seconds", 600))

    return go
