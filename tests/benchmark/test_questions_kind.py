"""Questions: prompts held out at test, fields that are not known, and scores that fit the schema."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from brainbench import Answers, Items, TaskInfo
from brainbench.benchmark.errors import BadData, BadPrediction
from brainbench.benchmark.kinds import get_kind
from brainbench.benchmark.kinds.questions import Fields

FIELDS = {"sex": ("female", "male"), "diagnosis": ("control", "autism")}
INFO = TaskInfo("t", "questions", "answers", fields=FIELDS, paradigm="open")
KIND = get_kind("questions")


def items(*truths: dict[str, str]) -> Items:
    n = len(truths)
    table = pd.DataFrame({"answers": [json.dumps(row) for row in truths], "tr": 2.0}, index=[f"s{k}" for k in range(n)])
    return Items(table, {"series": [np.ones((4, 2))] * n}, {"atlas": {"name": "a", "labels": ["x", "y"]}})


def test_prompts_are_held_out_at_test_and_depend_on_the_id_alone():
    data = items(*[{"sex": "female"}, {"sex": "male"}] * 40)
    test = KIND.clean(data, INFO)[0]
    train = KIND.practise(test, INFO)
    asked, practised = list(KIND.view(test, INFO).prompts), list(KIND.view(train, INFO).prompts)
    assert not set(asked) & set(practised)
    assert len(set(asked)) >= 8
    assert len(set(practised)) >= 24
    swapped = items(*[{"sex": "male", "diagnosis": "autism"}, {"sex": "female"}] * 40)
    assert list(KIND.clean(swapped, INFO)[0].table["prompt"]) == asked
    assert KIND.view(test, INFO).take(np.array([3, 1])).prompts == [asked[3], asked[1]]


def test_a_field_that_is_not_known_is_left_out_and_nobody_is_told():
    kept, left_out = KIND.clean(items({"sex": "female"}, {}, {"sex": "male", "diagnosis": "autism"}), INFO)
    assert left_out == {"none of the fields is known": 1}
    truth = KIND.targets(kept, INFO)
    assert truth.values == [{"sex": "female"}, {"sex": "male", "diagnosis": "autism"}]
    assert truth.codes("diagnosis").tolist() == [-1, 1]
    assert "answers" not in kept.select(KIND.inputs).table
    both = [
        KIND.clean(items({"sex": "female", **more}), INFO)[0].table["prompt"].iloc[0]
        for more in ({}, {"diagnosis": "autism"})
    ]
    assert both[0] == both[1]


def test_what_the_task_does_not_know_is_refused():
    with pytest.raises(BadData, match="sex = 'other'"):
        KIND.clean(items({"sex": "other"}), INFO)
    with pytest.raises(BadData, match="no column 'fields'"):
        KIND.clean(items({"sex": "male"}), TaskInfo("t", "questions", "fields", fields=FIELDS))
    with pytest.raises(BadData, match="no column 'prompt'"):
        KIND.clean(items({"sex": "male"}), TaskInfo("t", "questions", "answers"))


@pytest.mark.parametrize(
    "scores", [{"sex": {"female": 1.0}}, {"sex": {"female": 1.0, "other": 0.0}}, {"age": {"old": 1.0}}]
)
def test_scores_must_be_one_a_label(scores):
    with pytest.raises(BadPrediction, match="not one a label"):
        KIND.check(Answers(["x"], [scores]), items({"sex": "male"}), INFO)


def test_folds_join_and_are_scored_where_labels_can_be_told_apart():
    parts = [
        Fields([{"sex": "male"}] * 5, FIELDS, "open"),
        Fields([{"sex": "female", "diagnosis": "control"}] * 5, FIELDS, "open"),
    ]
    whole = KIND.concat(parts)
    assert (len(whole), whole.schema, whole.paradigm) == (10, FIELDS, "open")
    assert not KIND.scorable(parts[0], 5)
    assert not KIND.scorable(whole, 5)  # one diagnosis only
    assert KIND.scorable(whole, 0)
    assert KIND.scorable(KIND.concat([whole, Fields([{"diagnosis": "autism"}] * 5, FIELDS, "open")]), 5)
