"""Published numbers of connectivity."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest

from brainbench.benchmark.registry import load_task
from brainbench.leaderboard.published import SHEETS, published


def test_connectivity_numbers_keep_their_caveats():
    rows = {row.method: row for row in published("NetSim sim3", "graph")}
    # TCDF logs balanced accuracy only, which has no counterpart here.
    assert list(rows) == ["cLSTM", "cMLP", "eSRU", "GVAR"]
    assert rows["GVAR"].values == {"graph-auroc": (0.6898, 0.0618), "graph-auprc": (0.3049, 0.1177)}
    for row in rows.values():
        assert sum(note.startswith("oracle selection") for note in row.notes) == 1
        assert any("subjects 0-4" in note for note in row.notes)
    assert "AUPRC of cell 2,0" in rows["cLSTM"].notes


def test_the_task_of_that_simulation_names_them():
    names = load_task("netsim-3")[0].published
    assert names is not None
    assert published(*names)
    assert load_task("netsim-1")[0].published is None
    # They are of single subjects: no group table shows them.
    for track in ("score-mean", "concatenated", "multi-group"):
        assert load_task(f"netsim-3@{track}")[0].published is None


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.file)
def test_every_share_is_a_fraction_in_the_unit_of_its_file(sheet):
    text = (files("brainbench.leaderboard") / "published" / sheet.file).read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert rows
    known = [row for row in rows if row["metric"] in sheet.metrics and row["mean"]]
    for row in known:
        name, unit = sheet.metrics[row["metric"]]
        assert name in ("mae", "cider-d") or 0.02 < float(row["mean"]) / unit <= 1
    assert {row["metric"] for row in known} == set(sheet.metrics)
