"""Withdrawing: what rests on a record or a person is found, ends as a tombstone, and does not come back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from brainbench.benchmark.audit import leave_manifest
from brainbench.benchmark.cli import app
from brainbench.benchmark.datasets.cohort import Cohort
from brainbench.benchmark.datasets.dataset import load_cohort
from brainbench.benchmark.datasets.erase import erase, mentions
from brainbench.benchmark.datasets.importer import import_cohort
from brainbench.benchmark.errors import BadOption, DataMissing, StoreError
from brainbench.benchmark.executors import LocalPool
from brainbench.benchmark.plan import weights_hash
from brainbench.benchmark.privacy import write_shielded
from brainbench.benchmark.processes import Limits
from brainbench.benchmark.run import Settings, run
from brainbench.benchmark.store import Store, read_split
from brainbench.benchmark.withdrawing import (
    TOMBSTONE,
    Tombstone,
    carry_out,
    check_reason,
    find_person,
    plan_record,
    plan_subject,
    read_tombstone,
    rests_on,
    tombstones,
    without_withdrawn,
)
from support import plan_of, write_planted

DAY = "2026-11-22"


def quiet(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A data folder and a store: two records on one cohort and one on another."""
    place = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_HOME", str(place / "home"))
        write_planted(place / "home", n=40)
        write_planted(place / "home", "abide2", n=40, prefix="t", seed=3)
        store = Store(place / "runs")
        store.prepare()
        for task, methods in (("abide1-asd", ("majority", "site-only")), ("abide2-asd", ("majority",))):
            plan = plan_of(task, *methods, data="real", folds=2)
            pool = LocalPool(1, 1, Limits(120), store.log)
            assert all(record.status == "ok" for record in run(plan, store, pool, Settings("cpu", 1), lambda *_: None))
    return place


@pytest.fixture
def runs(made, own_home, tmp_path) -> Store:
    """A copy of what was made."""
    shutil.copytree(made / "home", own_home, dirs_exist_ok=True)
    shutil.copytree(made / "runs", tmp_path / "runs")
    return Store(tmp_path / "runs")


def record_of(store: Store, start: str):
    return store.find(start)[0]


def test_a_withdrawn_record_is_a_tombstone_and_its_cells_are_gone(runs):
    record = record_of(runs, "abide1-asd--majority")
    before = {path.name for path in (runs.path / "cells").iterdir()}
    carry_out(plan_record(runs, "abide1-asd--majority"), "a bug", DAY, quiet)
    folder = runs.path / "records" / record.id
    assert [path.name for path in folder.iterdir()] == [TOMBSTONE]
    (stone,) = tombstones(runs.path)
    assert stone == read_tombstone(folder)
    assert (stone.id, stone.task, stone.version) == (record.id, "abide1-asd", record.task.version)
    assert (stone.method, stone.split, stone.what) == ("majority", record.split.hash, "record")
    assert (stone.reason, stone.withdrawn, stone.row) == ("a bug", DAY, "reproduced")
    assert before - {path.name for path in (runs.path / "cells").iterdir()} == {cell.key for cell in record.cells}
    assert record.id not in {found.id for found in runs.records()}
    with pytest.raises(StoreError, match=f"was withdrawn on {DAY}"):
        plan_record(runs, record.id)


def test_a_withdrawn_record_is_not_run_again(runs):
    carry_out(plan_record(runs, "abide1-asd--majority"), "a bug", DAY, quiet)
    plan = without_withdrawn(plan_of("abide1-asd", "majority", "site-only", data="real", folds=2), runs)
    assert [row.spec.name for row in plan.rows] == ["site-only"]
    assert f"withdrawn on {DAY}" in plan.notes[-1]


def test_a_person_takes_along_every_record_that_trained_or_tested_on_them(runs, own_home):
    person = find_person("abide1", "s7")
    plan = plan_subject([runs.path], person)
    assert {resting.record.method.name for resting in plan.records} == {"majority", "site-only"}
    assert {resting.record.task.name for resting in plan.records} == {"abide1-asd"}
    carry_out(plan, "", DAY, quiet)
    assert [stone.what for stone in tombstones(runs.path)] == ["subject", "subject"]
    assert [record.task.name for record in runs.records()] == ["abide2-asd"]
    assert len(list((runs.path / "cells").iterdir())) == 2  # those of the other cohort
    everything = b"".join(path.read_bytes() for path in runs.path.rglob("*") if path.is_file())
    assert b'"s7"' not in everything
    table = load_cohort("abide1").items.table
    assert "s7" not in set(table["subject"])
    assert len(table) == 39


def test_who_trained_and_was_never_tested_counts_as_well(runs, own_home):
    record, folder = runs.find("abide1-asd--majority")
    split = json.loads((folder / "split.json").read_text())
    for ids in split["folds"].values():
        ids["test"] = [name for name in ids["test"] if name != "s7"]
    (folder / "split.json").write_text(json.dumps(split))
    assert rests_on(record, folder, find_person("abide1", "s7"), set()) == "trained on the subject"
    for ids in split["folds"].values():
        ids["train"] = [name for name in ids["train"] if name != "s7"]
    (folder / "split.json").write_text(json.dumps(split))
    assert rests_on(record, folder, find_person("abide1", "s7"), set()) == ""


def test_salted_and_aggregate_records_are_found_again(runs, own_home, tmp_path):
    record, folder = runs.find("abide1-asd--majority")
    person = find_person("abide1", "s7")
    for policy, why in (("salted", "tested on the subject"), ("aggregates", "aggregates over the cohort")):
        left = tmp_path / policy / "records" / record.id
        write_shielded(folder, policy, left)
        assert rests_on(record, left, person, set()) == why
        (resting,) = plan_subject([tmp_path / policy], person).records
        assert resting.folder == left


def test_external_cohorts_and_lent_scans_count(own_home, run_plan, store):
    write_planted(own_home, n=40)
    write_planted(own_home, "elsewhere", n=40, seed=5, prefix="e")
    (record,) = run_plan(plan_of("abide1-asd@external:elsewhere", "majority", data="real"))
    folder = store.path / "records" / record.id
    assert rests_on(record, folder, find_person("elsewhere", "e3"), set()) == "tested on the subject"
    assert rests_on(record, folder, find_person("abide1", "s3"), set()) == "trained on the subject"
    write_planted(own_home, "third", n=20, seed=6, prefix="x")
    assert rests_on(record, folder, find_person("third", "x3"), set()) == ""


def test_lent_scans_are_known_by_their_fingerprint(runs):
    record, folder = runs.find("abide2-asd--majority")
    person = find_person("abide1", "s3")
    assert rests_on(record, folder, person, set()) == ""
    path = next((folder / "cells").glob("*/cell.json"))
    cell = json.loads(path.read_text())
    path.write_text(json.dumps(cell | {"data": f"{cell['data']}+abide1-asd 1 {person.cohort.manifest.fingerprint}"}))
    assert rests_on(record, folder, person, set()) == "was lent scans of the cohort"


def test_weights_that_have_seen_a_person_go_with_the_records_that_start_from_them(runs, own_home, tmp_path):
    person = find_person("abide1", "s7")
    seen, other = tmp_path / "weights" / "seen", own_home / "weights" / "other"
    for folder, subjects, data in ((seen, ["s7", "s8"], "abide1"), (other, ["s8"], "abide1")):
        folder.mkdir(parents=True)
        (folder / "model.bin").write_bytes(folder.name.encode())
        leave_manifest(folder, data, subjects)
    copied = own_home / "weights" / "copied"  # another id, the same scan
    copied.mkdir()
    leave_manifest(copied, "elsewhere", ["nobody"], person.digests)
    namesake = own_home / "weights" / "namesake"  # the same id in another cohort
    namesake.mkdir()
    leave_manifest(namesake, "elsewhere", ["s7"])
    record, folder = runs.find("abide2-asd--majority")
    started = record.model_copy(update={"method": record.method.model_copy(update={"weights": weights_hash(seen)})})
    runs.save(started, read_split(folder), [])
    plan = plan_subject([runs.path], person, [tmp_path / "weights"])
    assert set(plan.weights) == {seen, copied}
    assert "starts from weights that have seen the subject" in {resting.why for resting in plan.records}
    carry_out(plan, "asked", DAY, quiet)
    assert [path.name for path in seen.iterdir()] == ["withdrawn.txt"]
    assert (other / "model.bin").exists()
    assert not list(runs.records())


def test_erasing_keeps_everybody_else_bit_for_bit(own_home):
    write_planted(own_home, n=20)
    before = load_cohort("abide1").items
    path = own_home / "cohorts" / "abide1"
    manifest = json.loads((path / "cohort.json").read_text())
    manifest["left_out"] = {"s3_run-2": "too short", "s13_run-2": "too short"}
    manifest["importer"] = {"rows_without_scan": ["s3", "s4x"], "notes": ["s3: no age"]}
    manifest["leaves"] = "salted"
    (path / "cohort.json").write_text(json.dumps(manifest))
    erase(Cohort.open(path), "s3")
    after = load_cohort("abide1").items
    told = Cohort.open(path).manifest
    keep = [number for number, scan in enumerate(before.table.index) if scan != "s3"]
    for row, number in enumerate(keep):
        assert np.array_equal(after.read("series", row), before_read(before, number, manifest))
    columns = [name for name in before.table.columns if name != "start"]
    assert after.table[columns].equals(before.table.iloc[keep][columns])
    assert (told.scans, told.subjects, told.leaves) == (19, 19, "salted")
    assert told.fingerprint != manifest["fingerprint"]
    assert told.left_out == {"s13_run-2": "too short"}
    assert b"s3" not in (path / "cohort.json").read_bytes().replace(b"s3_", b"")


def before_read(items, number: int, manifest) -> np.ndarray:
    """A scan as `write_planted` makes it again."""
    rng = np.random.default_rng(0)
    for k in range(number + 1):
        series = rng.normal(size=(60 + k % 7, manifest["rois"]))
        series[:, 1] += 0.8 * (k % 2) * series[:, 0]
    return series.astype("<f4")


def test_the_last_person_takes_the_cohort_along(own_home):
    write_planted(own_home, n=1)
    erase(Cohort.open(own_home / "cohorts" / "abide1"), "s0")
    assert not (own_home / "cohorts" / "abide1").exists()


def test_ids_are_words_not_parts_of_words():
    assert mentions("same-content-as:s3", {"s3"})
    assert not mentions("same-content-as:s33", {"s3"})


def test_a_later_import_leaves_the_person_out(own_home, tmp_path, store):
    for number in range(4):
        np.save(tmp_path / f"sub-person{number}.npy", np.random.default_rng(number).normal(size=(60, 5)))
    import_cohort("own", tmp_path, name="lab")
    assert len(load_cohort("lab").items) == 4
    subject = str(load_cohort("lab").items.table["subject"].iloc[1])
    carry_out(plan_subject([store.path], find_person("lab", subject)), "", DAY, quiet)
    assert len(load_cohort("lab").items) == 3
    report = import_cohort("own", tmp_path, name="lab")
    assert subject not in set(load_cohort("lab").items.table["subject"])
    assert "1 scans of 1 withdrawn people are left out" in report.notes
    assert subject not in (own_home / "withdrawn.json").read_text()
    again = find_person("lab", subject)  # withdrawn before: may be asked for again, with nothing left to erase
    assert again.scans == ()
    with pytest.raises(DataMissing, match="no subject"):
        find_person("lab", "sub-99")


def test_an_interrupted_withdrawal_goes_on(runs, own_home):
    class Stop(Exception):
        pass

    def stop(line: str) -> None:
        raise Stop

    with pytest.raises(Stop):
        carry_out(plan_subject([runs.path], find_person("abide1", "s7")), "", DAY, stop)
    assert "s7" in set(load_cohort("abide1").items.table["subject"])  # the cohort goes last
    plan = plan_subject([runs.path], find_person("abide1", "s7"))
    assert len(plan.records) == 1
    carry_out(plan, "", DAY, quiet)
    assert len(tombstones(runs.path)) == 2
    assert "s7" not in set(load_cohort("abide1").items.table["subject"])


def test_cohorts_in_one_piece_and_names_with_paths_are_refused(own_home):
    (own_home / "cohorts" / "nsd").mkdir(parents=True)
    with pytest.raises(BadOption, match="one piece"):
        find_person("nsd", "subj01")
    for name in ("nowhere", "../cohorts/nsd", ".."):
        with pytest.raises(DataMissing):
            find_person(name, "s1")


def test_damaged_and_hostile_tombstones_are_left_out(tmp_path):
    good = Tombstone(
        id="a", task="t", version=1, method="m", data="d", origin="real", fingerprint="f", split="s", row="reproduced",
        withdrawn=DAY, what="record",
    )  # fmt: skip
    for name, text in {
        "a": good.model_dump_json(),
        "b": "no json",
        "c": json.dumps(json.loads(good.model_dump_json()) | {"id": "x" * 9999}),
        "d": json.dumps(json.loads(good.model_dump_json()) | {"withdrawn": "<script>"}),
    }.items():
        folder = tmp_path / "records" / name
        folder.mkdir(parents=True)
        (folder / TOMBSTONE).write_text(text)
    assert tombstones(tmp_path) == [good]
    shutil.copytree(tmp_path / "records", tmp_path / "submissions" / "NAME" / "records")
    assert tombstones(tmp_path / "submissions") == [good]


def test_a_reason_does_not_name_who_is_withdrawn():
    with pytest.raises(BadOption, match="names 50002"):
        check_reason("50002 took back their consent", "50002")
    with pytest.raises(BadOption, match="names 7"):
        check_reason("asked by sub-7", "7")
    assert check_reason("7 people took back their consent", "7")
    assert check_reason("consent withdrawn", "50002") == "consent withdrawn"


def test_reasons_are_one_line_of_some_length():
    assert check_reason(" a \n b ") == "a b"
    for text in ("x" * 501, "\x1b[2J"):
        with pytest.raises(BadOption):
            check_reason(text)


def test_the_command_asks_shows_and_withdraws(runs, monkeypatch):
    base = ["withdraw", "--subject", "s7", "--cohort", "abide1", "--store", str(runs.path)]
    shown = CliRunner().invoke(app, [*base, "--dry-run", "--json"])
    told = json.loads(shown.stdout)
    assert (len(told["records"]), told["scans"], told["what"]) == (2, 1, "subject")
    refused = CliRunner().invoke(app, base, input="n\n")
    assert refused.exit_code == 1
    assert "nothing was withdrawn" in refused.output
    assert len(list(runs.records())) == 3
    done = CliRunner().invoke(app, [*base, "--yes", "--reason", "consent withdrawn"])
    assert done.exit_code == 0, done.output
    assert [stone.reason for stone in tombstones(runs.path)] == ["consent withdrawn"] * 2
    assert "s7" not in set(load_cohort("abide1").items.table["subject"])
    record = CliRunner().invoke(app, ["withdraw", "abide2-asd--majority", "--store", str(runs.path), "-y"])
    assert record.exit_code == 0, record.output
    for wrong in ([], ["x", "--subject", "s"], ["--subject", "s7"], ["--cohort", "abide1"]):
        assert isinstance(CliRunner().invoke(app, ["withdraw", *wrong]).exception, BadOption)
