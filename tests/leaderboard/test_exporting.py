"""Exports: every record and metric once, types that stay, nothing that a spreadsheet runs, nothing of people."""

from __future__ import annotations

import csv
import json

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_once import copy_to, run_once
from typer.testing import CliRunner

from brainbench.benchmark.cli import app
from brainbench.benchmark.errors import BadOption, StoreError
from brainbench.leaderboard import exporting, gathered, huggingface, longform
from brainbench.leaderboard.exporting import csv_cell, write_csv, write_jsonl, write_parquet
from brainbench.leaderboard.gathered import gather
from brainbench.leaderboard.huggingface import split_of, write_folder
from brainbench.leaderboard.longform import FIELDS, LeftOut, long_rows
from support import plan_of, write_planted


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("once")
    found = run_once(
        folder,
        lambda home: write_planted(home, effect=1.5, n=60),
        lambda: plan_of("abide1-asd", "fc-svm", "majority", folds=2),
    )
    return folder, found


@pytest.fixture
def made(once, own_home, store):
    folder, found = once
    copy_to(folder, own_home, store)
    return found


def rows_of(store):
    left_out = LeftOut()
    return list(long_rows(gather(store, None), left_out)), left_out.reasons


def changed(made, store, **update):
    """A second record in the store: the first with other fields."""
    record = made[0].model_copy(update={"id": "changed", **update})
    folder = store.path / "records" / "changed"
    (folder).mkdir()
    (folder / "record.json").write_text(record.model_dump_json())
    (folder / "split.json").write_text((store.path / "records" / made[0].id / "split.json").read_text())
    return record


def test_each_metric_of_each_record_is_one_row_with_its_numbers(made, store):
    rows, left_out = rows_of(store)
    assert left_out == []
    assert len(rows) == sum(len(record.scores) for record in made)
    assert all(set(row) == set(FIELDS) for row in rows)
    best = next(row for row in rows if row["method"] == "fc-svm" and row["headline"])
    score = made[0].scores["auc"]
    assert (best["value"], best["low"], best["high"], best["rank"]) == (score.value, score.low, score.high, 1)
    assert next(row for row in rows if row["method"] == "majority" and row["headline"])["separated"] is True
    other = next(row for row in rows if row["method"] == "fc-svm" and row["metric"] == "accuracy")
    assert other["rank"] is None
    assert other["value"] == made[0].scores["accuracy"].value


def test_all_formats_hold_the_same(made, store, tmp_path):
    rows, _ = rows_of(store)
    assert write_jsonl(rows, tmp_path / "a.jsonl") == len(rows)
    assert write_csv(rows, tmp_path / "a.csv") == len(rows)
    assert write_parquet(rows, tmp_path / "a.parquet") == len(rows)
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()] == rows
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == rows
    with (tmp_path / "a.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [{name: csv_cell(row[name]) for name in FIELDS} for row in rows]
    table = pd.read_csv(tmp_path / "a.csv")
    assert table["value"].tolist() == pytest.approx([row["value"] for row in rows], nan_ok=True)


def test_types_do_not_depend_on_what_is_in_the_rows(made, store, tmp_path):
    write_parquet([{"record": "x"}], tmp_path / "a.parquet")
    assert pq.read_schema(tmp_path / "a.parquet").equals(longform.SCHEMA, check_metadata=True)
    assert b"Whether more is better." in longform.SCHEMA.field("higher_is_better").metadata.values()


def test_batches_join(monkeypatch, tmp_path):
    monkeypatch.setattr(exporting, "BATCH", 3)
    for count in (2, 3, 7):
        assert write_parquet(({"record": str(k)} for k in range(count)), tmp_path / "a.parquet") == count
        assert pq.read_table(tmp_path / "a.parquet")["record"].to_pylist() == [str(k) for k in range(count)]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", '=HYPERLINK("http://x","y")'])
def test_a_formula_is_a_text_in_a_spreadsheet(text):
    assert csv_cell(text) == f"'{text}"


@given(st.one_of(st.text(), st.floats(allow_nan=False), st.integers(), st.booleans(), st.none()))
def test_numbers_are_never_quoted_and_no_text_begins_as_a_formula(value):
    cell = csv_cell(value)
    if isinstance(value, str):
        assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))
        assert cell.removeprefix("'") in (
            value.replace("\0", "\ufffd"),
            value.replace("\0", "\ufffd").removeprefix("'"),
        )
    elif isinstance(value, float):
        assert float(cell) == value


def test_hostile_names_stay_in_their_cell(made, store, tmp_path):
    name = '=cmd|"/C calc"!A0,\n"x"|</td><script>'
    method = made[0].method.model_copy(update={"name": name})
    task = made[0].task.model_copy(update={"name": "abide1-asd](javascript:x)\n---\nlicense: mine"})
    changed(made, store, method=method, task=task)
    rows, _ = rows_of(store)
    write_csv(rows, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        assert {row["method"] for row in csv.DictReader(file)} == {"fc-svm", "majority", f"'{name}"}
    write_folder(rows, tmp_path / "hf")
    text = (tmp_path / "hf" / "README.md").read_text()
    assert "\nlicense: mine" not in text
    assert "](javascript" not in text


def test_an_older_record_of_a_row_is_there_but_not_on_the_board(made, store):
    environment = made[0].environment.model_copy(update={"created": "1999-01-01T00:00:00+00:00"})
    changed(made, store, environment=environment)
    rows, _ = rows_of(store)
    old = [row for row in rows if row["record"] == "changed"]
    assert old
    assert not any(row["on_board"] or row["rank"] for row in old)


def test_machines_and_folders_do_not_leave(made, store):
    method = made[0].method.model_copy(update={"ref": "/home/somebody/secret/mine.py:Mine"})
    changed(made, store, method=method, status="failed", reason="/home/somebody/secret/x.py broke")
    rows, _ = rows_of(store)
    text = json.dumps(rows)
    assert "somebody" not in text
    assert "mine.py:Mine" in text
    assert made[0].environment.host not in {value for row in rows for value in row.values() if isinstance(value, str)}


def test_of_guarded_people_leave_only_scores_over_ten_of_them(made, store, monkeypatch):
    monkeypatch.setattr(gathered, "policy_of", lambda record: "aggregates")
    few = made[0].data.model_copy(update={"subjects": 9})
    changed(made, store, data=few)
    named = made[1].model_copy(update={"reason": "scan s12 is broken", "id": "named"})
    (store.path / "records" / made[1].id / "record.json").write_text(named.model_dump_json())
    (store.path / "records" / made[1].id / "record.sha256").unlink()
    rows, left_out = rows_of(store)
    assert "s12" not in json.dumps(rows)
    assert not any(row["record"] == "changed" for row in rows)
    assert any("9 people" in reason for reason in left_out)


def test_a_folder_keeps_real_and_simulated_apart_and_replaces_nothing(made, store, tmp_path):
    changed(made, store, data=made[0].data.model_copy(update={"origin": "twin"}))
    rows, _ = rows_of(store)
    assert write_folder(rows, tmp_path / "hf") == len(rows)
    real, twin = (pq.read_table(tmp_path / "hf" / "data" / f"{name}.parquet") for name in ("real", "twin"))
    assert set(real["origin"].to_pylist()) == {"real"}
    assert set(twin["origin"].to_pylist()) == {"twin"}
    text = (tmp_path / "hf" / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    assert "split: real\n    path: data/real.parquet" in front
    assert "public_simulation" not in front
    assert all(f"| {name} |" in body for name in FIELDS)
    with pytest.raises(BadOption, match="not empty"):
        write_folder(rows, tmp_path / "hf")
    assert split_of("public simulation") in huggingface.SPLITS


def test_what_fails_midway_leaves_nothing(tmp_path):
    def broken():
        yield {"record": "a", "origin": "real", "task": "t", "method": "m"}
        raise StoreError("gone")

    for write, name in ((write_jsonl, "a"), (write_csv, "b"), (write_parquet, "c"), (write_folder, "d")):
        with pytest.raises(StoreError, match="gone"):
            write(broken(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_commands(made, store, tmp_path):
    for name, file in (("jsonl", "a.jsonl"), ("csv", "a.csv"), ("parquet", "a.parquet"), ("huggingface", "folder")):
        done = CliRunner().invoke(app, ["export", name, "--out", str(tmp_path / file), "--store", str(store.path)])
        assert done.exit_code == 0, done.output
        assert done.stdout.strip() == str(tmp_path / file)
        assert (tmp_path / file).exists()
    slip = CliRunner().invoke(app, ["export", "csv", "--out", str(tmp_path / "a.txt"), "--store", str(store.path)])
    assert "a.csv" in str(slip.exception)
    empty = CliRunner().invoke(
        app, ["export", "csv", "--out", str(tmp_path / "b.csv"), "--store", str(tmp_path / "no")]
    )
    assert "no record" in str(empty.exception)
    assert not (tmp_path / "b.csv").exists()
