"""What the audit does to a method: noise in the test set, shuffled labels, its record, its checkpoint."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from audit_cases import ASD, case, people, recordings

from brainbench.benchmark.audit import SEEN, leave_manifest, pretraining_overlap
from brainbench.benchmark.audit.bench import Bench
from brainbench.benchmark.audit.invariance import invariance, with_noise
from brainbench.benchmark.audit.labels import Agreement
from brainbench.benchmark.audit.overlap import card_overlap, other_cohort, seen_before
from brainbench.benchmark.audit.report import Wanted, of_record, open_case
from brainbench.benchmark.audit.shuffle import _verdict, label_shuffle, shuffled
from brainbench.benchmark.contracts import Card, Data
from brainbench.benchmark.errors import BadOption
from brainbench.benchmark.plan import Request, resolve_method
from support import MOCKS, plan_of, reseal, write_planted

ROGUES = MOCKS.parent / "audit_rogues.py"
HONEST = f"{ROGUES}:HONEST"


def bench(name: str, store) -> Bench:
    method = f"{ROGUES}:{name}"
    plugin, spec = resolve_method(Request((HONEST,), (method,)), method)
    return Bench(plugin, spec, store)


def test_invariance_is_ok_for_a_method_that_learns_from_training_scans_only(own_home, store):
    write_planted(own_home, n=40)
    result = invariance(open_case(Wanted(HONEST, "real")).case, bench("Fair", store))
    assert result.level == "ok", result.message
    assert "1 weight files" in result.message
    assert list((store.path / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "level", "words"),
    [("ScalesOnTest", "leak", "10 of 10 untouched"), ("PeeksInFit", "leak", "untouched"),
     ("SavesTest", "leak", "test.npy"), ("Random", "note", "not deterministic")],
)  # fmt: skip
def test_invariance_fires_on_methods_that_use_the_test_set(own_home, store, name, level, words):
    write_planted(own_home, n=40)
    result = invariance(open_case(Wanted(HONEST, "real")).case, bench(name, store))
    assert (result.level, words in result.message) == (level, True), result.message


def test_invariance_covers_texts_and_says_what_it_does_not_cover(store):
    method = f"{MOCKS}:Nearest"
    plugin, spec = resolve_method(Request(("x",), (method,)), method)
    texts = open_case(Wanted(f"{MOCKS}:CAPTIONING", "simulated")).case
    assert invariance(texts, Bench(plugin, spec, store)).level == "ok"
    graphs = open_case(Wanted(f"{MOCKS}:CONNECTIVITY", "simulated")).case
    assert invariance(graphs, Bench(plugin, spec, store)).level == "not covered"


def test_noise_replaces_half_of_the_test_scans_and_their_covariates_and_nothing_else():
    found = case(people(40))
    _, test = found.folds["fold1"]
    noisy, replaced = with_noise(found, test)
    assert len(replaced) == len(test) // 2
    for row, scan in enumerate(found.table.index):
        same = np.array_equal(noisy.read("series", row), found.items.read("series", row))
        assert same == (scan not in replaced)
        assert (noisy.table["age"].iloc[row] == found.table["age"].iloc[row]) == same
        assert noisy.read("series", row).shape == found.items.read("series", row).shape
    pd.testing.assert_series_equal(noisy.table["y"], found.table["y"])


def test_shuffled_labels_stay_in_their_site_and_with_their_subject():
    table = people(60)
    table["site"] = np.where(np.arange(60) < 20, "small", "large")
    twice = pd.concat([table, table.set_index(np.array([f"b{k}" for k in range(60)]))])
    found = shuffled(ASD, 1, twice)
    assert found.index.equals(twice.index)
    pd.testing.assert_frame_equal(pd.crosstab(twice["site"], found), pd.crosstab(twice["site"], twice["y"]),
                                  check_names=False)  # fmt: skip
    assert (found.groupby(twice["subject"]).nunique() == 1).all()
    assert (found != twice["y"]).mean() > 0.2
    both = twice.assign(y=["no"] * 60 + ["yes"] * 60)
    moved = shuffled(ASD, 1, both)
    assert (moved.groupby(both["subject"]).nunique() == 2).all()
    assert 0.2 < (moved != both["y"]).mean() < 0.8


def test_shuffled_labels_score_at_chance_and_finished_shuffles_are_kept(own_home, store):
    write_planted(own_home, n=60, effect=2.0)
    opened = open_case(Wanted(HONEST, "real"))
    result = label_shuffle(opened.case, bench("Fair", store), "real", None, 2)
    assert result.level == "ok", result.message
    assert result.figures["real"] > 0.8 > result.figures["percentile95"]
    again = label_shuffle(opened.case, replace(bench("Fair", store), limits=None), "real", None, 2)
    assert again.figures == result.figures  # read, not run: there are no limits to run it with


def test_shuffled_labels_fire_where_features_were_selected_by_label_outside_the_folds(own_home, store):
    write_planted(own_home, n=120, effect=0.0, rois=400)
    opened = open_case(Wanted(f"{ROGUES}:SELECTED", "real"))
    result = label_shuffle(opened.case, bench("Fair", store), "real", None, 2)
    assert result.level == "leak", result.message
    assert result.figures["mean"] > 0.65


def test_few_shuffles_are_judged_by_what_overlapping_training_sets_may_do():
    real = Agreement(0.8, 0.03, 0.5, "AUC")

    def verdict(*values: float):
        return _verdict(real, [Agreement(value, 0.03, 0.5, "AUC") for value in values], 100, 600.0)

    assert verdict(0.54, 0.56).level == "ok"
    assert verdict(*[0.55, 0.57] * 15).level == "leak"
    assert verdict(*[0.45, 0.43] * 15).level == "note"
    assert verdict(0.7, 0.72).level == "leak"
    assert "2 shuffles (of 100: 600 s were spent)" in verdict(0.5, 0.5).message
    assert verdict(float("nan")).level == "not covered"


def test_the_record_of_a_method_is_read_for_sites_motion_and_prompts(own_home, run_plan, store):
    write_planted(own_home)
    path = own_home / "cohorts" / "abide1" / "scans.parquet"
    table = pd.read_parquet(path)
    yes = (table["diagnosis"] == "autism").to_numpy()
    rng = np.random.default_rng(0)
    table["motion"] = np.where(yes, 0.3, 0.2) * rng.lognormal(0, 0.5, len(table))
    table.to_parquet(path)
    reseal(path.parent)
    for name in ("Moves", "Fair", "Names"):
        run_plan(plan_of(HONEST, f"{ROGUES}:{name}", data="real"))
    found = open_case(Wanted(HONEST, "real")).case
    moves, fair, names = (
        {result.detector: result for result in of_record(found, bench(name, store))}
        for name in ("Moves", "Fair", "Names")
    )
    assert moves["score-and-motion"].level == "note"
    assert moves["score-and-motion"].figures["score"] > 0.9
    assert moves["motion-matched"].level == "note", moves["motion-matched"].message
    assert moves["motion-matched"].figures["matched"] < 0.6
    assert fair["score-and-motion"].level == "ok", fair["score-and-motion"].message
    assert fair["motion-matched"].level == "ok"
    assert fair["score-by-site"].level == "ok"
    assert {"site0", "site3"} <= set(fair["score-by-site"].figures)
    assert fair["label-in-prompts"].level == "ok"
    assert names["label-in-prompts"].level == "leak"
    assert fair["site-out-gap"].level == "not covered"


def test_a_score_that_is_the_site_is_told_apart_and_falls_when_sites_are_left_out(own_home, run_plan, store):
    write_planted(own_home, effect=0.0)
    path = own_home / "cohorts" / "abide1" / "scans.parquet"
    table = pd.read_parquet(path)
    rng = np.random.default_rng(0)
    leaning = np.where(table["diagnosis"] == "autism", 0.8, 0.2) > rng.uniform(size=len(table))
    table["site"] = np.where(leaning, "east", "west")
    table.to_parquet(path)
    reseal(path.parent)
    for task in (HONEST, f"{ROGUES}:SITES_OUT"):
        run_plan(plan_of(task, f"{ROGUES}:ReadsSite", data="real"))
    found = open_case(Wanted(HONEST, "real")).case
    results = {result.detector: result for result in of_record(found, bench("ReadsSite", store))}
    assert results["score-by-site"].level == "note"
    assert results["score-by-site"].figures["within_site"] == pytest.approx(0.5)
    assert results["site-out-gap"].level == "note"
    assert results["site-out-gap"].figures["gap"] > 0.2


def test_l3_a_scan_that_trained_a_checkpoint_under_another_id_is_seen(tmp_path):
    found = case(people(40))
    digests = found.table["digest"]
    leave_manifest(tmp_path, "elsewhere", ["other-1"], [digests.iloc[3]])
    result = seen_before(tmp_path, found.items, found.split)
    assert result.level == "leak"
    assert "1 test scans were in the checkpoint's training set under another id" in result.message
    with pytest.raises(BadOption, match="under another id"):
        pretraining_overlap(tmp_path, found.items, found.split, False)
    leave_manifest(tmp_path, "elsewhere", ["other-1"], ["0" * 64])
    assert seen_before(tmp_path, found.items, found.split).level == "ok"
    leave_manifest(tmp_path, "elsewhere", ["s3"], [digests.iloc[3]])
    assert seen_before(tmp_path, found.items, found.split).figures == {"subjects": 1, "scans": 0}
    old = {"data": "x", "subjects": json.loads((tmp_path / SEEN).read_text())["subjects"]}
    (tmp_path / SEEN).write_text(json.dumps(old))  # as written before scans were listed
    assert seen_before(tmp_path, found.items, found.split).figures["subjects"] == 1


def test_l3_the_card_is_read_where_no_checkpoint_is_given():
    class Pretrained:
        card = Card("p", "p", pretraining=("ABIDE 1", "UKB"))

    found = case(people(40), task=replace(ASD, dataset="abide1"))
    assert card_overlap(found, Pretrained, None).level == "note"
    assert card_overlap(case(people(40)), Pretrained, None).level == "ok"


def test_l3_another_cohort_with_the_same_people_is_seen_by_id_content_and_connectivity():
    everyone = people(140)
    series = recordings(everyone)
    again = recordings(everyone, seed=0, frames=90)
    ours, theirs = everyone.iloc[:90], everyone.iloc[90:]
    mine = case(ours, series[:90])

    def other(table, arrays) -> Data:
        found = case(table, arrays)
        return Data(found.items, "elsewhere", "real", "f")

    clean = other_cohort(mine, other(theirs, again[90:]))
    assert clean.level == "ok", clean.message
    assert other_cohort(mine, other(theirs.assign(subject=["s3", *theirs["subject"][1:]]), again[90:])).level == "leak"
    assert other_cohort(mine, other(theirs, [series[3], *again[91:]])).level == "leak"
    hidden = other_cohort(mine, other(theirs, [again[3], *again[91:]]))
    assert hidden.level == "leak", hidden.message
    assert "most alike: scan3 and scan90" in hidden.message
    coarse = other(theirs, [values[:, :5] for values in again[90:]])
    assert other_cohort(mine, coarse).level == "not covered"
