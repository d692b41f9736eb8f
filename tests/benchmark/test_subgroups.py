"""Differences within groups: against a computation by hand, with planted interactions, and what is too small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from brainbench.benchmark.comparing import Pairing, Pairings, scored
from brainbench.benchmark.errors import BadOption
from brainbench.benchmark.grouping import groups_of, usual_columns
from brainbench.benchmark.items import Items
from brainbench.benchmark.registry import load_metric, load_task
from brainbench.benchmark.score import Judged
from brainbench.benchmark.stats import paired
from brainbench.benchmark.subgroups import break_down, cochran
from brainbench.leaderboard.compared import by_group

FOLDS = 4
TASK = load_task("abide1-asd")[0]


class Named:
    """What of a record a breakdown keeps."""

    id = "other"


def world(n=200, seed=0, sites=("A", "B"), lift=0.0, where="A", seeds=(0,), base=1.0):
    """Two methods of equal strength; the second has ``lift`` more at one site."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "subject": [f"s{k}" for k in range(n)],
            "site": [sites[k % len(sites)] for k in range(n)],
            "age": rng.uniform(8, 40, n),
            "sex": ["female" if k % 3 else "male" for k in range(n)],
            "motion": rng.uniform(0.05, 0.2, n),
            "diagnosis": ["autism" if k // len(sites) % 2 else "control" for k in range(n)],
        },
        index=[f"scan{k}" for k in range(n)],
    )
    truth = (table["diagnosis"] == "autism").to_numpy().astype(int)
    fold_of = np.arange(n) // (2 * len(sites)) % FOLDS
    mine, theirs = [], []
    for number in seeds:
        for fold in range(FOLDS):
            rows = np.flatnonzero(fold_of == fold)
            shared = rng.normal(size=len(rows))
            stronger = base + lift * (table["site"].to_numpy()[rows] == where)
            for into, strength in ((mine, stronger), (theirs, base)):
                score = strength * truth[rows] + (shared + rng.normal(size=len(rows))) / np.sqrt(2)
                into.append(cell(table, truth, rows, score, fold, number))
    return Pairings(TASK, Items(table), Named(), [Pairing(Named(), mine, theirs)])


def cell(table, truth, rows, score, fold, seed):
    chance = 1 / (1 + np.exp(-score))
    ids = tuple(table.index[rows])
    clusters = table["subject"].iloc[rows].tolist()
    prediction = np.stack([1 - chance, chance], axis=1)
    return Judged(f"fold{fold}", seed, truth[rows], prediction, clusters, True, ids=ids)


def test_a_group_of_everybody_has_the_difference_of_the_whole():
    """With folds of one size the weights are equal, so that all numbers are those of the paired bootstrap."""
    made = world(160)
    (pairing,) = made.others
    table = made.items.table.assign(site="everywhere")
    (found,) = break_down(made._replace(items=Items(table)), "auc", ["site"])
    whole = paired(load_metric("auc"), scored(TASK, pairing.mine), scored(TASK, pairing.theirs))
    (group,) = found.groups
    assert group.subjects == 160
    assert (group.value, group.low, group.high, group.p) == pytest.approx((whole.value, whole.low, whole.high, whole.p))
    assert np.isnan(found.p)


def test_a_group_is_the_weighted_mean_over_folds_of_its_members():
    made = world(120, sites=("A", "A", "B"))
    (pairing,) = made.others
    metric = load_metric("auc")
    (found,) = break_down(made, "auc", ["site"])
    for group in found.groups:
        total = weight = 0.0
        for one, other in zip(pairing.mine, pairing.theirs, strict=True):
            rows = np.flatnonzero(made.items.table.loc[list(one.ids), "site"] == group.name)
            change = [metric.score(cell.truth[rows], cell.prediction[rows]) for cell in (one, other)]
            total += len(rows) * (change[0] - change[1])
            weight += len(rows)
        assert group.value == pytest.approx(total / weight)
        assert group.other - group.first == pytest.approx(group.value)


def test_a_difference_at_one_site_alone_is_found():
    (found,) = break_down(world(400, lift=2.0), "auc", ["site"])
    a, b = found.groups
    assert a.value > 0.1 > abs(b.value)
    assert a.holm < 0.01
    assert b.low < 0 < b.high
    assert found.p < 0.001
    told = " ".join(by_group("one", "two", found, 1).notes)
    assert "The differences differ between groups" in told


def test_one_difference_everywhere_is_not_an_interaction():
    p = [
        break_down(world(160, seed=seed, lift=0.5, where="A", sites=("A",)), "auc", ["sex"])[0].p for seed in range(40)
    ]
    assert np.mean(np.array(p) < 0.05) <= 0.15


def test_groups_of_few_people_or_one_class_are_said_and_not_shown():
    made = world(160, sites=("A", "B"))
    table = made.items.table.copy()
    autism = table["diagnosis"] == "autism"
    table.loc[table.index[:6], "site"] = "tiny"
    table.loc[table.index[autism][40:60], "site"] = "patients only"
    table.loc[table.index[-5:], "site"] = None
    (found,) = break_down(made._replace(items=Items(table)), "auc", ["site"])
    assert [group.name for group in found.groups] == ["A", "B"]
    assert dict(found.small) == {"tiny": 6, "patients only": 20}
    assert found.unknown == 5
    told = " ".join(by_group("one", "two", found, 1).notes)
    assert "patients only (20)" in told
    assert "Without a known site: 5 subjects." in told


def test_five_of_each_class_is_enough_and_four_is_not():
    made = world(160, sites=("A",))
    for each, shown in ((5, True), (4, False)):
        table = made.items.table.copy()
        autism = table["diagnosis"] == "autism"
        fold = {item: cell.fold for cell in made.others[0].mine for item in cell.ids}
        first = [item for item in table.index if fold[item] == "fold0"]
        few = [item for item in first if autism[item]][:each] + [item for item in first if not autism[item]][:12]
        table.loc[few, "site"] = "small"
        (found,) = break_down(made._replace(items=Items(table)), "auc", ["site"])
        assert ("small" in [group.name for group in found.groups]) == shown


def test_seeds_count_a_person_once_and_draws_and_pooled_tasks_work():
    (found,) = break_down(world(120, seeds=(0, 1)), "auc", ["site"])
    assert [group.subjects for group in found.groups] == [60, 60]
    for change in ({"interval": "draws"}, {"pooled": True}):
        made = world(120, lift=2.0)
        (found,) = break_down(made._replace(task=replace(TASK, **change)), "auc", ["site"])
        assert found.groups[0].value > 0.1
        assert found.groups[0].low > 0
        assert found.groups[0].other - found.groups[0].first == pytest.approx(found.groups[0].value)


def test_p_is_adjusted_over_all_groups_and_the_tests_over_columns():
    found = break_down(world(200, lift=0.8), "auc", ["site", "sex", "motion"])
    every = [group for breakdown in found for group in breakdown.groups]
    smallest = min(every, key=lambda group: group.p)
    assert smallest.holm == pytest.approx(min(1, smallest.p * len(every)))
    assert min(one.holm for one in found) == pytest.approx(min(1, 3 * min(one.p for one in found)))


def test_cochran_of_known_numbers():
    q, df, p = cochran([0.1, 0.5, 0.3], [0.1, 0.1, 0.2])
    mean = (10 + 50 + 7.5) / 225
    assert q == pytest.approx(100 * (0.1 - mean) ** 2 + 100 * (0.5 - mean) ** 2 + 25 * (0.3 - mean) ** 2)
    assert (df, p) == (2, pytest.approx(stats.chi2.sf(q, 2)))
    assert np.isnan(cochran([0.1, 0.2], [0.1, 0.0])[2])


def test_the_usual_columns_leave_out_what_is_predicted_or_does_not_vary():
    table = world(30).items.table
    assert usual_columns(TASK, table) == ["site", "sex", "age", "motion"]
    assert usual_columns(replace(TASK, target="sex"), table) == ["site", "age", "motion"]
    assert usual_columns(TASK, table.assign(site="A", motion=np.nan)) == ["sex", "age"]
    assert usual_columns(TASK, table[["subject"]]) == []


def test_bands_of_age_hold_their_lower_edge():
    groups = groups_of(pd.DataFrame({"age": [6.0, 11.9, 12, 17.99, 18, 65, np.nan]}), "age")
    assert groups.tolist()[:6] == [
        "under 12",
        "under 12",
        "12 to under 18",
        "12 to under 18",
        "18 to under 30",
        "from 65",
    ]
    assert groups.isna().tolist() == [False] * 6 + [True]


def test_numbers_are_cut_into_thirds_and_few_values_are_not():
    table = pd.DataFrame({"motion": np.arange(90.0), "tr": [2.0, 0.72, np.nan] * 30, "frames": [150, 200] * 45})
    counts = groups_of(table, "motion").value_counts(sort=False)
    assert counts.tolist() == [30, 30, 30]
    assert [name.partition(" ")[0] for name in counts.index] == ["low", "middle", "high"]
    tr = groups_of(table, "tr")
    assert list(tr.cat.categories) == ["0.72", "2"]
    assert tr.isna().sum() == 30
    assert list(groups_of(table, "frames").cat.categories) == ["150", "200"]


def test_columns_that_cannot_group_are_refused():
    table = pd.DataFrame({"site": ["A", ""], "name": ["x", "y"]})
    assert groups_of(table, "site").isna().tolist() == [False, True]
    with pytest.raises(BadOption, match="no such column") as caught:
        groups_of(table, "sit")
    assert "did you mean 'site'?" in str(caught.value)
    with pytest.raises(BadOption, match="too many"):
        groups_of(pd.DataFrame({"name": [f"x{k}" for k in range(99)]}), "name")
