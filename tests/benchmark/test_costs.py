"""What a plan will cost: by records of the same method, the most alike first, and never by others."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from made_once import run_once

from brainbench.benchmark.cli.executing import Where
from brainbench.benchmark.cli.planned import print_plan, short_time
from brainbench.benchmark.costs import estimate, wall
from support import ROGUES, plan_of


def keep(store, record, seconds, memory=1 << 20, **changes):
    """A record again, whose cells took other times."""
    costs = {
        name: old.model_copy(update={"fit_seconds": seconds, "predict_seconds": 0.0, "peak_memory": memory})
        for name, old in record.environment.cells.items()
    }
    environment = record.environment.model_copy(update={"cells": costs})
    changed = record.model_copy(update={"environment": environment, **changes})
    split = plan_of("CLASSIFICATION", "FirstRoi").rows[0].split
    store.save(changed, split, [])


def renamed(record, task, items):
    """The record as if it was of another task with other data."""
    return {
        "id": record.id.replace("mock-classification", task),
        "task": record.task.model_copy(update={"name": task}),
        "data": record.data.model_copy(update={"items": items, "fingerprint": task}),
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    (record,) = run_once(
        tmp_path_factory.mktemp("once"), lambda home: None, lambda: plan_of("CLASSIFICATION", "FirstRoi")
    )
    return record


def row_of(method="FirstRoi", **options):
    (row,) = plan_of("CLASSIFICATION", method, **options).rows
    return row


def test_nothing_is_known_before_the_first_record_of_the_method_or_by_one_of_another_kind(made, store):
    assert estimate(row_of(), store) is None
    keep(store, made, 5.0, task=made.task.model_copy(update={"kind": "regression"}))
    assert estimate(row_of(), store) is None
    keep(store, made, 5.0, id=made.id.replace("FirstRoi", "LastRoi"))
    assert estimate(row_of(), store) is None


def test_the_same_task_counts_before_others_and_is_not_scaled(made, store):
    keep(store, made, 5.0, memory=3 << 20)
    keep(store, made, 900.0, **renamed(made, "other-task", 48))
    cost = estimate(row_of(), store)
    assert (cost.seconds, cost.memory, cost.records) == (5.0, 3 << 20, 1)
    assert cost.likeness == "task and options"


def test_another_task_is_scaled_by_items(made, store):
    for name, seconds in (("one-task", 10.0), ("two-task", 30.0)):
        keep(store, made, seconds, **renamed(made, name, 48))
    cost = estimate(row_of(), store)
    assert cost.seconds == pytest.approx((10 + 30) / 2 * 24 / 48)
    assert cost.records == 2
    assert cost.likeness == "options"


def test_cells_that_did_not_end_well_and_rescored_ones_have_no_cost(made, store):
    failed = [part.model_copy(update={"status": "timeout"}) for part in made.cells]
    keep(store, made, 5.0, cells=tuple(failed))
    assert estimate(row_of(), store) is None
    keep(store, made, 5.0, row="rescored")
    assert estimate(row_of(), store) is None
    keep(store, made, 5.0, environment=made.environment.model_copy(update={"device": "cuda:1"}))
    assert estimate(row_of(), store) is None


def test_wall_time_is_that_of_slots_which_take_cells_in_turn():
    assert wall([], 3) == 0
    assert wall([3, 1, 1, 1], 1) == 6
    assert wall([3, 1, 1, 1], 2) == 3
    assert wall([1, 1, 1, 3], 2) == 4
    assert wall([5, 1], 9) == 5


def test_the_plan_says_time_memory_and_what_they_rest_on(made, store, capsys):
    keep(store, made, 600.0, memory=3 << 30)
    plan = plan_of("CLASSIFICATION", "FirstRoi", f"{ROGUES}:Coin", folds=3)
    print_plan(plan, store, False, Where(jobs=2, threads=2))
    said = " ".join(capsys.readouterr().out.split())
    assert "6 cells: 0 cached, 6 to compute" in said
    assert (
        "about 20 min with 2 jobs of 2 threads (1.0 core-hours); at most 3.0 GiB a cell; by 1 past record; "
        "3 cells are unknown" in said
    )
    print_plan(plan, store, True, Where())
    rows = json.loads(capsys.readouterr().out)
    assert [row["seconds"] for row in rows] == [600.0] * 3 + [None] * 3


def test_cells_of_other_shards_are_not_counted(store, capsys):
    plan = plan_of("CLASSIFICATION", f"{ROGUES}:Coin", seeds=3)
    print_plan(plan, store, True, replace(Where(), shard="1/2"))
    states = [row["state"] for row in json.loads(capsys.readouterr().out)]
    assert abs(states.count("another shard's") * 2 - len(states)) <= 1


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0.25, "0.2 s"), (75, "75 s"), (600, "10 min"), (11100, "3 h 5 min")]
)
def test_times_are_short(seconds, text):
    assert short_time(seconds) == text
