"""Vision tasks: regimes name one set of items in one way, and single trials are single at test only."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from brainbench import Items
from brainbench.benchmark import loading
from brainbench.benchmark.contracts import Ceiling, Data
from brainbench.benchmark.errors import BadOption
from brainbench.benchmark.kinds import get_kind
from brainbench.benchmark.registry import load_metric, load_task
from brainbench.leaderboard.published import published
from brainbench.tasks.vision import DECLARED


@pytest.fixture
def items() -> Items:
    """Two brains, two training and one test image; three repeats of four voxels."""
    rows = [(brain, image) for brain in ("subj01", "subj02") for image in ("a", "b", "t")]
    table = pd.DataFrame(
        {
            "subject": [image for _, image in rows],
            "group": [image for _, image in rows],
            "subject_space": [brain for brain, _ in rows],
            "set": ["test" if image == "t" else "train" for _, image in rows],
            "captions": [[f"a {image}"] for _, image in rows],
            "description": ["long" for _ in rows],
            "boxes": "",
            "dialogue": '[["what?", "this"]]',
            "maps": "",
        },
        index=[f"{brain}/{image}" for brain, image in rows],
    )
    responses = [np.arange(12.0).reshape(3, 4) + k for k in range(len(rows))]
    return Items(table, {"response": responses, "image": [None] * len(rows)}, {"spaces": {}, "subjects": 2})


@pytest.mark.parametrize("name", DECLARED)
def test_every_task_has_its_metrics_and_shows_no_truth(name):
    task = DECLARED[name]
    for metric in task.metrics:
        assert load_metric(metric).name == metric
    kind = get_kind(task.kind)
    assert task.metrics[0] == kind.headline[0]
    assert not set(kind.inputs) & set(kind.target_fields(task.info))
    assert task.parts == "subject_space"


def test_single_trial_cuts_test_items_only(items):
    made = load_task("nsd-caption@single-trial")[0].derive(items)
    assert [len(made.read("response", row)) for row in range(6)] == [3, 3, 1, 3, 3, 1]
    np.testing.assert_array_equal(made.read("response", 2), items.read("response", 2)[:1])


def test_some_brains_keep_their_items_alone(items):
    made = load_task("nsd-caption@subjects:2")[0].derive(items)
    assert made.table.index.tolist() == ["subj02/a", "subj02/b", "subj02/t"]
    assert made.meta["subjects"] == 1
    both = load_task("nsd-caption@single-trial:2")[0].derive(items)
    assert [len(both.read("response", row)) for row in range(3)] == [3, 3, 1]
    with pytest.raises(BadOption, match="subj07"):
        load_task("nsd-caption@subjects:7")[0].derive(items)


@pytest.mark.parametrize("argument", ["3", "2,1", "1,1", "1,2,5,7", "", "x"])
def test_a_choice_of_brains_has_one_spelling(argument):
    with pytest.raises(BadOption):
        load_task(f"nsd-caption@subjects:{argument}" if argument else "nsd-caption@subjects")


def test_ceilings_are_means_over_all_brains_and_said_of_no_others(items, monkeypatch):
    ceilings = {"references": Ceiling("cider-d", 1.0, 0.1), "references@single-trial": Ceiling("cider-d", 0.5, 0.1)}
    data = Data(items, "toy", "twin", "f", ceilings)
    monkeypatch.setattr(loading, "load_dataset", lambda name: SimpleNamespace(load=lambda source, progress: data))

    def value(name: str) -> float | None:
        task = load_task(name)[0]
        found = loading.load(task, "simulated", lambda *_: None).data.ceiling(task)
        return found and found.value

    assert value("nsd-caption") == 1
    assert value("nsd-caption@single-trial") == 0.5
    assert value("nsd-caption@subjects:1") is None
    assert value("nsd-caption@single-trial:2") is None


def test_split_is_the_data_sets_own(items):
    (fold,) = DECLARED["nsd-caption"].split.folds(items.table, "references", 0)
    assert fold.test == ("subj01/t", "subj02/t")
    assert len(fold.train) == 4


def test_published_rows_stand_where_they_belong():
    rows = {row.method: row for row in published(*load_task("nsd-caption@subjects:1")[0].published)}
    assert rows["UMBRAE"].values["cider-d"] == (pytest.approx(0.6106), None)
    assert rows["UMBRAE"].values["ref-clip-s"] == (pytest.approx(0.7354), None)
    paper = published(*DECLARED["nsd-reconstruction"].published)
    diffuser = next(row for row in paper if row.method == "Brain-Diffuser")
    assert diffuser.values["alexnet-2"] == (pytest.approx(0.942), None)
    assert any("columns" in note for note in diffuser.notes)
    theirs = {row.method: row.values["cider-d"] for row in published(*load_task("nsd-caption@blip2")[0].published)}
    ours = {row.method: row.values.get("cider-d") for row in published(*DECLARED["nsd-caption"].published)}
    assert "UMBRAE" not in theirs
    assert theirs["NV2L (Our Method)"] != ours["NV2L (Our Method)"]
    single = published(*load_task("nsd-reconstruction@single-trial")[0].published)
    assert 0 < len(single) < len(paper)
    boxes = published(*load_task("nsd-grounding@subjects:1")[0].published)
    assert {"brainhub-acc", "brainhub-iou", "brainhub-acc:S"} <= set(boxes[0].values)
