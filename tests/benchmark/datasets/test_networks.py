"""Networks of an atlas: where they come from, and whether they fit the series."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from abide_folders import series, sites

from brainbench.benchmark.datasets.atlas import craddock_networks, describe
from brainbench.benchmark.datasets.importer import import_cohort
from brainbench.benchmark.datasets.layout import Options


def yeo(folder: Path, numbers: list[int], names: str) -> Path:
    path = folder / "roi_to_yeo.csv"
    path.write_text("ROI_number,Yeo7_name\n" + "".join(f"{k},{name}\n" for k, name in zip(numbers, names, strict=True)))
    return path


def test_networks_of_craddock_labels(tmp_path):
    sites(tmp_path)
    (tmp_path / "roi_ids.txt").write_text("1\n2\n3\n4\n400\n")
    yeo(tmp_path, [1, 2, 3, 4, 5], "ABCDE")
    report = import_cohort("abide1", tmp_path, options=Options(atlas="cc400"))
    atlas = report.cohort.manifest.atlas
    assert atlas["labels"] == ["1", "2", "3", "4", "400"]
    assert atlas["networks"][:4] == ["Vis", "Cont", "SomMot", "Subcortex"]
    assert any(note.startswith("networks of cc400 by label") for note in report.notes)
    assert any(note.startswith("roi_to_yeo.csv is not used by itself") for note in report.notes)


def test_craddock_networks():
    assert craddock_networks("cc200", ["#2", "1"]) == ["Default", "Vis"]
    assert craddock_networks("cc400", ["1", "33"]) == []
    assert {len(craddock_networks("cc200", [str(k + 1) for k in range(200)]))} == {200}


def test_a_table_asked_for_is_joined_by_number(tmp_path):
    sites(tmp_path)
    (tmp_path / "roi_ids.txt").write_text("1\n2\n4\n7\n9\n")
    options = Options(atlas="cc400", atlas_table=yeo(tmp_path, [9, 7, 4, 2, 1, 3], "EDCBAX"))
    report = import_cohort("abide1", tmp_path, options=options)
    assert report.cohort.manifest.atlas["networks"] == list("ABCDE")
    assert "networks from roi_to_yeo.csv by its column 'ROI_number'" in report.notes
    assert not any("not used" in note for note in report.notes)


def test_a_table_of_columns_is_joined_in_order(tmp_path):
    sites(tmp_path)
    (tmp_path / "roi_ids.txt").write_text("1\n2\n4\n7\n9\n")
    options = Options(atlas_table=yeo(tmp_path, [1, 2, 3, 4, 5], "ABCDE"))
    report = import_cohort("abide1", tmp_path, options=options)
    assert report.cohort.manifest.atlas["networks"] == list("ABCDE")
    assert "networks from roi_to_yeo.csv, its rows in the order of the columns" in report.notes


def test_labels_that_a_table_lacks():
    labels = [str(k) for k in range(1, 21)]
    with tempfile.TemporaryDirectory() as folder:
        path = yeo(Path(folder), list(range(1, 20)), "A" * 19)
        atlas, how = describe("mine", labels, path, labelled=True)
    assert atlas["networks"] == ["A"] * 19 + ["Unknown"]
    assert how.endswith("1 ROIs are not in it")


@pytest.mark.parametrize(("order", "warned"), [("A" * 10 + "B" * 10, False), ("AB" * 10, True)])
def test_networks_that_do_not_fit_are_noted(tmp_path, order, warned):
    rng = np.random.default_rng(0)
    for k in range(6):
        shared = rng.normal(size=(60, 2)).repeat(10, axis=1)
        np.save(tmp_path / f"s{k}.npy", (shared + rng.normal(size=(60, 20))).astype(np.float32))
    table = yeo(tmp_path, list(range(1, 21)), order)
    report = import_cohort("own", tmp_path, name="mine", options=Options(atlas="mine", atlas_table=table))
    assert any("networks do not fit the series" in note for note in report.notes) == warned
    assert report.cohort.manifest.importer["notes"] == report.notes


def test_named_columns_give_networks(tmp_path):
    labels = ["7Networks_LH_Vis_1", "7Networks_LH_SomMot_2", "7Networks_RH_Default_PFC_1", "HIP-rh", "Brainstem"]
    for k in range(3):
        frame = pd.DataFrame(series(k).astype(float), columns=labels)
        frame.to_csv(tmp_path / f"s{k}.csv", index_label="frame")
    report = import_cohort("own", tmp_path, name="mine")
    atlas = report.cohort.manifest.atlas
    assert atlas["labels"] == labels
    assert atlas["networks"] == ["Vis", "SomMot", "Default", "Subcortex", "Other"]
    assert "no participants table: the scans have no labels" in report.notes
