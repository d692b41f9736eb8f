"""What a method in the sandbox cannot do; where it is harmless, the rogue does it outside first or after."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

import brainbench
from brainbench.benchmark import processes, sandbox
from brainbench.benchmark.datasets.dataset import load_cohort
from brainbench.benchmark.errors import NoSandbox
from brainbench.benchmark.executors import LocalPool, Work
from brainbench.benchmark.items import Items
from brainbench.benchmark.leftovers import oddity, remove
from brainbench.benchmark.processes import Limits, hear, read_outcome
from brainbench.benchmark.run import Settings, room_of, run, shared_folder
from brainbench.benchmark.sandbox import find_sandbox, need_sandbox
from brainbench.benchmark.staging import Extras, stage
from support import plan_of, write_planted

PRISONERS = Path(__file__).parents[1] / "plugins" / "prisoners.py"


@pytest.fixture
def closed():
    found = find_sandbox()
    if found is None:
        if os.environ.get("CI"):
            need_sandbox()
        pytest.skip(f"no sandbox on this machine: {sandbox._find()}")
    return found


@pytest.fixture
def put(store, closed):
    """Run one cell of a prisoner on the mock task, and say how it ended."""

    def go(name: str, at: str = "", inside: bool = True, warm: bool = True, **limits):
        plan = plan_of("CLASSIFICATION", name if ":" in name else f"{PRISONERS}:{name}", settings=(f"at={at}",))
        return one_cell(plan, store, closed if inside else None, replace(Limits(60, 1 << 30), **limits), warm)

    return go


def one_cell(plan, store, box, limits, warm=True):
    """The outcome of a plan's first cell; what it left is in the store's work folder."""
    row, cell = plan.cells[0]
    settings = Settings("cpu", 1, isolated=box is not None)
    works = [Work(cell.key, lambda: _staged(row, cell, store, settings), room_of(row, cell, store, settings))]
    *_, last = LocalPool(1, 1, limits, store.log, box, warm).run(works)
    return last.outcome


def _staged(row, cell, store, settings):
    folder = store.work_folder(cell.key)
    shared = str(shared_folder(row, cell, store, settings.isolated))
    extras = Extras(threads=1, device="cpu", shared=shared, whole=settings.isolated)
    stage(cell, row.task, row.loaded.items, row.split.fold(cell.fold), folder, extras)
    return folder


def found(outcome):
    assert outcome.status == "ok", outcome.reason
    return outcome.report["found"]


def records_of(plan, store, box):
    """Run a plan whole: its records."""
    store.prepare()
    pool = LocalPool(1, 1, Limits(60), store.log, box)
    return list(run(plan, store, pool, Settings("cpu", 1, isolated=box is not None), lambda *_: None))


def test_what_ran_outside_does_not_count_as_isolated_and_numbers_are_the_same(store, closed):
    plan = plan_of("CLASSIFICATION", "fc-svm")
    (outside,) = records_of(plan, store, None)
    (inside,) = records_of(plan, store, closed)
    (again,) = records_of(plan, store, None)  # its cells are those of the sandbox
    assert [record.isolated for record in (outside, inside, again)] == [False, True, True]
    told = [record.model_dump(exclude={"isolated", "environment"}) for record in (outside, inside, again)]
    assert told[0] == told[1] == told[2]


def test_scans_of_a_cohort_reach_the_sandbox_without_the_cohort(own_home, store, closed):
    write_planted(own_home)
    (record,) = records_of(plan_of("abide1-asd", "fc-logistic", data="real", folds=2), store, closed)
    assert record.isolated
    assert record.scores["auc"].value > 0.85


def test_labels_cannot_be_read_from_the_disk(put, own_home):
    write_planted(own_home, n=20)
    at = str(own_home / "cohorts" / "abide1")
    assert found(put("ReadsLabels", at)) == ["FileNotFoundError", []]
    size, _ = found(put("ReadsLabels", at, inside=False))
    assert size > 1000


def test_arrays_are_copied_whole_into_the_staged_folder(tmp_path, own_home):
    write_planted(own_home, n=8)
    items = load_cohort("abide1").items
    items.save(tmp_path / "a.parquet")
    items.save(tmp_path / "b.parquet", whole=True)
    linked, copied = Items.load(tmp_path / "a.parquet"), Items.load(tmp_path / "b.parquet")
    assert {ref.path for ref in linked.arrays["series"]} == {str(own_home / "cohorts" / "abide1" / "series.npy")}
    assert {ref.path for ref in copied.arrays["series"]} == {str(tmp_path / "b.bin")}
    for row in range(len(items)):
        assert np.array_equal(linked.read("series", row), copied.read("series", row))


def test_files_beside_the_method_are_not_there(put, tmp_path):
    source = tmp_path / "lab" / "mine.py"
    source.parent.mkdir()
    source.write_text(PRISONERS.read_text())
    (source.parent / "labels.csv").write_text("the truth")
    assert found(put(f"{source}:ReadsBeside", "labels.csv")) == "FileNotFoundError"
    assert found(put(f"{source}:ReadsBeside", "labels.csv", inside=False)) == "the truth"


def test_the_environment_holds_no_secret_and_no_other_process(put, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hf_abcdef")
    assert found(put("ReadsEnvironment", "hf_abcdef"))[:2] == ["", False]
    secret, seen, _ = found(put("ReadsEnvironment", "hf_abcdef", inside=False))
    assert (secret, seen) == ("hf_abcdef", True)


def test_no_connection_leaves_the_sandbox(put):
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].send(b"hello"), daemon=True).start()
        port = str(server.getsockname()[1])
        assert found(put("Calls", port)) == ["ConnectionRefusedError", "gaierror"]
        assert found(put("Calls", port, inside=False))[0] == "hello"


def test_nothing_can_be_written_outside(put, tmp_path):
    *_, source = found(put("Writes", str(tmp_path)))
    assert source == "OSError"
    # Below /tmp a write may seem to succeed: that is the sandbox's own /tmp, in memory.
    package = Path(brainbench.__file__).parent
    assert not [place for place in (tmp_path, package, package / "benchmark") if (place / "was-here.txt").exists()]
    assert PRISONERS.read_text() != "x"


def test_nobody_outside_can_be_killed(put):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as victim:
        outcome = put("KillsAll", str(victim.pid))
        assert victim.poll() is None
        victim.kill()
    assert outcome.status in ("failed", "out-of-memory")


def test_a_fork_bomb_is_ended(put):
    start = time.monotonic()
    outcome = put("Forks", processes=40, memory=16 << 30)
    assert outcome.status == "failed", outcome.reason
    assert "processes, the limit is 40" in outcome.reason
    assert time.monotonic() - start < 40
    time.sleep(0.5)
    assert not [child for child in psutil.Process().children(recursive=True) if child.name() == "bwrap"]


@pytest.mark.parametrize("at", ["self", "child"])
def test_memory_is_bounded(put, at):
    outcome = put("Gorges", at, memory=600 << 20)
    assert outcome.status == "out-of-memory", outcome.reason


def test_what_never_ends_is_ended_with_all_its_children(put, store):
    outcome = put("NeverEnds", seconds=4)
    assert (outcome.status, "4 s" in outcome.reason) == ("timeout", True)
    (mark,) = (store.path / "work").glob("*/out/alive")
    last = mark.read_text()
    time.sleep(0.5)
    assert mark.read_text() == last  # its child wrote twenty times a second


@pytest.mark.parametrize("name", ["Links", "Pipes", "Swaps"])
def test_links_and_pipes_among_predictions_are_not_followed(put, name, tmp_path, store):
    (tmp_path / "secret").write_text("the truth")
    outcome = put(name, str(tmp_path / "secret"))
    assert (outcome.status, "it left" in outcome.reason) == ("failed", True)
    assert (tmp_path / "secret").read_text() == "the truth"
    assert not list((store.path / "work").glob("*/out"))


def test_a_table_that_unfolds_to_much_is_not_read_by_the_parent(store, closed):
    (record,) = records_of(plan_of("CLASSIFICATION", f"{PRISONERS}:Unfolds"), store, closed)
    assert record.status == "failed"
    assert "its predictions are not taken" in record.reason
    assert "20,000,000 rows" in record.reason


def test_folders_in_each_other_do_not_stop_the_run(put, store):
    assert put("Digs").status == "ok"
    assert [path.name for path in (store.path / "work").glob("*/*")] == ["out"]


@pytest.mark.parametrize(
    "line",
    ["[" * 100_000, "{}", "1", '{"progress": [1]}', '{"progress": ["a", "b", "c"]}', "\x1b[2J", "null",
     '{"child": "x"}', '{"ended": [1]}', '{"child": Infinity}'],
)  # fmt: skip
def test_what_is_no_message_is_refused(line):
    with pytest.raises((ValueError, TypeError, KeyError, OverflowError, RecursionError)):
        hear([line.encode()], lambda *_: None)


def test_labels_of_progress_reach_no_terminal_as_codes():
    heard = []
    line = json.dumps({"progress": ["\x1b[2Jtrain" + "x" * 1000, 1, 2]}).encode()
    assert not hear([line], lambda *message: heard.append(message))
    ((label, done, total),) = heard
    assert (label[:8], len(label) <= 200, done, total) == ("[2Jtrain", True, 1, 2)


@pytest.mark.parametrize("inside", [True, False])
def test_babble_among_the_messages_fails_the_cell_alone(put, inside):
    outcome = put("Babbles", "[" * 1000, inside)
    assert outcome.status == "failed"
    assert "messages cannot be read" in outcome.reason


@pytest.mark.parametrize("inside", [True, False])
def test_no_process_is_ended_because_a_cell_names_it(put, inside):
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as neighbour:
        try:
            assert put("Babbles", json.dumps({"child": neighbour.pid}), inside).status == "ok"
            assert neighbour.poll() is None
        finally:
            neighbour.kill()


@pytest.mark.parametrize(
    "text",
    ["", "{}", json.dumps({"status": "splendid"}), '{"status": "ok", "fit_seconds": Infinity}',
     '{"status": "ok", "predict_seconds": -1}'],
)  # fmt: skip
def test_an_outcome_that_is_none_is_a_failure(tmp_path, text):
    (tmp_path / "outcome.json").write_text(text)
    assert read_outcome(tmp_path / "outcome.json").status == "failed"


def test_a_worker_cannot_say_where_it_ran(put):
    told = '{"status": "skipped", "reason": "x", "isolated": true, "host": "elsewhere"}'
    outcome = put("Lies", told, inside=False, warm=False)
    assert (outcome.status, outcome.isolated, outcome.host) == ("skipped", False, platform.node())


def test_folders_in_memory_and_limits_hold(put, monkeypatch):
    monkeypatch.setattr(sandbox, "MEMORY_FOLDER", 1 << 20)
    assert found(put("Fills")) == ["OSError", "OSError"]
    assert found(put("Nests")) == [True, True, True]


def test_a_cell_that_fills_the_disk_is_ended(put, monkeypatch):
    monkeypatch.setattr(processes, "RESERVE_BYTES", 1 << 60)
    monkeypatch.setattr(processes.shutil, "disk_usage", Falling())
    outcome = put("NeverEnds")
    assert (outcome.status, outcome.reason) == ("failed", "it filled the disk")


class Falling:
    """Free bytes that are fewer at each look."""

    def __init__(self) -> None:
        self.free = 1 << 30

    def __call__(self, path):
        self.free //= 2
        return SimpleNamespace(free=self.free)


def test_isolated_cells_share_nothing_across_draws(store, own_home):
    write_planted(own_home)
    plan = plan_of("abide1-asd@4-shot:none", "fc-logistic", data="real")
    apart = {shared_folder(row, cell, store, isolated=True) for row, cell in plan.cells}
    assert len(apart) == len(plan.cells) > len({shared_folder(row, cell, store) for row, cell in plan.cells})


def test_a_machine_without_a_sandbox_says_what_to_install(monkeypatch):
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None if name == "bwrap" else "/usr/bin/" + name)
    sandbox._find.cache_clear()
    try:
        assert find_sandbox() is None
        with pytest.raises(NoSandbox, match="bwrap") as error:
            need_sandbox()
        assert "apt-get install bubblewrap" in error.value.hint
    finally:
        sandbox._find.cache_clear()


def test_odd_things_are_named_and_removed(tmp_path):
    assert oddity(tmp_path / "nothing") == ""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("x")
    assert oddity(tmp_path / "a") == ""
    (tmp_path / "a" / "c").symlink_to("/etc/passwd")
    assert "link" in oddity(tmp_path / "a")
    remove(tmp_path / "a" / "c")
    os.mkfifo(tmp_path / "a" / "d")
    assert "pipe" in oddity(tmp_path / "a")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert oddity(tmp_path / "link") == "link, which is no folder"
    remove(tmp_path / "link")
    assert (tmp_path / "a" / "b").exists()
    remove(tmp_path / "a")
    assert not (tmp_path / "a").exists()
