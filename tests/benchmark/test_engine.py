"""The whole path, with real worker processes: every kind, every way to fail, and what is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from brainbench.benchmark.errors import BadOption, BadSplit, StoreError
from brainbench.benchmark.processes import Limits
from brainbench.benchmark.rescoring import rescore
from brainbench.benchmark.stats import interval
from brainbench.leaderboard.board import boards
from brainbench.leaderboard.markdown import to_markdown
from brainbench.leaderboard.tables import board_sheet
from support import MOCKS, ROGUES, plan_of

KINDS = {
    "CLASSIFICATION": ("FirstRoi", 1.0),
    "REGRESSION": ("FirstRoi", 0.05),
    "CONNECTIVITY": ("Lag", 1.0),
    "CAPTIONING": ("Nearest", 1.0),
    "RECONSTRUCTION": ("Nearest", 1.0),
    "GROUNDING": ("Nearest", 1.0),
    "LOCALISATION": ("Nearest", 0.65),
    "ENCODING": ("Linear", 1.0),
    "QUESTIONS": ("FirstRoi", 1.0),
}


def rogue(name: str) -> str:
    return f"{ROGUES}:{name}"


@pytest.mark.parametrize("task", KINDS)
def test_every_kind_walks_the_whole_path(task, run_plan, store):
    method, expected = KINDS[task]
    (record,) = run_plan(plan_of(task, method))
    assert record.status == "ok", record.reason
    score = record.scores[record.task.metrics[0]]
    assert score.value == pytest.approx(expected, abs=0.05)
    assert score.low <= score.value <= score.high
    draws = store.draws(record)
    for name, one in record.scores.items():
        if one.low is not None:
            assert interval(draws.of(name)) == pytest.approx((one.low, one.high), rel=1e-5, abs=1e-6)
    again = rescore(record, store.path / "records" / record.id, lambda *_: None)
    assert again.differences == ()
    (board,) = boards(store.records())
    assert record.method.name in to_markdown(board_sheet(board))


def test_withheld_truth_leaves_predictions_without_a_score_and_says_why(run_plan, store):
    (record,) = run_plan(plan_of("WITHHELD", "Linear"))
    assert record.status == "ok", record.reason
    score = record.scores["encoding-r"]
    assert score.value is None
    assert "withheld" in score.missing
    assert record.cells[0].prediction
    assert rescore(record, store.path / "records" / record.id, lambda *_: None).differences == ()
    (board,) = boards(store.records())
    assert board.lines[0].rank is None
    assert "withheld" in to_markdown(board_sheet(board))


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("NaN", "failed", "NaN or infinity"),
        ("WrongShape", "failed", "expected (12, 2)"),
        ("NotNormalised", "failed", "sum to 1"),
        ("Raises", "failed", "the sky fell"),
        ("Killed", "failed", "tried 5 times"),
        ("Orphans", "failed", "tried 5 times"),
        ("Asks", "failed", "EOFError"),
        ("Skips", "skipped", "full moon"),
        ("Prints", "ok", ""),
    ],
)
def test_a_method_that_misbehaves_has_its_reason_in_the_record(name, status, reason, run_plan):
    (record,) = run_plan(plan_of("CLASSIFICATION", rogue(name)))
    assert record.status == status
    assert reason in record.reason
    assert all(cell.status == status for cell in record.cells)


def test_one_failure_never_stops_the_rest(run_plan, store):
    records = run_plan(plan_of("CLASSIFICATION", rogue("Raises"), rogue("Killed"), "FirstRoi"))
    assert [record.status for record in records] == ["failed", "failed", "ok"]
    (board,) = boards(store.records())
    assert [(line.rank, line.record.status) for line in board.lines] == [
        (1, "ok"), (None, "failed"), (None, "failed"),
    ]  # fmt: skip


def test_no_cell_finds_what_another_left_in_the_process(run_plan):
    """A fold's test labels are the training labels of another fold."""
    (record,) = run_plan(plan_of("CLASSIFICATION", rogue("Remembers"), seeds=2))
    assert [cell.report["fits"] for cell in record.cells] == [1] * len(record.cells)


def test_time_limit(run_plan):
    (record,) = run_plan(plan_of("CLASSIFICATION", rogue("Sleeps")), Limits(seconds=2))
    assert record.status == "timeout"
    assert "after 2 s" in record.reason


def test_memory_limit(run_plan):
    (record,) = run_plan(plan_of("CLASSIFICATION", rogue("Eats")), Limits(seconds=60, memory=600 << 20))
    assert record.status == "out-of-memory"
    assert "the limit is 600 MiB" in record.reason


def test_failures_are_not_cached_and_finished_cells_are(run_plan, store, tmp_path, monkeypatch):
    monkeypatch.setenv("ROGUE_MARKER", str(tmp_path / "marker"))
    plan = plan_of("CLASSIFICATION", rogue("RaisesOnce"))
    events: list = []
    (first,) = run_plan(plan, events=events)
    assert first.status == "failed"
    assert sorted(cell.status for cell in first.cells) == ["failed", "ok"]
    second_events: list = []
    (second,) = run_plan(plan, events=second_events)
    assert second.status == "ok"
    assert len([event for _, event in second_events if event.what == "started"]) == 1
    third_events: list = []
    assert run_plan(plan, events=third_events)[0].status == "ok"
    assert third_events == []


def test_same_seed_same_record_whatever_the_number_of_jobs(run_plan, store, tmp_path, monkeypatch):
    monkeypatch.setenv("ROGUE_LOG", str(tmp_path / "log"))
    plan = plan_of("CLASSIFICATION", rogue("Slow"), seeds=2)
    (one,) = run_plan(plan, jobs=2)
    for folder in (store.path / "cells").iterdir():
        folder.rename(tmp_path / folder.name)
    (two,) = run_plan(plan, jobs=1)
    assert one.content_hash == two.content_hash
    assert one.scores["auc"].seed_sd is not None


def test_position_of_test_items_says_nothing(run_plan):
    (record,) = run_plan(plan_of("CLASSIFICATION", rogue("Position")))
    score = record.scores["auc"]
    assert 0.2 < score.value < 0.8  # in file order it would be 1 or 0 for blocks of one class


def test_what_a_worker_is_handed_holds_no_test_label_and_no_id(run_plan):
    (record,) = run_plan(plan_of("CLASSIFICATION", rogue("Snoops")))
    assert record.status == "ok"
    assert [cell.report["found"] for cell in record.cells] == [[], []]


def test_kill_dash_nine_in_the_middle_loses_nothing_finished(tmp_path, monkeypatch, own_home):
    """An interrupted and repeated run equals an uninterrupted one, and computes nothing twice."""
    log = tmp_path / "fits"
    environment = {**os.environ, "ROGUE_LOG": str(log), "BRAINBENCH_STORE": str(tmp_path / "runs")}
    command = [sys.executable, "-c", "from brainbench.benchmark.cli import main; main()", "run",
               "--task", f"{MOCKS}:CLASSIFICATION", "--method", rogue("Slow"), "--seeds", "3"]  # fmt: skip
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    cells = tmp_path / "runs" / "cells"
    deadline = time.monotonic() + 60
    while len(list(cells.glob("[!.]*/prediction.sha256"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.5)  # until its worker has noticed
    kept = {path.name for path in cells.glob("[0-9a-f]*")}
    assert 2 <= len(kept) < 6
    fits_before = len(log.read_text().splitlines())
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    fits_after = len(log.read_text().splitlines()) - fits_before
    assert fits_after == 6 - len(kept)
    whole = {**environment, "BRAINBENCH_STORE": str(tmp_path / "whole")}
    subprocess.run(command, env=whole, check=True, capture_output=True, timeout=120)
    records = [json.loads(next((tmp_path / name / "records").glob("*/record.json")).read_text())
               for name in ("runs", "whole")]  # fmt: skip
    for record in records:
        del record["environment"]
    assert records[0] == records[1]


def test_control_c_says_what_is_kept(tmp_path, own_home):
    environment = {**os.environ, "ROGUE_LOG": str(tmp_path / "fits"), "BRAINBENCH_STORE": str(tmp_path / "runs")}
    command = [sys.executable, "-c", "from brainbench.benchmark.cli import main; main()", "run",
               "--task", f"{MOCKS}:CLASSIFICATION", "--method", rogue("Slow"), "--seeds", "5"]  # fmt: skip
    process = subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # The shell that runs the tests in the background may have told its children to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    cells = tmp_path / "runs" / "cells"
    deadline = time.monotonic() + 60
    while not list(cells.glob("*/prediction.sha256")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "of 10 cells are finished and kept" in errors.replace("\n", " ")
    assert "the same command continues" in errors.replace("\n", " ")
    assert "Traceback" not in errors
    assert not list((tmp_path / "runs" / "leases").glob("[0-9a-f]*"))


def test_edited_predictions_and_scores_are_noticed(run_plan, store):
    (record,) = run_plan(plan_of("CLASSIFICATION", "FirstRoi"))
    folder = store.path / "records" / record.id
    edited = record.model_copy(update={"scores": {**record.scores, "auc": record.scores["auc"].model_copy(
        update={"value": 0.123})}})  # fmt: skip
    assert rescore(edited, folder, lambda *_: None).differences
    prediction = next(folder.rglob("probabilities.parquet"))
    prediction.write_bytes(prediction.read_bytes()[::-1])
    with pytest.raises(StoreError, match="edited predictions"):
        rescore(record, folder, lambda *_: None)


def test_no_space_left_is_one_clear_message(run_plan, store, monkeypatch):
    plan = plan_of("CLASSIFICATION", "FirstRoi")
    run_plan(plan_of("REGRESSION", "FirstRoi"))
    before = {record.id for record in store.records()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("brainbench.benchmark.files._sync", full)
    with pytest.raises(StoreError, match="no space left"):
        run_plan(plan)
    assert {record.id for record in store.records()} == before
    assert not list(store.path.rglob("*.part"))


def test_a_target_among_the_covariates_is_refused(run_plan):
    plan = plan_of("CLASSIFICATION", "FirstRoi")
    row = plan.rows[0]
    from dataclasses import replace

    bad = replace(plan, rows=(replace(row, task=replace(row.task, covariates=("zebra",))),))
    with pytest.raises(BadOption, match="lists its target"):
        run_plan(bad)


def test_dry_run_says_why_a_cell_is_not_cached(run_plan, store):
    from brainbench.benchmark.plan import known_cells, why_not_cached

    run_plan(plan_of("CLASSIFICATION", "FirstRoi"))
    known = known_cells(store)
    other = plan_of("CLASSIFICATION", "FirstRoi", settings=("gain=2",))
    assert {why_not_cached(cell, known) for _, cell in other.cells} == {"changed: option gain"}
    fresh = plan_of("REGRESSION", "FirstRoi")
    assert {why_not_cached(cell, known) for _, cell in fresh.cells} == {"new"}


def test_a_planned_split_that_crosses_subjects_is_refused():
    from brainbench.benchmark.splits import make_manifest

    class ByItem:
        name = "by item"
        min_per_class = 0
        __dataclass_fields__: dict = {}

        def folds(self, table, target, seed):
            from brainbench.benchmark.contracts import Fold

            ids = list(table.index)
            return [Fold("leaky", tuple(ids[::2]), tuple(ids[1::2]))]

    table = plan_of("CLASSIFICATION", "FirstRoi").rows[0].loaded.items.table
    with pytest.raises(BadSplit, match="both train and test"):
        make_manifest(ByItem(), table, "zebra", "x")


def test_predictions_are_stored_without_pickles(run_plan, store):
    run_plan(plan_of("CONNECTIVITY", "Lag"))
    for path in store.path.rglob("*.npz"):
        with np.load(path, allow_pickle=False) as archive:
            assert all(archive[name].dtype != object for name in archive.files)
    assert {path.suffix for path in store.path.rglob("*") if path.is_file()} <= {
        ".json", ".npy", ".npz", ".parquet", ".sha256", ".txt",
    }  # fmt: skip
    assert all(np.load(path, allow_pickle=False).dtype == np.float32 for path in store.path.rglob("*.npy"))


def test_folder_names_stay_inside_the_store(store):
    from brainbench.benchmark.recording import safe_name
    from brainbench.benchmark.store import cell_folder

    assert "/" not in safe_name("../../etc/passwd")
    assert Path(cell_folder("../../x", 1)).name == cell_folder("../../x", 1)


def test_an_edited_record_is_on_no_board(run_plan, store):
    from brainbench.benchmark.cli.doctor import store_lines

    (record,) = run_plan(plan_of("CLASSIFICATION", "FirstRoi"))
    folder = store.path / "records" / record.id
    assert [found.id for found in store.records()] == [record.id]
    content = json.loads((folder / "record.json").read_text())
    name = next(iter(content["scores"]))
    content["scores"][name]["value"] = 0.999
    (folder / "record.json").write_text(json.dumps(content, indent=1))
    assert list(store.records()) == []
    with pytest.raises(StoreError, match=r"record\.json: edited") as error:
        store.find(record.id)
    assert "run the method again" in error.value.hint
    assert ": 0 records" in store_lines(store.path)[0]
    assert "edited" in store_lines(store.path)[1]
    # A record of an earlier version has no hash.
    seal = folder / "record.sha256"
    seal.rename(store.path / "aside")
    assert len(list(store.records())) == 1
    (store.path / "aside").rename(seal)
    # Running again writes record and hash anew.
    run_plan(plan_of("CLASSIFICATION", "FirstRoi"))
    assert store.find(record.id)[0].scores[name].value == record.scores[name].value


def test_damaged_and_foreign_files_of_a_store_are_one_message_each(run_plan, store):
    plan = plan_of("CLASSIFICATION", "FirstRoi")
    (record,) = run_plan(plan)
    folder = store.path / "records" / record.id
    (cell, *_) = (folder / "cells").iterdir()
    cell.rename(store.path / "elsewhere")
    with pytest.raises(StoreError, match="not the 2 finished cells"):
        rescore(record, folder, lambda *_: None)
    content = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps({**content, "schema_version": 99, "new": 1}))
    with pytest.raises(StoreError, match="schema 99"):
        store.find(record.id)
    (folder / "record.json").write_bytes(b"\xff\x00")
    assert list(store.records()) == []
    for file in store.path.glob("cells/*/cell.json"):
        file.write_bytes(b"\xff\x00")
    events: list = []
    assert run_plan(plan, events=events)[0].status == "ok"
    assert len([event for _, event in events if event.what == "started"]) == 2
