"""Regimes of few labels: manifests, what reaches a worker, sources without tested people, intervals, controls."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from brainbench.benchmark.cli import app
from brainbench.benchmark.errors import BadOption, BadSplit
from brainbench.benchmark.executors import LocalPool
from brainbench.benchmark.items import Items
from brainbench.benchmark.metrics.classification import AUC
from brainbench.benchmark.plan import Request, make_plan, split_control
from brainbench.benchmark.processes import Limits
from brainbench.benchmark.registry import load_task
from brainbench.benchmark.run import Settings, lent_items, run, shared_folder
from brainbench.benchmark.shots import Shots
from brainbench.benchmark.sources import cleared
from brainbench.benchmark.splits import make_manifest
from brainbench.benchmark.staging import Extras, stage
from brainbench.benchmark.stats import Scored, bootstrap, paired
from brainbench.benchmark.worker import run_cell
from support import write_planted

PLUGIN = Path(__file__).parents[1] / "plugins" / "shots.py"
CURIOUS, LEARNER = f"{PLUGIN}:Curious", f"{PLUGIN}:Learner"


def silent(label: str, done: int, total: int) -> None:
    pass


def plan_of(*tasks: str, methods: tuple[str, ...] = (CURIOUS,), **options):
    return make_plan(Request(tasks, methods, data="real", **options), silent)


def make_table(people: int = 60, scans: int = 2, classes: int = 2, seed: int = 0) -> pd.DataFrame:
    """People with two scans each, every third one with a sibling; unequal classes at three sites."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), scans)
    labels = np.array([f"class{k}" for k in range(classes)])[
        np.minimum(rng.integers(0, classes + 1, people), classes - 1)
    ]
    return pd.DataFrame(
        {
            "subject": [f"p{k}" for k in person],
            "group": [f"f{k - (k % 3 == 1)}" for k in person],
            "site": np.array(["A", "B", "C"])[person % 3],
            "label": labels[person],
            "score": rng.normal(size=people)[person],
        },
        index=[f"scan{k}" for k in range(len(person))],
    )


@pytest.mark.parametrize(("classes", "counts"), [(2, (2, 4, 10)), (3, (3, 6, 15))])
def test_draws_are_balanced_disjoint_and_share_their_test_half(classes, counts):
    table = make_table(120, classes=classes)
    halves = set()
    for count in (0, *counts, None):
        manifest = make_manifest(Shots(count), table, "label", "data")
        folds = [manifest.fold(name) for name in manifest.folds]
        halves |= {frozenset(fold.test) for fold in folds}
        if not count:
            assert len(folds) == 1
            assert (len(folds[0].train) == 0) == (count == 0)
            continue
        assert [fold.name for fold in folds] == [f"draw{k:02d}" for k in range(1, 21)]
        assert len({frozenset(fold.train) for fold in folds}) >= 18  # each is drawn anew, so two may meet
        for fold in folds:
            labelled = table.loc[list(fold.train)]
            assert set(labelled["label"].value_counts()) == {count // classes}
            assert labelled["group"].is_unique
            assert not set(labelled["group"]) & set(table.loc[list(fold.test), "group"])
    assert len(halves) == 1
    (test,) = halves
    shares = table["label"].value_counts(normalize=True)
    np.testing.assert_allclose(
        table.loc[list(test), "label"].value_counts(normalize=True)[shares.index], shares, atol=0.1
    )


def test_a_larger_draw_holds_the_smaller_one():
    table = make_table()
    two, ten = (make_manifest(Shots(count), table, "label", "data") for count in (2, 10))
    for name in two.folds:
        assert set(two.fold(name).train) < set(ten.fold(name).train)


def test_numbers_are_drawn_without_classes_even_where_few_differ():
    table = make_table().assign(rounded=lambda rows: rows["score"].round().astype(int))
    for target in ("score", "rounded"):
        manifest = make_manifest(Shots(4), table, target, "data")
        assert {len(ids["train"]) for ids in manifest.folds.values()} == {4}


def test_what_cannot_be_shared_or_is_too_much_is_refused():
    table = make_table()
    with pytest.raises(BadSplit, match="3 labelled items cannot be shared by 2 classes"):
        Shots(3).folds(table, "label", 0)
    with pytest.raises(BadSplit, match=r"a class has .* people who are not tested, 50 are asked for"):
        Shots(100).folds(table, "label", 0)
    rare = table.assign(label=table["label"].where(table["group"] != "f0", "rare"))
    with pytest.raises(BadSplit, match=r"a class has [01] people"):
        Shots(6).folds(rare, "label", 0)
    with pytest.raises(BadSplit, match="too few for a half"):
        Shots(2).folds(table.iloc[:2], "label", 0)
    with pytest.raises(BadOption, match="no regime '3-shot'") as caught:
        load_task("abide1-asd@3-shot")
    assert "10-shot, 2-shot, 4-shot, all-shot" in caught.value.hint
    three = load_task("adni-cn-mci-ad")[0].regimes
    assert {"3-shot", "6-shot", "15-shot"} <= set(three)
    assert not {"2-shot", "4-shot", "10-shot"} & set(three)


@pytest.fixture
def planted(own_home):
    """Two cohorts of one atlas; no person and no scan in common."""
    write_planted(own_home, "abide1", n=40, seed=1)
    write_planted(own_home, "abide2", n=30, seed=2, prefix="t")
    return own_home


def staged(plan, folder: Path, number: int = 0):
    """The staged folder of a plan's cell, and its row and cell."""
    row, cell = plan.cells[number]
    folder.mkdir(parents=True)
    extras = Extras(
        threads=1,
        device="cpu",
        shared=str(folder / "shared"),
        sources=tuple((lent.task, items) for lent, items in lent_items(row, cell)),
    )
    stage(cell, row.task, row.loaded.items, row.split.fold(cell.fold), folder, extras)
    return row, cell


def test_only_the_drawn_labels_reach_a_worker(planted, tmp_path):
    row, cell = staged(plan_of("abide1-asd@4-shot:abide2-sex"), tmp_path / "job")
    tables = {path.stem: Items.load(path).table for path in (tmp_path / "job").glob("*.parquet")}
    assert {name: len(table) for name, table in tables.items()} == {"train": 4, "test": 20, "source0": 30}
    assert "diagnosis" not in tables["test"]
    assert "diagnosis" not in tables["source0"]
    assert sorted(tables["train"]["diagnosis"]) == ["autism", "autism", "control", "control"]
    pool = set(row.loaded.items.table.index) - set(row.split.fold(cell.fold).test)
    written = b"".join(path.read_bytes() for path in (tmp_path / "job").rglob("*") if path.is_file())
    assert len(pool) == 20
    assert not any(f'"{item}"'.encode() in written for item in pool)


def test_fit_gets_the_support_and_the_sources(planted, tmp_path):
    for regime, count in (("zero-shot", 0), ("2-shot", 2), ("10-shot", 10), ("all-shot", 20)):
        staged(plan_of(f"abide1-asd@{regime}:abide2-sex,abide2-age"), tmp_path / regime)
        told = run_cell(tmp_path / regime, silent)
        assert told.status == "ok", told.reason
        assert told.report["train"] == count
        assert told.report["support_is_train"] == (regime != "all-shot")
        assert told.report["sources"] == {"abide2-sex": 30, "abide2-age": 30}
        assert sum(told.report["source_labels"]["abide2-sex"]) == 30
        assert told.report["shared"] == str(tmp_path / regime / "shared")


def test_without_sources_there_are_none(planted, tmp_path):
    staged(plan_of("abide1-asd@2-shot:none"), tmp_path / "job")
    assert run_cell(tmp_path / "job", silent).report["sources"] == {}


def test_zero_shots_skip_a_method_that_needs_labels(planted, tmp_path):
    staged(plan_of("abide1-asd@zero-shot:none", methods=(LEARNER,)), tmp_path / "job")
    outcome = run_cell(tmp_path / "job", silent)
    assert outcome.status == "skipped"
    assert "zero shots give none" in outcome.reason


def test_a_source_of_the_same_people_is_cleared_of_the_tested_ones(planted):
    row = plan_of("abide1-asd@4-shot:abide1-sex").rows[0]
    fold = row.split.fold("draw01")
    (lent,) = row.sources
    kept = cleared(lent, row.loaded.data, fold).table
    tested = row.loaded.items.table.loc[list(fold.test)]
    assert len(kept) == 20
    assert not set(kept["subject"]) & set(tested["subject"])
    joined = plan_of("abide1-asd@joint:abide1-sex").rows[0]
    for name in joined.split.folds:
        fold = joined.split.fold(name)
        left = cleared(joined.sources[0], joined.loaded.data, fold).table
        assert set(left.index) == set(joined.loaded.items.table.index) - set(fold.test)


def test_siblings_of_tested_people_are_not_lent(planted):
    row = plan_of("abide1-asd@4-shot:abide1-sex").rows[0]
    fold, (lent,) = row.split.fold("draw01"), row.sources
    outside = next(item for item in lent.data.items.table.index if item not in fold.test)
    family = row.loaded.items.table.loc[fold.test[0], "group"]
    table = lent.data.items.table.copy()
    table.loc[outside, "group"] = family
    moved = replace(lent, data=replace(lent.data, items=Items(table, lent.data.items.arrays, lent.data.items.meta)))
    assert outside not in cleared(moved, row.loaded.data, fold).table.index


def test_a_copy_of_the_tasks_scans_in_another_cohort_is_not_lent(own_home):
    """The same series under other ids, found by their digests: of tested people, and of those whose label is hidden."""
    write_planted(own_home, "abide1", n=40, seed=1)
    write_planted(own_home, "abide2", n=30, seed=1, prefix="other")
    row = plan_of("abide1-asd@2-shot:abide2-sex").rows[0]
    fold, (lent,) = row.split.fold("draw01"), row.sources
    table = lent.data.items.table.copy()
    table.loc[table.index[:5], "digest"] = [f"own{k}" for k in range(5)]
    theirs = replace(lent, data=replace(lent.data, items=Items(table, lent.data.items.arrays, lent.data.items.meta)))
    home = row.loaded.items.table
    tested = table["digest"].isin(set(home.loc[list(fold.test), "digest"]))
    assert 5 < tested.sum() < table["digest"].isin(set(home["digest"])).sum() == 25
    assert list(cleared(theirs, row.loaded.data, fold).table.index) == list(table.index[:5])


@pytest.mark.parametrize("source", ["abide1-asd", "abide1-asd@all-shot", "abide1-asd@site-out"])
def test_a_source_that_shows_the_hidden_labels_is_refused(source, planted):
    with pytest.raises(BadOption, match=r"own source|the regime hides"):
        plan_of(f"abide1-asd@2-shot:{source}")


def test_labels_made_from_one_column_are_the_same_labels(planted):
    with pytest.raises(BadOption, match="the regime hides"):
        plan_of("abide1-age-group@4-shot:abide1-age")
    with pytest.raises(BadOption, match="the regime hides"):
        plan_of("abide1-age@4-shot:abide1-age-group")
    with pytest.raises(BadOption, match="the regime hides"):
        plan_of("abide1-age@4-shot:abide1-multi")  # its field age_group is made from the age
    assert plan_of("abide1-age@4-shot:abide2-age").rows


def test_covariates_of_a_source_do_not_tell_the_hidden_label(planted, tmp_path):
    """Sex is a covariate of the age task: of the same people it would be the label."""
    staged(plan_of("abide1-sex@2-shot:abide1-age,abide2-age"), tmp_path / "job")
    told = run_cell(tmp_path / "job", silent).report["source_covariates"]
    assert "sex" not in told["abide1-age"]
    assert "sex" in told["abide2-age"]
    assert "sex" not in Items.load(tmp_path / "job" / "source0.parquet").table


def test_a_source_with_other_regions_is_refused(own_home):
    write_planted(own_home, "abide1", n=40)
    write_planted(own_home, "abide2", n=30, prefix="t", rois=12)
    with pytest.raises(Exception, match=r"abide2-sex has other ROIs \(12\)"):
        plan_of("abide1-asd@2-shot:abide2-sex")


def test_a_changed_source_changes_the_key_and_nothing_else_does(planted):
    task = "abide1-asd@2-shot:abide2-sex"

    def keys(name: str = task) -> set[str]:
        return {cell.key for _, cell in plan_of(name).cells}

    before = keys()
    assert keys() == before
    assert not keys("abide1-asd@2-shot:none") & before
    assert not keys("abide1-asd@2-shot:abide2-age") & before
    write_planted(planted, "abide2", n=30, seed=3, prefix="t")
    assert not keys() & before


def test_draws_and_controls_share_a_folder_and_other_sources_do_not(planted, store):
    plan = plan_of(
        "abide1-asd@2-shot:abide2-sex", "abide1-asd@10-shot:abide2-sex", methods=(CURIOUS, f"{CURIOUS}+blind")
    )
    folders = {shared_folder(row, cell, store) for row, cell in plan.cells}
    assert len(folders) == 1
    other = plan_of("abide1-asd@2-shot:abide2-age")
    assert not folders & {shared_folder(row, cell, store) for row, cell in other.cells}
    assert len({shared_folder(row, cell, store) for row, cell in plan_of("abide1-asd").cells}) == 5


def test_what_is_shared_stays_while_another_shard_runs(planted, store):
    plan = plan_of("abide1-asd@2-shot:none", methods=("majority",))
    folder = shared_folder(*plan.cells[0], store)
    folder.mkdir(parents=True)

    def part(shard: tuple[int, int]) -> None:
        pool = LocalPool(1, 1, Limits(seconds=120), store.log)
        list(run(plan, store, pool, Settings("cpu", 1), lambda cell, event: None, shard))

    part((1, 2))
    assert folder.is_dir()
    part((2, 2))
    assert not folder.exists()


def test_a_control_is_a_row_with_its_own_options(planted):
    plan = plan_of("abide1-asd@2-shot:none", methods=(f"{CURIOUS}+blind",), preset="loud")
    (row,) = plan.rows
    assert row.spec.name == "shots:Curious+blind"
    assert row.spec.options == {"blind": True, "gain": 2.0}
    names = [row.spec.name for row in plan_of("abide1-asd", methods=(CURIOUS, LEARNER), controls=True).rows]
    assert names == [
        f"shots:{name}{control}" for name in ("Curious", "Learner") for control in ("", "+blind", "+quiet")
    ]
    keys = {cell.key for _, cell in plan_of("abide1-asd", methods=(CURIOUS,), controls=True).cells}
    assert len(keys) == 3 * 5
    with pytest.raises(BadOption, match="no control 'deaf'") as caught:
        plan_of("abide1-asd", methods=(f"{CURIOUS}+deaf",))
    assert "blind, quiet" in caught.value.hint


def test_a_plus_in_a_folders_name_is_no_control():
    assert split_control("/home/a+b/m.py:M") == ("/home/a+b/m.py:M", "")
    assert split_control("/home/a+b/m.py:M+blind") == ("/home/a+b/m.py:M", "blind")
    assert split_control("fmri-lm+text-only") == ("fmri-lm", "text-only")


def test_a_dry_run_lists_the_draws_as_one_line(planted, tmp_path):
    command = ["run", "--task", "abide1-asd@2-shot:none", "--method", CURIOUS, "--controls", "--dry-run"]
    told = CliRunner().invoke(app, [*command, "--store", str(tmp_path)], env={"COLUMNS": "200"}).stdout
    assert told.count("draw01 ... draw20 (20)") == 3
    assert "60 cells: 0 cached, 60 to compute" in told
    rows = json.loads(CliRunner().invoke(app, [*command, "--json", "--store", str(tmp_path)]).stdout)
    assert len(rows) == 60


def simulated(rng: np.random.Generator, draws: int = 20, people: int = 60, seeds: int = 1) -> list[Scored]:
    """Draws whose models differ in strength, tested on the same people."""
    truth = np.arange(people) % 2
    own = rng.normal(size=people)
    folds = []
    for draw in range(draws):
        strength = max(rng.normal(0.8, 0.8), 0)
        score = strength * truth + 0.7 * own + 0.7 * rng.normal(size=people)
        p = 1 / (1 + np.exp(-score))
        folds += [Scored(truth, np.c_[1 - p, p], [f"s{k}" for k in range(people)], f"draw{draw}")] * seeds
    return folds


def test_the_interval_over_draws_and_people_covers_the_truth():
    """The mean AUC of all draws on all people is inside 95 % intervals about as often as promised."""
    rng = np.random.default_rng(0)
    truth = np.mean([AUC().score(f.truth, f.prediction) for f in simulated(rng, 400, 1000)])
    inside = {True: 0, False: 0}
    for _ in range(100):
        folds = simulated(rng)
        for over in inside:
            found = bootstrap(AUC(), folds, resamples=300, over_folds=over)
            inside[over] += found.low <= truth <= found.high
    assert inside[True] >= 88
    assert inside[False] <= inside[True] - 5


def test_seeds_of_one_draw_are_not_further_draws():
    once, thrice = (simulated(np.random.default_rng(1), seeds=seeds) for seeds in (1, 3))
    alone, again = (bootstrap(AUC(), folds, resamples=1000, over_folds=True) for folds in (once, thrice))
    assert (alone.low, alone.high) == pytest.approx((again.low, again.high))
    narrow = bootstrap(AUC(), once, resamples=1000)
    assert alone.high - alone.low > 1.1 * (narrow.high - narrow.low)


def test_a_paired_difference_over_draws_is_wider_and_exact_for_equal_predictions():
    rng = np.random.default_rng(2)
    first, second = simulated(rng), simulated(rng)
    wide, narrow = (paired(AUC(), first, second, resamples=500, over_folds=over) for over in (True, False))
    assert wide.high - wide.low > narrow.high - narrow.low
    same = paired(AUC(), first, first, resamples=100, over_folds=True)
    assert (same.value, same.low, same.high) == (0, 0, 0)
