"""Splits: nothing crosses a group, strata stay balanced, manifests are data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench.benchmark.contracts import Fold
from brainbench.benchmark.errors import BadOption, BadSplit
from brainbench.benchmark.splits import (
    External,
    KFold,
    SiteOut,
    SplitManifest,
    make_manifest,
    refuse_crossing,
    with_folds,
)


def cohort(subjects: int, sites: int, scans: int = 1, families: int = 0, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(subjects):
        family = f"fam{k % families}" if families else f"s{k}"
        label = ("control", "autism")[int(rng.integers(2))]
        for scan in range(scans):
            rows.append({"id": f"s{k}-{scan}", "subject": f"s{k}", "group": family, "site": f"site{k % sites}",
                         "label": label})  # fmt: skip
    return pd.DataFrame(rows).set_index("id")


@settings(max_examples=60, deadline=None)
@given(subjects=st.integers(20, 80), sites=st.integers(1, 7), scans=st.integers(1, 3), folds=st.integers(2, 5),
       seed=st.integers(0, 99), families=st.sampled_from([0, 12]))  # fmt: skip
def test_every_item_is_tested_once_and_no_group_crosses(subjects, sites, scans, folds, seed, families):
    table = cohort(subjects, sites, scans, families)
    manifest = make_manifest(KFold(folds), table, "label", "x", seed)
    tested = [item for part in manifest.folds.values() for item in part["test"]]
    assert sorted(tested) == sorted(table.index)
    for part in manifest.folds.values():
        groups = [set(table.loc[list(part[side]), "group"]) for side in ("train", "test")]
        assert not groups[0] & groups[1]


def test_folds_are_balanced_by_site_and_class():
    table = cohort(400, 4)
    manifest = make_manifest(KFold(5), table, "label", "x")
    for part in manifest.folds.values():
        counts = table.loc[list(part["test"])].groupby(["site", "label"]).size()
        expected = table.groupby(["site", "label"]).size() / 5
        assert (counts - expected).abs().max() <= 2


def test_small_sites_are_pooled_and_tiny_strata_do_not_fail():
    table = cohort(60, 15)
    assert len(make_manifest(KFold(5), table, "label", "x").folds) == 5


def test_a_manifest_is_the_same_for_the_same_seed_and_rows_in_any_order():
    table = cohort(100, 3)
    one = make_manifest(KFold(5), table, "label", "x", 1)
    shuffled = make_manifest(KFold(5), table.sample(frac=1, random_state=3), "label", "x", 1)
    assert {k: sorted(v["test"]) for k, v in one.folds.items()} == {
        k: sorted(v["test"]) for k, v in shuffled.folds.items()
    }
    assert one.hash != make_manifest(KFold(5), table, "label", "x", 2).hash
    assert SplitManifest.model_validate_json(one.model_dump_json()).hash == one.hash


def test_leave_site_out_tests_each_site_once():
    table = cohort(90, 6)
    manifest = make_manifest(SiteOut(), table, "label", "x")
    for site, part in manifest.folds.items():
        assert set(table.loc[list(part["test"]), "site"]) == {site}
        assert site not in set(table.loc[list(part["train"]), "site"])


def test_sites_in_groups_are_about_equal():
    table = cohort(400, 13)
    manifest = make_manifest(SiteOut(5), table, "label", "x")
    sizes = [len(part["test"]) for part in manifest.folds.values()]
    assert len(sizes) == 5
    assert max(sizes) - min(sizes) <= 35


def test_a_family_over_two_sites_never_crosses():
    table = cohort(120, 6, families=100)
    manifest = make_manifest(SiteOut(3), table, "label", "x")
    refuse_crossing(manifest, table)
    sizes = [len(part["train"]) + len(part["test"]) for part in manifest.folds.values()]
    assert min(sizes) < len(table)  # relatives scanned elsewhere sit this fold out


@pytest.mark.parametrize("column", ["subject", "group"])
def test_a_planted_crossing_is_refused(column):
    table = cohort(20, 2, scans=2)
    if column == "group":
        table["group"] = "one family"
        table["subject"] = table.index
    ids = list(table.index)
    manifest = SplitManifest(rule="planted", seed=0, data="x", folds={"f": {"train": ids[::2], "test": ids[1::2]}})
    with pytest.raises(BadSplit, match="both train and test"):
        refuse_crossing(manifest, table)


def test_unknown_repeated_and_empty_items_are_refused():
    table = cohort(10, 1)
    ids = list(table.index)
    for train, test in ((ids[:5], ["nobody"]), (ids[:5], [ids[6], ids[6]]), (ids[:5], []), ([], ids[5:])):
        manifest = SplitManifest(rule="planted", seed=0, data="x", folds={"f": {"train": train, "test": test}})
        with pytest.raises(BadSplit):
            refuse_crossing(manifest, table)


def test_external_refuses_a_person_who_is_in_both_cohorts():
    home, other = cohort(20, 2).assign(cohort="a"), cohort(20, 2, seed=1).assign(cohort="b")
    other.index = ["b:" + str(item) for item in other.index]
    with pytest.raises(BadSplit, match="both train and test"):
        make_manifest(External(), pd.concat([home, other]), "label", "x")
    other["subject"] = other["group"] = "b:" + other["subject"]
    manifest = make_manifest(External(), pd.concat([home, other]), "label", "x")
    assert len(manifest.folds["external"]["test"]) == 20


def test_too_few_subjects_or_a_split_without_folds():
    with pytest.raises(BadSplit, match="too few"):
        make_manifest(KFold(5), cohort(6, 1), "label", "x")
    with pytest.raises(BadOption, match="leave --folds out"):
        with_folds(SiteOut(), 3)
    assert with_folds(KFold(5, 2), 3) == KFold(3, 2)


def test_groups_default_to_subjects():
    table = cohort(40, 2, scans=2).drop(columns="group")
    manifest = make_manifest(KFold(2), table, "label", "x")
    assert isinstance(manifest.fold("fold1"), Fold)
