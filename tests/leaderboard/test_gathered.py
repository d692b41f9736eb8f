"""What stands on a board: the store, what was accepted and what was withdrawn; and what of it may leave."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from brainbench.benchmark.errors import StoreError
from brainbench.benchmark.withdrawing import TOMBSTONE, tombstone_of
from brainbench.leaderboard import gathered
from brainbench.leaderboard.gathered import gather, submissions_folder
from brainbench.leaderboard.wording import labeller
from support import plan_of, write_planted


@pytest.fixture
def record(own_home, run_plan):
    write_planted(own_home, "abide2", n=60)
    (found, _) = run_plan(plan_of("abide2-asd", "majority", "site-only", data="real", folds=2))
    return found


def test_the_folder_of_submissions_is_named_set_or_lies_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BRAINBENCH_SUBMISSIONS", raising=False)
    assert submissions_folder(None) is None
    (tmp_path / "submissions").mkdir()
    assert submissions_folder(None) == Path("submissions")
    other = tmp_path / "other"
    monkeypatch.setenv("BRAINBENCH_SUBMISSIONS", str(other))
    with pytest.raises(StoreError, match="no folder"):
        submissions_folder(None)
    other.mkdir()
    assert submissions_folder(None) == other
    assert submissions_folder(tmp_path) == tmp_path


def test_a_withdrawn_record_leaves_its_tombstone_on_its_board_alone(record, store):
    folder = store.path / "records" / record.id
    stone = tombstone_of(record, "record", "a reason", "2026-01-02")
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()
    (folder / TOMBSTONE).write_text(stone.model_dump_json())
    found = gather(store, None)
    (board,) = found.boards()
    assert [line.record.method.name for line in board.lines] == ["site-only"]
    assert [one.id for one in board.withdrawn] == [record.id]
    assert found.left_alone() == ()
    (folder / TOMBSTONE).write_text(stone.model_copy(update={"split": "another"}).model_dump_json())
    found = gather(store, None)
    (board,) = found.boards()
    assert board.withdrawn == ()
    assert [one.id for one in found.left_alone()] == [record.id]


def test_one_result_stands_once_and_a_submission_is_named(record, store, tmp_path, monkeypatch):
    method = record.method.model_copy(update={"ref": "submission:jane-entry"})
    theirs = record.model_copy(update={"id": "theirs", "row": "rescored", "method": method})
    monkeypatch.setattr(gathered, "accepted", lambda folder: [(theirs, tmp_path, None)])
    found = gather(store, tmp_path)
    assert [found.count(place) for place in found.places] == [2]
    assert found.others == {}
    other = tuple(cell.model_copy(update={"prediction": "0" * 64}) for cell in record.cells)
    theirs = theirs.model_copy(update={"cells": other})
    (board,) = gather(store, tmp_path).boards()
    assert [labeller(board)(line.record) for line in board.rescored] == ["majority (default, submitted as jane-entry)"]


def test_what_leaves_names_no_machine_no_folder_and_nobody(record, store, monkeypatch):
    board = next(gather(store, None).boards())
    place = board.lines[0].record.environment.model_copy(update={"host": "zebra-host"})
    message = f"{store.path}/secret/file.npz of s17"
    told = board.lines[0].record.model_copy(update={"environment": place, "reason": message})
    (store.path / "records" / told.id / "record.json").write_text(told.model_dump_json())
    (store.path / "records" / told.id / "record.sha256").unlink()
    everything = gather(store, None)
    (whole,) = everything.boards()
    left_out: list[str] = []
    for policy, says in (("ids", "file.npz of s17"), ("aggregates", "withheld")):
        monkeypatch.setattr(gathered, "policy_of", lambda record, policy=policy: policy)
        leaving = everything.outward_board(whole, left_out)
        text = json.dumps([line.record.model_dump(mode="json") for line in leaving.every])
        assert "zebra-host" not in text
        assert str(store.path) not in text
        assert says in text
    assert left_out == []


def test_a_row_over_too_few_people_does_not_leave(record, store, monkeypatch):
    monkeypatch.setattr(gathered, "policy_of", lambda record: "aggregates")
    everything = gather(store, None)
    (board,) = everything.boards()
    few = board.lines[0].record.model_copy(update={"data": record.data.model_copy(update={"subjects": 9})})
    left_out: list[str] = []
    only = replace(board, lines=(replace(board.lines[0], record=few),))
    assert everything.outward_board(only, left_out) is None
    assert "fewer than 10" in left_out[0]
