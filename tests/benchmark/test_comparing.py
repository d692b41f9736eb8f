"""Paired differences between methods: on the same items, with the right sign, and refused where they are not."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from brainbench.benchmark.cli import app
from brainbench.benchmark.cli.compare import basis
from brainbench.benchmark.comparing import compare
from brainbench.benchmark.errors import BadOption
from support import plan_of, write_planted


def quiet(label: str, done: int, total: int) -> None:
    """No progress."""


@pytest.fixture
def records(own_home, run_plan, store):
    write_planted(own_home, effect=1.5, n=80)
    made = run_plan(plan_of("abide1-asd", "fc-svm", "majority", folds=2))
    return {record.method.name: store.find(record.id) for record in made}


def test_a_better_method_is_better_by_an_interval_above_zero(records):
    (row,) = compare(records["majority"], [records["fc-svm"]], ("auc",), quiet)
    assert row.difference.value > 0.3
    assert row.difference.low > 0
    assert row.difference.p < 0.01
    (back,) = compare(records["fc-svm"], [records["majority"]], ("auc",), quiet)
    assert back.difference.value == pytest.approx(-row.difference.value)


def test_a_method_does_not_differ_from_itself(records):
    (row,) = compare(records["fc-svm"], [records["fc-svm"]], ("auc",), quiet)
    assert (row.difference.value, row.difference.p, row.over_folds.p) == (0, 1, 1)


def test_p_is_adjusted_over_all_that_was_asked(records):
    rows = compare(records["majority"], [records["fc-svm"]], ("auc", "accuracy"), quiet)
    assert all(row.holm >= row.difference.p for row in rows)


def test_other_splits_are_not_paired(records, run_plan, store):
    (other,) = run_plan(plan_of("abide1-asd", "majority", folds=4))
    with pytest.raises(BadOption, match="another split"):
        compare(store.find(other.id), [records["fc-svm"]], ("auc",), quiet)


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
