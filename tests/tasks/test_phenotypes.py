"""Tasks on phenotypes: the tables of the field are all there, labels are made by the stated rules."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest

from brainbench.benchmark.errors import BadData, BadOption
from brainbench.benchmark.registry import load_task, suites
from brainbench.leaderboard.published import published
from brainbench.tasks import PHENOTYPES
from brainbench.tasks.labels import AtLeast, Bands, Codes, Status
from brainbench.tasks.phenotypes import DECLARED


def test_listed_and_declared_tasks_are_the_same():
    assert {f"{cohort}-{target}" for cohort, targets in PHENOTYPES.items() for target in targets} == set(DECLARED)
    for name, task in DECLARED.items():
        assert task.name == name


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_no_covariate_gives_the_target_away(name):
    task, _ = load_task(name)
    assert task.target not in task.covariates
    source = getattr(task.label, "source", task.target)
    assert source not in task.covariates
    assert not {"mmse", "cdr", "fluid", "iq"} & set(task.covariates)


def test_every_printed_cell_of_the_tables_has_a_task(shared):
    path = shared.parent / "specs" / "reported-rsfmri.csv"
    with path.open() as file:
        printed = {(row["dataset"], row["target"]): row["table"] for row in csv.DictReader(file)}
    have = {task.published for task in DECLARED.values()} | {("ABIDE2", "ASD")}
    assert set(printed) <= have


@pytest.mark.parametrize(("suite", "table"), [(f"fmri-lm-table{k}", f"Table {k}") for k in (3, 4, 9, 10)])
def test_a_suite_holds_the_columns_of_its_table(suite, table):
    tasks = [load_task(name)[0] for name in suites()[suite]]
    for task in tasks:
        rows = [row for row in published(*task.published) if row.table == table]
        assert rows, task.name
        assert any(set(row.values) & set(task.metrics) for row in rows)


def test_published_errors_are_in_years_and_shares_are_fractions():
    mae = {row.method: row.values for row in published("UKB", "age")}["BrainMass"]
    assert mae["mae"] == (2.01, 0.052)
    assert mae["pearson-r"] == (0.77, 0.063)
    group = {row.method: row.values for row in published("UKB", "age group")}["SwiFT"]
    assert group["macro-f1"] == (0.6325, None)


def test_bands_hold_their_lower_edge():
    rule = Bands("age", (18, 36), ("<18", "18-35", ">=36"))
    found = rule(pd.DataFrame({"age": [17.9, 18, 35.9, 36, np.nan]}))
    assert found[:4].tolist() == ["<18", "18-35", "18-35", ">=36"]
    assert found.isna().tolist() == [False] * 4 + [True]


def test_status_is_beyond_z_of_the_norm_and_not_of_the_cohort():
    rule = Status("flanker", 100, 15)
    table = pd.DataFrame({"flanker": [77.4, 77.5, 122.5, 122.6, None]})
    found = rule(table)
    assert found[:4].tolist() == ["lower", "middle", "middle", "higher"]
    assert found.isna()[4]
    # Other people in the cohort move no label.
    more = pd.concat([table, pd.DataFrame({"flanker": [0.0] * 50})], ignore_index=True)
    assert rule(more)[:4].tolist() == found[:4].tolist()


def test_codes_leave_out_what_they_do_not_know():
    rule = DECLARED["adni-cn-vs-rest"].label
    found = rule(pd.DataFrame({"diagnosis_code": ["CN", "SMC", "EMCI", "LMCI", "AD"], "diagnosis": ["CN"] * 5}))
    assert found.tolist()[:3] == ["CN", "rest", "rest"]
    assert found.isna().tolist() == [False, False, False, True, False]
    assert rule(pd.DataFrame({"diagnosis": ["CN", "MCI"]})).tolist() == ["CN", "rest"]
    assert Codes(("diagnosis",), {"CN": "CN"})(pd.DataFrame({"diagnosis": ["MCI"]})).isna().all()


def test_carriers_have_at_least_one_allele():
    assert AtLeast("apoe4", 1)(pd.DataFrame({"apoe4": [0, 1, 2]})).tolist() == ["negative", "positive", "positive"]


def test_thresholds_are_set_in_the_tasks_name():
    task, _ = load_task("hcp-aging-flanker-status@z:1")
    assert task.label == Status("flanker", 100, 15, 1)
    assert task.target == "flanker_status:1"
    assert task.published is None
    groups, _ = load_task("ukb-age-group@edges:50,65")
    assert groups.classes == ("<50", "50-64", ">=65")
    assert groups.label(pd.DataFrame({"age": [49, 50, 65]})).tolist() == ["<50", "50-64", ">=65"]


@pytest.mark.parametrize(
    "name", ["ukb-fluid-status@z:much", "ukb-fluid-status@z:-1", "ukb-age-group@edges:60,40", "ukb-age@z:1"]
)
def test_wrong_thresholds_are_answered(name):
    with pytest.raises(BadOption):
        load_task(name)


def test_a_cohort_without_the_column_is_told_which():
    with pytest.raises(BadData, match="flanker"):
        Status("flanker", 100, 15)(pd.DataFrame({"age": [1]}))
    with pytest.raises(BadData, match="not a number"):
        Bands("age", (18,), ("<18", ">=18"))(pd.DataFrame({"age": ["old"]}))
