"""Workers that go away: killed by somebody, by the kernel for memory, or no longer wanted."""

from __future__ import annotations

import json
import shutil

import psutil
import pytest

from brainbench.benchmark import executors, processes
from brainbench.benchmark.executors import TRIES, LocalPool
from brainbench.benchmark.processes import LOST, Limits, Worker, memory_kills
from brainbench.benchmark.run import Settings, run
from brainbench.benchmark.sandbox import find_sandbox
from support import MOCKS, ROGUES, plan_of


@pytest.fixture
def slow_plan(tmp_path, monkeypatch):
    """Two cells of a second each, which leave a line in a file for each fit."""
    monkeypatch.setenv("ROGUE_LOG", str(tmp_path / "fits"))
    return plan_of("CLASSIFICATION", f"{ROGUES}:Slow")


def kill_workers():
    """Kill -9 all that this process has started, with what these have started."""
    for process in psutil.Process().children(recursive=True):
        process.kill()


def run_killing(plan, store, times, jobs=1):
    """The record of a plan, the workers of which are killed at the first ``times`` starts, and what happened."""
    seen = []

    def watch(cell, event):
        seen.append(event)
        if event.what == "started" and sum(one.what == "started" for one in seen) <= times:
            kill_workers()

    pool = LocalPool(jobs, 1, Limits(120), store.log)
    (record,) = run(plan, store, pool, Settings("cpu", 1), watch)
    return record, seen


def test_cells_of_killed_workers_are_run_again_and_give_the_same_record(slow_plan, store, run_plan, tmp_path):
    record, seen = run_killing(slow_plan, store, times=3)
    assert record.status == "ok", record.reason
    lost = [event for event in seen if event.what == "lost"]
    assert len(lost) == 3
    assert "SIGKILL" in lost[0].label
    assert [event.what for event in seen if event.what != "progress"].count("started") == 2 + 3
    (store.path / "cells").rename(tmp_path / "cells")
    (undisturbed,) = run_plan(slow_plan)
    assert record.content_hash == undisturbed.content_hash


def test_a_cell_whose_every_worker_is_killed_fails_and_says_so(slow_plan, store):
    record, seen = run_killing(slow_plan, store, times=TRIES)
    assert [cell.status for cell in record.cells] == ["failed", "ok"]
    assert f"tried {TRIES} times" in record.reason
    assert len([event for event in seen if event.what == "lost"]) == TRIES - 1


@pytest.mark.parametrize("counters", [[(1,), (2,)], [(), ()]], ids=["moved", "none"])
def test_what_the_kernel_may_have_killed_for_memory_is_not_tried_again(counters, slow_plan, store, monkeypatch):
    told = iter(counters * 2)
    monkeypatch.setattr(processes, "memory_kills", lambda: next(told))
    record, seen = run_killing(slow_plan, store, times=2)
    assert [cell.status for cell in record.cells] == ["out-of-memory"] * 2
    assert "most likely for memory" in record.reason
    assert not any(event.what == "lost" for event in seen)


def test_the_kernel_counts_what_it_kills_for_memory_here():
    assert all(isinstance(count, int) for count in memory_kills())
    assert memory_kills() == memory_kills()


def test_a_cell_that_nobody_wants_is_ended(slow_plan, store, monkeypatch, tmp_path):
    monkeypatch.setattr(processes, "ASK_SECONDS", 0.0)
    folder = tmp_path / "cell"
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({}))
    worker = Worker(1, store.log)
    outcome = worker.run(folder, Limits(60), lambda *_: None, wanted=lambda: False)
    assert outcome.status == LOST
    assert "nobody waits" in outcome.reason
    assert not worker.alive


def test_only_a_lost_cell_is_given_up():
    timeout = processes.Outcome(status="timeout", reason="late")
    assert executors.given_up(timeout) is timeout


@pytest.mark.parametrize("inside", [False, True])
def test_a_method_whose_file_changed_since_the_plan_gives_no_result(inside, store, tmp_path):
    file = tmp_path / "method.py"
    shutil.copy(MOCKS, file)
    plan = plan_of("CLASSIFICATION", f"{file}:FirstRoi")
    sandbox = find_sandbox() if inside else None
    if inside and sandbox is None:
        pytest.skip("no sandbox on this machine")

    def once():
        pool = LocalPool(1, 1, Limits(120), store.log, sandbox)
        (record,) = run(plan, store, pool, Settings("cpu", 1, isolated=inside), lambda *_: None)
        return record

    text = file.read_text()
    file.write_text(f"{text}\n# another line\n")
    record = once()
    assert record.status == "failed"
    assert "not those of the plan" in record.reason
    file.write_text(text)
    assert once().status == "ok"
