"""Signal is found, noise is not, a planted leak is seen: the whole path, on cohorts that the test writes."""

from __future__ import annotations

import numpy as np
import pytest

from brainbench.benchmark.errors import BadData, BadSplit, DataMissing
from brainbench.benchmark.rescoring import rescore
from support import plan_of, reseal, write_planted


def auc(record) -> float:
    assert record.status == "ok", record.reason
    return record.scores["auc"].value


def test_planted_signal_is_found_and_shuffled_labels_give_one_half(own_home, run_plan):
    write_planted(own_home)
    (found,) = run_plan(plan_of("abide1-asd", "fc-svm", data="real"))
    assert auc(found) > 0.85
    scores = []
    for seed in range(4):
        write_planted(own_home, seed=seed, shuffled=True)
        (record,) = run_plan(plan_of("abide1-asd", "fc-svm", data="real"))
        scores.append(auc(record))
    assert abs(np.mean(scores) - 0.5) < 0.08  # 4 x 120 subjects: standard error about 0.03


def test_floors_know_nothing_where_sites_and_ages_are_balanced(own_home, run_plan):
    write_planted(own_home)
    for record in run_plan(plan_of("abide1-asd", "majority", "site-only", "motion-only", data="real")):
        assert abs(auc(record) - 0.5) < 0.15


def test_copies_of_a_scan_on_both_sides_are_a_leak_in_the_record(own_home, run_plan):
    write_planted(own_home, copy_of_first=True)
    (record,) = run_plan(plan_of("abide1-asd", "majority", data="real"))
    assert [finding.level for finding in record.audit if finding.detector == "duplicate-scans"] == ["leak"]


def test_external_validation_trains_here_and_tests_there(own_home, run_plan, store):
    write_planted(own_home)
    write_planted(own_home, "elsewhere", n=60, seed=5, prefix="e")
    (record,) = run_plan(plan_of("abide1-asd@external:elsewhere", "fc-logistic", data="real"))
    assert auc(record) > 0.85
    assert record.cells[0].items == 60
    assert rescore(record, store.path / "records" / record.id, lambda *_: None).differences == ()


def test_external_refuses_the_same_people_another_atlas_and_what_is_not_there(own_home):
    write_planted(own_home)
    write_planted(own_home, "again", n=40)
    with pytest.raises(BadSplit, match="both train and test"):
        plan_of("abide1-asd@external:again", "fc-svm", data="real")
    write_planted(own_home, "coarse", n=40, prefix="c", rois=8)
    with pytest.raises(BadData, match="another atlas"):
        plan_of("abide1-asd@external:coarse", "fc-svm", data="real")
    with pytest.raises(DataMissing, match="nowhere"):
        plan_of("abide1-asd@external:nowhere", "fc-svm", data="real")


def test_site_out_tests_each_site_and_prints_both_ways_of_joining(own_home, run_plan):
    write_planted(own_home)
    (record,) = run_plan(plan_of("abide1-asd@site-out", "fc-svm", data="real"))
    assert len(record.cells) == 4
    score = record.scores["auc"]
    assert score.value > 0.85
    assert score.pooled > 0.8
    (grouped,) = run_plan(plan_of("abide1-asd@site-out:2", "fc-svm", data="real"))
    assert grouped.split.rule.startswith("site-out-2")


def test_scans_without_a_label_are_left_out_and_counted(own_home, run_plan):
    write_planted(own_home)
    table_path = own_home / "cohorts" / "abide1" / "scans.parquet"
    import pandas as pd

    table = pd.read_parquet(table_path)
    table.loc[table.index[:6], "diagnosis"] = None
    table.to_parquet(table_path)
    reseal(table_path.parent)
    (record,) = run_plan(plan_of("abide1-asd", "majority", data="real"))
    assert record.data.left_out == {"no diagnosis": 6}
    assert record.data.items == 114


def test_truncated_series_are_one_clear_message(own_home):
    write_planted(own_home)
    series = own_home / "cohorts" / "abide1" / "series.npy"
    with open(series, "r+b") as file:
        file.truncate(series.stat().st_size - 100)
    with pytest.raises(BadData, match="truncated or replaced"):
        plan_of("abide1-asd", "majority", data="real")


@pytest.mark.parametrize("name", ["scans.parquet", "cohort.json"])
def test_damaged_tables_are_one_clear_message(name, own_home):
    write_planted(own_home)
    (own_home / "cohorts" / "abide1" / name).write_bytes(b"\xff\x00 not a table")
    with pytest.raises(BadData, match="import"):
        plan_of("abide1-asd", "majority", data="real")
