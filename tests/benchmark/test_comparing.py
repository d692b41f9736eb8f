"""Paired differences between methods: on the same items, with the right sign, and refused where they are not."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from made_once import copy_to, run_once
from typer.testing import CliRunner

from brainbench.benchmark.cli import app
from brainbench.benchmark.cli.compare import pick
from brainbench.benchmark.comparing import compare, pair_up
from brainbench.benchmark.contracts import silent
from brainbench.benchmark.errors import BadOption
from brainbench.leaderboard.compared import basis, labels
from support import plan_of, write_planted


def differences(first, others, metrics):
    return compare(pair_up(first, others, silent), metrics)


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("once")
    found = run_once(
        folder,
        lambda home: write_planted(home, effect=1.5, n=80),
        lambda: plan_of("abide1-asd", "fc-svm", "majority", folds=2),
    )
    return folder, found


@pytest.fixture
def records(once, own_home, store):
    folder, made = once
    copy_to(folder, own_home, store)
    return {record.method.name: store.find(record.id) for record in made}


def test_a_better_method_is_better_by_an_interval_above_zero(records):
    (row,) = differences(records["majority"], [records["fc-svm"]], ("auc",))
    assert row.difference.value > 0.3
    assert row.difference.low > 0
    assert row.difference.p < 0.01
    (back,) = differences(records["fc-svm"], [records["majority"]], ("auc",))
    assert back.difference.value == pytest.approx(-row.difference.value)


def test_a_method_does_not_differ_from_itself(records):
    (row,) = differences(records["fc-svm"], [records["fc-svm"]], ("auc",))
    assert (row.difference.value, row.difference.p, row.over_folds.p) == (0, 1, 1)


def test_p_is_adjusted_over_all_that_was_asked(records):
    rows = differences(records["majority"], [records["fc-svm"]], ("auc", "accuracy"))
    assert all(row.holm >= row.difference.p for row in rows)


def test_other_splits_are_not_paired(records):
    record, folder = records["majority"]
    other = record.model_copy(update={"split": record.split.model_copy(update={"hash": "other"})})
    with pytest.raises(BadOption, match="another split"):
        differences((other, folder), [records["fc-svm"]], ("auc",))


def test_the_command_names_methods_and_what_is_missing(records, store):
    arguments = ["compare", "majority", "fc-svm", "--task", "abide1-asd", "--store", str(store.path)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "difference to majority" in done.stdout
    missing = CliRunner().invoke(app, [*arguments[:2], "bnt", *arguments[3:]])
    assert "brainbench run --task abide1-asd --method bnt" in str(missing.exception)


@pytest.mark.parametrize(("kind", "parts", "told"), [
    ("encoding", "movie", "segments of film in 60 people and no others"), ("caption", "subject", "over test images"),
    ("classification", "", "over test subjects"),
])  # fmt: skip
def test_the_table_says_what_the_interval_is_over(records, kind, parts, told):
    record, _ = records["majority"]
    task = record.task.model_copy(update={"kind": kind, "parts": parts})
    data = record.data.model_copy(update={"subjects": 60})
    assert told in basis(record.model_copy(update={"task": task, "data": data}))


def test_a_difference_is_that_of_the_two_scores(records):
    (row,) = differences(records["majority"], [records["fc-svm"]], ("auc",))
    scores = [records[name][0].scores["auc"].value for name in ("fc-svm", "majority")]
    assert row.difference.value == pytest.approx(scores[0] - scores[1])


def test_a_task_that_pools_its_folds_is_compared_pooled(records, monkeypatch):
    pairings = pair_up(records["majority"], [records["fc-svm"]], silent)
    (row,) = compare(pairings._replace(task=replace(pairings.task, pooled=True)), ("auc",))
    scores = [records[name][0].scores["auc"].pooled for name in ("fc-svm", "majority")]
    assert row.difference.value == pytest.approx(scores[0] - scores[1])
    assert math.isnan(row.over_folds.p)


def test_one_item_is_not_tested(records):
    pairings = pair_up(records["majority"], [records["fc-svm"]], silent)
    (row,) = compare(pairings._replace(task=replace(pairings.task, interval="range")), ("auc",))
    assert row.difference.value > 0.3
    assert math.isnan(row.difference.low)
    assert math.isnan(row.holm)


def test_rows_of_one_method_say_in_what_they_differ(records):
    record, _ = records["fc-svm"]
    method = record.method.model_copy(update={"options": {**record.method.options, "C": 7.0}})
    other, same = record.model_copy(update={"id": "other", "method": method}), record.model_copy(update={"id": "same"})
    told = labels([record, other])
    assert "C=7.0" in told["other"]
    assert told[record.id] != told["other"]
    assert labels([record, same])["same"].endswith(" same")


def test_names_that_are_written_nearly_alike_are_asked_for(records, store):
    start = ["compare", "majority", "--store", str(store.path)]

    def message(*arguments):
        return str(CliRunner().invoke(app, [*start, *arguments]).exception)

    assert "did you mean 'fc-svm'?" in message("fc-smv", "--task", "abide1-asd")
    assert "did you mean 'abide1-asd'?" in message("fc-svm", "--task", "abide-asd")
    assert "run --task abide1-asd --method fc-logistic" in message("fc-logistic", "--task", "abide1-asd")
    assert "run --task abide2-asd --method majority" in message("fc-svm", "--task", "abide2-asd")
    assert "did you mean 'accuracy' or" in message("fc-svm", "--task", "abide1-asd", "--metric", "acuracy")
    assert "did you mean 'site'?" in message("fc-svm", "--task", "abide1-asd", "--by", "sites")
    assert "expected real or simulated" in message("fc-svm", "--task", "abide1-asd", "--data", "all")
    assert "cannot be compared with itself" in message("fc-svm", "majority", "--task", "abide1-asd")


def test_every_format_holds_the_groups(records, store):
    arguments = ["compare", "majority", "fc-svm", "--task", "abide1-asd", "--store", str(store.path)]
    table, markdown, text = (CliRunner().invoke(app, [*arguments, "--format", name]).stdout
                             for name in ("table", "markdown", "json"))  # fmt: skip
    assert "by site: auc" in table
    assert [line.split()[1:4] for line in markdown.splitlines() if line.startswith("| site0")] == [["site0", "|", "20"]]
    content = json.loads(text, parse_constant=pytest.fail)
    assert [found["column"] for found in content["groups"]] == ["site", "sex", "age"]
    assert content["differences"][0]["difference"]["value"] > 0.3
    plain = CliRunner().invoke(app, [*arguments, "--json", "--by", "sex"]).stdout
    assert [found["column"] for found in json.loads(plain)["groups"]] == ["sex"]


def test_of_several_records_the_one_on_the_data_of_the_first_is_taken(records):
    mine, other = records["fc-svm"][0], records["majority"][0]
    late = other.environment.model_copy(update={"created": "2999-01-01T00:00:00+00:00"})
    elsewhere = other.data.model_copy(update={"fingerprint": "another"})
    newer = other.model_copy(update={"id": "newer", "environment": late, "data": elsewhere})
    failed = other.model_copy(update={"id": "failed", "environment": late, "status": "failed"})
    every = [newer, failed, other, mine]
    assert pick(every, "majority", "abide1-asd", Path("runs"), like=mine).id == other.id
    assert pick(every, "majority", "abide1-asd", Path("runs")).id == "newer"
    assert pick([newer], "majority", "abide1-asd", Path("runs"), like=mine).id == "newer"
