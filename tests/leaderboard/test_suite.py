"""Suites: mean ranks over tasks with tests of them, and rows that lack a task."""

from __future__ import annotations

import numpy as np
import pytest
from made_once import run_once

from brainbench.leaderboard.board import boards
from brainbench.leaderboard.suite import suite_tables
from support import plan_of, write_planted

TASKS = tuple(f"task-{number}" for number in range(8))


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    (found,) = run_once(
        tmp_path_factory.mktemp("once"),
        lambda home: write_planted(home, "abide2", n=60),
        lambda: plan_of("abide2-asd", "majority", data="real", folds=2),
    )
    return found


def row(record, method: str, task: str, value: float, metric: str = "auc", higher: bool = True, cohort: str = ""):
    """The same record as another method's on another task."""
    score = record.scores["auc"].model_copy(update={"value": value, "higher_is_better": higher})
    data = {"fingerprint": cohort or task}
    return record.model_copy(update={
        "task": record.task.model_copy(update={"name": task, "metrics": (metric,)}),
        "scores": {metric: score},
        "method": record.method.model_copy(update={"name": method, "ref": method}),
        "data": record.data.model_copy(update=data),
    })  # fmt: skip


def rows(record, **changes):
    """Three methods on eight tasks: one always best, two that take turns."""
    values = {"best": lambda k: 0.9, "even": lambda k: 0.6 + 0.1 * (k % 2), "odd": lambda k: 0.7 - 0.1 * (k % 2)}
    return [row(record, name, task, at(k), **changes) for name, at in values.items() for k, task in enumerate(TASKS)]


def one(records, tasks=TASKS):
    (table,) = suite_tables("mine", tasks, boards(records))
    return table


def test_the_best_is_separated_and_who_takes_turns_is_not(record):
    table = one(rows(record))
    assert [(line.label, line.rank, line.tied) for line in table.lines] == [
        ("best (default)", 1.0, True), ("even (default)", 2.5, False), ("odd (default)", 2.5, False),
    ]  # fmt: skip
    assert table.critical.groups == ((1, 2),)
    assert table.lines[0].p is None
    assert table.lines[1].p == pytest.approx(3 * 2 / 2**8)  # of three pairs; Holm
    assert table.critical.friedman.p < 0.01


def test_a_row_that_lacks_a_task_or_a_suite_of_one_row_is_not_ranked(record):
    found = rows(record)
    table = one(found[:-1])
    assert table.critical.labels == ("best (default)", "even (default)")
    assert [(line.label, line.rank, line.tied) for line in table.lines][-1] == ("odd (default)", None, None)
    alone = one(found[:8])
    assert alone.critical is None
    assert alone.findings == ()


def test_errors_rank_upside_down_and_mixed_metrics_take_the_sign_test(record):
    assert one(rows(record, metric="mae", higher=False)).lines[-1].label == "best (default)"
    plain = one(rows(record))
    assert plain.critical.test == "wilcoxon"
    changed = [
        row(record, r.method.name, TASKS[0], -r.scores["auc"].value, "mae", False) if r.task.name == TASKS[0] else r
        for r in rows(record)
    ]
    mixed = one(changed)
    assert mixed.critical.test == "sign"
    assert mixed.critical.ranks == plain.critical.ranks
    assert "sign test" in " ".join(mixed.findings)


def test_tasks_on_the_same_scans_are_said_to_be_less_than_they_look(record):
    assert "take tasks as independent" not in " ".join(one(rows(record)).findings)
    table = one(rows(record, cohort="same"))
    assert table.cohorts == 1
    assert "the 8 tasks rest on 1 set of data" in " ".join(table.findings)


def test_two_methods_of_one_name_keep_their_own_ranks(record):
    found = rows(record)
    twin = [r.model_copy(update={"method": r.method.model_copy(update={"name": "best", "ref": "./other.py:best"})})
            for r in found if r.method.name == "even"]  # fmt: skip
    table = one([r for r in found if r.method.name != "even"] + twin)
    assert [line.label for line in table.lines] == ["best (default)", "best (default) [2]", "odd (default)"]
    assert [line.rank for line in table.lines] == [1.0, 2.5, 2.5]


def test_headlines_are_never_averaged_into_a_rank(record):
    """A method that wins one task by far and loses the others does not lead."""
    found = [row(record, "lucky", task, 50.0 if task == TASKS[0] else 0.1) for task in TASKS]
    table = one(rows(record) + found)
    assert table.lines[-1].label == "lucky (default)"
    assert np.mean([score.value for score in table.lines[-1].headlines.values()]) > 5
