"""Tasks that ask several fields: the fields, their truth, the folds, and the baselines on a planted effect."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from brainbench.benchmark.contracts import Fold
from brainbench.benchmark.errors import BadData
from brainbench.benchmark.kinds import get_kind
from brainbench.benchmark.loading import load
from brainbench.benchmark.registry import load_metric, load_task, suites
from brainbench.benchmark.staging import show_train
from brainbench.tasks import ASKED as COHORTS
from brainbench.tasks.phenotypes import AGE_EDGES
from brainbench.tasks.questions import ASKED, DECLARED, KFoldByField
from support import plan_of, write_planted


def test_listed_and_declared_tasks_are_the_same():
    assert tuple(ASKED) == COHORTS
    assert set(suites()["fmri-lm-multi"]) | set(suites()["fmri-lm-open"]) == set(DECLARED)
    for name in DECLARED:
        assert load_task(name)[0].name == name


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_no_covariate_gives_a_field_away(name):
    task = DECLARED[name]
    held = {column for column, _ in task.label.rules.values()}
    sources = {getattr(rule, "source", "") for _, rule in task.label.rules.values()}
    assert not (held | sources | {"age", "sex", "diagnosis"}) & set(task.covariates)
    assert len(task.fields) >= 3
    for metric in task.metrics:
        assert load_metric(metric).name == metric
    assert {f"balanced-field-accuracy:{field}" for field in task.fields} <= set(task.metrics)


def test_the_papers_fields_are_asked():
    assert list(DECLARED["ukb-open"].fields) == ["sex", "age_group", "fluid_status"]
    assert list(DECLARED["hcp-aging-multi"].fields)[2:] == ["fluid_composite_status", "flanker_status"]
    assert list(DECLARED["adni-open"].fields) == ["sex", "age_group", "diagnosis", "apoe4"]
    assert len(AGE_EDGES) == 4


def test_truth_is_gathered_by_the_single_tasks_rules():
    table = pd.DataFrame({
        "sex": ["female", None, ""], "age": [70, 80, None], "diagnosis": ["CN", "LMCI", ""], "apoe4": [0, 2, None],
    })  # fmt: skip
    found = [json.loads(text) for text in DECLARED["adni-open"].label(table)]
    assert found[0] == {"sex": "female", "age_group": "60-74", "diagnosis": "CN", "apoe4": "negative"}
    assert found[1] == {"age_group": ">=75", "apoe4": "positive"}  # no sex, a diagnosis that is none of the three
    assert found[2] == {}
    with pytest.raises(BadData, match="apoe4"):
        DECLARED["adni-open"].label(table.drop(columns="apoe4"))


def test_folds_are_stratified_by_the_field():
    rng = np.random.default_rng(0)
    sexes = np.where(rng.random(200) < 0.2, "female", "male")
    table = pd.DataFrame({
        "answers": [json.dumps({"sex": sex, "x": str(rng.integers(100))}) for sex in sexes],
        "group": range(200), "subject": range(200), "site": "one",
    })  # fmt: skip
    for fold in KFoldByField(5, field="sex").folds(table, "answers", 0):
        assert abs((sexes[list(fold.test)] == "female").mean() - (sexes == "female").mean()) < 0.02


def test_workers_see_other_prompts_than_at_test_and_no_label(own_home):
    write_planted(own_home, n=60)
    task = load_task("abide1-open")[0]
    loaded = load(task, "real", lambda label, done, total: None)
    ids = tuple(map(str, loaded.items.table.index))
    train = show_train(get_kind("questions"), task, loaded.items, Fold("f", ids[:40], ids[40:]), 1)
    assert not set(train.table["prompt"]) & set(loaded.items.table["prompt"])
    assert not {"sex", "age", "diagnosis"} & set(train.table.columns)
    assert not any("autism" in prompt and "control" not in prompt for prompt in train.table["prompt"])


@pytest.mark.parametrize("paradigm", ["multi", "open"])
def test_the_baselines_find_the_planted_field_and_only_that(own_home, run_plan, paradigm):
    write_planted(own_home, n=120, effect=1.5)
    records = run_plan(plan_of(f"abide1-{paradigm}", "majority", "field-logistic", folds=2))
    majority, logistic = (record.scores for record in records)
    assert [record.status for record in records] == ["ok", "ok"]
    assert majority["balanced-field-accuracy:diagnosis"].value == pytest.approx(0.5)
    assert majority["fields-auc"].value == pytest.approx(0.5)
    assert logistic["balanced-field-accuracy:diagnosis"].value > 0.9
    assert 0.3 < logistic["balanced-field-accuracy:sex"].value < 0.7
    assert logistic["field-accuracy"].low > majority["field-accuracy"].value
    for scores in (majority, logistic):
        assert scores["answered-rate"].value == 1
        assert scores["all-fields-accuracy"].value <= scores["field-accuracy"].value
