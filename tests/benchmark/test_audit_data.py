"""Detectors that read data only: each fires on a planted leak, and does not on a clean set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from audit_cases import ASD, ROIS, case, people, recordings

from brainbench.benchmark.audit import audit
from brainbench.benchmark.audit.alone import covariate_proxies, length_alone, motion_alone, site_alone
from brainbench.benchmark.audit.copies import (
    duplicate_scans,
    equal_frames,
    families,
    frame_hashes,
    group_crossing,
    shared_frames,
)
from brainbench.benchmark.audit.detector import Case
from brainbench.benchmark.audit.fingerprint import same_person
from brainbench.benchmark.audit.grouping import ungrouped_split
from brainbench.benchmark.audit.intensity import raw_intensity
from brainbench.benchmark.audit.site import site_imbalance, site_in_scans
from brainbench.benchmark.audit.staged import inspect, staged_test_set
from brainbench.benchmark.kinds import get_kind
from brainbench.benchmark.splits import KFold, SplitManifest

CLEAN = case(people(96))


def by_hand(found: Case, train: list[str], test: list[str]) -> Case:
    """The case under a split that the engine would not have let through."""
    folds = {"f": {"train": tuple(train), "test": tuple(test)}}
    return replace(found, split=SplitManifest(rule="r", seed=0, data=found.split.data, folds=folds))


@pytest.mark.parametrize(
    "detect",
    [group_crossing, duplicate_scans, shared_frames, same_person, site_imbalance, site_alone, motion_alone,
     covariate_proxies, raw_intensity, staged_test_set, site_in_scans, ungrouped_split],
)  # fmt: skip
def test_a_clean_set_is_ok(detect):
    result = detect(CLEAN)
    assert result.level == "ok", result.message


def test_l1_a_subject_on_both_sides_fires():
    found = case(people(20))
    found.table.loc["scan1", "subject"] = "s0"
    assert group_crossing(by_hand(found, ["scan0", "scan2"], ["scan1", "scan3"])).level == "leak"
    assert group_crossing(by_hand(found, ["scan0", "scan1"], ["scan2", "scan3"])).level == "ok"


def test_l2_relatives_on_both_sides_fire_and_together_do_not():
    table = people(20)
    table.loc[["scan0", "scan1"], "family"] = "twins"
    assert families(by_hand(case(table), ["scan0"], ["scan1"])).level == "leak"
    assert families(by_hand(case(table), ["scan0", "scan1"], ["scan2"])).level == "ok"
    assert families(case(people(20))).level == "not covered"


def test_l1_a_copy_under_another_id_fires():
    table = people(40)
    series = recordings(table)
    series[1] = series[0]
    found = by_hand(case(table, series), ["scan0", "scan2"], ["scan1", "scan3"])
    assert duplicate_scans(found).figures["scans"] == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_l16_overlapping_crops_fire_and_single_frames_do_not(dtype):
    table = people(40)
    series = [values.astype(dtype) for values in recordings(table)]
    series[1] = np.concatenate([series[0][60:], series[1][:40]])  # twenty frames of another's recording
    found = by_hand(case(table, series), ["scan0", "scan2"], ["scan1", "scan3"])
    result = shared_frames(found)
    assert result.level == "leak"
    assert "scan1: 20 frames" in result.message
    assert shared_frames(by_hand(found, ["scan0", "scan1"], ["scan2", "scan3"])).level == "ok"
    series[3][5] = series[0][7]
    assert shared_frames(by_hand(case(table, series), ["scan0"], ["scan3"])).level == "ok"


def test_frames_that_are_the_same_everywhere_say_nothing():
    table = people(40)
    series = [np.concatenate([values, np.zeros((30, ROIS), np.float32)]) for values in recordings(table)]
    series[0][-1, 0] = -0.0
    assert shared_frames(case(table, series)).level == "ok"


def test_frame_hashes_are_kept_for_one_content_and_a_copied_frame_has_the_same(own_home):
    found = case(people(6, seed=3), task=replace(ASD, split=KFold(2)))
    series = found.items.arrays["series"]
    series[1][3] = series[0][9]
    hashes, frames = frame_hashes(found.items, "one", lambda *_: None)
    assert hashes[frames[0] + 3] == hashes[9]
    assert len(np.unique(hashes)) == len(hashes) - 1
    scan, frame = equal_frames(hashes, frames)
    assert (scan.tolist(), frame[0]) == ([0, 1], frame[1])
    (kept,) = (own_home / "audit").iterdir()
    series[2][:] = 0
    np.testing.assert_array_equal(frame_hashes(found.items, "one", lambda *_: None)[0], hashes)
    assert not np.array_equal(frame_hashes(found.items, "two", lambda *_: None)[0], hashes)
    kept.write_bytes(b"short")
    assert len(frame_hashes(found.items, "one", lambda *_: None)[0]) == len(hashes)


@pytest.mark.parametrize("copies", [1, 3])
def test_l1_another_recording_of_a_training_person_is_told_by_its_connectivity(copies):
    table = people(96)
    doubles = table.iloc[:copies].assign(subject=[f"new{k}" for k in range(copies)])
    doubles["group"] = doubles["subject"]
    doubles.index = [f"again{k}" for k in range(copies)]
    everyone = pd.concat([table, doubles])
    owners = everyone["subject"].str.replace("new", "s")
    found = case(everyone, recordings(everyone.assign(subject=owners)))
    rest = [scan for scan in table.index if int(scan[4:]) % 3]
    test = [*doubles.index, *(scan for scan in table.index if int(scan[4:]) % 3 == 0 and int(scan[4:]) > 3)]
    result = same_person(by_hand(found, [*rest, *table.index[:copies]], test))
    assert result.level == "leak", result.message
    assert result.figures["outliers"] >= copies
    assert result.message.count("again") == 1


def test_the_same_person_twice_with_noise_like_every_other_is_no_leak():
    strangers = case(people(96), recordings(people(96), own=0.0))
    assert same_person(strangers).level != "leak"


def test_l1_ignoring_subjects_inflates_where_a_persons_scans_share_the_label():
    table = pd.concat([people(80), people(80).set_index(np.array([f"b{k}" for k in range(80)]))])
    result = ungrouped_split(case(table, recordings(table, own=1.5)))
    assert result.level == "note"
    assert result.figures["ungrouped"] > result.figures["grouped"] + 0.2
    assert abs(result.figures["grouped"] - 0.5) < 0.2
    assert "share the label" in result.message


def test_l1_ignoring_subjects_misleads_where_each_person_is_in_both_classes():
    first = people(40).assign(y="no")
    second = people(40).assign(y="yes").set_index(np.array([f"b{k}" for k in range(40)]))
    table = pd.concat([first, second])
    result = ungrouped_split(case(table, recordings(table, own=1.5)))
    assert result.level == "note"
    assert result.figures["ungrouped"] < 0.35
    assert result.figures["ungrouped"] < result.figures["grouped"] - 0.1
    assert "differ in the label" in result.message


def test_l4_one_class_at_each_site_fires():
    table = people(96)
    table["site"] = np.where(table["y"] == "yes", "north", "south")
    assert site_alone(case(table)).level == "leak"
    assert site_imbalance(case(table)).figures["v"] == pytest.approx(1)
    uneven = people(96)
    uneven.loc[uneven.index[:40:2], "site"] = "site9"  # twenty people of one class
    assert site_alone(case(uneven)).level == "note"


def test_l4_sites_that_scans_tell_matter_where_they_tell_the_label():
    table = people(96)
    table["site"] = np.where(np.arange(96) % 4 == 1, "north", "south")  # people with "yes" only
    series = recordings(table)
    for values, site in zip(series, table["site"], strict=True):
        if site == "north":
            values[:, 1] += 3 * values[:, 0]
    assert site_in_scans(case(table, series)).level == "note"
    even = people(96)
    assert site_in_scans(case(even, series)).level == "ok"


def test_l9_l10_motion_and_length_that_follow_the_label_fire():
    table = people(96)
    yes = (table["y"] == "yes").to_numpy()
    moved = case(table.assign(motion=table["motion"] * np.where(yes, 1.6, 1)))
    assert motion_alone(moved).level == "note"
    assert motion_alone(case(table.assign(motion=np.where(yes, 0.5, 0.1) + table["motion"] / 10))).level == "leak"
    series = [values[: 80 if one else 70] for values, one in zip(recordings(table), yes, strict=True)]
    assert length_alone(case(table, series)).level == "leak"
    assert length_alone(CLEAN).level == "not covered"  # one TR, one length


def test_l11_raw_intensity_that_follows_the_label_fires_and_vanishes_with_z_scoring():
    table = people(96)
    series = recordings(table)
    for values, label in zip(series, table["y"], strict=True):
        values += 1000 + (30 if label == "yes" else 0)
    result = raw_intensity(case(table, series))
    assert result.level == "note"
    assert result.figures["raw"] > 0.95
    assert result.figures["largest_after"] < 1e-6


def test_l12_a_covariate_that_holds_the_label_fires():
    score = people(96)
    task = replace(ASD, covariates=("age", "mmse"))
    score["mmse"] = np.where(score["y"] == "yes", 22.0, 28.0) + np.arange(96) % 5
    result = covariate_proxies(case(score, task=task))
    assert result.level == "leak"
    assert "mmse" in result.message


def test_l13_a_target_or_a_foreign_column_in_the_staged_test_file_fires(tmp_path):
    found = CLEAN
    kind = get_kind("classification")
    free = found.items.select(("series", "tr", "frames", "age"))
    for fields, level in ((("y",), "leak"), (("group",), "leak"), ((), "leak"), (None, "ok")):
        items = free if fields is None else found.items.select(("series", "tr", "frames", "age", *fields))
        if fields is None:
            items = type(items)(items.table.set_axis([str(k) for k in range(len(items))]), items.arrays, items.meta)
        items.save(tmp_path / "test.parquet")
        assert inspect(tmp_path, ASD, kind, tuple(found.table.index)).level == level


def test_numbers_as_targets_use_the_same_detectors():
    task = replace(ASD, kind="regression", target="score", classes=(), covariates=("age", "motion"))
    rng = np.random.default_rng(0)
    table = people(96).assign(score=rng.normal(size=96))
    for detect in (site_alone, motion_alone, raw_intensity, covariate_proxies):
        assert detect(case(table, task=task)).level == "ok"
    table["motion"] = table["score"] + 0.1 * rng.normal(size=96)
    assert motion_alone(case(table, task=task)).level == "leak"
    assert site_imbalance(case(table, task=task)).level == "not covered"
    twice = pd.concat([table, table.set_index(np.array([f"b{k}" for k in range(96)]))])
    result = ungrouped_split(case(twice, recordings(twice, own=1.5), task=task))
    assert result.figures["ungrouped"] > result.figures["grouped"] + 0.2


def test_every_run_carries_what_is_cheap_to_find():
    table = people(96)
    table["site"] = np.where(table["y"] == "yes", "north", "south")
    found = case(table)
    levels = {finding.detector: finding.level for finding in audit(ASD, found.items, found.split, None)}
    assert levels == {"group-crossing": "ok", "duplicate-scans": "ok", "shared-frames": "ok",
                      "site-and-class": "note", "site-alone": "leak", "motion-alone": "ok"}  # fmt: skip


def test_films_of_the_same_people_are_told_by_their_stimuli():
    films = replace(ASD, kind="encoding")
    found = case(people(8), task=films)
    assert "no stimulus crosses" in group_crossing(found).message
    assert "the people are the same on both sides" in group_crossing(found).message
    mixed = by_hand(found, ["scan0", "scan1"], ["scan1"])
    assert group_crossing(mixed).message.startswith("1 stimuli")
