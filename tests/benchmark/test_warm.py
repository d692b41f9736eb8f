"""Warm workers: a child a cell, of which nothing outlives it, and which ends as a process of its own would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path

import psutil
import pytest

from brainbench.benchmark.executors import LocalPool
from brainbench.benchmark.processes import LOST, POLL_SECONDS, Limits, Worker, always, can_warm
from brainbench.benchmark.run import Settings, run
from brainbench.benchmark.staging import Extras, stage
from brainbench.benchmark.store import Store
from support import MOCKS, plan_of

pytestmark = pytest.mark.skipif(not can_warm(), reason="workers are cold on this system")

WANDERERS = Path(__file__).parents[1] / "plugins" / "wanderers.py"
LIMITS = Limits(seconds=600, memory=8 << 30)


@pytest.fixture
def put(tmp_path):
    """Run a method in a worker, on a fold of the mock task: put(worker, method)."""
    count = iter(range(1000))

    def go(worker, method, limits=LIMITS, wanted=always):
        row = plan_of("CLASSIFICATION", method if "-" in method else f"{WANDERERS}:{method}").rows[0]
        folder = tmp_path / f"cell{next(count)}"
        folder.mkdir()
        cell = row.cells[0]
        stage(cell, row.task, row.loaded.items, row.split.fold(cell.fold), folder, Extras(threads=1, device="cpu"))
        return worker.run(folder, limits, lambda *_: None, wanted)

    return go


@pytest.fixture
def make(tmp_path):
    """Make workers that end with the test: make(warm, threads)."""
    workers = []

    def go(warm=True, threads=1):
        workers.append(Worker(threads, tmp_path / "log.txt", warm=warm))
        return workers[-1]

    yield go
    for worker in workers:
        worker.kill()


def gone(processes, seconds=30.0):
    """Whether processes, or process ids, end within so many seconds; one that nobody has reaped has ended."""
    found = [psutil.Process(one) if isinstance(one, int) else one for one in processes if runs(one)]
    deadline = time.monotonic() + seconds
    while any(map(runs, found)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(runs, found))


def runs(process):
    """Whether a process, or the one of an id, runs."""
    try:
        one = psutil.Process(process) if isinstance(process, int) else process
        return one.is_running() and one.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_nothing_of_a_cell_is_found_by_the_next(make, put, tmp_path):
    worker = make()
    told = [put(worker, "Leaves").report for _ in range(3)]
    (cold,) = [put(make(warm=False), "Leaves").report]
    assert len({one["process"] for one in told}) == 3
    for name in ("files", "threads"):  # a cold one also holds the pipe of its folders, and a thread that looks about
        cold["found"].pop(name)
        assert len({one["found"].pop(name) for one in told}) == 1
    for one in told:
        assert one["found"] == cold["found"]
    assert len({tuple(one["drawn"]) for one in told}) == 3
    assert worker.alive
    log = (tmp_path / "log.txt").read_text()
    assert log.count("a line for the log") == log.count("a line of a child") == 4


def test_records_are_the_same_as_of_cold_workers(tmp_path):
    plan = plan_of("CLASSIFICATION", "fc-logistic", folds=2)
    records = []
    for warm in (True, False):
        store = Store(tmp_path / f"runs-{warm}")
        store.prepare()
        pool = LocalPool(1, 1, LIMITS, store.log, warm=warm)
        records += run(plan, store, pool, Settings("cpu", 1), lambda *_: None)
    assert records[0].status == "ok", records[0].reason
    assert records[0].content_hash == records[1].content_hash


IMPORTS = """
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from brainbench.benchmark import template
from brainbench.benchmark.registry import entries
for name in sorted(template.LIBRARIES - sys.stdlib_module_names):
    if find_spec(name):
        import_module(name)
for entry in entries("methods").values():
    entry.load()
tasks = [path.joinpath("comm").read_text().strip() for path in Path("/proc/self/task").iterdir()]
# The allocator of pyarrow has a thread, and sees to it at a fork.
assert [name for name in tasks if name != "jemalloc_bg_thd"] == [Path("/proc/self/comm").read_text().strip()], tasks
assert not sys.modules["torch"].cuda.is_initialized()
"""


def test_what_may_be_imported_before_a_fork_starts_no_thread():
    subprocess.run([sys.executable, "-c", IMPORTS], check=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})


WAYS = {
    "exit": ("failed", "exit code 3"),
    "silent exit": ("failed", "exit code 0"),
    "sys.exit": ("failed", "exit code 4"),
    "told exit": ("failed", "exit code 1"),
    "terminated": ("failed", "SIGTERM"),
    "killed": (LOST, "SIGKILL"),
    "segfault": ("failed", "SIGSEGV"),
    "abort": ("failed", "SIGABRT"),
    "sleep": ("timeout", "after 1 s"),
    "memory": ("out-of-memory", "the limit is 400 MiB"),
    "error": ("failed", "ZeroDivisionError"),
}


def test_every_way_to_end_is_told_as_of_a_cold_worker(make, put, tmp_path, monkeypatch):
    monkeypatch.setenv("WAY", str(tmp_path / "way"))
    worker = make()
    for way, (status, reason) in WAYS.items():
        (tmp_path / "way").write_text(way)
        limits = {"sleep": Limits(1), "memory": Limits(60, 400 << 20)}.get(way, LIMITS)
        outcome = put(worker, "Ends", limits)
        assert (outcome.status, reason in outcome.reason) == (status, True), (way, outcome)
        stays = way not in ("sleep", "memory")
        assert worker.alive == stays, way
        worker = worker if stays else make()
    assert put(worker, "Wanderer").status == "ok"
    log = (tmp_path / "log.txt").read_text()
    assert "no more" in log
    assert "division by zero" in log


def test_what_a_cell_started_ends_with_it(make, put, tmp_path, monkeypatch):
    monkeypatch.setenv("STARTED", str(tmp_path / "started"))
    worker = make()
    outcome = put(worker, "Starts")
    assert len(outcome.report["started"]) == 3
    assert not any(map(runs, outcome.report["started"]))
    assert psutil.Process(worker.process.pid).children(recursive=True) == []
    assert put(worker, "Wanderer").status == "ok"


def test_what_a_cell_started_ends_when_the_cell_is_ended(make, put, tmp_path, monkeypatch):
    monkeypatch.setenv("STARTED", str(tmp_path / "started"))
    monkeypatch.setenv("STARTS_WAITS", "600")
    worker = make()
    assert put(worker, "Wanderer").status == "ok"
    assert put(worker, "Starts", wanted=lambda: not (tmp_path / "started").exists()).status == LOST
    assert gone(map(int, (tmp_path / "started").read_text().split()))


@pytest.mark.parametrize("whom", ["template", "child"])
def test_a_killed_template_or_child_is_a_lost_cell_and_leaves_no_process(whom, make, put, tmp_path, monkeypatch):
    started = tmp_path / "started"
    monkeypatch.setenv("STARTED", str(started))
    monkeypatch.setenv("STARTS_WAITS", "600")
    worker = make()
    with ThreadPool(1) as pool:
        running = pool.apply_async(put, (worker, "Starts"))
        wait_for(started)
        ids = [int(one) for one in started.read_text().split()]
        time.sleep(3 * POLL_SECONDS)  # until the worker has seen them
        os.kill(worker.process.pid if whom == "template" else ids[0], signal.SIGKILL)
        outcome = running.get(60)
    assert outcome.status == LOST
    assert worker.alive == (whom == "child")
    assert gone(ids)


def wait_for(path):
    """Wait until a file has content."""
    deadline = time.monotonic() + 60
    while not (path.is_file() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)


def test_kill_dash_nine_of_the_parent_leaves_no_process(tmp_path):
    started = tmp_path / "started"
    environment = {
        **os.environ, "STARTED": str(started), "STARTS_WAITS": "600", "BRAINBENCH_STORE": str(tmp_path / "runs"),
    }  # fmt: skip
    command = [sys.executable, "-c", "from brainbench.benchmark.cli import main; main()", "run",
               "--task", f"{MOCKS}:CLASSIFICATION", "--method", f"{WANDERERS}:Starts"]  # fmt: skip
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(started)
    family = psutil.Process(process.pid).children(recursive=True)
    assert {one.pid for one in family} >= {int(one) for one in started.read_text().split()}
    process.kill()
    process.wait()
    assert gone(family)


def test_libraries_with_threads_and_processes_work_in_children_whoever_imported_them(make, put):
    worker = make(threads=2)
    first, second = put(worker, "Libraries"), put(worker, "Libraries")
    assert [first.status, second.status] == ["ok", "ok"], (first, second)
    assert first.report["values"] == second.report["values"]
    assert "torch" not in first.report["before"]
    assert {"torch", "sklearn.ensemble", "tokenizers", "joblib"} <= set(second.report["before"])


def test_a_method_from_elsewhere_shares_its_template_with_no_other(make, put):
    worker = make()
    process = worker.process.pid
    told = [put(worker, name).report for name in ("Imports", "Imports", "Looks", "Imports")]
    assert [one["before"] for one in told] == [False, True, False, False]
    assert worker.process.pid == process


def test_a_method_that_changes_what_imports_depend_on_is_imported_anew_each_time(make, put):
    worker = make()
    assert [put(worker, "Changes").report["before"] for _ in range(2)] == [False, False]
