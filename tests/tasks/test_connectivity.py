"""The connectivity family: tracks that do not mix, ranges, nothing of the truth in reach, one message a fault."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainbench.benchmark.errors import BadOption, DataMissing
from brainbench.benchmark.plan import Request, make_plan
from brainbench.benchmark.registry import load_dataset, load_task, suites
from brainbench.benchmark.rescoring import rescore
from brainbench.benchmark.splits import HALVES
from brainbench.leaderboard.board import boards
from brainbench.leaderboard.markdown import to_markdown
from brainbench.leaderboard.suite import suite_tables
from brainbench.leaderboard.tables import board_sheet, suite_sheet
from brainbench.tasks.connectivity import concatenate, halves, joined

PLUGINS = Path(__file__).parents[1] / "plugins" / "networks.py"
TASK = f"{PLUGINS}:TASK"


def silent(label: str, done: int, total: int) -> None:
    pass


def plan(*methods: str, regime: str = "", task: str = TASK, **options):
    names = tuple(f"{PLUGINS}:{name}" if name[0].isupper() else name for name in methods)
    return make_plan(Request((task + regime,), names, data="simulated", **options), silent)


def predictions(store, record) -> list[np.ndarray]:
    """All stored score matrices of a record."""
    found = []
    for path in sorted((store.path / "records" / record.id / "cells").glob("*/prediction/scores.npz")):
        with np.load(path) as archive:
            found += [archive[name] for name in archive.files]
    return found


@pytest.fixture
def faults():
    """The planted data set's table of faults, as the plugin's module holds it."""
    found = sys.modules[type(load_dataset(f"{PLUGINS}:Planted")).__module__].FAULTS
    yield found
    found.clear()


def test_each_subject_alone_is_shown_alone_and_scored_alone(run_plan):
    follows, peeping = run_plan(plan("Follows", "Peeping"))
    assert follows.status == peeping.status == "ok", peeping.reason
    score = follows.scores["graph-auroc"]
    assert 0.7 < score.value < 0.95  # 60 frames a subject: well above chance, below the group
    assert score.low < score.value < score.high
    assert score.item_sd > 0
    assert follows.data.items == follows.data.subjects == 8
    assert follows.scores["graph-f1"].value > 0.45  # four cells at random: 0.29
    assert [finding.detector for finding in follows.audit] == ["labels"]


def test_the_mean_of_scores_takes_the_predictions_of_the_subjects_and_no_other_run(run_plan, store):
    (alone,) = run_plan(plan("Follows"))
    events: list = []
    (averaged,) = run_plan(plan("Follows", regime="@score-mean"), events=events)
    assert not events  # nothing was computed again
    assert averaged.scores["graph-auroc"].value >= alone.scores["graph-auroc"].value
    assert averaged.scores["graph-auroc"].item_sd is None
    assert averaged.id != alone.id
    assert rescore(averaged, store.path / "records" / averaged.id, silent).differences == ()


@pytest.mark.parametrize("regime", ["@concatenated", "@multi-group"])
def test_all_subjects_together_have_a_range_over_half_samples_or_seeds(regime, run_plan, store):
    (follows,) = run_plan(plan("Follows", regime=regime, seeds=3))
    assert len(follows.cells) == 2  # without seeds it is run once, and once for the halves
    score = follows.scores["graph-auprc"]
    assert score.spread == "range over 20 half-samples"
    assert score.low <= score.value <= score.high
    assert score.low < score.high
    (dice,) = run_plan(plan("Dice", regime=regime, seeds=3))
    assert [(part.fold, part.seed) for part in dice.cells] == [("all", 0), ("all", 1), ("all", 2)]
    score = dice.scores["graph-auprc"]
    assert score.spread == "range over 3 seeds"
    assert score.low < score.value < score.high
    assert follows.split.hash == dice.split.hash  # one table
    assert follows.data.items == 1
    assert follows.data.subjects == 8
    assert rescore(follows, store.path / "records" / follows.id, silent).differences == ()
    (one,) = run_plan(plan("Dice", regime=regime))
    assert one.scores["graph-auprc"].low is None
    (board,) = boards([follows, one])
    text = to_markdown(board_sheet(board))
    assert "no interval but the" in text
    assert "range over 20 half-samples for networks:Follows" in text
    assert "nothing (one seed) for networks:Dice" in text
    assert "[range]" in text


def test_a_method_without_a_form_for_several_says_so(run_plan):
    (record,) = run_plan(plan("Alone", regime="@multi-group"))
    assert record.status == "skipped"
    assert "one recording at a time" in record.reason


def test_the_truth_leaves_no_trace_in_what_a_method_returns(run_plan, store):
    """Another truth on the same recordings: every prediction is the same to the last bit, the scores are not."""
    for regime in ("", "@concatenated", "@multi-group"):
        first = run_plan(plan("Follows", "Dice", regime=regime))
        second = run_plan(plan("Follows", "Dice", regime=regime, task=f"{PLUGINS}:SAME_DATA_OTHER_TRUTH"))
        for one, other in zip(first, second, strict=True):
            assert [part.prediction for part in one.cells] == [part.prediction for part in other.cells]
        assert first[0].scores["graph-auprc"].value != second[0].scores["graph-auprc"].value


def test_a_worker_is_given_no_graph_and_no_order(tmp_path):
    from brainbench.benchmark.staging import Extras, stage

    made = plan("Follows")
    (row, cell) = made.cells[0]
    folder = tmp_path / "staged"
    folder.mkdir()
    stage(cell, row.task, row.loaded.items, row.split.fold("all"), folder, Extras(threads=1, device="cpu"))
    table = pd.read_parquet(folder / "test.parquet")
    assert sorted(table.columns) == ["array:series", "frames", "tr"]
    assert list(table.index) == [str(k) for k in range(8)]
    assert len(pd.read_parquet(folder / "train.parquet")) == 0
    assert "graph" not in json.dumps(json.loads((folder / "test.json").read_text()))


def test_nodes_are_shuffled_for_each_subject_and_put_back(run_plan, store):
    (record,) = run_plan(plan("Follows"))
    shown = predictions(store, record)
    argmax = {tuple(map(int, np.unravel_index(scores.argmax(), scores.shape))) for scores in shown}
    assert len(argmax) > 2  # what is stored is in the shown order
    assert record.scores["orientation-accuracy"].value > 0.8


def test_controls_tell_what_the_truth_and_the_file_would_give(run_plan):
    (record,) = run_plan(plan("Follows"))
    assert record.controls["truth transposed"]["orientation-accuracy"] == 0
    assert record.controls["truth transposed"]["skeleton-f1"] == 1
    assert record.controls["all edges"]["graph-auprc"] == pytest.approx(3 / 12)  # the density
    assert record.controls["upper triangle in file order"]["graph-recall"] == 1
    assert "not ranked" in to_markdown(board_sheet(next(iter(boards([record])))))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("size", r"shape \(3, 3\); expected \(4, 4\)"),
        ("square", r"\(4, 3\)"),
        ("negative", "negative"),
        ("nan", "NaN"),
        ("complex", "complex128 values"),
        ("empty", "0 graphs for 1 networks"),
        ("shares", "other than 0 and 1"),
    ],
)
def test_what_is_no_graph_fails_with_the_subject_and_the_rest_goes_on(how, message, run_plan):
    bad, good = run_plan(plan("Wrong", "Follows", settings=(f"{PLUGINS}:Wrong.how={how}",)))
    assert bad.status == "failed"
    assert "8 of 8 items failed: sub-0" in bad.reason
    assert "and 5 more" in bad.reason
    assert re.search(message, bad.reason)
    assert good.status == "ok"


def test_all_subjects_that_fail_are_counted_and_the_first_are_named(run_plan):
    (record,) = run_plan(plan("SometimesFails"))
    assert record.status == "failed"
    assert re.search(r"all seed 0: [2-7] of 8 items failed: sub-0\d: too loud", record.reason)
    assert record.reason.count("too loud") <= 3


def test_a_damaged_prediction_is_one_failed_row(run_plan, store, monkeypatch):
    from brainbench.benchmark.kinds.connectivity import Connectivity

    made = plan("Alone", "Follows")
    run_plan(made)
    load = Connectivity.load

    def broken(self, folder, task):
        found = load(self, folder, task)
        return type(found)(found.scores, []) if found.scores[0].min() == 1 else found

    monkeypatch.setattr(Connectivity, "load", broken)
    bad, good = run_plan(made)
    assert bad.status == "failed"
    assert "cannot be judged" in bad.reason
    assert good.status == "ok"


def test_too_short_recordings_name_the_subject(run_plan):
    (record,) = run_plan(plan("Short"))
    assert record.status == "failed"
    assert "sub-0" in record.reason
    assert "too few for lag 100" in record.reason


def test_constant_and_broken_series_are_left_out_by_name(faults):
    faults.update({"sub-03": (2, 1.0), "sub-05": (0, float("nan"))})
    (row,) = plan("Follows").rows
    assert row.loaded.left_out == {"a constant series (sub-03)": 1, "NaN or infinite values (sub-05)": 1}
    assert len(row.loaded.items) == 6


def test_fewer_subjects_are_another_task(run_plan):
    (few,) = run_plan(plan("Follows", regime="@subject:3"))
    assert few.data.subjects == 3
    assert few.task.name.endswith("@subject:3")
    (averaged,) = run_plan(plan("Follows", regime="@score-mean:3"))
    assert averaged.data.subjects == 3
    with pytest.raises(BadOption, match="not a number of subjects"):
        plan("Follows", regime="@subject:x")
    with pytest.raises(BadOption, match="there are 8"):
        plan("Follows", regime="@subject:9")
    with pytest.raises(BadOption, match="no regime"):
        plan("Follows", regime="@native")


def test_half_samples_are_halves_and_all_different():
    found = halves(10)
    assert len(found) == 20
    assert len({tuple(rows) for rows in found.values()}) == 20
    assert all(len(set(rows.tolist())) == 5 for rows in found.values())
    assert halves(3) == {}
    assert len(halves(4)) == 6  # there are no more


def test_concatenated_series_are_standardised_by_subject(run_plan):
    (row,) = plan("Follows").rows
    items = joined(row.loaded.items, concatenate, None)
    series = items.read("series", 0)
    assert series.shape == (8 * 60, 4)
    assert np.allclose(series.reshape(8, 60, 4).mean(1), 0)
    assert np.allclose(series.reshape(8, 60, 4).std(1), 1)
    assert items.table["frames"].iloc[0] == [480]


def test_every_task_of_the_family_is_declared_and_in_its_suite():
    assert len(suites()["netsim"]) == 28
    assert len(suites()["sanchez"]) == 18
    for name in (*suites()["netsim"], *suites()["sanchez"], "cdrl-quad-5", "mtl-left"):
        task, ref = load_task(name)
        assert (task.name, ref, task.kind) == (name, name, "connectivity")
    assert set(load_task("netsim-13")[0].regimes) == {"subject"}  # its subjects have different graphs
    assert "agreement" in load_task("mtl-left")[0].description


def test_a_suite_goes_on_where_data_are_missing(run_plan, own_home):
    request = Request((TASK, "netsim-6"), (f"{PLUGINS}:Follows",), data="real")
    with pytest.raises(DataMissing):
        make_plan(Request(("netsim-6",), (f"{PLUGINS}:Follows",), data="real"), silent)
    made = make_plan(request, silent)
    assert list(made.missing) == ["netsim-6"]
    assert [row.task.name for row in made.rows] == ["planted"]


def test_auto_takes_what_is_installed_and_never_mixes(monkeypatch):
    from brainbench.benchmark import loading

    tasks = [load_task(name)[0] for name in ("netsim-1", "netsim-2")]
    assert loading.choose_source(tasks, "auto")[0] == "simulated"
    monkeypatch.setattr(
        loading, "load_dataset", lambda name: type("D", (), {"installed": lambda self: name == "netsim:2"})()
    )
    source, note = loading.choose_source(tasks, "auto")
    assert source == "real"
    assert "1 of 2 data sets are installed" in note


def test_agreement_with_a_reference_is_called_so(run_plan):
    (record,) = run_plan(plan("Follows"))
    data = record.data.model_copy(update={"reference": "reference, not truth"})
    text = to_markdown(board_sheet(next(iter(boards([record.model_copy(update={"data": data})])))))
    assert "agreement with a reference" in text.splitlines()[0]
    assert "not with a measured truth" in text


def test_a_suite_counts_its_graphs_its_tasks_and_who_took_fewer_subjects(run_plan):
    (one,) = run_plan(plan("Follows"))
    (few,) = run_plan(plan("Follows", regime="@subject:3"))
    (other,) = run_plan(plan("Dice"))

    def named(record, name, truth=None):
        data = record.data.model_copy(update={"truths": (truth,)} if truth else {})
        return record.model_copy(update={"task": record.task.model_copy(update={"name": name}), "data": data})

    records = [named(one, "a"), named(one, "b", "0" * 12), named(other, "a"), named(few, "b@subject:3")]
    records.append(named(other, "b@subject:3", "0" * 12).model_copy(
        update={"data": few.data.model_copy(update={"truths": ("0" * 12,)})}))  # fmt: skip
    (table,) = suite_tables("mine", ("a", "b", "c"), boards(records))
    assert table.tasks == ("a", "b")
    assert table.missing == ("c",)
    assert table.truths == 2
    follows, dice = table.lines
    assert follows.fewer == {}  # the record on all subjects is taken before the one on three
    assert dice.fewer == {"b": 3}
    value = one.scores["graph-f1"].value
    assert follows.scores["graph-f1"] == pytest.approx(value)
    text = to_markdown(suite_sheet(table))
    assert "2 distinct true graphs" in text
    assert "b on 3 subjects" in text
    small = few.model_copy(update={"data": few.data.model_copy(update={"source": "simulated:small"})})
    assert len(suite_tables("mine", ("a", "b"), boards([*records, named(small, "a"), named(small, "b")]))) == 2
    assert "Missing, without any record: c" in text
    assert HALVES not in text
