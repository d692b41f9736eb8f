"""Fixtures that many tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from brainbench.benchmark.executors import LocalPool
from brainbench.benchmark.plan import Plan
from brainbench.benchmark.processes import Limits
from brainbench.benchmark.record import Record
from brainbench.benchmark.run import Settings, run
from brainbench.benchmark.store import Store

SHARED = Path(os.environ.get("BRAINBENCH_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a data folder of its own, unless it asks for another."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("BRAINBENCH_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data; the test is skipped where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"no real data at {SHARED} (set BRAINBENCH_SHARED)")
    return SHARED / "data"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path / "runs")
    found.prepare()
    return found


@pytest.fixture
def run_plan(store: Store) -> Callable[..., list[Record]]:
    """Run a plan in the test's store with real worker processes."""

    def go(plan: Plan, limits: Limits | None = None, jobs: int = 1, events: list | None = None) -> list[Record]:
        pool = LocalPool(jobs, 1, limits or Limits(seconds=120), store.log)
        seen = events if events is not None else []
        return list(run(plan, store, pool, Settings("cpu", 1), lambda cell, event: seen.append((cell, event))))

    return go


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where the real data are present, a skipped test fails CI: nothing may be passed over in silence."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if skipped and os.environ.get("CI") and (SHARED / "data").is_dir():
        reporter.write_line(f"{len(skipped)} tests were skipped, which CI does not allow with the data present")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
