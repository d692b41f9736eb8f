"""Records that earlier versions wrote are read: one store of each form lies in ``tests/records``.

Each was made by the code of its time: two methods on a planted cohort of 24 people, in two folds. ``v1-first`` is of
the first revision that could run a task from the command line; it lacks the seal, the resamples and twelve fields of
later records of the same schema.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench.benchmark.datasets.cohort import Cohort
from brainbench.benchmark.errors import StoreError
from brainbench.benchmark.migrations import READ, STEPS, migrated, parse_record
from brainbench.benchmark.record import SCHEMA_VERSION, Record
from brainbench.benchmark.rescoring import rescore
from brainbench.benchmark.store import Store, read_cell, read_record, read_split
from brainbench.benchmark.submitting.archive import received
from brainbench.benchmark.submitting.verify import verify
from brainbench.leaderboard.board import boards

RECORDS = Path(__file__).parents[1] / "records"
STORES = sorted(path.name for path in RECORDS.iterdir())
AUC = {"majority": 0.5, "fc-logistic": 0.9861111111111112}
"""Of every store: the numbers of a method on this cohort have not changed."""


def test_a_store_of_every_schema_is_kept():
    assert {int(name[1:].partition("-")[0]) for name in STORES} == set(READ)
    assert set(STEPS) == set(range(1, SCHEMA_VERSION))


@pytest.mark.parametrize("name", STORES)
def test_old_records_are_read_whole(name):
    store = Store(RECORDS / name / "store")
    found = {record.method.name: record for record in store.records()}
    assert sorted(found) == ["fc-logistic", "majority"]
    for method, record in found.items():
        raw = json.loads((store.path / "records" / record.id / "record.json").read_text())
        assert raw["schema_version"] == int(name[1:].partition("-")[0])
        assert (record.schema_version, record.status, record.data.subjects) == (SCHEMA_VERSION, "ok", 24)
        assert record.scores["auc"].value == raw["scores"]["auc"]["value"] == pytest.approx(AUC[method])
        assert {cost.host for cost in record.environment.cells.values()} == (
            {""} if raw["schema_version"] == 1 else {"lab"}
        )
        place = store.path / "records" / record.id
        assert read_split(place).hash == record.split.hash
        cells = [read_cell(cell) for cell in sorted((place / "cells").iterdir())]
        assert [cell.prediction for cell in cells if cell] == [part.prediction for part in record.cells]


@pytest.mark.parametrize("name", STORES)
def test_old_records_stand_on_a_board(name):
    (board,) = boards(Store(RECORDS / name / "store").records())
    assert [line.record.method.name for line in board.lines] == ["fc-logistic", "majority"]


@pytest.mark.parametrize("name", [name for name in STORES if name != "v1-first"])
def test_every_number_of_an_old_record_is_reproduced(name, own_home):
    shutil.copytree(RECORDS / name / "cohorts", own_home / "cohorts")
    store = Store(RECORDS / name / "store")
    for record in store.records():
        again = rescore(record, store.path / "records" / record.id, lambda label, done, total: None)
        assert again.differences == ()


def test_a_record_of_an_old_version_of_its_task_says_so(own_home):
    shutil.copytree(RECORDS / "v1-first" / "cohorts", own_home / "cohorts")
    store = Store(RECORDS / "v1-first" / "store")
    record = next(store.records())
    with pytest.raises(StoreError, match="of version 1 of abide1-asd; this is 2"):
        rescore(record, store.path / "records" / record.id, lambda label, done, total: None)


@pytest.mark.parametrize("name", STORES)
def test_old_cohorts_are_read(name):
    cohort = Cohort.open(RECORDS / name / "cohorts" / "abide1")
    items = cohort.items()
    assert len(items) == cohort.manifest.scans == 24
    assert items.arrays["series"][3].read().shape == (20, 6)


def test_an_old_submission_is_scored_again(own_home):
    shutil.copytree(RECORDS / "v1" / "cohorts", own_home / "cohorts")
    with received(RECORDS / "v1" / "submission") as folder:
        verdict = verify(folder, None, lambda label, done, total: None)
    assert verdict.accepted
    assert verdict.records[0].row == "rescored"


def test_the_content_keeps_its_hash_when_the_environment_is_migrated():
    raw = (RECORDS / "v1" / "store" / "records").glob("*majority*/record.json")
    tree = json.loads(next(raw).read_text())
    moved = Record.model_validate(migrated(tree))
    told = moved.model_dump(mode="json", exclude={"environment"}) | {"schema_version": 1}
    assert told == {name: value for name, value in tree.items() if name != "environment"}
    assert moved.content_hash == "a1771acc0031d9af42f97a86896e4c1a37932071e5bf5a9463c00fd4c2c0b1dd"  # by the code of v1


@pytest.mark.parametrize("version", [0, 3, 99, "1", 1.0, True, None, [1]])
def test_another_schema_is_refused_with_those_that_are_read(version, tmp_path):
    file = tmp_path / "record.json"
    file.write_text(json.dumps({"schema_version": version}))
    with pytest.raises(StoreError, match=r"this version reads 1 to 2|not a record"):
        read_record(file)
    with pytest.raises(ValueError, match="this version reads 1 to 2"):
        migrated({"schema_version": version})


def test_an_old_record_that_was_edited_is_not_read(tmp_path):
    shutil.copytree(RECORDS / "v1" / "store", tmp_path / "store")
    file = next((tmp_path / "store" / "records").glob("*majority*/record.json"))
    file.write_text(
        file.read_text().replace('"value":0.5', '"value":0.9', 1).replace('"value": 0.5', '"value": 0.9', 1)
    )
    with pytest.raises(StoreError, match="edited"):
        read_record(file)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["environment", "cells", "a"]), inner),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["environment", "cells", "scores", "b"]), JSON))
def test_what_only_says_that_it_is_old_is_refused(tree):
    with pytest.raises(ValueError, match=r"schema 1|validation error"):
        parse_record(json.dumps({"schema_version": 1} | tree).encode())
