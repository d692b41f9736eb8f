"""Files that change behind our back: a byte of each file of a store and of a cohort, a lost end, an empty file.

Whatever happens to them, a run gives the calm numbers or a named error, and boards show no other number.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from brainbench.benchmark.errors import BrainbenchError
from brainbench.benchmark.store import Store
from brainbench.leaderboard.board import boards
from support import plan_of, write_planted

METHODS = ("fc-svm",)


def flip(file: Path) -> None:
    """Turn one bit in the middle."""
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 4
    file.write_bytes(raw)


def cut(file: Path) -> None:
    """Lose the second half."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    """Lose everything."""
    file.write_bytes(b"")


HARMS = (flip, cut, empty)
TOLD = {flip: "one bit turned", cut: "second half lost", empty: "emptied"}


@pytest.fixture
def planted(own_home) -> Path:
    write_planted(own_home, n=48)
    return own_home


def go(run_plan) -> dict[str, str]:
    """Run the plan; record -> hash."""
    records = run_plan(plan_of("abide1-asd", *METHODS, data="real", folds=2))
    assert {record.status for record in records} == {"ok"}, [record.reason for record in records]
    return {record.id: record.content_hash for record in records}


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


def numbers(store: Store) -> set[tuple[str, str]]:
    """What a board would print: method and headline."""
    return {(line.record.method.name, line.record.scores["auc"].told) for board in boards(store.records())
            for line in board.lines}  # fmt: skip


def test_no_damaged_file_of_a_store_gives_another_number(planted, run_plan, store, tell):
    calm = go(run_plan)
    shown = numbers(store)
    again, left = Counter(), Counter()
    for number, file in enumerate([*files_of(store.path / "cells"), *files_of(store.path / "records")]):
        harm = HARMS[number % len(HARMS)]
        kept = file.read_bytes()
        harm(file)
        where = file.relative_to(store.path).parts[0]
        if where == "cells":
            again[store.finished(file.relative_to(store.path).parts[1]) is None] += 1
        assert numbers(store) <= shown, file
        left[where, numbers(store) < shown] += 1
        assert go(run_plan) == calm, file
        assert numbers(store) == shown, file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(kept)
    told = "one bit turned, the second half lost, or emptied"
    tell(f"each of {again.total()} files of finished cells: {told}", f"{again[True]} were noticed and computed again; "
         "same records", "nothing")  # fmt: skip
    gone, all_files = left["records", True], left["records", True] + left["records", False]
    tell(f"each of {all_files} files of records: {told}", f"in {gone} cases the row left the board; no other number "
         "was shown, and the same command made it again", "nothing")  # fmt: skip


def test_no_damaged_file_of_a_cohort_gives_a_number(planted, run_plan, store, tell):
    calm = go(run_plan)
    for harm in HARMS:
        for file in files_of(planted / "cohorts" / "abide1"):
            kept = file.read_bytes()
            harm(file)
            for folder in (planted / "cache", store.path / "cells"):
                shutil.rmtree(folder, ignore_errors=True)  # what was computed of the sound file may be used
            message = refusal(run_plan, calm)
            assert message, file
            tell(f"{file.name} of a cohort: {TOLD[harm]}", "refused", "nothing", message.replace(str(planted), ""))
            file.write_bytes(kept)
    shutil.rmtree(store.path / "cells", ignore_errors=True)
    assert go(run_plan) == calm


def refusal(run_plan, calm: dict[str, str]) -> str:
    """Why a run on a damaged cohort gave no number; "" where it gave one."""
    try:
        records = run_plan(plan_of("abide1-asd", *METHODS, data="real", folds=2))
    except BrainbenchError as error:
        return error.message
    assert all(record.status != "ok" for record in records if record.content_hash not in calm.values())
    return next((record.reason for record in records if record.status != "ok"), "")
