"""Hidden labels: the open cohort tells nothing of them, and their keeper's score is that of any other record."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from brainbench.benchmark.datasets.cohort import Cohort
from brainbench.benchmark.datasets.dataset import load_cohort
from brainbench.benchmark.errors import BadData, BadIds, BadOption, DataMissing
from brainbench.benchmark.loading import choose_source, labelled, load
from brainbench.benchmark.registry import load_task
from brainbench.benchmark.rescoring import rejudge
from brainbench.benchmark.score import score_cells
from brainbench.benchmark.withheld import missing, opened, read_truth, with_truth, withhold
from support import plan_of, write_planted


def quiet(label: str, done: int, total: int) -> None:
    """Nobody watches."""


@pytest.fixture
def whole(own_home):
    write_planted(own_home, "abide1", n=120, effect=1.5)
    return Cohort.open(own_home / "cohorts" / "abide1")


@pytest.fixture
def cut(whole, tmp_path):
    task, _ = load_task("abide1-asd")
    return withhold(task, whole, "abide1-open", tmp_path / "truth.json", 0.3, 0, quiet)


def test_the_open_cohort_holds_no_test_label_no_test_name_and_all_scans(cut, whole):
    table = Cohort.open(cut.cohort).scans()
    test, source = table["set"] == "test", whole.scans()
    assert (cut.train, cut.test) == (len(table) - test.sum(), test.sum()) == (84, 36)
    assert (table.loc[test, "diagnosis"] == "").all()
    assert (table.loc[~test, "diagnosis"] != "").all()
    assert (table.loc[test, "family"] == table.loc[test, "subject"]).all()
    assert not set(table.loc[test, "subject"]) & set(source["subject"])
    assert sorted(table["digest"]) == sorted(source["digest"])
    sealed = read_truth(cut.truth)
    raw = b"".join(path.read_bytes() for path in cut.cohort.iterdir() if path.name != "series.npy")
    real = {name for name in sealed.names.values() if len(name) > 2}  # "s7" may stand anywhere by chance
    assert real
    assert not [name for name in real if f'"{name}"'.encode() in raw]


def test_a_public_list_of_names_and_the_seed_do_not_tell_who_stands_where(cut, whole, tmp_path):
    task, _ = load_task("abide1-asd")
    again = withhold(task, whole, "abide1-again", tmp_path / "again.json", 0.3, 0, quiet)
    first, second = (Cohort.open(made.cohort).scans() for made in (cut, again))
    assert set(first.index[first["set"] == "train"]) == set(second.index[second["set"] == "train"])
    assert list(first["digest"]) != list(second["digest"])
    digests = [dict(zip(table["subject"], table["digest"], strict=True)) for table in (first, second)]
    hidden = first.loc[first["set"] == "test", "subject"]
    assert sum(digests[0][name] == digests[1][name] for name in hidden) < 9
    listed = labelled(whole.items(), task).table  # what the study published: names, sites and labels, and no scan
    for seed in range(3):
        assert list(listed.sample(frac=1, random_state=seed)["digest"]) != list(first["digest"])


def test_labels_are_those_of_the_source_and_both_classes_are_tested(cut, whole):
    sealed, source = read_truth(cut.truth), whole.scans().set_index("digest")
    opened_table = Cohort.open(cut.cohort).scans()
    for scan, label in sealed.labels.items():
        row = source.loc[opened_table.loc[scan, "digest"]]
        assert row["diagnosis"] == label
        assert sealed.names[opened_table.loc[scan, "subject"]] == row["subject"]
    counts = np.unique(list(sealed.labels.values()), return_counts=True)[1]
    assert counts.min() >= 15
    assert (cut.truth.stat().st_mode & 0o077) == 0


def test_relatives_stay_together_under_new_names_and_sessions_have_none(whole):
    task, _ = load_task("abide1-asd")
    items = whole.items().table
    items = items.assign(
        group=[f"family{k // 2}" for k in range(len(items))],
        family=[f"family{k // 2}" for k in range(len(items))],
        session=items["diagnosis"],
    )
    alias = {str(name): f"hidden{k:05d}" for k, name in enumerate(items["subject"][:30])}
    test = opened(task, items, set(map(str, items.index[:30])), alias).query("set == 'test'")
    assert test.groupby("family").size().eq(2).all()
    assert set(test["family"]) <= set(test["subject"])
    assert (test["session"] == "").all()


def test_a_covariate_that_the_task_does_not_show_goes_with_the_label(whole):
    task, _ = load_task("hcp-sex")
    items = labelled(whole.items(), replace(task, dataset="abide1"))
    tested = set(map(str, items.table.index[:30]))
    alias = {str(name): f"hidden{k:05d}" for k, name in enumerate(items.table["subject"][:30])}
    table = opened(task, items.table, tested, alias)
    assert (table.loc[table["set"] == "test", "sex"] == "").all()
    assert (table.loc[table["set"] == "train", "sex"] != "").all()


def test_methods_predict_without_the_truth_and_its_keeper_scores_by_the_same_code(cut, run_plan, store):
    (record,) = run_plan(plan_of("abide1-asd@hidden:abide1-open", "fc-logistic", data="real", preset="fixed"))
    assert record.status == "ok"
    assert all(score.value is None and "withheld" in score.missing for score in record.scores.values())
    assert not any("alone" in finding.detector for finding in record.audit)
    _, folder = store.find(record.id)
    with pytest.raises(BadData, match="withheld"):
        rejudge(record, folder, quiet)
    task, cells, _ = rejudge(record, folder, quiet, truth=cut.truth)
    assert score_cells(task, cells).scores["auc"].value > 0.8
    assert cells[0].clusters[0].startswith("hidden")


def test_the_truth_of_other_data_is_refused(cut, tmp_path):
    task, _ = load_task("abide1-asd@hidden:abide1-open")
    loaded = load(task, "real", quiet)
    assert missing(task, loaded.items)
    assert not missing(task, with_truth(task, loaded, cut.truth).items)
    good = json.loads(cut.truth.read_text())
    some = dict(list(good["labels"].items())[1:])
    for change, error in (
        ({"data": "0" * 32}, BadData),
        ({"task": "abide2-asd"}, BadData),
        ({"version": 99}, BadData),
        ({"labels": some}, BadIds),
        ({"labels": {**some, "hidden99999_1": "autism"}}, BadIds),
        ({"more": 1}, BadData),
    ):
        other = tmp_path / "other.json"
        other.write_text(json.dumps({**good, **change}))
        with pytest.raises(error):
            with_truth(task, loaded, other)


def test_an_open_cohort_that_is_not_here_is_named():
    task, _ = load_task("abide1-asd@hidden:nix")
    assert choose_source([task], "auto") == ("real", "")
    with pytest.raises(DataMissing, match="no cohort 'nix'"):
        load(task, "real", quiet)


def test_what_cannot_be_withheld_is_said(cut, whole, tmp_path):
    task, _ = load_task("abide1-asd")
    images, _ = load_task("nsd-caption")
    for asked, name, share, told in (
        (images, "a", 0.3, "no column of a table"),
        (task, "a", 0.999, "--share"),
        (task, "../a", 0.3, "letters"),
        (task, "abide1-open", 0.3, "is there already"),
    ):
        with pytest.raises(BadOption, match=told):
            withhold(asked, whole, name, tmp_path / "t.json", share, 0, quiet)
    with pytest.raises(BadData, match="does not say who is tested"):
        load(load_task("abide1-asd@hidden:abide1")[0], "real", quiet)
    assert load_cohort("abide1-open").origin == "real"
